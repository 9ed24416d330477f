"""Changes of one line are real changes, drawn by a seed; one that no test notices is listed, and others are not."""

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits and groups of processes of POSIX")
if os.name == "posix":
    spec = importlib.util.spec_from_file_location("reliability_mutants", Path(__file__).parent / "mutants.py")
    mutants = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mutants)

LARGER = '''"""What is larger."""


def larger(a, b):
    """Return whether a is larger than b."""
    return a > b
'''
PLUGIN = {f"framework/nnfw/{name}.py": "" for name in ("__init__", "conformance/__init__", "conformance/pytest_plugin")}
"""What pytest imports wherever nnfw is installed."""

HALF_A_TEST = "from app.larger import larger\n\n\ndef test_larger():\n    assert larger(2, 1) and not larger(1, 2)\n"
WHOLE_TEST = f"{HALF_A_TEST}    assert larger(1, 1) is False\n"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a function that makes a small checkout with some tests, which the script then works on."""

    def make(test, source=LARGER):
        files = {"framework/app/larger.py": source, "tests/app/test_larger.py": test, **PLUGIN}
        for name, content in files.items():
            tmp_path.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
            tmp_path.joinpath(name).write_text(content, encoding="utf-8")
        monkeypatch.setattr(mutants, "ROOT", tmp_path)
        return tmp_path

    return make


def changes(checkout, source):
    """Return what the mutants of a source have in the place of what was there."""
    checkout("", source)
    found = [each for each in mutants.mutants_of("framework/app/larger.py") if each.is_other_code]
    return [(each.line, each.old, each.new) for each in found]


# --- operators --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", [("a < b", "(a <= b)")]),
        ("x = a is not b", [("a is not b", "(a is b)")]),
        ("x = a not in b", [("a not in b", "(a in b)")]),
        ("x = a < b == c", [("a < b == c", "(a <= b == c)")]),
        ("x = a + b", [("a + b", "(a - b)")]),
        ("x = a // b", [("a // b", "(a * b)")]),
        ("x = a @ b", []),
        ("x = a and b", [("a and b", "(a or b)")]),
        ("x += y", [("x += y", "x -= y"), ("x += y", "pass")]),
        ("x = 3", [("3", "(4)"), ("3", "(2)")]),
        ("x = 0.5", [("0.5", "(1.0)"), ("0.5", "(0.25)"), ("0.5", "(1.5)")]),
        ("x = True", [("True", "(False)")]),
        ("x = 'text', None", []),
        ("x = not a", [("not a", "(a)")]),
        ("x = -a", [("-a", "(a)")]),
        ("if a:\n    x = b", [("a", "(not a)")]),
        ("while a < b: x = b", [("a < b", "(a <= b)")]),
        ("x = a if b else c", [("b", "(not b)")]),
        ("x = [a for a in b if a]", [("a", "(not a)")]),
        ("f(a)", [("f(a)", "pass")]),
        ("x.a = b", [("x.a = b", "pass")]),
        ("x[a] = b", [("x[a] = b", "pass")]),
        ("raise a", [("raise a", "pass")]),
        ("def f():\n    return a", [("return a", "return None")]),
        ("def f():\n    return None", []),
        ("for a in b:\n    break", [("break", "continue")]),
        ("x = f(a, b, c)", [("f(a, b, c)", "(f(b, a, c))")]),
        ("x = f(a, 'b')", []),
        ("x = f(*a, *b)", []),
        ("x = f(a, a)", []),
        ("x = 'é', a < b, 'δ'", [("a < b", "(a <= b)")]),
    ],
)
def test_operator_makes_these_changes(checkout, source, expected):
    assert [(old, new) for _, old, new in changes(checkout, source)] == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""Text with 3 < 4."""',
        "assert a < 3",
        "x = f'{a + 3:02}'",
        "if TYPE_CHECKING:\n    x = 3 < 4",
        "def f(a: int | None) -> dict[str, int | None]:\n    '''Text.'''",
    ],
    ids=["docstring", "assertion", "words", "for-type-checkers", "types"],
)
def test_what_cannot_be_seen_is_left_alone(checkout, source):
    assert changes(checkout, source) == []


def test_limit_of_an_option_is_changed_and_its_type_is_not(checkout):
    source = "class A:\n    a: Annotated[float | None, Ge(0)] = None\n"
    assert changes(checkout, source) == [(2, "0", "(1)"), (2, "0", "(-1)")]


def test_change_over_several_lines_begins_where_it_stands(checkout):
    source = "x = 'σ'\ny = f(\n    a\n    < b\n)\n"
    checkout("", source)
    (mutant,) = (each for each in mutants.mutants_of("framework/app/larger.py") if each.is_other_code)
    assert str(mutant) == "framework/app/larger.py:3: a < b  ->  (a <= b)"
    assert mutant.applied(source.encode()).decode() == "x = 'σ'\ny = f(\n    (a <= b)\n)\n"


# --- drawing ----------------------------------------------------------------------------------------------------------


def test_mutants_of_the_project_are_python_and_other_code():
    for folder in ("framework/nnfw/storage", "plugins/nnfw_standard"):
        found = mutants.drawn(folder, 30, 0)
        assert len(set(found)) == 30
        for mutant in found:
            content = (mutants.ROOT / mutant.path).read_bytes()
            assert content[mutant.start :].startswith(mutant.old.encode())
            assert ast.dump(ast.parse(mutant.applied(content))) != ast.dump(ast.parse(content))


def test_mutants_are_drawn_by_the_seed():
    folder = "framework/nnfw/toml"
    assert mutants.drawn(folder, 20, 7) == mutants.drawn(folder, 20, 7)
    assert mutants.drawn(folder, 20, 7) != mutants.drawn(folder, 20, 8)
    assert set(mutants.drawn(folder, 5, 7)) < set(mutants.drawn(folder, 20, 7))


def test_every_folder_of_the_source_is_known_and_its_tests_are_there():
    folders = {str(path.parent.relative_to(mutants.ROOT)) for path in mutants.ROOT.glob("framework/nnfw/**/[a-z]*.py")}
    assert folders <= set(mutants.TESTS)
    for folder, tests in mutants.TESTS.items():
        assert mutants.files_of(folder)
        assert all((mutants.ROOT / name).exists() for name in tests)


# --- tests ------------------------------------------------------------------------------------------------------------


def test_tests_import_the_copy_with_its_plugins_and_nothing_else(tmp_path):
    copy = mutants.Checkout(tmp_path)
    look = "import nnfw, nnfw_standard; print(nnfw.__file__, nnfw_standard.__file__); "
    look += "print(*(f'{plugin.status}: {plugin.module}' for plugin in nnfw.Registry.discover().plugins))"
    result = subprocess.run([copy.python, "-c", look], cwd=tmp_path, capture_output=True, text=True, check=True)
    files, plugins = result.stdout.splitlines()
    assert files == f"{copy.folder}/framework/nnfw/__init__.py {copy.folder}/plugins/nnfw_standard/__init__.py"
    assert plugins == "active: nnfw_numba.plugin active: nnfw_standard.plugin"


LINE = "survived 1: framework/app/larger.py:6: a > b  ->  (a >= b)"


def run(*arguments):
    return mutants.main(["framework/app", "--tests", "tests/app", *arguments])


def test_mutant_that_no_test_notices_is_listed_and_others_are_not(checkout, capsys):
    root = checkout(HALF_A_TEST)
    assert run() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == LINE
    assert [line.split() for line in lines[1:]] == [
        ["folder", "mutants", "caught", "survived", "timeouts"],
        ["framework/app", "2", "1", "1", "0"],
    ]
    assert root.joinpath("framework/app/larger.py").read_text() == LARGER
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert files == {"framework/app/larger.py", "tests/app/test_larger.py", *PLUGIN}


def test_mutants_that_tests_notice_are_counted(checkout, capsys):
    checkout(WHOLE_TEST)
    assert run("--workers", "2") == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["framework/app", "2", "2", "0", "0"]


def test_tests_that_fail_without_a_change_are_told(checkout, capsys):
    checkout("def test_nothing():\n    assert False\n")
    assert run("--count", "1") == 2
    assert capsys.readouterr().out == "framework/app: its tests fail without any change\n"


def test_tests_that_do_not_end_are_counted_apart(checkout, capsys):
    checkout("import time\n\n\ndef test_nothing():\n    time.sleep(1000)\n")
    assert run("--longest", "0.5", "--count", "1") == 2  # without a change they do not end either
    assert capsys.readouterr().out.startswith("timeout 0: framework/app/larger.py:6: ")


def test_single_mutant_is_run_again_with_what_the_tests_say(checkout, capfd):
    checkout(WHOLE_TEST)
    assert run("--only", "1") == 0
    out = capfd.readouterr().out
    assert "assert larger(1, 1) is False" in out
    assert out.endswith("caught: framework/app/larger.py:6: a > b  ->  (a >= b)\n")


def test_list_runs_nothing(checkout, capsys):
    checkout("this is not Python")
    assert run("--list") == 0
    assert capsys.readouterr().out.splitlines() == [
        "0: framework/app/larger.py:6: return a > b  ->  return None",
        "1: framework/app/larger.py:6: a > b  ->  (a >= b)",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["framework/app"],
            "no tests are known for framework/app: name them with --tests, or take one of framework/nnfw",
        ),
        (["--only", "3"], "--only needs the one FOLDER that the mutant is in"),
    ],
)
def test_command_line_that_cannot_be_run_is_refused(arguments, message, capsys):
    with pytest.raises(SystemExit):
        mutants.main(arguments)
    assert message in capsys.readouterr().err
