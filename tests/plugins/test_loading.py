"""Loading: every trap is caught, told, and harms nobody else."""

import importlib.util
import os
import subprocess
import sys
import textwrap
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import pytest

import nnfw
from nnfw.machine import describe_environment, installed_distributions
from nnfw.plugins import Registry, load_plugins, new_manager, own_version
from nnfw.plugins.loading import allowed_plugins, identity, own_distribution, strict_plugins

DISTRIBUTIONS = Path(__file__).parents[1] / "data" / "distributions"
_spec = importlib.util.spec_from_file_location("distribution_cases", DISTRIBUTIONS / "cases.py")
cases = sys.modules["distribution_cases"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)

ALL = [pytest.param(case, id=case.name) for case in cases.CASES]
QUARANTINED = [pytest.param(case, id=case.name) for case in cases.CASES if case.where == "plugin"]
UNUSABLE = [pytest.param(case, id=case.name) for case in cases.CASES if case.component]


def at_fault(registry, case):
    """Return the plugin that the case is about: of two entry points in one distribution, the one that is not active."""
    found = [plugin for plugin in registry.plugins if plugin.distribution == case.distribution]
    return min(found, key=lambda plugin: plugin.status == "active")


def plugin_of(registry, distribution):
    """Return the only plugin of a distribution."""
    (plugin,) = [plugin for plugin in registry.plugins if plugin.distribution == distribution]
    return plugin


# Quarantine


@pytest.mark.parametrize("case", QUARANTINED)
def test_discover_broken_plugin_is_quarantined_with_its_reason(install, case):
    install(*case.paths)
    plugin = at_fault(Registry.discover(), case)
    assert plugin.status == "quarantined"
    assert [words for words in case.words if words not in plugin.reason] == []
    assert len(plugin.reason.splitlines()) == 1


@pytest.mark.parametrize("case", ALL)
def test_discover_broken_plugin_leaves_all_others_usable(install, case):
    install(*case.paths, "healthy")
    registry = Registry.discover()
    assert registry.create("layer", "amplify", {"factor": 3}).factor == 3
    assert registry.create("layer", "dense", {"units": 3}).units == 3


@pytest.mark.parametrize("case", UNUSABLE)
def test_load_component_of_broken_plugin_names_the_reason_and_its_cause(install, case):
    install(*case.paths)
    registry = Registry.discover()
    with pytest.raises(nnfw.PluginError) as caught:
        registry.load(*case.component)
    if case.where == "plugin":
        plugin = at_fault(registry, case)
        assert f"Plugin {plugin} is quarantined: {plugin.reason.rstrip('.')}." in str(caught.value)
        assert caught.value.__cause__ is plugin.error
    else:
        assert case.distribution in str(caught.value)


@pytest.mark.parametrize("case", QUARANTINED)
def test_discover_broken_plugin_in_strict_mode_raises(install, monkeypatch, case):
    install(*case.paths)
    broken = at_fault(Registry.discover(), case)
    monkeypatch.setenv("NNFW_STRICT_PLUGINS", "1")
    with pytest.raises(nnfw.PluginError) as caught:
        Registry.discover()
    assert f"Plugin {broken}: {broken.reason}" in str(caught.value)


@pytest.mark.parametrize("case", ALL)
def test_training_with_built_in_components_works_beside_every_broken_plugin(install, case):
    install(*case.paths)
    layers = [{"type": "dense", "units": 3, "activation": "tanh"}, {"type": "dense", "units": 1}]
    model = nnfw.Sequential(layers, 2, registry=Registry.discover())
    x, y = np.array([[0.0, 1.0], [1.0, 1.0]]), np.array([1.0, 0.0])
    history = model.fit(x, y, cost="mse", optimizer={"type": "sgd", "learning_rate": 0.1}, epochs=20)
    assert history["cost"][-1] < history["cost"][0]


def test_discover_two_broken_plugins_in_strict_mode_names_both(install, monkeypatch):
    install("no_hook", "import_error")
    monkeypatch.setenv("NNFW_STRICT_PLUGINS", "1")
    with pytest.raises(nnfw.PluginError, match=r"fake-import-error 1\.0: .*\nPlugin fake-no-hook 1\.0: ") as caught:
        Registry.discover()
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize("value", ["", "0"])
def test_strict_plugins_empty_or_zero_is_off(monkeypatch, value):
    monkeypatch.setenv("NNFW_STRICT_PLUGINS", value)
    assert not strict_plugins()


def test_discover_hook_that_fails_half_way_keeps_what_it_declared_in_quarantine(install):
    install("fails_half_way")
    registry = Registry.discover()
    assert "ripple" not in [item.name for item in registry.components("activation")]
    with pytest.raises(nnfw.PluginError, match=r"'ripple': Plugin fake-fails-half-way 1\.0 is quarantined: OSError"):
        registry.find("activation", "ripple")


def test_discover_quarantined_plugin_takes_no_name_from_another(make):
    make("fake-first", "import nnfw\n\n@nnfw.hookimpl\ndef nnfw_components():\n    return 3\n", entry_point="same")
    make("fake-second", "import nnfw\n\n@nnfw.hookimpl\ndef nnfw_components():\n    return []\n", entry_point="same")
    registry = Registry.discover()
    assert plugin_of(registry, "fake-first").status == "quarantined"
    assert plugin_of(registry, "fake-second").status == "active"


def test_discover_keyboard_interrupt_at_import_is_not_swallowed(make):
    make("fake-interrupt", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Registry.discover()


def test_discover_base_exception_at_import_is_quarantined(make):
    make("fake-exit", "class Stop(BaseException): ...\n\nraise Stop")
    assert plugin_of(Registry.discover(), "fake-exit").reason == "Stop"


def test_discover_plugin_that_prints_leaves_stdout_alone(install, capsys):
    install("print_at_import")
    registry = Registry.discover()
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "hello from a plugin\n")
    assert registry.load("activation", "ripple").__name__ == "Ripple"


def test_discover_unknown_hook_marked_optional_is_ignored(make):
    make("fake-newer", "import nnfw\n\n@nnfw.hookimpl(optionalhook=True)\ndef nnfw_models():\n    return []\n")
    assert plugin_of(Registry.discover(), "fake-newer").status == "active"


def test_discover_hook_under_another_name_is_called(make):
    source = """
        import nnfw

        @nnfw.hookimpl(specname="nnfw_components")
        def nnfw_waves():
            return [nnfw.ComponentSpec("activation", "wave", "fake_renamed:Wave", "a wave")]
    """
    make("fake-renamed", textwrap.dedent(source))
    assert Registry.discover().find("activation", "wave").plugin.distribution == "fake-renamed"


def test_discover_same_name_without_end_is_refused_at_the_second(make):
    source = """
        import nnfw

        @nnfw.hookimpl
        def nnfw_components():
            while True:
                yield nnfw.ComponentSpec("activation", "wave", "fake_endless:Wave", "a wave")
    """
    make("fake-endless", textwrap.dedent(source))
    assert plugin_of(Registry.discover(), "fake-endless").reason == "activation 'wave' is declared twice."


@pytest.mark.parametrize(
    ("default", "kind", "reason"),
    [
        pytest.param("'yes'", "callback", "got 'yes'", id="no-bool"),
        pytest.param("True", "layer", "got True", id="no-callback"),
    ],
)
def test_discover_spec_with_impossible_default_is_quarantined(make, default, kind, reason):
    source = f"""
        import nnfw

        @nnfw.hookimpl
        def nnfw_components():
            yield nnfw.ComponentSpec("{kind}", "wave", "fake_default:Wave", "a wave", default={default})
    """
    make("fake-default", textwrap.dedent(source))
    expected = f"ComponentSpec 'wave': default must be False, or True for a callback, {reason}."
    assert plugin_of(Registry.discover(), "fake-default").reason == expected


# Metadata


def test_discover_distribution_on_two_path_entries_is_taken_from_the_first(install):
    install("same_distribution_first", "same_distribution_second")
    registry = Registry.discover()
    assert plugin_of(registry, "fake-same").version == "2.0"
    assert registry.load("activation", "ripple").__module__ == "fake_same_first_ripple"


def test_discover_distribution_without_version_is_active(install):
    install("no_version")
    registry = Registry.discover()
    assert str(plugin_of(registry, "fake-no-version")) == "fake-no-version"
    assert str(registry.find("activation", "ripple")) == "'ripple' (fake-no-version)"


def test_discover_malformed_entry_points_are_quarantined_and_harm_nobody(install):
    install("malformed_entry_points", "healthy")
    registry = Registry.discover()
    broken = plugin_of(registry, "fake-malformed-entry-points")
    assert broken.status == "quarantined"
    assert "its entry_points.txt cannot be read (" in broken.reason
    assert "expected 'name = module' below [nnfw]" in broken.reason
    assert registry.find("activation", "swish").plugin.version == "1.2"


def test_discover_malformed_entry_points_of_another_group_are_no_concern(install, tmp_path):
    info = tmp_path / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[other]\nno equals sign\n")
    install(tmp_path)
    assert [plugin for plugin in Registry.discover().plugins if plugin.status != "active"] == []


def test_discover_undecodable_entry_points_are_quarantined(make, tmp_path):
    make("fake-latin", "")
    (tmp_path / "fake-latin" / "fake_latin-1.0.dist-info" / "entry_points.txt").write_bytes(b"[nnfw]\nx = \xe9t\xe9\n")
    reason = plugin_of(Registry.discover(), "fake-latin").reason
    assert reason.startswith("its entry_points.txt cannot be read (UnicodeDecodeError: ")


# The name of nnfw

HOME = Path(nnfw.__file__).resolve().parents[1]


@pytest.fixture
def impostor(install, monkeypatch, tmp_path):
    """Return a function that installs another distribution named nnfw, first or last on the path."""

    def write(folder, name="nnfw", *, last=False, **files):
        info = tmp_path / folder / "other-9.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.0\n")
        (info / "entry_points.txt").write_text("[nnfw]\nstandard = impostor\n")
        for key, text in files.items():
            (info / key).write_bytes(text)
        (tmp_path / folder / "impostor.py").write_text("raise AssertionError('imported')")
        if last:
            monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / folder)])
        else:
            install(tmp_path / folder)
        return tmp_path / folder

    return write


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("name", ["nnfw", "NNFW", " Nnfw "])
def test_discover_another_distribution_named_nnfw_is_quarantined_with_both_places(impostor, name, last):
    folder = impostor("elsewhere", name, last=last)
    registry = Registry.discover()
    (other,) = [plugin for plugin in registry.plugins if plugin.status != "active"]
    assert str(other) == "nnfw 9.0"
    assert (other.status, other.built_in) == ("quarantined", False)
    assert other.reason == (
        f"it lies in {folder}, but nnfw is imported from {HOME}, and only what belongs to that is built in. Uninstall "
        "the one that you do not want, or take its folder off Python's path"
    )
    assert registry.find("layer", "dense").plugin.built_in
    assert "impostor" not in sys.modules


def test_discover_two_other_distributions_named_nnfw_are_both_told(impostor):
    places = {impostor("a"), impostor("b", "NNFW")}
    reasons = [plugin.reason for plugin in Registry.discover().plugins if plugin.status == "quarantined"]
    assert {place for place in places for reason in reasons if f"it lies in {place}," in reason} == places


@pytest.mark.parametrize(
    "files",
    [
        {"RECORD": b"\xff\xfe"},
        {"RECORD": b"nnfw/__init__.py,,\n"},
        {"RECORD": b"_other.pth,,\n../gone.pth,,\n"},
    ],
    ids=["undecodable", "claims-its-files", "pth-that-is-missing"],
)
def test_discover_other_distribution_named_nnfw_with_a_strange_record_is_quarantined(impostor, files):
    impostor("elsewhere", **files)
    assert [plugin.status for plugin in Registry.discover().plugins].count("quarantined") == 1


def test_discover_other_distribution_named_nnfw_with_a_strange_pth_is_quarantined(impostor):
    folder = impostor("elsewhere", RECORD=b"_other.pth,,\n")
    (folder / "_other.pth").write_bytes(b"a\0b\n/nowhere\nimport os\n")
    assert [plugin.status for plugin in Registry.discover().plugins].count("quarantined") == 1


def test_discover_other_distribution_named_nnfw_in_strict_mode_raises(impostor, monkeypatch):
    impostor("elsewhere")
    monkeypatch.setenv("NNFW_STRICT_PLUGINS", "1")
    with pytest.raises(nnfw.PluginError, match=r"Plugin nnfw 9\.0: it lies in .*elsewhere, but nnfw is imported from"):
        Registry.discover()


def test_own_version_is_that_of_the_distribution_imported(impostor):
    before = own_version()
    impostor("elsewhere")
    assert own_version() == before != "9.0"
    assert describe_environment()["packages"]["nnfw"] == before
    assert installed_distributions()["nnfw"] == before
    assert list(describe_environment()["packages"])[1:3] == ["annotated-types", "lazy-loader"]


def test_own_version_without_metadata_says_where_nnfw_lies(monkeypatch):
    monkeypatch.setattr("nnfw.plugins.loading.is_own", lambda distribution: False)
    assert own_distribution() is None
    assert describe_environment()["packages"] == {"nnfw": None}
    with pytest.raises(nnfw.PluginError, match=r"^nnfw is imported from .*, but not installed there: its metadata is"):
        own_version()


def test_installed_distributions_with_undecodable_metadata_leaves_it_out(install, tmp_path):
    info = tmp_path / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_bytes(b"Name: \xff\n")
    install(tmp_path)
    assert {"nnfw", "numpy"} <= installed_distributions().keys()


@pytest.mark.parametrize("place", ["a-1.dist-info/METADATA", "a-1.egg-info/PKG-INFO", "a-1.egg-info"])
def test_identity_is_that_of_the_head_of_the_metadata_wherever_it_lies(tmp_path, place):
    file = tmp_path / place
    file.parent.mkdir(exist_ok=True)
    file.write_text("Metadata-Version: 2.1\nVersion: 1.5\nName: An_Example\n\nName: in the text for readers\n")
    (distribution,) = distributions(path=[str(tmp_path)])
    assert identity(distribution) == ("an-example", "1.5")


def test_import_from_an_archive_says_to_unpack_it(tmp_path):
    archive = tmp_path / "nnfw.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in (HOME / "nnfw").rglob("*.py*"):
            if "__pycache__" not in path.parts:
                file.write(path, path.relative_to(HOME))
    program = "import sys; sys.path.insert(0, sys.argv[1]); import nnfw"
    command = [sys.executable, "-c", program, str(archive)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert f"ImportError: nnfw cannot be imported from {archive}/nnfw/__init__.py, which is not a file" in result.stderr
    assert "Unpack the archive" in result.stderr


# Choice


def test_discover_variable_unset_loads_every_plugin(install):
    install("healthy", "observer")
    assert {plugin.status for plugin in Registry.discover().plugins} == {"active"}
    assert allowed_plugins() is None


def test_discover_empty_variable_leaves_only_built_in_plugins(install, monkeypatch):
    install("healthy", "import_error")
    monkeypatch.setenv("NNFW_PLUGINS", "")
    registry = Registry.discover()
    assert {str(plugin) for plugin in registry.plugins if plugin.status == "active"} == {"built-in"}
    assert plugin_of(registry, "fake-import-error").status == "disabled"
    assert "fake_import_error" not in sys.modules
    with pytest.raises(nnfw.PluginError, match=r"Plugin fake-swish 1\.2 is disabled: not named in NNFW_PLUGINS\."):
        registry.find("activation", "fake-swish:swish")


@pytest.mark.parametrize("name", ["fake-swish", "Fake_Swish", " FAKE.swish ", "swish", "other,fake--swish"])
def test_discover_variable_names_distribution_or_entry_point_in_any_spelling(install, monkeypatch, name):
    install("healthy", "observer")
    monkeypatch.setenv("NNFW_PLUGINS", name)
    registry = Registry.discover()
    assert plugin_of(registry, "fake-swish").status == "active"
    assert plugin_of(registry, "fake-observer").status == "disabled"
    assert plugin_of(registry, "fake-observer").reason == "not named in NNFW_PLUGINS"


def test_discover_unknown_name_in_variable_is_missing_once(install, monkeypatch):
    install("healthy")
    monkeypatch.setenv("NNFW_PLUGINS", "Fake_Swish,NNFW_Absent")
    missing = [plugin for plugin in Registry.discover().plugins if plugin.status == "missing"]
    assert [(plugin.distribution, plugin.reason) for plugin in missing] == [
        ("nnfw-absent", "named in NNFW_PLUGINS but not installed")
    ]


def test_discover_unknown_name_in_variable_raises_in_strict_mode(install, monkeypatch):
    install("healthy")
    monkeypatch.setenv("NNFW_PLUGINS", "nnfw-absent")
    monkeypatch.setenv("NNFW_STRICT_PLUGINS", "1")
    with pytest.raises(nnfw.PluginError, match=r"Plugin nnfw-absent: named in NNFW_PLUGINS but not installed"):
        Registry.discover()


def test_discover_built_in_plugin_may_be_named_in_variable(install, monkeypatch):
    install()
    monkeypatch.setenv("NNFW_PLUGINS", "nnfw,standard")
    assert {plugin.status for plugin in Registry.discover().plugins if plugin.entry_point == "standard"} == {"active"}


# Order and observers


def test_discover_plugins_are_ordered_built_in_first_then_by_distribution(install):
    install("observer", "healthy", "commands")
    distributions = [plugin.distribution for plugin in Registry.discover().plugins]
    assert distributions == ["nnfw", "nnfw", "fake-commands", "fake-observer", "fake-swish"]


def test_load_plugins_hooks_are_called_in_the_order_of_the_plugins(install, make):
    install("observer")
    for name in ("fake-a", "fake-z"):
        source = f"""
            import fake_observer, nnfw

            @nnfw.hookimpl
            def nnfw_run_ended():
                fake_observer.CALLS.append({name!r})
        """
        make(name, textwrap.dedent(source))
    manager = new_manager()
    load_plugins(manager, only=None, strict=False)
    import fake_observer

    manager.hook.nnfw_run_ended(directory=Path(), record={})
    assert fake_observer.CALLS == ["fake-a", ("run_ended",), "fake-z"]


def test_load_plugins_broken_plugin_is_not_registered(install):
    install("misspelt_hook", "wrong_signature", "fails_half_way")
    manager = new_manager()
    load_plugins(manager, only=None, strict=False)
    assert sorted(name for name, _ in manager.list_name_plugin()) == ["nnfw:numba", "nnfw:standard"]


# What is imported


def test_discover_and_list_import_neither_numpy_nor_scipy_nor_pydantic_nor_components():
    program = """
        import sys
        from nnfw.plugins import Registry
        registry = Registry.discover()
        assert len(registry.components()) > 50
        assert registry.find("activation", "swish") and registry.inspected() and registry.commands is not None
        heavy = {name.partition(".")[0] for name in sys.modules} & {"numpy", "scipy", "pydantic", "rich", "typer"}
        components = [name for name in sys.modules if name.startswith(("nnfw_standard.", "fake_swish."))]
        print(sorted(heavy), sorted(components))
    """
    environment = os.environ | {"PYTHONPATH": str(DISTRIBUTIONS / "healthy")}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], env=environment, capture_output=True, text=True, check=False
    )
    assert (result.stdout, result.stderr) == ("[] ['fake_swish.plugin', 'nnfw_standard.plugin']\n", "")
