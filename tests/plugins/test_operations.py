"""Operations that plugins declare: found by name, with provenance; and what is wrong with some."""

import ast
import re
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nnfw
from nnfw.ops import Operation, Operations, definitions, operation_of
from nnfw.ops.engines import engine_of
from nnfw.plugins import OperationSpec
from nnfw_standard import operations

HOOKS = """
    import nnfw
    from nnfw.plugins import OperationSpec

    @nnfw.hookimpl
    def nnfw_operations():
"""
OWN = """
    from nnfw.compute import operation

    @operation(values="changed n")
    def {name}(values):
        values *= 2
"""
DOUBLE = OWN.format(name="double")


@pytest.fixture
def declare(make):
    """Return a function that installs a distribution with operations, by their names and targets."""

    def install(distribution, specs, source=DOUBLE):
        module = f"{distribution.replace('-', '_')}_ops"
        yields = "".join(
            f"        yield OperationSpec({name!r}, {target.format(module)!r}, 'twice')\n" for name, target in specs
        )
        make(distribution, textwrap.dedent(HOOKS + yields), **{module: textwrap.dedent(source)})
        return nnfw.Registry.discover()

    return install


def reason(registry):
    return next(item.reason for item in registry.plugins if item.status == "quarantined")


@pytest.mark.parametrize("name", ["double", "fake-one:double"])
def test_operation_of_a_plugin_is_found_by_its_name(declare, name):
    registry = declare("fake-one", [("double", "{}:double")])
    values = np.ones(2)
    operation_of(registry, name)(values)
    assert values.tolist() == [2, 2]
    found = registry.find_operation(name)
    assert (found.spec.summary, str(found.plugin)) == ("twice", "fake-one 1.0")


def test_operations_are_attributes_of_the_table(declare):
    table = Operations(declare("fake-one", [("double", "{}:double")]))
    assert table.double is table.double
    assert table.relu.name == "relu"
    with pytest.raises(
        AttributeError, match=r"^Unknown operation 'doubel'\. Did you mean 'double'\? Available: product"
    ):
        _ = table.doubel


def test_declaring_an_operation_imports_nothing(declare):
    registry = declare("fake-one", [("double", "{}:double")], "raise OSError('planted')")
    assert [plugin.status for plugin in registry.plugins if plugin.distribution == "fake-one"] == ["active"]
    with pytest.raises(nnfw.PluginError, match=r"^Operation 'double' \(fake-one 1\.0\): target .* OSError: planted"):
        operation_of(registry, "double")


def test_operation_declared_twice_quarantines_its_plugin(declare):
    registry = declare("fake-one", [("double", "{}:double"), ("double", "{}:double")])
    assert reason(registry) == "operation 'double' is declared twice."
    message = r"^Operation 'double': Plugin fake-one 1\.0 is quarantined: operation 'double' is declared twice\.$"
    with pytest.raises(nnfw.PluginError, match=message):
        operation_of(registry, "double")


def test_operation_of_two_plugins_needs_the_name_of_one(declare):
    declare("fake-one", [("double", "{}:double")])
    registry = declare("fake-two", [("double", "{}:double")])
    message = (
        r"^Operation 'double' is offered by fake-one 1\.0 and fake-two 1\.0\. Write 'fake-one:double' or 'fake-two"
    )
    with pytest.raises(nnfw.PluginError, match=message):
        operation_of(registry, "double")
    assert operation_of(registry, "fake-two:double") is not operation_of(registry, "fake-one:double")


def test_name_of_a_standard_operation_stays_the_standard_one(declare):
    registry = declare("fake-one", [("relu", "{}:relu")], OWN.format(name="relu"))
    assert operation_of(registry, "relu") is not operation_of(registry, "fake-one:relu")
    assert registry.find_operation("relu").plugin.built_in
    engine = engine_of({"fake-one:relu": print}, "own", registry)
    assert engine.function(operation_of(registry, "fake-one:relu")) is print
    assert engine.function(operation_of(registry, "relu")) is not print


def test_operation_with_a_name_of_another_is_listed_as_a_problem(declare, monkeypatch):
    registry = declare("fake-one", [("relu", "{}:relu"), ("double", "{}:double")], OWN.format(name="relu") + DOUBLE)
    taken, own = registry.operations[-2:]
    assert taken.problem == "the name is built in and cannot be taken; write 'fake-one:relu'"
    assert own.problem == ""
    registry = declare("fake-two", [("double", "{}:double")])
    problems = [item.problem for item in registry.operations[-3:]]
    assert problems[1:] == [
        "the name is also offered by fake-two 1.0; write 'fake-one:double'",
        "the name is also offered by fake-one 1.0; write 'fake-two:double'",
    ]
    monkeypatch.setenv("NNFW_STRICT_PLUGINS", "1")
    with pytest.raises(nnfw.PluginError, match=r"^Operation 'relu' \(fake-one 1\.0\): the name is built in and "):
        nnfw.Registry.discover()


@pytest.mark.parametrize(
    ("target", "source", "message"),
    [
        ("{}:double", "def double(values): pass", "is <function double at 0x"),
        ("{}:double", "double = 3", "is 3; write @operation(...) above its definition."),
        ("{}:triple", OWN.format(name="triple"), "is called 'triple'; declare it by this name."),
        ("{}:triple", OWN.format(name="double"), "cannot be loaded: AttributeError: module"),
        (
            "{}:double",
            OWN.format(name="double").replace("values=", "vector="),
            "cannot be loaded: Operation 'double': its definition takes values, but roles are given for vector.",
        ),
        ("{}:double", "raise SystemExit(3)", "cannot be loaded: SystemExit: 3."),
    ],
    ids=["function", "number", "name", "missing", "roles", "exit"],
)
def test_target_that_is_no_operation_is_refused_with_its_owner(declare, target, source, message):
    registry = declare("fake-one", [("double", target)], source)
    with pytest.raises(nnfw.PluginError, match=rf"^Operation 'double' \(fake-one 1\.0\): .*{re.escape(message)}"):
        operation_of(registry, "double")


SPEC = OperationSpec("double", "module:double", "twice")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"name": "Double"},
            "OperationSpec 'Double': name must be small letters, digits and underscores, got 'Double'",
        ),
        ({"name": 3}, "OperationSpec 3: name must be text, got 3"),
        ({"target": "nowhere"}, "target must be 'module:operation', got 'nowhere'"),
        ({"summary": ""}, "summary must be one line of text, got ''"),
    ],
    ids=["name", "type", "target", "summary"],
)
def test_operation_spec_that_is_wrong_is_refused(change, message):
    with pytest.raises(nnfw.PluginError, match=message):
        replace(SPEC, **change).validate()


def test_framework_calls_no_operation_of_the_standard_components():
    standard = {item.name for item in nnfw.Registry.discover().operations if "nnfw_standard" in item.spec.target}
    called = {
        node.attr
        for path in Path(nnfw.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("kernels()", "definitions")
    }
    assert "take" in called
    assert called & standard == set()


@pytest.mark.parametrize("module", [definitions, operations], ids=lambda module: module.__name__)
def test_every_operation_of_nnfw_is_declared_where_it_lies(module):
    declared = {item.spec.target for item in nnfw.Registry.discover().operations if item.plugin.built_in}
    names = {name for name, value in vars(module).items() if isinstance(value, Operation)}
    assert {target for target in declared if target.startswith(f"{module.__name__}:")} == {
        f"{module.__name__}:{name}" for name in names
    }
