"""The checks of layers with several inputs: those of layers, for inputs one after the other in one vector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from itertools import accumulate
from math import prod

import numpy as np

from nnfw.arrays import Array, Shape, Shapes
from nnfw.conformance import layers
from nnfw.conformance.layer_bench import TRIAL_SHAPES, Bench, benches
from nnfw.conformance.outcomes import applies_if, require
from nnfw.conformance.requirements import require_array
from nnfw.conformance.subjects import Subject
from nnfw.errors import ShapeError, class_name, short
from nnfw.network import pictures_of
from nnfw.protocols import AnyActivation, Layer, Merge, Parameter
from nnfw.workspace import Workspace

_COUNTS = (2, 3)  # of inputs
_MOST = 3  # shapes to try for each number of inputs


@dataclass(frozen=True)
class _Flat(Layer):
    """A merge of inputs of some shapes as a layer whose input is one vector: the inputs flat, one after the other."""

    merge: Merge
    shapes: tuple[tuple[int, ...], ...]
    activation: AnyActivation

    @property
    def keeps_time(self) -> bool:  # type: ignore[override]
        return getattr(self.merge, "keeps_time", False)

    def _require_shape(self, input_shape: Shape) -> None:
        expected = (sum(map(prod, self.shapes)),)
        if input_shape != expected:
            raise ShapeError(f"expected inputs of shape {expected}, got {input_shape}.")

    def output_shape(self, input_shape: Shape) -> Shape:
        self._require_shape(input_shape)
        return self.merge.output_shape(self.shapes)

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        self._require_shape(input_shape)
        return self.merge.parameters(self.shapes)

    def split(self, flat: Array) -> tuple[Array, ...]:
        """Return the inputs, views where memory allows."""
        ends = list(accumulate(map(prod, self.shapes)))[:-1]
        parts = np.split(flat, ends, axis=1)
        return tuple(part.reshape(len(flat), *shape) for part, shape in zip(parts, self.shapes, strict=True))

    def lengths(self, lengths: Array) -> list[Array | None]:
        """Return lengths for each input: the same ones, or others for each if the merge takes those."""
        own = getattr(self.merge, "own_lengths", False)
        found: list[Array | None] = []
        for number, shape in enumerate(self.shapes):
            if len(shape) < 2:
                found.append(None)
            else:
                found.append(np.minimum(np.roll(lengths, number) if own else lengths, shape[0]))
        return found

    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        if workspace.lengths is not None:
            found = self.lengths(workspace.lengths)
            workspace.input_lengths = found
            own = getattr(self.merge, "own_lengths", False)
            workspace.lengths = found[0] if own else next((each for each in found if each is not None), None)
        return self.merge.forward(params, self.split(a_prev), workspace)

    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        terms: object = self.merge.backward(params, delta, grads, workspace)
        count = len(self.shapes)
        right = isinstance(terms, tuple) and len(terms) == count
        require(right, f"backward returned {class_name(terms)} for {count} inputs, expected a tuple of as many.")
        assert isinstance(terms, tuple)
        if not workspace.needs_input_gradient:
            return None
        for number, (term, shape) in enumerate(zip(terms, self.shapes, strict=True)):
            found = require_array(term, f"term {number} of backward").shape
            require(found == (len(delta), *shape), f"term {number} of backward has shape {found}, expected {shape}.")
        return _side_by_side(terms)

    def pictures(self, params: Mapping[str, Array], workspace: Workspace) -> Mapping[str, Array]:
        return pictures_of(self.merge, params, workspace)


def _side_by_side(arrays: Sequence[Array]) -> Array:
    return np.concatenate([array.reshape(len(array), prod(array.shape[1:])) for array in arrays], axis=1)


@dataclass(frozen=True, eq=False)
class _FlatSubject(Subject[Layer]):
    """A flat merge, with the batches that it is to be tried with, if its author gives some."""

    batches: tuple[Array, ...] = ()

    def samples(self) -> Iterator[object]:
        yield from self.batches


def _flat(subject: Subject[Merge], merge: Merge | None = None) -> list[_FlatSubject]:
    """Return a merge, by default the subject's, as layers to check: one for each choice of inputs."""
    merge = merge or subject.component

    def made(shapes: Shapes, *batches: Array) -> _FlatSubject:
        layer, size = _Flat(merge, shapes, merge.activation), sum(map(prod, shapes))
        return _FlatSubject("layer", subject.name, layer, subject.registry, input_shapes=((size,),), batches=batches)

    samples = [_sampled(batch) for batch in subject.samples()]
    return [made(*each) for each in samples] or [made(shapes) for shapes in _shapes(subject)]


def _sampled(batch: object) -> tuple[Shapes, Array]:
    """Return the shapes of the inputs in a batch, and the batch flat."""
    right = isinstance(batch, tuple) and bool(batch)
    require(right, f"samples yielded {short(batch)}, expected a tuple of arrays, one for each input.")
    assert isinstance(batch, tuple)
    arrays = [require_array(array, "samples") for array in batch]
    same = len({len(array) for array in arrays}) == 1 and len(arrays[0])
    require(same, "samples yielded arrays without examples, or of other numbers of examples.")
    return tuple(array.shape[1:] for array in arrays), _side_by_side(arrays)


def _shapes(subject: Subject[Merge]) -> list[Shapes]:
    """Return the shapes of inputs that are declared, or some that the merge takes."""
    merge = subject.component
    if subject.several_shapes:
        return [shapes for shapes in subject.several_shapes if _takes(merge, shapes)]
    singles, counts = subject.single_shapes or TRIAL_SHAPES, (*_COUNTS, 1)
    tried = {count: [(each,) * count for each in singles if _takes(merge, (each,) * count)] for count in counts}
    return [shapes for count in _COUNTS for shapes in _first(tried[count])] or _first(tried[1])


def _first(shapes: list[Shapes]) -> list[Shapes]:
    """Return the first shapes, one for each number of axes if there are several."""
    by_axes = {len(each[0]): each for each in reversed(shapes)}
    return list(dict.fromkeys([*(by_axes[axes] for axes in sorted(by_axes)), *shapes]))[:_MOST]


def _takes(merge: Merge, shapes: Shapes) -> bool:
    try:
        merge.output_shape(shapes)
    except ShapeError:
        return False
    return True


def exercise(subject: Subject[Merge], component: Merge) -> list[object]:
    """Use a merge as nnfw does, in training and out of it, and return everything that it computes."""
    used = [layers.exercise(each, each.component) for each in _flat(subject, component)]
    return [result for results in used for result in results]


def check_takes_some_shape(subject: Subject[Merge]) -> None:
    """It accepts inputs of shapes that its plugin declares or its samples have, or two or three of a common shape."""
    tried = ", ".join(map(str, subject.input_shapes or TRIAL_SHAPES))
    require(_flat(subject), f"it refuses one, two and three inputs of all shapes that were tried: {tried}.")


def check_lengths_end_sequences(subject: Subject[Merge]) -> None:
    """If it uses or hands on lengths, what lies beyond them changes neither z nor a gradient, and these are right.

    A merge may refuse them with DataError.
    """
    found = _benches(subject)
    used = [layers.uses_lengths(bench, *_padding(bench)) for bench in found if _steps(bench) > 1]
    applies_if(any(used), "it does not use workspace.lengths")


def check_gradient_of_input(subject: Subject[Merge]) -> None:
    """∂C/∂a agrees with numerical differentiation for each input, with noise and activation, for several shapes."""
    layers.require_gradients(_benches(subject), subject.registry, layers.is_input)


def check_gradients_of_parameters(subject: Subject[Merge]) -> None:
    """The gradient of every parameter agrees with numerical differentiation (Equations 3 and 4 for w and b)."""
    found = _benches(subject)
    applies_if(any(bench.layout.size for bench in found), "it has no parameters to train")
    layers.require_gradients(found, subject.registry, layers.is_parameter)


def _benches(subject: Subject[Merge]) -> list[Bench]:
    found = [bench for each in _flat(subject) for bench in benches(each)]
    applies_if(found, "no shapes are known that it takes; declare input_shapes in its ComponentSpec")
    return found


def _steps(bench: Bench) -> int:
    """Return the time steps of the first sequence among the inputs; 0 if there is none."""
    assert isinstance(bench.layer, _Flat)
    return next((shape[0] for shape in bench.layer.shapes if len(shape) > 1), 0)


def _padding(bench: Bench) -> tuple[Array, Array, Array | None]:
    """Return lengths of three examples, and what lies beyond them in the input and in z, None if that has none."""
    layer, steps = bench.layer, _steps(bench)
    assert isinstance(layer, _Flat)
    lengths = np.array([1, steps - 1, steps])
    beyond = [np.zeros((3, prod(shape)), bool) for shape in layer.shapes]
    for shape, own, part in zip(layer.shapes, layer.lengths(lengths), beyond, strict=True):
        if own is not None:
            outside = np.arange(shape[0]) >= own[:, np.newaxis]
            part[...] = np.repeat(outside, prod(shape[1:]), axis=1)
    keeps = layer.keeps_time and layer.output_shape(bench.shape)[:1] == (steps,)
    of_z = np.arange(steps) >= lengths[:, np.newaxis] if keeps else None
    return lengths, np.concatenate(beyond, axis=1), of_z


def _for_merges(check: Callable[[Subject[Layer]], None]) -> Callable[[Subject[Merge]], None]:
    @wraps(check)
    def of_merge(subject: Subject[Merge]) -> None:
        for each in _flat(subject):
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
