"""Solvers that are wrong, each in one way, and the check that must say so."""

from dataclasses import dataclass
from itertools import count

import pytest

from nnfw.testing import checks_of, run_checks
from nnfw_standard import LBFGS, ConjugateGradient, NewtonCG, TrustKrylov

CALLS = count()


def wrong(minimise):
    """Return L-BFGS with another `minimise`, which is given the right one first."""

    @dataclass(frozen=True)
    class Wrong(LBFGS):
        def minimise(self, function, vector, iterations, ended):
            return minimise(super().minimise, function, vector, iterations, ended)

    return Wrong()


def uphill(right, function, vector, iterations, ended):
    return right(lambda theta: (-function(theta)[0], -function(theta)[1]), vector, min(iterations, 5), ended)


def silent(right, function, vector, iterations, ended):
    return right(function, vector, iterations, lambda theta, cost: False)


def half_of_the_cost(right, function, vector, iterations, ended):
    return right(function, vector, iterations, lambda theta, cost: ended(theta, cost / 2))


def too_many(right, function, vector, iterations, ended):
    return right(function, vector, iterations + 1, ended)


def deaf(right, function, vector, iterations, ended):
    return right(function, vector, iterations, lambda theta, cost: ended(theta, cost) and False)


def reason_of_its_own(right, function, vector, iterations, ended):
    return right(function, vector, iterations, ended) or "I had enough"


def without_a_reason(right, function, vector, iterations, ended):
    right(function, vector, iterations, ended)
    return ""


def none(right, function, vector, iterations, ended):
    right(function, vector, iterations, ended)


def in_place(right, function, vector, iterations, ended):
    reason = right(function, vector, iterations, ended)
    vector *= 2
    return reason


def with_luck(right, function, vector, iterations, ended):
    return right(function, vector + 1e-3 * next(CALLS), iterations, ended)


WRONG = {
    "uphill": (wrong(uphill), "solver.minimises_a_quadratic"),
    "silent": (wrong(silent), "solver.tells_each_iteration"),
    "half": (wrong(half_of_the_cost), "solver.tells_each_iteration"),
    "too many": (wrong(too_many), "solver.tells_each_iteration"),
    "deaf": (wrong(deaf), "solver.stops_when_told"),
    "own reason": (wrong(reason_of_its_own), "solver.stops_when_told"),
    "no reason": (wrong(without_a_reason), "solver.says_why_it_ends"),
    "none": (wrong(none), "solver.says_why_it_ends"),
    "in place": (wrong(in_place), "solver.leaves_the_first_vector_alone"),
    "luck": (wrong(with_luck), "solver.is_deterministic"),
}


@pytest.mark.parametrize(("solver", "check"), WRONG.values(), ids=WRONG)
def test_wrong_solver_is_found(solver, check):
    report = run_checks(solver, only=[check])
    assert [item.check for item in report.failures] == [check], report


def test_every_check_of_solvers_finds_something():
    own = {check.id for check in checks_of("solver") if check.id.startswith("solver.")}
    assert own == {check for _, check in WRONG.values()}


@pytest.mark.parametrize("name", ["lbfgs", "cg", "newton_cg", "trust_krylov"])
def test_standard_solver_passes_everything(name):
    report = run_checks(name)
    assert report.ok, report
    assert not any(item.check.startswith("optimizer.") for item in report.outcomes)


@pytest.mark.parametrize("solver", [LBFGS(memory=3), ConjugateGradient(1e-9), NewtonCG(), TrustKrylov()], ids=repr)
def test_other_options_pass_too(solver):
    assert run_checks(solver).ok
