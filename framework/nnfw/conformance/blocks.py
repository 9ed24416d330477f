"""The checks of blocks, which stand for several nodes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from nnfw.arrays import Array, Shape, Shapes
from nnfw.checking import Bare, Unchanged, alone, check_layer, drawn
from nnfw.conformance.layer_bench import TRIAL_SHAPES
from nnfw.conformance.outcomes import applies_if, require
from nnfw.conformance.requirements import close, equal
from nnfw.conformance.subjects import Subject
from nnfw.errors import ShapeError
from nnfw.model import Sequential, load
from nnfw.plugins.specs import holds_shapes
from nnfw.protocols import Block, Node

_EXAMPLES = 3
_MOST = 2  # shapes to try for each number of inputs


def exercise(subject: Subject[Block], component: Block) -> list[object]:
    """Use a block as nnfw does, and return everything that it computes."""
    results: list[object] = []
    for shape in _shapes_of(subject)[:2]:
        model = alone(component, shape, subject.registry)
        results += [component.nodes(_names(shape)), _predicted(model, _inputs(subject, model))]
    return results


def check_takes_some_shape(subject: Subject[Block]) -> None:
    """A network of it accepts inputs of shapes that its plugin declares, or one input of a common shape."""
    tried = ", ".join(map(str, subject.input_shapes or TRIAL_SHAPES))
    require(_shapes_of(subject), f"networks of it refuse inputs of all shapes that were tried: {tried}.")


def check_nodes_are_the_same_each_time(subject: Subject[Block]) -> None:
    """It returns equal nodes each time, so that a loaded network has the parameters of the saved one."""
    for shape in _shapes_of(subject):
        first, second = (list(subject.make().nodes(_names(shape))) for _ in range(2))
        require(first == second, f"it returned {first}, then {second}.")


def check_names_only_its_inputs(subject: Subject[Block]) -> None:
    """In another place, and with inputs of other names, it gives the same values."""
    for shape in _shapes_of(subject):
        model = alone(subject.component, shape, subject.registry)
        count = len(model.network.inputs)
        names = [f"other{count - index}" for index in range(count)]  # in another order than x0, x1, ...
        shapes = {name: each.shape for name, each in zip(names, model.network.inputs, strict=True)}
        before = [Node(Bare(Unchanged()), f"before_{name}", (name,)) for name in names]
        block = Node(subject.component, inputs=tuple(f"before_{name}" for name in names))
        other = Sequential([*reversed(before), block], shapes, registry=subject.registry)
        other.parameters.vector[...], other.parameters.state[...] = model.parameters.vector, model.parameters.state
        inputs = _inputs(subject, model)
        same = close(_predicted(other, inputs), _predicted(model, inputs))
        require(same, f"for inputs of shape {shape} it gives other values in another place.")


def check_gradients(subject: Subject[Block]) -> None:
    """∂C/∂x for every input and every gradient agree with numerical differentiation in a network of it."""
    for shape in _shapes_of(subject):
        report = check_layer(subject.component, shape, subject.registry, examples=_EXAMPLES, wanted=_is_no_delta)
        require(not report.problem, report.problem)
        for row in report.rows:
            require(row.ok, f"for {_EXAMPLES} examples of shape {shape}: {row.explanation()}")


def check_saves_and_loads(subject: Subject[Block]) -> None:
    """A model with it is the same to the last bit after saving and loading."""
    applies_if(subject.declared is not None, "no plugin declares it, so no file can name it")
    for shape in _shapes_of(subject)[:1]:
        model = alone(subject.component, shape, subject.registry)
        inputs = _inputs(subject, model)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.nnfw"
            model.save(path)
            again = load(path, registry=subject.registry)
        require(equal(_predicted(model, inputs), _predicted(again, inputs)), "a loaded model predicts other values.")


@lru_cache(maxsize=1)  # the checks of a subject follow each other
def _shapes_of(subject: Subject[Block]) -> list[Shape | Shapes]:
    """Return shapes of its input, or of its inputs, that it takes: some for each number of inputs, of unlike axes."""
    found = [shape for shape in subject.input_shapes or TRIAL_SHAPES if _takes(subject, shape)]
    chosen: list[Shape | Shapes] = []
    for count in dict.fromkeys(len(_names(shape)) for shape in found):
        alike = [shape for shape in found if len(_names(shape)) == count]
        by_axes = {len(shape): shape for shape in reversed(alike)}
        chosen += list(dict.fromkeys([*reversed(by_axes.values()), *alike]))[:_MOST]
    return chosen


def _takes(subject: Subject[Block], shape: Shape | Shapes) -> bool:
    try:
        alone(subject.component, shape, subject.registry)
    except ShapeError:
        return False
    return True


def _names(shape: Shape | Shapes) -> tuple[str, ...]:
    """Return names of as many inputs as there are shapes."""
    return tuple(f".x{index}" for index in range(len(shape) if holds_shapes(shape) else 1))


def _is_no_delta(name: str) -> bool:
    """Return whether a gradient is that of an input or a parameter, on which each δ has its effect."""
    return not name.endswith(".delta")


def _inputs(subject: Subject[Block], model: Sequential) -> tuple[Array, ...]:
    return drawn(model, subject.rng(), _EXAMPLES)


def _predicted(model: Sequential, inputs: Sequence[Array]) -> Array:
    named = {each.name: x for each, x in zip(model.network.inputs, inputs, strict=True)}
    found: Array = model.predict(named if model.network.inputs[0].key else inputs[0])
    return found
