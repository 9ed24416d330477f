"""δ of recurrent layers on its way through time."""

import numpy as np
import pytest

from nnfw.workspace import Workspace
from nnfw_standard import GRU, LSTM, SimpleRNN


@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("states", ["last", "all", "complete"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "reverse"])
def test_delta_through_time_is_that_of_the_first_state_of_the_rest(kind, states, reverse):
    """∂C/∂h_t is the gradient of the first state of a layer that goes on after step t, and what comes from z_t."""
    rng, steps, count, units = np.random.default_rng(0), 5, 3, 2
    layer = kind(units, states=states, reverse=reverse)
    x = rng.standard_normal((count, steps, 4))
    params = {name: rng.standard_normal(parameter.shape) for name, parameter in layer.parameters(((steps, 4),)).items()}
    delta = rng.standard_normal((count, *layer.output_shape(((steps, 4),))))
    workspace = Workspace(np.float64)
    layer.forward(params, (x,), workspace)
    layer.backward(params, delta, {name: np.empty_like(value) for name, value in params.items()}, workspace)
    found = layer.through_time(params, delta, workspace)
    assert found.shape == (steps, count, units)
    for k in range(steps - 1):
        read, left = (x[:, ::-1], x[:, ::-1][:, k + 1 :][:, ::-1]) if reverse else (x, x[:, k + 1 :])
        seen = read[:, : k + 1][:, ::-1] if reverse else read[:, : k + 1]
        state = kind(units, states="complete", reverse=reverse).forward(params, (seen,), Workspace(np.float64)).copy()
        of_rest = delta
        if states == "all":
            of_rest = delta[:, : steps - k - 1] if reverse else delta[:, k + 1 :]
        rest = Workspace(np.float64)
        layer.forward(params, (left, state), rest)
        grads = {name: np.empty_like(value) for name, value in params.items()}
        expected = layer.backward(params, np.ascontiguousarray(of_rest), grads, rest)[1][:, :units].copy()
        if states == "all":
            expected += delta[:, steps - 1 - k if reverse else k]
        np.testing.assert_allclose(found[k], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("states", ["last", "all"])
def test_delta_through_time_of_padded_sequences_is_that_of_each_alone(kind, states):
    rng, lengths = np.random.default_rng(0), [5, 2, 1]
    layer, x = kind(2, states=states), rng.standard_normal((3, 5, 4))
    params = {name: rng.standard_normal(parameter.shape) for name, parameter in layer.parameters(((5, 4),)).items()}
    delta = rng.standard_normal((3, *layer.output_shape(((5, 4),))))

    def found(x, delta, lengths=None):
        workspace = Workspace(np.float64)
        workspace.lengths = lengths
        layer.forward(params, (x,), workspace)
        layer.backward(params, delta, {name: np.empty_like(value) for name, value in params.items()}, workspace)
        return layer.through_time(params, delta, workspace)

    if states == "all":
        delta[np.arange(5) >= np.array(lengths)[:, np.newaxis]] = 0
    together = found(x, delta, np.array(lengths))
    for row, length in enumerate(lengths):
        own = delta[row : row + 1, :length] if states == "all" else delta[row : row + 1]
        alone = found(x[row : row + 1, :length], np.ascontiguousarray(own))
        np.testing.assert_allclose(together[:length, row], alone[:, 0], rtol=1e-10, atol=1e-12)
        assert np.isnan(together[length:, row]).all()
