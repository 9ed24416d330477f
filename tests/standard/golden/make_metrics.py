"""Write results of metrics as scikit-learn computes them: python tests/standard/golden/make_metrics.py FILE

The file in this folder was written with scikit-learn 1.9; `spearman` is SciPy's, which knows no weights.
"""

from __future__ import annotations

import sys

import numpy as np
from metric_cases import cases, data
from scipy import stats
from sklearn import metrics


def main(path: str) -> None:
    """Write the data and the results with and without weights."""
    given = data(np.random.default_rng(16))
    stored = {}
    for name, (a, y, weight) in given.items():
        stored |= {f"data/{name}/a": a, f"data/{name}/y": y, f"data/{name}/weight": weight}
    for name, case in cases().items():
        a, y, weight = given[case.data]
        function = getattr(metrics, case.function)
        options = dict(case.options)
        if not case.scores:
            single = a.shape[1] == 1 or y.ndim > 1
            shown = (a > 0.5).astype(int).reshape(y.shape) if single else a.argmax(axis=1)
        elif case.data in ("binary", "tied", "imbalanced") and case.function != "log_loss":
            shown = a[:, 1]
        else:
            shown = a
        if case.function in ("log_loss", "brier_score_loss", "precision_recall_fscore_support"):
            options["labels"] = np.arange(max(2, a.shape[1]))
        if case.function == "log_loss" and a.shape[1] == 1:
            shown = np.hstack([1 - a, a])
        true = np.eye(3)[y] if case.function == "average_precision_score" and case.data == "three" else y
        for key, own in (("plain", None), ("weighted", weight)):
            found = function(true, shown, sample_weight=own, **options)
            stored[f"{name}/{key}"] = np.array(found).T if case.function.startswith("precision") else np.array(found)
    a, y, _ = given["one"]
    stored["spearman one/plain"] = np.array(stats.spearmanr(a[:, 0], y[:, 0]).statistic)
    np.savez_compressed(path, **stored)


if __name__ == "__main__":
    main(sys.argv[1])
