"""The sections of a page, from top to bottom. A section without content says why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from nnfw.arrays import Array
from nnfw.data import NUMERIC_KINDS, outcomes_by_threshold
from nnfw.experiments import Summary, shape_in_words
from nnfw.reporting.charts import MOST_LINES, MOST_POINTS, curves, histogram, lines, scatter
from nnfw.reporting.drawing import picture_of
from nnfw.reporting.findings import Findings, said_of
from nnfw.reporting.markup import Node, folded, node, note, number, section, table
from nnfw.reporting.pictures import as_pictures, data_uri
from nnfw.runs import Dependence, Importance
from nnfw.runs.reading import VALIDATION, StoredRun, numbers, shown_figures, time_span
from nnfw.toml import flattened

MOST_CLASSES = 20
"""Rows of a confusion matrix that fit on a screen."""

MOST_PICTURES, MOST_EXAMPLES = 12, 10
"""How many of the worst examples are shown."""

_LOGARITHMIC = ("cost", "penalty", "learning_rate")
_LAYER = re.compile(r"model\.layers\[\d+\]\.type")
_RATE = "learning_rate"
_SHADES = 9
_MOST_CONFUSIONS = 20
_MOST_ROWS = 200  # of the table of epochs
_MOST_POINTS = 800  # of a scatter plot
_MOST_OUTPUTS, _MOST_COLUMNS, _MOST_TILES = 4, 10, 4
_NUMBERS = ".numbers"
_ROC = "ROC of {}: true positives"
_CALIBRATION_BINS = 10


def header(run: StoredRun) -> Node:
    """Return the name of the run, some facts, and its most important figures."""
    started = f"{run.started.astimezone():%d %B %Y, %H:%M}" if run.started else "start not recorded"
    size = run.record.get("parameters")
    facts = [started, time_span(run.seconds), f"{run.epochs:,} {'epoch' if run.epochs == 1 else 'epochs'}"]
    facts += [] if size is None else [f"{size:,} parameters"]
    status = node(f"span.status.{run.status}", run.status)
    reason = [node("p.reason", text) for text in (run.reason, run.record.get("warning")) if text]
    title = node("h1", run.name, " ", status)
    tiles = [_tiles(run)] if run.figures else []
    return node("header", title, node("p.facts", " · ".join(filter(None, facts))), *reason, *tiles)


def results(run: StoredRun) -> Node:
    """Return the final cost and metrics of every part."""
    if not run.figures:
        return section("results", "Results", note("No epoch was completed, so there are none."))
    names = list(dict.fromkeys(key.split(" ", 1)[1] for key in run.figures))
    parts = dict.fromkeys(key.split(" ", 1)[0] for key in run.figures)
    rows, baseline = [], run.record.get("baseline", {})
    for part in parts:
        rows.append([part, *(number(run.figures.get(f"{part} {name}")) for name in names)])
        if own := numbers(baseline.get(part, {})):
            rows.append(["baseline", *(number(own.get(name)) for name in names)])
    final = "results" in run.record
    source = "Of the final model." if final else "Of the last complete epoch: there is no final model."
    source += " A baseline gives the same outputs for every example." if baseline else ""
    source += f" {unit}" if (unit := run.unit) else ""
    source += " Examples count by the weights of the data." if run.data.get("weighted") else ""
    return section("results", "Results", table(["", *names], rows, _NUMBERS), note(source))


def courses(run: StoredRun) -> Node:
    """Return the curves of cost, metrics and learning rate, and the table of epochs."""
    rows = [numbers(row) for row in run.history]
    if not rows:
        return section("curves", "Curves", note("No epoch was completed, so there are none."))
    names = dict.fromkeys(name for row in rows for name in row if name != "epoch")
    own = [name for name in names if not name.startswith(VALIDATION)]
    own += [name for name in names if name.removeprefix(VALIDATION) not in names]
    charts = [_course(name, rows) for name in own if name != _RATE]
    charts += [_course(_RATE, rows)] if len({row.get(_RATE) for row in rows}) > 1 else []
    best = run.best_epoch
    part = "validation " if f"{VALIDATION}cost" in best else ""
    remark = f"Lowest {part}cost in epoch {best['epoch']}." if best else ""
    return section("curves", "Curves", node("div.charts", *charts), note(remark), _epochs(rows, list(names)))


def rights_and_wrongs(found: Findings | str) -> Node:
    """Return the confusion matrix, or predictions over labels."""
    if isinstance(found, str):
        return section("predictions", "Predictions", note(f"Not shown: {found}"))
    content = [*_matrix(found), *_curves_of_scores(found)] if found.classes else _residuals(found)
    return section("predictions", "Confusion matrix" if found.classes else "Predictions", *content)


def worst_examples(found: Findings | str) -> Node:
    """Return the examples with the largest losses, as pictures if they are pictures."""
    if isinstance(found, str):
        return section("worst", "Worst examples", note(f"Not shown: {found}"))
    column = next(iter(found.columns.values()))
    pictures = as_pictures(column) if len(found.columns) == 1 and column.dtype.kind in NUMERIC_KINDS else None
    content = _examples(found) if pictures is None else _gallery(found, pictures)
    text = f"The examples of the {found.part} data with the largest cost. {_examined(found)}"
    return section("worst", "Worst examples", note(text), content)


def network(found: Summary | str, experiment: Mapping[str, object]) -> Node:
    """Return the layers with shapes and parameters, or only their names if these are not known."""
    if isinstance(found, str):
        types = (str(value) for key, value in flattened(experiment).items() if _LAYER.fullmatch(key))
        names = [[str(index), name] for index, name in enumerate(types)]
        return section("network", "Network", table(["", "layer"], names), note(f"Shapes are not shown: {found}"))
    largest = max((row.parameters for row in found.layers), default=0) or 1
    rows: list[list[Node | str]] = [
        ["", name, "", "", shape_in_words(shape), "", ""] for name, shape in found.input_rows
    ]
    for row in found.layers:
        bar = _bar(row.parameters / largest) if row.parameters else ""
        values = (", ".join(row.inputs), row.activation, shape_in_words(row.output_shape), number(row.parameters))
        rows.append([row.name, row.layer, *values, bar])
    heads = ["", "layer", "takes", "activation", "output", "parameters", ""]
    if found.is_chain:
        heads, rows = heads[:2] + heads[3:], [row[:2] + row[3:] for row in rows]
    picture, figures = picture_of(found), table(heads, rows, ".layers")
    content = [figures] if picture is None else [picture, folded("Every layer as a table", figures)]
    return section("network", "Network", *content, note(f"{found.size}."))


def record(run: StoredRun, experiment_text: str) -> Node:
    """Return what is needed to reproduce the run: experiment, seed, data, versions and machine."""
    hidden = (
        "format",
        "results",
        "baseline",
        "constant",
        "unit",
        "distributions",
        "plugins",
        "name",
        "status",
        "reason",
        "warning",
    )
    facts = {key: value for key, value in run.record.items() if key not in hidden}
    plugins = [
        [str(item.get("distribution")), str(item.get("version")), str(item.get("status"))]
        for item in run.record.get("plugins", [])
    ]
    installed = [[name, str(version)] for name, version in run.record.get("distributions", {}).items()]
    return section(
        "record",
        "Record",
        folded("Experiment file", node("pre", experiment_text, attributes={"tabindex": 0})),
        folded("Data, seed, versions and machine", table(["", ""], _rows(facts), ".known")),
        folded("Plugins", table(["plugin", "version", "status"], plugins)),
        folded("Installed distributions", table(["distribution", "version"], installed)),
    )


def _tiles(run: StoredRun) -> Node:
    shown = shown_figures(run.figures)[:_MOST_TILES]
    return node("dl.tiles", *(node("div", node("dt", key), node("dd", number(run.figures[key]))) for key in shown))


def _course(name: str, rows: Sequence[Mapping[str, float]]) -> Node:
    series = {"training": name, "validation": f"{VALIDATION}{name}"} if name != _RATE else {"": name}
    values = {label: [row.get(key) for row in rows] for label, key in series.items()}
    drawn = {label: column for label, column in values.items() if any(value is not None for value in column)}
    base = name.removeprefix(VALIDATION)
    return curves(base.replace("_", " "), [int(row["epoch"]) for row in rows], drawn, logarithmic=base in _LOGARITHMIC)


def _epochs(rows: Sequence[Mapping[str, float]], names: list[str]) -> Node:
    """Return the figures of the epochs as a table; of many epochs, every nth and the last."""
    step = -(-len(rows) // _MOST_ROWS)
    shown = [row for index, row in enumerate(rows) if index % step == 0 or index == len(rows) - 1]
    cells = [[str(row["epoch"]), *(number(row.get(name)) for name in names)] for row in shown]
    title = "Figures of every epoch" if step == 1 else f"Figures of every {step:,}th epoch, and the last"
    return folded(title, table(["epoch", *(name.replace("_", " ") for name in names)], cells, _NUMBERS))


def _matrix(found: Findings) -> list[Node]:
    rows, columns, times = found.pairs()
    mistakes = np.where(rows == columns, 0, times)
    total, classes = int(times.sum()), len(found.classes)
    right = total - int(mistakes.sum())
    text = f"{right:,} of {total:,} right, on the {found.part} data. Rows are true classes, columns predicted ones. "
    kept = np.arange(classes)
    if classes > MOST_CLASSES:
        wrong = sum(np.bincount(side, mistakes, classes) for side in (rows, columns))
        kept = np.sort(np.argsort(-wrong, kind="stable")[:MOST_CLASSES])
        text += f"Of {classes:,} classes, the {MOST_CLASSES} with the most mistakes are shown. "
    counts = np.zeros((len(kept), len(kept)), np.int64)
    shown = np.isin(rows, kept) & np.isin(columns, kept)
    counts[np.searchsorted(kept, rows[shown]), np.searchsorted(kept, columns[shown])] = times[shown]
    names = [found.classes[index] for index in kept]
    shares = counts / np.maximum(np.bincount(rows, times, classes)[kept, np.newaxis], 1)
    body: list[list[Node | str]] = [
        [names[row], *(_cell(int(counts[row, i]), float(shares[row, i]), right=row == i) for i in range(len(names)))]
        for row in range(len(names))
    ]
    confusions = [_confusions(found, rows, columns, mistakes)] if classes > MOST_CLASSES else []
    return [note(text + _examined(found)), table(["", *names], body, ".matrix"), *confusions]


def _curves_of_scores(found: Findings) -> list[Node]:
    """Return ROC curves and a calibration curve, where there are probabilities of the classes."""
    if found.scores is None:
        return []
    positions = {name: index for index, name in enumerate(found.classes)}
    truths = np.array([positions[name] for name in found.truths.tolist()])
    shown = [1] if len(found.classes) == 2 else range(min(len(found.classes), MOST_LINES))
    roc: dict[str, list[tuple[float, float]]] = {}
    for k in shown:
        _, true, false = outcomes_by_threshold(found.scores[:, k], truths == k)
        if true[-1] and false[-1]:
            points = np.column_stack([false / false[-1], true / true[-1]])
            kept = np.unique(np.linspace(0, len(points) - 1, min(len(points), MOST_POINTS)).astype(int))
            roc[found.classes[k]] = [(0.0, 0.0), *map(tuple, points[kept].tolist())]
    charts = [
        lines(_ROC.format(" and ".join(roc) if len(roc) == 1 else "each class"), "false positives", roc, unit=True)
    ]
    if len(found.classes) == 2:
        said, right, what = found.scores[:, 1], truths == 1, f"share of {found.classes[1]}"
    else:
        said, right, what = found.scores.max(axis=1), found.scores.argmax(axis=1) == truths, "share that is right"
    charts.append(lines(f"Calibration: {what}", "probability", {"": _calibration(said, right)}, unit=True))
    first = "The first classes are shown. " if len(shown) < len(found.classes) != 2 else ""
    text = (
        f"ROC: how many of a class are found, over how many of the others are taken for it, as the threshold falls. "
        f"{first}Calibration: how often something happens, over the probability that the network gives it."
    )
    return [node("div.charts", *(charts if roc else charts[1:])), note(text)]


def _calibration(said: Array, happened: Array) -> list[tuple[float, float]]:
    """Return mean probability and share of what happened in bins of equal width, but for empty ones."""
    bins = np.minimum((said * _CALIBRATION_BINS).astype(int), _CALIBRATION_BINS - 1)
    inside = [bins == b for b in range(_CALIBRATION_BINS)]
    return [(float(said[rows].mean()), float(happened[rows].mean())) for rows in inside if rows.any()]


def columns(found: Sequence[Importance], dependences: Sequence[Dependence], part: str) -> Node:
    """Return which columns matter, and how predictions depend on the most important ones."""
    largest = max((each.change["cost"] for each in found), default=0.0)
    rows: list[list[Node | str]] = []
    for each in found:
        rise = each.change["cost"]
        bar = _bar(rise / largest) if rise > 0 else ""
        rows.append([each.column, f"{rise:+.4g}", number(each.spread["cost"]), bar])
    text = (
        f"How much the cost of the {part} data rises where the values of a column are exchanged at random between the "
        "examples: the more, the more the model relies on it. Below, the mean prediction where a column has one value "
        "in all examples."
    )
    figures = table(["column", "cost", "spread", ""], rows, _NUMBERS)
    charts = [_dependence(each) for each in dependences]
    return section("columns", "Columns", note(text), figures, node("div.charts", *charts))


def _dependence(found: Dependence) -> Node:
    shown = dict(list(found.means.items())[:MOST_LINES])
    if any(isinstance(value, str) for value in found.values):
        rows = [[str(value), *map(number, means)] for value, *means in zip(found.values, *shown.values(), strict=True)]
        return node("figure.chart", node("h3", found.column), table([found.column, *shown], rows, _NUMBERS))
    places = [float(value) for value in found.values]
    points = {name: list(zip(places, means, strict=True)) for name, means in shown.items()}
    title = found.column if len(shown) > 1 else f"{next(iter(shown))} by {found.column}"
    return lines(title, found.column, points)


def _confusions(found: Findings, rows: Array, columns: Array, mistakes: Array) -> Node:
    """Return the most frequent mistakes in the whole matrix."""
    order = [index for index in np.argsort(-mistakes, kind="stable")[:_MOST_CONFUSIONS].tolist() if mistakes[index]]
    cells = [[found.classes[rows[i]], found.classes[columns[i]], number(int(mistakes[i]))] for i in order]
    return folded("The most frequent mistakes", table(["is", "taken for", "times"], cells, _NUMBERS))


def _cell(count: int, share: float, *, right: bool) -> Node:
    shade = min(_SHADES, int(np.ceil(share * _SHADES)))
    return node(f"td.{'right' if right else 'wrong'}.h{shade}", str(count) if count else "·")


def _residuals(found: Findings) -> list[Node]:
    finite = np.isfinite(found.predictions.astype(np.float64)).all(axis=1)
    if not finite.any():
        return [note("Not shown: no prediction is finite.")]
    truths, predictions = (values[finite].astype(np.float64) for values in (found.truths, found.predictions))
    outputs = truths.shape[1]
    shown = range(min(outputs, _MOST_OUTPUTS))
    names = [found.target] if outputs == 1 else [f"{found.target} {index}" for index in shown]
    picked = np.linspace(0, len(truths) - 1, min(len(truths), _MOST_POINTS)).astype(int)
    with np.errstate(over="ignore"):  # the difference of two of the largest numbers
        residuals = predictions - truths
    charts, rows = [], []
    for index, name in zip(shown, names, strict=True):
        pairs = truths[picked, index].tolist(), predictions[picked, index].tolist()
        charts.append(scatter(f"{name}: predictions", *pairs))
        charts.append(histogram(f"{name}: residuals", "prediction − label", residuals[:, index].tolist()))
        rows.append([name, *_spread(residuals[:, index])])
    more = f"The first {len(shown)} of {outputs} outputs are shown. " if outputs > len(shown) else ""
    more += "" if finite.all() else f"{np.sum(~finite):,} predictions are not finite and are left out. "
    text = f"Predictions over labels on the {found.part} data; they are equal on the line. {more}{_examined(found)}"
    heads = ["residuals", "mean", "root mean square", "largest"]
    return [note(text), node("div.charts", *charts), table(heads, rows, _NUMBERS)]


def _spread(residuals: Array) -> list[str]:
    largest = np.abs(residuals).max()
    with np.errstate(over="ignore", invalid="ignore"):  # as above
        root_mean_square = largest * np.sqrt(((residuals / (largest or 1.0)) ** 2).mean())  # no square overflows
        return [number(float(figure)) for figure in (residuals.mean(), root_mean_square, largest)]


def _examined(found: Findings) -> str:
    less = f"The first {len(found):,} of {found.total:,} examples were examined. " if len(found) < found.total else ""
    if not found.same_data:
        less += "The data has changed since the training, so the results differ from those at the time. "
    return less + found.remark


def _gallery(found: Findings, pictures: Array) -> Node:
    figures = []
    for index in found.worst(MOST_PICTURES).tolist():
        right = said_of(found.truths[index]) == said_of(found.predictions[index])
        said = found.outcome(index)
        picture = node("img", attributes={"src": data_uri(pictures[index]), "alt": f"Example: {said}"})
        loss = node("span.loss", f"cost {number(float(found.losses[index]))}")
        style = "figure.example" if right else "figure.example.wrong"
        figures.append(node(style, picture, node("figcaption", said, loss)))
    return node("div.gallery", *figures)


def _examples(found: Findings) -> Node:
    columns = dict(list(found.columns.items())[:_MOST_COLUMNS])
    rows = []
    for index in found.worst(MOST_EXAMPLES).tolist():
        said = [said_of(values[index]) for values in (found.truths, found.predictions)]
        cells = [said_of(column[index]) for column in columns.values()]
        rows.append([*said, number(float(found.losses[index])), *cells])
    return table([found.target, "prediction", "cost", *columns], rows, _NUMBERS)


def _bar(share: float) -> Node:
    width = max(1.0, round(100 * share, 1))
    inside = node("rect", attributes={"width": width, "height": 8, "rx": 2})
    return node("svg.bar", inside, attributes={"viewBox": "0 0 100 8", "aria-hidden": "true"})


def _rows(facts: Mapping[str, object]) -> list[list[str]]:
    known = flattened(facts)
    return [[key.removeprefix("environment.").replace(".", " › "), _listed(known[key])] for key in known]


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "–" if value in (None, {}) else str(value)
