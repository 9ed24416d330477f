"""Text written by networks."""

import numpy as np
import pytest

import nnfw
from nnfw.data import Preprocessing
from nnfw.errors import ConfigError, DataError
from nnfw.runs.generation import drawn, generate
from nnfw_standard import (
    GRU,
    Bidirectional,
    Characters,
    Dense,
    Embedding,
    Index,
    LayerNorm,
    PositionalEncoding,
    TransformerEncoder,
)

RHYME = "abcabcabcabcabcabcabcabcabcabcabcabcabcabc"


def model_of(folder, *layers, text=RHYME, length=6, last="softmax"):
    (folder / "a.txt").write_text(text)
    examples = Characters("a.txt", length=length, stride=1).load(folder)
    preprocessing = Preprocessing.fit(examples, [Index()], indices=("x",))
    count = len(preprocessing.classes)
    model = nnfw.Sequential([Embedding(count, 8), *layers, Dense(count, activation=last)], (length,), seed=1)
    model.preprocessing = preprocessing
    return model, examples


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    """Return a network that has learned to go on with abcabc."""
    model, examples = model_of(tmp_path_factory.mktemp("writer"), GRU(16, states="all"))
    x, y = model.preprocessing.apply(examples.features), model.preprocessing.target(examples)
    model.fit(x, y, cost="cross_entropy", optimizer=nnfw.optimizer("adam", learning_rate=0.03), epochs=40)
    return model


@pytest.mark.parametrize("prompt", ["b", "abc", "bcabca", "cabcabcabcabca"], ids=len)
def test_generate_goes_on_with_what_was_learned_whatever_the_length_of_the_prompt(writer, prompt):
    expected = (RHYME[RHYME.index(prompt) + len(prompt) :] + RHYME)[:15]
    assert "".join(generate(writer, prompt, 15, temperature=0)) == expected


def test_generate_depends_on_the_seed_alone(writer):
    texts = ["".join(generate(writer, "a", 40, temperature=3, seed=seed)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert len(texts[0]) == 40


def test_generate_from_one_character_is_the_likeliest(writer):
    assert [*generate(writer, "abca", 9, temperature=5, top_k=1, seed=3)] == [*"bcabcabca"]


def test_generate_gives_characters_as_they_come(writer):
    characters = generate(writer, "abc", 10**9)
    assert len([next(characters) for _ in range(3)]) == 3


def test_generate_of_nothing_is_empty(writer):
    assert [*generate(writer, "a", 0)] == []


def test_transformer_that_is_causal_writes(tmp_path):
    layers = PositionalEncoding("learned"), TransformerEncoder(8, heads=2, causal=True), LayerNorm()
    model, _ = model_of(tmp_path, *layers)
    assert len("".join(generate(model, "ab", 5))) == 5


@pytest.mark.parametrize(
    "layer", [TransformerEncoder(8, heads=2), Bidirectional(GRU(4, states="all"))], ids=["attention", "bidirectional"]
)
def test_network_that_sees_later_characters_is_refused(tmp_path, layer):
    model, _ = model_of(tmp_path, layer)
    with pytest.raises(ConfigError, match=r"^The network sees the characters after the one .* causal = true, or with"):
        generate(model, "a", 5)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", r"^The prompt is empty; give one character at least, which the text begins with\.$"),
        ("ab€c\n", r"^The prompt holds '\\n', '€', which the model has never seen\. It knows 'a', 'b', 'c'\.$"),
    ],
    ids=["empty", "unknown"],
)
def test_prompt_that_cannot_be_continued_is_refused(writer, prompt, message):
    with pytest.raises(DataError, match=message):
        generate(writer, prompt, 5)


@pytest.mark.parametrize("temperature", [np.nan, np.inf])
def test_temperature_that_is_not_finite_is_refused(writer, temperature):
    with pytest.raises(ConfigError, match=r"^The temperature must be a finite number of 0 or more, got (nan|inf)\.$"):
        generate(writer, "a", 5, temperature=temperature)


def test_outputs_that_are_no_probabilities_are_refused(tmp_path):
    model, _ = model_of(tmp_path, GRU(4, states="all"), last="identity")
    with pytest.raises(ConfigError, match=r"^The outputs of the network are no probabilities\. Train it with softmax"):
        next(generate(model, "a", 5))


def test_characters_that_the_input_does_not_know_are_neither_taken_nor_written(tmp_path):
    model, examples = model_of(tmp_path, GRU(4, states="all"), text=RHYME + "X")
    training = examples.take(np.arange(10))
    model.preprocessing = Preprocessing.fit(training, [Index(unknown="error")], indices=("x",))
    assert model.preprocessing.classes == tuple("Xabc")
    assert set(generate(model, "a", 200, temperature=50)) == set("abc")
    with pytest.raises(
        DataError, match=r"^The prompt holds 'X', which the model has never seen\. It knows 'a', 'b', 'c'"
    ):
        generate(model, "aX", 5)


def of_numbers(folder):
    return nnfw.Sequential([Dense(3)], 4)


def of_words(folder):
    model, examples = model_of(folder)
    examples = nnfw.Examples(examples.features, np.array(["ab", "cd"])[np.arange(len(examples)) % 2])
    model.preprocessing = Preprocessing.fit(examples, [Index()], indices=("x",))
    return model


def of_last_state(folder):
    model, examples = model_of(folder)
    examples = nnfw.Examples(examples.features, examples.target[:, -1])
    model = nnfw.Sequential([Embedding(3, 4), GRU(4), Dense(3, activation="softmax")], (6,))
    model.preprocessing = Preprocessing.fit(examples, [Index()], indices=("x",))
    return model


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (of_numbers, "its input is not one column of windows of characters"),
        (of_words, "its classes are not characters"),
        (of_last_state, r"its output has shape \(3,\), expected \(6, 3\), the next one"),
    ],
    ids=["numbers", "words", "last state"],
)
def test_model_of_other_data_is_refused(tmp_path, make, message):
    with pytest.raises(ConfigError, match=rf"^The model does not write text: {message}\. Train one on the dataset"):
        generate(make(tmp_path), "a", 5)


@pytest.mark.parametrize(
    ("temperature", "top_k", "expected"),
    [
        (1, None, [0.5, 0.2, 0.3, 0]),
        (0.5, None, np.array([0.25, 0.04, 0.09, 0]) / 0.38),
        (1, 2, [0.625, 0, 0.375, 0]),
        (1e-320, None, [1, 0, 0, 0]),
        (1, 9, [0.5, 0.2, 0.3, 0]),
    ],
    ids=["as they are", "sharper", "the two likeliest", "almost 0", "more than there are"],
)
def test_drawn_has_the_probabilities_of_its_formula(temperature, top_k, expected, rng):
    found = [drawn(np.array([0.5, 0.2, 0.3, 0]), temperature, top_k, rng) for _ in range(4000)]
    np.testing.assert_allclose(np.bincount(found, minlength=4) / 4000, expected, atol=0.03)
