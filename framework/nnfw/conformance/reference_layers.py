"""Layers without a backward pass of their own, and the comparison of a layer with one that is known to be right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.checking.differences import STEP, compare_values, slopes
from nnfw.checking.hints import hint_for
from nnfw.conformance.layer_bench import Bench
from nnfw.conformance.outcomes import require
from nnfw.errors import ShapeError, in_words, short
from nnfw.plugins import Registry, default_registry
from nnfw.protocols import Activation, Layer, Parameter
from nnfw.workspace import Workspace

Forward = Callable[[Mapping[str, Array], Array], Array]


def numerical_layer(
    forward: Forward,
    parameters: Callable[[Shape], Mapping[str, Parameter]] | None = None,
    *,
    activation: Activation | str,
) -> Layer:
    """Return a layer whose backward pass is numerical differentiation of its forward pass: slow, and right.

    ∂C/∂θ = Σ δ ⊙ ∂z/∂θ, each element from two passes forward, in float64 whatever the network computes in.

    Parameters
    ----------
    forward
        z from parameters by name and a_prev ``(N, *input_shape)``. It must give the same z for the same input, so it
        draws no random numbers.
    parameters
        Declares the parameters for an input shape, as :meth:`Layer.parameters` does; none by default.
    activation
        The σ that follows.

    Returns
    -------
    Layer
        To be trained in a network, or to compare a layer with by :func:`assert_same_layer`.

    Raises
    ------
    ShapeError
        Where a network is built, if `forward` does not take the input, or does not return an array with the batch as
        its first axis.

    Notes
    -----
    ``scipy.differentiate.derivative`` makes the differences, of 3 points in steps of 6e-6 max(1, |θ|); they are good to
    about 1e-9. At a kink they are the mean of the slopes on both sides.

    Examples
    --------
    >>> import nnfw
    >>> squares = numerical_layer(lambda params, a_prev: a_prev**2, activation="identity")
    >>> layer = nnfw.Sequential([squares, nnfw.layer("dense", units=1)], input_shape=2)
    >>> layer.predict([[0.0, 0.0]]).shape
    (1, 1)
    """
    return _NumericalLayer(forward, parameters, activation=activation)


@dataclass(frozen=True)
class _NumericalLayer(Layer):
    function: Forward
    declare: Callable[[Shape], Mapping[str, Parameter]] | None
    _: KW_ONLY
    activation: Activation | str

    def output_shape(self, input_shape: Shape) -> Shape:
        shapes = {name: parameter.shape for name, parameter in self.parameters(input_shape).items()}
        zeros = {name: np.zeros(shape) for name, shape in shapes.items()}
        with np.errstate(all="ignore"):
            try:
                z = self.function(zeros, np.zeros((1, *input_shape)))
            except Exception as error:
                raise ShapeError(f"forward does not take input of shape {input_shape}: {in_words(error)}") from error
        if not isinstance(z, np.ndarray) or z.shape[:1] != (1,):
            found = f"an array of shape {z.shape}" if isinstance(z, np.ndarray) else short(z)
            raise ShapeError(f"forward returned {found} for one example, expected an array of shape (1, ...).")
        return z.shape[1:]

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        return self.declare(input_shape) if self.declare else {}

    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        workspace["a_prev"] = a_prev
        return self.function(params, a_prev).astype(workspace.dtype)

    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        values = {name: np.array(array, np.float64) for name, array in params.items()}
        a_prev = np.array(workspace["a_prev"], np.float64)
        for name in grads:
            grads[name][...] = self._gradient(values[name], values, a_prev, delta)
        return self._gradient(a_prev, values, a_prev, delta).astype(workspace.dtype)

    def _gradient(self, array: Array, params: Mapping[str, Array], a_prev: Array, delta: Array) -> Array:
        """Return the derivatives of Σ δ ⊙ z by the elements of `array`, one of the other arguments."""
        flat = array.reshape(-1)  # a view

        def probe(number: int, t: float) -> float:
            before = flat[number]
            flat[number] += t
            try:
                return float(np.sum(delta * self.function(params, a_prev)))
            finally:
                flat[number] = before

        return slopes(probe, np.arange(flat.size), STEP * np.maximum(1, np.abs(flat))).reshape(array.shape)


def assert_same_layer(
    layer: Layer, reference: Layer, input_shape: Shape, *, examples: int = 3, registry: Registry | None = None
) -> None:
    """Compare z, ∂C/∂a_prev and every gradient of two layers, for the same parameters, inputs and δ, in float64.

    Parameters
    ----------
    layer
        The layer to test.
    reference
        The layer that is right: :func:`numerical_layer`, or an older version.
    input_shape
        Shape of one example.
    examples
        N.
    registry
        Finds the components that they name; the installed ones by default.

    Raises
    ------
    CheckFailed
        An AssertionError that names the array, the place, both values, and what such a ratio usually comes from.

    Examples
    --------
    >>> import nnfw
    >>> affine = numerical_layer(
    ...     lambda params, a_prev: a_prev @ params["weight"].T + params["bias"],
    ...     nnfw.layer("dense", units=3).parameters,
    ...     activation="identity",
    ... )
    >>> assert_same_layer(nnfw.layer("dense", units=3), affine, (4,))
    """
    __tracebackhide__ = True
    registry = registry or default_registry()
    one, other = (Bench(registry.resolve("layer", item), input_shape) for item in (layer, reference))
    shapes = [{name: array.shape for name, array in bench.params.items()} for bench in (one, other)]
    require(shapes[0] == shapes[1], f"it declares the parameters {shapes[0]}, the reference {shapes[1]}.")
    require(
        one.output_shape == other.output_shape,
        f"output_shape({input_shape}) is {one.output_shape}, that of the reference {other.output_shape}.",
    )
    for name, array in other.params.items():
        array[...] = one.params[name]
    x, delta = one.x(examples), one.delta(examples)
    found, expected = one.run(x, delta), other.run(x, delta)
    for meaning, gradient, right in (
        ("z of forward", found.z, expected.z),
        *((f"the gradient of {name!r}", found.grads[name], expected.grads[name]) for name in expected.grads),
        ("∂C/∂a_prev of backward", found.grad_a_prev, expected.grad_a_prev),
    ):
        _require_same(meaning, gradient, right, examples)


def _require_same(meaning: str, found: Array, expected: Array, examples: int) -> None:
    __tracebackhide__ = True
    require(found.shape == expected.shape, f"{meaning} has shape {found.shape}, expected {expected.shape}.")
    elements = np.arange(expected.size)
    compared = compare_values(found.reshape(-1), expected.reshape(-1))
    if compared.ok.all():
        return
    worst = int(np.argmax(np.nan_to_num(compared.error, nan=np.inf)))
    place = list(map(int, np.unravel_index(worst, expected.shape)))
    hint = hint_for(compared, found, elements, examples)
    require(
        False,
        f"{meaning} at {place} is {found.flat[worst]:.10g}, the reference gives {expected.flat[worst]:.10g}"
        f"{': ' if hint else ''}{hint}.",
    )
