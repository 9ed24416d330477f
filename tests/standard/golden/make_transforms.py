"""Write columns as scikit-learn transforms them: python tests/standard/golden/make_transforms.py FILE

The file in this folder was written with scikit-learn 1.9 in float64. Each case has ``x``, which is fitted, ``new``, and
what the fitted transformer makes of both.
"""

from __future__ import annotations

import sys

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, PowerTransformer, QuantileTransformer, RobustScaler

rng = np.random.default_rng(16)
GAPS = np.where(rng.random((20, 3)) < 0.3, np.nan, rng.integers(0, 6, (20, 3)) / 4)
NEW_GAPS = np.where(rng.random((5, 3)) < 0.3, np.nan, rng.normal(size=(5, 3)))
WORDS = np.array(list("abacabadabacabaeaf"))
SKEWED = np.round(np.exp(rng.normal(size=(60, 2))), 1) * [1, 100]
NEW_SKEWED = np.exp(2 * rng.normal(size=(9, 2))) * [1, 100]
MIXED = rng.normal(size=(60, 2)) ** 3
NEW_MIXED = rng.normal(size=(9, 2)) ** 3

CASES = {
    "robust": (RobustScaler(), SKEWED, NEW_SKEWED),
    "quantile normal": (QuantileTransformer(n_quantiles=60, output_distribution="normal"), MIXED, NEW_MIXED),
    "quantile uniform": (QuantileTransformer(n_quantiles=11), SKEWED, NEW_SKEWED),
    "power": (PowerTransformer(standardize=False), MIXED, NEW_MIXED),
    "power box_cox": (PowerTransformer("box-cox", standardize=False), SKEWED, NEW_SKEWED),
    "ordinal": (OrdinalEncoder(categories=[list("feabcd")]), WORDS, np.array(list("fda"))),
    "fill mean": (SimpleImputer(), GAPS, NEW_GAPS),
    "fill median": (SimpleImputer(strategy="median"), GAPS, NEW_GAPS),
    "fill most_frequent": (SimpleImputer(strategy="most_frequent"), GAPS, NEW_GAPS),
    "fill value": (SimpleImputer(strategy="constant", fill_value=-7.5), GAPS, NEW_GAPS),
    "one_hot": (OneHotEncoder(handle_unknown="ignore", sparse_output=False), WORDS, np.array(list("fza"))),
    "one_hot min_count": (
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2, sparse_output=False),
        WORDS,
        np.array(list("bzfca")),
    ),
}


def main() -> None:
    """Write the file."""
    arrays = {}
    for name, (transformer, x, new) in CASES.items():
        flat = x.ndim == 1
        transformer.fit(x.reshape(-1, 1) if flat else x)
        arrays |= {f"{name}/x": x, f"{name}/new": new}
        for key, values in (("x", x), ("new", new)):
            arrays[f"{name}/{key} changed"] = transformer.transform(values.reshape(-1, 1) if flat else values)
    np.savez_compressed(sys.argv[1], **arrays)


if __name__ == "__main__":
    main()
