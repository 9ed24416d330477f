"""How often the gradient check finds a relative error of 1e-4 and raises a false alarm, and how long it takes.

Run it with: python tests/benchmarks/gradcheck_detection.py

The cases are those of tests/planted/test_networks.py, with other seeds than there.
"""

import importlib.util
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

import nnfw
from nnfw.checking import Report, check_layer
from nnfw_standard import Dense

_spec = importlib.util.spec_from_file_location("cases", Path(__file__).parents[1] / "planted" / "test_networks.py")
assert _spec is not None
assert _spec.loader is not None
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)

FIRST_SEED = 1000
SEEDS = range(FIRST_SEED, FIRST_SEED + 25)


def planted(seed: int) -> Iterable[bool]:
    """Yield whether the error is found, and nothing else, for each tensor of each layer."""
    for layer, shape, tensor in cases.CASES:
        report = check_layer(cases.spoilt(layer, tensor), shape, cases.REGISTRY, seed=seed)
        yield [row.name for row in report.rows if not row.ok] == ["x" if tensor == "x" else f"layers.0.{tensor}"]


def at_kinks(seed: int) -> Iterable[bool]:
    """Yield whether the check raises an alarm for right networks at or near kinks and ties."""
    for distance in cases.DISTANCES:
        yield from (not cases.network_at_a_kink(name, distance, seed).ok for name in cases.KINKED)
        yield from (not cases.cost_at_a_tie(name, distance, seed).ok for name in ("mae", "huber"))


def elsewhere(seed: int) -> Iterable[bool]:
    """Yield whether the check raises an alarm for right networks elsewhere."""
    for cost, output in cases.PAIRS:
        yield from (not cases.smooth_network(cost, output, hidden, seed).ok for hidden in cases.HIDDEN)


def seconds_of_layers() -> dict[str, float]:
    """Return the median time of a layer's check, by its name; the first call is not counted."""
    times: dict[str, list[float]] = {}
    for layer, shape in {(type(layer).__name__, shape): (layer, shape) for layer, shape, _ in cases.CASES}.values():
        check_layer(layer, shape, cases.REGISTRY)
        for _ in range(5):
            start = time.perf_counter()
            check_layer(layer, shape, cases.REGISTRY)
            times.setdefault(type(layer).__name__, []).append(time.perf_counter() - start)
    return {name: median(found) for name, found in times.items()}


def check_large_network() -> Report:
    """Check 784-128-10, which has 101,770 parameters."""
    rng = np.random.default_rng(0)
    model = nnfw.Sequential([Dense(128, activation="relu"), Dense(10, activation="softmax")], 784)
    return nnfw.gradcheck(model, rng.standard_normal((8, 784)), rng.integers(0, 10, 8), cost="cross_entropy")


def main() -> None:
    """Measure and print."""
    table = Table("what", "count", "of")
    for meaning, function in (
        ("planted errors of 1e-4 found", planted),
        ("false alarms at or within 1e-3 of a kink or tie", at_kinks),
        ("false alarms elsewhere", elsewhere),
    ):
        found = [item for seed in SEEDS for item in function(seed)]
        table.add_row(meaning, str(sum(found)), str(len(found)))
    Console().print(table)
    slowest, seconds = max(seconds_of_layers().items(), key=lambda item: item[1])
    Console().print(f"slowest standard layer: {slowest}, {seconds * 1e3:.0f} ms")
    start = time.perf_counter()
    report = check_large_network()
    Console().print(f"784-128-10, 101,770 parameters: {time.perf_counter() - start:.1f} s, ok: {report.ok}")


if __name__ == "__main__":
    main()
