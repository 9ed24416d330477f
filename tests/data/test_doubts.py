from io import StringIO

import numpy as np
import pytest

from nnfw.data import classes_in_parts, doubts, leaks, read_csv, repeats, require_different
from nnfw.errors import DataError

ROWS = 60
PARTS = {"training": np.arange(40), "validation": np.arange(40, 50), "test": np.arange(50, 60)}


def table(rng, **columns):
    """Return a table of the given columns and one of random numbers."""
    columns = {"a": [f"{value:.3f}" for value in rng.normal(size=ROWS)], **columns}
    rows = zip(*columns.values(), strict=True)
    text = ",".join(columns) + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    return read_csv(StringIO(text), name="t.csv")


def leaking(found, *, classes=True):
    return [
        text.split("'")[1] for text in leaks(found, [name for name in found.names if name != "y"], "y", classes=classes)
    ]


def test_leaks_are_copies_and_thresholds_between_classes(rng):
    y = [k % 3 for k in range(ROWS)]
    found = table(rng, copy=["xyz"[k] for k in y], rank=[k * 100 + i for i, k in enumerate(y)], n=[*range(ROWS)], y=y)
    assert leaking(found) == ["copy", "rank"]
    (told, _) = leaks(found, ["copy", "rank"], "y", classes=True)
    assert told == (
        "t.csv: column 'copy' determines the target exactly. If it is not known before the target is, exclude it: "
        'exclude = ["copy"].'
    )


@pytest.mark.parametrize("scale", [1.0, -2.0])
def test_leaks_of_a_number_are_those_that_rise_or_fall_with_it(rng, scale):
    y = rng.normal(size=ROWS)
    found = table(rng, unit=y * scale, id=[f"p{k}" for k in range(ROWS)], y=y)
    assert leaking(found, classes=False) == ["unit"]


def test_words_that_are_all_different_do_not_leak_by_the_order_of_rows(rng):
    y = [k // 30 for k in range(ROWS)]
    names = rng.permutation(ROWS)
    assert leaking(table(rng, name=[f"n{k:02}" for k in names], y=y)) == []


def test_leak_in_a_sample_is_none_unless_it_is_one_in_all_rows(rng, monkeypatch):
    monkeypatch.setattr(doubts, "_SAMPLE", 30)
    rows = np.linspace(0, ROWS - 1, 30).astype(int)
    y = [k % 2 for k in range(ROWS)]
    other = next(k for k in range(ROWS) if k not in rows)
    broken = [value if k != other else 1 - value for k, value in enumerate(y)]
    assert leaking(table(rng, copy=y, broken=broken, y=y)) == ["copy"]


def test_few_rows_tell_nothing(rng):
    text = "a,y\n" + "".join(f"{k % 2},{k % 2}\n" for k in range(19))
    found = read_csv(StringIO(text), name="t.csv")
    parts = {"training": np.arange(0, 18, 2), "test": np.arange(1, 18)}
    assert [*leaks(found, ["a"], "y", classes=True), *repeats(found, ["a", "y"], parts)] == []
    assert [*classes_in_parts(found, "y", parts)] == []


def test_rows_that_are_in_other_parts_too_are_counted(rng):
    values = rng.normal(size=ROWS)
    values[[41, 42, 55]] = values[[0, 1, 2]]
    found = read_csv(StringIO("a,y\n" + "".join(f"{value},{k % 1}\n" for k, value in enumerate(values))), name="t.csv")
    (told,) = repeats(found, ["a", "y"], PARTS)
    assert told == (
        "t.csv: 2 of 10 rows of the validation part and 1 of 10 rows of the test part are also in the training part, "
        "so the results there are too good. Remove the copies, or keep them together: name what they share as group."
    )
    assert [*repeats(found, ["a", "y"], {"training": PARTS["training"]})] == []


def test_rows_of_few_different_values_are_alike_by_chance(rng):
    found = read_csv(StringIO("a,b\n" + "".join(f"{k % 3},{k % 2}\n" for k in range(ROWS))), name="t.csv")
    assert [*repeats(found, ["a", "b"], PARTS)] == []


def test_classes_that_training_never_sees_and_parts_of_one_class_are_told(rng):
    y = ["u", "v"] * 20 + ["u"] * 10 + ["u", "w"] * 5
    found = table(rng, y=y)
    advice = "data.split.stratify gives each part its share of every class."
    assert [*classes_in_parts(found, "y", PARTS)] == [
        f"t.csv: all rows of the validation part are 'u' of 'y', so its figures say little. {advice}",
        f"t.csv: 'w' of 'y' is in the test part but not in the training part, so the network cannot learn it. {advice}",
    ]
    assert [*classes_in_parts(table(rng, y=["u", "v"] * 30), "y", PARTS)] == []


@pytest.mark.parametrize(
    ("y", "where"), [([1] * ROWS, ""), ([1] * 40 + [2] * 20, " in the training part")], ids=["all", "training"]
)
def test_constant_target_is_refused(rng, y, where):
    with pytest.raises(DataError, match=rf"^t\.csv: the target 'y' is always the same{where}, so there is nothing to"):
        require_different(table(rng, y=y), "y", PARTS["training"])
    require_different(table(rng, y=[1, 2] * 30), "y", PARTS["training"])
