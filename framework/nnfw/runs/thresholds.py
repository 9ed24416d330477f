"""The threshold of a run: chosen on its validation data, stored beside its model, used in predictions."""

from __future__ import annotations

import json
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


def choose_for_run(path: Path, access: Access, aim: str) -> tuple[Threshold, dict[str, Figures]]:
    """Choose a threshold on a run's validation data, and store it in the run; return it, and its figures by part.

    ConfigError for an aim that is none, and for a run whose network is no classifier of two classes; DataError if there
    is no validation part, it holds one class alone, or no threshold reaches the aim.
    """
    prepared = prepare_run(path, access)
    if _PART not in prepared.parts:
        raise DataError(f"{path} has no validation data to choose a threshold on. Train with data.split.validation.")
    scores, positive, weight = _scores(prepared, _PART)
    chosen = choose_threshold(scores, positive, aim, weight)
    table = {"format": _FORMAT, "aim": chosen.aim, "threshold": chosen.value, "figures": dict(chosen.figures)}
    replace_file(path / THRESHOLD, (json.dumps(table, indent=2) + "\n").encode(), inside=Directory(path))
    return chosen, {part: _at(chosen.value, *_scores(prepared, part)) for part in prepared.parts}


def stored_threshold(path: Path) -> float:
    """Return the threshold of a run; FileFormatError if it holds none, or one that makes no sense."""
    place = path / THRESHOLD
    if not place.exists():
        raise FileFormatError(
            f"{path} holds no threshold. Choose one: nnfw evaluate {path} --threshold f1; or give a number."
        )
    try:
        value = json.loads(read_file(place))["threshold"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FileFormatError(f"{place} holds no threshold that can be read. Choose it again.") from error
    if not isinstance(value, float) or not 0 <= value <= 1:
        raise FileFormatError(f"{place}: expected a threshold from 0 to 1, got {value!r}. Choose it again.")
    return value


def _scores(prepared: Prepared, part: str) -> tuple[Array, Array, Array | None]:
    """Return the probability of class 1 of each example of a part, which examples are of it, and their weights."""
    network, terms = prepared.model.network, prepared.objective.terms
    sizes = network.output_shapes
    if len(terms) != 1 or sizes[0] not in ((1,), (2,)) or terms[0].cost.domain != _PROBABILITIES:
        raise ConfigError(
            "A threshold needs a classifier of two classes, with one or two probabilities as output; this network has "
            f"outputs of shape {', '.join(map(str, sizes))}."
        )
    workspace, scores, positive, weights = network.workspace(), [], [], []
    with closing(prepared.parts[part].parts(EVALUATION_ROWS, workspace.child("data"))) as batches:
        for batch in batches:
            a, y = network.forward(batch.inputs, workspace, batch.lengths)[0].a, batch.targets[0]
            scores.append(a[:, -1].astype(np.float64))
            positive.append(np.array(y.reshape(len(y), -1)[:, -1] == 1))
            weights += [] if batch.weight is None else [batch.weight.astype(np.float64)]
    return np.concatenate(scores), np.concatenate(positive), np.concatenate(weights) if weights else None


def _at(value: float, scores: Array, positive: Array, weight: Array | None) -> Figures:
    """Return accuracy, precision, recall and so on at a threshold; nothing for examples of one class."""
    if positive.all() or not positive.any():
        return {}
    said, of_each = scores > value, np.ones(len(scores)) if weight is None else weight
    counts = (np.array([of_each[rows & said].sum(), of_each[rows].sum()]) for rows in (positive, ~positive))
    return {name: float(values[0]) for name, values in figures_of(Outcomes(np.array([value, 0.0]), *counts)).items()}
