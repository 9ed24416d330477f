"""What layers show of one example: filters, feature maps, attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from nnfw.arrays import Array
from nnfw.network import Pictures, shown_in
from nnfw.network.expansion import short_name
from nnfw.ops import DEFINITIONS, using
from nnfw.reporting.findings import Evidence, Findings
from nnfw.reporting.markup import Node, node, note, number, section
from nnfw.reporting.pictures import as_pictures, data_uri

MOST_PICTURES = 32
"""Pictures of one kind that are shown at most."""

MOST_LAYERS = 3
"""Layers that are shown of those with pictures of one kind: the first, the last and some between."""

MOST_LABELS = 40
"""Places of a sequence that are named at the edge of a picture, at most."""

_LARGEST = 512  # rows or columns; larger pictures are thinned
_SIDE, _LETTERS, _LETTER = 180, 8, 5  # of a picture with labels: its side; letters of a label, and their width
_MIDDLE, _BRIGHTEST = 128, 255


@dataclass(frozen=True, eq=False)
class View:
    """Pictures of one kind that a layer shows: K ``(K, rows, columns)``, of which a page shows the first.

    The labels name the rows and the columns, if these are places of a sequence. The layer is one of `layers` with such
    pictures.
    """

    title: str
    layer: str
    values: Array
    labels: Sequence[str] = field(default=())
    layers: int = 1


def views_of(evidence: Evidence) -> list[View]:
    """Return what the layers show for the first example, of each kind what a few such layers show.

    PluginError if a layer's `pictures` returns something else.
    """
    network = evidence.prepared.model.network
    workspace = network.workspace()
    batch = evidence.labelled().part(0, 1, network.dtype)
    with np.errstate(all="ignore"), using(DEFINITIONS):
        network.forward(batch.inputs, workspace, batch.lengths)
        found: dict[str, list[View]] = {}
        for each in shown_in(network, workspace):
            a = network.graph.workspace_of(each.place, workspace)["a"][0]
            for view in _views(each, a, evidence):
                found.setdefault(view.title, []).append(view)
    return [replace(views[k], layers=len(views)) for views in found.values() for k in chosen(len(views))]


def chosen(count: int) -> list[int]:
    """Return which of so many layers are shown.

    Examples
    --------
    >>> chosen(2), chosen(3), chosen(12)
    ([0, 1], [0, 1, 2], [0, 6, 11])
    """
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, MOST_LAYERS))})


def _views(each: Pictures, a: Array, evidence: Evidence) -> Iterator[View]:
    """Yield what a layer shows, and its channels as feature maps if it makes an image."""
    name = short_name(each.place.name)
    yield View(each.title, name, each.values, _labels(each.values, evidence))
    if a.ndim == 3 and np.isfinite(a).all():
        yield View("feature maps", name, a)


def _labels(values: Array, evidence: Evidence) -> list[str]:
    """Return the words of a sequence, if rows and columns of the pictures are its places; else none."""
    model = evidence.prepared.model
    _, rows, columns = values.shape
    if rows != columns or rows > MOST_LABELS or model.preprocessing is None:
        return []
    for each in model.network.inputs:
        if each.limit is not None and each.shape == (rows,):
            raw = (model.preprocessing.raw_of(each.name, (0, place), evidence.examples) for place in range(rows))
            return [repr(value)[1:-1] if isinstance(value, str) else str(value) for value in raw]
    return []


def inside(found: Sequence[View] | str, findings: Findings | str) -> Node:
    """Return the section with what the layers show."""
    if isinstance(found, str):
        return section("inside", "Inside the network", note(f"Not shown: {found}"))
    text = "For the first example"
    picture = []
    if isinstance(findings, Findings):
        text += f" of the {findings.part} data: {findings.outcome(0)}."
        picture = [_example(findings)]
    content = [*picture, *(item for view in found for item in _shown(view))]
    return section("inside", "Inside the network", note(text), *content)


def _example(findings: Findings) -> Node:
    """Return the first example as a picture, if it is one; else nothing."""
    column = next(iter(findings.columns.values()))
    pictures = as_pictures(column[:1]) if len(findings.columns) == 1 and column.dtype.kind in "biuf" else None
    if pictures is None:
        return node("div")
    image = node("img", attributes={"src": data_uri(pictures[0]), "alt": "The example"})
    return node("div.maps", node("figure.map", image, node("figcaption", "the example")))


def _shown(view: View) -> Iterator[Node]:
    values = view.values[:MOST_PICTURES]
    count = len(view.values)
    less = f", {len(values)} of {count}" if count > len(values) else ""
    low, high = float(values.min()), float(values.max())
    scale = "0 is grey" if low < 0 else "brightness is the square root"
    hint = f"from {number(low)}, dark, to {number(high)}, bright; {scale}"
    if view.layers > MOST_LAYERS:
        less += f"; {MOST_LAYERS} of {view.layers} layers with {view.title} are shown"
    yield node("h3", f"{view.title[:1].upper()}{view.title[1:]} of layer {view.layer}{less} ", node("span.hint", hint))
    pixels = _as_grey(values)
    figures = [_figure(view, index, pixels[index]) for index in range(len(values))]
    yield node(f"div.maps{'.labelled' * bool(view.labels)}", *figures)


def _as_grey(values: Array) -> Array:
    """Return values as shades of grey ``(K, rows, columns, 1)``.

    Where some are negative, 0 is grey. Else 0 is black, and of small values such as weights of attention, square roots
    are easier to see.
    """
    rows, columns = (-(-size // _LARGEST) for size in values.shape[1:])
    values = values[:, ::rows, ::columns].astype(np.float64)
    largest = np.abs(values).max() or 1.0
    scaled = values / largest
    grey = _MIDDLE + (_BRIGHTEST - _MIDDLE) * scaled if scaled.min() < 0 else _BRIGHTEST * np.sqrt(scaled)
    shades: Array = np.round(grey).astype(np.uint8)[..., np.newaxis]
    return shades


def _figure(view: View, index: int, pixels: Array) -> Node:
    values = view.values[index]
    address = data_uri(pixels)
    text = f"{view.title} {index}: {' × '.join(map(str, values.shape))}, {number(float(values.min()))} to "
    text += number(float(values.max()))
    if not view.labels:
        image = node("img", attributes={"src": address, "alt": text})
        return node("figure.map", image, node("figcaption", str(index)))
    most = (f"{view.labels[row]} at {view.labels[column]}" for row, column in enumerate(values.argmax(axis=1).tolist()))
    label = f"{text}. Brightest in each row: {', '.join(most)}."
    return node("figure.map", _with_labels(view.labels, address, label), node("figcaption", str(index)))


def _with_labels(labels: Sequence[str], address: str, text: str) -> Node:
    """Return a picture with a word beside each row, and above each column."""
    step, edge = _SIDE / len(labels), 8 + _LETTER * min(_LETTERS, max(map(len, labels)))
    words = []
    for place, label in enumerate(labels):
        shown = label if len(label) <= _LETTERS else f"{label[: _LETTERS - 1]}…"
        middle = round(edge + (place + 0.5) * step, 1)
        words.append(node("text.row", shown, attributes={"x": edge - 3, "y": middle + 3}))
        turned = f"translate({middle + 3},{edge - 3}) rotate(-90)"
        words.append(node("text.column", shown, attributes={"transform": turned}))
    box = {"x": edge, "y": edge, "width": _SIDE, "height": _SIDE, "href": address, "preserveAspectRatio": "none"}
    image = node("image", attributes=box)
    size = edge + _SIDE
    return node("svg", *words, image, attributes={"viewBox": f"0 0 {size} {size}", "role": "img", "aria-label": text})
