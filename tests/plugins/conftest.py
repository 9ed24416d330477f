"""Fake distributions, installed for one test at a time."""

import importlib
import sys
from pathlib import Path

import pytest

from nnfw.plugins import registry as registry_module

DISTRIBUTIONS = Path(__file__).parents[1] / "data" / "distributions"


@pytest.fixture
def install(monkeypatch):
    """Return a function that puts fake distributions, or folders, on the path, for one test."""
    for variable in ("NNFW_PLUGINS", "NNFW_STRICT_PLUGINS"):
        monkeypatch.delenv(variable, raising=False)
    before = set(sys.modules)
    installed = [DISTRIBUTIONS]

    def put_on_path(*folders):
        for folder in reversed(folders):
            installed.append(DISTRIBUTIONS / folder)  # an absolute path stays as it is
            monkeypatch.syspath_prepend(installed[-1])
        importlib.invalidate_caches()

    yield put_on_path
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and any(folder in Path(file).parents for folder in installed):
            del sys.modules[name]


@pytest.fixture
def make(install, tmp_path):
    """Return a function that writes and installs a distribution whose only module holds the given source."""

    def make_distribution(name, source, *, entry_point=None, **other_modules):
        module = name.replace("-", "_")
        info = tmp_path / name / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[nnfw]\n{entry_point or module} = {module}\n")
        for each, text in {module: source, **other_modules}.items():
            (tmp_path / name / f"{each}.py").write_text(text)
        install(tmp_path / name)

    return make_distribution


@pytest.fixture
def undiscovered():
    """Forget the default registry, and again after the test."""
    registry_module._discovered.cache_clear()
    yield
    registry_module._discovered.cache_clear()
