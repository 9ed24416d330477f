"""Components without manners, and the check that must find it."""

import os
import sys
import threading
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl  # noqa: F401 - its import sets an environment variable, which is not the component's doing

import nnfw
from nnfw.configuration import options_of
from nnfw.testing import checks_of, run_checks
from nnfw_standard import SGD, BinaryCrossEntropy, Dense, Tanh


def using(action):
    """Return an activation whose forward acts first."""

    @dataclass(frozen=True)
    class Using(Tanh):
        def forward(self, z, workspace):
            action()
            return super().forward(z, workspace)

    return Using()


@dataclass(frozen=True)
class Remembering(Tanh):
    """a = tanh z"""

    def forward(self, z, workspace):
        self.__dict__["last"] = z.shape
        return super().forward(z, workspace)


@dataclass(frozen=True)
class SharedByClass(Tanh):
    """a = tanh z + calls"""

    calls = [0]

    def forward(self, z, workspace):
        self.calls[0] += 1
        return super().forward(z, workspace) + self.calls[0]


@dataclass(frozen=True)
class Working(nnfw.Elementwise):
    """a = scale · z"""

    scale: float = 2.0

    def __post_init__(self):
        object.__setattr__(self, "table", np.ones(3))

    def value(self, z):
        return self.scale * z

    def derivative(self, z, a):
        return np.full_like(z, self.scale)


@dataclass(frozen=True)
class Rewriting(Working):
    """a = scale · z"""

    scale: float = 2.0

    def __post_init__(self):
        object.__setattr__(self, "scale", abs(self.scale) + 1)


@dataclass(frozen=True)
class Unequal(Tanh):
    """a = tanh z"""

    def __eq__(self, other):
        return self is other

    __hash__ = object.__hash__


@dataclass(frozen=True)
class OtherRepr(Tanh):
    """a = tanh z"""

    def __repr__(self):
        return "tanh!"


@dataclass(frozen=True)
class HiddenOption(Working):
    """a = scale · z"""

    scale: float = field(default=2.0, repr=False)

    def __post_init__(self):
        pass


@dataclass(frozen=True)
class Unpicklable(Tanh):
    """a = tanh z"""

    def __reduce__(self):
        raise TypeError("not to be pickled")


@dataclass(frozen=True)
class AnyOption(Working):
    """a = scale · z"""

    scale: object = 2.0

    def __post_init__(self):
        pass


class NoDataclass(Tanh):
    """a = tanh z"""


@dataclass(frozen=True)
class Unexplained(nnfw.Elementwise):
    slope: float = 1.0

    def value(self, z):
        return self.slope * z

    def derivative(self, z, a):
        return np.full_like(z, self.slope)


@dataclass(frozen=True)
class HalfExplained(Unexplained):
    """A line."""


def warn():
    warnings.warn("old", stacklevel=1)


def draw():
    np.random.random()  # noqa: NPY002


WRONG = {
    "no-dataclass": (NoDataclass(), "component.constructible"),
    "work-in-the-constructor": (Working(), "component.constructor_only_stores"),
    "constructor-changes-options": (Rewriting(), "component.constructor_only_stores"),
    "takes-anything": (AnyOption(), "component.wrong_options_are_refused"),
    "repr-is-no-call": (OtherRepr(), "component.repr_rebuilds"),
    "repr-hides-an-option": (HiddenOption(), "component.repr_rebuilds"),
    "no-pickle": (Unpicklable(), "component.pickles"),
    "unequal": (Unequal(), "component.equal_options_make_equal_components"),
    "remembers": (Remembering(), "component.holds_no_state"),
    "shared-by-the-class": (SharedByClass(), "component.instances_share_nothing"),
    "prints": (using(lambda: sys.stdout.write("here")), "component.prints_nothing"),
    "writes-to-stderr": (using(lambda: sys.stderr.write("here")), "component.prints_nothing"),
    "warns": (using(warn), "component.warns_of_nothing"),
    "seterr": (using(lambda: np.seterr(all="ignore")), "component.leaves_the_process_alone"),
    "print-options": (using(lambda: np.set_printoptions(precision=2)), "component.leaves_the_process_alone"),
    "global-random-numbers": (using(draw), "component.leaves_the_process_alone"),
    "warning-filters": (using(lambda: warnings.simplefilter("ignore")), "component.leaves_the_process_alone"),
    "directory": (using(lambda: os.chdir("/")), "component.leaves_the_process_alone"),
    "environment": (using(lambda: os.environ.__setitem__("NNFW_TEST", "1")), "component.leaves_the_process_alone"),
    "no-docstring": (Unexplained(), "component.is_documented"),
    "option-without-meaning": (HalfExplained(), "component.is_documented"),
}


@pytest.mark.parametrize(("component", "check"), WRONG.values(), ids=WRONG)
def test_lack_of_manners_is_found(component, check):
    before = np.geterr(), Path.cwd(), dict(os.environ), list(warnings.filters), np.get_printoptions()
    report = run_checks(component, only=[check])
    assert check in [item.check for item in report.failures], report
    assert (np.geterr(), Path.cwd(), dict(os.environ), list(warnings.filters), np.get_printoptions()) == before


def acting(component, method, action):
    """Return a component whose method acts first, with what it is given, and then does what it did."""

    def both(self, *arguments):
        action(*arguments)
        return getattr(super(cls, self), method)(*arguments)

    cls = dataclass(frozen=True)(type("Acting", (type(component),), {method: both, "__annotations__": {}}))
    return cls(**{name: getattr(component, name) for name in options_of(type(component))})


EXTREME = {
    "activation-forward": (
        acting(Tanh(), "forward", lambda z, workspace: np.exp(z)),
        "activation.finite_at_extremes",
        "it warns at extreme z: overflow encountered in exp.",
    ),
    "activation-delta": (
        acting(Tanh(), "delta", lambda grad_a, z, a, workspace: np.exp(z)),
        "activation.finite_at_extremes",
        "it warns at extreme z: overflow encountered in exp.",
    ),
    "layer-forward": (
        acting(Dense(3), "forward", lambda params, a_prev, workspace: np.exp(a_prev)),
        "layer.finite_at_extremes",
        "for inputs of ±10000 it warns: overflow encountered in exp.",
    ),
    "cost-value": (
        acting(BinaryCrossEntropy(), "value_from_z", lambda z, y, weight=None: np.exp(z)),
        "cost.canonical_form_is_finite_at_extreme_logits",
        "for z of ±10000 it warns: overflow encountered in exp.",
    ),
    "cost-delta": (
        acting(BinaryCrossEntropy(), "canonical_delta", lambda a, *others: 1 / (1 - a)),
        "cost.canonical_form_is_finite_at_extreme_logits",
        "for z of ±10000 it warns: divide by zero encountered in divide.",
    ),
    "optimizer": (
        acting(SGD(0.1), "update", lambda vector, gradient, *others: gradient**3),
        "optimizer.finite_for_extreme_gradients",
        "for gradients of 1e+15 it warns: overflow encountered in power.",
    ),
}


@pytest.mark.parametrize("case", EXTREME)
def test_warning_at_extreme_values_is_found_where_all_results_are_finite(case):
    component, check, message = EXTREME[case]
    report = run_checks(component, only=[check, "component.warns_of_nothing"])
    assert [(item.check, item.message) for item in report.failures] == [(check, message)]


def test_thread_that_is_left_running_is_found():
    done = threading.Event()
    leaking = using(lambda: threading.Thread(target=done.wait, daemon=True).start())
    try:
        report = run_checks(leaking, only=["component.leaves_the_process_alone"])
        assert "threads from" in report.failures[0].message
    finally:
        done.set()


PLUGIN = """
import time
import warnings
from dataclasses import dataclass
from nnfw import Activation, ComponentSpec, Elementwise, hookimpl

@hookimpl
def nnfw_components():
    yield ComponentSpec("activation", "{name}", "{module}_parts:Part", "a = z")
"""
PART = """
from dataclasses import dataclass
from nnfw import Elementwise
import numpy as np
{at_import}

@dataclass(frozen=True)
class Part(Elementwise):
    '''a = z'''
    {options}

    def value(self, z):
        return z * 1.0

    def derivative(self, z, a):
        return z * 0 + 1.0
"""


@pytest.fixture
def registry_with(tmp_path, monkeypatch):
    """Return a function that installs a plugin with one activation and returns a registry with it."""

    def make(name, at_import="", options=""):
        module = name.replace("-", "_")
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[nnfw]\n{module} = {module}\n")
        (tmp_path / f"{module}.py").write_text(PLUGIN.format(name=module, module=module))
        (tmp_path / f"{module}_parts.py").write_text(PART.format(at_import=at_import, options=options))
        monkeypatch.syspath_prepend(tmp_path)
        return nnfw.Registry.discover()

    return make


RESCALED = (
    "scale: float = 1.0\n\n    def __post_init__(self):\n        object.__setattr__(self, 'scale', self.scale + 1)"
)
INSTALLED = {
    "seterr": ("np.seterr(all='ignore')", "", "component.import_leaves_the_process_alone", "changes np.seterr"),
    "prints": ("print('hello')", "", "component.import_leaves_the_process_alone", "prints 'hello"),
    "sleeps": ("import time; time.sleep(0.02)", "", "component.import_is_fast", "expected less than 0.02 s"),
    "needs-options": (
        "",
        "scale: float",
        "component.constructible",
        "it is refused: Activation 'nnfw_needs_options' (nnfw-needs-options 1.0): scale is missing: number. Declare",
    ),
    "grows": ("", RESCALED, "component.configuration_round_trip", "became Part(scale=3.0) through"),
}


@pytest.mark.parametrize("case", INSTALLED)
def test_wrong_plugin_is_found(case, registry_with, monkeypatch):
    if case == "sleeps":
        monkeypatch.setattr("nnfw.conformance.common.SLOWEST_IMPORT", 0.02)
    at_import, options, check, message = INSTALLED[case]
    report = run_checks(f"nnfw-{case}", only=[check], registry=registry_with(f"nnfw-{case}", at_import, options))
    assert {item.check for item in report.failures} == {check}, report
    assert message in report.failures[0].message


def test_repr_that_is_no_expression_is_shown():
    (failure,) = run_checks(OtherRepr(), only=["component.repr_rebuilds"]).failures
    assert failure.message == "its repr is not an expression: 'tanh!'."


def test_right_plugin_passes_everything(registry_with):
    report = run_checks("nnfw-right", registry=registry_with("nnfw-right"))
    assert report.ok, report
    assert "component.import_is_fast" in [item.check for item in report.outcomes if item.status == "passed"]


def test_every_check_of_all_kinds_finds_something():
    found = {check for _, check in WRONG.values()} | {check for _, _, check, _ in INSTALLED.values()}
    assert {check.id for check in checks_of("activation") if check.id.startswith("component.")} == found
