"""``nnfw find-rate``."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

DIGITS = str(Path(__file__).parents[2] / "examples" / "digits.toml")
XOR = str(Path(__file__).parents[2] / "examples" / "xor.toml")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_find_rate_draws_the_cost_and_suggests_a_rate(nnfw):
    found = nnfw("find-rate", DIGITS)

    assert found.status == 0, found.err
    lines = found.out.splitlines()
    assert lines[-1].startswith("Use it with --set optimizer.learning_rate=")
    rate = float(lines[-1].partition("learning_rate=")[2].rstrip("."))
    assert 1e-4 < rate < 0.1
    assert lines[-2].startswith(f"Learning rate {rate:g}: there the cost falls fast. It is lowest at")
    assert "diverges at" in lines[-2]
    picture = lines[:14]
    columns = {line.index("|") for line in picture if "|" in line}
    assert len(columns) == 1
    assert sum(line.count("*") for line in picture) >= 40
    assert lines[14].split()[0] == "1e-06"
    assert list(Path().iterdir()) == []  # no run is left


def test_find_rate_prints_json(nnfw):
    found = nnfw("find-rate", XOR, "--json", "--steps", "30", "--lowest", "1e-4", "--highest", "0.1")

    table = json.loads(found.out)
    assert set(table) == {"suggestion", "lowest", "diverged", "rates", "costs", "smoothed"}
    assert len(table["rates"]) == len(table["costs"]) == len(table["smoothed"]) == 30
    assert (table["rates"][0], round(table["rates"][-1], 12), table["diverged"]) == (1e-4, 0.1, False)


def test_find_rate_writes_a_picture(nnfw):
    found = nnfw("find-rate", DIGITS, "--output", "rates.svg", "--json")

    assert found.status == 0
    assert found.err == "Picture: rates.svg\n"
    picture = ElementTree.parse("rates.svg").getroot()
    assert picture.tag == f"{SVG}svg"
    assert len(picture.findall(f"{SVG}path")) == 2
    (mark,) = [line for line in picture.findall(f"{SVG}line") if line.get("class") == "mark"]
    assert 60 < float(mark.get("x1")) < 540
    texts = [text.text for text in picture.findall(f"{SVG}text")]
    assert "learning rate" in texts
    assert "0.0001" in texts


def test_find_rate_of_a_cost_that_never_falls_exits_1(nnfw):
    found = nnfw("find-rate", DIGITS, "--lowest", "10", "--highest", "1000", "--steps", "40")

    assert found.status == 1
    assert "The cost never falls, and diverges at 1" in found.out
    assert "Begin with a smaller --lowest, or take more --steps." in found.out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--lowest", "0"], "Invalid value for '--lowest': must be above 0 and below --highest, 10, got 0."),
        (["--lowest", "1", "--highest", "1"], "must be above 0 and below --highest, 1, got 1."),
        (["-o", "rates.png"], "Invalid value for '--output': must end in .svg, got 'rates.png'."),
        (["--highest", "inf"], "Invalid value for '--highest': must be a finite number, got inf."),
        (["--steps", "5"], "Invalid value for '--steps'"),
        (["--set", "training.epochs=0"], "training.epochs must be greater than or equal to 1, got 0."),
    ],
    ids=["zero", "empty", "picture", "infinite", "few", "file"],
)
def test_find_rate_refuses_wrong_options(nnfw, arguments, text):
    found = nnfw("find-rate", DIGITS, *arguments)

    assert found.status == 2
    assert text in " ".join(found.err.split())


def test_find_rate_refuses_a_solver_and_names_the_line(nnfw):
    text = Path(XOR).read_text()
    start = text.index("[optimizer]")
    end = text.find("\n[", start + 1)
    rest = text[end:].replace("batch_size = 4\n", "")
    Path("solver.toml").write_text(text[:start] + '[optimizer]\ntype = "lbfgs"\n' + rest)

    found = nnfw("find-rate", "solver.toml")

    assert found.status == 2
    line = text[:start].count("\n") + 2
    assert (
        f"solver.toml:{line}: optimizer: 'lbfgs' (built-in) chooses its steps itself and has no learning" in found.err
    )


def test_find_rate_of_a_diverged_start_exits_1(nnfw):
    found = nnfw("find-rate", DIGITS, "--set", "dtype=float32", "--set", "data.transforms=[]", "--set", HUGE)

    assert found.status == 1
    assert "The cost of the first step is not finite, at the learning rate 1e-06." in found.err


HUGE = "model.layers[0].weight_initializer={ type = 'constant', value = 1e38 }"
