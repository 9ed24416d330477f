"""The checks as tests of pytest, run as an author runs them: in a process of their own."""

import os
import re
import subprocess
import sys
from collections import Counter

import pytest

from nnfw.testing import checks_of, run_checks

HEADER = """
import nnfw.testing
from nnfw_standard import Identity, ReLU


"""
BODY = """
def test_component(check):
    check()
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs pytest on a file of tests, and gives exit status and output."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers -p no:cacheprovider\n")

    def run_pytest(source, *arguments):
        (tmp_path / "test_it.py").write_text(source)
        command = [sys.executable, "-m", "pytest", "-q", "-rA", "--no-header", *arguments]
        environment = {**os.environ, "NNFW_PLUGINS": "", "COLUMNS": "300"}
        for name in list(environment):
            if name.startswith("PYTEST"):
                del environment[name]
        result = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
        )
        return result.returncode, result.stdout + result.stderr

    return run_pytest


def test_each_check_of_each_component_is_one_test(run):
    status, out = run(f'{HEADER}@nnfw.testing.parametrize_checks("silu", Identity()){BODY}')
    assert status == 0, out
    passed = re.findall(r"^PASSED test_it\.py::test_component\[activation (?:silu|identity)-(.*)\]$", out, re.MULTILINE)
    skipped = sum(map(int, re.findall(r"^SKIPPED \[(\d+)\]", out, re.MULTILINE)))
    assert len(passed) + skipped == 2 * len(checks_of("activation"))
    statuses = Counter(item.status for item in run_checks("silu", "identity").outcomes)
    assert statuses == {"passed": len(passed), "skipped": skipped}
    assert passed.count("activation.delta_is_the_gradient") == 2


def test_check_that_does_not_apply_is_a_test_that_is_skipped_with_the_reason(run):
    status, out = run(f'{HEADER}@nnfw.testing.parametrize_checks("softmax"){BODY}', "-k", "derivative_is_the_slope")
    assert status == 0, out
    assert re.search(r"^SKIPPED \[1\] .*: it is not Elementwise$", out, re.MULTILINE), out
    assert re.search(r"^1 skipped, \d+ deselected in", out, re.MULTILINE), out


def test_checks_are_distributed_over_processes(run):
    status, out = run(f'{HEADER}@nnfw.testing.parametrize_checks("relu"){BODY}', "-n", "2")
    assert status == 0, out
    assert "test_component[activation relu-activation.delta_is_the_gradient]" in out


WRONG = f"""{HEADER}
from dataclasses import dataclass


@dataclass(frozen=True)
class Wrong(ReLU):
    def delta(self, grad_a, z, a, workspace):
        return super().delta(grad_a, z, a, workspace) * 1.0001
"""


def test_check_that_fails_fails_its_test_with_what_was_found(run):
    status, out = run(f"{WRONG}\n\n@nnfw.testing.parametrize_checks(Wrong()){BODY}")
    assert status == 1
    assert re.search(
        r"CheckFailed: activation Wrong: activation\.delta_is_the_gradient: .*backward gives .* factor of 1.0001",
        out,
    ), out
    assert "framework/nnfw/testing" not in out.replace("\\", "/"), "frames of the kit itself help nobody"


EXPECTED = {
    "fails": ("Wrong()", "activation.delta_is_the_gradient"),
    "passes": ('"relu"', "activation.delta_is_the_gradient"),
    "passes_by_name": ('"relu"', "relu:activation.delta_is_the_gradient"),
    "of_another": ('"relu"', "tanh:activation.delta_is_the_gradient"),
}
"""What is checked, and which check of it is expected to fail."""


def test_expected_failure_is_an_xfail_and_must_not_pass(run):
    source = WRONG
    for name, (what, key) in EXPECTED.items():
        mark = f"@nnfw.testing.parametrize_checks({what}, expected_failures={{{key!r}: 'planted'}})"
        source += f"\n\n{mark}{BODY.replace('test_component', f'test_{name}')}"
    status, out = run(source, "-k", "delta_is_the_gradient")
    assert status == 1, out
    found = dict(re.findall(r"^(?:(?=XFAIL|PASSED|FAILED))(.*?)\[activation .*?\](.*)$", out, re.MULTILINE))
    assert found == {
        "XFAIL test_it.py::test_fails": " - planted",
        "FAILED test_it.py::test_passes": " - [XPASS(strict)] planted",
        "FAILED test_it.py::test_passes_by_name": " - [XPASS(strict)] planted",
        "PASSED test_it.py::test_of_another": "",
    }


UNPLANNED = {
    "Unknown component 'rleu'. Did you mean 'relu'?": ('"rleu"', BODY),
    "Unknown check 'activation.x'.": ('"relu", expected_failures={"activation.x": "no"}', BODY),
    "Give a value for x: npy:x=... checks it with that": ('"npy"', BODY),
    "3 is no component; expected a name, or an object whose class derives from a protocol.": ("3", BODY),
    "must take the argument 'check', and call it.": ('"relu"', "\ndef test_it():\n    pass\n"),
}


def test_what_cannot_be_planned_is_an_error_of_the_collection(run, tmp_path):
    for number, (mark, body) in enumerate(UNPLANNED.values()):
        path = tmp_path / f"test_{number}.py"
        path.write_text(f"{HEADER}@nnfw.testing.parametrize_checks({mark}){body}")
    status, out = run("")
    assert status == 2, out
    _, *reports = re.split(r"^_+ ERROR collecting test_(?=\d)", out, flags=re.MULTILINE)
    for report, (number, message) in zip(reports, enumerate(UNPLANNED), strict=True):
        assert report.startswith(f"{number}.py ")
        assert message in report


def test_options_of_the_decorator_reach_the_checks(run):
    source = f"""{HEADER}
from nnfw_standard import Accuracy

def formula(a, y, weight):
    return 2.0

@nnfw.testing.parametrize_checks(Accuracy(), formula=formula){BODY}"""
    status, out = run(source, "-k", "formula")
    assert status == 1
    assert "CheckFailed" in out


def test_pytest_starts_without_numpy_where_no_component_is_checked(run):
    source = """
import sys

def test_imports():
    assert "numpy" not in sys.modules
    found = {name for name in sys.modules if name.partition(".")[0] == "nnfw"}
    kernels_of_blas = {"nnfw.machine", "nnfw.machine.blas", "nnfw.machine.cpu"}  # chosen when nnfw is imported
    assert found == {"nnfw", "nnfw.conformance", "nnfw.conformance.pytest_plugin"} | kernels_of_blas
"""
    status, out = run(source, "-p", "no:hypothesispytest", "-p", "no:xdist")
    assert status == 0, out
