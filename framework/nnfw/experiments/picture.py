"""A network as a picture: repeated parts folded, and a lane for every value, so that edges run straight down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import groupby

from nnfw.arrays import Shape
from nnfw.network import Graph
from nnfw.network.expansion import short_name
from nnfw.plugins import Registry

FEWEST = 3
"""How often a part must come in a row to be folded."""


@dataclass(frozen=True)
class Repeated:
    """A part of a network that comes several times in a row.

    Parameters
    ----------
    first, count
        The position of its first node among the nodes, and how many nodes it has.
    times
        How often it comes.
    what
        The name of the block or the layer.
    names
        The first and the last time, as messages name them.
    """

    first: int
    count: int
    times: int
    what: str
    names: tuple[str, str]

    def __str__(self) -> str:
        return f"{self.times} × {self.what}"

    @property
    def folded(self) -> range:
        """The positions of the nodes that the first time stands for."""
        return range(self.first + self.count, self.first + self.count * self.times)


def repeated_parts(graph: Graph, shapes: Sequence[Shape], registry: Registry) -> tuple[Repeated, ...]:
    """Return the parts that come 3 times or more in a row, from the largest blocks down; none within a folded one."""
    looks = [
        (repr(place.layer), repr(place.activation), shapes[place.position], place.parameters == place.name)
        for place in graph.nodes
    ]

    def look(part: _Part) -> list[object]:
        """Return what is the same in parts that look alike: sources inside and right before a part are relative."""
        begin = graph.nodes[part.start].position
        return [
            (
                looks[index],
                [source - begin if source >= begin - 1 else (source,) for source in graph.nodes[index].sources],
            )
            for index in range(part.start, part.stop)
        ]

    return tuple(_repeated(graph, _parts(graph, 0, len(graph.nodes), ""), look, registry))


@dataclass(frozen=True)
class _Part:
    """A node or a block: where its nodes are."""

    name: str
    start: int
    stop: int


def _parts(graph: Graph, start: int, stop: int, prefix: str) -> Iterator[_Part]:
    """Yield each node and block right inside a block, or inside the network."""
    depth = prefix.count(".")

    def own_name(index: int) -> str:
        parts = graph.nodes[index].name.split(".")
        lengths = range(depth + 1, len(parts) + 1)
        names = (".".join(parts[:length]) for length in lengths)
        return next((name for name in names if name in graph.blocks), graph.nodes[index].name)

    for name, indices in groupby(range(start, stop), own_name):
        found = list(indices)
        yield _Part(name, found[0], found[-1] + 1)


def _repeated(
    graph: Graph, parts: Iterable[_Part], look: Callable[[_Part], object], registry: Registry
) -> Iterator[Repeated]:
    for _, group in groupby(parts, look):
        alike = list(group)
        first, last = alike[0], alike[-1]
        if len(alike) >= FEWEST:
            name, what = _what(graph, first)
            ends = short_name(name), short_name(last.name + name.removeprefix(first.name))
            yield Repeated(first.start, first.stop - first.start, len(alike), registry.name_of("layer", what), ends)
        for part in alike[: 1 if len(alike) >= FEWEST else None]:
            if part.name in graph.blocks:
                inner = _parts(graph, part.start, part.stop, f"{part.name}.")
                yield from _repeated(graph, inner, look, registry)


def _what(graph: Graph, part: _Part) -> tuple[str, object]:
    """Return the node or the innermost block that makes up a whole part, with its name."""
    name = part.name
    while name in graph.blocks:
        inner = next(_parts(graph, part.start, part.stop, f"{name}."))
        if inner.stop < part.stop:
            return name, graph.blocks[name]
        name = inner.name
    return name, graph.nodes[part.start].layer


@dataclass(frozen=True)
class Picture:
    """What is shown of a network: its inputs and those nodes that are not folded.

    Parameters
    ----------
    shown
        The positions of the values shown, inputs first.
    sources
        For each of them, which of those shown it takes.
    repeated
        The folded parts: positions among those shown of its first and last node, and the part.
    """

    shown: tuple[int, ...]
    sources: tuple[tuple[int, ...], ...]
    repeated: tuple[tuple[int, int, Repeated], ...]

    @classmethod
    def of(cls, inputs: int, sources: Sequence[Sequence[int]], repeated: Iterable[Repeated]) -> Picture:
        """Return the picture of a network with the sources of each node, as positions among inputs and nodes."""
        parts = tuple(repeated)
        stand_in: dict[int, int] = {}
        for part in parts:
            for index in part.folded:
                stand_in[inputs + index] = inputs + part.first + (index - part.first) % part.count
        every = [()] * inputs + [tuple(own) for own in sources]
        shown = tuple(position for position in range(len(every)) if position not in stand_in)
        place = {position: index for index, position in enumerate(shown)}

        def taken(position: int) -> tuple[int, ...]:
            found = dict.fromkeys(place[_followed(stand_in, source)] for source in every[position])
            return tuple(found)

        ends = [(place[inputs + p.first], place[inputs + p.first + p.count - 1], p) for p in parts]
        return cls(shown, tuple(map(taken, shown)), tuple(ends))

    @property
    def depths(self) -> tuple[int, ...]:
        """For each value the longest way from an input: nodes of parallel branches are level."""
        found: list[int] = []
        for own in self.sources:
            found.append(1 + max((found[source] for source in own), default=-1))
        return tuple(found)

    def lanes(self, rows: Sequence[int]) -> tuple[int, ...]:
        """Return a lane for each value, given the row of each; a value keeps its lane until its last taker.

        A node goes on in the lane of one of its sources where that ends, else in the first that is free.
        """
        last = self.last_takers(rows)
        taken: list[set[int]] = []
        lanes: list[int] = []
        for index, own in enumerate(self.sources):
            needed = range(rows[index], max(rows[index] + 1, last[index]))
            ways = [*sorted({lanes[source] for source in own}), *range(len(taken) + 1)]
            taken.append(set())
            lane = next(lane for lane in ways if taken[lane].isdisjoint(needed))
            taken[lane].update(needed)
            lanes.append(lane)
        return tuple(lanes)

    def last_takers(self, rows: Sequence[int]) -> list[int]:
        """Return the row of the last node that takes each value; its own row if none does."""
        last = list(rows)
        for index, own in enumerate(self.sources):
            for source in own:
                last[source] = max(last[source], rows[index])
        return last


def _followed(stand_in: dict[int, int], position: int) -> int:
    while position in stand_in:  # folded parts lie inside parts that are folded themselves
        position = stand_in[position]
    return position


def drawn(picture: Picture) -> list[tuple[str, str]]:
    r"""Return the picture as text: a line for each value, with the line above it, if something is written beside that.

    Examples
    --------
    >>> residual = Picture.of(1, [(0,), (1,), (2, 1)], [])
    >>> print(*(line for _, line in drawn(residual)), sep="\n")
    ○
    ●
    ├─●
    ●─╯
    """
    rows = range(len(picture.sources))
    lanes, last = picture.lanes(rows), picture.last_takers(rows)
    lines, alive = [], list[int]()  # values that a node from here on takes
    for row, own in enumerate(picture.sources):
        above = {lanes[value] for value in alive}
        alive = [value for value in alive if last[value] > row]
        passing = {lanes[value] for value in alive}
        ends = {lanes[source]: last[source] == row for source in own}
        span = sorted({*ends, lanes[row]})
        cells = []
        for lane in range(max([*span, *passing]) + 1):
            between = span[0] <= lane < span[-1]
            cells.append(_cell(lane, lanes[row], ends, passing, span, source=bool(own)) + ("─" if between else " "))
        down = "".join("│ " if lane in above else "  " for lane in range(max(above, default=-1) + 1))
        lines.append((down.rstrip(), "".join(cells).rstrip()))
        alive.append(row)
    return lines


def _cell(
    lane: int, here: int, ends: Mapping[int, bool], passing: Set[int], span: Sequence[int], *, source: bool
) -> str:
    """Return the sign of one lane in a row: of a node, of an edge that joins it or goes by, or of none."""
    if lane == here:
        return "●" if source else "○"
    if lane in ends:
        side = 0 if lane == span[0] else 2 if lane == span[-1] else 1
        return ("╰┴╯" if ends[lane] else "├┼┤")[side]
    if lane in passing:
        return "│"
    return "─" if span[0] < lane < span[-1] else " "
