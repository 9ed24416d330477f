"""The gradient check: a network's backward pass against numerical differentiation."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from nnfw.arrays import Array
from nnfw.checking.differences import Comparison, compare
from nnfw.checking.gradient_report import Report, Row
from nnfw.checking.hints import hint_for
from nnfw.checking.replay import Analytic, Replay, delta_name, root_mean_square
from nnfw.data import Values
from nnfw.errors import PluginError
from nnfw.model import Sequential
from nnfw.model.labels import numbered
from nnfw.network import Batch, Objective

ALL_UP_TO = 200  # elements of a tensor that are checked; of larger ones, that many are drawn
DIRECTIONS = 4  # over the whole of a larger tensor, so that no part of it is left out
_DIRECTION_NORM = 10.0
_KINKS = 0.05  # share of derivatives at kinks above which the point is moved
_MOVES = 3
_ONLY_KINKS = "all of it lies at kinks, so nothing could be compared; check other data or parameters"
_PARAMETER_EQUATIONS = {"bias": 3, "weight": 4}


def gradcheck(
    model: Sequential,
    x: Values,
    y: Values,
    *,
    cost: Any,
    sample_weight: ArrayLike | None = None,
    precise: bool = False,
    seed: int = 0,
) -> Report:
    """Compare every gradient that a network's backward pass gives with numerical differentiation.

    | Equation 1 at the output, Equation 2 at every hidden layer: δ^l = ∂C/∂z^l
    | Equations 3 and 4, and every other parameter: ∂C/∂θ; and ∂C/∂x

    Parameters
    ----------
    model
        The network; it stays as it is. A float64 copy of it is checked, in training mode and with the same noise in
        every pass, so that dropout is checked too.
    x, y, cost, sample_weight
        As for :meth:`Sequential.fit`. A few examples are enough.
    precise
        Whether SciPy's adaptive method gives a second opinion, with a tolerance a thousand times smaller where it
        converges; several times slower.
    seed
        Seed of the noise, of the elements that are drawn from large tensors, and of the moves.

    Returns
    -------
    Report
        ``report.ok``, ``report.rows`` with one row per tensor, and ``str(report)``.

    Raises
    ------
    ConfigError, DataError
        As :meth:`Sequential.fit`. What a component does wrong is in the report instead.

    Notes
    -----
    Two points are checked: the parameters as they are, and after a few steps of descent. A value a agrees with the
    3-point difference n of step h = 6e-6 max(1, |θ|) if |a − n| ≤ 1e-5 max(|a|, |n|, 1e-3 max |n|)
    + 20 eps s/h, where s is the size of the terms of C. Where it does not, slopes on both sides tell a kink, at which
    any value between them is right, from an error; for δ of a hidden layer, the slopes of Σ ∂C/∂a ⊙ σ(z) alone. Where
    more than 5 % lie at kinks, or where many kinks may coincide, another point nearby is checked too. Tensors with more
    than 200 elements are checked at 200 of them and along 4 random directions.

    Examples
    --------
    >>> from nnfw_standard import Dense
    >>> model = Sequential([Dense(3, activation="tanh"), Dense(2, activation="softmax")], input_shape=4)
    >>> report = gradcheck(model, np.eye(4), [0, 1, 1, 0], cost="cross_entropy")
    >>> report.ok, [row.name for row in report.rows][:3]
    (True, ['layers.1.delta', 'layers.1.bias', 'layers.1.weight'])
    """
    objective = model.objective(cost)
    labels = numbered(y, model.preprocessing, model.network.output_names, model.dtype)
    data = model.labelled(x, labels, objective, sample_weight)
    batch = data.part(0, len(data), np.dtype(np.float64))
    return check_pass(model, batch, objective, precise=precise, seed=seed)


def check_pass(
    model: Sequential,
    batch: Batch,
    objective: Objective,
    *,
    precise: bool = False,
    seed: int = 0,
    wanted: Callable[[str], bool] = bool,
) -> Report:
    """Do what :func:`gradcheck` does, for a checked batch with labels in the form that the costs take.

    Only tensors whose names are `wanted` are compared: all by default.
    """
    replay = Replay(model, batch, objective, seed)
    rng = np.random.default_rng(seed)
    drawn = {name: _picks(shape, rng) for name, shape in _tensors(replay).items()}
    picks = {name: each for name, each in drawn.items() if wanted(name)}
    if not picks:
        return Report((), len(batch))
    try:
        with threadpool_limits(1, user_api="blas"):  # for thousands of small products, threads cost more than they save
            findings = _check_two_points(replay, picks, precise)
    except PluginError as error:
        return Report((), len(batch), str(error))
    if not findings:
        return Report(
            (), len(batch), "The cost is not finite, so it has no derivatives. Check other data or parameters."
        )
    rows = (_row(name, found, len(batch), _equation(name, replay.at_outputs)) for name, found in findings.items())
    return Report(tuple(rows), len(batch))


@dataclass(frozen=True, eq=False)
class _Picks:
    """The elements of one tensor to check, and directions ``(K, size)`` over all of it."""

    shape: tuple[int, ...]
    elements: Array
    directions: Array


@dataclass(frozen=True, eq=False)
class _Finding:
    """The comparison of one tensor at one point: of elements, then of directions."""

    picks: _Picks
    gradient: Array
    found: Comparison

    @property
    def hides_errors(self) -> bool:
        """Whether so much lies at kinks that another point is needed."""
        kinks = self.found.kinks
        return bool((kinks & ~self.found.ok).any() or kinks.sum() > _KINKS * len(kinks))


def _tensors(replay: Replay) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what is checked by name, in the order of the backward pass."""
    declared, found = replay.model.parameters.layout.declared, {}
    network, count = replay.network, len(replay.batch)
    for place in reversed(network.graph.nodes):
        found[delta_name(place)] = (count, *network.shapes[place.position])
        own = [f"{place.parameters}.{name}" for name in replay.model.parameters.of(place.parameters)]
        found |= {name: declared[name].shape for name in reversed(own) if declared[name].trainable}
    return found | {each.name: (count, *each.shape) for each in network.inputs if each.limit is None}


def _picks(shape: tuple[int, ...], rng: np.random.Generator) -> _Picks:
    size = prod(shape)
    if size <= ALL_UP_TO:
        return _Picks(shape, np.arange(size), np.zeros((0, size)))
    directions = rng.standard_normal((DIRECTIONS, size))
    directions *= _DIRECTION_NORM / np.linalg.norm(directions, axis=1, keepdims=True)
    return _Picks(shape, np.sort(rng.choice(size, ALL_UP_TO, replace=False)), directions)


def _check_two_points(replay: Replay, picks: dict[str, _Picks], precise: bool) -> dict[str, list[_Finding]]:
    """Return the findings of every point, of which there is none where the cost is not finite."""
    findings: dict[str, list[_Finding]] = {}
    for point in range(2):
        if point:
            replay.train()
        for move in range(_MOVES + 1):
            said = replay.backward()
            found = _check_point(replay, said, picks, precise)
            kinked = any(finding.hides_errors for finding in found.values())
            for name, finding in found.items():
                findings.setdefault(name, []).append(_judge_kinks(replay, said, name, finding))
            if not kinked:
                break
            if move < _MOVES:
                replay.move(also_input=move > 0)  # some kinks come from x alone
    return findings


def _judge_kinks(replay: Replay, said: Analytic, name: str, finding: _Finding) -> _Finding:
    """Return the finding with the values at kinks judged as far as they can be.

    One z of the output meets one kink. All else may move many z to their kinks at once, each in its own direction. The
    slopes on both sides are then no bounds for a sum that takes one side of each: another point must decide. Yet δ of a
    hidden layer can be compared with its σ alone, since the next layers only enter with ∂C/∂a.
    """
    found, elements = finding.found, finding.picks.elements
    if name in replay.at_outputs or not found.kinks.any():
        return finding
    numeric, error, ok = found.numeric.copy(), np.where(found.kinks, 0.0, found.error), found.ok | found.kinks
    at = np.flatnonzero(found.kinks[: len(elements)])
    if name in said.hidden and len(at):
        grad_a, a = said.hidden[name]
        alone = compare(
            lambda k, t: replay.sigma_alone(name, int(elements[at[k]]), t, grad_a),
            found.analytic[at],
            np.abs(replay.values(name).reshape(-1)[elements[at]]),
            float(np.abs(grad_a * a).sum()),
        )
        numeric[at], error[at], ok[at] = alone.numeric, alone.error, alone.ok
    return replace(finding, found=replace(found, numeric=numeric, error=error, ok=ok))


def _check_point(replay: Replay, said: Analytic, picks: dict[str, _Picks], precise: bool) -> dict[str, _Finding]:
    """Compare all tensors at once, which asks SciPy once."""
    if not np.isfinite(said.cost):
        return {}
    quantities: list[tuple[str, Any]] = []
    analytic, sizes, tensors = [], [], []
    for name, pick in picks.items():
        gradient, size = said.gradients[name].reshape(-1), np.abs(replay.values(name).reshape(-1))
        quantities += ((name, where) for where in (*pick.elements.tolist(), *pick.directions))
        analytic += [gradient[pick.elements], pick.directions @ gradient]
        sizes += [size[pick.elements], np.full(len(pick.directions), root_mean_square(size))]
        tensors += [len(pick.elements), len(pick.directions)]  # slopes along directions are of another size
    with np.errstate(invalid="ignore", over="ignore"):  # non-finite values are reported as wrong
        found = compare(
            lambda k, t: replay.shifted_cost(*quantities[k], t),
            np.concatenate(analytic),
            np.concatenate(sizes),
            said.terms,
            tensors=np.repeat(np.arange(len(tensors)), tensors),
            precise=precise,
        )
    ends = [0, *np.cumsum(tensors)[1::2]]
    return {
        name: _Finding(pick, said.gradients[name], found.part(slice(*rows)))
        for (name, pick), rows in zip(picks.items(), pairwise(ends), strict=True)
    }


def _row(name: str, findings: list[_Finding], examples: int, equation: int | None) -> Row:
    """Return the row of one tensor from all points; the numbers are those of the worst."""
    rows = [_row_of(name, finding, examples, equation) for finding in findings]
    worst = max(rows, key=lambda row: (not row.ok, np.nan_to_num(row.error, nan=np.inf)))
    sums = {key: sum(getattr(row, key) for row in rows) for key in ("checked", "kinks", "confirmed")}
    row = replace(worst, **sums)
    is_delta = equation in (1, 2)  # judged at kinks too
    return row if is_delta or row.kinks < max(row.checked, 1) else replace(row, ok=False, hint=_ONLY_KINKS)


def _row_of(name: str, finding: _Finding, examples: int, equation: int | None) -> Row:
    found = finding.found
    if not len(found.ok):
        return Row(name, equation, 0, 0, 0.0, None, 0.0, 0.0, None, "", 0, True)
    error = np.nan_to_num(found.error, nan=np.inf)
    worst = int(np.argmax(np.where(found.ok, error, error + np.finfo(float).max / 2)))
    elements = finding.picks.elements
    index = np.unravel_index(elements[worst], finding.picks.shape) if worst < len(elements) else None
    analytic, numeric = float(found.analytic[worst]), float(found.numeric[worst])
    ratio = analytic / numeric if numeric and np.isfinite(analytic / numeric) else None
    return Row(
        name,
        equation,
        len(found.ok),
        int(found.kinks.sum()),
        float(found.error[worst]),
        None if index is None else tuple(map(int, index)),
        analytic,
        numeric,
        ratio,
        "" if found.ok.all() else hint_for(found.part(slice(len(elements))), finding.gradient, elements, examples),
        int(found.confirmed.sum()),
        bool(found.ok.all()),
    )


def _equation(name: str, outputs: Collection[str]) -> int | None:
    if name in outputs:
        return 1
    own = name.rpartition(".")[2]
    return 2 if own == "delta" else _PARAMETER_EQUATIONS.get(own)
