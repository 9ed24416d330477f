"""RealMLP-TD of pytabkit on the CPU; it takes categories itself, but no missing numbers, so these are filled before.

A second thread would double its CPU time and save none on tables of this size.
"""

import numpy as np
from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from ..data import Predict, Task
from .frames import fit_estimator


def fit(task: Task) -> Predict:
    """Fit it with its defaults."""
    make = RealMLP_TD_Classifier if task.kind == "classification" else RealMLP_TD_Regressor

    def estimator(frames):
        fill = make_column_transformer(
            (SimpleImputer(), frames.numbers), remainder="passthrough", verbose_feature_names_out=False
        )
        return make_pipeline(
            fill.set_output(transform="pandas"), make(device="cpu", n_threads=1, random_state=task.seed)
        )

    return fit_estimator(task, estimator)


# The first network takes seconds to import the rest of the library, which no later one does.
RealMLP_TD_Regressor(device="cpu", n_epochs=1).fit(np.arange(40.0)[:, np.newaxis], np.arange(40.0))
