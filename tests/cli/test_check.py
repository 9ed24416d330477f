"""``nnfw check``: what is installed keeps the rules of its kind, or the command says which it breaks."""

import json
import re

import pytest

from nnfw.testing import checks_of

GOOD = """
from dataclasses import dataclass

import numpy as np

from nnfw import Elementwise


@dataclass(frozen=True)
class Cubic(Elementwise):
    '''a = z + c z^3.'''

    c: float = 0.1
    monotonic = True

    def value(self, z):
        return z + self.c * z**3

    def derivative(self, z, a):
        return 1 + 3 * self.c * z**2
"""
WRONG = GOOD.replace("1 + 3 * self.c", "1 + 2 * self.c")
RAISING = GOOD.replace(
    "        return 1 + 3", "        print('look at me')\n        raise RuntimeError('planted.')\n        return 1 + 3"
)
COMPONENT = 'ComponentSpec("activation", "cubic", "fake_cubic_code:Cubic", "a cubic")'


@pytest.fixture
def cubic(make):
    """Return a function that installs the distribution fake-cubic with the given code."""

    def install(code, components=COMPONENT):
        make("fake-cubic", components=components, fake_cubic_code=code)

    return install


def test_check_of_a_distribution_that_keeps_the_rules_ends_with_0(cubic, nnfw):
    cubic(GOOD)
    result = nnfw("check", "fake-cubic")
    assert (result.status, result.err) == (0, ""), result
    assert "activation cubic" in result.out
    assert "All checks passed." in result.out


def test_check_of_a_wrong_derivative_ends_with_1_and_says_what_is_wrong(cubic, nnfw):
    cubic(WRONG)
    result = nnfw("check", "cubic")
    assert result.status == 1
    assert re.search(
        r"activation cubic: activation\.delta_is_the_gradient\n  required: .*\n  found: .*backward gives", result.out
    ), result.out
    assert "Traceback" not in result.out + result.err


def test_check_of_a_component_that_raises_names_method_and_line(cubic, nnfw):
    cubic(RAISING)
    result = nnfw("check", "fake-cubic")
    assert result.status == 1
    assert re.search(r"derivative raised RuntimeError: planted \(.*fake_cubic_code\.py:\d+\)", result.out), result.out
    assert result.out.count("raised RuntimeError: planted") == 2
    assert re.search(r"\n  \d+ more failed for the same reason; --verbose lists them\.\n", result.out), result.out
    assert "look at me" not in result.out.replace("print", "")
    assert "Traceback" not in result.out + result.err


def test_debug_shows_the_authors_own_frame_first(cubic, nnfw):
    cubic(RAISING)
    result = nnfw("--debug", "check", "cubic", "--only", "activation.delta_is_the_gradient")
    assert result.status == 1
    frames = re.findall(r'File "(.*)", line', result.err)
    assert frames, result.err
    assert frames[0].endswith("fake_cubic_code.py")
    assert "RuntimeError: planted" in result.err


def test_json_is_one_document_even_if_the_component_prints(cubic, nnfw):
    cubic(RAISING)
    result = nnfw("check", "cubic", "--json")
    assert result.status == 1
    table = json.loads(result.out)
    assert table["ok"] is False
    ids = {item["check"] for item in table["outcomes"]}
    assert ids == {check.id for check in checks_of("activation")}
    assert {item["status"] for item in table["outcomes"]} <= {"passed", "failed", "skipped"}


def test_options_after_the_name_are_used(cubic, nnfw):
    cubic(GOOD)
    result = nnfw("check", "activation:cubic:c=-1", "--only", "activation.monotonic_where_declared")
    assert result.status == 1
    assert "activation cubic(c=-1)" in result.out


def test_only_runs_that_check(cubic, nnfw):
    cubic(WRONG)
    result = nnfw("check", "cubic", "--only", "activation.keeps_shape_and_dtype", "--json")
    assert result.status == 0, result
    assert {item["check"] for item in json.loads(result.out)["outcomes"]} == {"activation.keeps_shape_and_dtype"}


def test_verbose_shows_every_check_and_why_it_was_skipped(cubic, nnfw):
    cubic(GOOD.replace("monotonic = True", "monotonic = False"))
    result = nnfw("check", "cubic", "--verbose")
    assert result.status == 0, result
    assert len(re.findall(r"^ *activation cubic +\S+ +(?:passed|skipped)", result.out, re.MULTILINE)) == len(
        checks_of("activation")
    )


def test_list_shows_every_check_with_what_it_requires(nnfw):
    result = nnfw("check", "--list", "--json")
    table = json.loads(result.out)
    assert result.status == 0
    assert len(table) >= 60
    assert all(item["id"] and item["meaning"].endswith(".") for item in table)
    shown = nnfw("check", "--list", "--kind", "layer")
    assert {check.id for check in checks_of("layer")} <= set(re.findall(r"\b(?:layer|component)\.\w+", shown.out))
    assert "optimizer." not in shown.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a distribution or a component, or ask for --list."),
        (("tahn",), "Did you mean 'tanh'?"),
        (("nnfw-swish-not-there",), "Distributions: "),
        (("npy",), "Give a value for x: npy:x=... checks it with that; its plugin can declare examples"),
        (("dense:unit=3",), "Did you mean 'units'?"),
        (("dense:units=none",), "units must be"),
        (("tanh", "--only", "activation.deltas"), "Unknown check 'activation.deltas'."),
        (("tanh", "--kind", "activations"), "Unknown kind 'activations'. Did you mean 'activation'?"),
        (("tanh", "--kind", "layer"), "'tanh' has no component of kind 'layer'."),
        (("tanh", "--timeout", "0"), "Invalid value for '--timeout'"),
        (("--list", "--kind", "neuron"), "Unknown kind 'neuron'."),
    ],
    ids=[
        "nothing",
        "name",
        "distribution",
        "needs",
        "option",
        "value",
        "check",
        "kind",
        "other kind",
        "timeout",
        "list",
    ],
)
def test_check_of_what_is_not_there_or_lacks_something_ends_with_2(nnfw, arguments, message):
    result = nnfw("check", *arguments)
    assert result.status == 2, result
    assert message in " ".join(result.err.split())
    assert "Traceback" not in result.err
    assert result.out == ""


def test_check_of_a_quarantined_distribution_ends_with_2_and_the_reason(make, nnfw):
    make("fake-broken", components="1 / 0")
    result = nnfw("check", "fake-broken")
    assert result.status == 2
    assert "fake-broken" in result.err
    assert "ZeroDivisionError" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ('"fake_cubic_code:Missing"', "has no attribute 'Missing'"),
        ('"fake_nothing:Missing"', "No module named 'fake_nothing'"),
        ('"fake_cubic_code:Needy"', "c is missing"),
    ],
    ids=["class", "module", "needs options"],
)
def test_check_of_a_distribution_reports_a_component_that_cannot_be_made_and_goes_on(cubic, nnfw, bad, message):
    needy = GOOD.partition("@dataclass")[2].replace("Cubic", "Needy").replace("c: float = 0.1", "c: float")
    declared = COMPONENT.replace("cubic", "bad", 1).replace('"fake_cubic_code:Cubic"', bad)
    cubic(f"{GOOD}\n\n@dataclass{needy}", components=f"{declared}, {COMPONENT}")
    result = nnfw("check", "fake-cubic", "--json")
    assert result.status == 1, result
    outcomes = json.loads(result.out)["outcomes"]
    assert {item["status"] for item in outcomes if item["component"] == "activation cubic"} <= {"passed", "skipped"}
    (failed,) = [item for item in outcomes if item["status"] == "failed"]
    assert (failed["component"], failed["check"]) == ("activation bad", "component.constructible")
    assert message in failed["message"]


def test_name_of_two_kinds_stands_for_both(nnfw):
    result = nnfw("check", "constant")
    assert result.status == 0
    assert "schedule constant" in result.out
    assert "initializer constant(value=0.5)" in result.out
    assert "schedule" not in nnfw("check", "constant", "--kind", "initializer").out


def test_factor_that_is_missing_where_it_is_1_is_found(cubic, nnfw):
    cubic(WRONG.replace("c: float = 0.1", "c: float = 1.0").replace("1 + 2 * self.c", "1 + 3"))
    result = nnfw("check", "cubic")
    assert result.status == 1
    assert "activation cubic(c=0.8): activation.delta_is_the_gradient" in result.out
    assert "activation cubic: " not in result.out


@pytest.mark.parametrize(
    "refusal", ["raise ValueError('only 0.1')", "raise nnfw.ConfigError([])"], ids=["ValueError", "ConfigError"]
)
def test_other_numbers_that_a_component_refuses_are_left_out(cubic, nnfw, refusal):
    code = GOOD.replace("import numpy as np", "import nnfw\nimport numpy as np").replace(
        "    def value",
        f"    def __post_init__(self):\n        if self.c != 0.1:\n            {refusal}\n\n    def value",
    )
    cubic(code)
    result = nnfw("check", "cubic", "--json")
    assert result.status == 0, result
    assert {item["component"] for item in json.loads(result.out)["outcomes"]} == {"activation cubic"}


def test_kind_chooses_among_the_components_of_a_distribution(nnfw):
    result = nnfw("check", "nnfw", "--kind", "schedule", "--only", "component.pickles", "--json")
    assert result.status == 0, result
    assert {item["component"].partition(" ")[0] for item in json.loads(result.out)["outcomes"]} == {"schedule"}


def test_name_that_is_given_twice_is_checked_once(nnfw):
    result = nnfw("check", "tanh", "tanh", "--only", "component.pickles", "--json")
    assert len(json.loads(result.out)["outcomes"]) == 1


def test_check_of_a_component_that_hangs_ends(cubic, nnfw):
    cubic(GOOD.replace("        return 1 + 3", "        while True:\n            pass\n        return 1 + 3"))
    result = nnfw("check", "cubic", "--timeout", "0.2")
    assert result.status == 1
    assert "did not come back within 0.2 s" in result.out
