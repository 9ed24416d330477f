"""The registry: from names, tables and objects to components, and back."""

import importlib.util
import pickle
import re
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
from annotated_types import Gt

import nnfw
from nnfw import Elementwise
from nnfw.plugins import Registry, default_registry
from nnfw.protocols import KINDS

DISTRIBUTIONS = Path(__file__).parents[1] / "data" / "distributions"
_spec = importlib.util.spec_from_file_location("distribution_cases", DISTRIBUTIONS / "cases.py")
cases = sys.modules["distribution_cases"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)


@pytest.fixture
def registry(install):
    """Return a registry with the healthy distribution beside the built-in components."""
    install("healthy")
    return Registry.discover()


def exactly(text):
    """Return a pattern for the whole of a message."""
    return rf"\A{re.escape(text)}\Z"


# Listing


def test_components_are_ordered_by_kind_and_name(registry):
    listed = [(list(KINDS).index(item.kind), item.name) for item in registry.components()]
    assert listed == sorted(listed)


def test_components_of_one_kind_are_of_that_kind(registry):
    assert {item.kind for item in registry.components("layer")} == {"layer"}


@pytest.mark.parametrize("ask", [Registry.components, Registry.inspected, Registry.defaults])
def test_components_of_unknown_kind_names_the_kinds(registry, ask):
    with pytest.raises(
        nnfw.UnknownComponentError, match=r"Unknown kind 'lair'\. Did you mean 'layer'\? Kinds: layer, activ"
    ):
        ask(registry, "lair")


def test_component_carries_provenance(registry):
    component = registry.find("activation", "swish")
    assert str(component) == "'swish' (fake-swish 1.2)"
    assert component.qualified_name == "fake-swish:swish"
    assert (component.plugin.version, component.plugin.entry_point, component.plugin.module) == (
        "1.2",
        "swish",
        "fake_swish.plugin",
    )


def test_component_of_nnfw_is_called_built_in(registry):
    component = registry.find("layer", "dense")
    assert (str(component), component.qualified_name) == ("'dense' (built-in)", "nnfw:dense")


def test_commands_carry_provenance(install):
    install("commands")
    (command,) = Registry.discover().commands
    assert (command.name, str(command.plugin)) == ("plot-cost", "fake-commands 1.0")


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name) for case in cases.CASES if case.where == "component"]
)
def test_inspected_broken_component_has_a_problem_and_nothing_is_imported(install, case):
    install(*case.paths)
    registry = Registry.discover()
    before = set(sys.modules)
    (problem,) = [item.problem for item in registry.inspected() if item.plugin.distribution == case.distribution]
    assert [words for words in case.words if words not in problem] == []
    assert set(sys.modules) == before


def test_inspected_sound_components_have_no_problem(registry):
    assert [item for item in registry.inspected() if item.problem] == []


def test_defaults_are_the_callbacks_that_say_so(registry):
    assert [item.name for item in registry.defaults("callback")] == ["terminate_on_nan"]


def test_callbacks_of_trainings_with_an_open_end_are_those_that_say_so(registry):
    assert [item.name for item in registry.of_open_end()] == ["early_stopping"]


# Names


@pytest.mark.parametrize("name", ["swish", "fake-swish:swish", "Fake_Swish:swish"])
def test_find_plain_and_qualified_names_are_the_same_component(registry, name):
    assert registry.find("activation", name).qualified_name == "fake-swish:swish"


def test_find_unknown_name_says_nearest_and_all_with_their_owners(registry):
    names = [item.name for item in registry.components("layer") if item.plugin.built_in]
    expected = (
        f"Unknown layer 'dens'. Did you mean 'dense'? Available: {', '.join(names)} (built-in), "
        "amplify (fake-swish 1.2)."
    )
    with pytest.raises(nnfw.UnknownComponentError, match=exactly(expected)):
        registry.find("layer", "dens")


@pytest.mark.parametrize("name", ["DENSE", "Dense", "d_ense"])
def test_find_unknown_name_in_other_spelling_is_suggested(registry, name):
    with pytest.raises(nnfw.UnknownComponentError, match=r"Did you mean 'dense'\?"):
        registry.find("layer", name)


def test_find_name_of_another_kind_says_so(registry):
    with pytest.raises(
        nnfw.UnknownComponentError, match=r"Unknown layer 'relu'\. There is an activation of that name\."
    ):
        registry.find("layer", "relu")


def test_find_name_of_absent_distribution_says_what_to_install(registry):
    with pytest.raises(
        nnfw.UnknownComponentError, match=r"The distribution 'nnfw-absent' is not installed; install it\."
    ):
        registry.find("layer", "nnfw-absent:gate")


def test_find_name_of_distribution_missing_by_the_variable_says_what_to_install(registry, monkeypatch):
    monkeypatch.setenv("NNFW_PLUGINS", "nnfw-absent")
    with pytest.raises(
        nnfw.UnknownComponentError, match=r"The distribution 'nnfw-absent' is not installed; install it\."
    ):
        Registry.discover().find("layer", "nnfw-absent:gate")


def test_find_unknown_name_beside_a_quarantined_plugin_tells_its_reason_and_cause(install):
    install("import_error")
    registry = Registry.discover()
    pattern = r"Unknown layer 'gate'\..* Plugin fake-import-error 1\.0 is quarantined: ModuleNotFoundError: .*'\.$"
    with pytest.raises(nnfw.UnknownComponentError, match=pattern) as caught:
        registry.find("layer", "gate")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize("name", [3, None, Elementwise])
def test_find_name_that_is_no_text_is_refused(registry, name):
    with pytest.raises(nnfw.UnknownComponentError, match=r"The name of an activation must be text, got "):
        registry.find("activation", name)


def test_find_endless_name_is_cut_in_the_message(registry):
    with pytest.raises(nnfw.UnknownComponentError, match=r"^Unknown layer 'x{56}\.\.\.\. Available: "):
        registry.find("layer", "x" * 1_000_000)


def test_find_unknown_kind_names_the_kinds(registry):
    with pytest.raises(nnfw.UnknownComponentError, match=r"Unknown kind 'layers'\. Did you mean 'layer'\?"):
        registry.find("layers", "dense")


def test_find_name_of_two_distributions_names_both(install):
    install("clash_first", "clash_second")
    expected = (
        "Activation 'ripple' is offered by fake-clash-first 1.0 and fake-clash-second 1.0. Write "
        "'fake-clash-first:ripple' or 'fake-clash-second:ripple'."
    )
    with pytest.raises(nnfw.PluginError, match=exactly(expected)):
        Registry.discover().find("activation", "ripple")


@pytest.mark.parametrize(
    ("name", "kind", "found"),
    [
        ("relu", None, ["activation"]),
        ("activation:relu", None, ["activation"]),
        ("nnfw:relu", None, ["activation"]),
        ("relu", "activation", ["activation"]),
        ("zeros", None, ["initializer"]),
    ],
)
def test_named_finds_components_of_any_kind(registry, name, kind, found):
    assert [item.kind for item in registry.named(name, kind)] == found


def test_named_finds_one_name_in_several_kinds(make):
    specs = [f'ComponentSpec("{kind}", "ripple", "nnfw_a:X", "s")' for kind in ("activation", "layer")]
    source = (
        f"from nnfw import ComponentSpec, hookimpl\n@hookimpl\ndef nnfw_components(): return [{', '.join(specs)}]\n"
    )
    make("nnfw-a", source)
    registry = Registry.discover()
    assert [item.kind for item in registry.named("ripple")] == ["layer", "activation"]
    assert [item.kind for item in registry.named("nnfw-a:ripple")] == ["layer", "activation"]
    assert [item.kind for item in registry.named("layer:ripple")] == ["layer"]


def test_named_of_two_distributions_names_both(install):
    install("clash_first", "clash_second")
    registry = Registry.discover()
    for name in ("ripple", "activation:ripple"):
        with pytest.raises(nnfw.PluginError, match="^Activation 'ripple' is offered by fake-clash-first 1.0 and fake-"):
            registry.named(name)
    (found,) = registry.named("fake-clash-second:ripple")
    assert found.plugin.distribution == "fake-clash-second"


def test_named_what_nobody_offers_names_what_is_not_active(install):
    install("import_error")
    registry = Registry.discover()
    pattern = (
        r"^Unknown component '{}'\.{} 'nnfw plugins' lists all\. Plugin fake-import-error 1\.0 is quarantined: Mod"
    )
    for name, hint in (("sigmiod", r" Did you mean 'sigmoid'\?"), ("fake-import-error:ripple", "")):
        with pytest.raises(nnfw.UnknownComponentError, match=pattern.format(name, hint)):
            registry.named(name)
    with pytest.raises(
        nnfw.PluginError, match=r"^Layer 'fake-import-error:gate': Plugin fake-import-error 1.0 is quar"
    ):
        registry.named("fake-import-error:gate", "layer")


@pytest.mark.parametrize("which", ["first", "second"])
def test_find_qualified_name_of_two_distributions_is_unambiguous(install, which):
    install("clash_first", "clash_second")
    found = Registry.discover().load("activation", f"fake-clash-{which}:ripple")
    assert found.__module__ == f"fake_clash_{which}_ripple"


def test_find_built_in_name_stays_built_in(install):
    install("built_in_name")
    registry = Registry.discover()
    assert registry.find("activation", "relu").plugin.built_in
    assert registry.load("activation", "fake-built-in-name:relu").__name__ == "Ripple"


@pytest.mark.parametrize("folders", [("clash_first", "clash_second"), ("built_in_name",)], ids=["two", "built-in"])
def test_discover_clash_in_strict_mode_raises(install, monkeypatch, folders):
    install(*folders)
    monkeypatch.setenv("NNFW_STRICT_PLUGINS", "1")
    with pytest.raises(nnfw.PluginError, match=r"^Activation '\w+' \(fake-.* 1\.0\): the name is "):
        Registry.discover()


# Classes


def test_load_imports_the_target_once(registry):
    assert "fake_swish.swish" not in sys.modules
    first = registry.load("activation", "swish")
    assert first is sys.modules["fake_swish.swish"].Swish
    assert registry.load("activation", "fake-swish:swish") is first


def test_load_component_that_exits_at_import_raises_with_its_cause(make):
    make("fake-exit", spec("activation", "wave", "fake_exit_wave:Wave"), fake_exit_wave="raise SystemExit(3)")
    expected = "Activation 'wave' (fake-exit 1.0): target 'fake_exit_wave:Wave' cannot be loaded: SystemExit: 3."
    with pytest.raises(nnfw.PluginError, match=exactly(expected)) as caught:
        Registry.discover().load("activation", "wave")
    assert isinstance(caught.value.__cause__, SystemExit)


def test_load_keyboard_interrupt_is_not_swallowed(make):
    make("fake-stop", spec("activation", "wave", "fake_stop_wave:Wave"), fake_stop_wave="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Registry.discover().load("activation", "wave")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param(
            "unreadable_annotation",
            "UnreadableAnnotation: its options cannot be read: NameError: name 'Levle' is not defined. An annotation "
            "may use what its module imports outside `if TYPE_CHECKING`.",
            id="annotation",
        ),
        pytest.param(
            "mutable_default",
            "the default of 'levels', [], can be changed, but components hold no state; use a tuple.",
            id="mutable-default",
        ),
        pytest.param(
            "reserved_option",
            "has an option 'type', which in a table names the component; rename it.",
            id="reserved-option",
        ),
    ],
)
def test_load_component_with_impossible_options_says_which(install, name, words):
    install("odd_options")
    with pytest.raises(nnfw.PluginError, match=re.escape(words)) as caught:
        Registry.discover().load("activation", name)
    assert str(caught.value).startswith(
        f"Activation '{name}' (fake-odd-options 1.0): target 'fake_odd_options_classes:"
    )


def test_load_from_many_threads_imports_once_and_gives_one_class(make):
    source = """
        import time
        from dataclasses import dataclass
        from nnfw import Elementwise

        time.sleep(0.05)

        @dataclass(frozen=True)
        class Wave(Elementwise):
            def value(self, z): return z
            def derivative(self, z, a): return z
    """
    make("fake-slow", spec("activation", "wave", "fake_slow_wave:Wave"), fake_slow_wave=textwrap.dedent(source))
    registry = Registry.discover()
    assert len(set(in_threads(lambda: registry.load("activation", "wave")))) == 1


# Options


def test_create_checks_and_resolves(registry):
    created = registry.create("layer", "amplify", {"factor": 3, "activation": {"type": "swish", "beta": 0.5}})
    swish = registry.load("activation", "swish")
    assert created == registry.load("layer", "amplify")(3.0, swish(0.5))


def test_create_resolves_defaults_too(registry):
    assert registry.create("layer", "amplify", {}).activation == registry.load("activation", "swish")(1.0)


def test_create_reports_all_mistakes_each_with_its_owner(registry):
    expected = (
        "Layer 'amplify' (fake-swish 1.2): factr is not an option. Did you mean 'factor'? "
        "Options: activation, factor.\n"
        "Layer 'amplify' (fake-swish 1.2): activation.beta must be greater than 0, got -1."
    )
    with pytest.raises(nnfw.ConfigError, match=exactly(expected)):
        registry.create("layer", "amplify", {"factr": 3, "activation": {"type": "swish", "beta": -1}})


def test_create_missing_option_says_what_it_is(registry):
    with pytest.raises(
        nnfw.ConfigError, match=exactly("Layer 'dense' (built-in): units is missing: whole number ≥ 1.")
    ):
        registry.create("layer", "dense", {})


def test_create_option_type_is_refused(registry):
    expected = "Layer 'dense' (built-in): type is not an option: it is the key of a table that names the component."
    with pytest.raises(nnfw.ConfigError, match=exactly(expected)):
        registry.create("layer", "dense", {"type": "flatten", "units": 3})


def test_create_unknown_name_is_no_mistake_in_the_options(registry):
    with pytest.raises(nnfw.UnknownComponentError, match="Unknown layer 'dens'"):
        registry.create("layer", "dens", {"units": 3})


def test_create_class_that_refuses_its_values_is_a_mistake(install):
    install("odd_options")
    expected = (
        "Activation 'refusing' (fake-odd-options 1.0): Refused by Refusing: ValueError: low must be less than high."
    )
    with pytest.raises(nnfw.ConfigError, match=exactly(expected)) as caught:
        Registry.discover().create("activation", "refusing", {"low": 2.0})
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("number", [np.float32(0.5), np.float64(0.5), np.float16(0.5), np.array([0.5])[0]], ids=repr)
def test_create_numpy_number_is_stored_as_python_number(registry, number):
    beta = registry.create("activation", "swish", {"beta": number}).beta
    assert (beta, type(beta)) == (0.5, float)


# References


def test_resolve_text_table_and_object_give_equal_components(registry):
    swish = registry.load("activation", "swish")
    references = ["swish", {"type": "swish"}, {"type": "fake-swish:swish", "beta": 1}, swish(), swish(np.float32(1))]
    assert [registry.resolve("activation", reference) for reference in references] == [swish(1.0)] * 5


def test_resolve_leaves_the_table_as_it_is(registry):
    table = {"type": "amplify", "activation": {"type": "swish", "beta": 2}}
    registry.resolve("layer", table)
    assert table == {"type": "amplify", "activation": {"type": "swish", "beta": 2}}


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        pytest.param("swich", "Unknown activation 'swich'. Did you mean 'swish'?", id="unknown"),
        pytest.param(
            {"type": "swich"}, "type: Unknown activation 'swich'. Did you mean 'swish'?", id="unknown-in-table"
        ),
        pytest.param(
            {"beta": 1},
            "type is missing: the name of an activation. The table has 'beta'. Available: celu, elu,",
            id="no-type",
        ),
        pytest.param({"type": 3}, "type must name an activation, got 3. Available: celu, elu,", id="type-no-text"),
        pytest.param(
            3, "Activation: must be an activation: a name, a table with 'type', or an object, got 3.", id="number"
        ),
        pytest.param(
            None, "Activation: must be an activation: a name, a table with 'type', or an object, got None.", id="none"
        ),
        pytest.param(
            Elementwise, "Activation: must be an activation, not a class: write Elementwise(...).", id="class"
        ),
        pytest.param(
            {"type": "swish", "beta": "x"},
            "Activation 'swish' (fake-swish 1.2): beta must be a number > 0, got 'x'.",
            id="option",
        ),
        pytest.param(
            {"type": "swish", 3: 4},
            "Activation 'swish' (fake-swish 1.2): 3 is not an option. Options: beta.",
            id="key-no-text",
        ),
    ],
)
def test_resolve_wrong_reference_says_what_was_expected(registry, reference, expected):
    with pytest.raises(nnfw.ConfigError) as caught:
        registry.resolve("activation", reference)
    assert str(caught.value).startswith(expected)


def test_resolve_object_of_wrong_range_is_refused(registry):
    swish = registry.load("activation", "swish")
    expected = "Layer 'amplify' (fake-swish 1.2): activation.beta must be greater than 0, got -1."
    with pytest.raises(nnfw.ConfigError, match=exactly(expected)):
        registry.resolve("layer", registry.load("layer", "amplify")(activation=swish(-1)))


def test_resolve_object_of_another_kind_is_refused(registry):
    swish = registry.load("activation", "swish")
    pattern = r"must be a layer, but Swish\(beta=1\.0\) implements neither Layer \(it lacks backward, .*\) nor Merge"
    with pytest.raises(nnfw.ConfigError, match=pattern):
        registry.resolve("layer", swish())


def test_resolve_mistakes_of_an_unregistered_class_name_the_class(registry):
    with pytest.raises(nnfw.ConfigError, match=exactly("Activation 'Private': gain must be greater than 0, got -1.0.")):
        registry.resolve("activation", Private(-1.0))


def test_resolve_component_of_quarantined_plugin_is_a_mistake_at_its_place(install):
    install("import_error")
    pattern = (
        r"^Layer 'dense' \(built-in\): activation: Activation 'fake-import-error:wave': Plugin fake-import-error 1"
    )
    with pytest.raises(nnfw.ConfigError, match=pattern):
        Registry.discover().resolve("layer", {"type": "dense", "units": 2, "activation": "fake-import-error:wave"})


def test_resolve_unknown_kind_names_the_kinds(registry):
    with pytest.raises(nnfw.UnknownComponentError, match="Unknown kind 'lair'"):
        registry.resolve("lair", Private())


def nested(depth):
    table = {"type": "flatten"}
    for _ in range(depth):
        table = {"type": "chain", "layers": [table]}
    return table


def containing_itself():
    table = {"type": "chain"}
    table["layers"] = [table, table]
    return table


@pytest.mark.parametrize("table", [nested(33), nested(10_000), containing_itself()], ids=["33", "10000", "circle"])
def test_resolve_too_deep_table_is_refused(registry, table):
    expected = "Nested more than 32 components deep, or inside itself; expected a flatter layer."
    with pytest.raises(nnfw.ConfigError, match=exactly(f"Layer 'chain' (built-in): {expected}")):
        registry.resolve("layer", table)


def test_resolve_table_of_32_levels_is_accepted(registry):
    resolved = registry.resolve("layer", nested(32))
    for _ in range(32):
        (resolved,) = (node.layer for node in resolved.layers)
    assert resolved == registry.resolve("layer", "flatten")


def test_resolve_too_deep_object_is_refused(registry):
    chain, layer = registry.load("layer", "chain"), registry.resolve("layer", "flatten")
    for _ in range(40):
        layer = chain(layers=(layer,))
    with pytest.raises(nnfw.ConfigError, match="Nested more than 32 components deep"):
        registry.resolve("layer", layer)


def test_resolve_deep_value_where_none_belongs_is_refused_in_a_short_message(registry):
    deep = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(
        nnfw.ConfigError, match=r"units must be a whole number ≥ 1, got a value of type list that cannot be shown"
    ):
        registry.resolve("layer", {"type": "dense", "units": deep})


def test_resolve_error_survives_pickling(registry):
    with pytest.raises(nnfw.ConfigError) as caught:
        registry.resolve("layer", {"type": "dense", "units": 0})
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.mistakes, copy.owner) == (
        str(caught.value),
        caught.value.mistakes,
        "Layer 'dense' (built-in)",
    )


# Tables

EXAMPLES = {
    ("layer", "activation"): {"activation": {"type": "leaky_relu", "slope": 0.25}},
    ("layer", "dense"): {"units": 3, "activation": "softmax", "weight_initializer": {"type": "normal", "mean": 0.5}},
    ("layer", "reshape"): {"shape": [2, -1]},
    ("layer", "chain"): {"layers": ["flatten", {"type": "chain", "layers": [{"type": "dense", "units": 2}]}]},
    ("layer", "embedding"): {"count": 5, "width": 2},
    ("layer", "conv_transpose2d"): {"filters": 2, "kernel": 3, "output_padding": (0, 1), "stride": 2},
    ("layer", "zero_pad"): {"padding": (1, 0, 2, 0)},
    ("layer", "conv2d"): {"filters": 2, "kernel": (3, 2), "padding": "same"},
    ("layer", "parallel"): {"layers": ["flatten", {"type": "dense", "units": 2}], "merge": {"type": "concatenate"}},
    ("layer", "repeat"): {"layers": [{"type": "dense", "units": 2}], "times": 3},
    ("layer", "residual"): {
        "layers": [{"type": "dense", "units": 2, "name": "f"}, {"type": "add", "inputs": ["f", "previous"]}],
        "shortcut": {"type": "dense", "units": 2},
    },
    ("schedule", "exponential"): {"rate": 0.5},
    ("schedule", "step"): {"every": 3},
    ("initializer", "constant"): {"value": -1},
    ("dataset", "table"): {"path": "a.db", "target": "y", "table": "a", "exclude": ["b"]},
    ("dataset", "csv"): {"path": "a.csv", "target": "y", "features": ["a", "b"]},
    ("dataset", "idx"): {"images": "i", "labels": "l", "classes": ["zero", "one"]},
    ("dataset", "characters"): {"path": "a.txt", "length": 8},
    ("dataset", "image_folder"): {"path": "images", "size": (8, 8)},
    ("dataset", "text_lines"): {"path": "a.tsv", "length": 4},
    ("dataset", "sequences_csv"): {"path": "a.csv", "group": "id", "target": "y", "features": ["a"]},
    ("dataset", "npy"): {"x": "x.npy"},
    ("dataset", "npz"): {"path": "a.npz", "y": None},
    ("optimizer", "sgd"): {"clip_norm": 2},
}
"""Options of standard components instead of the examples that they declare: every sort of value is among them."""


@pytest.mark.parametrize(
    ("kind", "name"),
    [pytest.param(item.kind, item.name, id=f"{item.kind}-{item.name}") for item in Registry.discover().components()],
)
def test_describe_then_resolve_gives_an_equal_component(kind, name):
    registry = default_registry()
    declared = next(iter(registry.find(kind, name).spec.examples), {})
    component = registry.create(kind, name, EXAMPLES.get((kind, name), declared))
    for qualified in (True, False):
        table = registry.describe(kind, component, qualified=qualified)
        assert registry.resolve(kind, table) == component
        assert registry.describe(kind, registry.resolve(kind, table), qualified=qualified) == table


def test_describe_writes_every_option_by_qualified_names(registry):
    component = registry.create("layer", "amplify", {"activation": {"type": "swish", "beta": 2}})
    assert registry.describe("layer", component) == {
        "type": "fake-swish:amplify",
        "factor": 2.0,
        "activation": {"type": "fake-swish:swish", "beta": 2.0},
    }


def test_describe_unqualified_writes_plain_names_where_they_are_unambiguous(install):
    install("built_in_name")
    registry = Registry.discover()
    relu = registry.create("activation", "fake-built-in-name:relu", {})
    layer = registry.create("layer", "dense", {"units": 2, "activation": relu})
    table = registry.describe("layer", layer, qualified=False)
    assert (table["type"], table["activation"]) == ("dense", {"type": "fake-built-in-name:relu"})


def test_describe_nested_list_of_layers_writes_tables(registry):
    block = registry.create("layer", "chain", {"layers": ["flatten", {"type": "chain", "layers": ["flatten"]}]})
    assert registry.describe("layer", block, qualified=False) == {
        "type": "chain",
        "layers": [{"type": "flatten"}, {"type": "chain", "layers": [{"type": "flatten"}]}],
    }


def test_describe_object_that_was_never_resolved_keeps_its_references(registry):
    amplify = registry.load("layer", "amplify")
    table = registry.describe("layer", amplify(np.float64(2), {"type": "swish"}), qualified=False)
    assert table == {"type": "amplify", "factor": 2.0, "activation": {"type": "swish"}}
    assert type(table["factor"]) is float


def test_describe_class_of_no_plugin_is_refused_also_inside_another(registry):
    layer = registry.create("layer", "dense", {"units": 2, "activation": Private()})
    pattern = r"^Activation 'Private' belongs to no installed plugin, so a file cannot name it\. Declare it in a "
    with pytest.raises(nnfw.PluginError, match=pattern):
        registry.describe("layer", layer)


# Provenance of objects


def test_component_of_object_made_without_the_registry_is_found(registry):
    from fake_swish.swish import Swish

    assert registry.component_of("activation", Swish()) == registry.find("activation", "swish")
    assert registry.label("activation", Swish()) == "'swish' (fake-swish 1.2)"


def test_component_of_class_that_its_target_hands_on_is_found(make):
    wave = """
        from dataclasses import dataclass
        from nnfw import Elementwise

        @dataclass(frozen=True)
        class Wave(Elementwise):
            def value(self, z): return z
            def derivative(self, z, a): return z
    """
    make(
        "fake-face",
        spec("activation", "wave", "fake_face_public:Wave"),
        fake_face_public="from fake_face_private import Wave\n",
        fake_face_private=textwrap.dedent(wave),
    )
    registry = Registry.discover()
    from fake_face_private import Wave

    assert registry.label("activation", Wave()) == "'Wave'"  # what its plugin declares is not imported yet
    import fake_face_public  # noqa: F401

    assert registry.label("activation", Wave()) == "'wave' (fake-face 1.0)"


def test_component_of_class_that_a_plugin_declares_again_stays_built_in(make):
    make("fake-again", spec("activation", "a_relu", "nnfw_standard.activations:ReLU"))
    registry = Registry.discover()
    relu = registry.create("activation", "a_relu", {})
    assert registry.component_of("activation", relu) == registry.find("activation", "relu")


@dataclass(frozen=True)
class Private(Elementwise):
    """An activation of no plugin."""

    gain: Annotated[float, Gt(0)] = 1.0

    def value(self, z):
        return z

    def derivative(self, z, a):
        return z


def test_component_of_class_of_no_plugin_is_none_and_labelled_by_its_class(registry):
    assert registry.component_of("activation", Private()) is None
    assert registry.label("activation", Private()) == "'Private'"


def test_component_of_subclass_is_none(registry):
    @dataclass(frozen=True)
    class Steep(registry.load("activation", "swish")):
        pass

    assert registry.component_of("activation", Steep()) is None


# Observers


def test_notify_calls_observers_with_the_arguments_that_they_take(install):
    install("observer")
    registry = Registry.discover()
    registry.notify("nnfw_run_started", {"directory": Path("runs"), "experiment": {"seed": 1}})
    registry.notify("nnfw_epoch_ended", {"directory": Path("runs"), "record": {"cost": 0.5}})
    registry.notify("nnfw_run_ended", {"directory": Path("runs"), "record": {}})
    calls = sys.modules["fake_observer"].CALLS
    assert calls == [
        ("run_started", Path("runs"), {"seed": 1}),
        ("epoch_ended", {"cost": 0.5}),
        ("run_ended",),
    ]


def test_notify_observer_that_fails_is_warned_about_and_the_others_are_called(install, make):
    install("observer", "observer_that_fails")
    late = """
        import fake_observer, nnfw

        @nnfw.hookimpl
        def nnfw_epoch_ended():
            fake_observer.CALLS.append("late")
    """
    make("fake-late", textwrap.dedent(late))
    registry = Registry.discover()
    expected = (
        "Plugin fake-observer-that-fails 1.0: its hook 'nnfw_epoch_ended' failed: ConnectionError: the server is down. "
        "The run goes on."
    )
    with pytest.warns(UserWarning, match=exactly(expected)):
        registry.notify("nnfw_epoch_ended", {"directory": Path(), "record": {}})
    assert sys.modules["fake_observer"].CALLS == ["late", ("epoch_ended", {})]


def test_notify_observer_that_fails_in_strict_mode_raises(install, monkeypatch):
    install("observer_that_fails")
    monkeypatch.setenv("NNFW_STRICT_PLUGINS", "1")
    with pytest.raises(
        nnfw.PluginError, match=r"fake-observer-that-fails 1\.0: its hook .* ConnectionError: the server"
    ) as caught:
        Registry.discover().notify("nnfw_epoch_ended", {"directory": Path(), "record": {}})
    assert isinstance(caught.value.__cause__, ConnectionError)


# The default registry


def in_threads(function, number=8):
    """Return the results of as many threads, started together."""
    barrier = threading.Barrier(number)

    def wait_and_call():
        barrier.wait()
        return function()

    with ThreadPoolExecutor(number) as pool:
        return [future.result() for future in [pool.submit(wait_and_call) for _ in range(number)]]


def test_default_registry_in_many_threads_is_one(install, undiscovered):
    install("healthy", "print_at_import")
    stdout = sys.stdout
    found = in_threads(default_registry)
    assert all(item is found[0] for item in found)
    assert sys.stdout is stdout


def test_discover_in_many_threads_restores_stdout(install):
    install("healthy", "print_at_import")
    stdout = sys.stdout
    found = in_threads(Registry.discover)
    assert len({item.components() for item in found}) == 1
    assert sys.stdout is stdout


def test_default_registry_asked_for_by_a_plugin_at_import_ends(make, undiscovered):
    make("fake-eager", "import nnfw\nnnfw.activation('relu')\n" + spec("activation", "wave", "fake_eager_wave:Wave"))
    assert default_registry().find("activation", "wave").plugin.status == "active"


@pytest.mark.parametrize("kind", list(KINDS))
def test_helper_of_each_kind_creates_from_the_default_registry(kind):
    components = default_registry().components(kind)
    component = next(item for item in components if (kind, item.name) not in EXAMPLES and not item.spec.examples)
    created = getattr(nnfw, kind)(component.name)
    assert default_registry().component_of(kind, created) == component
    assert f"Return the {kind} called `name`" in getattr(nnfw, kind).__doc__


def test_helper_passes_options_also_those_called_name_and_kind(make, undiscovered):
    source = """
        from dataclasses import dataclass
        from nnfw import Elementwise

        @dataclass(frozen=True)
        class Wave(Elementwise):
            name: str = ""
            kind: str = ""
            def value(self, z): return z
            def derivative(self, z, a): return z
    """
    make("fake-named", spec("activation", "wave", "fake_named_wave:Wave"), fake_named_wave=textwrap.dedent(source))
    assert nnfw.activation("wave", name="n", kind="k") == replace(nnfw.activation("wave"), name="n", kind="k")


def spec(kind, name, target):
    """Return the source of a module of hooks that declares one component."""
    return (
        "import nnfw\n\n@nnfw.hookimpl\ndef nnfw_components():\n"
        f"    return [nnfw.ComponentSpec({kind!r}, {name!r}, {target!r}, 'a component')]\n"
    )


def test_find_options_behind_a_name_says_where_they_stand(registry):
    with pytest.raises(
        nnfw.UnknownComponentError, match="Options stand in a table: { type = 'leaky_relu', option = value }"
    ):
        registry.find("activation", "leaky_relu:slope=0.2")
