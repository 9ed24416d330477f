"""Configuration by annotation: what is taken, what is refused and in which words, and the way back."""

import math
import subprocess
import sys
from dataclasses import FrozenInstanceError, dataclass, field
from typing import Annotated, Any, Literal, Optional

import numpy as np
import pytest
from annotated_types import Ge, Gt, Interval, Le, Len, Lt, MinLen, MultipleOf
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict, TypeAdapter, ValidationError

import nnfw
from nnfw.configuration import Above, _check_plain, build, check, describe_hint, kind_of, options_of, rebuild, to_table
from nnfw.errors import ConfigError, Mistake
from nnfw.protocols import KINDS, Activation, Elementwise, Layer, Metric


@dataclass(frozen=True)
class Split:
    """A nested table."""

    validation: Annotated[float, Ge(0), Lt(1)] = 0.25
    stratify: bool = False


@dataclass(frozen=True)
class Every:
    """One option of every sort."""

    units: Annotated[int, Ge(1)]
    rate: Annotated[float, Gt(0)] | None = None
    decay: float = 0.0
    flag: bool = True
    title: str = "title"
    mode: Literal["mean", "sum"] = "mean"
    shape: tuple[Annotated[int, Ge(1)], ...] = ()
    pair: tuple[int, str] = (1, "a")
    names: Annotated[tuple[str, ...], MinLen(1)] = ("a",)
    size: int | tuple[int, ...] = 1
    workers: Annotated[int, Gt(0)] | Literal["auto"] = "auto"
    limit: Optional[int] = 5  # noqa: UP045 - the old spelling, on purpose
    split: Split = Split()
    source: str | Split = "x"
    activation: Activation | str = "identity"
    layers: tuple[Layer | str, ...] = ()


LONG = "a value of type int that cannot be shown"


def resolve(kind, reference):
    """Stand in for a registry: "bad" is unknown."""
    if reference == "bad":
        raise ConfigError([Mistake((), f"Unknown {kind} 'bad'.")])
    return (kind, reference)


def describe(kind, component):
    """Undo resolve."""
    assert component[0] == kind
    return {"type": component[1]}


def checked(name, value):
    """Return what becomes of one option of Every."""
    return check(Every, {"units": 1, name: value}, resolve)[name]


def refusal(name, value):
    """Return the words with which a value is refused."""
    with pytest.raises(ConfigError) as caught:
        checked(name, value)
    return str(caught.value)


# What is taken


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("units", 1, 1),
        ("units", 10**5000, 10**5000),
        ("rate", None, None),
        ("rate", 2, 2.0),
        ("decay", -1e300, -1e300),
        ("flag", False, False),
        ("title", "", ""),
        ("mode", "sum", "sum"),
        ("shape", [2, 3], (2, 3)),
        ("shape", (), ()),
        ("pair", [3, "b"], (3, "b")),
        ("names", ["a", "b"], ("a", "b")),
        ("size", 2, 2),
        ("size", [2, 3], (2, 3)),
        ("workers", 3, 3),
        ("workers", "auto", "auto"),
        ("limit", None, None),
        ("split", {"stratify": True}, Split(stratify=True)),
        ("split", Split(0.5), Split(0.5)),
        ("source", "digits", "digits"),
        ("source", {"validation": 0}, Split(0.0)),
        ("activation", "relu", ("activation", "relu")),
        ("activation", {"type": "relu"}, ("activation", {"type": "relu"})),
        ("layers", ["dense", {"type": "dense"}], (("layer", "dense"), ("layer", {"type": "dense"}))),
    ],
    ids=lambda value: str(value)[:40] if not isinstance(value, int) else "int",
)  # fmt: skip
def test_check_proper_value_is_taken(name, value, expected):
    taken = checked(name, value)
    assert taken == expected
    assert type(taken) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("units", np.int64(3), 3),
        ("units", np.uint8(3), 3),
        ("rate", np.float32(0.5), 0.5),
        ("rate", np.float64(0.5), 0.5),
        ("rate", np.int32(2), 2.0),
        ("flag", np.bool_(False), False),
        ("title", np.str_("a"), "a"),
        ("mode", np.array(["sum"])[0], "sum"),
        ("shape", tuple(np.array([2, 3])), (2, 3)),
        ("pair", (np.int8(3), np.str_("b")), (3, "b")),
        ("size", np.int16(2), 2),
    ],
    ids=repr,
)  # fmt: skip
def test_check_numpy_scalar_is_stored_as_what_it_stands_for(name, value, expected):
    taken = checked(name, value)
    assert taken == expected
    assert type(taken) is type(expected)
    if isinstance(expected, tuple):
        assert [type(item) for item in taken] == [type(item) for item in expected]


def test_check_float32_keeps_its_value_to_the_last_bit():
    assert checked("rate", np.float32(0.1)) == float(np.float32(0.1))


def test_build_returns_an_instance_with_defaults():
    assert build(Every, {"units": 2, "activation": "relu"}, resolve) == Every(2, activation=("activation", "relu"))


def test_build_instance_is_frozen():
    with pytest.raises(FrozenInstanceError, match="units"):
        build(Every, {"units": 2}, resolve).units = 3


def test_check_leaves_the_table_as_it_is():
    table = {"units": 1, "shape": [1, 2], "split": {"validation": 0}}
    check(Every, table, resolve)
    assert table == {"units": 1, "shape": [1, 2], "split": {"validation": 0}}


# What is refused


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("units", True, "units must be a whole number ≥ 1, got True."),
        ("units", 1.0, "units must be a whole number ≥ 1, got 1.0."),
        ("units", "1", "units must be a whole number ≥ 1, got '1'."),
        ("units", None, "units must be a whole number ≥ 1, got None."),
        ("units", 0, "units must be greater than or equal to 1, got 0."),
        ("units", -(10**5000), f"units must be greater than or equal to 1, got {LONG}."),
        ("units", np.float64(3), "units must be a whole number ≥ 1, got 3.0."),
        ("units", np.bool_(True), "units must be a whole number ≥ 1, got True."),
        ("units", np.array(3), "units must be a whole number ≥ 1, got array(3)."),
        ("rate", True, "rate must be a number > 0, got True."),
        ("rate", "fast", "rate must be a number > 0, got 'fast'."),
        ("rate", 0, "rate must be greater than 0, got 0."),
        ("rate", math.nan, "rate must be a finite number, got nan."),
        ("rate", math.inf, "rate must be a finite number, got inf."),
        ("rate", np.float32("nan"), "rate must be a finite number, got nan."),
        ("rate", 10**5000, f"rate must be a number > 0, got {LONG}."),
        ("rate", 1j, "rate must be a number > 0, got 1j."),
        ("rate", np.complex64(1), "rate must be a number > 0, got (1+0j)."),
        ("decay", -math.inf, "decay must be a finite number, got -inf."),
        ("decay", [1.0], "decay must be a number, got [1.0]."),
        ("flag", 1, "flag must be true or false, got 1."),
        ("flag", "true", "flag must be true or false, got 'true'."),
        ("title", 3, "title must be text, got 3."),
        ("title", b"a", "title must be text, got b'a'."),
        ("mode", "max", "mode must be 'mean' or 'sum', got 'max'."),
        ("mode", 3, "mode must be 'mean' or 'sum', got 3."),
        ("mode", ["mean"], "mode must be 'mean' or 'sum', got ['mean']."),
        ("shape", 3, "shape must be a list of whole numbers ≥ 1, got 3."),
        ("shape", "ab", "shape must be a list of whole numbers ≥ 1, got 'ab'."),
        ("shape", [1, 0], "shape[1] must be greater than or equal to 1, got 0."),
        ("shape", [1, True], "shape[1] must be a whole number ≥ 1, got True."),
        ("shape", np.array([2, 3]), "shape must be a list of whole numbers ≥ 1, got array([2, 3])."),
        ("pair", [1], "pair must be a list of exactly 2: whole number, text, got [1]."),
        ("pair", [1, "a", 2], "pair must be a list of exactly 2: whole number, text, got [1, 'a', 2]."),
        ("pair", ["a", "a"], "pair[0] must be a whole number, got 'a'."),
        ("names", [], "names must be a list of text of length ≥ 1, got ()."),
        ("names", [3], "names[0] must be text, got 3."),
        ("size", "big", "size must be a whole number or list of whole numbers, got 'big'."),
        ("size", [1, "big"], "size[1] must be a whole number, got 'big'."),
        ("workers", 0, "workers must be greater than 0 or 'auto', got 0."),
        ("workers", "few", "workers must be a whole number > 0 or 'auto', got 'few'."),
        ("split", 3, "split must be a table such as { validation = 0.25 }, got 3."),
        ("split", {"a": 1}, "split.a is not an option. Options: stratify, validation."),
        ("split", {"validation": 1}, "split.validation must be less than 1, got 1."),
        ("split", Split(validation=2.0), "split.validation must be less than 1, got 2.0."),
        ("source", 3, "source must be text or table, got 3."),
        ("source", {"validation": 1}, "source.validation must be less than 1, got 1."),
        ("activation", "bad", "activation: Unknown activation 'bad'."),
        ("layers", ["dense", "bad"], "layers[1]: Unknown layer 'bad'."),
        ("layers", "dense", "layers must be a list of layers, got 'dense'."),
    ],
    ids=lambda value: repr(value)[:40] if not isinstance(value, int) else "int",
)  # fmt: skip
def test_check_wrong_value_is_refused_in_words(name, value, expected):
    assert refusal(name, value) == expected


@pytest.mark.parametrize(
    "name", ["units", "rate", "flag", "title", "mode", "shape", "pair", "size", "split", "workers"]
)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    )
)
@settings(max_examples=25)  # fmt: skip
def test_check_any_value_is_taken_or_refused_with_a_config_error(name, value):
    try:
        checked(name, value)
    except ConfigError as error:
        str(error)


def test_check_reports_all_mistakes_at_once():
    with pytest.raises(ConfigError) as caught:
        check(Every, {"unit": 3, "rate": -1, "split": {"stratify": 1}, "layers": ["bad"]}, resolve)
    assert [mistake.path for mistake in caught.value.mistakes] == [
        ("unit",),
        ("units",),
        ("rate",),
        ("split", "stratify"),
        ("layers", 0),
    ]


def test_check_missing_option_says_its_type_and_range():
    with pytest.raises(ConfigError, match=r"^units is missing: whole number ≥ 1\.$"):
        check(Every, {}, resolve)


def test_check_unknown_option_of_a_class_without_options_says_so():
    @dataclass(frozen=True)
    class Nothing:
        pass

    with pytest.raises(ConfigError, match=r"^a is not an option\. Options: none\.$"):
        check(Nothing, {"a": 1}, resolve)


def test_check_key_that_is_no_text_is_no_option():
    with pytest.raises(ConfigError, match=r"^3 is not an option\. Options: stratify, validation\.$"):
        check(Split, {3: 4}, resolve)


def test_build_class_that_refuses_is_a_mistake_with_its_cause():
    @dataclass(frozen=True)
    class Picky:
        a: int = 0

        def __post_init__(self):
            raise ValueError("a and b differ")

    with pytest.raises(ConfigError, match=r"^Refused by .*Picky: ValueError: a and b differ\.$") as caught:
        build(Picky, {}, resolve)
    assert isinstance(caught.value.__cause__, ValueError)


def test_build_class_that_refuses_in_our_words_is_left_alone():
    @dataclass(frozen=True)
    class Picky:
        def __post_init__(self):
            raise nnfw.ShapeError("The shapes differ.")

    with pytest.raises(nnfw.ShapeError, match="The shapes differ"):
        build(Picky, {}, resolve)


def test_rebuild_checks_and_resolves_what_an_instance_holds():
    assert rebuild(Every(np.int64(3)), resolve) == Every(3, activation=("activation", "identity"))
    with pytest.raises(ConfigError, match=r"units must be greater than or equal to 1, got 0\."):
        rebuild(Every(0), resolve)


@dataclass(frozen=True)
class Ordered:
    """Options that must be in order."""

    low: float = 0.0
    high: Annotated[float, Above("low")] = 1.0
    top: Annotated[float, Above("high"), Gt(0)] | None = None


def test_build_options_in_order_are_taken():
    assert build(Ordered, {"low": -1, "high": 2, "top": 3}, resolve) == Ordered(-1, 2, 3)
    assert build(Ordered, {"high": 2}, resolve) == Ordered(high=2)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"low": 1.0}, r"^high must be greater than low, 1\.0, got 1\.0\.$"),
        ({"low": 2.0, "high": 1.5}, r"^high must be greater than low, 2\.0, got 1\.5\.$"),
        ({"low": 2.0, "top": 0.5}, r"^high must .*\ntop must be greater than high, 1\.0, got 0\.5\.$"),
        ({"low": 2.0, "top": -0.5}, r"^top must be greater than 0, got -0\.5\.$"),
    ],
    ids=["equal to a default", "reversed", "two", "out of its own range"],
)
def test_build_options_that_contradict_each_other_are_refused(table, message):
    with pytest.raises(ConfigError, match=message):
        build(Ordered, table, resolve)


def test_options_of_limit_by_an_unknown_option_is_refused():
    @dataclass(frozen=True)
    class Broken:
        high: Annotated[float, Above("lwo")] = 1.0

    with pytest.raises(nnfw.PluginError, match=r"Broken: 'high' is above 'lwo', which is no option\. Options: high\.$"):
        options_of(Broken)


# Annotations


def test_options_of_tells_name_default_and_whether_required_or_optional():
    options = options_of(Every)
    assert list(options)[:3] == ["units", "rate", "decay"]
    units, rate, decay = options["units"], options["rate"], options["decay"]
    assert (units.required, units.optional, units.default, str(units)) == (True, False, None, "whole number ≥ 1")
    assert (rate.required, rate.optional, rate.default, str(rate)) == (False, True, None, "number > 0 or none")
    assert (decay.required, decay.optional, decay.default, str(decay)) == (False, False, 0.0, "number")


def test_options_of_calls_the_factory_of_a_default():
    @dataclass(frozen=True)
    class Made:
        sizes: tuple[int, ...] = field(default_factory=lambda: (1, 2))
        hidden: int = field(default=3, init=False)

    assert {name: option.default for name, option in options_of(Made).items()} == {"sizes": (1, 2)}


def test_options_of_annotation_that_cannot_be_read_says_why():
    @dataclass(frozen=True)
    class Broken:
        level: "Levle" = 1  # noqa: F821

    pattern = (
        r"Broken: its options cannot be read: NameError: name 'Levle' is not defined\. An annotation may use what its "
    )
    with pytest.raises(nnfw.PluginError, match=pattern) as caught:
        options_of(Broken)
    assert isinstance(caught.value.__cause__, NameError)


def test_options_of_default_that_cannot_be_made_says_why():
    @dataclass(frozen=True)
    class Broken:
        level: float = field(default_factory=lambda: 1 / 0)

    with pytest.raises(
        nnfw.PluginError, match=r"Broken: its options cannot be read: ZeroDivisionError: division by zero\."
    ):
        options_of(Broken)


def test_check_annotation_that_cannot_be_checked_is_the_fault_of_the_plugin():
    @dataclass(frozen=True)
    class Odd:
        levels: list[Activation]

    with pytest.raises(nnfw.PluginError, match=r"The annotation list\[.*Activation\] cannot be checked: SchemaError: "):
        check(Odd, {"levels": [3]}, resolve)


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (Activation, "activation"),
        (Activation | str, "activation"),
        (Activation | str | None, "activation"),
        (Annotated[Activation | str, "a note"], "activation"),
        (Elementwise | str, "activation"),
        (int, None),
        (int | str, None),
        (tuple[Layer, ...], None),
        (Any, None),
    ],
    ids=str,
)
def test_kind_of_is_that_of_the_protocol_named(hint, expected):
    assert kind_of(hint) == expected


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_kind_of_every_protocol_is_its_kind(kind):
    assert kind_of(kind.protocol | str) == kind.name


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (int, "whole number"),
        (float, "number"),
        (bool, "true or false"),
        (str, "text"),
        (Any, "any value"),
        (Annotated[float, Ge(0), Lt(1)], "number ≥ 0, < 1"),
        (Annotated[float, Interval(gt=0, le=1)], "number > 0, ≤ 1"),
        (Annotated[int, MultipleOf(2), Le(8)], "whole number a multiple of 2, ≤ 8"),
        (Annotated[str, Len(1, 9)], "text of length ≥ 1, of length ≤ 9"),
        (Annotated[int, "a note"], "whole number"),
        (Literal["a", 1], "'a' or 1"),
        (int | None, "whole number or none"),
        (tuple[float, ...], "list of numbers"),
        (tuple[Metric | str, ...], "list of metrics"),
        (tuple[tuple[int, ...], ...], "list of lists of whole numbers"),
        (tuple[int | str, ...], "list of whole numbers or text"),
        (tuple[int, float], "list of exactly 2: whole number, number"),
        (Split, "table"),
        (tuple[Split, ...], "list of tables"),
        (np.ndarray, "ndarray"),
    ],
    ids=str,
)
def test_describe_hint_is_in_words(hint, expected):
    assert describe_hint(hint) == expected


# The way back


def test_to_table_holds_lists_tables_text_and_numbers():
    every = build(Every, {"units": 2, "shape": [3], "source": {"stratify": True}, "layers": ["dense"]}, resolve)
    assert to_table(every, describe) == {
        "units": 2,
        "decay": 0.0,
        "flag": True,
        "title": "title",
        "mode": "mean",
        "shape": [3],
        "pair": [1, "a"],
        "names": ["a"],
        "size": 1,
        "workers": "auto",
        "limit": 5,
        "split": {"validation": 0.25, "stratify": False},
        "source": {"validation": 0.25, "stratify": True},
        "activation": {"type": "identity"},
        "layers": [{"type": "dense"}],
    }


def test_to_table_writes_numpy_scalars_as_python_numbers():
    table = to_table(Every(np.int64(2), rate=np.float32(0.5), shape=(np.int8(3),)), describe)
    assert [type(value) for value in (table["units"], table["rate"], *table["shape"])] == [int, float, int]


def test_to_table_none_is_left_out_only_where_it_is_the_default():
    @dataclass(frozen=True)
    class Nones:
        required: int | None
        none: int | None = None
        some: int | None = 3

    assert to_table(Nones(None, None, None), describe) == {"required": None, "some": None}
    assert build(Nones, to_table(Nones(None, None, None), describe), resolve) == Nones(None, None, None)


@given(
    units=st.integers(min_value=1),
    rate=st.none() | st.floats(min_value=1e-300, allow_nan=False, allow_infinity=False),
    shape=st.lists(st.integers(min_value=1)),
    size=st.integers() | st.lists(st.integers()),
    limit=st.none() | st.integers(),
    split=st.builds(lambda validation: {"validation": validation}, st.floats(0, 0.9)),
)
@settings(max_examples=40)
def test_build_of_to_table_gives_the_same_instance(**table):
    first = build(Every, table, resolve)
    again = build(Every, to_table(first, describe), lambda kind, reference: resolve(kind, reference["type"]))
    assert again == first


@pytest.mark.parametrize(
    "table",
    [{f"option{index}": 1 for index in range(1000)}, {"units": 1, "shape": [0] * 1000}],
    ids=["unknown", "values"],
)
def test_build_looks_for_a_hundred_mistakes_at_most(table):
    with pytest.raises(ConfigError) as caught:
        build(Every, table, resolve)
    assert 100 <= len(caught.value.mistakes) <= 101  # a missing option beside unknown ones


HINTS = (
    *(
        int,
        float,
        str,
        bool,
        None,
        int | float,
        int | None,
        Literal["mean", "sum"],
        Annotated[int, Gt(0)] | Literal["auto"],
    ),
    *(
        Annotated[int, Ge(1)],
        Annotated[float, Gt(0), Le(1)],
        Annotated[float, Lt(0)],
        Annotated[int, Interval(ge=0, lt=3)],
    ),
    *(Annotated[int, MultipleOf(2)], Annotated[str, MinLen(2)]),
)
VALUES = (
    0,
    1,
    2,
    -1,
    10**30,
    0.0,
    1.0,
    0.5,
    -0.0,
    math.nan,
    math.inf,
    True,
    False,
    None,
    "",
    "a",
    "mean",
    "auto",
    "σ",
    "\ud800",
)


@pytest.mark.parametrize("hint", HINTS, ids=str)
def test_what_is_plainly_right_is_what_pydantic_takes(hint: Any) -> None:
    strict = TypeAdapter(hint, config=ConfigDict(strict=True, allow_inf_nan=False))
    for value in VALUES:
        try:
            expected = repr(strict.validate_python(value))
        except ValidationError:
            expected = "refused"
        try:
            taken = repr(_check_plain(hint, value, hint))
        except ConfigError:
            taken = "refused"
        assert (value, taken) == (value, expected)


def test_a_model_is_built_without_pydantic() -> None:
    code = """
import sys, nnfw
nnfw.Sequential([nnfw.layer("dense", units=3, activation="relu"), nnfw.layer("dropout", rate=0.5)], 4)
print("pydantic" in sys.modules, "concurrent.futures" in sys.modules)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["False", "False"]
