"""What a trained model gets right and wrong, on data that it was not trained on if there is any."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.data import Examples, Parts, Target, joined
from nnfw.errors import DataError
from nnfw.experiments import Prepared, features_and_labels, read_data
from nnfw.reporting.markup import number
from nnfw.runs import Access, open_run, prepare_run
from nnfw.runs.reading import PARTS
from nnfw.training import Labelled

MOST_EXAMPLES = 10_000
"""How many examples are examined at most: the loss of each is computed separately."""

_PROBABILITIES = (0.0, 1.0)
_ROWS = 1024  # examples in one pass
_CHARACTER = 4  # bytes in an array of texts
_MOST_CHARACTERS = 40  # of a text


@dataclass(frozen=True, eq=False)
class Findings:
    """N examples of one part of the data, and the model's predictions for them.

    Truths and predictions are names of classes ``(N,)``, ``(N, k)`` where an example has several labels, or numbers
    ``(N, k)``. The losses are the costs of the examples ``(N,)``.
    """

    part: str  # test, else validation, else training
    total: int  # how many examples the part has; the first N of them are examined
    columns: Mapping[str, Array]
    truths: Array
    predictions: Array
    losses: Array
    target: str
    classes: tuple[str, ...]  # all, in order; empty for a regression
    same_data: bool  # as in the training
    scores: Array | None = None  # the probabilities of the classes ``(N, K)``; None if the outputs are none
    remark: str = ""  # why the model is not the final one

    def __len__(self) -> int:
        """Return N."""
        return len(self.losses)

    def worst(self, most: int) -> Array:
        """Return the positions of the examples with the largest losses, the largest first."""
        return np.argsort(-self.losses, kind="stable")[:most]

    def outcome(self, index: int) -> str:
        """Return in words what an example is, and what it was taken for."""
        truth, prediction = said_of(self.truths[index]), said_of(self.predictions[index])
        return f"{truth}, correct" if truth == prediction else f"{truth} taken for {prediction}"

    def pairs(self) -> tuple[Array, Array, Array]:
        """Return pairs of true and predicted class, as positions in `classes`, and how often each pair occurs.

        There are at most as many pairs as examples; a matrix would have an entry for every two classes.
        """
        order = {name: index for index, name in enumerate(self.classes)}
        rows, columns = (
            np.array([order[name] for name in names.ravel().tolist()]) for names in (self.truths, self.predictions)
        )
        pairs, counts = np.unique(np.stack([rows, columns]), axis=1, return_counts=True)
        return pairs[0], pairs[1], counts


@dataclass(frozen=True, eq=False)
class Evidence:
    """A run's model with the first examples of one part of the data: test, else validation, else training."""

    prepared: Prepared
    part: str
    examples: Examples
    remark: str  # why the model is not the final one

    def labelled(self) -> Labelled:
        """Return the examples as the model takes them."""
        model = self.prepared.model
        return model.labelled(*features_and_labels(model, self.examples), self.prepared.objective)


def evidence_of(path: Path, access: Access) -> Evidence:
    """Open a run's model and its data."""
    messages: list[str] = []
    access = replace(access, tell=messages.append)
    file = open_run(path, access)
    data = read_data(file.experiment.data.source, file.directory)
    prepared = prepare_run(path, access, data)
    part = next(name for name in reversed(PARTS) if name in prepared.parts)
    return Evidence(prepared, part, _first(data.take(prepared.parts[part].rows)), " ".join(messages))


def examine(evidence: Evidence, fingerprint: str | None) -> Findings:
    """Return the predictions of a run's model for the run's data; `fingerprint` is that of the data in its record."""
    prepared, examined = evidence.prepared, evidence.examples
    if len(prepared.objective.terms) > 1:
        raise DataError("the network has several outputs. The figures of each are among the results.")
    a, losses = _outputs(prepared, evidence.labelled())
    explain = getattr(prepared.objective.terms[0].cost, "predictions", None)
    if found := {} if explain is None else explain(a):  # of quantiles the middle one
        a = found.get("", list(found.values())[len(found) // 2]).reshape(len(a), -1)
    target, raw = _target(prepared, examined)
    truths, predictions, classes = _labels(prepared, target, raw, a)
    return Findings(
        evidence.part,
        total=len(prepared.parts[evidence.part]),
        columns=examined.features,
        truths=truths,
        predictions=predictions,
        losses=losses,
        target=examined.target_name if target.column is None else target.column.name,
        classes=classes,
        same_data=prepared.fingerprint == fingerprint,
        scores=_scores(prepared, a, truths, classes),
        remark=evidence.remark,
    )


def _first(parts: Parts) -> Examples:
    """Return the first examples of those that come in parts."""
    found: list[Examples] = []
    for part in parts:
        found.append(part.take(np.arange(min(len(part), MOST_EXAMPLES - sum(map(len, found))))))
        if sum(map(len, found)) == MOST_EXAMPLES:
            break
    return joined(found)


def _outputs(prepared: Prepared, data: Labelled) -> tuple[Array, Array]:
    """Return a^L and the loss of each example."""
    network = prepared.model.network
    workspace = network.workspace()
    outputs: list[Array] = []
    losses: list[float] = []
    with np.errstate(all="ignore"), closing(data.parts(_ROWS, workspace.child("data"))) as parts:
        for batch in parts:
            ((z, a, lengths),) = network.forward(batch.inputs, workspace, batch.lengths)
            if lengths is not None:
                raise DataError("the output is a sequence, whose time steps have a cost each.")
            (y,), (term,) = batch.targets, prepared.objective.terms
            outputs.append(a.copy())
            one = (slice(index, index + 1) for index in range(len(a)))
            losses += [term.value(z[i], a[i], y[i], None) for i in one]
    return np.concatenate(outputs), np.array(losses)


def _target(prepared: Prepared, examples: Examples) -> tuple[Target, Array]:
    """Return the target of the only output, and its raw labels."""
    preprocessing = prepared.model.preprocessing
    assert preprocessing is not None
    ((name, target),) = preprocessing.outputs.items()
    assert target.column is not None
    return target, preprocessing.raw_labels(examples)[name]


def _labels(prepared: Prepared, target: Target, raw: Array, a: Array) -> tuple[Array, Array, tuple[str, ...]]:
    """Return labels and predictions, as names of classes or as numbers, and the classes."""
    finite = np.isfinite(a).reshape(len(a), -1).all(axis=1)
    said = target.labels(np.where(finite.reshape(-1, *[1] * (a.ndim - 1)), a, 0))
    if said.dtype.kind == "f":
        said[~finite] = np.nan
    names = target.classes
    if names is None and _is_yes_or_no(prepared, a.shape[1:], raw):
        said = (a.reshape(len(a)) > 0.5).astype(np.int64)
    if said.shape != raw.shape or said.dtype.kind not in "USiu":
        return np.reshape(raw, (len(a), -1)), np.reshape(said, (len(a), -1)), ()
    truths = np.array(names)[raw] if names is not None and raw.dtype.kind in "iub" else raw
    truths, predictions = truths.astype(str), said.astype(str)
    classes = names or np.unique([raw, said]).tolist()
    return truths, predictions, tuple(map(str, classes))


def _scores(prepared: Prepared, a: Array, truths: Array, classes: tuple[str, ...]) -> Array | None:
    """Return the probabilities of the classes of examples with one label each; None if the outputs are none."""
    flat = a.reshape(len(a), -1)
    if flat.shape[1] == 1 and len(classes) == 2:
        flat = np.hstack([1 - flat, flat])
    fits = flat.shape[1] == len(classes) and truths.ndim == 1 and np.isfinite(flat).all()
    return flat if fits and prepared.objective.terms[0].cost.domain == _PROBABILITIES else None


def _is_yes_or_no(prepared: Prepared, output_shape: Shape, raw: Array) -> bool:
    """Return whether the only output is the probability that the label is 1 rather than 0."""
    single = raw.ndim == 1 and output_shape == (1,) and raw.dtype.kind in "iub"
    return (
        single and prepared.objective.terms[0].cost.domain == _PROBABILITIES and set(np.unique(raw).tolist()) <= {0, 1}
    )


def said_of(value: object) -> str:
    """Return a label, a prediction or a cell as text; of many numbers, the first few."""
    values = np.asarray(value).ravel()
    if values.dtype.kind == "U" and values.size > 1 and values.dtype.itemsize <= _CHARACTER:
        text = "".join(values.tolist())
        return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
    texts = [number(item) for item in values[:3].tolist()]
    return ", ".join(texts) + (
        f", … ({values.size:,} {'words' if values.dtype.kind == 'U' else 'numbers'})" if values.size > 3 else ""
    )
