"""Charts in SVG: curves over epochs, predictions over labels, and histograms."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from nnfw.reporting.markup import Node, node, number, to_html
from nnfw.reporting.scales import Scale, fitted, labels
from nnfw.training import RateTest

WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 60, 22, 12, 36  # room for the labels of the axes

MOST_POINTS = 400
"""Epochs that a curve shows at most: more would not fit on the pixels."""

_SIDE = 300  # of the square charts: predictions over labels, and residuals
_SQUARE = LEFT + _SIDE + RIGHT, TOP + _SIDE + BOTTOM
_BARS = 25

_RATE_STYLE = (
    "svg{background:#fff;font:11px sans-serif;fill:#5d6570}.grid{stroke:#e3e5e8}.base{stroke:#5d6570}"
    ".line{fill:none}.s0{stroke:#b9cdee}.s1{stroke:#d1661b;stroke-width:2}.mark{stroke:#1d7a46;stroke-dasharray:4}"
    ".up{text-anchor:end}.across{text-anchor:middle}.title{text-anchor:end}"
)

Values = Sequence[float | None]
Points = Sequence[tuple[float, float]]

MOST_LINES = 4
"""Lines in one chart: there are colours for so many."""


def curves(title: str, epochs: Sequence[int], series: Mapping[str, Values], *, logarithmic: bool) -> Node:
    """Return a chart of values over epochs, with a legend and a read-out at the cursor.

    Each of the `series` has a value for each epoch; None is a gap. The axis is `logarithmic` only if that helps.
    """
    kept = thinned(series, MOST_POINTS)
    shown = {name: [values[index] for index in kept] for name, values in series.items()}
    numbers = [epochs[index] for index in kept]
    across = Scale(*_span(numbers), LEFT, WIDTH - RIGHT)
    known = [value for values in shown.values() for value in values if value is not None]
    up = fitted(known, HEIGHT - BOTTOM, TOP, logarithmic=logarithmic)
    places = [across(epoch) for epoch in numbers]
    data = {"epochs": numbers, "x": places, "series": _read_out(shown, up), "top": TOP, "bottom": HEIGHT - BOTTOM}
    drawing = node(
        "svg.plot",
        *_axes(across, up, "epoch"),
        *(item for index, values in enumerate(shown.values()) for item in _line(index, places, values, up)),
        node("g.cursor", attributes={"visibility": "hidden"}),
        attributes={
            "viewBox": f"0 0 {WIDTH} {HEIGHT}",
            "role": "img",
            "tabindex": 0,
            "aria-label": f"{title} over {len(epochs)} epochs. Arrow keys read the values.",
            "data-curves": json.dumps(data, separators=(",", ":")),
        },
    )
    heading = node("h3", title, " ", node("span.hint", "logarithmic") if up.logarithmic else "")
    legend = node("span.legend", *(node(f"span.key.s{index}", name) for index, name in enumerate(series)))
    return node("figure.chart", heading, drawing, node("figcaption", legend, node("output.reading")))


def rate_picture(found: RateTest) -> str:
    """Return a range test as an SVG file: cost and smoothed cost over the rate, with a line at the suggestion."""
    across = Scale(found.rates[0], found.rates[-1], LEFT, WIDTH - RIGHT, logarithmic=True)
    up = fitted(found.smoothed[: found.lowest + 1], HEIGHT - BOTTOM, TOP)
    places = [across(rate) for rate in found.rates]
    courses = [[min(max(cost, up.low), up.high) for cost in each] for each in (found.costs, found.smoothed)]
    marks = []
    if found.suggestion is not None:
        place = across(found.suggestion)
        marks = [node("line.mark", attributes={"x1": place, "x2": place, "y1": TOP, "y2": HEIGHT - BOTTOM})]
    return to_html(
        node(
            "svg",
            node("style", _RATE_STYLE),
            *_axes(across, up, "learning rate"),
            *(item for index, values in enumerate(courses) for item in _line(index, places, values, up)),
            *marks,
            attributes={"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {WIDTH} {HEIGHT}"},
        )
    )


def scatter(title: str, truths: Sequence[float], predictions: Sequence[float]) -> Node:
    """Return a chart of predictions over labels, which are equal on its diagonal."""
    both = [*truths, *predictions]
    across, up = fitted(both, LEFT, LEFT + _SIDE), fitted(both, TOP + _SIDE, TOP)
    first, last = across.low, across.high
    diagonal = {"x1": across(first), "y1": up(first), "x2": across(last), "y2": up(last)}
    points = [
        node("circle", attributes={"cx": across(truth), "cy": up(prediction), "r": 2.5})
        for truth, prediction in zip(truths, predictions, strict=True)
    ]
    label = f"{title}: predictions over labels, {len(truths)} examples"
    content = (node("line.diagonal", attributes=diagonal), node("g.points", *points))
    return _square(title, label, _axes(across, up, "label", *_SQUARE), *content)


def lines(title: str, axis: str, series: Mapping[str, Points], *, unit: bool = False) -> Node:
    """Return a square chart of one line or a few, each through points in ascending order; `axis` names what is across.

    Both axes of a `unit` chart go from 0 to 1, with a dashed diagonal.
    """
    every = [point for points in series.values() for point in points]
    ends = (LEFT, LEFT + _SIDE), (TOP + _SIDE, TOP)
    across, up = (
        Scale(0, 1, *place) if unit else fitted([point[k] for point in every], *place) for k, place in enumerate(ends)
    )
    content = []
    if unit:
        corners = {"x1": across(0), "y1": up(0), "x2": across(1), "y2": up(1)}
        content.append(node("line.diagonal", attributes=corners))
    for index, points in enumerate(series.values()):
        content += _line(index, [across(x) for x, _ in points], [y for _, y in points], up)
    chart = _square(title, f"{title}, over {axis}", _axes(across, up, axis, *_SQUARE), *content)
    if len(series) > 1:
        keys = (node(f"span.key.s{index}", name) for index, name in enumerate(series))
        chart.append(node("figcaption", node("span.legend", *keys)))
    return chart


def histogram(title: str, axis: str, values: Sequence[float]) -> Node:
    """Return a histogram of values; `axis` names them."""
    across = fitted(values, LEFT, LEFT + _SIDE)
    width = (across.high - across.low) / _BARS
    # values beyond the axis count in the last bars
    inside = (max(across.low, min(value, across.high)) for value in values)
    counts = Counter(min(int((value - across.low) / width), _BARS - 1) for value in inside)
    up = Scale(0, max(counts.values()) * 1.06, TOP + _SIDE, TOP)
    bars = []
    for index, count in sorted(counts.items()):
        box = {"x": across(across.low + index * width), "y": up(count), "width": round(_SIDE / _BARS - 1, 1)}
        bars.append(node("rect", attributes={**box, "height": round(up.start - up(count), 1)}))
    label = f"{title}: how often each {axis} occurs, {len(values)} examples"
    return _square(title, label, _axes(across, up, axis, *_SQUARE), node("g.bars", *bars))


def thinned(series: Mapping[str, Values], most: int) -> list[int]:
    """Return the positions that a curve keeps: in every stretch, the lowest and the highest value of each series.

    Examples
    --------
    >>> thinned({"cost": [3.0, 2.0, 1.0]}, 400)
    [0, 1, 2]
    >>> spike = [1.0] * 500 + [99.0] + [1.0] * 499
    >>> 500 in thinned({"cost": spike}, 100), len(thinned({"cost": spike}, 100)) <= 100
    (True, True)
    """
    count = max(map(len, series.values()), default=0)
    if count <= most:
        return list(range(count))
    stretches = max(1, (most - 2) // (2 * len(series)))
    kept = {0, count - 1}
    for stretch in range(stretches):
        positions = range(stretch * count // stretches, (stretch + 1) * count // stretches)
        for values in series.values():
            known = [index for index in positions if values[index] is not None]
            if known:
                kept |= {min(known, key=lambda i: values[i] or 0.0), max(known, key=lambda i: values[i] or 0.0)}
    return sorted(kept)


def _square(title: str, label: str, axes: Sequence[Node], *content: Node) -> Node:
    width, height = _SQUARE
    box = {"viewBox": f"0 0 {width} {height}", "role": "img", "aria-label": label}
    return node("figure.chart", node("h3", title), node("svg.plot.square", *axes, *content, attributes=box))


def _span(numbers: Sequence[int]) -> tuple[float, float]:
    """Return the ends of the axis of epochs; a single epoch is in the middle."""
    low, high = (min(numbers), max(numbers)) if numbers else (0, 1)
    return (low, high) if low < high else (low - 1, high + 1)


def _read_out(shown: Mapping[str, Values], up: Scale) -> list[dict[str, object]]:
    return [
        {"name": name, "text": [number(v) for v in values], "y": [None if v is None else up(v) for v in values]}
        for name, values in shown.items()
    ]


def _line(index: int, places: Sequence[float], values: Values, up: Scale) -> list[Node]:
    """Return a line through the values, interrupted at gaps; a value between two gaps is a dot."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for place, value in zip(places, values, strict=True):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((place, up(value)))
    path = " ".join("M" + "L".join(f"{x:g},{y:g}" for x, y in piece) for piece in pieces if len(piece) > 1)
    dots = [
        node(f"circle.dot.s{index}", attributes={"cx": f"{x:g}", "cy": f"{y:g}", "r": 3})
        for piece in pieces
        if len(piece) == 1
        for x, y in piece
    ]
    return [node(f"path.line.s{index}", attributes={"d": path})] * bool(path) + dots


def _axes(across: Scale, up: Scale, title: str, width: int = WIDTH, height: int = HEIGHT) -> list[Node]:
    floor, right = height - BOTTOM, width - RIGHT
    rows, columns = up.ticks(5), [tick for tick in across.ticks(6) if title != "epoch" or tick == int(tick)]
    grid = [node("line.grid", attributes={"x1": LEFT, "x2": right, "y1": up(tick), "y2": up(tick)}) for tick in rows]
    beside = [
        node("text.up", text, attributes={"x": LEFT - 8, "y": up(tick) + 4})
        for tick, text in zip(rows, labels(rows), strict=True)
    ]
    below = [
        node("text.across", text, attributes={"x": across(tick), "y": floor + 18})
        for tick, text in zip(columns, labels(columns), strict=True)
    ]
    base = node("line.base", attributes={"x1": LEFT, "x2": right, "y1": floor, "y2": floor})
    return [*grid, base, *beside, *below, node("text.title", title, attributes={"x": right, "y": height - 2})]
