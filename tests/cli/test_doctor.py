"""``nnfw doctor``: what there is, and whether it works."""

import json
import re
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from nnfw.machine.blas import choose_blas_kernels
from nnfw.plugins import Registry

DISTRIBUTIONS = Path(__file__).parents[1] / "data" / "distributions"


def test_doctor_of_a_sound_installation_says_so(nnfw):
    status, out, err = nnfw("doctor")
    assert (status, err) == (0, "")
    assert out.endswith("\n\nAll is well.\n")
    found = dict(line.split(maxsplit=1) for line in out.splitlines() if " " in line)
    assert found["numpy"] == version("numpy")
    assert "kernels" in found["blas"]
    assert found["components"] == str(len(Registry.discover().components()))


def test_doctor_as_json_holds_the_environment(nnfw):
    status, out, err = nnfw("doctor", "--json")
    assert (status, err) == (0, "")
    report = json.loads(out)
    assert (report["ok"], report["problems"]) == (True, [])
    assert report["environment"]["packages"]["nnfw"] == version("nnfw")
    assert report["environment"]["threads"]["libraries"] != []
    assert {item["status"] for item in report["plugins"]} == {"active"}


@pytest.mark.parametrize("lost", [None, "planted"])
def test_doctor_tells_who_chose_the_kernels_of_blas_and_what_is_lost(nnfw, monkeypatch, lost):
    monkeypatch.setattr("nnfw.machine.environment.lost_kernels", lambda libraries, flags: lost)
    choice = choose_blas_kernels()
    rows = [line.split(maxsplit=1) for line in nnfw("doctor").out.splitlines() if " " in line]
    assert ["kernels", f"chosen by {choice.chosen_by}: {choice.reason}"] in rows
    assert [row for row in rows if row[0] == "lost"] == ([["lost", "planted"]] if lost else [])


def test_doctor_lists_plugins_of_others(install, nnfw):
    install(DISTRIBUTIONS / "healthy")
    assert re.search(r"^plugin fake-swish 1\.2 +active$", nnfw("doctor").out, re.MULTILINE)


ACCELERATOR = """
import nnfw
from nnfw.plugins import AcceleratorSpec

@nnfw.hookimpl
def nnfw_accelerators():
    yield AcceleratorSpec("quick", "fake_quick_kernels:load", "pip install quick")
"""


@pytest.mark.parametrize(
    ("kernels", "status", "state"),
    [
        ("def load():\n    return {}", 0, "ready"),
        ("import planted", 0, "No module named 'planted'; pip install quick"),
        ("raise OSError('planted')", 1, "cannot be loaded: OSError: planted"),
        (
            "def load():\n    return {'sdg': print}",
            1,
            "cannot be loaded: Accelerator 'quick' (fake-quick 1.0): unknown",
        ),
    ],
    ids=["ready", "not installed", "broken", "wrong"],
)
def test_doctor_tells_whether_an_accelerator_can_be_had(install, nnfw, tmp_path, kernels, status, state):
    info = tmp_path / "fake_quick-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-quick\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[nnfw]\nquick = fake_quick\n")
    (tmp_path / "fake_quick.py").write_text(ACCELERATOR)
    (tmp_path / "fake_quick_kernels.py").write_text(kernels)
    install(tmp_path)
    result = nnfw("doctor", "--json")
    report = json.loads(result.out)
    assert result.status == status
    assert report["accelerators"]["quick"].startswith(state)
    assert [item for item in report["problems"] if item.startswith("Accelerator 'quick' cannot be loaded")] == (
        [f"Accelerator 'quick' {report['accelerators']['quick']}"] if status else []
    )


@pytest.mark.parametrize(
    ("folder", "problem"),
    [
        ("import_error", "Plugin fake-import-error 1.0 is quarantined: ModuleNotFoundError: "),
        ("component_import_error", "Activation 'ripple' (fake-component-import-error 1.0): "),
        ("not_frozen", "is a dataclass but not frozen; write @dataclass(frozen=True)"),
        ("built_in_name", "Activation 'relu' (fake-built-in-name 1.0): the name is built in and cannot be taken"),
    ],
    ids=["plugin", "component-that-fails", "component-that-is-none", "clash"],
)
def test_doctor_with_something_broken_tells_it_with_status_1(install, nnfw, folder, problem):
    install(DISTRIBUTIONS / folder)
    status, out, err = nnfw("doctor")
    assert (status, err) == (1, "")
    assert problem in out[out.index("\nProblems\n") :]
    assert "All is well" not in out
    status, out, _ = nnfw("doctor", "--json")
    report = json.loads(out)
    assert (status, report["ok"]) == (1, False)
    assert any(problem in item for item in report["problems"])


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("broken", "Command 'broken' (nnfw-broken 0.1): target 'nnfw_broken_command:f' cannot be loaded: "),
        ("train", "Command 'train' (nnfw-broken 0.1): the name is built in and cannot be taken"),
    ],
    ids=["import-error", "clash"],
)
def test_doctor_tells_broken_commands(make, nnfw, name, problem):
    make("nnfw-broken", commands=f'CommandSpec("{name}", "nnfw_broken_command:f", "break")')
    status, out, _ = nnfw("doctor")
    assert status == 1
    assert problem in out


def test_doctor_tells_broken_operations_and_plugins_lists_them(make, nnfw):
    make("nnfw-broken", operations='OperationSpec("absent", "nnfw_broken:absent", "x")')
    status, out, _ = nnfw("doctor")
    assert status == 1
    assert "Operation 'absent' (nnfw-broken 0.1): target 'nnfw_broken:absent'" in out
    assert re.search(r"\nOperations\n.*\nabsent +x +nnfw-broken 0\.1", nnfw("plugins").out, re.DOTALL)
    listed = json.loads(nnfw("plugins", "--json").out)["operations"]
    assert {"product", "absent"} <= {item["name"] for item in listed}


def test_doctor_tells_a_plugin_that_is_missing(install, nnfw, monkeypatch):
    install(DISTRIBUTIONS / "healthy")
    monkeypatch.setenv("NNFW_PLUGINS", "nnfw-elsewhere")
    status, out, _ = nnfw("doctor")
    assert status == 1
    assert out.endswith(
        "\nProblems\nPlugin nnfw-elsewhere is missing: named in NNFW_PLUGINS but not installed\n"
    )  # but a disabled one is no problem
    assert "plugin fake-swish 1.2  disabled" in out


def test_doctor_tells_a_library_that_cannot_be_imported(nnfw, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.linalg", None)
    status, out, _ = nnfw("doctor")
    assert status == 1
    assert "\nLibrary 'scipy.linalg' cannot be imported: ModuleNotFoundError: " in out


def test_doctor_keeps_what_imports_print_out_of_the_data(make, nnfw):
    source = "print('noise')\nfrom nnfw_standard import Flatten as Noisy\n"
    make("nnfw-a", components='ComponentSpec("layer", "noisy", "nnfw_a_noisy:Noisy", "s")', nnfw_a_noisy=source)
    status, out, err = nnfw("doctor", "--json")
    assert (status, err) == (0, "noise\n")
    assert json.loads(out)["ok"]
