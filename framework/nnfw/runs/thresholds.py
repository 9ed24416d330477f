"""The threshold of a run: chosen on its validation data, stored beside its model, used in predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from nnfw.arrays import Array
from nnfw.data import Outcomes, Threshold, choose_threshold, figures_of
from nnfw.errors import ConfigError, DataError, FileFormatError
from nnfw.experiments.preparation import Figures, Prepared
from nnfw.network import EVALUATION_ROWS
from nnfw.runs.layout import THRESHOLD
from nnfw.runs.opening import Access, prepare_run
from nnfw.runs.reading import read_file
from nnfw.storage import Directory, replace_file

_FORMAT = 1
_PART = "validation"
_PROBABILITIES = (0.0, 1.0)


def choose_for_run(path: Path, access: Access, aim: str) -> tuple[dict[str, Threshold], dict[str, Figures]]:
    """Choose thresholds on a run's validation data, and store them in the run; return them, and figures by part.

    There is one for each label by its name, of which an example has any number; or a single one, under the empty name,
    for two classes. The figures of several labels are means over those that a part tells apart.

    ConfigError for an aim that is none, and for a run whose network tells neither two classes nor such labels apart;
    DataError if there is no validation part, a class or label is in none or all of its examples, or no threshold
    reaches the aim.
    """
    prepared = prepare_run(path, access)
    if _PART not in prepared.parts:
        raise DataError(f"{path} has no validation data to choose a threshold on. Train with data.split.validation.")
    chosen = {}
    names, (scores, positive, weight) = _labels(prepared), _scores(prepared, _PART)
    for name, own, there in zip(names, scores.T, positive.T, strict=True):
        try:
            chosen[name] = choose_threshold(own, there, aim, weight)
        except DataError as error:
            raise DataError(f"Label {name!r}: {error}" if name else str(error)) from error
    values = {name: each.value for name, each in chosen.items()}
    figures = {name: dict(each.figures) for name, each in chosen.items()}
    single = "" in chosen
    table = {
        "format": _FORMAT,
        "aim": aim,
        "threshold": values[""] if single else values,
        "figures": figures[""] if single else figures,
    }
    replace_file(path / THRESHOLD, (json.dumps(table, indent=2) + "\n").encode(), inside=Directory(path))
    return chosen, {part: _at([*values.values()], *_scores(prepared, part)) for part in prepared.parts}


def stored_threshold(path: Path) -> float | dict[str, float]:
    """Return the threshold of a run, or those of its labels; FileFormatError for none, or one that makes no sense."""
    place = path / THRESHOLD
    if not place.exists():
        raise FileFormatError(
            f"{path} holds no threshold. Choose one: nnfw evaluate {path} --threshold f1; or give a number."
        )
    try:
        value = json.loads(read_file(place))["threshold"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FileFormatError(f"{place} holds no threshold that can be read. Choose it again.") from error
    for each in value.values() if isinstance(value, dict) else [value]:
        if not isinstance(each, float) or not 0 <= each <= 1:
            raise FileFormatError(f"{place}: expected a threshold from 0 to 1, got {each!r}. Choose it again.")
    found: float | dict[str, float] = value
    return found


def _labels(prepared: Prepared) -> tuple[str, ...]:
    """Return the names of labels of which an example has any number; the empty name alone for two classes."""
    network, terms = prepared.model.network, prepared.objective.terms
    sizes, preprocessing = network.output_shapes, prepared.model.preprocessing
    assert preprocessing is not None
    entries = next(iter(preprocessing.outputs.values())).entries
    if len(terms) == 1 and terms[0].cost.domain == _PROBABILITIES:
        if entries is not None and sizes[0] == (len(entries),):
            return entries
        if sizes[0] in ((1,), (2,)):
            return ("",)
    raise ConfigError(
        "A threshold needs a classifier of two classes, with one or two probabilities as output, or of labels that are "
        f"columns of 0 and 1; this network has outputs of shape {', '.join(map(str, sizes))}."
    )


def _scores(prepared: Prepared, part: str) -> tuple[Array, Array, Array | None]:
    """Return for each example of a part the probability of each label, whether it has it, and its weight.

    Of two classes, class 1 is the only label.
    """
    network, last = prepared.model.network, slice(-1 if _labels(prepared) == ("",) else 0, None)
    workspace, scores, positive, weights = network.workspace(), [], [], []
    with closing(prepared.parts[part].parts(EVALUATION_ROWS, workspace.child("data"))) as batches:
        for batch in batches:
            a, y = network.forward(batch.inputs, workspace, batch.lengths)[0].a, batch.targets[0]
            scores.append(a[:, last].astype(np.float64))
            positive.append(np.array(y.reshape(len(y), -1)[:, last] == 1))
            weights += [] if batch.weight is None else [batch.weight.astype(np.float64)]
    return np.concatenate(scores), np.concatenate(positive), np.concatenate(weights) if weights else None


def _at(values: Sequence[float], scores: Array, positive: Array, weight: Array | None) -> Figures:
    """Return accuracy, precision, recall and so on at thresholds: means over the labels that some examples have."""
    of_each, found = np.ones(len(scores)) if weight is None else weight, []
    for value, own, there in zip(values, scores.T, positive.T, strict=True):
        if there.all() or not there.any():
            continue
        said = own > value
        counts = (np.array([of_each[rows & said].sum(), of_each[rows].sum()]) for rows in (there, ~there))
        found.append(figures_of(Outcomes(np.array([value, 0.0]), *counts)))
    return {name: float(np.mean([each[name][0] for each in found])) for name in found[0]} if found else {}
