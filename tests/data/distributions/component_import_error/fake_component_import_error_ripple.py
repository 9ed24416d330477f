from dataclasses import dataclass

from nnfw import Elementwise


def find_device():
    raise RuntimeError("no GPU found")


DEVICE = find_device()


@dataclass(frozen=True)
class Ripple(Elementwise):
    def value(self, z):
        return z

    def derivative(self, z, a):
        return z * 0 + 1
