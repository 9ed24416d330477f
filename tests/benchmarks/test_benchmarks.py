"""The benchmark runs for real, in tiny turns; what it says of them is checked, never how long they took."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack, redirect_stderr
from pathlib import Path
from statistics import median

import pytest
from rich.console import Console

HERE = Path(__file__).parent


def run(*arguments):
    program = [sys.executable, str(HERE), *arguments]
    return subprocess.run(program, capture_output=True, encoding="utf-8", check=False, cwd=HERE.parents[1])


@pytest.fixture
def comparison(monkeypatch):
    """Return the modules that the benchmark is made of and that need no other library."""
    monkeypatch.syspath_prepend(str(HERE))
    from comparison import contenders, measurements, tables, turns, watching, workloads

    return {
        module.__name__.partition(".")[2]: module
        for module in (contenders, measurements, tables, turns, watching, workloads)
    }


QUICK = ("T1", "predict-one", "watch-T1", "program-import", "--quick", "--markdown")
ONLY = ("--only", "products", "--only", "nnfw", "--only", "fast")


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Return what a quick run prints and writes."""
    file = tmp_path_factory.mktemp("figures") / "figures.json"
    result = run(*QUICK, *ONLY, "--json", str(file))
    assert result.returncode == 0, result.stderr
    return result.stdout, json.loads(file.read_text(encoding="utf-8"))


def test_benchmark_quick_run_measures_all_that_was_asked_for(quick):
    measurements = quick[1]["measurements"]
    assert list(measurements) == ["T1", "predict-one", "watch-T1", "program-import"]
    assert not any(found["left out"] for found in measurements.values())
    labels = {row["contender"] for row in measurements["T1"]["rows"]}
    assert {"products alone", "nnfw", "nnfw[fast]"} <= labels


def test_benchmark_quick_run_has_medians_and_ratios_of_its_turns(quick):
    for found in quick[1]["measurements"].values():
        medians = {row["contender"]: median(row["turns"]) for row in found["rows"]}
        for row in found["rows"]:
            assert len(row["turns"]) == quick[1]["rounds"]
            assert row["median"] == medians[row["contender"]]
            assert row["over"] == {label: row["median"] / medians[label] for label in row["over"]}


def test_benchmark_quick_run_tells_machine_versions_and_kernels(quick):
    report = quick[1]
    assert report["environment"]["cpu"]["available"] >= 1
    assert report["versions"]["numpy"]
    assert report["kernels"]
    assert all(row["libraries"] for row in report["measurements"]["T1"]["rows"])


def test_benchmark_markdown_has_a_row_for_each_contender(quick):
    page, report = quick
    assert page.startswith("Measured on ")
    for found in report["measurements"].values():
        for row in found["rows"]:
            assert f"\n| {row['contender']} | " in page


def test_benchmark_compares_a_training_that_is_watched_with_one_that_is_not(quick):
    rows = quick[1]["measurements"]["watch-T1"]["rows"]
    assert [row["contender"] for row in rows][:3] == ["nothing", "accuracy", "early stopping and a CSV log"]
    assert all(list(row["over"]) == ["nothing"] for row in rows)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")
def test_pseudo_terminal_is_one_for_whoever_draws_on_it(comparison, monkeypatch):
    monkeypatch.delenv("TERM", raising=False)
    with comparison["watching"].pseudo_terminal() as terminal, redirect_stderr(terminal):
        assert Console(stderr=True).is_terminal


def test_benchmark_unknown_measurement_is_refused_with_those_there_are():
    result = run("T9", "--quick")
    assert result.returncode == 2
    assert "there is no measurement T9; there are T1, T2, T3, T4, U1" in result.stderr


def test_benchmark_one_round_is_refused():
    result = run("T1", "--rounds", "1")
    assert result.returncode == 2
    assert "--rounds must be 2 or more, got 1" in result.stderr


# --- its parts ----------------------------------------------------------------------------------------------------


def setting(comparison, **contenders):
    return comparison["measurements"].Setting(contenders, comparison["contenders"].Kernels("none chosen"), 2, True)


def test_contender_that_is_not_installed_is_named_as_left_out(comparison):
    absent = comparison["contenders"].Contender("absent", "absent", packages=("nnfw", "no-such-distribution"))
    products = comparison["contenders"].CONTENDERS["products"]
    found = comparison["measurements"].steps("U1", setting(comparison, products=products, absent=absent))
    assert [row.label for row in found.rows] == ["products alone"]
    assert found.left_out == {"absent": "not installed: no-such-distribution"}


def test_contender_that_fails_is_named_as_left_out_with_its_error(comparison):
    broken = comparison["contenders"].Contender("broken", "no_such_module")
    products = comparison["contenders"].CONTENDERS["products"]
    found = comparison["measurements"].steps("U1", setting(comparison, products=products, broken=broken))
    assert [row.label for row in found.rows] == ["products alone"]
    assert (
        "it failed: ModuleNotFoundError: No module named 'comparison.peers.no_such_module'" in found.left_out["broken"]
    )


def test_worker_that_is_gone_is_a_contender_that_failed(comparison):
    request = {"task": "train", "name": "U1", "module": "products", "variant": "", "quick": True}
    with ExitStack() as stack:
        worker = comparison["turns"].Worker(request, dict(os.environ), stack)
        assert worker.prepared()["libraries"]
        assert isinstance(worker.turn(), float)
        assert len(worker.calls) == 1
        worker.process.kill()
        worker.process.wait()
        with pytest.raises(comparison["workloads"].NotMeasuredError, match="it failed: it said nothing"):
            worker.turn()


def test_contender_whose_cost_does_not_fall_is_left_out(comparison):
    from comparison import worker

    class Idle(comparison["workloads"].Peer):
        def __init__(self, work, x, y, variant):
            self.work = work

        def train(self, epochs):
            pass

        def predict(self, x):
            return comparison["workloads"].np.full((len(x), self.work.sizes[-1]), 0.5)

    with pytest.raises(
        comparison["workloads"].NotMeasuredError, match="its cost did not fall: 0.4[0-9]+ before a turn"
    ):
        worker.training(Idle, "", "T1", quick=True)


def test_turn_of_training_is_the_difference_of_two_calls(comparison, monkeypatch):
    from comparison import worker

    clock = []

    class Slow(comparison["workloads"].Peer):
        learns = False

        def __init__(self, work, x, y, variant):
            self.work = work

        def train(self, epochs):
            clock.append(10 + 2 * epochs)  # seconds of a call and of an epoch

        def predict(self, x):
            raise NotImplementedError

    monkeypatch.setattr(worker.time, "perf_counter", lambda: sum(clock))
    turn, _ = worker.training(Slow, "", "T1", quick=False)
    assert turn() == (2 * comparison["workloads"].WORKLOADS["T1"].epochs, 10)


def test_program_that_fails_is_reported_with_its_last_line(comparison):
    from comparison.programs import Program

    program = Program((sys.executable, "-c", "raise SystemExit('no good')"))
    with pytest.raises(comparison["workloads"].NotMeasuredError, match="it failed: no good"):
        program.start(1)


def rows_and_turns(comparison, taken, breaking=""):
    def turn(name):
        def take():
            taken.append(name)
            if name == breaking and taken.count(name) == 2:
                raise comparison["workloads"].NotMeasuredError("it broke")
            return 1.0

        return take

    rows = {name: comparison["turns"].Row(name, peer=True) for name in "abc"}
    return rows, {name: turn(name) for name in "abc"}


def test_turns_begin_with_another_contender_in_each_round(comparison):
    taken = []
    rows, turns = rows_and_turns(comparison, taken)
    assert comparison["turns"].take_turns(rows, turns, 3) == {}
    assert "".join(taken) == "abcbcacab"
    assert {name: row.turns for name, row in rows.items()} == {"a": [1.0] * 3, "b": [1.0] * 3, "c": [1.0] * 3}


def test_contender_that_breaks_off_does_not_end_the_turns_of_others(comparison):
    taken = []
    rows, turns = rows_and_turns(comparison, taken, breaking="b")
    assert comparison["turns"].take_turns(rows, turns, 3) == {"b": "it broke"}
    assert "".join(taken) == "abcbcaca"


AVX512 = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "fma"}
REMOVED, SET = {"OPENBLAS_CORETYPE": None}, {"OPENBLAS_CORETYPE": "SkylakeX"}


@pytest.mark.parametrize(
    ("current", "default", "flags", "others"),
    [
        ("SkylakeX", "Haswell", AVX512, {"Haswell": REMOVED}),
        ("Haswell", "Haswell", AVX512, {"SkylakeX": SET}),
        ("Haswell", "Zen", {"fma"}, {"Zen": REMOVED}),
        ("SkylakeX", "SkylakeX", AVX512, {}),
        ("Haswell", "Haswell", {"fma"}, {}),
        (None, None, AVX512, {}),
    ],
    ids=["chosen-well", "lost", "users-choice", "seen", "no-avx512", "no-openblas"],
)
def test_kernels_that_differ_are_measured_with_the_products_alone(comparison, current, default, flags, others):
    def probe(changes):
        return current if not changes else default if changes == REMOVED else "SkylakeX"

    contenders = comparison["contenders"]
    found = contenders.find_kernels(probe, flags, "by nobody")
    assert found.others == others
    labels = [contender.label for contender in found.apply(contenders.CONTENDERS)]
    assert labels[: len(others) + 2] == [
        "products alone",
        *(f"products alone, {kernels} kernels" for kernels in others),
        "nnfw",
    ]


def test_environment_of_a_contender_loses_what_is_removed(comparison, monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert "OPENBLAS_CORETYPE" not in comparison["contenders"].changed(REMOVED)
    assert comparison["contenders"].changed(SET)["OPENBLAS_CORETYPE"] == "SkylakeX"


@pytest.mark.parametrize(
    ("name", "a", "y", "value"),
    [
        ("T1", [[0.5, 1.0]], [[0.0, 1.0]], 0.125),
        ("T2", [[0.25, 0.75]], [1], 0.28768),
        ("U1", [[0.25]], [[0.0]], 0.28768),
    ],
    ids=["mse", "cross-entropy", "binary-cross-entropy"],
)
def test_workload_cost_is_that_of_its_formula(comparison, name, a, y, value):
    numpy = comparison["workloads"].np
    assert comparison["workloads"].WORKLOADS[name].value(numpy.array(a), numpy.array(y)) == pytest.approx(
        value, abs=1e-5
    )


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1,234"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23")], ids=str
)
def test_number_has_three_digits_or_all_before_the_point(comparison, value, text):
    assert comparison["tables"].number(value) == text
