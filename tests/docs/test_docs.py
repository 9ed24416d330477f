"""The pages: what they quote, show, link to and claim is what the project is."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import nnfw
from nnfw.cli.commands import BUILT_IN
from nnfw.experiments import check_experiment, read_experiment
from nnfw.plugins import protocol_problem
from nnfw.plugins.loading import HOOKS
from nnfw.protocols import KINDS, Elementwise
from nnfw.runs import train
from nnfw.toml import Document

ROOT = Path(__file__).parents[2]
MAIN_JOB = "pip install . && nnfw train examples/digits.toml"
TESTS = 'pip install -e ".[test]" && pytest'


TYPED = """
def trained(model: nnfw.Sequential, source: nnfw.Source, stored: StoredArray) -> nnfw.History:
    model.evaluate(stored, "label", cost="mse")
    model.fit({"x": stored, "words": words}, stored, sample_weight=stored, cost="mse", optimizer="adam")
    return model.fit(source, {"price": "p"}, validation_data=(source, "p"), cost="mse", optimizer="adam")


class StoredArray:
    shape = (3, 2)
    dtype = np.dtype("f4")

    def __getitem__(self, rows: slice) -> object:
        return np.zeros(self.shape)[rows]


Repeat([Node(Residual([Dense(5), "dropout"]), name="block")], times=2)

Dense(3, activation=(np.tanh, lambda z: 1 - np.tanh(z) ** 2))
one: np.ndarray = nnfw.Sequential([Dense(2)], 3).predict([1.0, 2.0, 3.0])
heads = nnfw.Sequential([Node(Dense(2), "p"), Node(Dense(2), "q")], 3, outputs=("p", "q"))
by_name: dict[str, np.ndarray] = heads.copied("float64").predict([1.0, 2.0, 3.0])
"""
"""What a page does not show, and a type checker has to accept too."""


def module_at(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


update = module_at(ROOT / "docs" / "update.py", "docs_update")
PAGES = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in update.pages()}


def code_of(page, language):
    return [code for found, code in update.code_blocks(PAGES[page]) if found == language]


# --- generated blocks -------------------------------------------------------------------------------------------------


def run_update(*arguments, root=ROOT):
    program = [sys.executable, str(root / "docs" / "update.py"), *arguments]
    return subprocess.run(program, capture_output=True, encoding="utf-8", check=False, cwd=root)


def test_generated_blocks_are_what_update_writes():
    result = run_update("--check")
    assert result.returncode == 0, f"run: python docs/update.py\n{result.stdout}{result.stderr}"


@pytest.fixture
def copy(tmp_path):
    """Return a folder with a page and the program that updates it."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "examples").mkdir()
    (tmp_path / "docs" / "update.py").write_text((ROOT / "docs" / "update.py").read_text(encoding="utf-8"))
    return tmp_path


def test_check_of_a_block_that_is_out_of_date_fails_with_a_diff(copy):
    page = copy / "docs" / "page.md"
    page.write_text("<!-- generated: components of regularizer -->\n\nold\n\n<!-- end -->\n", encoding="utf-8")
    result = run_update("--check", root=copy)
    assert result.returncode == 1
    assert "\n-old\n" in result.stdout
    assert "\n+| `l1` |" in result.stdout
    assert page.read_text(encoding="utf-8").count("old") == 1


def test_update_then_check_finds_nothing(copy):
    page = copy / "README.md"
    page.write_text("<!-- generated: nnfw show l3 -->\n<!-- end -->\n", encoding="utf-8")
    assert run_update(root=copy).returncode == 0
    assert "Unknown component 'l3'" in page.read_text(encoding="utf-8")
    assert run_update("--check", root=copy).returncode == 0


def test_check_takes_a_help_that_differs_only_in_layout_and_names_of_types():
    page = "<!-- generated: nnfw t --help -->\n{}\n<!-- end -->"
    old, new = page.format("FILE <str>  The\n  file. [required]"), page.format("FILE  The file. \\[required]")
    assert update._with_layout_of(old, new) == old
    assert update._with_layout_of(old, new.replace("file", "path")) != old


def test_update_of_an_unknown_source_is_refused():
    with pytest.raises(ValueError, match="unknown source of a generated block: 'weather'"):
        update.generate("weather")


# --- what must be somewhere -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [MAIN_JOB, TESTS], ids=["main-job", "tests"])
def test_readme_holds_the_commands_of_a_newcomer(command):
    assert f"```sh\n{command}\n```" in PAGES["README.md"]


def rows_of(text):
    """Return the rows of the tables in a text by their first cell, where that is in backticks."""
    return {row.split("`")[1]: row for row in text.splitlines() if row.startswith("| `")}


@pytest.mark.parametrize("kind", KINDS)
def test_every_standard_component_has_a_row_with_its_class(kind):
    section = PAGES["docs/components.md"].split(f"<!-- generated: components of {kind} -->")[1].split("<!-- end -->")[0]
    rows = rows_of(section)
    built_in = [item for item in nnfw.Registry.discover().components(kind) if item.plugin.built_in]
    assert list(rows) == [item.name for item in built_in]
    for item in built_in:
        assert rows[item.name].endswith(f".{item.spec.target.rpartition(':')[2]}` |")


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented(hook):
    assert f"`{hook}(" in PAGES["docs/plugins.md"]


@pytest.mark.parametrize("name", [spec.name for spec in BUILT_IN])
def test_every_command_has_a_section_with_its_help(name):
    section = PAGES["docs/commands.md"].split(f"\n## nnfw {name}\n")[1].split("\n## ")[0]
    assert f"<!-- generated: nnfw {name} --help -->" in section


PROTOCOLS = [(kind.name, protocol) for kind in KINDS.values() for protocol in kind.protocols.values()]
EVERY_PROTOCOL = pytest.mark.parametrize(("kind", "protocol"), PROTOCOLS, ids=[item.__name__ for _, item in PROTOCOLS])


@EVERY_PROTOCOL
def test_every_protocol_is_described(kind, protocol):
    assert f"<!-- generated: protocol {protocol.__name__} -->" in PAGES["docs/protocols.md"]


def test_files_of_a_run_are_those_that_the_page_lists(tmp_path):
    registry = nnfw.Registry.discover()
    train(
        read_experiment(str(ROOT / "examples" / "xor.toml"), registry, ["training.epochs=1"]),
        registry,
        tmp_path / "run",
    )
    section = PAGES["docs/experiment-files.md"].split("## What a run leaves")[1].split("\n## ")[0]
    files, keys = section.split("| key of ")
    assert {path.name for path in (tmp_path / "run").iterdir()} == set(rows_of(files))
    named = {name for row in rows_of(keys).values() for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    assert set(json.loads((tmp_path / "run" / "record.json").read_text())) == named


# --- links and quotes -------------------------------------------------------------------------------------------------


def anchors(text):
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


LINKS = [
    (page, target)
    for page, text in PAGES.items()
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
    if "://" not in target
]


def leads_somewhere(page, target):
    path, _, anchor = target.partition("#")
    file = (ROOT / page).parent / path if path else ROOT / page
    return file.exists() and (not anchor or anchor in anchors(file.read_text(encoding="utf-8")))


def test_relative_links_lead_somewhere():
    assert len(LINKS) > 100
    broken = [f"{page}: {target}" for page, target in LINKS if not leads_somewhere(page, target)]
    assert not broken, "\n".join(broken)


PATHS = sorted(
    {
        (page, path)
        for page, text in PAGES.items()
        for path in re.findall(r"`((?:framework|plugins|tests|docs|examples|\.ci)/[\w./-]*)`", text)
    }
)


def test_paths_that_pages_name_exist():
    assert len(PATHS) > 20
    missing = [f"{page}: {path}" for page, path in PATHS if not (ROOT / path).exists()]
    assert not missing, "\n".join(missing)


MATHEMATICS = PAGES["docs/mathematics.md"]
QUOTES = [
    (re.findall(r"\]\(\.\./([^)]+\.py)\)", MATHEMATICS[: match.start()])[-1], match["code"])
    for match in re.finditer(r"^```python\n(?P<code>(?!>>>).*?)^```$", MATHEMATICS, re.MULTILINE | re.DOTALL)
]


def is_quoted(code, source):
    """Whether the lines of `code` follow each other in `source`; comments at their ends may be left out."""
    wanted = [line.strip() for line in code.splitlines()]
    lines = [line.strip() for line in source.splitlines()]
    starts = range(len(lines) - len(wanted) + 1)
    return any(
        all(re.sub(r"\s+#.*", "", line) == part for line, part in zip(lines[start:], wanted, strict=False))
        for start in starts
    )


@pytest.mark.parametrize(
    ("path", "code"), QUOTES, ids=[f"{path}-{code.splitlines()[0] if code else 'nothing'}" for path, code in QUOTES]
)
def test_quoted_code_stands_in_the_file_that_is_named_before_it(path, code):
    assert code.strip()
    assert is_quoted(code, (ROOT / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "change",
    [("sum_examples(delta", "product(delta"), ('grads["bias"]', 'grads["weight"]')],
    ids=["another-function", "another-array"],
)
def test_code_that_has_changed_is_not_taken_for_the_quoted_one(change):
    path, code = next(quote for quote in QUOTES if "sum_examples(delta" in quote[1])
    assert not is_quoted(code, (ROOT / path).read_text(encoding="utf-8").replace(*change))


SECTIONS = [section for section in MATHEMATICS.split("\n## ")[1:] if "```python\n>>>" not in section]


@pytest.mark.parametrize("section", SECTIONS, ids=[section.partition("\n")[0] for section in SECTIONS])
def test_named_tests_exist_in_the_files_that_the_section_links_to(section):
    files = set(re.findall(r"\]\(\.\./(tests/[^)]+)\)", section))
    defined = {
        node.name
        for file in files
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    named = set(re.findall(r"`(test_\w+)`", section))
    assert named <= defined
    assert named or "```python" not in section


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_every_equation_has_its_line_and_its_test(number):
    section = MATHEMATICS.split(f"\n## Equation {number}:")[1].split("\n## ")[0]
    assert "```python" in section
    assert f"`test_equation_{number}_" in section


# --- examples on the pages --------------------------------------------------------------------------------------------

WHOLE = tomllib.loads((ROOT / "examples" / "digits.toml").read_text(encoding="utf-8"))
FILES_OF_AN_EXAMPLE = {path.read_text(encoding="utf-8") for path in ROOT.glob("examples/*/*.toml")}
"""They need their plugin; it is trained with in tests/examples/test_distributions.py."""
EXPERIMENTS = [
    pytest.param(tomllib.loads(code), id=f"{page}-{number}")
    for page in PAGES
    for number, code in enumerate(code_of(page, "toml"))
    if not re.match(r"# (broken|.*pyproject)", code) and code not in FILES_OF_AN_EXAMPLE
]


@pytest.mark.parametrize("table", EXPERIMENTS)
def test_experiment_on_a_page_is_one_that_nnfw_takes(table):
    check_experiment(Document(WHOLE | table, "page"), nnfw.Registry.discover())  # a part is laid over a whole one


def test_networks_page_runs(tmp_path):
    path = tmp_path / "networks_page.py"
    path.write_text("\n\n".join(code_of("docs/networks.md", "python")), encoding="utf-8")
    assert module_at(path, "networks_page").history


@pytest.mark.slow
def test_networks_page_passes_a_strict_type_checker(tmp_path):
    path = tmp_path / "networks_page.py"
    path.write_text("\n\n".join([*code_of("docs/networks.md", "python"), TYPED]), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-m", "mypy", str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def protocols_page(tmp_path_factory):
    """Return the blocks of docs/protocols.md as one module, which has run."""
    path = tmp_path_factory.mktemp("page") / "protocols_page.py"
    blocks = [code for code in code_of("docs/protocols.md", "python") if ">>>" not in code]
    path.write_text("\n\n".join(blocks), encoding="utf-8")
    return module_at(path, "protocols_page")


@EVERY_PROTOCOL
def test_protocols_page_shows_a_component_of_each_protocol_that_is_sound(protocols_page, kind, protocol):
    shown = [
        item
        for item in vars(protocols_page).values()
        if isinstance(item, type) and item.__module__ == "protocols_page" and protocol in item.__mro__
    ]
    assert shown
    assert [protocol_problem(kind, item) for item in shown] == [""] * len(shown)


def central_difference(function, x, h=1e-6):
    return (function(x + h) - function(x - h)) / (2 * h)


def test_protocols_page_shows_right_derivatives(protocols_page, rng):
    page, w, gradient = protocols_page, rng.normal(size=9), np.zeros(9)
    page.L4(0.3).add_gradient(w, gradient)
    expected = [
        central_difference(lambda v, k=k: page.L4(0.3).value(np.where(np.arange(9) == k, v, w)), w[k]) for k in range(9)
    ]
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)
    z = rng.normal(size=(4, 3))
    bump = page.Bump(1.5)
    np.testing.assert_allclose(bump.derivative(z, bump.value(z)), central_difference(bump.value, z), atol=1e-8)


def test_protocols_page_refuses_options_that_contradict_each_other(protocols_page):
    with pytest.raises(nnfw.ConfigError) as caught:
        protocols_page.Band(1.0, 0.5)
    assert f"```text\n{caught.value}\n```" in PAGES["docs/protocols.md"]


def test_protocols_page_keeps_float32(protocols_page, rng):
    page, workspace = protocols_page, nnfw.Workspace("float32")
    z = rng.normal(size=(4, 3)).astype(np.float32)
    for activation in (page.Bump(), page.UnitNorm()):
        a = activation.forward(z, workspace)
        assert (a.dtype, activation.delta(z, z, a, workspace).dtype) == (np.float32, np.float32)
    assert page.LogCosh().gradient(z, z * 2, workspace, z[:, 0]).dtype == np.float32


@pytest.fixture(scope="module")
def sine(tmp_path_factory):
    """Return a function that runs a program where the plugin of the README is installed."""
    folder = tmp_path_factory.mktemp("sine")
    update.write_files(PAGES["README.md"], folder)
    environment = {**os.environ, "PYTHONPATH": str(folder), "NNFW_PLUGINS": "nnfw-sine", "NNFW_STRICT_PLUGINS": "1"}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *arguments], env=environment, cwd=folder, capture_output=True, encoding="utf-8", check=True
        ).stdout

    return run


def test_readme_plugin_has_15_lines_of_python():
    blocks = [code for name, code in update.files_of(PAGES["README.md"]).items() if name.endswith(".py")]
    assert sum(bool(line.strip()) and not line.startswith("#") for code in blocks for line in code.splitlines()) == 15


def test_readme_plugin_can_be_built(tmp_path):
    update.write_files(PAGES["README.md"], tmp_path)
    for name in re.findall(r"an empty\s+file `(.+?)`", PAGES["README.md"]):
        (tmp_path / name).touch()
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=tmp_path, capture_output=True, check=True
    )
    assert len(list(tmp_path.glob("dist/nnfw_sine-0.1-*.whl"))) == 1


def test_readme_plugin_is_listed_with_its_distribution(sine):
    listed = json.loads(sine("-m", "nnfw.cli.main", "plugins", "--kind", "activation", "--json"))["components"]
    found = next(item for item in listed if item["name"] == "sine")
    assert (found["distribution"], found["version"], found["problem"]) == ("nnfw-sine", "0.1", "")


def test_readme_plugin_trains_by_the_command_of_the_readme(sine):
    (command,) = re.findall(r"^nnfw train examples/xor.toml (.*)$", PAGES["README.md"], re.MULTILINE)
    option, value = command.split(" ", 1)
    run = json.loads(
        sine(
            *("-m", "nnfw.cli.main", "train", str(ROOT / "examples" / "xor.toml"), option, value.strip("'")),
            *("--set", "training.epochs=2", "--out", "run", "--json"),
        )
    )
    assert run["epochs"] == 2
    assert 'type = "sine"' in sine("-c", "print(open('run/experiment.toml').read())")


def test_readme_plugin_has_the_right_derivative(sine):
    program = """
import numpy as np, nnfw
sine, z = nnfw.activation("sine", frequency=2.0), np.linspace(-3, 3, 7)
numeric = (sine.value(z + 1e-6) - sine.value(z - 1e-6)) / 2e-6
print(np.abs(sine.derivative(z, sine.value(z)) - numeric).max() < 1e-8)
"""
    assert sine("-c", program) == "True\n"
    assert Elementwise.__name__ in PAGES["README.md"]


@pytest.fixture(scope="module")
def elastic(tmp_path_factory):
    """Return a function that runs nnfw where the plugin of docs/plugins.md is installed, in the folder it returns."""
    folder = tmp_path_factory.mktemp("elastic")
    update.write_files(PAGES["docs/plugins.md"], folder)
    environment = {**os.environ, "PYTHONPATH": str(folder), "NNFW_PLUGINS": "nnfw-elastic", "NNFW_STRICT_PLUGINS": "1"}

    def run(*arguments):
        program = [sys.executable, "-W", "error", "-m", "nnfw.cli.main", *arguments]
        return subprocess.run(
            program, env=environment, cwd=folder, capture_output=True, encoding="utf-8", check=True
        ).stdout

    return run, folder


def test_plugin_of_the_page_regularizes_observes_and_adds_a_command(elastic):
    run, folder = elastic
    overrides = ["--set", "training.epochs=2", "--set", "training.regularizer=elastic_net"]
    run("train", str(ROOT / "examples" / "xor.toml"), *overrides, "--out", "runs/one", "--quiet")
    assert (folder / "runs" / "finished.txt").read_text() == "one: finished\n"
    assert "penalty" in json.loads((folder / "runs" / "one" / "metrics.jsonl").read_text().splitlines()[0])
    norms = run("norms", "runs/one/model.nnfw").splitlines()
    assert [line.split()[0] for line in norms] == [f"layers.{i}.{name}" for i in (0, 1) for name in ("weight", "bias")]
