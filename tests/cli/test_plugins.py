"""``nnfw plugins``: what there is, from whom, and what is broken."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

from nnfw.plugins import Registry
from nnfw.protocols import KINDS

DISTRIBUTIONS = Path(__file__).parents[1] / "data" / "distributions"
_spec = importlib.util.spec_from_file_location("distribution_cases", DISTRIBUTIONS / "cases.py")
cases = sys.modules["distribution_cases"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)

SHOWN = [pytest.param(case, id=case.name) for case in cases.CASES if case.where != "use"]
SILENT = [pytest.param(case, id=case.name) for case in cases.CASES if case.where == "use"]


# What there is


def test_plugins_lists_every_component(nnfw):
    status, out, err = nnfw("plugins")
    assert (status, err) == (0, "")
    head, *lines = out.splitlines()
    assert head.split() == ["kind", "name", "summary", "from", "status"]
    listed = [tuple(line.split()[:2]) for line in lines]
    assert listed == [(item.kind, item.name) for item in Registry.discover().components()]
    assert all(line.endswith("built-in  ok") for line in lines)


def test_plugins_of_a_kind_lists_only_those(nnfw):
    status, out, _ = nnfw("plugins", "--kind", "regularizer")
    assert status == 0
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [["regularizer", "l1"], ["regularizer", "l2"]]


def test_plugins_of_an_unknown_kind_suggests_the_nearest(nnfw):
    status, out, err = nnfw("plugins", "--kind", "layr")
    assert (status, out) == (2, "")
    assert err.startswith("error: Unknown kind 'layr'. Did you mean 'layer'? Kinds: layer, activation, ")


def test_plugins_in_a_pipe_cuts_nothing(program):
    status, out, _ = program("plugins", "--kind", "cost", COLUMNS="20")
    assert status == 0
    assert "−1/N Σ Σ_j y_j log a_j + (1 − y_j) log(1 − a_j); canonical with sigmoid" in out


def test_plugins_as_json_says_all_of_it(install, nnfw):
    install(DISTRIBUTIONS / "healthy", DISTRIBUTIONS / "import_error", DISTRIBUTIONS / "commands")
    status, out, err = nnfw("plugins", "--json")
    assert (status, err) == (0, "")
    report = json.loads(out)
    (dense,) = [item for item in report["components"] if item["qualified_name"] == "nnfw:dense"]
    assert dense["target"] == "nnfw_standard.layers.dense:Dense"
    assert (dense["kind"], dense["distribution"], dense["status"], dense["problem"]) == ("layer", "nnfw", "ok", "")
    assert {item["kind"] for item in report["components"]} == set(KINDS)
    (command,) = report["commands"]
    assert (command["name"], command["distribution"], command["status"]) == ("plot-cost", "fake-commands", "ok")
    states = {item["distribution"]: (item["status"], item["reason"]) for item in report["plugins"]}
    assert states["nnfw"] == states["fake-swish"] == ("active", "")
    assert states["fake-import-error"][0] == "quarantined"
    assert "nnfw_module_that_is_not_installed" in states["fake-import-error"][1]


def test_plugins_lists_commands_of_plugins(install, nnfw):
    install(DISTRIBUTIONS / "commands")
    _, out, _ = nnfw("plugins")
    heading, head, line = out.splitlines()[-3:]
    assert (heading, head.split()) == ("Commands", ["name", "summary", "from", "status"])
    assert line == "plot-cost  draw the cost of a run  fake-commands 1.0  ok"


# What is broken


@pytest.mark.parametrize("case", SHOWN)
def test_plugins_with_a_broken_plugin_shows_the_reason(case, install, nnfw):
    install(*case.paths)
    status, out, _ = nnfw("plugins")
    assert status == 0
    told = out[out.index("\n\n") :]
    assert case.distribution in told
    for words in case.words:
        assert words in told


@pytest.mark.parametrize("case", SILENT)
def test_plugins_imports_no_component_to_find_that_it_is_broken(case, install, nnfw):
    install(*case.paths)
    status, out, err = nnfw("plugins")
    assert (status, err) == (0, "")
    assert case.distribution in out
    assert "Problems" not in out


def test_real_program_with_all_broken_plugins_at_once_exits_with_0(program):
    paths = dict.fromkeys(path for case in cases.CASES for path in case.paths)
    status, out, err = program("plugins", PYTHONPATH=os.pathsep.join(paths))
    assert status == 0
    assert "Traceback" not in err
    assert "\nlayer        dense " in out
    assert "fake-import-error 1.0: quarantined: ModuleNotFoundError: " in out


def test_disabled_and_missing_plugins_are_listed_with_their_reason(install, nnfw, monkeypatch):
    install(DISTRIBUTIONS / "healthy")
    monkeypatch.setenv("NNFW_PLUGINS", "nnfw-elsewhere")
    status, out, _ = nnfw("plugins")
    assert status == 0
    assert out.endswith(
        "\nPlugins that are not active\n"
        "fake-swish 1.2: disabled: not named in NNFW_PLUGINS\n"
        "nnfw-elsewhere: missing: named in NNFW_PLUGINS but not installed\n"
    )


def test_plugins_shows_that_an_operation_has_a_name_which_is_taken(make, nnfw):
    make("fake-one", operations="OperationSpec('relu', 'own:relu', 'mine')")
    status, out, _ = nnfw("plugins")
    assert status == 0
    problem = "Operation 'relu' (fake-one 0.1): the name is built in and cannot be taken; write 'fake-one:relu'"
    assert out.endswith(f"\nrelu  mine     fake-one 0.1  problem\n\nProblems\n{problem}\n")
