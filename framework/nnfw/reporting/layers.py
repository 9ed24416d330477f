"""δ of the layers over the epochs: where learning stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import floor, inf, log10

from nnfw.network import FAR, Health, Verdict, time_explanations, verdict_of
from nnfw.network.expansion import short_name
from nnfw.reporting.markup import Node, folded, node, note, number, section, table
from nnfw.runs.reading import EpochRow, StoredRun, is_number

MOST_ROWS = 60
"""Layers that are drawn at most; of more, one in two, three and so on."""

_DELTA, _OUTPUTS, _DEAD = ".delta", ".outputs", ".dead"
_LEFT, _WIDTH, _RIGHT, _ROW, _BOTTOM = 150, 560, 150, 20, 36
_MOST_NAMED = 16  # columns that each have their epoch below
_WORST = 6  # decades from δ of the outputs: further ones look the same
_LEGEND = ((-4, "10⁻⁶ and less"), (-3, "10⁻³"), (0, "about 1"), (3, "10³"), (4, "10⁶ and more"))


@dataclass(frozen=True)
class Looks:
    """What the columns of a heat map are: epochs, or time steps; what they show, and what that is compared with."""

    axis: str
    places: Sequence[int]
    size: str = "‖δ‖"
    reference: str = "the outputs"


@dataclass(frozen=True)
class Course:
    """A layer over the looks at it: ‖δ‖ and that of the outputs, and the share of dead units; inf if not finite."""

    name: str
    deltas: tuple[float, ...]
    outputs: tuple[float, ...]
    dead: tuple[float, ...]

    @property
    def verdict(self) -> Verdict:
        """The verdict of the last look."""
        return verdict_of(self.deltas[-1], self.dead[-1], self.outputs[-1])

    def level(self, look: int) -> int:
        """Return how far ‖δ‖ is from that of the outputs: 0 within a factor of 10; from 3 on, it has a verdict."""
        delta, reference = self.deltas[look], self.outputs[look]
        if delta == inf or not reference:
            return 4 if delta == inf else 0
        decades = log10(delta / reference) if delta and reference < inf else -inf
        size = 4 if abs(decades) >= _WORST else min(floor(abs(decades)), round(log10(FAR)))
        return size if decades > 0 else -size


def layers(run: StoredRun, looks: Sequence[EpochRow] | str, now: Sequence[Health] | str = ()) -> Node:
    """Return the section about the layers of a run, given the looks at them, or why there are none, and one `now`."""
    return section("layers", "Layers", *_over_epochs(run, looks), *_through_time(now))


def _over_epochs(run: StoredRun, looks: Sequence[EpochRow] | str) -> list[Node]:
    if isinstance(looks, str):
        return [note(f"Not shown: {looks}")]
    found = courses_in(looks)
    if not found:
        return [note("The run has not recorded them.")]
    texts = [node("p.reason", text) for text in run.record.get("verdicts", [])]
    first, last = looks[0]["epoch"], looks[-1]["epoch"]
    text = (
        f"‖δ‖ of each layer, divided by that of the outputs, from epoch {first} to {last}; epoch 0 is before the "
        "training. Where the ratio is far from 1, one learning rate does not serve all layers."
    )
    fine = [] if texts else [note("No layer is vanishing, exploding or dead at the end.")]
    step = -(-len(found) // MOST_ROWS)
    less = [note(f"One in {step} layers is drawn.")] if step > 1 else []
    picture = _heat_map(Looks("epoch", [int(str(look["epoch"])) for look in looks]), found[::step])
    return [*texts, *fine, note(text), *less, picture, _figures(found)]


def _through_time(now: Sequence[Health] | str) -> list[Node]:
    """Return how δ goes back through the time steps of recurrent layers; nothing without such layers."""
    if isinstance(now, str) or not any(each.through_time for each in now):
        return []  # where there is a reason, other sections say it
    texts = [node("p.reason", text) for text in time_explanations(now)]
    fine = [] if texts else [note("δ neither vanishes nor explodes on its way through time.")]
    text = (
        "‖∂C/∂h_t‖ of the states of recurrent layers for one batch, divided by that of the time step that is read "
        "last: how much of δ reaches earlier steps."
    )
    pictures = []
    for steps, alike in groupby(sorted((each for each in now if each.through_time), key=_steps_of), key=_steps_of):
        courses = [_course_of(each) for each in alike]
        looks = Looks("time steps before the last", list(range(steps)), "‖∂C/∂h_t‖", "the last step")
        pictures.append(_heat_map(looks, courses[:MOST_ROWS]))
    return [node("h3", "δ through time"), *texts, *fine, note(text), *pictures]


def _steps_of(each: Health) -> int:
    return len(each.through_time)


def _course_of(each: Health) -> Course:
    """Return ‖∂C/∂h_t‖ from the last time step back to the first."""
    sizes = each.through_time[::-1]
    return Course(each.name, sizes, sizes[:1] * len(sizes), (0.0,) * len(sizes))


def courses_in(looks: Sequence[EpochRow]) -> list[Course]:
    """Return the course of each layer that every look has."""
    if not looks:
        return []
    names = [key.removesuffix(_DELTA) for key in looks[0] if key.endswith(_DELTA)]
    kept = [name for name in names if all(name + end in look for look in looks for end in (_DELTA, _OUTPUTS, _DEAD))]

    def values(key: str) -> tuple[float, ...]:
        return tuple(value if is_number(value) else inf for value in (look.get(key) for look in looks))

    return [Course(short_name(name), *(values(name + end) for end in (_DELTA, _OUTPUTS, _DEAD))) for name in kept]


def _heat_map(looks: Looks, found: Sequence[Course]) -> Node:
    width, height = _LEFT + _WIDTH + _RIGHT, len(found) * _ROW + _BOTTOM
    count = len(looks.places)
    step = _WIDTH / count
    drawn: list[Node] = []
    for row, each in enumerate(found):
        base = row * _ROW
        drawn.append(node("text.up", each.name, attributes={"x": _LEFT - 8, "y": base + 14}))
        for level, group in groupby(range(count), each.level):
            span = list(group)
            place = {"x": round(_LEFT + span[0] * step, 1), "y": base + 1}
            size = {"width": round(len(span) * step, 1), "height": _ROW - 2}
            title = node("title", _said(each, looks, span[0], span[-1]))
            drawn.append(node(f"rect.l{level}", title, attributes=place | size))
        dead = f"{each.dead[-1]:.0%} dead" if 0 < each.dead[-1] < inf else ""
        remark = ", ".join(filter(None, (each.verdict.removesuffix("dead"), dead)))
        drawn.append(
            node(
                f"text.remark{'.ill' * bool(each.verdict)}",
                remark,
                attributes={"x": width - _RIGHT + 8, "y": base + 14},
            )
        )
    floor_line = len(found) * _ROW
    named = range(count) if count <= _MOST_NAMED else sorted({0, count // 2, count - 1})
    for look in named:
        place = {"x": round(_LEFT + (look + 0.5) * step, 1), "y": floor_line + 16}
        drawn.append(node("text.across", str(looks.places[look]), attributes=place))
    drawn.append(node("text.title", looks.axis, attributes={"x": _LEFT + _WIDTH, "y": height - 4}))
    worst = [f"{each.name} {each.verdict}" for each in found if each.verdict]
    over = f"{looks.size} of {len(found)} {'layer' if len(found) == 1 else 'layers'} by {looks.axis}"
    label = f"{over}. At the end: {', '.join(worst) or 'all are well'}."
    box = {"viewBox": f"0 0 {width} {height}", "role": "img", "aria-label": label}
    keys = [node(f"span.key.l{level}", text) for level, text in _LEGEND]
    legend = node("figcaption", node("span.legend", *keys, f"times that of {looks.reference}"))
    frame = node("div.scroll.tall", node("svg.plot.heat", *drawn, attributes=box), attributes={"tabindex": 0})
    return node("figure.chart.narrow", frame, legend)


def _said(each: Course, looks: Looks, start: int, stop: int) -> str:
    places = sorted({looks.places[start], looks.places[stop]})
    when = f"{looks.axis} {' to '.join(map(str, places))}"
    sizes = number(each.deltas[start]), number(each.outputs[start])
    return f"{each.name}, {when}: {looks.size} = {sizes[0]}, {looks.reference.removeprefix('the ')} {sizes[1]}"


def _figures(found: Sequence[Course]) -> Node:
    heads = ["layer", "‖δ‖ before the training", "at the end", "outputs at the end", "dead units", "verdict"]
    rows = [
        [
            each.name,
            number(each.deltas[0]),
            number(each.deltas[-1]),
            number(each.outputs[-1]),
            f"{each.dead[-1]:.0%}",
            each.verdict,
        ]
        for each in found
    ]
    return folded("Figures of every layer", table(heads, rows, ".numbers"))
