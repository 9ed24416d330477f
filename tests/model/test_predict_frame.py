"""Predictions as a frame of the library of the examples."""

import numpy as np
import pytest
from tests.model.test_named_columns import LIBRARIES

import nnfw
from nnfw.data import Preprocessing
from nnfw.experiments import read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import train
from nnfw_standard import Date, Dense, Fill, OneHot, Standardize

TRAINING = {"cost": "cross_entropy", "optimizer": "adam"}
every_library = pytest.mark.parametrize("make", LIBRARIES.values(), ids=LIBRARIES)


@pytest.fixture
def columns(rng):
    return {"id": [f"no {k}" for k in range(6)], "a": rng.normal(size=6), "b": rng.normal(size=6)}


@pytest.fixture
def model(columns):
    """Return a model of named columns, trained on labels that are words."""
    made = nnfw.Sequential([Dense(2, activation="softmax")], input_shape=2)
    frame = LIBRARIES["pyarrow"]({name: columns[name] for name in "ab"})
    made.fit(frame, ["sold", "kept"] * 3, **TRAINING)
    return made


def column(frame, name):
    return np.asarray(frame[name]).tolist()


def names(frame):
    return list(getattr(frame, "column_names", frame.columns))


@every_library
def test_classes_have_their_names_and_ids_are_kept(model, columns, make):
    found = model.predict_frame(make(columns), keep=["id"])
    assert type(found) is type(make(columns)) or make is LIBRARIES["stream"]
    assert names(found) == ["id", "label", "probability_kept", "probability_sold"]
    a = model.predict(np.column_stack([columns["a"], columns["b"]]))
    assert column(found, "id") == columns["id"]
    assert column(found, "label") == np.array(["kept", "sold"])[a.argmax(axis=1)].tolist()
    assert column(found, "probability_sold") == a[:, 1].tolist()


def test_index_of_pandas_stays(model, columns):
    frame = LIBRARIES["pandas"](columns).set_index("id").iloc[::-1]
    found = model.predict_frame(frame[["b", "a"]])
    assert found.index.equals(frame.index)
    assert found.loc["no 2"].tolist() == model.predict_frame(frame).loc["no 2"].tolist()


def test_numbers_are_in_the_unit_of_the_target(columns):
    made = nnfw.Sequential([Dense(1)], input_shape=2)
    examples = nnfw.Examples({name: columns[name] for name in "ab"}, np.arange(6) * 1e4, "price")
    made.preprocessing = Preprocessing.fit(examples, [], [Standardize()])
    frame = LIBRARIES["pandas"](columns)
    found = made.predict_frame(frame)
    assert names(found) == ["price"]
    assert column(found, "price") == made.preprocessing.labels(made.predict(frame)).tolist()


def test_outputs_without_a_target_are_numbered(columns):
    made = nnfw.Sequential([Dense(2)], input_shape=2)
    frame = LIBRARIES["pandas"](columns)[["a", "b"]]
    found = made.predict_frame(frame)
    assert names(found) == ["output_0", "output_1"]
    assert (found.to_numpy() == made.predict(frame.to_numpy())).all()


def test_cost_says_what_outputs_mean(columns):
    made = nnfw.Sequential([Dense(2)], input_shape=2)
    frame = LIBRARIES["pandas"](columns)[["a", "b"]]
    found = made.predict_frame(frame, cost={"type": "quantile", "quantiles": [0.1, 0.9]})
    assert names(found) == ["output_quantile_0.1", "output_quantile_0.9"]


def test_outputs_with_names_are_those_of_columns(columns):
    nodes = [nnfw.Node(Dense(1), name="size"), nnfw.Node(Dense(1), name="price", inputs=("x",))]
    made = nnfw.Sequential(nodes, input_shape=2, outputs=("size", "price"))
    assert names(made.predict_frame(LIBRARIES["pandas"](columns)[["a", "b"]])) == ["size", "price"]


def test_model_of_a_run_writes_what_the_command_writes(experiment, tmp_path, nnfw_table):
    registry = default_registry()
    run = train(read_experiment(str(experiment), registry), registry, tmp_path / "run")
    frame = pytest.importorskip("pandas").read_csv(experiment.parent / "table.csv")
    found = nnfw.load(run.directory).predict_frame(frame[["colour", "height", "width"]])
    header, *rows = nnfw_table(run.directory, experiment.parent / "table.csv")
    assert names(found) == header
    assert column(found, "label") == [row[0] for row in rows]


@pytest.fixture
def nnfw_table():
    """Return a function that gives the rows of predictions for a file."""
    from nnfw.runs import Access, open_model, predict

    def rows(run, path):
        found = predict(open_model(run, Access(default_registry())), str(path))
        return [list(found.header), *found.rows()]

    return rows


@pytest.mark.parametrize(
    ("x", "got"),
    [(np.zeros((2, 2)), "ndarray"), ([[0.0, 0.0]], "list"), ({"a": [1.0]}, "dict")],
    ids=["array", "list", "dict"],
)
def test_what_is_no_frame_is_refused(model, x, got):
    with pytest.raises(nnfw.DataError, match=f"^x must be a frame of pandas, polars or pyarrow, got {got}. pre"):
        model.predict_frame(x)


def test_frame_without_rows_gives_one_without_rows(model, columns):
    frame = LIBRARIES["pandas"](columns)
    found = model.predict_frame(frame[:0], keep=["id"])
    assert (len(found), names(found)) == (0, names(model.predict_frame(frame, keep=["id"])))


def test_row_of_a_frame_is_refused(model, columns):
    with pytest.raises(nnfw.DataError, match="^x must be a frame of pandas, polars or pyarrow, got Series"):
        model.predict_frame(LIBRARIES["pandas"](columns)[["a", "b"]].iloc[0])


def test_column_to_keep_must_be_there_under_a_name_of_its_own(model, columns):
    frame = LIBRARIES["pandas"](columns)
    with pytest.raises(nnfw.DataError, match=r"^x: there is no column 'idd' to keep\. Did you mean 'id'\? It has: id"):
        model.predict_frame(frame, keep=["idd"])
    with pytest.raises(nnfw.DataError, match=r"^The column 'label' cannot be kept: a prediction has the same name"):
        model.predict_frame(frame.rename(columns={"id": "label"}), keep=["label"])


@every_library
def test_times_of_a_frame_are_dates(make):
    times = np.array(["2026-01-31T12:00:00", "2026-03-01T00:00:00"], "M8[ms]")
    plain = Preprocessing.fit(nnfw.Examples({"day": times.astype("M8[s]").astype(str)}), [Date()])
    frame = make({"day": times})
    examples = nnfw.Examples(plain_columns(frame))
    assert Preprocessing.fit(examples, [Date()]) == plain
    made = nnfw.Sequential([Dense(1)], input_shape=5)
    made.preprocessing = plain
    expected = made.predict(plain.apply({"day": times.astype("M8[s]").astype(str)}))
    assert (made.predict(make({"day": times})) == expected).all()


def plain_columns(frame):
    table = frame.read_all() if hasattr(frame, "read_all") else frame
    return {"day": table["day"]}


@pytest.mark.parametrize("make", [LIBRARIES["pandas"], LIBRARIES["polars"], LIBRARIES["pyarrow"]])
def test_missing_time_is_a_missing_word(make):
    times = np.array(["2026-01-31", "NaT", "2026-01-31"], "M8[us]")
    examples = nnfw.Examples(plain_columns(make({"day": times})))
    assert examples.features["day"].tolist() == ["2026-01-31", "", "2026-01-31"]
    fitted = Preprocessing.fit(examples, [Fill(by="most_frequent"), OneHot()])
    assert fitted.apply(examples.features).tolist() == [[1]] * 3
