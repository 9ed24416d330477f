"""Estimators among the tools of scikit-learn: pipelines, searches, calibration, inspection, routing, pickles."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingRegressor, StackingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import nnfw
from nnfw.runs import predict


def test_grid_search_varies_options_inside_components(classifier, x, y):
    grid = {
        "nnclassifier__layers__0__units": [1, 12],
        "nnclassifier__optimizer__learning_rate": [1e-6, 0.1],
        "nnclassifier__activation": ["tanh", "gelu"],
    }
    search = GridSearchCV(make_pipeline(StandardScaler(), classifier.set_params(epochs=30)), grid, cv=3).fit(x, y)
    assert search.best_params_["nnclassifier__optimizer__learning_rate"] == 0.1
    assert search.best_score_ > 0.8
    assert search.best_estimator_[-1].model_.layers[0].units == search.best_params_["nnclassifier__layers__0__units"]
    assert classifier.optimizer == "adam"


@pytest.mark.slow
def test_cross_validation_in_processes_gives_the_same_scores(classifier, x, y):
    one, two = (cross_val_score(classifier, x, y, cv=4, n_jobs=jobs) for jobs in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_estimator_is_calibrated_stacked_and_bagged(classifier, regressor, x, y):
    calibrated = CalibratedClassifierCV(classifier, cv=3).fit(x, y)
    np.testing.assert_allclose(calibrated.predict_proba(x).sum(axis=1), 1, rtol=1e-6)
    stacked = StackingClassifier([("one", classifier), ("two", LogisticRegression())], cv=3).fit(x, y)
    assert set(stacked.predict(x)) <= {"high", "low"}
    assert BaggingRegressor(regressor, 3).fit(x, x[:, 0]).predict(x).shape == (60,)


def test_importance_and_partial_dependence_find_the_feature_that_counts(regressor, x):
    y = 3 * x[:, 1]
    model = regressor.set_params(optimizer="lbfgs", epochs=50).fit(x, y)
    importance = permutation_importance(model, x, y, n_repeats=3, random_state=0).importances_mean
    assert importance.argmax() == 1
    found = partial_dependence(model, x, [1], kind="average")
    slope = np.polyfit(found["grid_values"][0], found["average"][0], 1)[0]
    assert slope == pytest.approx(3, rel=0.1)


def test_target_is_transformed_and_back(regressor, x):
    y = 5e6 + 1e6 * x[:, 0]
    model = TransformedTargetRegressor(regressor.set_params(optimizer="lbfgs", epochs=50), transformer=StandardScaler())
    assert model.fit(x, y).score(x, y) > 0.99


def test_words_become_sparse_features(classifier):
    texts = ["good and fine", "fine and nice", "bad and poor", "poor and sad"] * 5
    model = make_pipeline(TfidfVectorizer(), classifier.set_params(optimizer="lbfgs", epochs=20))
    model.fit(texts, ["+", "+", "-", "-"] * 5)
    assert sparse.issparse(model[0].transform(texts))
    assert model.predict(["nice", "sad"]).tolist() == ["+", "-"]


def test_frames_name_the_features(classifier, x, y):
    frame = pd.DataFrame(x, columns=["a", "b", "c", "d"])
    model = make_pipeline(StandardScaler(), classifier).set_output(transform="pandas").fit(frame, pd.Series(y))
    assert model[-1].feature_names_in_.tolist() == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(model.predict_proba(frame), classifier.predict_proba(model[0].transform(frame)))
    with pytest.raises(ValueError, match="The feature names should match those that were passed during fit"):
        model[-1].predict(frame[["b", "a", "c", "d"]])


def predicted(estimator, frame, folder):
    """Return the lines that nnfw predict writes for a frame with the model of an estimator."""
    estimator.model_.save(folder / "model.nnfw")
    frame.to_csv(folder / "new.csv", index=False)
    found = predict(nnfw.load(folder / "model.nnfw"), str(folder / "new.csv"))
    return [",".join(row) for row in (found.header, *found.rows())]


def test_file_of_the_model_knows_columns_and_classes(classifier, x, y, tmp_path):
    frame = pd.DataFrame(x, columns=["a", "b", "c", "d"])
    header, *rows = predicted(classifier.fit(frame, y), frame[["d", "b", "a", "c"]], tmp_path)
    assert header == "label,probability_high,probability_low"
    assert [row.split(",")[0] for row in rows] == classifier.predict(frame).tolist()


def test_file_of_the_model_predicts_numbers(regressor, x, tmp_path):
    frame = pd.DataFrame(x, columns=["a", "b", "c", "d"])
    header, *rows = predicted(regressor.fit(frame, x[:, 0]), frame, tmp_path)
    assert header == "target"
    np.testing.assert_allclose(list(map(float, rows)), regressor.predict(frame), rtol=1e-5)


def test_file_of_the_model_has_no_target_where_a_feature_has_its_name(classifier, x, y, tmp_path):
    frame = pd.DataFrame(x, columns=["a", "b", "c", "target"])
    header, *_ = predicted(classifier.fit(frame, y), frame, tmp_path)
    assert header == "output_0,output_1"


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_file_of_the_model_of_several_targets_knows_columns(kind, request, x, tmp_path):
    frame = pd.DataFrame(x, columns=["a", "b", "c", "d"])
    model = request.getfixturevalue(kind).fit(frame, (x[:, :2] > 0).astype(int))
    header, *_ = predicted(model, frame[["d", "b", "a", "c"]], tmp_path)
    assert header == {"classifier": "output_0,output_1", "regressor": "target_0,target_1"}[kind]


def test_frame_whose_columns_are_numbered_is_taken_by_position(regressor, x):
    model = regressor.fit(pd.DataFrame(x), x[:, 0])
    assert model.model_.preprocessing is None
    assert model.partial_fit(x, x[:, 0]).n_iter_ == 6


def test_metadata_is_routed_to_fit_and_score(classifier, x, y, rng):
    weight, folds = rng.integers(1, 9, 60), KFold(2)
    with sklearn.config_context(enable_metadata_routing=True):
        model = classifier.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        params = {"sample_weight": weight}
        found = cross_validate(make_pipeline(PCA(4), model), x, y, cv=folds, params=params, return_estimator=True)
    for (train, test), (pca, fitted), score in zip(
        folds.split(x), found["estimator"], found["test_score"], strict=True
    ):
        alone = clone(classifier).fit(pca.transform(x[train]), y[train], sample_weight=weight[train])
        np.testing.assert_array_equal(fitted.model_.parameters.vector, alone.model_.parameters.vector)
        assert score == alone.score(pca.transform(x[test]), y[test], sample_weight=weight[test])


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_pickle_predicts_and_goes_on_with_the_same_bits(kind, request, x):
    model, y = request.getfixturevalue(kind).fit(x, np.arange(60) % 3), np.arange(60) % 3
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(x), model.predict(x))
    one, other = (each.partial_fit(x, y).model_.parameters.vector for each in (model, copy))
    np.testing.assert_array_equal(one, other)


def test_pickle_in_read_only_memory_predicts_and_goes_on(classifier, x, y):
    model, buffers = classifier.fit(x, y), []
    content = pickle.dumps(model, protocol=5, buffer_callback=buffers.append)
    copy = pickle.loads(content, buffers=[bytes(buffer.raw()) for buffer in buffers])
    np.testing.assert_array_equal(copy.predict_proba(x), model.predict_proba(x))
    np.testing.assert_array_equal(
        copy.partial_fit(x, y).model_.parameters.vector, model.partial_fit(x, y).model_.parameters.vector
    )
