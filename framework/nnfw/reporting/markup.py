"""HTML as a tree: the library that writes it escapes every text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from xml.etree.ElementTree import Element, tostring

Node = Element
Content = Element | str

_CONTROLS = (*range(9), *range(11, 32), *range(127, 160))
_DIRECTIONS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_SURROGATES = range(0xD800, 0xE000)
_NOT_ON_A_PAGE = dict.fromkeys((*_CONTROLS, *_DIRECTIONS, *_SURROGATES), "\ufffd")
"""Control characters, those that change the direction of text, and lone surrogates."""


def node(tag: str, *content: Content, attributes: Mapping[str, object] | None = None) -> Node:
    """Return an element; the tag ``"p.note"`` is a ``"p"`` of the class `note`.

    Examples
    --------
    >>> to_html(node("p.note", "a < b & ", node("b", "<script>")))
    '<p class="note">a &lt; b &amp; <b>&lt;script&gt;</b></p>'
    """
    name, _, style = tag.partition(".")
    element = Element(name, {"class": style.replace(".", " ")} if style else {})
    for key, value in (attributes or {}).items():
        element.set(key, _text(value))
    for item in content:
        if not isinstance(item, str):
            element.append(item)
        elif len(element):
            element[-1].tail = (element[-1].tail or "") + _text(item)
        else:
            element.text = (element.text or "") + _text(item)
    return element


def to_html(element: Node) -> str:
    """Return an element as text."""
    return tostring(element, encoding="unicode", method="html")


def table(header: Sequence[Content], rows: Iterable[Sequence[Content]], style: str = "") -> Node:
    """Return a table in a frame that scrolls sideways; the first cell of each row is its heading."""
    body = []
    for first, *rest in rows:
        cells = (cell if isinstance(cell, Element) and cell.tag == "td" else node("td", cell) for cell in rest)
        body.append(node("tr", node("th", first, attributes={"scope": "row"}), *cells))
    heads = [node("th", cell, attributes={"scope": "col"}) for cell in header]
    whole = node(f"table{style}", node("thead", node("tr", *heads)), node("tbody", *body))
    return node("div.scroll", whole, attributes={"tabindex": 0})


def section(identifier: str, title: str, *content: Node | str) -> Node:
    """Return a section with its heading."""
    heading = node("h2", title, attributes={"id": f"{identifier}-title"})
    return node("section", heading, *content, attributes={"id": identifier, "aria-labelledby": f"{identifier}-title"})


def note(text: str) -> Node:
    """Return a remark."""
    return node("p.note", text)


def folded(title: str, content: Node) -> Node:
    """Return content that opens at a click on its title."""
    return node("details", node("summary", title), content)


def number(value: object) -> str:
    """Return a number for people, and anything else as text.

    Examples
    --------
    >>> number(0.973333333), number(12345), number(None), number(1e-7)
    ('0.97333', '12,345', '–', '1e-07')
    """
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.5g}"


def _text(value: object) -> str:
    return str(value).translate(_NOT_ON_A_PAGE)
