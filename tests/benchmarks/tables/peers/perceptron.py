"""scikit-learn's networks in the pipeline that most tables need: fill, one-hot encode, standardize."""

from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ..data import Predict, Task
from .frames import fit_estimator


def fit(task: Task) -> Predict:
    """Fit it with its defaults; a word that is missing is a category."""
    make = MLPClassifier if task.kind == "classification" else MLPRegressor
    return fit_estimator(
        task,
        lambda frames: make_pipeline(
            make_column_transformer(
                (make_pipeline(SimpleImputer(), StandardScaler()), frames.numbers),
                (OneHotEncoder(handle_unknown="ignore"), list(frames.words)),
            ),
            make(random_state=task.seed),
        ),
    )
