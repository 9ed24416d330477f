"""The description of the machine and the libraries."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl

from nnfw.machine import cpu, describe_environment

X86 = """\
processor\t: 0
model\t\t: 1
model name\t: Some CPU @ 2 GHz
flags\t\t: fpu avx2 sse4_2 fma fma4 avx512f ssse3 avx
power management:

processor\t: 1
model name\t: Another
flags\t\t: fpu
"""
ARM = """\
processor\t: 0
Features\t: fp asimd evtstrm asimddp sve
CPU part\t: 0xd0c

Model\t\t: Some Board
"""


def test_describe_environment_is_fit_for_json():
    description = describe_environment()
    assert json.loads(json.dumps(description, allow_nan=False)) == description


def test_describe_environment_names_nnfw_python_and_every_dependency():
    description = describe_environment()
    assert description["python"].endswith(sys.version.split()[0])
    packages = description["packages"]
    assert packages["nnfw"] == importlib.metadata.version("nnfw")
    assert packages["numpy"] == np.__version__
    assert {"scipy", "pluggy", "safetensors", "tomli-w", "typer"} <= packages.keys()
    assert "pytest" not in packages
    assert None not in packages.values()


def test_describe_environment_dependency_that_is_not_installed_has_no_version(monkeypatch):
    lines = ["numpy>=2.0", "no-such-thing[fast]>=1 ; python_version > '3'", "pytest; extra == 'test'"]
    monkeypatch.setattr(importlib.metadata.Distribution, "requires", lines)
    packages = describe_environment()["packages"]
    assert list(packages) == ["nnfw", "no-such-thing", "numpy"]
    assert packages["no-such-thing"] is None


@pytest.mark.parametrize(
    ("text", "model", "flags"),
    [
        pytest.param(X86, "Some CPU @ 2 GHz", ["avx", "avx2", "avx512f", "fma", "sse4_2"], id="x86"),
        pytest.param(ARM, "Some Board", ["asimd", "asimddp", "sve"], id="arm"),
    ],
)
def test_describe_environment_cpu_is_that_of_the_first_core(tmp_path, monkeypatch, text, model, flags):
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(cpu, "CPU_INFO", tmp_path / "cpuinfo")
    found = describe_environment()["cpu"]
    assert (found["model"], found["flags"]) == (model, flags)


def test_describe_environment_without_cpuinfo_names_the_architecture(monkeypatch):
    monkeypatch.setattr(cpu, "CPU_INFO", Path("/nowhere"))
    description = describe_environment()
    assert description["cpu"]["model"] == description["platform"]["machine"]
    assert description["cpu"]["flags"] == []


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_describe_environment_available_cores_follow_the_affinity():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        found = describe_environment()["cpu"]
    finally:
        os.sched_setaffinity(0, before)
    assert found["available"] == 1
    assert found["cores"] == os.cpu_count()


def test_describe_environment_without_affinity_counts_all_cores(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert describe_environment()["cpu"]["available"] == os.cpu_count()


def test_describe_environment_reports_threads_of_blas():
    with threadpoolctl.threadpool_limits(1):
        libraries = describe_environment()["threads"]["libraries"]
    assert {library["num_threads"] for library in libraries} == {1}


def test_describe_environment_libraries_name_kernels_but_no_folder(monkeypatch):
    found = {
        "user_api": "blas",
        "internal_api": "openblas",
        "version": "0.3.30",
        "architecture": "Haswell",
        "threading_layer": "pthreads",
        "num_threads": 2,
        "filepath": "/home/somebody/lib/libopenblas.so",
        "prefix": "libopenblas",
    }
    openmp = {"user_api": "openmp", "internal_api": "openmp", "version": None, "num_threads": 4, "filepath": "gomp.so"}
    monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda: [found, openmp])
    first, second = describe_environment()["threads"]["libraries"]
    assert (first["architecture"], first["num_threads"], first["file"]) == ("Haswell", 2, "libopenblas.so")
    assert (second["architecture"], second["file"]) == (None, "gomp.so")
    assert "somebody" not in str(first)


def test_describe_environment_without_threadpool_libraries_lists_none(monkeypatch):
    monkeypatch.setattr(threadpoolctl, "threadpool_info", list)
    assert describe_environment()["threads"]["libraries"] == []


def test_describe_environment_reports_thread_variables_that_are_set(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    variables = describe_environment()["threads"]["variables"]
    assert variables["OMP_NUM_THREADS"] == "3"
    assert "MKL_NUM_THREADS" not in variables


def test_describe_environment_starts_nothing_and_connects_to_nothing():
    code = """
import sys
from nnfw.machine import describe_environment
events = []
sys.addaudithook(lambda event, given: events.append(event))
describe_environment()
forbidden = ("subprocess", "socket", "os.system", "os.fork", "os.exec")
print(sorted({event for event in events if event.startswith(forbidden)}))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
