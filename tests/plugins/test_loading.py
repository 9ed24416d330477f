"""Loading: every trap is caught, told, and harms nobody else."""

import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import nnfw
from nnfw.plugins import Registry, load_plugins, new_manager
from nnfw.plugins.loading import allowed_plugins, strict_plugins

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
    assert registry.create("layer", "scale", {"factor": 3}).factor == 3
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
