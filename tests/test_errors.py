"""Errors: one root, messages in one style, and copies that survive the way between processes."""

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nnfw
from nnfw import errors
from nnfw.errors import ConfigError, Mistake, article, class_name, did_you_mean, in_words, readable, short

CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_error_class_is_public_and_below_the_root(error):
    assert issubclass(error, nnfw.NnfwError)
    assert getattr(nnfw, error.__name__) is error


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (nnfw.UnknownComponentError, LookupError),
        (nnfw.ConfigError, ValueError),
        (nnfw.ShapeError, ValueError),
        (nnfw.DataError, ValueError),
        (nnfw.FileFormatError, ValueError),
        (nnfw.StateError, RuntimeError),
        (nnfw.DivergedError, ArithmeticError),
    ],
    ids=lambda error: error.__name__,
)
def test_error_class_is_also_the_built_in_class_of_its_meaning(error, builtin):
    assert issubclass(error, builtin)
    assert not issubclass(error, KeyError)  # it prints in quotes


ERRORS = [
    nnfw.NnfwError("a"),
    nnfw.UnknownComponentError("a"),
    nnfw.ConfigError([Mistake(("units",), "must be 3."), Mistake((), "is odd.")], "Layer 'dense' (built-in)"),
    nnfw.DivergedError("Epoch 2, step 7: layer 1.", epoch=2, step=7),
]


@pytest.mark.parametrize(
    "duplicate", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"]
)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_error_copied_or_pickled_says_the_same(error, duplicate):
    again = duplicate(error)
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_diverged_error_knows_its_place():
    error = nnfw.DivergedError("Epoch 2, step 7: layer 1.", epoch=2, step=7)
    assert (str(error), error.epoch, error.step) == ("Epoch 2, step 7: layer 1.", 2, 7)


# Mistakes


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        pytest.param(("units",), "must be 3.", "units must be 3.", id="option"),
        pytest.param(("model", "layers", 1, "units"), "must be 3.", "model.layers[1].units must be 3.", id="nested"),
        pytest.param((0, "x"), "must be 3.", "[0].x must be 3.", id="position-first"),
        pytest.param((), "must be 3.", "must be 3.", id="nowhere"),
        pytest.param(("cost",), "Unknown cost 'msee'.", "cost: Unknown cost 'msee'.", id="sentence"),
        pytest.param((), "Unknown cost 'msee'.", "Unknown cost 'msee'.", id="sentence-nowhere"),
        pytest.param(("a b", "c.d"), "is odd.", "'a b'.'c.d' is odd.", id="quoted"),
        pytest.param(("",), "is odd.", "'' is odd.", id="empty-key"),
        pytest.param(("\x1b[31m\n",), "is odd.", r"'\x1b[31m\n' is odd.", id="control-signs"),
        pytest.param(("x" * 70 + " ",), "is odd.", "'" + "x" * 56 + "... is odd.", id="long-key"),
        pytest.param(("a", 3), "", "a[3]", id="place-alone"),
    ],
)
def test_mistake_reads_as_a_sentence(path, text, expected):
    assert str(Mistake(path, text)) == expected


def test_mistake_under_a_prefix_is_seen_from_further_up():
    assert Mistake(("units",), "is odd.").under("layers", 1) == Mistake(("layers", 1, "units"), "is odd.")


def test_config_error_reports_every_mistake_in_a_line_with_its_owner():
    error = nnfw.ConfigError([Mistake(("units",), "must be 3."), Mistake(("rate",), "is odd.")], "Layer 'x' (built-in)")
    assert str(error) == "Layer 'x' (built-in): units must be 3.\nLayer 'x' (built-in): rate is odd."


def test_config_error_without_owner_begins_with_the_place():
    assert str(nnfw.ConfigError(Mistake((name,), "is odd.") for name in "ab")) == "a is odd.\nb is odd."


# Words


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dens", " Did you mean 'dense'?"),
        ("DENSE", " Did you mean 'dense'?"),
        ("LeakyReLU", " Did you mean 'leaky_relu'?"),
        ("leaky-relu", " Did you mean 'leaky_relu'?"),
        ("BinaryCrossEntropy", " Did you mean 'binary_cross_entropy'?"),
        ("ReLU", " Did you mean 'relu'?"),
        ("", ""),
        ("completely different", ""),
    ],
)
def test_did_you_mean_ignores_case_and_separators(name, expected):
    assert did_you_mean(name, ["relu", "leaky_relu", "dense", "binary_cross_entropy"]) == expected


def test_did_you_mean_among_nothing_is_empty():
    assert did_you_mean("dense", []) == ""


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("caf\xe9", "cafe\u0301"), ("cafe\u0301", "caf\xe9"), ("\xb5m", "\u03bcm")],
    ids=["NFC", "NFD", "micro"],
)
def test_did_you_mean_says_how_names_that_look_alike_differ(name, nearest):
    assert did_you_mean(name, [nearest, "dense"]) == (
        f" Did you mean {nearest!a}? It is {name!a} in another Unicode form: write both in one form, NFC for instance."
    )


@given(st.text(), st.lists(st.text()))
@settings(max_examples=40)
def test_did_you_mean_suggests_only_known_names(name, known):
    suggestion = did_you_mean(name, known)
    assert not suggestion or suggestion.startswith(
        tuple(f" Did you mean {shown}?" for each in known for shown in (repr(each), ascii(each)))
    )


@pytest.mark.parametrize(("words", "expected"), [("layer", "a layer"), ("optimizer", "an optimizer"), ("", "a ")])
def test_article_fits_the_first_letter(words, expected):
    assert article(words) == expected


class UnprintableError(Exception):
    def __repr__(self):
        raise RuntimeError("no words")

    __str__ = __repr__


class ExitingError(Exception):
    def __repr__(self):
        raise SystemExit

    __str__ = __repr__


class SilentError(nnfw.NnfwError):
    def __str__(self):
        raise KeyboardInterrupt


class Odd(str):
    def split(self):
        raise SystemExit


class OddError(Exception):
    def __str__(self):
        return Odd("two\nlines")


class Named(type):
    __name__ = property(lambda self: 1 / 0)


def nested_list(depth):
    deep = []
    for _ in range(depth):
        deep = [deep]
    return deep


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("relu", "'relu'", id="text"),
        pytest.param("x" * 58, "'" + "x" * 58 + "'", id="60-characters"),
        pytest.param("x" * 59, "'" + "x" * 56 + "...", id="61-characters"),
        pytest.param(10**5000, "a value of type int that cannot be shown", id="5000-digits"),
        pytest.param(UnprintableError(), "a value of type UnprintableError that cannot be shown", id="no-repr"),
        pytest.param(ExitingError(), "a value of type ExitingError that cannot be shown", id="exit"),
        pytest.param(type("a\nb", (ExitingError,), {})(), "a value of type a b that cannot be shown", id="two-lines"),
        pytest.param(nested_list(10_000), "a value of type list that cannot be shown", id="deep"),
    ],
)
def test_short_is_one_short_line(value, expected):
    assert short(value) == expected


@given(st.one_of(st.text(), st.binary(), st.integers(), st.floats(), st.lists(st.text())))
def test_short_of_anything_is_one_line_of_60_characters_at_most(value):
    assert len(short(value)) <= 60
    assert len(short(value).splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(OSError("disk full"), "OSError: disk full", id="foreign"),
        pytest.param(nnfw.PluginError("Write a hook."), "Write a hook.", id="own"),
        pytest.param(ValueError("two\n  lines"), "ValueError: two lines", id="two-lines"),
        pytest.param(KeyError(), "KeyError", id="no-words"),
        pytest.param(UnprintableError(), "UnprintableError", id="no-str"),
        pytest.param(ExitingError(), "ExitingError", id="exit"),
        pytest.param(SilentError(), "SilentError", id="own-that-interrupts"),
        pytest.param(OddError(), "OddError: two lines", id="odd-text"),
        pytest.param(type("a\nb", (Exception,), {})("c"), "a b: c", id="two-lines-in-a-name"),
    ],
)
def test_in_words_is_one_line_with_the_class_of_foreign_errors(error, expected):
    assert in_words(error) == expected


def test_class_name_is_that_of_the_class_whatever_its_metaclass_says():
    assert class_name(Named("x" * 100, (), {})()) == "x" * 60


def test_mistake_at_a_long_key_repeats_only_its_beginning():
    assert str(Mistake(("a", "b" * 60), "is wrong.")) == f"a.{'b' * 60} is wrong."
    assert str(Mistake(("a", "b" * 61), "is wrong.")) == f"a.'{'b' * 56}... is wrong."


def test_config_error_of_a_text_is_one_mistake_without_a_path():
    error = ConfigError("A comparison needs two runs.", "Comparison")

    assert error.mistakes == (Mistake((), "A comparison needs two runs."),)
    assert str(error) == "Comparison: A comparison needs two runs."


LONG = "n" * 1_000_000


@pytest.mark.parametrize(
    "error",
    [
        nnfw.DataError(f"There is no column {LONG!r}. Columns: a."),
        nnfw.UnknownComponentError(f"There is no column {LONG!r}. Columns: a."),
        ConfigError([Mistake((LONG,), f"must be one of {LONG}, got {LONG!r}. Columns: a.")], LONG),
        nnfw.DivergedError(f"There is no column {LONG!r}. Columns: a.", 1, 1),
        nnfw.DataError("a few letters " * 100_000 + "Columns: a."),
    ],
    ids=["data", "unknown", "config", "diverged", "words"],
)
def test_error_with_a_name_of_a_megabyte_is_short_and_keeps_its_end(error):
    assert len(str(error)) <= 4000
    assert str(error).endswith("Columns: a.")
    assert "..." in str(error)


def test_in_words_of_a_foreign_error_of_a_megabyte_is_short():
    assert len(in_words(ValueError(LONG))) == len("ValueError:") + 1 + 500


def test_readable_cuts_each_line_for_itself():
    assert readable(f"{'a ' * 3000}\n{LONG}\nshort").split("\n")[2] == "short"
    assert [len(line) for line in readable(f"{'a ' * 3000}\n{LONG}\nshort").split("\n")] == [4000, 500, 5]
