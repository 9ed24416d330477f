from nnfw import Elementwise


class Ripple(Elementwise):
    def value(self, z):
        return z

    def derivative(self, z, a):
        return z * 0 + 1
