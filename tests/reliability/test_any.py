"""Networks of all components, and files of any bytes."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nnfw
from nnfw.configuration import kind_of, options_of
from nnfw.data import Examples, Preprocessing, read_csv
from nnfw.experiments import parse_component, parse_reference, read_experiment
from nnfw.plugins import TYPE, default_registry
from nnfw.runs import Access, open_run, predict
from nnfw.toml import Document, apply_overrides

REGISTRY = default_registry()
SHAPES = [(3,), (4,), (2, 2), (3, 2, 2), (3, 4)]
DEEPEST = 2
"""Components within components."""


def references(kind, depth=0):
    """Return every component of a kind with every choice of options that its plugin declares."""
    return st.sampled_from(
        [(item, options) for item in REGISTRY.components(kind) for options in item.spec.examples or ({},)]
    ).flatmap(lambda choice: tables(*choice, depth))


def tables(item, options, depth):
    """Return tables of a component, whose options that are components are chosen too."""
    own = options_of(REGISTRY.load(item.kind, item.qualified_name)).values()
    inner = {option.name: kind_of(option.hint) for option in own if option.name not in options}
    chosen = {name: references(kind, depth + 1) for name, kind in inner.items() if kind and depth < DEEPEST}
    fixed = {TYPE: item.qualified_name, **options}
    return st.fixed_dictionaries({}, optional=chosen).map(lambda more: fixed | more)


def shape_after(layer, shape):
    """Return the shape that a layer, a merge of one input or a block gives; None if it refuses that of its input."""
    try:
        return nnfw.Sequential([layer], shape).output_shape
    except (nnfw.ShapeError, nnfw.ConfigError):
        return None


def is_good(layer, shape):
    return shape_after(layer, shape) is not None


def takes_numbers(layer):
    return getattr(REGISTRY.resolve("layer", layer), "index_limit", lambda: None)() is None


@st.composite
def networks(draw):
    """Return a network of one to four layers that fit each other."""
    shape = first = draw(st.sampled_from(SHAPES))
    layers = []
    for _ in range(draw(st.integers(1, 4))):
        layer = draw(references("layer").filter(takes_numbers).filter(partial(is_good, shape=shape)))
        layers.append(layer)
        shape = shape_after(layer, shape)
    seed = draw(st.integers(0, 1 << 70))
    return nnfw.Sequential(layers, first, seed=seed, dtype=draw(st.sampled_from(["float32", "float64"])))


def fill_with_extremes(vector, rng):
    limits = np.finfo(vector.dtype)
    some = [-0.0, limits.smallest_subnormal, -limits.tiny, limits.max, limits.min, 1 / 3, rng.normal()]
    vector[...] = rng.choice(some, vector.size)


@settings(deadline=None, max_examples=75)
@given(model=networks(), seed=st.integers(0, 1 << 30), extreme=st.booleans())
def test_network_of_any_components_saves_and_loads_bit_equal(model, seed, extreme, tmp_path_factory):
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.getbasetemp() / "any.nnfw"
    if extreme:
        fill_with_extremes(model.parameters.vector, rng)
        fill_with_extremes(model.parameters.state, rng)
    model.save(path)
    loaded = nnfw.load(path)
    x = rng.normal(size=(3, *model.input_shape))
    assert extreme or loaded.predict(x).tobytes() == model.predict(x).tobytes()
    assert loaded.layers == model.layers
    assert (loaded.seed, loaded.dtype, loaded.input_shape) == (model.seed, model.dtype, model.input_shape)
    assert loaded.parameters.vector.tobytes() == model.parameters.vector.tobytes()
    assert loaded.parameters.state.tobytes() == model.parameters.state.tobytes()
    again = path.with_name("again.nnfw")
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("item", REGISTRY.components("layer") + REGISTRY.components("activation"), ids=str)
def test_every_layer_and_activation_can_be_in_such_a_network(item):
    layers = [{TYPE: item.qualified_name, **options} for options in item.spec.examples or ({},)]
    if item.kind == "activation":
        layers = [{TYPE: "activation", "activation": layer} for layer in layers]
    assert any(is_good(layer, shape) for layer in layers for shape in SHAPES)


@settings(deadline=None, max_examples=50)
@given(transforms=st.lists(references("transform"), max_size=3), seed=st.integers(0, 1 << 30))
def test_preprocessing_of_any_transforms_saves_and_loads_equal(transforms, seed, tmp_path_factory):
    rng = np.random.default_rng(seed)
    features = {"a": rng.normal(size=9), "b": rng.normal(size=(9, 2)), "c": np.array(["x", "y", "z"] * 3)}
    resolved = [REGISTRY.resolve("transform", table) for table in [*transforms, "one_hot"]]
    try:
        preprocessing = Preprocessing.fit(Examples(features), resolved)
    except nnfw.DataError:  # one_hot twice has no words to take
        return
    model = nnfw.Sequential([{TYPE: "dense", "units": 3}], preprocessing.input_shape)
    model.preprocessing = preprocessing
    path = tmp_path_factory.getbasetemp() / "any.nnfw"
    model.save(path)
    loaded = nnfw.load(path).preprocessing
    assert loaded == model.preprocessing
    assert loaded.apply(features).tobytes() == model.preprocessing.apply(features).tobytes()


def load_dataset(name, option, path):
    return nnfw.dataset(name, **{option: path.name}).load(path.parent)


def read_stdin(path):
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        read_csv(stream)


def predict_table(path):
    table = path.with_name("any.csv")
    path.replace(table)
    model = nnfw.Sequential([{TYPE: "dense", "units": 2}], 2)
    model.preprocessing = Preprocessing.fit(Examples({"a": np.array([1.0, 2.0]), "b": np.array([3.0, 5.0])}))
    list(predict(model, str(table)).rows())


def open_directory(path):
    """Read the record of a run, and the experiment that it is about."""
    directory = path.with_name("run")
    directory.mkdir(exist_ok=True)
    path.replace(directory / "record.json")
    (directory / "experiment.toml").write_text("seed = 1\n")
    open_run(directory, Access(REGISTRY))


READERS = {
    "model": (nnfw.load, [b"", (90).to_bytes(8, "little") + b'{"__metadata__": {"nnfw": "']),
    "csv": (read_csv, [b"", b"a,b\n1,2\n"]),
    "npy": (
        partial(load_dataset, "npy", "x"),
        [b"", b"\x93NUMPY\x01\0\x40\0{'descr': '<f8', 'fortran_order': False, "],
    ),
    "npz": (partial(load_dataset, "npz", "path"), [b"", b"PK\x03\x04"]),
    "idx": (partial(load_dataset, "idx", "images"), [b"", b"\0\0\x08\x01\0\0\0\x02", b"\x1f\x8b\x08\0"]),
    "csv-on-stdin": (read_stdin, [b"", b"a,b\n1,2\n"]),
    "csv-to-predict": (predict_table, [b"", b"a,b\n1,2\n", b'b,a\n"', b"x,a,b\n1,"]),
    "record": (open_directory, [b"", b'{"data": {"directory": ', b'{"data": {"directory": "."}, "plugins": ']),
    "experiment": (lambda path: read_experiment(str(path), REGISTRY), [b"", b"[data]\nsource = "]),
}


@pytest.mark.parametrize("name", READERS)
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_any_bytes_are_read_or_refused_by_an_error_of_nnfw(name, data, tmp_path_factory):
    read, starts = READERS[name]
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data.draw(st.sampled_from(starts)) + data.draw(st.binary(max_size=200)))
    try:
        read(path)
    except nnfw.NnfwError as error:
        assert str(error)  # noqa: PT017


TEXTS = {
    "reference": (parse_reference, ["", "dense:", "dense:units=", "dense:activation={type="]),
    "component": (parse_component, ["", "chain:layers=[", "x:a="]),
    "override": (lambda text: apply_overrides(Document({"a": [{"b": 1}]}), [text]), ["", "a[0].b=", "a=", "c.d="]),
}


@pytest.mark.parametrize("name", TEXTS)
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_any_text_is_read_or_refused_by_an_error_of_nnfw(name, data):
    read, starts = TEXTS[name]
    try:
        read(data.draw(st.sampled_from(starts)) + data.draw(st.text(max_size=60)))
    except nnfw.NnfwError as error:
        assert str(error)  # noqa: PT017
