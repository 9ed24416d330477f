"""Many steps in one call: the plain reference."""

import numpy as np

from nnfw.ops import Call, PerStep
from nnfw.ops.many_steps import steps
from nnfw_standard.operations import sgd, squared_distance


def step_calls(costs, targets, rates):
    theta, gradient = np.zeros(2), np.zeros((len(rates), 2))
    gradient[...] = targets
    before = [Call(squared_distance, (theta[np.newaxis], PerStep(targets[:, np.newaxis]), 1, PerStep(costs)))]
    return theta, before, [Call(sgd, (theta, PerStep(gradient), PerStep(rates)))]


def test_steps_take_what_differs_from_their_tables():
    costs, rates = np.full((3, 1), np.nan), np.array([1.0, 0.5, 0.25])
    theta, before, after = step_calls(costs, np.array([[1.0, 0], [0, 2], [4, 0]]), rates)
    assert steps(before, after, costs)(0, 3) == 3
    assert theta.tolist() == [-2, -1]
    assert costs.ravel().tolist() == [1, 5, 26]


def test_steps_end_before_the_update_of_one_whose_cost_is_not_finite():
    costs, rates = np.zeros((4, 1)), np.ones(4)
    theta, before, after = step_calls(costs, np.array([[1.0, 0], [1, 0], [np.inf, 0], [1, 0]]), rates)
    run = steps(before, after, costs)
    assert (run(0, 1), run(1, 3)) == (1, 1)
    assert theta.tolist() == [-2, 0]
    assert costs[3] == 0
