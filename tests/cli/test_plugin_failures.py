"""A component of a plugin that fails in the middle of a job: the message names the plugin, the exit status is 1."""

import os
import subprocess
import sys

import pytest

LAYER = """
from dataclasses import dataclass
import sys
import nnfw

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
EXPERIMENT = """
data = { source = "xor", split = { validation = 0.0, test = 0.0 } }
model = { layers = [{ type = "broken" }, { type = "dense", units = 1 }] }
cost = { type = "mse" }
optimizer = { type = "sgd" }
"""


@pytest.fixture
def train(tmp_path):
    """Return a function that trains with a layer whose forward is the given statement."""
    package, metadata = tmp_path / "fake_broken", tmp_path / "fake_broken-0.3.dist-info"
    package.mkdir()
    metadata.mkdir()
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(HOOKS)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-broken\nVersion: 0.3\n")
    (metadata / "entry_points.txt").write_text("[nnfw]\nbroken = fake_broken.plugin\n")
    (tmp_path / "broken.toml").write_text(EXPERIMENT)

    def run(statement, *arguments):
        (package / "layer.py").write_text(LAYER.format(statement=statement))
        return subprocess.run(
            [sys.executable, "-m", "nnfw", "train", "broken.toml", "--out", "run", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("raise RuntimeError('boom')", "internal error in plugin fake-broken 0.3: RuntimeError: boom"),
        ("open('/no/such/file')", "internal error in plugin fake-broken 0.3: FileNotFoundError"),
        ("sys.exit(0)", "internal error in plugin fake-broken 0.3: SystemExit"),
        ("return None", "error: Layer 0 'broken' (fake-broken 0.3): forward returned NoneType"),
    ],
    ids=["raises", "file", "exit", "none"],
)
def test_component_that_fails_is_named_with_its_plugin(train, statement, message):
    result = train(statement)
    assert result.returncode in (1, 2)
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_component_that_fails_shows_its_own_frame_with_debug(train):
    result = train("raise RuntimeError('boom')", "--debug")
    assert result.returncode == 1
    assert "fake_broken/layer.py" in result.stderr
