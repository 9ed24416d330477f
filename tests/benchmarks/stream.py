"""The memory of a training on a stream that is generated as it is read: python tests/benchmarks/stream.py [EXAMPLES]

10,000,000 examples of 256 numbers, 10.2 GB, by default; on Linux.
"""

import re
import sys
from pathlib import Path

import numpy as np

import nnfw
from nnfw_standard import Dense

WIDTH, ROWS = 256, 4096


class Generated(nnfw.Source):
    """Normal numbers; the label is whether the first one is positive."""

    schema = np.dtype([("x", "f4", (WIDTH,)), ("y", "i8")])

    def __init__(self, count):
        self.chunks = [min(ROWS, count - start) for start in range(0, count, ROWS)]

    def read(self, chunk):
        """Return the examples of a chunk."""
        x = np.random.default_rng(chunk).standard_normal((self.chunks[chunk], WIDTH), dtype=np.float32)
        return {"x": x, "y": (x[:, 0] > 0).astype(np.int64)}


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    model = nnfw.Sequential([Dense(8, activation="relu"), Dense(2, activation="softmax")], WIDTH)
    options = {"cost": "cross_entropy", "optimizer": "adam", "batch_size": 256, "metrics": ["accuracy"]}
    model.fit(Generated(count), "y", accelerator="none", **options)
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))[1])
    sys.stdout.write(f"{count:,} examples, {count * WIDTH * 4 / 1e9:.1f} GB: {peak // 1024} MiB at most\n")
