"""CTC, wrong in one place, and the check that must find it."""

from dataclasses import dataclass

import numpy as np
import pytest

from nnfw.testing import run_checks
from nnfw_standard import CTC

DELTA, GRADIENT = "cost.canonical_delta_is_equation_1", "cost.gradient_is_the_gradient_of_value"


@dataclass(frozen=True)
class Merges(CTC):
    """Takes repeated labels for one: in the gradient alone."""

    def canonical_delta(self, a, y, workspace, weight=None):
        merged = y.copy()
        for row in merged:
            if row[1] == row[0]:
                row[1] = self.blank
        return super().canonical_delta(a, merged, workspace, weight)


@dataclass(frozen=True)
class NoBlanks(CTC):
    """Leaves the blank out of the shares."""

    def canonical_delta(self, a, y, workspace, weight=None):
        delta = super().canonical_delta(a, y, workspace, weight)
        delta[..., self.blank] = a[..., self.blank] / len(a)
        return delta


@dataclass(frozen=True)
class OneStepLate(CTC):
    """Gives each time step the shares of the one before."""

    def gradient(self, a, y, workspace, weight=None):
        return np.roll(super().gradient(a, y, workspace, weight), 1, axis=1)


@dataclass(frozen=True)
class FirstLabelsOnly(CTC):
    """Leaves the last label out, in the value alone."""

    def value_from_z(self, z, y, weight=None):
        return super().value_from_z(z, np.where(np.arange(y.shape[1]) < 1, y, self.blank), weight)


WRONG = {
    "repeated labels": (Merges(), DELTA),
    "blanks": (NoBlanks(), DELTA),
    "one step late": (OneStepLate(), GRADIENT),
    "first labels": (FirstLabelsOnly(), "cost.canonical_value_is_the_value"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_ctc_is_found(name):
    cost, check = WRONG[name]
    assert [item.check for item in run_checks(cost, only=[check]).failures] == [check]
