"""Write what scikit-learn's TargetEncoder makes of words: python tests/standard/golden/make_target_encoding.py FILE

The file in this folder was written with scikit-learn 1.9. Each case has ``y``, and what the encoder makes of ``x`` as
training examples, dealt to the folds of ``folds``, and of ``x`` and ``new`` as others.
"""

from __future__ import annotations

import sys

import numpy as np
from sklearn.preprocessing import TargetEncoder

FOLDS, SEED = 5, 7
rng = np.random.default_rng(16)
X = rng.choice(list("aaaaabbbbcccdde"), 40)
X[11] = "once"
NEW = np.array(list("abzde"))
NUMBERS = rng.normal(size=40) * 100 + 3 * (X == "a")
CASES = {
    "numbers": (NUMBERS, "auto", "continuous"),
    "numbers smooth": (NUMBERS, 3.0, "continuous"),
    "numbers as they are": (NUMBERS, 0.0, "continuous"),
    "two classes": (rng.integers(0, 2, 40), "auto", "binary"),
    "three classes": (rng.integers(0, 3, 40), "auto", "multiclass"),
    "three classes smooth": (rng.integers(0, 3, 40), 1.5, "multiclass"),
}


def main() -> None:
    """Write the file."""
    fold_of = np.random.default_rng(SEED).permutation(40) % FOLDS
    splits = [(np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in range(FOLDS)]
    arrays = {"x": X, "new": NEW}
    for name, (y, smooth, kind) in CASES.items():
        encoder = TargetEncoder(target_type=kind, smooth=smooth, cv=splits)
        arrays |= {f"{name}/y": y, f"{name}/folds": encoder.fit_transform(X[:, None], y)}
        arrays |= {f"{name}/{key}": encoder.transform(values[:, None]) for key, values in (("x", X), ("new", NEW))}
    np.savez_compressed(sys.argv[1], **arrays)


if __name__ == "__main__":
    main()
