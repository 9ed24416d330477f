"""The operations as loops over elements, imported only by engines that compile them."""

from math import exp


def swish_gate(u, g, beta, s, h, z):
    t = z.dtype.type
    b, one = t(beta), t(1)
    for k in range(z.size):
        s.flat[k] = one / (one + exp(-(g.flat[k] * b)))
        h.flat[k] = g.flat[k] * s.flat[k]
        z.flat[k] = u.flat[k] * h.flat[k]


def swish_gate_delta(delta, u, s, h, beta, delta_u, delta_g):
    t = delta.dtype.type
    b, one = t(beta), t(1)
    for k in range(delta.size):
        delta_u.flat[k] = delta.flat[k] * h.flat[k]
        slope = (one - s.flat[k]) * h.flat[k] * b + s.flat[k]
        delta_g.flat[k] = slope * u.flat[k] * delta.flat[k]
