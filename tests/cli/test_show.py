"""``nnfw show``: what a component is, and how to write it."""

import json
import os
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from nnfw.cli.acceleration import accelerations
from nnfw.cli.docstrings import meanings_of, sections_of
from nnfw.experiments import parse_component
from nnfw.ops import kernels
from nnfw.plugins import AcceleratorSpec, Plugin, Registry
from nnfw.plugins.specs import Declared
from nnfw.protocols import KINDS
from nnfw.toml import Document, apply_overrides
from nnfw_standard import ReLU

DISTRIBUTIONS = Path(__file__).parents[1] / "data" / "distributions"
REGISTRY = Registry.discover()
ALL = [pytest.param(item.kind, item.name, id=f"{item.kind}-{item.name}") for item in REGISTRY.components()]


def value_at(table, place):
    """Return what an experiment's table holds at a place such as ``training.metrics[]``."""
    for key in place.split("."):
        table = table[key.removesuffix("[]")]
        if key.endswith("[]"):
            (table,) = table
    return table


def table_in(kind, command):
    """Return the component that the last word of a command names, as nnfw itself reads it."""
    argument = shlex.split(command)[-1]
    if KINDS[kind].command.endswith(" {}"):
        return parse_component(argument)
    if argument.startswith("LAYER:"):
        return value_at({"model": {"layers": [parse_component(argument)]}}, KINDS[kind].place)
    return value_at(apply_overrides(Document({}, "command line"), [argument]).table, KINDS[kind].place)


# What is printed


def test_show_prints_origin_equation_options_and_how_to_write_it(nnfw):
    status, out, err = nnfw("show", "dense")
    assert (status, err) == (0, "")
    assert out.startswith("dense: layer, built-in\nz = a w^T + b\nclass nnfw_standard.layers.dense:Dense\n\n")
    assert "\nz_j = Σ_k w_jk a_k + b_j; for a batch" in out
    lines = [line.split(maxsplit=5) for line in out[out.index("\nOptions\n") :].splitlines()[2:4]]
    assert lines == [
        ["name", "type", "default", "meaning"],
        ["units", "whole", "number", "≥", "1", "required        n_out, the number of neurons, 1 or more."],
    ]
    assert "\nReferences\nA. Mehrotra (2020)" in out
    assert '\nIn an experiment file\n[[model.layers]]\ntype = "dense"\nunits = 3\n' in out
    assert out.endswith("\nOn the command line\nnnfw assemble ... --layer dense:units=3\n")


def test_show_of_a_name_with_options_shows_how_to_set_one(nnfw):
    out = nnfw("show", "adam").out
    assert '\n[optimizer]\ntype = "adam"\nlearning_rate = 0.001\n' in out
    assert out.endswith("\nnnfw assemble ... --optimizer adam:learning_rate=0.001\n")


def test_show_of_a_component_without_options_says_so(nnfw):
    assert "\nNo options\n" in nnfw("show", "cost:mse").out


def test_show_keeps_brackets(nnfw):
    assert "\nlinear onto [low, high]\n" in nnfw("show", "min_max").out


def test_show_as_json_says_all_of_it(nnfw):
    status, out, err = nnfw("show", "l2", "--json")
    assert (status, err) == (0, "")
    (record,) = json.loads(out)
    assert (record["kind"], record["name"], record["distribution"]) == ("regularizer", "l2", "nnfw")
    (option,) = record["options"]
    assert option["type"] == "number ≥ 0"
    assert option["meaning"] != ""
    assert not option["required"]
    assert record["documentation"]["Description"] != ""
    assert set(record["example"]) == {"file", "command"}


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_show_explains_every_option_and_gives_examples_that_work(nnfw, kind, name):
    status, out, err = nnfw("show", name, "--kind", kind, "--json")
    assert (status, err) == (0, "")
    (record,) = json.loads(out)
    assert [option["name"] for option in record["options"] if not option["meaning"]] == []
    in_file = value_at(tomllib.loads(record["example"]["file"]), KINDS[kind].place)
    on_command_line = table_in(kind, record["example"]["command"])
    inputs = [table.pop("inputs", None) if isinstance(table, dict) else None for table in (in_file, on_command_line)]
    component = REGISTRY.resolve(kind, in_file)
    is_merge = KINDS[kind].sort_of(type(component)) == "merge"
    assert inputs == [["x", "previous"] if is_merge else None] * 2
    assert REGISTRY.component_of(kind, component).name == name
    assert REGISTRY.resolve(kind, on_command_line) == component


# Which component is meant


def test_name_of_several_kinds_shows_all_and_says_how_to_see_one(nnfw):
    status, out, err = nnfw("show", "mse")
    assert status == 0
    assert out.startswith("mse: cost, built-in\n")
    assert "\n\nmse: metric, built-in\n" in out
    assert err == "2 kinds have a component called 'mse'. To see one: nnfw show cost:mse or nnfw show metric:mse.\n"


@pytest.mark.parametrize(
    "line", [("metric:mse",), ("mse", "--kind", "metric"), ("metric:nnfw:mse",)], ids=["prefix", "option", "both"]
)
def test_kind_selects_one(nnfw, line):
    status, out, err = nnfw("show", *line)
    assert (status, err) == (0, "")
    assert out.startswith("mse: metric, built-in\n")
    assert "cost, built-in" not in out


def test_component_of_a_plugin_shows_where_it_is_from(install, nnfw):
    install(DISTRIBUTIONS / "healthy")
    status, out, err = nnfw("show", "fake-swish:swish")
    assert (status, err) == (0, "")
    assert out.startswith("swish: activation, fake-swish 1.2\nz σ(βz)\n")
    assert "\nbeta  number > 0  1.0      β, greater than 0; 1 by default.\n" in out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("dens",), "Unknown component 'dens'. Did you mean 'dense'? 'nnfw plugins' lists all."),
        (("layer:dens",), "Unknown layer 'dens'. Did you mean 'dense'? Available: "),
        (("dense", "--kind", "cost"), "Unknown cost 'dense'. There is a layer of that name. "),
        (("dense", "--kind", "layr"), "Unknown kind 'layr'. Did you mean 'layer'? "),
        (("layr:dense",), "Unknown component 'layr:dense'. Did you mean 'dense'? "),
    ],
    ids=["name", "name-of-a-kind", "other-kind", "kind", "prefix"],
)
def test_unknown_name_suggests_the_nearest(nnfw, line, message):
    status, out, err = nnfw("show", *line)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {message}")


def test_unknown_name_tells_which_plugins_are_not_active(install, nnfw):
    install(DISTRIBUTIONS / "import_error")
    for name in ("ripple", "fake-import-error:ripple"):
        status, _, err = nnfw("show", name)
        assert status == 2
        assert err.startswith(f"error: Unknown component {name!r}.")
        assert "Plugin fake-import-error 1.0 is quarantined: ModuleNotFoundError: " in err


def test_name_of_two_plugins_asks_which(install, nnfw):
    install(DISTRIBUTIONS / "clash_first", DISTRIBUTIONS / "clash_second")
    status, out, err = nnfw("show", "ripple")
    assert (status, out) == (2, "")
    assert err == (
        "error: Activation 'ripple' is offered by fake-clash-first 1.0 and fake-clash-second 1.0. "
        "Write 'fake-clash-first:ripple' or 'fake-clash-second:ripple'.\n"
    )


def test_component_with_a_problem_is_shown_with_it_and_written_in_full(install, nnfw):
    install(DISTRIBUTIONS / "built_in_name")
    status, out, _ = nnfw("show", "fake-built-in-name:relu")
    assert status == 0
    assert "\nProblem: the name is built in and cannot be taken; write 'fake-built-in-name:relu'\n" in out
    assert '\nactivation = "fake-built-in-name:relu"\n' in out
    assert nnfw("show", "relu").out.startswith("relu: activation, built-in\n")


def test_component_that_cannot_be_imported_is_told(install, nnfw):
    install(DISTRIBUTIONS / "component_import_error")
    status, out, err = nnfw("show", "ripple")
    assert (status, out) == (2, "")
    assert "RuntimeError: no GPU found" in err


def test_component_that_takes_its_own_kind_has_an_example(make, nnfw):
    source = (
        "from dataclasses import dataclass\n"
        "from nnfw import Elementwise, Activation\n"
        "@dataclass(frozen=True)\n"
        "class Twice(Elementwise):\n"
        "    inner: Activation | str\n"
        "    def value(self, z): return z\n"
        "    def derivative(self, z, a): return z\n"
    )
    make("nnfw-a", components='ComponentSpec("activation", "a_twice", "nnfw_a_twice:Twice", "s")', nnfw_a_twice=source)
    status, out, _ = nnfw("show", "a_twice")
    assert status == 0
    assert 'activation = { type = "a_twice", inner = "celu" }' in out
    assert "Twice(" not in out  # what dataclass makes up where there is no docstring


def test_example_that_a_plugin_declares_is_shown(make, nnfw):
    source = (
        "from dataclasses import dataclass\n"
        "from nnfw import Elementwise\n"
        "@dataclass(frozen=True)\n"
        "class Scaled(Elementwise):\n"
        "    scale: float\n"
        "    def value(self, z): return z\n"
        "    def derivative(self, z, a): return z\n"
    )
    spec = 'ComponentSpec("activation", "scaled", "nnfw_scaled:Scaled", "s", examples=({"scale": 2.5},))'
    make("nnfw-s", components=spec, nnfw_scaled=source)
    assert 'activation = { type = "scaled", scale = 2.5 }' in nnfw("show", "scaled").out


# What accelerators make of it


ACTIVATION = """
from dataclasses import dataclass
import numpy as np
from nnfw import Activation, Elementwise
from nnfw.ops import kernels
"""
PLAIN = """
@dataclass(frozen=True)
class Mine(Elementwise):
    def value(self, z): return {value}
    def derivative(self, z, a): return {derivative}
"""
OWN = """
@dataclass(frozen=True)
class Mine(Activation):
    def forward(self, z, workspace): {forward}
    def delta(self, grad_a, z, a, workspace): return grad_a * 1.0
"""


@pytest.fixture
def computed(make, nnfw):
    """Return a function that shows what accelerators make of an activation."""
    pytest.importorskip("numba")

    def show(source):
        declared = 'ComponentSpec("activation", "mine", "nnfw_mine_mine:Mine", "s")'
        make("nnfw-mine", components=declared, nnfw_mine_mine=ACTIVATION + source)
        status, out, err = nnfw("show", "mine", "--accelerators", "--json")
        assert (status, err) == (0, "")
        ((found,),) = (record["accelerators"] for record in json.loads(out))
        return found

    return show


@pytest.mark.parametrize(
    ("source", "how", "why"),
    [
        (PLAIN.format(value="2 * z", derivative="2 + 0 * z"), "compiled", "as loops over the elements"),
        (
            PLAIN.format(value="np.sort(z) * 1.0", derivative="1 + 0 * z"),
            "NumPy",
            "value and derivative cannot be compiled, or give something else then",
        ),
        (OWN.format(forward="a = 0 * z; kernels().tanh(z, a); return a"), "kernels", "it calls tanh"),
        (
            OWN.format(forward="return 1.0 * z"),
            "NumPy",
            "its own forward calls no kernels",
        ),
        (
            OWN.format(forward="raise OSError('planted')"),
            "unknown",
            "it cannot be tried: OSError: planted",
        ),
    ],
    ids=["plain", "refused", "kernels", "own", "broken"],
)
def test_show_with_accelerators_says_how_an_activation_is_computed_and_why(computed, source, how, why):
    assert computed(source) == {"accelerator": "numba", "computed_by": how, "because": why}


def load_one():
    return {"relu": lambda z, out: kernels().relu.definition(z, out)}


def load_none():
    raise OSError("planted")


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("load_one", "the accelerator has no kernel relu_delta"),
        ("load_none", "OSError: planted. get it at the fair"),
    ],
    ids=["lacks a kernel", "cannot be loaded"],
)
def test_accelerator_without_what_an_activation_needs_leaves_it_to_numpy(monkeypatch, target, why):
    monkeypatch.setitem(sys.modules, "fake_accelerator", sys.modules[__name__])
    registry = Registry.discover()
    spec = AcceleratorSpec("fake", f"fake_accelerator:{target}", "get it at the fair")
    registry.accelerators = (Declared(spec, Plugin("nnfw-fake", "1.0", "fake", "fake")),)
    assert accelerations(ReLU(), registry) == [{"accelerator": "fake", "computed_by": "NumPy", "because": why}]


def test_show_with_accelerators_prints_a_table(nnfw):
    pytest.importorskip("numba")
    out = nnfw("show", "relu", "--accelerators").out
    table = "accelerator  computed by  because\nnumba        kernels      it calls relu, relu_delta\n"
    assert f"\nWith accelerators\n{table}\n" in out


def test_show_with_accelerators_of_what_is_no_activation_is_refused(nnfw):
    status, out, err = nnfw("show", "dense", "--accelerators")
    assert (status, out) == (2, "")
    assert "--accelerators applies to activations, and 'dense' is not one. Leave it out." in err


# What is imported


def test_show_imports_only_that_component():
    code = (
        "import sys\nfrom nnfw.cli.main import main\nmain(['show', 'activation:relu'])\n"
        "looked_for = ('nnfw_standard.', 'scipy', 'numba')\n"
        "print(*sorted(name for name in sys.modules if name.startswith(looked_for)), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True, check=True
    )
    assert result.stderr == "nnfw_standard.activations nnfw_standard.operations nnfw_standard.plugin\n"


# Docstrings


@dataclass(frozen=True)
class Base:
    """A base.

    Parameters
    ----------
    first
        Of the base.
    second, third
        Two at once,
        in two lines.
    """

    first: int = 1


@dataclass(frozen=True)
class Derived(Base):
    """See :class:`~nnfw.network.Workspace` and ``code``.

    a = b

    Parameters
    ----------
    first : int
        Of the derived class.

    Notes
    -----
    Text.
    """


@dataclass(frozen=True)
class Undocumented:
    first: int = 1


def test_sections_are_split_at_underlined_headings_and_lose_their_markup():
    assert sections_of(Derived) == {
        "": "See `Workspace` and `code`.\n\na = b",
        "Parameters": "first : int\n    Of the derived class.",
        "Notes": "Text.",
    }


def test_meanings_come_from_the_bases_too():
    assert meanings_of(Derived) == {
        "first": "Of the derived class.",
        "second": "Two at once, in two lines.",
        "third": "Two at once, in two lines.",
    }


def test_class_without_docstring_has_no_text():
    assert sections_of(Undocumented) == {"": ""}
