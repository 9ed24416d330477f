"""The checks of blocks, which stand for several nodes."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from nnfw.arrays import Shape
from nnfw.checking import check_layer
from nnfw.conformance.layer_bench import TRIAL_SHAPES
from nnfw.conformance.outcomes import applies_if, require
from nnfw.conformance.requirements import equal
from nnfw.conformance.subjects import Subject
from nnfw.errors import ShapeError
from nnfw.model import Sequential, load
from nnfw.protocols import Block

_INPUTS = ".x", ".y"


def exercise(subject: Subject[Block], component: Block) -> list[object]:
    """Use a block as nnfw does, and return everything that it computes."""
    results: list[object] = [component.nodes(_INPUTS[:1])]
    for shape in _shapes_of(subject)[:2]:
        model = Sequential([component], shape, registry=subject.registry)
        results.append(model.predict(subject.rng().standard_normal((3, *shape))))
    return results


def check_takes_some_shape(subject: Subject[Block]) -> None:
    """A network of it accepts inputs of a shape that its plugin declares, or of a common one."""
    require(_shapes_of(subject), f"networks of it refuse inputs of all shapes that were tried: {TRIAL_SHAPES}.")


def check_nodes_are_the_same_each_time(subject: Subject[Block]) -> None:
    """It returns equal nodes each time, so that a loaded network has the parameters of the saved one."""
    first, second = (list(subject.make().nodes(_INPUTS[:1])) for _ in range(2))
    require(first == second, f"it returned {first}, then {second}.")


def check_gradients(subject: Subject[Block]) -> None:
    """∂C/∂x and every gradient agree with numerical differentiation in a network of it."""
    for shape in _shapes_of(subject)[:3]:
        report = check_layer(subject.component, shape, subject.registry)
        require(not report.problem, report.problem)
        for row in report.rows:
            require(row.ok, f"for 3 examples of shape {shape}: {row.explanation()}")


def check_saves_and_loads(subject: Subject[Block]) -> None:
    """A model with it is the same to the last bit after saving and loading."""
    applies_if(subject.declared is not None, "no plugin declares it, so no file can name it")
    shape = _shapes_of(subject)[0]
    model = Sequential([subject.component], shape, registry=subject.registry)
    x = subject.rng().standard_normal((3, *shape))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.nnfw"
        model.save(path)
        again = load(path, registry=subject.registry)
    require(equal(model.predict(x), again.predict(x)), "a loaded model predicts other values.")


def _shapes_of(subject: Subject[Block]) -> list[Shape]:
    return [shape for shape in subject.single_shapes or TRIAL_SHAPES if _takes(subject, shape)]


def _takes(subject: Subject[Block], shape: Shape) -> bool:
    try:
        Sequential([subject.component], shape, registry=subject.registry)
    except ShapeError:
        return False
    return True
