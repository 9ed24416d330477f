"""The file of a model: written right, read strictly."""

import hashlib
import json
import os
from functools import partial

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nnfw.errors import DataError, FileFormatError, NnfwError
from nnfw.storage import container

HEADER = {"name": "digits", "layers": [{"units": 3, "activation": None}], "rate": 0.1, "note": "δ"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.nnfw"


@pytest.fixture
def arrays():
    return {
        "layers.1.weight": np.array([[1.5, -0.0], [2.0, 3.0]], np.float32),
        "layers.0.bias": np.array([0.1, 5e-324]),
        "step": np.array(7),
    }


def assert_same(read, written):
    assert list(read) == sorted(written)
    for name, array in written.items():
        assert read[name].dtype == array.dtype
        assert read[name].shape == array.shape
        assert read[name].tobytes() == array.tobytes()


def refused(path, *, match):
    with pytest.raises(FileFormatError, match=rf"^\S*model\.nnfw: {match}"):
        container.read(path)


# Writing


def test_model_file_round_trip_returns_header_and_arrays(path, arrays):
    container.write(path, HEADER, arrays)
    header, read = container.read(path)
    assert header == HEADER
    assert_same(read, arrays)


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.array(3.0), id="0-d"),
        pytest.param(np.zeros((0, 3), np.float32), id="empty"),
        pytest.param(np.arange(12.0).reshape(3, 4).T, id="transposed"),
        pytest.param(np.arange(12.0).reshape(3, 4)[:, ::2], id="sliced"),
        pytest.param(np.arange(5, dtype=np.float32)[::-1], id="reversed"),
        pytest.param(np.broadcast_to(np.float32(2), (2, 3)), id="broadcast"),
        pytest.param(np.array([-0.0, 5e-324, 1.7976931348623157e308]), id="extreme-floats"),
    ],
)
def test_write_array_of_any_layout_comes_back(path, array):
    container.write(path, {}, {"a": array})
    assert_same(container.read(path)[1], {"a": array})


def test_write_big_endian_array_comes_back_with_its_values(path):
    container.write(path, {}, {"a": np.array([1.5, 2.0], ">f4")})
    np.testing.assert_array_equal(container.read(path)[1]["a"], np.array([1.5, 2.0], np.float32), strict=True)


ARRAYS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6).filter(lambda name: name != "__metadata__"),
    st.sampled_from([np.float32, np.float64, np.int8, np.int64, np.uint8, np.uint32]).flatmap(
        partial(
            hnp.arrays,
            shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
            elements={"allow_nan": False, "allow_infinity": False},
        )
    ),
    max_size=4,
)


@settings(deadline=None)
@given(arrays=ARRAYS)
def test_model_file_round_trip_is_bit_equal(tmp_path_factory, arrays):
    path = tmp_path_factory.getbasetemp() / "any.nnfw"
    container.write(path, HEADER, arrays)
    assert_same(container.read(path)[1], arrays)


def test_write_modifies_nothing(path, arrays):
    before = {name: array.copy() for name, array in arrays.items()}
    header = json.loads(json.dumps(HEADER))
    container.write(path, header, arrays)
    assert header == HEADER
    assert_same({name: arrays[name] for name in sorted(arrays)}, before)


def test_write_twice_gives_the_same_bytes(path, arrays):
    container.write(path, HEADER, arrays)
    first = path.read_bytes()
    container.write(path, dict(reversed(HEADER.items())), dict(reversed(arrays.items())))
    assert path.read_bytes() == first


def test_write_safetensors_can_read_it(path, arrays):
    container.write(path, HEADER, arrays)
    read = safetensors.numpy.load_file(path)
    assert_same({name: read[name] for name in sorted(read)}, arrays)


def test_read_arrays_are_writable(path, arrays):
    container.write(path, HEADER, arrays)
    assert all(array.flags.writeable and array.flags.aligned for array in container.read(path)[1].values())


@pytest.mark.parametrize(
    ("array", "message"),
    [
        pytest.param(
            np.array([1.0, np.nan, np.inf]),
            r"^Tensor 'w' holds 2 values that are not finite; such a model is not written\.",
            id="two-not-finite",
        ),
        pytest.param(np.array(-np.inf), r"^Tensor 'w' holds 1 value that is not finite;", id="infinite"),
        pytest.param(
            np.array([object()]),
            r"^Tensor 'w' has dtype object; a model file holds float32, float64 and integers\. Convert it\.$",
            id="object",
        ),
        pytest.param(np.array([True]), r"^Tensor 'w' has dtype bool;", id="bool"),
        pytest.param(np.array([1j]), r"^Tensor 'w' has dtype complex128;", id="complex"),
        pytest.param(np.array([1], np.float16), r"^Tensor 'w' has dtype float16;", id="float16"),
        pytest.param(np.array(["a"]), r"^Tensor 'w' has dtype <U1;", id="text"),
    ],
)
def test_write_unfit_array_is_refused_and_the_old_file_stays(path, array, message):
    path.write_bytes(b"old")
    with pytest.raises(DataError, match=message):
        container.write(path, {}, {"fine": np.zeros(2), "w": array})
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("name", ["__metadata__", "\ud800"], ids=["metadata", "surrogate"])
def test_write_impossible_name_is_refused(path, name):
    with pytest.raises(DataError, match=r"^Tensor '.*': the format cannot hold this name\. Rename it\.$"):
        container.write(path, {}, {name: np.zeros(2)})


@pytest.mark.parametrize("value", [np.nan, np.inf, {1, 2}], ids=repr)
def test_write_header_that_is_no_json_is_refused(path, value):
    with pytest.raises(DataError, match=r"^The header of a model file must be JSON without NaN and infinity: "):
        container.write(path, {"history": [value]}, {})


@pytest.mark.parametrize("key", ["format", "readable_since", "tensors"])
def test_write_header_with_a_taken_name_is_refused(path, key):
    expected = rf"^The header of a model file has '{key}', a name that the format needs\. Rename it\.$"
    with pytest.raises(DataError, match=expected):
        container.write(path, {key: 1}, {})


def test_write_header_too_large_to_be_read_is_refused(path):
    with pytest.raises(DataError, match=r"has 8,4\d\d,\d\d\d bytes; with the table .*, 8,388,608 are the most\. Put"):
        container.write(path, {"note": "x" * (8_400_000)}, {})


class Twice(dict):
    """A table that gives one of its keys twice."""

    def items(self):
        return [("a", 1), ("a", 2)]


@pytest.mark.parametrize(
    "header", [{"a": [0] * 600_000}, {"a": "\ud800"}, {"a": Twice(a=1)}], ids=["many", "half", "twice"]
)
def test_write_header_that_would_not_be_read_is_refused(path, header):
    with pytest.raises(DataError, match=r"^The header of a model file must be JSON .*(524,288|surrogates|twice)"):
        container.write(path, header, {})
    assert not path.exists()


def test_write_to_missing_folder_is_refused(tmp_path):
    with pytest.raises(NnfwError, match=r"none.model\.nnfw: its \d+ bytes cannot be written: No such file"):
        container.write(tmp_path / "none" / "model.nnfw", {}, {})


# Reading


def test_read_missing_file_is_refused(path):
    refused(path, match=r"there is no such file\. Check the path\.$")


def test_read_folder_is_refused(path):
    path.mkdir()
    refused(path, match=r"is a folder\. Name a model file in it\.$")


def test_read_impossible_path_is_refused():
    with pytest.raises(FileFormatError, match=r"^a\x00b: cannot be read: .*embedded null .* Check path and disk\.$"):
        container.read("a\0b")


def test_read_error_of_the_disk_is_reported(path, arrays, monkeypatch):
    def fail(*given):
        raise OSError(5, "Input/output error")

    container.write(path, HEADER, arrays)
    monkeypatch.setattr(container, "_read_table", fail)
    refused(path, match=r"cannot be read: Input/output error\. Check path and disk\.$")


def test_read_empty_file_is_refused(path):
    path.touch()
    refused(path, match=r"is empty\. Take a copy that is whole\.$")


@pytest.mark.parametrize(
    "content",
    [b"\x93NUMPY\x01\0v\0{'descr'", b"PK\x03\x04" + bytes(40), b"{}", b"\x80\x04\x95" + bytes(40), b"\xff" * 8 + b"{}"],
    ids=["npy", "zip", "json", "pickle", "absurd-length"],
)
def test_read_other_format_is_refused(path, content):
    path.write_bytes(content)
    refused(path, match=r"is not a model file of nnfw\. Name a file that `nnfw train` or `model\.save` wrote\.$")


def test_read_safetensors_of_others_is_refused(path):
    safetensors.numpy.save_file({"a": np.zeros(2)}, path, {"made_by": "others"})
    refused(path, match=r"is a safetensors file, but not a model of nnfw\. Name a file that")


def test_read_file_cut_anywhere_is_refused(path, arrays):
    container.write(path, HEADER, arrays)
    content = path.read_bytes()
    for end in range(0, len(content), 7):
        path.write_bytes(content[:end])
        refused(path, match=r"is (empty|not a model file of nnfw|truncated: [\d,]+ bytes of at least [\d,]+)\. ")


def test_read_file_with_any_byte_changed_is_refused_or_says_the_same(path, arrays, rng):
    container.write(path, HEADER, arrays)
    content = path.read_bytes()
    for index in range(len(content)):
        path.write_bytes(content[:index] + bytes([content[index] ^ rng.integers(1, 256)]) + content[index + 1 :])
        try:
            assert_same(container.read(path)[1], arrays)
        except FileFormatError:
            continue


def test_read_changed_array_is_refused(path, arrays):
    container.write(path, HEADER, arrays)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    refused(path, match=r"is damaged: the bytes of tensor 'layers\.1\.weight' are not those that were written\. Take a")


def test_read_longer_file_is_refused(path, arrays):
    container.write(path, HEADER, arrays)
    path.write_bytes(path.read_bytes() + b"more")
    refused(path, match=r"is damaged: 4 bytes at its end belong to no tensor\.")


def _metadata(own):
    text = own if isinstance(own, str) else json.dumps(own)
    return {"nnfw": f"{hashlib.sha256(text.encode()).hexdigest()} {text}"}


def test_a_changed_header_is_refused(path):
    container.write(path, {"mean": 44.0083}, {"a": np.zeros(2, np.float32)})
    path.write_bytes(path.read_bytes().replace(b"44.0083", b"94.0083"))
    refused(path, match=r"is damaged: its header does not fit its checksum")


def forge(path, edit, data=bytes(16)):
    """Write a file with the tensors a (2 float32) and b (2 int32), after `edit` has changed table and own header."""
    table = {
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "b": {"dtype": "I32", "shape": [2], "data_offsets": [8, 16]},
    }
    digest = "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc"  # of 8 zero bytes
    own = {
        "format": 1,
        "readable_since": "0.1",
        "tensors": {
            "a": {"dtype": "float32", "shape": [2], "sha256": digest},
            "b": {"dtype": "int32", "shape": [2], "sha256": digest},
        },
    }
    table = edit(table, own) or table
    if isinstance(table, dict):
        table = json.dumps({"__metadata__": _metadata(own), **table})
    text = table.encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def test_forged_file_without_edits_is_read(path):
    forge(path, lambda table, own: None)
    assert {name: array.tolist() for name, array in container.read(path)[1].items()} == {"a": [0, 0], "b": [0, 0]}


def row(name, **changes):
    return lambda table, own: table[name].update(changes)


def own(**changes):
    return lambda table, own: own.update(changes)


def described(name, **changes):
    return lambda table, own: own["tensors"][name].update(changes)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        pytest.param(
            row("b", data_offsets=[4, 12]),
            r"is damaged: the bytes of tensor 'b' begin at 4, not at 8\. Take a copy that is whole\.$",
            id="overlap",
        ),
        pytest.param(
            row("a", data_offsets=[4, 12]), r"is damaged: the bytes of tensor 'a' begin at 4, not at 0", id="gap"
        ),
        pytest.param(
            row("b", shape=[1 << 40], data_offsets=[8, 8 + (1 << 42)]),
            r"is truncated: 16 bytes of at least 4,398,046,511,112\.",
            id="four-terabytes",
        ),
        pytest.param(row("b", shape=[3]), r"is damaged: tensor 'b' of shape \(3,\) cannot have 8 bytes", id="length"),
        pytest.param(
            row("b", data_offsets=[16, 8]), r"is damaged: .* shape \(2,\) cannot have -8 bytes", id="backwards"
        ),
        pytest.param(
            row("b", shape=[-2, -1]),
            r"is damaged: shape or offsets of tensor 'b' are not a list of sizes",
            id="negative",
        ),
        pytest.param(row("b", shape=[2.0]), r"is damaged: shape or offsets of tensor 'b'", id="float"),
        pytest.param(row("b", shape=[True, 2]), r"is damaged: shape or offsets of tensor 'b'", id="bool"),
        pytest.param(row("b", shape=[2] + [1] * 64), r"is damaged: shape or offsets of tensor 'b'", id="65-axes"),
        pytest.param(row("b", shape=[1 << 64, 0]), r"is damaged: shape or offsets of tensor 'b'", id="beyond-64-bits"),
        pytest.param(
            lambda table, own: (
                table.update(c={"dtype": "F64", "shape": [0, 1 << 62, 4], "data_offsets": [16, 16]})
                or own["tensors"].update(
                    c={
                        "dtype": "float64",
                        "shape": [0, 1 << 62, 4],
                        "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                    }
                )
            ),
            r"is damaged: tensor 'c' cannot have shape \(0, 4611686018427387904, 4\)",
            id="empty-but-vast",
        ),
        pytest.param(
            row("b", more=1), r"is damaged: tensor 'b' lacks one of dtype, shape, data_offsets, or has more", id="more"
        ),
        pytest.param(lambda table, own: table.update(b=[]), r"is damaged: tensor 'b' lacks one of", id="no-row"),
        pytest.param(row("b", shape=2), r"is damaged: tensor 'b' lacks one of", id="shape-is-no-list"),
        pytest.param(
            row("b", dtype="BF16"),
            r"tensor 'b' has dtype 'BF16'; a file of nnfw holds float32, float64 and integers\. Convert it with",
            id="dtype",
        ),
        pytest.param(
            row("b", dtype="F32"), r"is damaged: its header and its table disagree about tensor 'b'", id="other-dtype"
        ),
        pytest.param(described("b", shape=[1, 2]), r"is damaged: its header and its table disagree", id="other-shape"),
        pytest.param(described("b", shape=[2.0]), r"is damaged: its header and its table disagree", id="shape-float"),
        pytest.param(described("b", more=1), r"is damaged: its header and its table disagree", id="more-described"),
        pytest.param(described("b", sha256=None), r"is damaged: the bytes of tensor 'b' are not those", id="no-hash"),
        pytest.param(
            lambda table, own: own["tensors"]["b"].pop("sha256") and None,
            r"is damaged: its header and its table disagree about tensor 'b'",
            id="hash-missing",
        ),
        pytest.param(
            own(tensors={}), r"is damaged: its header and its table disagree about tensor 'a'", id="undescribed"
        ),
        pytest.param(
            lambda table, own: own["tensors"].update(c={}),
            r"is damaged: .* disagree about tensor 'c'",
            id="only-described",
        ),
        pytest.param(own(format=0), r"is damaged: its header lacks format, readable_since or tensors", id="format-0"),
        pytest.param(
            own(format=True), r"is damaged: its header lacks format, readable_since or tensors", id="format-bool"
        ),
        pytest.param(own(readable_since=None), r"is damaged: its header lacks format, readable_since", id="no-reader"),
        pytest.param(own(readable_since="9" * 10), r"is damaged: its header lacks format, readable_", id="odd-reader"),
        pytest.param(
            own(tensors=[]), r"is damaged: its header lacks format, readable_since or tensors", id="no-tensors"
        ),
        pytest.param(
            own(format=2, readable_since="0.7.1", tensors=None, more=1),
            r"was made by a newer nnfw: its format is 2",
            id="newer-and-different",
        ),
        pytest.param(
            own(format=2, readable_since="0.7.1"),
            r"was made by a newer nnfw: its format is 2, this version reads up to 1\. Install nnfw >= 0\.7\.1\.$",
            id="newer",
        ),
        pytest.param(
            own(format=10**100), r"was made by a newer nnfw: its format is 10{56}\.\.\., this version", id="far-newer"
        ),
        pytest.param(
            own(format=2, readable_since="0; rm"),
            r"was made by a newer nnfw: .* Install the newest nnfw\.$",
            id="unsaid",
        ),
        pytest.param(
            lambda table, own: '{"a": 1, "a": 2}', r"is damaged: its header is not JSON: a key is there", id="twice"
        ),
        pytest.param(
            lambda table, own: '{"a": NaN}', r"is damaged: .* not JSON: 'NaN' is not a finite number", id="nan"
        ),
        pytest.param(
            lambda table, own: '{"a": -1e400}',
            r"is damaged: .* not JSON: '-1e400' is not a finite number",
            id="infinite",
        ),
        pytest.param(
            lambda table, own: r'{"\ud800": 1}', r"is damaged: .* not JSON: .*surrogates not allowed", id="half"
        ),
        pytest.param(
            lambda table, own: '{"a": [' + "0," * 600_000, r"is damaged: .* more than 524,288 values", id="many"
        ),
        pytest.param(
            lambda table, own: json.dumps({"__metadata__": _metadata(own) | {"more": ""}, **table}),
            r"is damaged: its metadata have more than the entry 'nnfw'",
            id="more-metadata",
        ),
        pytest.param(
            lambda table, own: json.dumps({"__metadata__": {"nnfw": f" {json.dumps(own)}"}, **table}),
            r"is damaged: its header does not fit its checksum",
            id="no-checksum",
        ),
        pytest.param(
            lambda table, own: '{"a": ' + "1" * 5000, r"is damaged: its header is not JSON: Exceeds", id="digits"
        ),
        pytest.param(lambda table, own: '{"a": ' + "[" * 99_999, r"is damaged: its header is not JSON: ", id="deep"),
        pytest.param(lambda table, own: '{"a": 1', r"is damaged: its header is not JSON: ", id="unclosed"),
        pytest.param(
            lambda table, own: '{"__metadata__": {"nnfw": " []"}}', r"is damaged: its header is not a table", id="list"
        ),
        pytest.param(
            lambda table, own: '{"__metadata__": {"nnfw": {}}}', r"is a safetensors file, but not a model", id="none"
        ),
    ],
)
def test_read_forged_file_is_refused(path, edit, message):
    forge(path, edit)
    refused(path, match=message)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf], ids=str)
def test_read_numbers_that_are_not_finite_are_refused(path, number):
    data = np.array([1, number], "<f4").tobytes()

    def edit(table, own):
        own["tensors"]["a"]["sha256"] = hashlib.sha256(data).hexdigest()

    forge(path, edit, data + bytes(8))
    refused(path, match=r"is damaged: tensor 'a' holds numbers that are not finite\. Take a copy that is whole\.$")


def test_read_integers_with_the_bytes_of_nan_are_integers(path):
    data = np.array([1, np.nan], "<f4").tobytes()

    def edit(table, own):
        own["tensors"]["b"]["sha256"] = hashlib.sha256(data).hexdigest()

    forge(path, edit, bytes(8) + data)
    assert container.read(path)[1]["b"].tobytes() == data


def test_read_array_larger_than_memory_is_refused(path, monkeypatch):
    def fail(*given):
        raise MemoryError

    forge(path, lambda table, own: None)
    monkeypatch.setattr(container.np, "empty", fail)
    refused(path, match=r"tensor 'a' takes 8 bytes of memory, more than there are\. Load it on a larger machine\.$")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_read_pipe_is_refused_at_once(path):
    os.mkfifo(path)
    refused(path, match=r"cannot be read: it is a device or a pipe, not a file\. Check path and disk\.$")


def test_opened_reads_no_array_before_it_is_asked_to(path):
    forge(path, lambda table, own: None, bytes(15) + b"x")
    with container.opened(path) as file:
        assert [(tensor.name, tensor.dtype.name, tensor.shape) for tensor in file.tensors] == [
            ("a", "float32", (2,)),
            ("b", "int32", (2,)),
        ]
        with pytest.raises(FileFormatError, match="the bytes of tensor 'b' are not those that were written"):
            file.arrays()


def test_read_table_that_is_not_utf_8_is_refused(path):
    path.write_bytes((8).to_bytes(8, "little") + b'{"\xff": 1}')
    refused(path, match=r"is damaged: its header is not JSON: 'utf-8' codec can't decode")


def test_read_file_that_shrinks_meanwhile_is_refused(path, arrays, monkeypatch):
    container.write(path, HEADER, arrays)
    real = container._compare

    def shrink(*given):
        path.write_bytes(b"")
        real(*given)

    monkeypatch.setattr(container, "_compare", shrink)
    monkeypatch.setattr(container, "open_regular", lambda path, inside: path.open("rb", buffering=0))
    refused(path, match=r"is damaged: tensor '.*' ended while it was read\.")


def test_read_long_names_are_cut_in_messages(path):
    forge(path, lambda table, own: {"x" * 100_000: []})
    with pytest.raises(FileFormatError) as caught:
        container.read(path)
    assert len(str(caught.value)) < 400


# --- other kinds of file ---------------------------------------------------------------------------------------------

LETTER = container.Format("letter", "nnfw-letter", "`post`", 2, "0.3")


def test_file_of_another_kind_is_read_as_that_kind_alone(path):
    container.write(path, HEADER, {"a": np.ones(2)}, LETTER)
    assert container.read(path, LETTER)[0] == HEADER
    with pytest.raises(FileFormatError, match="is a safetensors file, but not a model of nnfw"):
        container.read(path)
    container.write(path, HEADER, {})
    with pytest.raises(FileFormatError, match="not a letter of nnfw. Name a file that `post` wrote"):
        container.read(path, LETTER)


def test_format_of_another_kind_is_counted_by_itself(path):
    container.write(path, HEADER, {}, LETTER)
    older = container.Format("letter", "nnfw-letter", "`post`", 1, "0.1")
    with pytest.raises(FileFormatError, match="its format is 2, this version reads up to 1. Install nnfw >= 0.3"):
        container.read(path, older)
