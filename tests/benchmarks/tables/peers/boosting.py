"""scikit-learn's gradient boosting, which takes categories and missing values itself."""

from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from ..data import Predict, Task
from .frames import fit_estimator


def fit(task: Task) -> Predict:
    """Fit it with its defaults."""
    make = HistGradientBoostingClassifier if task.kind == "classification" else HistGradientBoostingRegressor
    return fit_estimator(task, lambda frames: make(random_state=task.seed))
