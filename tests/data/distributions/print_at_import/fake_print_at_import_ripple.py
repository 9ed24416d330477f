from dataclasses import dataclass

from nnfw import Elementwise


@dataclass(frozen=True)
class Ripple(Elementwise):
    def value(self, z):
        return z

    def derivative(self, z, a):
        return z * 0 + 1
