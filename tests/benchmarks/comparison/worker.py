"""One contender in a process of its own: the libraries do not share threads, settings or kernels.

The first line that it prints tells that it is ready, and what it found; then, for each line that it reads, it takes a
turn, and prints the seconds of what is measured and those of what a call costs beside it.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from .workloads import PREDICTIONS, PREDICTOR, WORKLOADS, NotMeasuredError, Peer

LIBRARY_FIELDS = ("internal_api", "version", "architecture", "num_threads")
EXAMPLES = 512  # that the cost is computed on

Make = Callable[..., Peer]
Turn = Callable[[], tuple[float, float]]


def training(make: Make, variant: str, name: str, quick: bool) -> tuple[Turn, dict[str, Any]]:
    """Return a turn of training, and the cost before and after one that warmed up."""
    work = WORKLOADS[name].shortened() if quick else WORKLOADS[name]
    x, y = work.data()
    peer = make(work, x, y, variant)

    def turn() -> tuple[float, float]:
        """Train for one epoch, for one again, and for those of the turn and one.

        The last two differ by the steps of the turn. The first one finds threads asleep and caches with the data of
        others, which would be subtracted from the steps if it was one of these two.
        """
        called, again, longer = (seconds(partial(peer.train, epochs)) for epochs in (1, 1, work.epochs + 1))
        return longer - again, called - (longer - again) / work.epochs

    if not peer.learns:
        turn()
        return turn, {}

    def cost() -> float:
        with peer.predicting():
            return work.value(np.asarray(peer.predict(peer.own(x[:EXAMPLES]))), y[:EXAMPLES])

    before = cost()
    turn()
    after = cost()
    if not after < before:
        raise NotMeasuredError(f"its cost did not fall: {before:g} before a turn, {after:g} after it")
    return turn, {"cost before": before, "cost after": after}


def predicting(make: Make, variant: str, name: str, quick: bool) -> tuple[Turn, dict[str, Any]]:
    """Return a turn of predictions, after one that warmed up."""
    prediction = PREDICTIONS[name].shortened() if quick else PREDICTIONS[name]
    peer = make(PREDICTOR, *PREDICTOR.data(), variant)
    x = peer.own(np.random.default_rng(1).standard_normal((prediction.examples, PREDICTOR.sizes[0]), np.float32))

    def predict() -> None:
        with peer.predicting():
            for _ in range(prediction.times):
                peer.predict(x)

    predict()
    return lambda: (seconds(predict), 0.0), {}


def seconds(work: Callable[[], None]) -> float:
    """Return how long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


TASKS = {"train": training, "predict": predicting}


def serve(task: str, name: str, module: str, variant: str, quick: bool) -> None:
    """Prepare, then take a turn whenever asked."""
    say = sys.stdout.write
    with contextlib.redirect_stdout(sys.stderr):  # what libraries print must not come between the answers
        try:
            make = import_module(f".peers.{module}", __package__).PEER
            turn, found = TASKS[task](make, variant, name, quick)
        except NotMeasuredError as reason:
            found = {"left out": str(reason)}
        found["libraries"] = [{key: library.get(key) for key in LIBRARY_FIELDS} for library in threadpool_info()]
        say(json.dumps(found) + "\n")
        sys.__stdout__.flush()
        for _ in sys.stdin:
            say(json.dumps(turn()) + "\n")
            sys.__stdout__.flush()


if __name__ == "__main__":
    serve(**json.loads(sys.argv[1]))
