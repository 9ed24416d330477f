"""Networks as estimators of scikit-learn: ``pip install "nnfw[sklearn]"``."""

try:
    import sklearn.callback  # noqa: F401 - from 1.9 on
except ImportError as error:
    raise ImportError("nnfw.sklearn needs scikit-learn 1.9 or newer: pip install 'nnfw[sklearn]'.") from error

from nnfw.sklearn.classifier import NNClassifier
from nnfw.sklearn.regressor import NNRegressor

__all__ = ["NNClassifier", "NNRegressor"]
