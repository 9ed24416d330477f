"""A component of a plugin that fails in the middle of a job: the message names the plugin, the exit status is 1."""

import io
import json
import sys

import pytest

from nnfw.cli.commands import load_command, plugin_commands
from nnfw.errors import PluginError
from nnfw.plugins import Registry
from nnfw.plugins.registry import import_kernels

LAYER = """
from dataclasses import dataclass
import sys
import nnfw

class Stop(BaseException):
    pass

class Evil(Exception):
    def __str__(self):
        sys.exit(0)
    __repr__ = __str__

CALLS = []

def stop():
    raise Stop("mine")

def evil():
    raise Evil

def interrupt():
    raise KeyboardInterrupt

class EvilNnfw(Evil, nnfw.NnfwError):
    pass

@dataclass(frozen=True)
class Broken(nnfw.Layer):
    activation = nnfw.activation("identity")

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, params, a_prev, workspace):
        {statement}

    def backward(self, params, delta, grads, workspace):
        return delta
"""
HOOKS = """
import nnfw

@nnfw.hookimpl
def nnfw_components():
    yield nnfw.ComponentSpec("layer", "broken", "fake_broken.layer:Broken", "a layer that fails")
"""
FORWARD = "plugin fake-broken 0.3 (layer 'broken', forward)"
EXPERIMENT = """
data = { source = "xor", split = { validation = 0.0, test = 0.0 } }
model = { layers = [{ type = "broken" }, { type = "dense", units = 1 }] }
cost = { type = "mse" }
optimizer = { type = "sgd" }
training = { epochs = 1 }
"""


@pytest.fixture
def train(install, nnfw, tmp_path, monkeypatch):
    """Return a function that trains with a layer whose forward is the given statement."""
    package, metadata = tmp_path / "fake_broken", tmp_path / "fake_broken-0.3.dist-info"
    package.mkdir()
    metadata.mkdir()
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(HOOKS)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-broken\nVersion: 0.3\n")
    (metadata / "entry_points.txt").write_text("[nnfw]\nbroken = fake_broken.plugin\n")
    (tmp_path / "broken.toml").write_text(EXPERIMENT)

    install(tmp_path)
    monkeypatch.chdir(tmp_path)

    def run(statement, *arguments):
        (package / "layer.py").write_text(LAYER.format(statement=statement))
        return nnfw("train", "broken.toml", "--out", "run", *arguments)

    return run


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("raise RuntimeError('boom')", f"internal error in {FORWARD}: RuntimeError: boom"),
        ("open('/no/such/file')", f"internal error in {FORWARD}: FileNotFoundError"),
        ("sys.exit(0)", f"internal error in {FORWARD}: SystemExit: 0"),
        ("raise KeyboardInterrupt", f"interrupted in {FORWARD}\n"),
        ("raise KeyboardInterrupt('mine')", f"interrupted in {FORWARD}: mine\n"),
        ("raise Stop('mine')", f"internal error in {FORWARD}: Stop: mine"),
        ("raise Evil", f"internal error in {FORWARD}: Evil"),
        ("raise EvilNnfw", "error: EvilNnfw\n"),
        ("raise type('Two\\nlines', (Exception,), {})", f"internal error in {FORWARD}: Two lines;"),
        (
            "return type('Two\\nlines', (), {})()",
            "error: Layer 0 'broken' (fake-broken 0.3): forward returned Two lines,",
        ),
        ("return None", "error: Layer 0 'broken' (fake-broken 0.3): forward returned NoneType"),
    ],
    ids=[
        "raises",
        "file",
        "exit",
        "ctrl-c",
        "ctrl-c-with-text",
        "stop",
        "evil",
        "evil-nnfw",
        "two-lines",
        "class",
        "none",
    ],
)
def test_component_that_fails_is_named_with_its_plugin(train, statement, message):
    result = train(statement)
    assert result.status == (130 if "interrupted" in message else 2 if "error: " in message[:7] else 1)
    assert message in result.err
    assert "Traceback" not in result.err
    assert len(result.err.splitlines()) == 1


def test_component_that_fails_shows_its_own_frame_with_debug(train):
    result = train("raise RuntimeError('boom')", "--debug")
    assert result.status == 1
    assert "fake_broken/layer.py" in result.err


LATER = "CALLS.append(1); {}; return a_prev"


@pytest.mark.parametrize(
    ("statement", "status", "reason"),
    [
        ("1 / (len(CALLS) < 5)", "failed", f"{FORWARD}: ZeroDivisionError: division by zero"),
        ("len(CALLS) < 5 or sys.exit(0)", "failed", f"{FORWARD}: SystemExit: 0"),
        ("len(CALLS) < 5 or stop()", "failed", f"{FORWARD}: Stop: mine"),
        ("len(CALLS) < 5 or evil()", "failed", f"{FORWARD}: Evil"),
        ("len(CALLS) < 5 or interrupt()", "interrupted", f"{FORWARD}: KeyboardInterrupt"),
        (
            "a_prev = a_prev if len(CALLS) < 5 else None",
            "failed",
            (
                "Layer 0: Layer 'broken' (fake-broken 0.3): forward returned NoneType, "
                "expected a float32 array of shape (4, 2), as before."
            ),
        ),
    ],
    ids=["raises", "exit", "stop", "evil", "ctrl-c", "none"],
)
def test_record_of_a_run_names_the_component_that_failed_and_its_method(train, tmp_path, statement, status, reason):
    result = train(LATER.format(statement), "--set", "training.epochs=9", "--set", "training.metrics=[]", "--quiet")
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert (record["status"], record["reason"]) == (status, reason)
    assert result.status == record["exit"]


# What a stranger's objects do where they are looked at

EVIL = """
import sys
from dataclasses import dataclass
import nnfw
from nnfw.plugins import CommandSpec, ComponentSpec, hookimpl

def fail(*arguments):
    {statement}

class Evil:
    __str__ = __repr__ = __len__ = __iter__ = __bool__ = fail

class EvilError(Exception):
    __str__ = __repr__ = fail

class EvilText(str):
    __eq__ = __hash__ = __repr__ = __len__ = split = fail

class EvilFloat(float):
    __eq__ = __hash__ = __repr__ = fail
"""
UNSHOWN = "a value of type Evil that cannot be shown"
STATEMENTS = ["sys.exit(0)", "raise KeyboardInterrupt", "raise GeneratorExit", "raise ValueError('mine')"]


@pytest.fixture
def evil(make, nnfw):
    """Return a function that lists the plugins while one fails as the statement says, where the code says."""

    def run(statement, code):
        make("fake-evil", fake_evil=EVIL.format(statement=statement) + code)
        return nnfw("plugins", "--kind", "cost")

    return run


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise EvilError", "EvilError"),
        ("raise EvilError(Evil())", "EvilError"),
        (
            "@hookimpl\ndef nnfw_components():\n    return [Evil()]",
            f"the hook 'nnfw_components' must yield ComponentSpec objects, got {UNSHOWN}.",
        ),
        (
            "@hookimpl\ndef nnfw_components():\n    return [ComponentSpec(Evil(), 'a', 'b:C', 'd')]",
            f"ComponentSpec 'a': kind must be text, got {UNSHOWN}.",
        ),
        ("raise type('Two\\nlines', (Exception,), {})", "Two lines"),
    ],
    ids=["error", "error-with-argument", "spec", "field", "two-lines"],
)
def test_plugin_with_objects_that_fail_when_they_are_looked_at_is_quarantined(evil, statement, code, reason):
    status, out, err = evil(statement, code)
    assert (status, err) == (0, "")
    assert out.endswith(f"\nPlugins that are not active\nfake-evil 0.1: quarantined: {reason}\n")


@pytest.mark.parametrize("statement", STATEMENTS)
def test_plugin_whose_texts_compare_and_hash_by_themselves_is_taken_at_their_words(evil, statement):
    code = "@hookimpl\ndef nnfw_components():\n    return [ComponentSpec(EvilText('cost'), EvilText('a'), 'b:C', 'd')]"
    status, out, err = evil(statement, code)
    assert (status, err) == (0, "")
    assert (
        "\nCost 'a' (fake-evil 0.1): target 'b:C' cannot be loaded: ModuleNotFoundError: No module named 'b'\n" in out
    )


@pytest.mark.parametrize("statement", ["sys.exit(0)", "raise GeneratorExit", "raise ValueError('mine')"])
@pytest.mark.parametrize("member", ["a: float = EvilFloat(3)", "a: float = field(default_factory=fail)"])
def test_component_whose_default_fails_when_it_is_looked_at_is_named(make, nnfw, statement, member):
    hooks = "@hookimpl\ndef nnfw_components():\n    return [ComponentSpec('cost', 'a', 'fake_evil_cost:A', 'd')]\n"
    component = f"from dataclasses import field\n@dataclass(frozen=True)\nclass A(nnfw.Cost):\n    {member}\n"
    methods = "".join(f"    def {name}(self, *arguments): ...\n" for name in ("targets", "value", "gradient"))
    source = EVIL.format(statement=statement)
    make("fake-evil", fake_evil=source + hooks, fake_evil_cost=source + component + methods)
    status, _, err = nnfw("show", "a")
    assert status == 2
    assert err.startswith("error: Cost 'a' (fake-evil 0.1): target 'fake_evil_cost:A'")


def test_plugin_that_is_interrupted_while_it_is_imported_is_named(evil):
    message = "plugin fake-evil 0.1 was being imported. If it does this by itself, leave it out with NNFW_PLUGINS."
    assert evil("pass", "raise KeyboardInterrupt") == (130, "", f"interrupted: {message}\n")


def test_distribution_whose_version_has_two_lines_and_escapes_is_told_in_one(make, nnfw, tmp_path):
    make("fake-evil", fake_evil="1 / 0")
    (metadata,) = tmp_path.glob("fake-evil/*/METADATA")
    metadata.write_text("Metadata-Version: 2.1\nName: fake-evil\nVersion: 0\n .1\x1b[2J\n")
    assert nnfw("plugins").out.endswith("\nfake-evil 0 .1[2J: quarantined: ZeroDivisionError: division by zero\n")


# What hangs

WAITING = """
import sys, time

for _ in range(3000):
    if "importing" in sys.stderr.getvalue():
        break
    time.sleep(0.01)
"""


STILL = "Still importing plugin fake-slow 0.1; Ctrl-C ends it.\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that lets standard error be a terminal, at which nobody has patience."""

    def make_terminal():
        monkeypatch.setattr("sys.stderr", Terminal())
        monkeypatch.setattr("nnfw.plugins.loading._PATIENCE", 0.05)
        return sys.stderr

    return make_terminal


def test_plugin_that_hangs_while_it_is_imported_is_named_at_a_terminal(make, terminal):
    make("fake-slow", fake_slow=WAITING)
    printed = terminal()
    (plugin,) = [item for item in Registry.discover().plugins if item.distribution == "fake-slow"]
    assert printed.getvalue() == STILL
    assert "implements no hook" in plugin.reason


SLOW = """
from nnfw.plugins import AcceleratorSpec, CommandSpec, ComponentSpec, hookimpl

@hookimpl
def nnfw_components():
    yield ComponentSpec("cost", "slow", "fake_slow_module:Slow", "slow")

@hookimpl
def nnfw_commands():
    yield CommandSpec("slow", "fake_slow_module:slow", "slow")

@hookimpl
def nnfw_accelerators():
    yield AcceleratorSpec("slow", "fake_slow_module:slow", "slow")
"""
IMPORTS = {
    "component": lambda registry: registry.load("cost", "slow"),
    "command": lambda registry: load_command(plugin_commands(registry)[0]),
    "accelerator": lambda registry: import_kernels(registry.accelerators[-1]),
}


@pytest.mark.parametrize("what", IMPORTS)
def test_module_of_a_plugin_that_hangs_is_named_at_a_terminal(make, terminal, what):
    make("fake-slow", fake_slow=SLOW, fake_slow_module=WAITING)
    printed, registry = terminal(), Registry.discover()
    assert printed.getvalue() == ""
    with pytest.raises((PluginError, AttributeError), match="(?i)has no attribute 'slow'"):
        IMPORTS[what](registry)
    assert printed.getvalue() == STILL


def test_plugin_that_takes_long_is_not_named_where_nobody_looks(make, monkeypatch, capsys):
    monkeypatch.setattr("nnfw.plugins.loading._PATIENCE", 0.0)
    make("fake-slow", fake_slow="import time\ntime.sleep(0.1)")
    Registry.discover()
    assert capsys.readouterr().err == ""
