"""Columns as a DataFrame of pandas, as libraries take them."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from ..data import Columns, Predict, Prediction, Task


class Frames:
    """Numbers as they are, words as pandas categories: those of the training rows; others are missing."""

    def __init__(self, features: Columns) -> None:
        self.words = {
            name: pd.CategoricalDtype(sorted({value for value in values if value is not None}))
            for name, values in features.items()
            if values.dtype.kind != "f"
        }
        self.numbers = [name for name in features if name not in self.words]

    def frame(self, columns: Columns) -> pd.DataFrame:
        """Return the features of some rows."""
        names = [*self.numbers, *self.words]
        return pd.DataFrame({name: pd.Series(columns[name]).astype(self.words.get(name, "float64")) for name in names})


def fit_estimator(task: Task, make: Callable[[Frames], Any]) -> Predict:
    """Fit an estimator of scikit-learn's kind; return what predicts with it."""
    frames = Frames(task.features)
    estimator = make(frames).fit(frames.frame(task.features), task.y)
    if task.kind == "regression":
        return lambda columns: Prediction(estimator.predict(frames.frame(columns)))
    return lambda columns: Prediction(estimator.predict_proba(frames.frame(columns)), tuple(estimator.classes_))
