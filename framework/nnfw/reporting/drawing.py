"""A network as a picture: boxes in order, edges between them, and frames around parts that come several times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnfw.experiments import Summary, shape_in_words
from nnfw.experiments.picture import Picture
from nnfw.reporting.markup import Node, node, number

MOST_BOXES, MOST_LANES = 250, 12
"""What a picture shows at most: above that, the table is easier to read."""

_WIDTH, _HEIGHT = 230, 78  # of a box
_ACROSS, _DOWN = _WIDTH + 34, _HEIGHT + 34  # from one lane and one row to the next
_MARGIN, _LABEL = 14, 34  # around everything; for the name of a frame
_BARS = _WIDTH - 54  # the longest bar; the percentage is beside it
_LETTERS = 30  # that fit into a box


def picture_of(found: Summary) -> Node | None:
    """Return a network as a picture in SVG; None if it has too many boxes."""
    picture = found.picture
    rows, lanes = picture.depths, picture.lanes(picture.depths)
    if len(rows) > MOST_BOXES or max(lanes) >= MOST_LANES:
        return None
    tops = _tops(picture, rows)
    places = [(_MARGIN + lane * _ACROSS, tops[row]) for row, lane in zip(rows, lanes, strict=True)]
    width, height = max(x for x, _ in places) + _WIDTH + _MARGIN, tops[-1] + _HEIGHT + _MARGIN
    drawn = [
        *_frames(found, picture, places),
        *(edge for index, own in enumerate(picture.sources) for edge in _edges(index, own, places)),
        *(_box(found, position, place) for position, place in zip(picture.shown, places, strict=True)),
    ]
    box = {"viewBox": f"0 0 {width} {height}", "width": width, "height": height, "role": "img"}
    label = f"The network as a picture: {len(found.layers)} layers. The table below has the same in words."
    frame = node("svg.network", *drawn, attributes={**box, "aria-label": label})
    return node("figure.chart", node("div.scroll.tall", frame, attributes={"tabindex": 0}), _legend(found))


def _tops(picture: Picture, rows: Sequence[int]) -> list[int]:
    """Return where each row begins: above the first one of a repeated part there is room for its name."""
    named = {rows[start] for start, _, _ in picture.repeated}
    tops, top = [], _MARGIN
    for row in range(max(rows) + 1):
        top += _LABEL if row in named else 0
        tops.append(top)
        top += _DOWN
    return tops


def _frames(found: Summary, picture: Picture, places: Sequence[tuple[int, int]]) -> Iterator[Node]:
    for start, stop, part in picture.repeated:
        own = range(start, stop + 1)
        left, right = (end(places[index][0] for index in own) for end in (min, max))
        top, bottom = (end(places[index][1] for index in own) for end in (min, max))
        size = {"width": right - left + _WIDTH + 16, "height": bottom - top + _HEIGHT + 16 + _LABEL}
        yield node("rect.frame", attributes={"x": left - 8, "y": top - 8 - _LABEL, "rx": 8} | size)
        shares = (f"{share:.0%} of the {key}" for key, share in found.shares_of(part).items())
        text = " · ".join([f"{part}, {part.names[0]} to {part.names[1]}", *shares])
        yield node("text.repeated", text, attributes={"x": left + 2, "y": top - _LABEL + 8})


def _edges(index: int, sources: Sequence[int], places: Sequence[tuple[int, int]]) -> Iterator[Node]:
    """Yield the edges to a node: each runs down in the lane of its source, and crosses right above the node."""
    x, y = places[index]
    for place, source in enumerate(sorted(sources, key=lambda source: places[source])):
        left, top = places[source]
        start, end = left + _WIDTH // 2, x + _WIDTH * (place + 1) // (len(sources) + 1)
        curve = f"M{start},{top + _HEIGHT}V{y - 28}C{start},{y - 8} {end},{y - 28} {end},{y - 6}"
        yield node("path.edge", attributes={"d": curve})
        yield node("path.tip", attributes={"d": f"M{end - 4},{y - 8}h8l-4,7z"})


def _box(found: Summary, position: int, place: tuple[int, int]) -> Node:
    x, y = place
    first = len(found.inputs)
    if position < first:
        name, shape = found.input_rows[position]
        texts = [_text("name", name, 12, 26, _LETTERS), _text("detail", shape_in_words(shape), 12, 46)]
        return _at(x, y, "input", *texts)
    row = found.layers[position - first]
    what = row.layer if row.activation == "identity" else f"{row.layer} · {row.activation}"
    size = f" · {number(row.parameters)} parameters" if row.parameters else ""
    texts = [
        _text("name", found.name_inside(position - first), 12, 20, _LETTERS),
        _text("detail", what, 12, 35, _LETTERS),
        _text("detail", f"{shape_in_words(row.output_shape)}{size}", 12, 50),
    ]
    for offset, (key, share) in enumerate(row.shares.items()):
        largest = max(each.shares[key] for each in found.layers) or 1.0
        bar = {"x": 12, "y": 57 + 9 * offset, "height": 4, "rx": 2, "width": round(1 + share / largest * _BARS, 1)}
        texts.append(node(f"rect.{key}", node("title", f"{share:.1%} of the {key}"), attributes=bar))
        texts.append(_text("percent", f"{share:.0%}", _WIDTH - 10, 62 + 9 * offset))
    return _at(x, y, "layer", *texts)


def _at(x: int, y: int, kind: str, *content: Node) -> Node:
    frame = node("rect.box", attributes={"width": _WIDTH, "height": _HEIGHT, "rx": 8})
    return node(f"g.{kind}", frame, *content, attributes={"transform": f"translate({x},{y})"})


def _text(style: str, text: str, x: int, y: int, most: int = 2 * _LETTERS) -> Node:
    """Return a line of text; a long one keeps its end, which tells the nodes of a block apart."""
    shown = text if len(text) <= most else f"…{text[1 - most :]}"
    return node(f"text.{style}", shown, attributes={"x": x, "y": y})


def _legend(found: Summary) -> Node:
    if not found.layers[0].shares:
        return node("figcaption")
    keys = [node("span.key.s0", "share of the time"), node("span.key.s1", "share of the memory")]
    text = "of a training step in plain NumPy, measured when this page was written"
    return node("figcaption", node("span.legend", *keys, text))
