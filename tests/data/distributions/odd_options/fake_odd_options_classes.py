from dataclasses import dataclass, field

from nnfw import Elementwise


@dataclass(frozen=True)
class UnreadableAnnotation(Elementwise):
    level: "Levle" = 1  # noqa: F821

    def value(self, z):
        return z

    def derivative(self, z, a):
        return z * 0 + 1


@dataclass(frozen=True)
class MutableDefault(Elementwise):
    levels: list[int] = field(default_factory=list)

    def value(self, z):
        return z

    def derivative(self, z, a):
        return z * 0 + 1


@dataclass(frozen=True)
class ReservedOption(Elementwise):
    type: str = "soft"

    def value(self, z):
        return z

    def derivative(self, z, a):
        return z * 0 + 1


@dataclass(frozen=True)
class Refusing(Elementwise):
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self):
        if self.low >= self.high:
            raise ValueError("low must be less than high")

    def value(self, z):
        return z

    def derivative(self, z, a):
        return z * 0 + 1
