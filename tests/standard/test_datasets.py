import gzip
import os
import pickle
import re
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import nnfw
from nnfw.errors import ConfigError, DataError
from nnfw_standard import CSV, IDX, XOR, Digits, Moons, Npy, Npz, Spirals
from nnfw_standard.datasets import idx as idx_module

HERE = Path(__file__).parent
PETS = "kind,weight,legs,home\ncat,4.5,4,house\nparrot,0.4,2,cage\ncat,3.9,4,barn\n"
LABELS = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # as the source states them, digit by digit


def write(folder, content, name="pets.csv"):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def idx_bytes(array, code=0x08):
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + array.tobytes()


class Exploding:
    """Says so if it is ever unpickled."""

    def __reduce__(self):
        return (exec, ("import os; os.exploded = True",))


@pytest.fixture
def unexploded():
    yield
    assert not hasattr(os, "exploded"), "code in a file was run"


# CSV


def test_csv_load_takes_all_columns_but_the_target(tmp_path):
    write(tmp_path, PETS)
    examples = CSV("pets.csv", target="kind").load(tmp_path)
    assert list(examples.features) == ["weight", "legs", "home"]
    assert examples.target.tolist() == ["cat", "parrot", "cat"]
    assert (examples.target_name, examples.classes) == ("kind", ("cat", "parrot"))


def test_csv_load_features_chooses_columns_in_order(tmp_path):
    write(tmp_path, PETS)
    examples = CSV("pets.csv", target="weight", features=("home", "legs")).load(tmp_path)
    assert list(examples.features) == ["home", "legs"]


VISITS = "visit,patient,day,w,size,kind,mass\na,p,02.01.2024,1,3.5,cat,4\nb,q,01.01.2024,0.5,2.5,dog,9\n"
ROLES = {"id": "visit", "group": "patient", "time": "day", "weight": "w"}


def test_csv_load_columns_with_a_role_are_no_features(tmp_path):
    write(tmp_path, VISITS)
    examples = CSV("pets.csv", target=("kind", "mass"), **ROLES).load(tmp_path)
    assert list(examples.features) == ["size"]
    assert (examples.target.tolist(), examples.further["mass"].tolist()) == (["cat", "dog"], [4, 9])
    assert (examples.weight.tolist(), examples.group.tolist()) == ([1, 0.5], ["p", "q"])
    assert np.diff(examples.time).tolist() == [-86400]


def test_csv_load_column_with_a_role_is_a_feature_by_name(tmp_path):
    write(tmp_path, VISITS)
    examples = CSV("pets.csv", target="kind", features=("size", "w"), **ROLES).load(tmp_path)
    assert list(examples.features) == ["size", "w"]
    assert examples.weight.tolist() == [1, 0.5]


@pytest.mark.parametrize(
    ("old", "new", "options", "message"),
    [
        ("0.5", "-0.5", {}, r"^pets\.csv:3: column 'w': a weight must be 0 or more, got -0\.5\. Correct it\.$"),
        ("0.5", "", {}, r"^pets\.csv:3: column 'w': cells without a finite number: 1, the first is '' in this line"),
        (",1,", ",much,", {}, r"^pets\.csv:2: column 'w': expected a number, got 'much'\."),
        ("q", "", {}, r"^pets\.csv:3: column 'patient': missing values: 1, the first is '' in this line"),
        (
            "01.01.2024",
            "soon",
            {},
            r"^pets\.csv:3: column 'day': a time must be a number or a date, all .* got 'soon'\.",
        ),
        (
            "02.01.2024",
            "1/2/2024",
            {},
            r"^pets\.csv:2: column 'day': day and month cannot be told apart\. Write dates as",
        ),
        ("", "", {"time": "days"}, r"^pets\.csv: there is no column 'days'\. Did you mean 'day'\? Columns: visit, pat"),
        ("", "", {"target": ("mass", "mass")}, r"^pets\.csv: target names 'mass' twice\. Remove one of them\.$"),
        ("", "", {"target": "w"}, r"^pets\.csv: 'w' is the target and cannot be the weight too\.$"),
        ("", "", {"target": ("kind", "visit")}, r"^pets\.csv: 'visit' is the target and cannot be the id too\.$"),
        ("", "", {"features": ("kind",)}, r"^pets\.csv: 'kind' is the target and cannot be a feature too\.$"),
        ("", "", {"exclude": ("size", "mass")}, r"^pets\.csv: no column is left to learn from\. Its columns: visit, "),
    ],
)
def test_csv_load_roles_that_do_not_fit_are_refused(tmp_path, old, new, options, message):
    write(tmp_path, VISITS.replace(old, new) if old else VISITS)
    with pytest.raises(DataError, match=message):
        CSV("pets.csv", **{"target": "kind", **ROLES, **options}).load(tmp_path)


def test_csv_load_weights_that_are_all_0_are_refused(tmp_path):
    write(tmp_path, VISITS.replace(",1,", ",0,").replace("0.5", "0"))
    with pytest.raises(
        DataError, match=r"^pets\.csv: column 'w': all weights are 0, so no row counts\. Give one of th"
    ):
        CSV("pets.csv", target="kind", weight="w").load(tmp_path)


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [("1 2 3", np.int64), ("1 2.5 3", np.float64), ("1e300 1 2", np.float64)],
    ids=["whole", "fractions", "too large to be whole"],
)
def test_csv_load_numeric_target_is_integer_if_all_are_whole(tmp_path, cells, dtype):
    write(tmp_path, "y,a\n" + "".join(f"{cell},0\n" for cell in cells.split()))
    examples = CSV("pets.csv", target="y").load(tmp_path)
    assert examples.target.dtype == dtype
    assert examples.target.tolist() == [float(cell) for cell in cells.split()]
    assert examples.classes is None


def test_csv_load_categorical_target_of_numbers_is_classes(tmp_path):
    write(tmp_path, "y,a\n10,0\n9,1\n")
    examples = CSV("pets.csv", target="y", categorical=("y",)).load(tmp_path)
    assert examples.classes == ("10", "9")


def test_csv_load_absolute_path_ignores_the_directory(tmp_path):
    write(tmp_path, PETS)
    assert len(CSV(str(tmp_path / "pets.csv"), target="kind").load(Path("/nowhere"))) == 3


def test_csv_load_unused_column_may_be_damaged(tmp_path):
    write(tmp_path, PETS.replace(",4,", ",,"))
    assert len(CSV("pets.csv", target="kind", features=("weight",)).load(tmp_path)) == 3


def test_csv_load_used_column_with_word_is_refused(tmp_path):
    write(tmp_path, PETS.replace("0.4", "light"))
    with pytest.raises(DataError, match=r"pets.csv:3: column 'weight': expected a number, got 'light'"):
        CSV("pets.csv", target="kind").load(tmp_path)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"target": "kinds"}, "kinds"),
        ({"target": "kind", "features": ("weigth",)}, "weigth"),
        ({"target": "kind", "categorical": ("leg",)}, "leg"),
    ],
    ids=["target", "features", "categorical"],
)
def test_csv_load_unknown_column_suggests_the_nearest(tmp_path, options, name):
    write(tmp_path, PETS)
    with pytest.raises(
        DataError, match=rf"pets.csv: there is no column '{name}'\. Did you mean '(kind|weight|legs)'\?"
    ):
        CSV("pets.csv", **options).load(tmp_path)


def test_csv_load_target_among_features_is_refused(tmp_path):
    write(tmp_path, PETS)
    with pytest.raises(DataError, match=r"pets.csv: 'kind' is the target and cannot be a feature too"):
        CSV("pets.csv", target="kind", features=("kind", "legs")).load(tmp_path)


def test_csv_load_target_alone_is_refused(tmp_path):
    write(tmp_path, "y\n1\n2\n")
    with pytest.raises(DataError, match=r"^pets\.csv: no column is left to learn from\. Its columns: y\.$"):
        CSV("pets.csv", target="y").load(tmp_path)


def test_csv_excluded_columns_and_those_that_say_nothing_are_no_features(tmp_path):
    (tmp_path / "t.csv").write_text(";id;a;b;y;\n0;x;1,5;2;u;\n1;y;2,5;3;v;\n")
    found = nnfw.dataset("csv", path="t.csv", target="y", exclude=["id"]).load(tmp_path)
    assert list(found.features) == ["a", "b"]
    assert found.features["a"].tolist() == [1.5, 2.5]
    both = nnfw.dataset("csv", path="t.csv", target="y", exclude=["id"], features=["id", "a"])
    with pytest.raises(DataError, match=r"^t\.csv: 'id' is in features and in exclude\. Remove it from one of them\.$"):
        both.load(tmp_path)


def test_csv_dialect_is_as_the_options_say(tmp_path):
    (tmp_path / "t.csv").write_bytes("# é\n1 000;x;ä\n?;-;z\n".encode("latin-1"))
    options = {"comment": "#", "header": False, "thousands": " ", "encoding": "latin-1", "na_values": ["?"]}
    found = nnfw.dataset("csv", path="t.csv", target="column_3", delimiter=";", decimal=".", **options).load(tmp_path)
    np.testing.assert_array_equal(found.features["column_1"], [1000, np.nan])
    assert found.features["column_2"].tolist() == ["x", "-"]
    assert found.classes == ("z", "ä")


def test_csv_unknown_delimiter_is_refused_by_the_registry():
    with pytest.raises(ConfigError, match=r"delimiter must be 'auto', ',', ';', .*got ';;'"):
        nnfw.dataset("csv", path="pets.csv", target="kind", delimiter=";;")


def test_csv_penguins_are_complete():
    examples = CSV("penguins.csv", target="species").load(HERE.parents[1] / "examples")
    assert len(examples) == 333
    assert list(examples.features) == [
        "island",
        "bill_length_mm",
        "bill_depth_mm",
        "flipper_length_mm",
        "body_mass_g",
        "sex",
    ]
    assert dict(zip(*np.unique(examples.target, return_counts=True), strict=True)) == {
        "Adelie": 146,
        "Chinstrap": 68,
        "Gentoo": 119,
    }


# npy


def test_npy_load_maps_both_files(tmp_path, rng):
    x, y = rng.standard_normal((5, 2, 3)), np.arange(5)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    examples = Npy("x.npy", "y.npy", classes=tuple("abcde")).load(tmp_path)
    assert isinstance(examples.features["x"], np.memmap)
    assert not examples.features["x"].flags.writeable
    np.testing.assert_array_equal(examples.features["x"], x)
    np.testing.assert_array_equal(examples.target, y)
    assert examples.classes == tuple("abcde")


@pytest.mark.parametrize("save", ["npy", "npz", "compressed"])
@pytest.mark.parametrize(
    ("y", "expected"),
    [
        pytest.param(np.array([0.0, 2.0, 1.0]), np.int64, id="whole"),
        pytest.param(np.array([0.0, 2.5, 1.0], np.float32), np.float32, id="fraction"),
        pytest.param(np.ones((3, 2)), np.float64, id="rows"),
    ],
)
def test_array_target_of_whole_floats_becomes_whole_numbers(tmp_path, save, y, expected):
    np.save(tmp_path / "x.npy", np.eye(3))
    np.save(tmp_path / "y.npy", y)
    (np.savez_compressed if save == "compressed" else np.savez)(tmp_path / "data.npz", x=np.eye(3), y=y)
    target = (Npy("x.npy", "y.npy") if save == "npy" else Npz("data.npz")).load(tmp_path).target
    assert target.dtype == expected
    np.testing.assert_array_equal(target, y)


def test_npy_load_without_y_has_no_target(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(3))
    assert Npy("x.npy").load(tmp_path).target is None


def test_npy_load_fortran_order_is_kept(tmp_path, rng):
    x = np.asfortranarray(rng.standard_normal((4, 3)))
    np.save(tmp_path / "x.npy", x)
    np.testing.assert_array_equal(Npy("x.npy").load(tmp_path).features["x"], x)


def test_npy_load_reads_no_values(tmp_path):
    np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float32, shape=(50_000_000, 4)).flush()
    tracemalloc.start()
    try:
        examples = Npy("x.npy").load(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert examples.features["x"].nbytes == 800_000_000


def test_npy_load_text_is_categorical(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(2))
    np.save(tmp_path / "y.npy", np.array(["a", "b"]))
    assert Npy("x.npy", "y.npy").load(tmp_path).target.tolist() == ["a", "b"]


@pytest.mark.usefixtures("unexploded")
def test_npy_load_pickled_objects_are_refused_and_not_run(tmp_path):
    np.save(tmp_path / "x.npy", np.array([Exploding()], dtype=object), allow_pickle=True)
    with pytest.raises(
        DataError, match=r"^x.npy holds pickled Python objects, .*nothing of it was read\. Save numbers"
    ):
        Npy("x.npy").load(tmp_path)


@pytest.mark.usefixtures("unexploded")
def test_npy_load_plain_pickle_is_refused_and_not_run(tmp_path):
    write(tmp_path, pickle.dumps(Exploding()), "x.npy")
    with pytest.raises(
        DataError, match=r"^x.npy is not a readable .npy array: the magic string is not correct.*numpy.save"
    ):
        Npy("x.npy").load(tmp_path)


@pytest.mark.usefixtures("unexploded")
def test_npy_load_objects_within_a_structure_are_refused_and_not_run(tmp_path):
    array = np.array([(1, Exploding())], dtype=[("a", int), ("b", object)])
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match="holds pickled Python objects"):
        Npy("x.npy").load(tmp_path)


@pytest.mark.parametrize(
    "array",
    [np.ones(3, complex), np.zeros(3, "M8[s]"), np.zeros(3, [("a", int)]), np.array([b"a"])],
    ids=["complex", "dates", "structure", "bytes"],
)
def test_npy_load_other_dtypes_are_refused(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(DataError, match=r"^x.npy must hold real numbers or text, got dtype"):
        Npy("x.npy").load(tmp_path)


@pytest.mark.parametrize(
    ("array", "shape"),
    [(np.array(1.0), r"\(N, \.\.\.\), got \(\)"), (np.array([["a", "b"]]), r"\(N,\), got \(1, 2\)")],
    ids=["single number", "block of text"],
)
def test_npy_load_shape_without_examples_is_refused(tmp_path, array, shape):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(DataError, match=rf"^x.npy must have one entry for each example, shape {shape}"):
        Npy("x.npy").load(tmp_path)


def npy_with_header(header):
    text = header.encode() + b" " * (118 - len(header) - 1) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    "shape", ["(1000000000, 1000000000)", "(3, 99)", f"({2**70},)"], ids=["huge", "more", "absurd"]
)
def test_npy_load_header_that_declares_too_much_is_refused(tmp_path, shape):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    write(tmp_path, npy_with_header(header) + b"\0" * 80, "x.npy")
    with pytest.raises(
        DataError, match=r"^x.npy: the header declares float64 of shape .* but the file has 80\. It is trunc"
    ):
        Npy("x.npy").load(tmp_path)


def test_npy_load_negative_size_is_refused(tmp_path):
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (-10, -1), }"
    write(tmp_path, npy_with_header(header) + b"\0" * 80, "x.npy")
    with pytest.raises(
        DataError, match=r"^x.npy must hold real numbers or text, got dtype float64 and shape \(-10, -1\)"
    ):
        Npy("x.npy").load(tmp_path)


def test_npy_load_truncated_file_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(10))
    write(tmp_path, (tmp_path / "x.npy").read_bytes()[:-8], "x.npy")
    with pytest.raises(
        DataError, match=r"x.npy: the header declares float64 of shape \(10,\), 80 bytes, but the file has 72"
    ):
        Npy("x.npy").load(tmp_path)


def test_npy_load_file_with_more_than_declared_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(10))
    write(tmp_path, (tmp_path / "x.npy").read_bytes() + b"\0", "x.npy")
    with pytest.raises(DataError, match=r"x.npy: the header declares .* 80 bytes, but the file has more"):
        Npy("x.npy").load(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY\x01\x00",
        b"\x93NUMPY\x03\x00" + b"\0" * 100,
        npy_with_header("__import__('os').abort()"),
        npy_with_header("{'descr': '<f8', 'shape': (20, 3"),
        b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"(" * 9000,
        b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{}",
    ],
    ids=["empty", "no header", "unknown version", "code for a header", "unclosed", "nested", "endless header"],
)
def test_npy_load_unreadable_header_is_refused(tmp_path, content):
    write(tmp_path, content, "x.npy")
    with pytest.raises(DataError, match=r"^x.npy is not a readable .npy array: "):
        Npy("x.npy").load(tmp_path)


def test_npy_load_archive_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.eye(2))
    with pytest.raises(DataError, match=r"x.npz is an archive of arrays; use the dataset 'npz'"):
        Npy("x.npz").load(tmp_path)


def test_npy_load_no_example_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((0, 4)))
    with pytest.raises(DataError, match="The data is empty: it holds no example"):
        Npy("x.npy").load(tmp_path)


def test_npy_load_lengths_that_differ_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(3))
    np.save(tmp_path / "y.npy", np.arange(2))
    with pytest.raises(DataError, match="x and y must have the same length, one entry per example, got 'x': 3, 'y': 2"):
        Npy("x.npy", "y.npy").load(tmp_path)


@pytest.mark.parametrize("dataset", [Npy("none"), Npz("none"), IDX("none")], ids=["npy", "npz", "idx"])
def test_load_missing_file_is_refused(tmp_path, dataset):
    with pytest.raises(DataError, match="none: there is no such file; expected an"):
        dataset.load(tmp_path)


@pytest.mark.parametrize("dataset", [Npy("."), Npz("."), IDX(".")], ids=["npy", "npz", "idx"])
def test_load_directory_is_refused(tmp_path, dataset):
    with pytest.raises(DataError, match="is a directory; expected an"):
        dataset.load(tmp_path)


# npz


def test_npz_load_takes_weights_by_name(tmp_path):
    np.savez(tmp_path / "data.npz", x=np.eye(3), y=np.arange(3), w=np.array([1, 0, 2]))
    assert Npz("data.npz", weight="w").load(tmp_path).weight.tolist() == [1, 0, 2]
    with pytest.raises(DataError, match=r"data\.npz: there is no array 'wt'\. Did you mean 'w'\?"):
        Npz("data.npz", weight="wt").load(tmp_path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "compressed"])
def test_npz_load_takes_the_named_arrays(tmp_path, rng, save):
    x, y = np.asfortranarray(rng.standard_normal((5, 3))).astype(np.float32), np.arange(5)
    save(tmp_path / "data.npz", unused=np.zeros(7), images=x, labels=y)
    examples = Npz("data.npz", x="images", y="labels").load(tmp_path)
    np.testing.assert_array_equal(examples.features["images"], x)
    assert examples.features["images"].dtype == np.float32
    np.testing.assert_array_equal(examples.target, y)
    assert examples.target_name == "labels"


def test_npz_load_stored_array_is_mapped(tmp_path):
    np.savez(tmp_path / "data.npz", x=np.eye(3), y=np.arange(3))
    assert isinstance(Npz("data.npz").load(tmp_path).features["x"], np.memmap)


@pytest.mark.parametrize("y", [None, ""], ids=["None", "empty"])
def test_npz_load_without_y_has_no_target(tmp_path, y):
    np.savez(tmp_path / "data.npz", x=np.eye(3))
    assert Npz("data.npz", y=y).load(tmp_path).target is None


def test_npz_load_archive_that_lacks_y_is_refused_with_the_way_to_read_it(tmp_path):
    np.savez(tmp_path / "data.npz", x=np.eye(2), digit=[0, 1])
    message = r"^data\.npz: there is no array 'y'\. Arrays: x, digit\. Set y = \"\" if it holds no labels\.$"
    with pytest.raises(nnfw.DataError, match=message):
        Npz("data.npz").load(tmp_path)


def test_npz_load_unknown_array_suggests_the_nearest(tmp_path):
    np.savez(tmp_path / "data.npz", images=np.eye(3), y=np.arange(3))
    message = r"^data.npz: there is no array 'image'\. Did you mean 'images'\? Arrays: images, y\.$"
    with pytest.raises(DataError, match=message):
        Npz("data.npz", x="image").load(tmp_path)


def test_npz_load_archive_without_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "data.npz")
    with pytest.raises(DataError, match=r"^data.npz: there is no array 'x'\. Arrays: none\.$"):
        nnfw.dataset("npz", path="data.npz").load(tmp_path)


@pytest.mark.usefixtures("unexploded")
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "compressed"])
def test_npz_load_pickled_objects_are_refused_and_not_run(tmp_path, save):
    save(tmp_path / "data.npz", x=np.array([Exploding()], dtype=object))
    with pytest.raises(DataError, match=r"^data.npz\[x\] holds pickled Python objects"):
        Npz("data.npz", y=None).load(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 and so on", b"\x93NUMPY"], ids=["empty", "no directory", "another format"]
)
def test_npz_load_no_archive_is_refused(tmp_path, content):
    write(tmp_path, content, "data.npz")
    with pytest.raises(DataError, match=r"^data.npz is not a readable .npz archive: .*Write it with numpy.savez"):
        Npz("data.npz").load(tmp_path)


def corrupted(content, *, local, central, value):
    """Return an archive of one member with a byte of its local and its central header changed."""
    damaged = bytearray(content)
    damaged[local] = value
    damaged[content.rindex(b"PK\x01\x02") + central] = value
    return bytes(damaged)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda content: content[:800] + bytes(100) + content[900:], "Bad CRC-32"),
        (lambda content: content[:60] + b"\xff" * 8 + content[68:], "Error -3 while decompressing"),
        (lambda content: corrupted(content, local=6, central=8, value=1), "is encrypted"),
    ],
    ids=["values", "compressed stream", "encrypted"],
)
def test_npz_load_damaged_archive_is_refused(tmp_path, rng, damage, problem):
    np.savez_compressed(tmp_path / "data.npz", x=rng.standard_normal((100, 3)))
    write(tmp_path, damage((tmp_path / "data.npz").read_bytes()), "data.npz")
    with pytest.raises(DataError, match=rf"^data.npz(\[x\])? is not a readable .np[yz] .*{problem}"):
        Npz("data.npz", y=None).load(tmp_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
def test_npz_load_other_compression_is_refused(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "data.npz", "w", method) as archive:
        archive.writestr(
            "x.npy", npy_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (10,), }") + bytes(80)
        )
    with pytest.raises(
        DataError, match=r"^data.npz\[x\] is compressed in a way that NumPy does not use\. Write it with"
    ):
        Npz("data.npz", y=None).load(tmp_path)


def test_npz_load_member_that_is_not_where_the_directory_says_is_refused(tmp_path):
    np.savez(tmp_path / "data.npz", x=np.eye(3))
    content = (tmp_path / "data.npz").read_bytes()
    write(tmp_path, content.replace(b"PK\x03\x04", b"XX\x03\x04"), "data.npz")
    with pytest.raises(DataError, match="no member starts at byte 0"):
        Npz("data.npz", y=None).load(tmp_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "compressed"])
def test_npz_load_header_that_declares_too_much_allocates_nothing(tmp_path, method):
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 100), }"
    with zipfile.ZipFile(tmp_path / "data.npz", "w", method) as archive:
        archive.writestr("x.npy", npy_with_header(header) + b"\0" * 80)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"^data.npz\[x\]: the header declares float64 .* but the file has 80"):
            Npz("data.npz", y=None).load(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_npz_load_member_with_more_than_declared_is_refused(tmp_path):
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }"
    with zipfile.ZipFile(tmp_path / "data.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", npy_with_header(header) + b"\0" * 80)
    with pytest.raises(
        DataError, match=r"the header declares float64 of shape \(2,\), 16 bytes, but the file has more"
    ):
        Npz("data.npz", y=None).load(tmp_path)


# IDX


IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def write_idx(folder, images=IMAGES, labels=(7, 1), pack=bytes):
    write(folder, pack(idx_bytes(images)), "images")
    write(folder, pack(idx_bytes(np.array(labels, np.uint8))), "labels")


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_idx_load_scales_pixels_to_one(tmp_path, pack):
    write_idx(tmp_path, pack=pack)
    examples = IDX("images", "labels").load(tmp_path)
    pixels = examples.features["pixels"]
    assert (pixels.dtype, pixels.shape) == (np.float32, (2, 3, 4))
    np.testing.assert_array_equal(pixels, IMAGES / np.float32(255))
    assert examples.target.tolist() == [7, 1]
    assert (examples.target.dtype, examples.target_name) == (np.int64, "label")


def test_idx_load_white_is_exactly_one(tmp_path):
    write(tmp_path, idx_bytes(np.array([255, 0], np.uint8)), "images")
    assert IDX("images").load(tmp_path).features["pixels"].tolist() == [1.0, 0.0]


def test_idx_load_unscaled_plain_file_is_mapped(tmp_path):
    write_idx(tmp_path)
    pixels = IDX("images", "labels", scaled=False).load(tmp_path).features["pixels"]
    assert isinstance(pixels, np.memmap)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, IMAGES)


def test_idx_load_unscaled_compressed_file_keeps_bytes(tmp_path):
    write_idx(tmp_path, pack=gzip.compress)
    pixels = IDX("images", scaled=False).load(tmp_path).features["pixels"]
    np.testing.assert_array_equal(pixels, IMAGES)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("code", "dtype"),
    [(0x09, "i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")],
    ids=lambda value: f"{value}",
)
def test_idx_load_every_type_of_number_is_read_as_it_is(tmp_path, code, dtype, pack):
    values = np.array([[-3, 100], [7, 0]], dtype)
    write(tmp_path, pack(idx_bytes(values, code)), "images")
    pixels = IDX("images").load(tmp_path).features["pixels"]
    assert pixels.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(pixels, values)


def test_idx_load_labels_of_fractions_stay_fractions(tmp_path):
    write_idx(tmp_path)
    write(tmp_path, idx_bytes(np.array([0.5, 1.5], ">f8"), 0x0E), "labels")
    assert IDX("images", "labels").load(tmp_path).target.tolist() == [0.5, 1.5]


def test_idx_load_exchanged_files_are_refused(tmp_path):
    write_idx(tmp_path)
    message = (
        r"^images: expected one label for each example, shape \(N,\), got \(2, 3, 4\)\. Are images and labels exchanged"
    )
    with pytest.raises(DataError, match=message):
        IDX("labels", "images").load(tmp_path)


def test_idx_load_lengths_that_differ_are_refused(tmp_path):
    write_idx(tmp_path, labels=(1, 2, 3))
    with pytest.raises(DataError, match=r"x and y must have the same length.*'pixels': 2, 'label': 3"):
        IDX("images", "labels").load(tmp_path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_idx_load_header_that_declares_too_much_allocates_nothing(tmp_path, pack):
    content = struct.pack(">HBB3I", 0, 8, 3, 4_000_000_000, 4_000_000_000, 28) + bytes(1000)
    write(tmp_path, pack(content), "images")
    message = (
        "images: the header declares uint8 of shape (4000000000, 4000000000, 28), 448,000,000,000,000,000,000 bytes, "
        "but the file has 1,000. It is truncated or damaged: fetch or write it again."
    )
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
            IDX("images").load(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_idx_load_file_with_more_than_declared_is_refused(tmp_path, pack):
    write(tmp_path, pack(idx_bytes(IMAGES) + b"\0"), "images")
    with pytest.raises(
        DataError, match=r"^images: the header declares uint8 of shape \(2, 3, 4\), 24 bytes, but the file has more"
    ):
        IDX("images").load(tmp_path)


def test_idx_load_small_header_on_a_large_compressed_file_stops_early(tmp_path):
    write(tmp_path, gzip.compress(idx_bytes(IMAGES) + bytes(50_000_000), 1), "images")
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="but the file has more"):
            IDX("images").load(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("content", "start"),
    [
        (b"", r"\(none\)"),
        (b"\0\0", "00 00;"),
        (b"PNG...", "50 4e 47 2e"),
        (b"\0\x01\x08\x01" + bytes(4), "00 01 08 01"),
        (b"\0\0\x07\x01" + bytes(8), "00 00 07 01"),
        (b"\0\0\x08\x00" + bytes(8), "00 00 08 00"),
        (b"\0\0\x08\xff" + bytes(2000), "00 00 08 ff"),
    ],
    ids=["empty", "two bytes", "another format", "one byte wrong", "unknown type", "no axis", "255 axes"],
)
def test_idx_load_other_formats_are_refused(tmp_path, content, start):
    write(tmp_path, content, "images")
    with pytest.raises(DataError, match=f"^images is not an IDX file: it starts with the bytes {start}"):
        IDX("images").load(tmp_path)


def test_idx_load_file_that_ends_in_its_header_is_refused(tmp_path):
    write(tmp_path, idx_bytes(IMAGES)[:9], "images")
    with pytest.raises(DataError, match=r"^images: the file ends within its header, which declares 3 axes"):
        IDX("images").load(tmp_path)


def test_idx_load_truncated_gzip_is_refused(tmp_path):
    write(tmp_path, gzip.compress(idx_bytes(IMAGES))[:-12], "images")
    with pytest.raises(DataError, match=r"^images is compressed by gzip, but damaged or truncated: "):
        IDX("images").load(tmp_path)


def test_idx_load_damaged_gzip_is_refused(tmp_path, rng):
    content = bytearray(gzip.compress(idx_bytes(rng.integers(0, 256, (50, 10), dtype=np.uint8))))
    content[-6] ^= 0xFF
    write(tmp_path, bytes(content), "images")
    with pytest.raises(DataError, match=r"^images is compressed by gzip, but damaged or truncated: CRC check failed"):
        IDX("images").load(tmp_path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_idx_load_no_example_is_refused(tmp_path, pack):
    write(tmp_path, pack(idx_bytes(np.zeros((0, 28, 28), np.uint8))), "images")
    with pytest.raises(DataError, match="The data is empty: it holds no example"):
        IDX("images").load(tmp_path)


# digits


def test_digits_load_is_the_whole_test_set():
    digits = Digits().load(Path("/nowhere"))
    pixels = digits.features["pixels"]
    assert (pixels.shape, pixels.dtype) == ((1797, 64), np.float32)
    assert (pixels.min(), pixels.max()) == (0, 1)
    np.testing.assert_array_equal(pixels * 16, np.rint(pixels * 16))
    assert np.bincount(digits.target).tolist() == LABELS
    assert digits.classes == tuple("0123456789")


def test_digits_load_first_image_is_the_known_zero():
    first = Digits().load(Path()).features["pixels"][0].reshape(8, 8) * 16
    assert first[0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert first[7].tolist() == [0, 0, 6, 13, 10, 0, 0, 0]


def test_digits_data_comes_with_its_attribution():
    text = (Path(idx_module.__file__).parent / "data" / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert all(part in text for part in ("Alpaydin", "Kaynak", "10.24432/C50P49", "CC BY 4.0", "changed"))


# synthetic


def test_xor_load_is_the_truth_table():
    examples = XOR().load(Path())
    rows = np.column_stack([examples.features["x1"], examples.features["x2"], examples.target])
    assert rows.tolist() == [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert examples.target.shape == (4, 1)


def test_spirals_load_without_noise_lies_on_its_formula():
    examples = Spirals(n=60, noise=0.0, turns=1.5, classes=3).load(Path())
    x1, x2, k = examples.features["x1"], examples.features["x2"], examples.target
    t = np.hypot(x1, x2)
    np.testing.assert_allclose(np.sort(t), np.repeat(np.arange(1, 21) / 20, 3), rtol=1e-12)
    turned = (np.arctan2(x2, x1) - 2 * np.pi * (1.5 * t + k / 3)) / (2 * np.pi)
    np.testing.assert_allclose(turned, np.rint(turned), atol=1e-12)


def test_moons_load_without_noise_lies_on_its_circles():
    examples = Moons(n=50, noise=0.0).load(Path())
    x = np.column_stack(list(examples.features.values()))
    upper, lower = x[examples.target == 0], x[examples.target == 1]
    np.testing.assert_allclose(np.hypot(*upper.T), 1, rtol=1e-12)
    np.testing.assert_allclose(np.hypot(lower[:, 0] - 1, lower[:, 1] - 0.5), 1, rtol=1e-12)
    assert (upper[:, 1] >= -1e-12).all()
    assert (lower[:, 1] <= 0.5 + 1e-12).all()


@pytest.mark.parametrize("dataset", [Spirals, Moons], ids=["spirals", "moons"])
def test_synthetic_load_noise_has_its_deviation(dataset):
    noisy, plain = dataset(n=5000, noise=0.3).load(Path()), dataset(n=5000, noise=0.0).load(Path())
    noise = np.concatenate([noisy.features[name] - plain.features[name] for name in ("x1", "x2")])
    assert abs(noise.std() - 0.3) < 0.01
    assert abs(noise.mean()) < 0.02


@pytest.mark.parametrize("dataset", [Spirals, Moons], ids=["spirals", "moons"])
def test_synthetic_load_depends_on_the_seed_alone(dataset):
    first, again, other = (dataset(seed=seed).load(Path()).features["x1"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


@pytest.mark.parametrize(
    "dataset", [Spirals(n=1), Spirals(n=7, classes=5), Moons(n=1), Moons(n=2), Moons(n=3)], ids=repr
)
def test_synthetic_load_few_examples_are_finite_and_alternate(dataset):
    examples = dataset.load(Path())
    assert len(examples) == dataset.n
    assert all(np.isfinite(column).all() for column in examples.features.values())
    assert examples.target.tolist() == [i % len(examples.classes) for i in range(dataset.n)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("spirals", {"n": 0}),
        ("spirals", {"noise": -1.0}),
        ("spirals", {"turns": 0.0}),
        ("spirals", {"classes": 1}),
        ("moons", {"seed": -1}),
    ],
    ids=["n", "noise", "turns", "classes", "seed"],
)
def test_synthetic_option_out_of_range_is_refused_by_the_registry(name, options):
    with pytest.raises(ConfigError, match=f"{next(iter(options))} must be greater than"):
        nnfw.dataset(name, **options)
