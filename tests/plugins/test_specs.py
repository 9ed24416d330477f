"""What a plugin declares: every field is checked, and every note of the host reads well."""

import textwrap
from dataclasses import FrozenInstanceError, replace

import pytest

import nnfw
from nnfw.plugins import AcceleratorSpec, CommandSpec, ComponentSpec, Listed, Plugin, TableReaderSpec
from nnfw.plugins.specs import normalised
from nnfw.protocols import KINDS

COMPONENT = ComponentSpec("layer", "gate", "nnfw_gate.layers:Gate", "z = a · gate")
ACCELERATOR = AcceleratorSpec("numba", "module:function", "fast")
COMMAND = CommandSpec("plot-cost", "nnfw_plot.command:plot", "draw the cost of a run")

NAMES = f"Kinds: {', '.join(KINDS)}."


@pytest.mark.parametrize("kind", list(KINDS))
def test_component_spec_of_every_kind_is_valid(kind):
    replace(COMPONENT, kind=kind).validate()


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(replace(COMPONENT, name="a"), id="one-letter"),
        pytest.param(replace(COMPONENT, name="conv2d_1"), id="digits-and-underscores"),
        pytest.param(replace(COMPONENT, target="_a:_B"), id="private-target"),
        pytest.param(replace(COMPONENT, target="a.b.c:D"), id="deep-target"),
        pytest.param(replace(COMPONENT, summary="σ(βz) ∂C/∂z → ‖a‖²"), id="signs"),
        pytest.param(replace(COMPONENT, kind="callback", default=True), id="default-callback"),
        pytest.param(replace(COMPONENT, kind="callback", open_ended={}), id="callback-of-an-open-end"),
        pytest.param(replace(COMPONENT, examples=({"units": 3},), input_shapes=((4,), (2, 3))), id="examples"),
        pytest.param(COMMAND, id="command"),
        pytest.param(replace(COMMAND, name="a1-b"), id="command-name"),
        pytest.param(replace(COMPONENT, input_shapes=((1,), (1, 1), ())), id="smallest-shapes"),
        pytest.param(replace(COMPONENT, input_shapes=((1,), ((1, 2), ()))), id="shapes-of-several-inputs"),
        pytest.param(replace(ACCELERATOR, start=0), id="accelerator-that-starts-at-once"),
        pytest.param(replace(ACCELERATOR, start=0.5), id="accelerator-that-starts-soon"),
    ],
)
def test_spec_with_proper_fields_is_valid(spec):
    spec.validate()


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("kind", None, "ComponentSpec 'gate': kind must be text, got None."),
        ("name", 3, "ComponentSpec 3: name must be text, got 3."),
        ("examples", [{}], "ComponentSpec 'gate': examples must be a tuple of tables, got [{}]."),
        ("examples", ({1: 2},), "ComponentSpec 'gate': examples must be a tuple of tables, got ({1: 2},)."),
        ("input_shapes", [(3,)], "ComponentSpec 'gate': input_shapes must be a tuple of shapes, got [(3,)]."),
        ("input_shapes", ((2, 0),), "ComponentSpec 'gate': input_shapes must be a tuple of shapes, got ((2, 0),)."),
        ("input_shapes", ((True,),), "ComponentSpec 'gate': input_shapes must be a tuple of shapes, got ((True,),)."),
        (
            "input_shapes",
            (((1,), (0,)),),
            "ComponentSpec 'gate': input_shapes must be a tuple of shapes, got (((1,), (0,)),).",
        ),
        ("input_shapes", ((0,),), "ComponentSpec 'gate': input_shapes must be a tuple of shapes, got ((0,),)."),
        ("target", b"a:B", "ComponentSpec 'gate': target must be text, got b'a:B'."),
        ("summary", ["a"], "ComponentSpec 'gate': summary must be text, got ['a']."),
        ("kind", "layers", f"ComponentSpec 'gate': unknown kind 'layers'. Did you mean 'layer'? {NAMES}"),
        ("name", "", "ComponentSpec '': name must be small letters, digits and underscores, got ''."),
        ("name", "Gate", "ComponentSpec 'Gate': name must be small letters, digits and underscores, got 'Gate'."),
        ("name", "2d", "ComponentSpec '2d': name must be small letters, digits and underscores, got '2d'."),
        ("name", "a-b", "ComponentSpec 'a-b': name must be small letters, digits and underscores, got 'a-b'."),
        ("name", "a:b", "ComponentSpec 'a:b': name must be small letters, digits and underscores, got 'a:b'."),
        ("name", "a\n", r"ComponentSpec 'a\n': name must be small letters, digits and underscores, got 'a\n'."),
        ("name", "é", "ComponentSpec 'é': name must be small letters, digits and underscores, got 'é'."),
        ("target", "a", "ComponentSpec 'gate': target must be 'module:Class', got 'a'."),
        ("target", "a:B.c", "ComponentSpec 'gate': target must be 'module:Class', got 'a:B.c'."),
        ("target", "a..b:C", "ComponentSpec 'gate': target must be 'module:Class', got 'a..b:C'."),
        ("target", ".a:B", "ComponentSpec 'gate': target must be 'module:Class', got '.a:B'."),
        ("summary", " ", "ComponentSpec 'gate': summary must be one line of text, got ' '."),
        ("summary", "a\rb", r"ComponentSpec 'gate': summary must be one line of text, got 'a\rb'."),
        ("summary", "a\u2028b", r"ComponentSpec 'gate': summary must be one line of text, got 'a\u2028b'."),
        ("summary", "\x1b[31m", r"ComponentSpec 'gate': summary must be one line of text, got '\x1b[31m'."),
        ("default", 1, "ComponentSpec 'gate': default must be False, or True for a callback, got 1."),
        ("default", True, "ComponentSpec 'gate': default must be False, or True for a callback, got True."),
        ("open_ended", {}, "ComponentSpec 'gate': open_ended must be None, or options of a callback, got {}."),
    ],
)  # fmt: skip
def test_component_spec_with_wrong_field_is_refused(field, value, expected):
    with pytest.raises(nnfw.PluginError) as caught:
        replace(COMPONENT, **{field: value}).validate()
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("name", None, "CommandSpec None: name must be text, got None."),
        ("name", "a_b", "CommandSpec 'a_b': name must be small letters, digits and hyphens, got 'a_b'."),
        ("target", "plot", "CommandSpec 'plot-cost': target must be 'module:function', got 'plot'."),
        ("summary", "", "CommandSpec 'plot-cost': summary must be one line of text, got ''."),
    ],
)  # fmt: skip
def test_command_spec_with_wrong_field_is_refused(field, value, expected):
    with pytest.raises(nnfw.PluginError) as caught:
        replace(COMMAND, **{field: value}).validate()
    assert str(caught.value) == expected


def test_specs_are_frozen():
    with pytest.raises(FrozenInstanceError, match="name"):
        COMPONENT.name = "other"


@pytest.mark.parametrize("name", ["nnfw-swish", "NNFW_Swish", "nnfw.swish", "nnfw--swish", " nnfw-_swish "])
def test_normalised_spellings_of_one_name_are_equal(name):
    assert normalised(name) == "nnfw-swish"


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [
        (Plugin("nnfw-swish", "0.2", "swish", "nnfw_swish.plugin"), "nnfw-swish 0.2"),
        (Plugin("nnfw-swish", "", "swish", "nnfw_swish.plugin"), "nnfw-swish"),
        (Plugin("nnfw", "0.1.0", "standard", "nnfw_standard.plugin"), "built-in"),
    ],
    ids=["version", "no-version", "built-in"],
)
def test_plugin_is_named_by_distribution_and_version(plugin, expected):
    assert str(plugin) == expected
    assert str(Listed(COMPONENT, plugin)) == f"'gate' ({expected})"


def test_plugin_error_does_not_count_for_equality():
    plugin = Plugin("nnfw-swish", "0.2", "swish", "nnfw_swish.plugin", "quarantined", "it broke")
    assert replace(plugin, error=ValueError()) == replace(plugin, error=OSError())


def test_listed_component_answers_for_its_spec():
    listed = Listed(COMPONENT, Plugin("nnfw-gate", "1.0", "gate", "nnfw_gate.plugin"))
    assert (listed.kind, listed.name, listed.qualified_name) == ("layer", "gate", "nnfw-gate:gate")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Numba"}, "AcceleratorSpec 'Numba': name must be small letters, digits and underscores, got 'Numba'"),
        ({"target": "nowhere"}, "target must be 'module:function', got 'nowhere'"),
        ({"summary": ""}, "summary must be one line of text, got ''"),
        ({"name": 3}, "name must be text, got 3"),
        ({"start": -1}, "start must be a number of seconds, 0 or more, got -1"),
        ({"start": -1e-9}, "start must be a number of seconds, 0 or more, got -1e-09"),
        ({"start": float("nan")}, "start must be a number of seconds, 0 or more, got nan"),
        ({"start": "5"}, "start must be a number of seconds, 0 or more, got '5'"),
        ({"start": None}, "start must be a number of seconds, 0 or more, got None"),
    ],
    ids=["name", "target", "summary", "type", "start", "below-0", "nan", "text", "none"],
)
def test_accelerator_spec_that_is_wrong_is_refused(change, message):
    with pytest.raises(nnfw.PluginError, match=message):
        replace(ACCELERATOR, **change).validate()


def test_two_plugins_cannot_offer_accelerators_of_one_name(make):
    source = """
        import nnfw
        from nnfw.plugins import AcceleratorSpec

        @nnfw.hookimpl
        def nnfw_accelerators():
            yield AcceleratorSpec("{name}", "somewhere:load", "fast")
    """
    make("fake-fast", textwrap.dedent(source.format(name="fast")))
    make("fake-numba", textwrap.dedent(source.format(name="numba")))
    registry = nnfw.Registry.discover()
    assert [item.name for item in registry.accelerators] == ["numba", "fast"]
    assert "accelerator 'numba'" in next(item.reason for item in registry.plugins if item.status == "quarantined")


READER = TableReaderSpec("cols", "module:read", "columns", endings=(".cols",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Cols"}, "TableReaderSpec 'Cols': name must be small letters, digits and underscores, got 'Cols'"),
        ({"endings": "x"}, r"endings must be a tuple like \('\.parquet',\), got 'x'\."),
        ({"endings": ("cols",)}, r"endings must be a tuple like \('\.parquet',\), got \('cols',\)\."),
        ({"endings": (".COLS",)}, r"endings must be a tuple like \('\.parquet',\), got \('\.COLS',\)\."),
        ({"schemes": ("a://",)}, r"schemes must be a tuple like \('postgresql',\), got \('a://',\)\."),
        ({"endings": ()}, "endings or schemes must say what it reads; there are none"),
    ],
    ids=["name", "text", "no-dot", "capitals", "scheme", "none"],
)
def test_table_reader_spec_that_is_wrong_is_refused(change, message):
    READER.validate()
    with pytest.raises(nnfw.PluginError, match=message):
        replace(READER, **change).validate()


def test_table_reader_reads_what_it_declares():
    spec = replace(READER, endings=(".cols", ".x.cols"), schemes=("fake",))
    assert [spec.reads(source) for source in ("a.COLS", "a.x.cols", "cols", "fake+driver://h", "other://h.cols")] == [
        ".cols",
        ".x.cols",
        "",
        "fake",
        "",
    ]
