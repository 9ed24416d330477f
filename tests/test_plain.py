"""Values for strict JSON."""

import json
from pathlib import Path

import numpy as np
import pytest

from nnfw.plain import jsonable


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (-0.5, -0.5),
        ("a", "a"),
        (float("nan"), None),
        (float("inf"), None),
        (-float("inf"), None),
        ([1, (2.0, None), {"a": float("nan")}], [1, [2.0, None], {"a": None}]),
        ({1: 2, None: 3}, {"1": 2, "None": 3}),
        (np.float32(0.5), 0.5),
        (np.float64("nan"), None),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([[1.0, np.inf], [2.0, 3.0]]), [[1.0, None], [2.0, 3.0]]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array(7), 7),
        (Path("a/b"), "a/b"),
        ({3}, "{3}"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_value_becomes_what_strict_json_holds(value, expected):
    found = jsonable(value)
    assert found == expected
    assert type(found) is type(expected)
    assert json.loads(json.dumps(found, allow_nan=False)) == expected
