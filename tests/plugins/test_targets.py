"""Static inspection: what is certain is told, nothing is imported, nothing raises."""

import ast
import sys
import zipfile
from dataclasses import dataclass

import pytest

import nnfw
from nnfw import Elementwise
from nnfw.plugins import ComponentSpec, protocol_problem
from nnfw.plugins.targets import problems_of

METHODS = "    def value(self, z): return z\n    def derivative(self, z, a): return z\n"
SOUND = "from dataclasses import dataclass\nfrom nnfw import Elementwise\n"
CLASS = f"class Wave(Elementwise):\n{METHODS}"
NO_DATACLASS = "is not a dataclass; write @dataclass(frozen=True) above it"
NOT_FROZEN = "is a dataclass but not frozen; write @dataclass(frozen=True)"
NEITHER = "implements neither Optimizer (it lacks learning_rate, rests, state, update) nor Solver (it lacks minimise)"
LACKS_MINIMISE = "lacks minimise, which the protocol of a solver requires"
LACKS = "lacks derivative, which the protocol of an activation requires"


def problem(target):
    """Return the problem of an activation with the given target; fails if anything was imported."""
    spec = ComponentSpec("activation", "wave", target, "a wave")
    before = set(sys.modules)
    found = problems_of([spec])[spec]
    imported = set(sys.modules) - before
    assert {name for name in imported if not name.startswith("encodings.")} == set()
    return found


@pytest.fixture
def problem_in(install, tmp_path):
    """Return a function that tells the problem of the class Wave in a module of the given source."""

    def problem_in_source(source):
        install(tmp_path)
        (tmp_path / "fake_source.py").write_bytes(source if isinstance(source, bytes) else source.encode())
        return problem("fake_source:Wave")

    return problem_in_source


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param("", "is not defined in its module.", id="empty"),
        pytest.param("Wav = 1", "is not defined in its module. Did you mean 'Wav'?", id="misspelt"),
        pytest.param("def f():\n    class Wave: ...", "is not defined in its module.", id="inside-a-function"),
        pytest.param("def Wave(): ...", "is a function; a component is a frozen dataclass", id="function"),
        pytest.param("class Wave: ...", NO_DATACLASS, id="plain-class"),
        pytest.param(SOUND + CLASS, NO_DATACLASS, id="undecorated"),
        pytest.param(
            f"import nnfw\nclass Wave(nnfw.Elementwise):\n{METHODS}", NO_DATACLASS, id="undecorated-by-module"
        ),
        pytest.param(f"{SOUND}@dataclass\n{CLASS}", NOT_FROZEN, id="bare-decorator"),
        pytest.param(f"{SOUND}@dataclass()\n{CLASS}", NOT_FROZEN, id="empty-call"),
        pytest.param(f"{SOUND}@dataclass(frozen=False)\n{CLASS}", NOT_FROZEN, id="frozen-false"),
        pytest.param("import dataclasses\n@dataclasses.dataclass\nclass Wave: ...", NOT_FROZEN, id="by-module"),
        pytest.param("from dataclasses import dataclass as d\n@d\nclass Wave: ...", NOT_FROZEN, id="by-another-name"),
        pytest.param(
            SOUND + "@dataclass(frozen=True)\n" + CLASS.replace("derivative", "d"), LACKS, id="lacks-derivative"
        ),
        pytest.param(
            SOUND + "@dataclass(frozen=True)\nclass Wave: ...",
            "lacks delta, forward, monotonic, range, require_shape, which the protocol of an activation requires",
            id="lacks-all",
        ),
        pytest.param(
            "class Wave(:", "cannot be loaded: SyntaxError: invalid syntax (fake_source, line 1)", id="syntax"
        ),
    ],
)
def test_problems_of_certain_mistake_is_told(problem_in, source, words):
    assert problem_in(source) == f"target 'fake_source:Wave' {words}"


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(f"{SOUND}@dataclass(frozen=True)\n{CLASS}", id="sound"),
        pytest.param(
            f"{SOUND}if True:\n    @dataclass(frozen=True)\n    class Wave(Elementwise): pass\nWave = 1", id="rebound"
        ),
        pytest.param("from elsewhere import Wave", id="imported"),
        pytest.param("import Wave", id="imported-module"),
        pytest.param("from elsewhere import *", id="star"),
        pytest.param("def __getattr__(name): ...", id="module-getattr"),
        pytest.param("Wave = make()", id="assigned"),
        pytest.param("Wave: type = make()", id="assigned-with-annotation"),
        pytest.param("(Wave, Ripple) = make()", id="unpacked"),
        pytest.param("for Wave in make(): pass", id="loop"),
        pytest.param("with make() as Wave: pass", id="with"),
        pytest.param("print(Wave := make())", id="walrus"),
        pytest.param("try:\n    from fast import Wave\nexcept ImportError:\n    class Wave: ...", id="fallback"),
        pytest.param("class Wave: ...\nWave = freeze(Wave)", id="decorated-later"),
        pytest.param("for name in list(globals()): ...\nclass Wave: ...", id="globals"),
        pytest.param("import sys\nsetattr(sys.modules[__name__], 'Wave', 1)", id="setattr"),
        pytest.param("@component\nclass Wave: ...", id="unknown-decorator"),
        pytest.param("from elsewhere import dataclass\n@dataclass\nclass Wave: ...", id="another-dataclass"),
        pytest.param("def dataclass(cls): ...\n@dataclass\nclass Wave: ...", id="own-dataclass"),
        pytest.param(f"{SOUND}@dataclass(**options)\n{CLASS}", id="unpacked-arguments"),
        pytest.param(f"{SOUND}@dataclass(frozen=FROZEN)\n{CLASS}", id="frozen-by-name"),
        pytest.param(f"{SOUND}@register\n@dataclass\n{CLASS}", id="two-decorators"),
        pytest.param(
            f"{SOUND}from elsewhere import Base\n@dataclass(frozen=True)\nclass Wave(Base): ...", id="unknown-base"
        ),
        pytest.param("from elsewhere import Base\nclass Wave(Base): ...", id="unknown-base-undecorated"),
        pytest.param(
            "from dataclasses import dataclass\nfrom elsewhere import Elementwise\n"
            "@dataclass(frozen=True)\nclass Wave(Elementwise): ...",
            id="base-of-a-known-name",
        ),
        pytest.param("class Wave(make()): ...", id="computed-base"),
        pytest.param("class Wave(metaclass=Meta): ...", id="metaclass"),
        pytest.param("@make\ndef Wave(): ...", id="decorated-function"),
        pytest.param(
            "from nnfw import NoSuchProtocol\n" + SOUND + "@dataclass(frozen=True)\nclass Wave(NoSuchProtocol): ...",
            id="unknown-protocol",
        ),
        pytest.param("#" * (1 << 20) + "\n", id="huge"),
        pytest.param("x = " + "-" * 100_000 + "1", id="too-deep-for-the-parser"),
        pytest.param("# coding: latin-1\nWave = '\xe9'", id="damaged-text"),
    ],
)
def test_problems_of_what_the_text_leaves_open_is_not_told(problem_in, source):
    assert problem_in(source) == ""


@pytest.mark.parametrize(
    ("base", "problem"),
    [
        ("", NEITHER),
        ("(nnfw.Optimizer)", "lacks learning_rate, update, which the protocol of an optimizer requires"),
        ("(nnfw.Solver)", LACKS_MINIMISE),
    ],
    ids=["neither", "optimizer", "solver"],
)
def test_problems_of_an_optimizer_name_the_protocols_that_it_may_implement(install, tmp_path, base, problem):
    install(tmp_path)
    source = f"from dataclasses import dataclass\nimport nnfw\n@dataclass(frozen=True)\nclass Wave{base}: ..."
    (tmp_path / "fake_optimizer.py").write_text(source)
    spec = ComponentSpec("optimizer", "wave", "fake_optimizer:Wave", "a wave")
    assert problems_of([spec]) == {spec: f"target 'fake_optimizer:Wave' {problem}"}


@pytest.mark.parametrize("source", [b"\x00", b"class Wave: '\xe9'", "\N{BYTE ORDER MARK}\N{BYTE ORDER MARK}".encode()])
def test_problems_of_any_bytes_never_raises(problem_in, source):
    assert isinstance(problem_in(source), str)


def test_problems_of_invalid_escape_warns_nobody(problem_in, recwarn):
    assert problem_in(f"PATTERN = '\\d'\n{SOUND}@dataclass(frozen=True)\n{CLASS}") == ""
    assert len(recwarn) == 0


@pytest.mark.parametrize(
    ("target", "missing"),
    [
        pytest.param("fake_absent:Wave", "fake_absent", id="module"),
        pytest.param("fake_absent.waves:Wave", "fake_absent", id="package"),
        pytest.param("fake_package.absent:Wave", "fake_package.absent", id="submodule"),
        pytest.param("fake_package.waves.absent:Wave", "fake_package.waves.absent", id="below-a-module"),
        pytest.param("fake_package.waves.json:Wave", "fake_package.waves.json", id="below-a-module-a-known-name"),
    ],
)
def test_problems_of_missing_module_names_it(install, tmp_path, target, missing):
    (tmp_path / "fake_package").mkdir()
    (tmp_path / "fake_package" / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "fake_package" / "waves.py").write_text("class Wave: ...")
    install(tmp_path)
    assert problem(target) == f"target {target!r} cannot be loaded: ModuleNotFoundError: No module named {missing!r}"
    assert NO_DATACLASS in problem("fake_package.waves:Wave")


def test_problems_of_namespace_package_is_left_open(install, tmp_path):
    (tmp_path / "fake_space" / "inner").mkdir(parents=True)
    (tmp_path / "fake_space" / "waves.py").write_text("class Wave: ...")
    (tmp_path / "fake_space" / "inner" / "waves.py").write_text("class Wave: ...")
    install(tmp_path)
    assert NO_DATACLASS in problem("fake_space.waves:Wave")
    assert problem("fake_space.inner.waves:Wave") == ""  # found only once fake_space is imported
    assert problem("fake_space:Wave") == ""


def test_problems_of_module_in_a_zip_file_is_told(install, tmp_path):
    with zipfile.ZipFile(tmp_path / "waves.zip", "w") as archive:
        archive.writestr("fake_zipped.py", "class Wave: ...")
    install(tmp_path / "waves.zip")
    assert problem("fake_zipped:Wave") == f"target 'fake_zipped:Wave' {NO_DATACLASS}"


@pytest.mark.parametrize("target", ["math:Wave", "sys:Wave"])
def test_problems_of_module_without_source_is_left_open(target):
    assert problem(target) == ""


def test_problems_of_module_made_by_hand_is_left_open(monkeypatch):
    monkeypatch.setitem(sys.modules, "fake_by_hand", type(sys)("fake_by_hand"))
    assert problem("fake_by_hand:Wave") == ""


def test_problems_of_finder_that_fails_is_left_open(monkeypatch):
    class Finder:
        def find_spec(self, name, path, target=None):
            raise RuntimeError(name)

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    assert problem("fake_anything:Wave") == ""


def test_problems_of_many_targets_reads_each_module_once(install, tmp_path, monkeypatch):
    (tmp_path / "fake_many.py").write_text("class Wave: ...")
    install(tmp_path)
    read = []
    parse = ast.parse
    monkeypatch.setattr("ast.parse", lambda source, name: read.append(name) or parse(source))
    specs = [ComponentSpec("activation", f"wave_{i}", f"fake_many:Wave{i}", "a wave") for i in range(3)]
    assert len(problems_of(specs)) == 3
    assert read == ["fake_many"]


# The same question, asked of a class


@dataclass(frozen=True)
class Wave(Elementwise):
    def value(self, z):
        return z

    def derivative(self, z, a):
        return z


class Undecorated(Wave):
    amplitude: float = 1.0  # no field, as the decorator is missing


@dataclass
class Thawed:
    pass


@dataclass(frozen=True)
class Half(Elementwise):
    def value(self, z):
        return z


@dataclass(frozen=True)
class Empty:
    pass


@dataclass(frozen=True)
class Rests(nnfw.Optimizer):
    learning_rate: float = 0.1


@dataclass(frozen=True)
class Undecided(nnfw.Solver):
    pass


@dataclass(frozen=True)
class Halving(nnfw.Solver):
    def minimise(self, function, vector, iterations, ended):
        return ""


@dataclass(frozen=True)
class Minimises:
    def minimise(self, function, vector, iterations, ended):
        return ""


LACKS_UPDATE = "lacks update, which the protocol of an optimizer requires"


@pytest.mark.parametrize(
    ("kind", "target", "expected"),
    [
        pytest.param("activation", Wave, "", id="sound"),
        pytest.param("activation", 3, "is an int; a component is a frozen dataclass", id="no-class"),
        pytest.param("activation", int, NO_DATACLASS, id="no-dataclass"),
        pytest.param("activation", Undecorated, NO_DATACLASS, id="inherited-dataclass"),
        pytest.param("activation", Thawed, NOT_FROZEN, id="not-frozen"),
        pytest.param("activation", Half, LACKS, id="abstract-method-left"),
        pytest.param(
            "activation",
            Empty,
            "lacks delta, forward, monotonic, range, require_shape, which the protocol of an activation requires",
            id="empty",
        ),
        pytest.param(
            "layer",
            Empty,
            "implements neither Layer (it lacks backward, forward, output_shape, parameters, "
            "rows_independent) nor Merge (it lacks backward, forward, output_shape, parameters, "
            "rows_independent) nor Block (it lacks nodes)",
            id="attribute-and-methods",
        ),
        pytest.param("optimizer", Rests, LACKS_UPDATE, id="optimizer-without-update"),
        pytest.param("optimizer", Undecided, LACKS_MINIMISE, id="solver-without-minimise"),
        pytest.param("optimizer", Halving, "", id="solver"),
        pytest.param("optimizer", Minimises, "", id="solver-that-derives-from-no-protocol"),
        pytest.param("optimizer", Empty, NEITHER, id="neither-optimizer-nor-solver"),
    ],
)
def test_protocol_problem_says_what_keeps_a_class_from_being_a_component(kind, target, expected):
    assert protocol_problem(kind, target) == expected
