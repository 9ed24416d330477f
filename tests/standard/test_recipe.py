import tomllib

import numpy as np
import pytest

import nnfw
from nnfw.errors import DataError
from nnfw.experiments import ExperimentFile, check_experiment
from nnfw.runs import train
from nnfw.toml import apply_overrides, parse

REGISTRY = nnfw.Registry.discover()


def recipe(folder, text, target="y", **options):
    (folder / "t.csv").write_text(text)
    return nnfw.dataset("csv", path="t.csv", target=target, **options).recipe(folder)


def messy(rows=120, classes=("u", "v")):
    """Return a table with all that a recipe decides on, whose target follows from two of its columns."""
    rng = np.random.default_rng(0)
    lines = [";id;day;size;rooms;city;y"]
    for k in range(rows):
        size, city = rng.normal(), rng.choice(["Oslo", "Bern"])
        label = classes[int(size + (city == "Oslo") > 0.5)]
        shown = "" if k % 10 == 3 else f"{size:.3f}".replace(".", ",")
        lines.append(f"{k};x{k};2020-01-{k % 28 + 1:02};{shown};{k % 3};{city if k != 7 else 'Rome'};{label}")
    return "\n".join(lines) + "\n"


def test_recipe_of_a_messy_table_is_an_experiment_that_learns(tmp_path):
    text = recipe(tmp_path, messy())
    table = tomllib.loads(text)
    assert table["data"]["source"] == {"type": "csv", "path": "t.csv", "target": "y", "exclude": ["id", "day"]}
    assert table["data"]["split"]["stratify"] is True
    assert table["data"]["transforms"][0] == {"type": "fill", "by": "median", "indicator": True, "columns": ["size"]}
    assert table["data"]["inputs"] == {"categories": ["city"], "numbers": ["size", "rooms"]}
    assert table["model"]["layers"][0]["counts"] == [4]
    assert "# id: nearly all different\n# day: dates\n" in text
    document = apply_overrides(parse(text, "recipe"), ["training.epochs=40"])
    run = train(ExperimentFile(check_experiment(document, REGISTRY), document, tmp_path), REGISTRY, tmp_path / "run")
    assert run.results["test"]["accuracy"] > 0.75


def test_recipe_of_numbers_is_a_regression_in_standardized_units(tmp_path):
    table = tomllib.loads(recipe(tmp_path, "a,y\n" + "".join(f"{k % 7},{k * 0.5}\n" for k in range(40))))
    assert table["data"]["target_transforms"] == ["standardize"]
    assert (table["cost"]["type"], table["model"]["layers"][-1]["units"]) == ("mse", 1)
    assert "inputs" not in table["data"]
    assert table["training"]["metrics"] == ["r2", "mae"]


def test_recipe_takes_few_whole_numbers_for_classes_and_says_so(tmp_path):
    text = recipe(tmp_path, "a,y\n" + "".join(f"{k * 0.5},{k % 3 + 1}\n" for k in range(60)))
    assert "# y: 3 whole numbers, taken for classes\n" in text
    table = tomllib.loads(text)
    assert table["data"]["source"]["categorical"] == ["y"]
    assert (table["cost"]["type"], table["model"]["layers"][-1]["units"]) == ("cross_entropy", 3)


def test_recipe_of_words_alone_has_no_numbers(tmp_path):
    table = tomllib.loads(recipe(tmp_path, "a,y\n" + "p,u\nq,v\np,u\n" * 5))
    assert table["data"]["inputs"] == {"categories": ["a"]}
    assert [layer["type"] for layer in table["model"]["layers"]][:2] == ["category_embedding", "dense"]
    assert "stratify" not in table["data"]["split"]


def test_recipe_keeps_the_options_of_the_dataset(tmp_path):
    text = messy().replace(",", ".").replace(";", "|")
    source = tomllib.loads(recipe(tmp_path, text, features=["size", "id"], delimiter="|", exclude=["day"]))["data"][
        "source"
    ]
    options = {"features": ["size", "id"], "delimiter": "|", "exclude": ["day"]}
    assert source == {"type": "csv", "path": "t.csv", "target": "y", **options}


def test_recipe_grows_with_the_table(tmp_path):
    table = tomllib.loads(recipe(tmp_path, "a,y\n" + "".join(f"{k % 7},{k * 0.5}\n" for k in range(20_000))))
    assert table["model"]["layers"][0]["units"] == 256
    assert (table["training"]["batch_size"], table["training"]["epochs"]) == (256, 50)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,y\n1,u\n2,\n3,u\n", r"^t\.csv: the target 'y' is missing in 1 rows\. Remove them\.$"),
        ("a,y\n1,u\n2,u\n", r"^t\.csv: the target 'y' is always the same, so there is nothing to learn\.$"),
        ("a,y\nNA,u\n,v\n", r"^t\.csv: no column is left to learn from\. Its columns: a, y\.$"),
    ],
    ids=["missing target", "constant target", "no feature"],
)
def test_recipe_of_a_table_without_anything_to_learn_is_refused(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        recipe(tmp_path, text)
