"""DATA on the command line."""

import pytest

from nnfw.experiments import file_ending


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ("new.csv", ".csv"),
        ("data/new.CSV", ".csv"),
        ("./odd:name.csv", ".csv"),
        ("-", ".csv"),
        ("x.npy", ".npy"),
        ("npy:x=x.npy", ""),
        ("csv:target=kind,path=t.csv", ""),
        ("nnfw-swish:ripples", ""),
        ("digits", ""),
    ],
)
def test_file_ending_looks_for_a_component_first(text, ending):
    assert file_ending(text) == ending
