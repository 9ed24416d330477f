"""What estimators refuse, in the words of nnfw where scikit-learn has none."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import nnfw
from nnfw.sklearn import NNClassifier, NNRegressor


@pytest.mark.parametrize("kind", [NNClassifier, NNRegressor])
@pytest.mark.parametrize("method", ["predict", "score"])
def test_estimator_that_is_not_fitted_is_refused(kind, method, x):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        getattr(kind(), method)(*[x, np.zeros(60)][: 1 if method == "predict" else 2])


X = {
    "NaN": (lambda x: np.where(x > 1, np.nan, x), ValueError, "Input X contains NaN"),
    "too large": (
        lambda x: 1e300 * x,
        ValueError,
        "Input X contains infinity or a value too large for dtype.'float32'",
    ),
    "one axis": (lambda x: x[:, 0], ValueError, "Expected 2D array, got 1D array"),
    "other columns": (lambda x: x[:, :3], ValueError, "X has 3 features, but NN[A-Za-z]* is expecting 4 features"),
    "words": (lambda x: np.full(x.shape, "a"), ValueError, "could not convert string to float"),
    "none": (lambda x: x[:0], ValueError, r"Found array with 0 sample\(s\)"),
}


@pytest.mark.parametrize(("make", "error", "message"), X.values(), ids=X)
@pytest.mark.parametrize("kind", [NNClassifier, NNRegressor])
def test_wrong_examples_are_refused(kind, make, error, message, x):
    model = kind((3,), epochs=1).fit(x, np.arange(60) % 2)
    with pytest.raises(error, match=message):
        model.predict(make(x))
    with pytest.raises(error, match=message):
        model.partial_fit(make(x), np.arange(60) % 2)


Y = {
    "one class": (
        NNClassifier,
        np.full(60, "a"),
        r"^y holds one class, 'a'; a classifier needs examples of two or more",
    ),
    "a target of one class": (
        NNClassifier,
        np.stack([np.arange(60) % 5, np.ones(60)], axis=1),
        r"^y holds one class, 1\.0;",
    ),
    "words and numbers": (
        NNClassifier,
        np.array(["a", 1] * 30, object),
        "^y mixes words and numbers, which have no order",
    ),
    "numbers for classes": (NNClassifier, np.linspace(0, 1, 60), "Unknown label type: continuous"),
    "words for numbers": (NNRegressor, np.full(60, "a"), "^y must hold real numbers, got 'a' at"),
    "another length": (NNRegressor, np.zeros(50), "inconsistent numbers of samples"),
    "NaN": (NNRegressor, np.full(60, np.nan), "Input y contains NaN"),
}


@pytest.mark.parametrize(("kind", "y", "message"), Y.values(), ids=Y)
def test_wrong_targets_are_refused(kind, y, message, x):
    with pytest.raises(ValueError, match=message):
        kind().fit(x, y)


OPTIONS = {
    "epochs": ({"epochs": 0}, r"^epochs must be greater than or equal to 1, got 0\.$"),
    "batch_size": ({"batch_size": "all"}, r"^batch_size must be .*, got 'all'\.$"),
    "early_stopping": ({"early_stopping": "yes"}, r"^early_stopping must be true or false, got 'yes'\.$"),
    "fraction": ({"validation_fraction": 1.0}, r"^validation_fraction must be less than 1, got 1\.0\.$"),
    "patience and dtype": (
        {"patience": 0, "dtype": "float16"},
        r"^patience must be .* 1, got 0\.\ndtype must be 'float",
    ),
    "layers": ({"layers": 100}, r"^layers must be a list of sizes and layers, got 100\. Write \(100,\) for one layer"),
    "a size": ({"layers": (0,)}, r"^layers\[0\]\.units must be greater than or equal to 1, got 0\.$"),
    "a layer": ({"layers": ("dens",)}, r"^layers\[0\]: Unknown layer 'dens'\. Did you mean 'dense'\?"),
    "an option": ({"layers": ({"type": "dropout", "rat": 0.1},)}, r"^layers\[0\]\.rat is not an option\. Did you mean"),
    "activation": (
        {"activation": "rel"},
        r"^layers\[0\]\.activation: Unknown activation 'rel'\. Did you mean 'relu'\?",
    ),
    "optimizer": ({"optimizer": "adm"}, r"Unknown optimizer 'adm'\. Did you mean 'adam'\?"),
    "optimizer's option": (
        {"optimizer": {"type": "adam", "rate": 1}},
        r"Optimizer 'adam' \(built-in\): rate is not an",
    ),
    "cost": ({"cost": "mes"}, r"Unknown cost 'mes'\. Did you mean 'mse'\?"),
    "accelerator": ({"accelerator": "nmba"}, r"accelerator.*'nmba'"),
    "batches of a solver": (
        {"optimizer": "lbfgs", "batch_size": 8},
        r"^batch_size has nothing to divide: 'lbfgs' \(bui",
    ),
    "callback": ({"callbacks": ["early"]}, r"^callbacks\[0\]: Unknown callback 'early'\."),
    "callbacks": ({"callbacks": "csv_log"}, r"^callbacks must be a list of callbacks, got 'csv_log'\.$"),
}


@pytest.mark.parametrize(("options", "message"), OPTIONS.values(), ids=OPTIONS)
def test_wrong_parameters_are_refused_in_fit(options, message, x):
    with pytest.raises(nnfw.ConfigError, match=message):
        NNClassifier().set_params(**options).fit(x, np.arange(60) % 2)


def test_weights_that_are_wrong_are_refused(classifier, x, y):
    with pytest.raises(nnfw.DataError, match=r"^sample_weight must be finite and 0 or more, got -1\.0 for example 0"):
        classifier.fit(x, y, sample_weight=-np.ones(60))
    with pytest.raises(nnfw.DataError, match="^sample_weight is zero for every example"):
        classifier.fit(x, y, sample_weight=np.zeros(60))


def test_class_that_was_not_named_is_refused(classifier, x, y):
    message = r"^y holds 'low' in row \d+ \(the first is row 0\), which is not one of the classes: a, high\. Name all"
    with pytest.raises(nnfw.DataError, match=message):
        classifier.partial_fit(x, y, classes=["high", "a"])
    classifier.partial_fit(x, y)
    with pytest.raises(nnfw.DataError, match=r"^y holds 'mid' in row 0 .* not one of the classes: high, low\."):
        classifier.partial_fit(x, np.full(60, "mid"))


@pytest.mark.parametrize("kind", [NNClassifier, NNRegressor])
def test_other_targets_than_before_are_refused(kind, x):
    model = kind((3,)).partial_fit(x, np.arange(60) % 3)
    with pytest.raises(
        nnfw.DataError, match=r"^y must have as many columns as in the first call, 1, got 2\. Fit a new"
    ):
        model.partial_fit(x, np.stack([np.arange(60) % 3] * 2, axis=1))


def test_balanced_weights_in_parts_are_refused(classifier, x, y):
    with pytest.raises(
        nnfw.ConfigError, match=r"^class_weight 'balanced' needs the classes of all examples, but parti"
    ):
        classifier.set_params(class_weight="balanced").partial_fit(x, y)


def test_lack_of_scikit_learn_is_told():
    code = "import sys; sys.modules['sklearn'] = None; import nnfw; import nnfw.sklearn"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.stderr.endswith(
        "ImportError: nnfw.sklearn needs scikit-learn 1.9 or newer: pip install 'nnfw[sklearn]'.\n"
    )


def test_nnfw_loads_no_scikit_learn():
    code = "import sys, nnfw; nnfw.Sequential([{'type': 'dense', 'units': 3}], 4); print('sklearn' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
