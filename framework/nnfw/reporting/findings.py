"""What a trained model gets right and wrong on data that it was not trained on, as far as there is any."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnfw.arrays import Array
from nnfw.data import Examples, load_examples
from nnfw.experiments import Prepared
from nnfw.model import Sequential
from nnfw.plugins import Registry
from nnfw.runs import prepare_run
from nnfw.runs.reading import PARTS
from nnfw.runs.stored_experiment import open_run

MOST_EXAMPLES = 10_000
"""Examples that are looked at: the loss of each is computed by itself."""

_PROBABILITIES = (0.0, 1.0)
_ROWS = 1024  # examples that pass through the network together


@dataclass(frozen=True, eq=False)
class Findings:
    """N examples of one part of the data, and what the model says of them.

    Parameters
    ----------
    part
        Which one: the furthest from training that there is.
    total
        How many examples the part has; the first N of them are looked at.
    columns
        Their raw columns.
    truths, predictions
        Names of classes ``(N,)``, ``(N, k)`` where an example has several labels, or numbers ``(N, k)``.
    losses
        The cost of each example by itself, ``(N,)``.
    target
        What the label is called.
    classes
        Names of all classes in order; empty for a regression.
    same_data
        Whether the data is that of the training.
    remark
        What is to be said of the model; empty if it is the final one.
    """

    part: str
    total: int
    columns: Mapping[str, Array]
    truths: Array
    predictions: Array
    losses: Array
    target: str
    classes: tuple[str, ...]
    same_data: bool
    remark: str = ""

    def __len__(self) -> int:
        """Return N."""
        return len(self.losses)

    def worst(self, most: int) -> Array:
        """Return the positions of the examples with the largest losses, the largest first."""
        return np.argsort(-self.losses, kind="stable")[:most]

    def pairs(self) -> tuple[Array, Array, Array]:
        """Return each class with one that it was taken for, as positions in `classes`, and how many times it was.

        There are at most as many as examples, where a matrix has an entry for every two classes.
        """
        order = {name: index for index, name in enumerate(self.classes)}
        rows, columns = (
            np.array([order[name] for name in names.ravel().tolist()]) for names in (self.truths, self.predictions)
        )
        pairs, counts = np.unique(np.stack([rows, columns]), axis=1, return_counts=True)
        return pairs[0], pairs[1], counts


def examine(path: Path, registry: Registry, fingerprint: str | None, data_directory: Path | None = None) -> Findings:
    """Return what a run's model says of the run's data.

    Parameters
    ----------
    path
        The run's directory.
    registry
        Where names are looked up.
    fingerprint
        The recorded one.
    data_directory
        Where relative paths of the data start; by default where they did.

    Raises
    ------
    NnfwError
        If model or data cannot be read.
    """
    told: list[str] = []
    prepared = prepare_run(path, registry, told.append, data_directory=data_directory)
    part = next(name for name in reversed(PARTS) if name in prepared.parts)
    rows = prepared.parts[part].rows
    assert rows is not None  # every part is a split
    directory = open_run(path, registry, data_directory=data_directory).directory
    source = prepared.experiment.data.source
    examples = load_examples(source, directory).take(rows[:MOST_EXAMPLES])
    a, losses = _outputs(prepared, part)
    truths, predictions, classes = _labels(prepared, examples, a)
    same = prepared.fingerprint == fingerprint
    return Findings(
        part,
        len(rows),
        examples.features,
        truths,
        predictions,
        losses,
        examples.target_name,
        classes,
        same,
        " ".join(told),
    )


def _outputs(prepared: Prepared, part: str) -> tuple[Array, Array]:
    """Return a^L and the loss of each example that is looked at."""
    network, data = prepared.model.network, prepared.parts[part]
    workspace = network.workspace()
    some = data.subset(data.rows[:MOST_EXAMPLES])  # type: ignore[index]
    outputs: list[Array] = []
    losses: list[float] = []
    with np.errstate(all="ignore"), closing(some.parts(_ROWS, workspace.child("data"))) as parts:
        for x, y, _ in parts:
            z, a = network.forward(x, workspace)
            outputs.append(a.copy())
            one = (slice(index, index + 1) for index in range(len(a)))
            losses += [prepared.objective.value(z[i], a[i], y[i], None) for i in one]
    return np.concatenate(outputs), np.array(losses)


def _labels(prepared: Prepared, examples: Examples, a: Array) -> tuple[Array, Array, tuple[str, ...]]:
    """Return what is true and what is predicted, as names of classes or as numbers, and the classes."""
    model = prepared.model
    assert model.preprocessing is not None
    assert examples.target is not None
    finite = np.isfinite(a).reshape(len(a), -1).all(axis=1)
    raw, said = examples.target, model.preprocessing.labels(np.where(finite.reshape(-1, *[1] * (a.ndim - 1)), a, 0))
    if said.dtype.kind == "f":
        said[~finite] = np.nan
    names = model.preprocessing.classes
    if names is None and _tells_yes_or_no(prepared, model, raw):
        said = (a.reshape(len(a)) > 0.5).astype(np.int64)
    if said.shape != raw.shape or said.dtype.kind not in "USiu":
        return np.reshape(raw, (len(a), -1)), np.reshape(said, (len(a), -1)), ()
    truths = np.array(names)[raw] if names is not None and raw.dtype.kind in "iub" else raw
    truths, predictions = truths.astype(str), said.astype(str)
    classes = names or np.unique([raw, said]).tolist()
    return truths, predictions, tuple(map(str, classes))


def _tells_yes_or_no(prepared: Prepared, model: Sequential, raw: Array) -> bool:
    """Tell whether the only output is the probability of a label 1 rather than 0."""
    single = raw.ndim == 1 and model.output_shape == (1,) and raw.dtype.kind in "iub"
    return single and prepared.objective.cost.domain == _PROBABILITIES and set(np.unique(raw).tolist()) <= {0, 1}
