"""Wrong transforms of columns, and the check that finds each."""

from dataclasses import dataclass

import numpy as np
import pytest
from tests.planted.test_small_kinds import changed

from nnfw.testing import run_checks
from nnfw_standard import Fill, Index, OneHot

PARTS, UNDONE, ONE_BY_ONE, JSON, MISSING = (
    f"transform.{name}"
    for name in (
        "parts_are_like_the_whole",
        "is_undone_by_invert",
        "examples_are_changed_one_by_one",
        "fitted_values_are_json",
        "missing_numbers_are_taken",
    )
)


@dataclass(frozen=True)
class Rare(OneHot):
    min_count: int = 2


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
