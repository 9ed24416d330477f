"""The checks of layers with several inputs: those of layers, for inputs stacked along an axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.conformance import layers
from nnfw.conformance.layer_bench import TRIAL_SHAPES
from nnfw.conformance.outcomes import require
from nnfw.conformance.subjects import Subject
from nnfw.errors import ShapeError, class_name
from nnfw.protocols import Activation, Layer, Merge, Parameter
from nnfw.workspace import Workspace

_COUNTS = (2, 3)  # of inputs


@dataclass(frozen=True)
class _Stacked(Layer):
    """A merge of `count` inputs of one shape as a layer whose input holds them one after the other."""

    merge: Merge
    count: int
    activation: Activation | str

    def _shapes(self, input_shape: Shape) -> tuple[Shape, ...]:
        if input_shape[:1] != (self.count,):
            raise ShapeError(f"expected {self.count} inputs, got shape {input_shape}.")
        return (input_shape[1:],) * self.count

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.merge.output_shape(self._shapes(input_shape))

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        return self.merge.parameters(self._shapes(input_shape))

    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        inputs = tuple(a_prev[:, k] for k in range(self.count))
        return self.merge.forward(params, inputs, workspace)

    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        terms: object = self.merge.backward(params, delta, grads, workspace)
        right = isinstance(terms, tuple) and len(terms) == self.count
        require(right, f"backward returned {class_name(terms)} for {self.count} inputs, expected a tuple of as many.")
        assert isinstance(terms, tuple)
        return np.stack(terms, axis=1) if workspace.needs_input_gradient else None


def _stacked(subject: Subject[Merge]) -> list[Subject[Layer]]:
    """Return the merge as layers to check, one for each number of inputs."""
    merge, shapes = subject.component, subject.input_shapes or TRIAL_SHAPES
    return [
        Subject(
            "layer",
            subject.name,
            _Stacked(merge, count, merge.activation),
            subject.registry,
            None,
            tuple((count, *shape) for shape in shapes if _takes(merge, shape, count)),
        )
        for count in _COUNTS
    ]


def _takes(merge: Merge, shape: Shape, count: int) -> bool:
    try:
        merge.output_shape((shape,) * count)
    except ShapeError:
        return False
    return True


def exercise(subject: Subject[Merge], component: Merge) -> list[object]:
    """Use a merge as nnfw does, in training and out of it, and return everything that it computes."""
    found = zip(_COUNTS, _stacked(subject), strict=True)
    used = [layers.exercise(each, _Stacked(component, count, component.activation)) for count, each in found]
    return [result for results in used for result in results]


def check_takes_some_shape(subject: Subject[Merge]) -> None:
    """It accepts two or three inputs of a shape that its plugin declares, or of a common one."""
    shapes = subject.input_shapes or TRIAL_SHAPES
    found = any(_takes(subject.component, shape, count) for shape in shapes for count in _COUNTS)
    require(found, f"it refuses two and three inputs of all shapes that were tried: {', '.join(map(str, shapes))}.")


def _for_merges(check: Callable[[Subject[Layer]], None]) -> Callable[[Subject[Merge]], None]:
    @wraps(check)
    def of_merge(subject: Subject[Merge]) -> None:
        for each in _stacked(subject):
            if each.input_shapes:
                check(each)

    of_merge.__module__ = __name__  # a check belongs to the module that it is in
    return of_merge


check_output_shape_is_real = _for_merges(layers.check_output_shape_is_real)
check_parameters_are_real = _for_merges(layers.check_parameters_are_real)
check_keeps_float32 = _for_merges(layers.check_keeps_float32)
check_keeps_float64 = _for_merges(layers.check_keeps_float64)
check_leaves_input_alone = _for_merges(layers.check_leaves_input_alone)
check_leaves_delta_alone = _for_merges(layers.check_leaves_delta_alone)
check_leaves_parameters_alone = _for_merges(layers.check_leaves_parameters_alone)
check_leaves_z_alone = _for_merges(layers.check_leaves_z_alone)
check_same_seed_gives_same_bits = _for_merges(layers.check_same_seed_gives_same_bits)
check_overwrites_gradients = _for_merges(layers.check_overwrites_gradients)
check_reused_workspace_is_like_new = _for_merges(layers.check_reused_workspace_is_like_new)
check_zero_delta_gives_zero = _for_merges(layers.check_zero_delta_gives_zero)
check_linear_in_delta = _for_merges(layers.check_linear_in_delta)
check_rows_are_independent = _for_merges(layers.check_rows_are_independent)
check_batch_of_one_keeps_its_axis = _for_merges(layers.check_batch_of_one_keeps_its_axis)
check_empty_batch_is_handled = _for_merges(layers.check_empty_batch_is_handled)
check_nan_is_not_hidden = _for_merges(layers.check_nan_is_not_hidden)
check_evaluation_is_deterministic = _for_merges(layers.check_evaluation_is_deterministic)
check_gradient_of_input = _for_merges(layers.check_gradient_of_input)
check_gradients_of_parameters = _for_merges(layers.check_gradients_of_parameters)
