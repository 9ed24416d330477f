"""Labels of classes in Python: words and whole numbers that do not count from 0."""

import warnings

import numpy as np
import pandas as pd
import pytest

import nnfw
from nnfw.data import Preprocessing
from nnfw.experiments import ExperimentFile, read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import train
from nnfw_standard import Concatenate, Dense, Embedding, Flatten, Standardize

WORDS = np.array(["no", "yes", "perhaps"])
SOFTMAX = [Dense(3, activation="softmax")]
SIGMOID = [Dense(1, activation="sigmoid")]
CLASSES = {"cost": "cross_entropy", "optimizer": "adam", "epochs": 3}
TWO = {**CLASSES, "cost": "binary_cross_entropy"}


@pytest.fixture
def x(rng):
    return rng.normal(size=(30, 4))


def model(layers=SOFTMAX, inputs=4, **options):
    return nnfw.Sequential(layers, input_shape=inputs, **options)


def fitted(x, y, layers=SOFTMAX, told="", **options):
    made = model(layers)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = made.fit(x, y, **{**CLASSES, **options})
    assert [str(each.message) for each in caught] == [told] * bool(told)
    return made, history


CODES = np.resize([2, 0, 1, 1], 30)
SORTED = np.array([0, 2, 1])  # of each word, among the words in order


@pytest.mark.parametrize(
    "labels",
    [
        WORDS[CODES],
        WORDS[CODES].tolist(),
        WORDS[CODES].astype(object),
        WORDS[CODES].reshape(-1, 1),
        pd.Series(WORDS[CODES]),
        pd.Series(pd.Categorical(WORDS[CODES])),
        pd.Series(WORDS[CODES], dtype="string"),
    ],
    ids=["array", "list", "objects", "column", "series", "categorical", "string"],
)
def test_words_are_numbered_in_order(x, labels):
    plain, expected = fitted(x, SORTED[CODES])
    found, history = fitted(x, labels, validation_data=(x, labels))
    assert history["cost"] == expected["cost"]
    assert (plain.classes, found.classes) == (None, ("no", "perhaps", "yes"))
    assert found.evaluate(x, labels, cost="cross_entropy") == plain.evaluate(x, SORTED[CODES], cost="cross_entropy")
    assert found.evaluate(x, SORTED[CODES], cost="cross_entropy") == found.evaluate(x, labels, cost="cross_entropy")
    assert history["validation_cost"][-1] == found.evaluate(x, labels, cost="cross_entropy")["cost"]
    assert set(found.preprocessing.labels(found.predict(x)).tolist()) <= set(WORDS.tolist())


@pytest.mark.parametrize(
    ("numbers", "told"),
    [([1, 2, 3], "1, 2, 3"), ([-1, 0, 1], "-1, 0, 1"), ([1.0, 5.0, 9.0], "1, 5, 9"), ([0, 1, 7], "0, 1, 7")],
    ids=["from-one", "negative", "floats", "gap"],
)
def test_whole_numbers_that_do_not_count_from_0_are_numbered_and_told(x, numbers, told):
    y = np.array(numbers)[CODES]
    found, history = fitted(x, y, told=f"The labels of 'y' are classes, in this order: {told}.")
    assert history["cost"] == fitted(x, CODES)[1]["cost"]
    assert found.classes == tuple(numbers)
    assert (
        found.evaluate(x, y, cost="cross_entropy")["cost"]
        == fitted(x, CODES)[0].evaluate(x, CODES, cost="cross_entropy")["cost"]
    )
    assert set(found.preprocessing.labels(found.predict(x)).tolist()) <= set(numbers)


def test_they_are_told_once(x):
    found, _ = fitted(x, CODES + 1, told="The labels of 'y' are classes, in this order: 1, 2, 3.")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found.fit(x, CODES + 1, **CLASSES)


@pytest.mark.parametrize("y", [CODES, CODES.astype(float), CODES > 0], ids=["whole", "floats", "booleans"])
def test_labels_that_count_from_0_are_taken_as_they_are(x, y):
    assert fitted(x, y)[0].preprocessing is None


def test_two_classes_of_one_output(x):
    y = np.array(["off", "on"])[(CODES > 0).astype(int)]
    found, history = fitted(x, y, SIGMOID, **TWO)
    assert history["cost"] == fitted(x, CODES > 0, SIGMOID, **TWO)[1]["cost"]
    expected = np.where(found.predict(x)[:, 0] > 0.5, "on", "off")
    assert found.preprocessing.labels(found.predict(x)).tolist() == expected.tolist()


def test_numbers_of_a_regression_stay_numbers(x):
    made, _ = fitted(x, np.resize([1, 2], 30), [Dense(1)], cost="mse")
    assert made.preprocessing is None


def test_weights_of_classes_have_their_names(x):
    y = WORDS[CODES]
    weighted = fitted(x, y, class_weight={"yes": 3.0})[1]["cost"]
    assert weighted == fitted(x, SORTED[CODES], class_weight={"2": 3.0})[1]["cost"]
    with pytest.raises(nnfw.ConfigError, match=r"names no class 'ye'\. Did you mean 'yes'\?"):
        model().fit(x, y, class_weight={"ye": 3.0}, **CLASSES)


def test_another_number_of_words_than_classes_is_refused(x):
    with pytest.raises(
        nnfw.DataError,
        match=r"^y holds 3 different words, no, perhaps, yes, but 4 outputs tell 4 classes apart\. Give the output "
        r"layer 3 units, or correct the labels\.$",
    ):
        model([Dense(4, activation="softmax")]).fit(x, WORDS[CODES], **CLASSES)
    with pytest.raises(nnfw.DataError, match="but a single output tells 2 classes apart"):
        model(SIGMOID).fit(x, WORDS[CODES], **TWO)


def test_other_labels_than_those_of_the_first_fit_are_refused(x):
    found, _ = fitted(x, WORDS[CODES])
    for use in (found.evaluate, found.gradient, found.trace, found.health):
        with pytest.raises(
            nnfw.DataError, match=r"^Column 'y': unknown class 'maybe' in row 0 \(from 0\); expected no, "
        ):
            use(x[:2], ["maybe", "no"], cost="cross_entropy")
    with pytest.raises(nnfw.DataError, match="unknown class 'maybe'"):
        found.fit(x[:2], ["maybe", "no"], **CLASSES)
    assert (
        found.gradient(x, WORDS[CODES], cost="cross_entropy")[0]
        == found.gradient(x, SORTED[CODES], cost="cross_entropy")[0]
    )


def test_gradients_are_checked_with_words(x):
    found, _ = fitted(x, WORDS[CODES])
    assert nnfw.gradcheck(found, x[:5], WORDS[CODES][:5], cost="cross_entropy").ok


def test_words_for_numbers_are_refused_as_before(x):
    with pytest.raises(nnfw.DataError, match=r"^y must hold real numbers, got 'perhaps' at \[0\]\. Number classes"):
        model([Dense(1)]).fit(x, WORDS[CODES], **{**CLASSES, "cost": "mse"})


def test_refused_training_leaves_the_model_without_classes(x):
    made = model()
    with pytest.raises(nnfw.DataError, match="Metric 'rmse'"):
        made.fit(x, WORDS[CODES], metrics=["rmse"], **CLASSES)
    assert made.classes is None


def test_model_of_arrays_keeps_its_classes_in_its_file(x, tmp_path):
    found, _ = fitted(x, WORDS[CODES])
    found.save(tmp_path / "model.nnfw")
    again = nnfw.load(tmp_path / "model.nnfw")
    assert (again.classes, again.preprocessing) == (found.classes, found.preprocessing)
    assert again.evaluate(x, WORDS[CODES], cost="cross_entropy") == found.evaluate(
        x, WORDS[CODES], cost="cross_entropy"
    )
    frame = pd.DataFrame(x, columns=list("abcd"))
    assert (again.predict(frame) == found.predict(x)).all()


def test_model_of_a_frame_knows_columns_and_classes(x):
    frame = pd.DataFrame(x, columns=["y", "a", "b", "c"])
    found, _ = fitted(frame, WORDS[CODES])
    assert [column.name for column in found.preprocessing.columns] == ["y", "a", "b", "c"]
    assert found.preprocessing.target_column.name == "label"
    assert (found.predict(frame[["c", "y", "b", "a"]]) == found.predict(x)).all()


def test_outputs_with_names_are_numbered_each(x, tmp_path):
    layers = [
        nnfw.Node(Dense(3, activation="softmax"), name="kind"),
        nnfw.Node(Dense(1), name="size", inputs=("x",)),
    ]
    made = model(layers, outputs=("kind", "size"))
    y = {"kind": WORDS[CODES], "size": x[:, 0]}
    options = {"cost": {"kind": "cross_entropy", "size": "mse"}, "optimizer": "adam"}
    made.fit(x, y, validation_data=(x, y), **options)
    assert made.classes == {"kind": ("no", "perhaps", "yes"), "size": None}
    labels = made.preprocessing.labels(made.predict(x))
    assert set(labels["kind"].tolist()) <= set(WORDS.tolist())
    np.testing.assert_array_equal(labels["size"], made.predict(x)["size"][:, 0])
    made.save(tmp_path / "model.nnfw")
    assert nnfw.load(tmp_path / "model.nnfw").classes == made.classes


def test_inputs_with_names_and_indices_are_taken_as_before(x, tmp_path):
    layers = [
        nnfw.Node(Embedding(5, 2), name="words", inputs=("word",)),
        nnfw.Node(Flatten(), name="flat"),
        nnfw.Node(Concatenate(), inputs=("flat", "numbers")),
        Dense(3, activation="softmax"),
    ]
    made = model(layers, {"word": (2,), "numbers": (4,)})
    given = {"word": np.resize(np.arange(5), (30, 2)), "numbers": x}
    made.fit(given, WORDS[CODES], **CLASSES)
    made.save(tmp_path / "model.nnfw")
    again = nnfw.load(tmp_path / "model.nnfw")
    assert again.classes == ("no", "perhaps", "yes")
    assert (again.predict(given) == made.predict(given)).all()


class Labels(nnfw.Source):
    def __init__(self, labels):
        self.labels, self.chunks = labels, [len(labels)]
        self.schema = np.dtype([("a", "f8"), ("b", "f8"), ("c", "f8"), ("d", "f8"), ("kind", labels.dtype)])
        self.target = "kind"

    def read(self, chunk):
        rng = np.random.default_rng(1)
        return {**{name: rng.normal(size=len(self.labels)) for name in "abcd"}, "kind": self.labels}


def test_words_of_a_source_are_refused_with_what_it_needs():
    with pytest.raises(
        nnfw.DataError, match=r"^y names the column 'kind' of words\. The labels of a source must be num"
    ):
        model().fit(Labels(WORDS[CODES]), "kind", **CLASSES)


def test_source_is_predicted_by_a_model_of_arrays_with_classes(x):
    found, _ = fitted(x, WORDS[CODES])
    assert found.predict(Labels(CODES)).shape == (30, 3)
    assert found.evaluate(Labels(SORTED[CODES]), "kind", cost="cross_entropy")["cost"] > 0


def test_model_of_a_run_takes_the_words_of_its_target(experiment, tmp_path):
    registry = default_registry()
    file: ExperimentFile = read_experiment(str(experiment), registry)
    run = train(file, registry, tmp_path / "run")
    found, frame = nnfw.load(run.directory), pd.read_csv(experiment.parent / "table.csv")
    assert found.classes == ("big", "small")
    words, numbers = frame["kind"], (frame["kind"] == "small").to_numpy(int)
    assert found.evaluate(frame, words, cost="cross_entropy") == found.evaluate(frame, numbers, cost="cross_entropy")


def test_labels_of_a_run_s_regression_stay_what_the_network_takes(x):
    made = model([Dense(1)])
    examples = nnfw.Examples({"a": x}, x[:, 0] * 1000)
    made.preprocessing = Preprocessing.fit(examples, [], [Standardize()])
    y = made.preprocessing.target(examples)
    assert made.evaluate(x, y, cost="mse")["cost"] < 100
