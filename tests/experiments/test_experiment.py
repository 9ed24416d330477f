"""Mistakes that show when layers and data meet: each with the line of what it is about."""

from pathlib import Path

import pytest

import nnfw
from nnfw.experiments import check_experiment, placed_in, prepare, read_experiment, summarise
from nnfw.plugins import default_registry
from nnfw.toml import Document, parse

EXAMPLES = Path(__file__).parents[2] / "examples"
WIDE = (EXAMPLES / "penguins-wide.toml").read_text().replace('"penguins.csv"', f'"{EXAMPLES / "penguins.csv"}"')
DEEP = 'name = "deep"\ntype = "dense"\nunits = 16\nactivation = "relu"'
BLOCK = """name = "deep"
type = "chain"

[[model.layers.layers]]
type = "dense"
units = 4

[[model.layers.layers]]
type = "add"
inputs = ["previous", "joined"]"""
COLUMNS = '"bill_depth_mm", "flipper_length_mm"]\nisland = ["island"]\nsex = ["sex"]'
LENGTHS = '"flipper_length_mm"]\nisland = ["island"]\nsex = { columns = ["sex"], lengths = "bill_depth_mm" }'

MISTAKES = {
    "a merge": ('type = "concatenate"\ninputs = ["islands', 'type = "add"\ninputs = ["numbers", "islands'),
    "a node in a block": (DEEP, BLOCK),
    "shared parameters": ('name = "sexes"', 'name = "sexes"\nshare = "islands"'),
    "units of an output": ('inputs = ["both"]\nunits = 3', 'inputs = ["both"]\nunits = 4'),
    "an index": ("count = 3", "count = 2"),
    "words": ('["index", "standardize"]', '[{ type = "index", columns = ["sex"] }, "standardize"]'),
    "lengths": (COLUMNS, LENGTHS),
    "a target": ("units = 1\n", "units = 2\n"),
}
EXPECTED = {
    "a merge": ('name = "categories"', "Layer categories 'add' (built-in): expected inputs of one shape, got (3,) and"),
    "a node in a block": (
        'name = "deep"',
        "Layer deep.1 'add' (built-in): expected inputs of one shape, got (4,) and",
    ),
    "shared parameters": ('name = "sexes"', "Layer sexes 'embedding' (built-in): cannot share the parameters of"),
    "units of an output": ('name = "species"', "Layer species 'dense' (built-in) gives 4 outputs, but the target"),
    "an index": ("island = [", "The input 'island' holds the index 2 in row"),
    "words": ("island = [", "A network cannot take words, which are in: 'island'."),
    "lengths": ("sex = {", "Column 'bill_depth_mm' must hold lengths, which are whole numbers, got "),
    "a target": ('mass = "body', "y['mass']: MSE: y must have shape (N, 2)"),
}


@pytest.fixture
def read(tmp_path):
    """Return a function that reads a text as an experiment, and the line of it where something stands."""

    def read_text(text, mark):
        path = tmp_path / "wide.toml"
        path.write_text(text)
        before = text.index(mark)
        line = text.count("\n", 0, before) + 1 - mark.startswith("name")  # a node begins with its header
        return str(path), f"{path}:{line}: "

    return read_text


@pytest.mark.parametrize("what", MISTAKES)
def test_mistake_that_shows_with_the_data_has_the_line_of_its_node_or_column(what, read):
    (old, new), (mark, message) = MISTAKES[what], EXPECTED[what]
    assert old in WIDE
    path, place = read(WIDE.replace(old, new, 1), mark)
    with pytest.raises(nnfw.NnfwError) as caught:
        prepare(read_experiment(path, default_registry()), default_registry())
    assert str(caught.value).startswith(place + message)


def test_mistake_in_a_node_has_its_line_in_a_summary_too(read):
    text = WIDE.replace('inputs = ["islands", "sexes"]', 'inputs = ["islands", "sexes", "numbers"]')
    text = text.replace("[model]", "[model]\ninput_shape = { numbers = [3], island = [1], sex = [1] }")
    path, place = read(text, 'name = "categories"')
    file = read_experiment(path, default_registry())
    with pytest.raises(nnfw.ShapeError) as caught, placed_in(file.document):
        summarise(file.experiment, default_registry())
    assert str(caught.value).startswith(
        f"{place}Layer categories 'concatenate' (built-in): expected inputs that differ"
    )


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("{ numbers = [3] }", "model.input_shape lacks the input island, sex."),
        ("{ numbers = [4], island = [1], sex = [1] }", "model.input_shape is {'numbers': (4,), 'island': (1,), 'sex'"),
    ],
    ids=["missing", "other"],
)
def test_shape_of_the_input_that_does_not_fit_has_its_line(read, shape, message):
    path, place = read(WIDE.replace("[model]", f"[model]\ninput_shape = {shape}"), "input_shape")
    with pytest.raises(nnfw.NnfwError) as caught:
        prepare(read_experiment(path, default_registry()), default_registry())
    assert str(caught.value).startswith(place + message)


def test_mistake_that_is_about_no_line_has_none():
    with pytest.raises(nnfw.DataError, match=r"^is empty\.$"), placed_in(Document({})):
        raise nnfw.DataError("is empty.")


SMALL = """
data = {{ source = "xor", split = {{ validation = 0.0, test = 0.0 }} }}
model = {{ layers = [{{ type = "dense", units = 1, name = "p" }}]{} }}
optimizer = {{ type = "sgd" }}
{}
"""
TYPES = ", ".join(item.name for item in default_registry().components("cost")) + " (built-in)."
NAMED = " Costs by name are tables, [cost.NAME]"
NEEDS = f"{NAMED}, and need model.outputs, a list of the names."


@pytest.mark.parametrize(
    ("outputs", "cost", "message"),
    [
        (
            "",
            "cost.kind = 3",
            f"cost.type is missing: the name of a cost. The table has 'kind'. Available: {TYPES}{NEEDS}",
        ),
        (
            ', outputs = ["p"]',
            "cost.p = 3",
            f"cost.type is missing: the name of a cost. The table has 'p'. Available: {TYPES}{NAMED}.",
        ),
        ("", "cost = {}", f"cost.type is missing: the name of a cost. Available: {TYPES}"),
        (
            "",
            'cost = { type = "mse", q = { type = "mse" } }',
            f"cost.q is not an option. Options: none.{NEEDS}",
        ),
        ("", 'cost = { type = "mse", q = 3 }', "cost.q is not an option. Options: none."),
        ("", 'cost.q.type = "mse"', "cost is by the names of outputs, but model.outputs names none. List them there."),
        ("", "cost = 3", "cost must be a cost: a name, a table with 'type', or an object, got 3."),
    ],
    ids=["kind", "number for an output", "empty", "both", "option", "no outputs", "number"],
)
def test_cost_that_is_none_says_what_costs_are(outputs, cost, message):
    with pytest.raises(nnfw.ConfigError) as caught:
        check_experiment(parse(SMALL.format(outputs, cost), "small.toml"), default_registry())
    assert str(caught.value) == f"small.toml:5: {message}"
