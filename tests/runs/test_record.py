"""The entries of a record, and what is kept of them."""

import pytest

import nnfw
from nnfw.runs.record import checked_record

LEAST = {"format": 1, "status": "finished"}


def test_null_entry_counts_as_missing_at_every_level():
    record = checked_record({**LEAST, "seed": None, "plugins": [{"version": None}], "data": {"sha256": None}})
    assert record == {**LEAST, "plugins": [{}], "data": {}}


def test_unknown_entry_and_unknown_commit_are_kept_as_they_are():
    entries = {**LEAST, "git": None, "later": None, "environment": {"gpu": None, "cpu": {"model": None}}}
    assert checked_record(entries) == entries


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"resumed": ["x", 1]}, r"^resumed\[\] must be text, got 1\.$"),
        ({"process": {"id": -1}}, r"^process\.id must be 0 or more, got -1\.$"),
        (
            {"environment": {"threads": {"libraries": {}}}},
            r"^environment\.threads\.libraries must be a list, got {}\.$",
        ),
    ],
    ids=["list", "negative", "nested"],
)
def test_wrong_entry_is_refused_with_its_place(entry, message):
    with pytest.raises(nnfw.FileFormatError, match=message):
        checked_record({**LEAST, **entry})
