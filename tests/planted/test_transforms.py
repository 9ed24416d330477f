"""Wrong transforms of columns, and the check that finds each."""

from dataclasses import dataclass
from itertools import count

import numpy as np
import pytest
from scipy.special import boxcox1p, ndtri
from tests.planted.test_small_kinds import changed

from nnfw.testing import run_checks
from nnfw_standard import (
    Clip,
    Date,
    Fill,
    Hash,
    Index,
    Log,
    OneHot,
    Ordinal,
    Power,
    QuantileTransform,
    Robust,
    TargetEncoding,
    Tokens,
)

PARTS, UNDONE, ONE_BY_ONE, JSON, MISSING, CONSTANT, EXAMPLES, LABEL = (
    f"transform.{name}"
    for name in (
        "parts_are_like_the_whole",
        "is_undone_by_invert",
        "examples_are_changed_one_by_one",
        "fitted_values_are_json",
        "missing_numbers_are_taken",
        "constant_column_stays_finite",
        "keeps_the_examples",
        "training_rows_do_not_carry_their_label",
    )
)


@dataclass(frozen=True)
class Rare(OneHot):
    min_count: int = 2


@dataclass(frozen=True)
class Grades(Ordinal):
    order: tuple[str, ...] = ("low", "middle", "high")


@dataclass(frozen=True)
class Slots(Hash):
    slots: int = 5


@dataclass(frozen=True)
class TextSlots(Tokens):
    slots: int = 5


TURNS = count()

WRONG = {
    "fill-last-part": (changed(Fill, add=lambda s, p, gathered, part: p([], part)), PARTS),
    "fill-mean-of-means": (
        changed(
            Fill,
            finish=lambda s, p, g: {"value": np.mean([each["value"] for each in g], 0).tolist()},
            add=lambda s, p, g, part: [*g, s.fit(np.nan_to_num(part) if part.dtype.kind == "f" else part)],
        ),
        PARTS,
    ),
    "fill-value-of-the-batch": (
        changed(Fill, apply=lambda s, p, c, f: p(c, s.fit(c) if c.dtype.kind == "f" else f)),
        ONE_BY_ONE,
    ),
    "fill-nan": (
        changed(Fill, fit=lambda s, p, c: p(c) if c.dtype.kind == "U" else {"value": c.mean(axis=0).tolist()}),
        JSON,
    ),
    "fill-keeps-the-indicator": (changed(Fill, ("mean", None, True), invert=lambda s, p, c, f: c), UNDONE),
    "fill-what-is-there": (changed(Fill, apply=lambda s, p, c, f: p(np.full_like(c, c.flat[0]), f)), UNDONE),
    "one-hot-counts-the-last-part": (changed(Rare, add=lambda s, p, gathered, part: p({}, part)), PARTS),
    "one-hot-position-in-the-batch": (
        changed(OneHot, apply=lambda s, p, c, f: p(c, s.fit(c))),
        ONE_BY_ONE,
    ),
    "index-from-one": (changed(Index, apply=lambda s, p, c, f: p(c, f) + 1), UNDONE),
    "index-of-the-most-frequent-first": (
        changed(
            Index,
            finish=lambda s, p, g: p(g) | {"categories": sorted(g, key=lambda word: (-g[word], word))},
            invert=lambda s, p, c, f: p(c, f | {"categories": sorted(f["categories"])}),
        ),
        UNDONE,
    ),
    "robust-of-the-batch": (changed(Robust, apply=lambda s, p, c, f: p(c, s.fit(c))), ONE_BY_ONE),
    "robust-undone-without-median": (changed(Robust, invert=lambda s, p, c, f: c * np.asarray(f["scale"])), UNDONE),
    "robust-range-of-a-constant": (
        changed(Robust, apply=lambda s, p, c, f: (c - np.median(c, 0)) / np.ptp(c, axis=0)),
        CONSTANT,
    ),
    "quantile-rank-in-the-batch": (
        changed(QuantileTransform, apply=lambda s, p, c, f: c.argsort(axis=0).argsort(axis=0) / len(c)),
        ONE_BY_ONE,
    ),
    "quantile-undone-as-uniform": (
        changed(QuantileTransform, invert=lambda s, p, c, f: QuantileTransform("uniform").invert(c, f)),
        UNDONE,
    ),
    "quantile-infinite-at-the-ends": (
        changed(QuantileTransform, apply=lambda s, p, c, f: ndtri(QuantileTransform("uniform").apply(c, f))),
        "transform.new_values_are_handled",
    ),
    "quantile-last-part": (changed(QuantileTransform, finish=lambda s, p, g: s.fit(g[-1])), PARTS),
    "log-undone-without-the-shift": (changed(Log, (2.0,), invert=lambda s, p, c, f: np.exp(c)), UNDONE),
    "log-sign-lost": (changed(Log, (0.0, True), apply=lambda s, p, c, f: np.abs(p(c, f))), UNDONE),
    "power-one-half-alone": (
        changed(Power, apply=lambda s, p, c, f: boxcox1p(np.abs(c), np.asarray(f["lambda"]))),
        UNDONE,
    ),
    "power-one-for-all-positions": (
        changed(
            Power, fit=lambda s, p, c: {"lambda": float(np.mean(p(c)["lambda"]))}, finish=lambda s, p, g: s.fit(g[0])
        ),
        PARTS,
    ),
    "clip-quantiles-of-the-batch": (
        changed(Clip, (None, None, 0.2), apply=lambda s, p, c, f: p(c, s.fit(c))),
        ONE_BY_ONE,
    ),
    "clip-rows-dropped": (changed(Clip, invert=lambda s, p, c, f: c[:-1]), UNDONE),
    "ordinal-reversed": (changed(Grades, invert=lambda s, p, c, f: p(len(s.order) - 1 - c, f)), UNDONE),
    "ordinal-less-the-mean": (changed(Grades, apply=lambda s, p, c, f: p(c, f) - p(c, f).mean()), ONE_BY_ONE),
    "ordinal-floor": (changed(Grades, apply=lambda s, p, c, f: np.maximum(p(c, f), 1)), UNDONE),
    "hash-numbered-in-the-batch": (
        changed(Slots, apply=lambda s, p, c, f: np.unique(c, return_inverse=True)[1].reshape(c.shape)),
        ONE_BY_ONE,
    ),
    "hash-with-a-new-salt-each-time": (
        changed(Slots, apply=lambda s, p, c, f: (p(c, f) + next(TURNS)) % 5),
        ONE_BY_ONE,
    ),
    "hash-drops-the-missing": (changed(Slots, apply=lambda s, p, c, f: p(c[c != ""], f)), EXAMPLES),
    "tokens-as-many-as-texts": (changed(TextSlots, apply=lambda s, p, c, f: p(c, f)[:, : len(c)]), ONE_BY_ONE),
    "tokens-one-text": (changed(TextSlots, apply=lambda s, p, c, f: p(np.array([" ".join(c.tolist())]), f)), EXAMPLES),
    "tokens-undone-to-numbers": (changed(TextSlots, invert=lambda s, p, c, f: c[:-1].sum(axis=1).astype(str)), UNDONE),
    "date-first-row-of-each-part": (changed(Date, add=lambda s, p, gathered, part: p(gathered, part[:1])), PARTS),
    "date-since-the-first-of-the-batch": (changed(Date, apply=lambda s, p, c, f: p(c, s.fit(c))), ONE_BY_ONE),
    "target-encoding-by-the-fitted-means": (
        changed(TargetEncoding, cross_fit=lambda s, p, c, y, rng: s.apply(c, s.fit_to(c, y))),
        LABEL,
    ),
    "target-encoding-mean-of-all-rows": (
        changed(TargetEncoding, cross_fit=lambda s, p, c, y, rng: p(c, y, rng) - p(c, y - y.mean(), rng)),
        LABEL,
    ),
    "target-encoding-folds-of-sorted-labels": (
        changed(TargetEncoding, cross_fit=lambda s, p, c, y, rng: p(c[o := y[:, 0].argsort()], y[o], rng)[o.argsort()]),
        LABEL,
    ),
    "target-encoding-other-folds-each-time": (
        changed(TargetEncoding, cross_fit=lambda s, p, c, y, rng: p(c, y, np.random.default_rng(next(TURNS)))),
        LABEL,
    ),
    "target-encoding-rows-as-columns": (
        changed(TargetEncoding, cross_fit=lambda s, p, c, y, rng: p(c, y, rng)[:, np.newaxis]),
        LABEL,
    ),
    "target-encoding-centres-the-target": (
        changed(TargetEncoding, fit_to=lambda s, p, c, y: p(c, np.subtract(y, y.mean(), out=y))),
        "transform.leaves_its_arguments_alone",
    ),
    "target-encoding-mean-of-the-batch": (
        changed(TargetEncoding, apply=lambda s, p, c, f: p(c, f) - p(c, f).mean()),
        ONE_BY_ONE,
    ),
    "fill-indicator-only-when-missing": (
        changed(Fill, ("mean", None, True), apply=lambda s, p, c, f: p(c, f) if (c != c).any() else c),
        MISSING,
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_transform_is_found(case):
    component, check = WRONG[case]
    report = run_checks(component, only=[check])
    assert [item.check for item in report.failures] == [check], report
