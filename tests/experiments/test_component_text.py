"""Components and data written on the command line."""

import pytest

import nnfw
from nnfw.experiments import file_ending, parse_component


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("units=64", "'units=64' does not name a component. Write name:option=value,option=value."),
        (":units=64", "':units=64' does not name a component. Write its name first: dense:units=64."),
        ("", "'' does not name a component. Write its name first"),
        ("dense:units=64,relu", "'dense:units=64,relu': 'relu' is not an option. Write option=value."),
        ("dense:=64", "'dense:=64': '=64' is not an option. Write option=value."),
        ("dense:units=3,units=4", "'dense:units=3,units=4' gives 'units' twice."),
    ],
    ids=["no-colon", "no-name", "empty", "no-equals", "no-option", "twice"],
)
def test_component_that_cannot_be_read_is_refused(text, message):
    with pytest.raises(nnfw.ConfigError) as caught:
        parse_component(text)
    assert message in str(caught.value)


def test_line_behind_a_value_is_not_left_out_in_silence():
    assert parse_component("dense:units=3\nbias=false") == {"type": "dense", "units": "3\nbias=false"}


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
