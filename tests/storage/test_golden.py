"""Files that earlier versions wrote stay readable, by nnfw and by the reader on the page of the format."""

import importlib.util
import re
import struct
from pathlib import Path

import numpy as np
import pytest

import nnfw

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
PAGE = (ROOT / "docs" / "model-file.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def expected():
    spec = importlib.util.spec_from_file_location("golden_make", GOLDEN / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.model()


def test_file_of_format_1_loads_bit_equal(expected):
    model = nnfw.load(GOLDEN / "model-1.nnfw")
    assert model.layers == expected.layers
    assert model.preprocessing == expected.preprocessing
    assert (model.seed, model.input_shape, model.dtype) == (20201101, (4,), np.dtype("float32"))
    assert {name: array.tobytes() for name, array in model.parameters.items()} == {
        name: array.tobytes() for name, array in expected.parameters.items()
    }
    assert np.signbit(model.parameters["layers.0.weight"][1, 0])  # -0.0


def test_file_of_format_1_predicts_what_its_formulas_say():
    model = nnfw.load(GOLDEN / "model-1.nnfw")
    x = np.array([(65.0 - 40.5) / 12.25, 0, 1, 0])
    w, b = (np.arange(12).reshape(3, 4) - 4) / -8, (np.arange(3) - 4) / -8
    z = x @ w.T + b
    z = np.where(z > 0, z, 0.25 * z) @ ((np.arange(6).reshape(2, 3) - 4) / -8).T
    a = np.exp(z) / np.exp(z).sum()
    raw = {"age": np.array([65.0]), "city": np.array(["Oslo"])}
    found = model.predict(model.preprocessing.apply(raw))
    np.testing.assert_allclose(found, [a], rtol=1e-6)
    assert model.preprocessing.labels(found).tolist() == [["no", "yes"][int(a.argmax())]]


def test_saving_a_file_of_format_1_again_gives_the_same_arrays(expected, tmp_path):
    expected.save(tmp_path / "again.nnfw")
    arrays = sum(array.nbytes for array in expected.parameters.values())
    assert (tmp_path / "again.nnfw").read_bytes()[-arrays:] == (GOLDEN / "model-1.nnfw").read_bytes()[-arrays:]


@pytest.fixture
def read_model():
    """Return the reader that the page shows."""
    code = re.search(r"```python\n(# read_model\.py\n.*?)```", PAGE, re.DOTALL)[1]
    scope = {}
    exec(compile(code, "read_model.py", "exec"), scope)
    return scope["read_model"]


def test_reader_of_the_page_reads_the_file(expected, read_model):
    header, arrays = read_model(GOLDEN / "model-1.nnfw")
    assert header["layers"][0]["type"] == "nnfw:dense"
    assert {name: (shape, struct.pack(f"<{len(values)}f", *values)) for name, (shape, values) in arrays.items()} == {
        name: (array.shape, array.tobytes()) for name, array in expected.parameters.items()
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'\\"format\\": 1', b'\\"format\\": 2', "format 2: get a newer reader"),
        (b"40.5", b"90.5", "the header is damaged"),
        (b"\0\0\0\x3f", b"\0\0\0\x3e", "layers.0.bias is damaged"),
    ],
    ids=["newer", "header", "array"],
)
def test_reader_of_the_page_refuses(tmp_path, read_model, old, new, message):
    content = (GOLDEN / "model-1.nnfw").read_bytes()
    assert old in content
    (tmp_path / "model.nnfw").write_bytes(content.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        read_model(tmp_path / "model.nnfw")


@pytest.mark.parametrize(
    "entry",
    ["format", "readable_since", "tensors", "distributions", "dtype", "input_shape", "seed", "layers", "preprocessing"],
)
def test_every_entry_of_a_header_is_specified(read_model, entry):
    header, _ = read_model(GOLDEN / "model-1.nnfw")
    assert entry in header
    assert f"\n| `{entry}` | " in PAGE


def test_no_entry_of_a_header_is_left_out_of_the_page(read_model):
    header, _ = read_model(GOLDEN / "model-1.nnfw")
    assert [entry for entry in header if f"\n| `{entry}` | " not in PAGE] == []
