def ripple(z):
    return z
