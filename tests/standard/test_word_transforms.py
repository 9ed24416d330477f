"""Words in an order and words in slots: their formulas, and that a hash is the same everywhere."""

import subprocess
import sys
from collections import Counter
from hashlib import blake2b

import numpy as np
import pytest

import nnfw
from nnfw.data import Examples, Preprocessing
from nnfw_standard import Hash, Ordinal, Standardize, Tokens

GRADES = Ordinal(order=("low", "middle", "high"))
WORDS = np.array([["Oslo", "Bern"], ["", "Zürich"]])


def slot(word, slots):
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little") % slots


def test_ordinal_is_the_position_and_can_be_standardized():
    words = np.array(["high", "low", "middle", "low"])
    np.testing.assert_array_equal(GRADES.apply(words, GRADES.fit(words)), [2, 0, 1, 0])
    x = Preprocessing.fit(Examples({"a": words}), [GRADES, Standardize(("a",))]).apply({"a": words})
    np.testing.assert_allclose(x[:, 0], (np.array([2, 0, 1, 0]) - 0.75) / np.std([2, 0, 1, 0]), rtol=1e-6)


def test_ordinal_target_is_the_word_of_the_nearest_position():
    preprocessing = Preprocessing.fit(Examples({"a": np.arange(2)}, np.array(["high", "low"])), [], [GRADES])
    assert preprocessing.target(Examples({"a": np.arange(2)}, np.array(["middle", "low"]))).tolist() == [[1], [0]]
    assert preprocessing.labels(np.array([[-3.0], [0.6], [1.4], [9.0]])).tolist() == ["low", "middle", "middle", "high"]


@pytest.mark.parametrize("method", ["fit", "apply"])
def test_ordinal_word_that_is_not_in_the_order_is_named_with_its_row(method):
    arguments = [np.array(["low", "hihg"])] + [{}] * (method == "apply")
    text = (
        r"^ordinal: 'hihg' in row 1 \(from 0\) is not in the order low, middle, high\. Did you mean 'high'\? Correct "
        r"it, or add it to the order\.$"
    )
    with pytest.raises(nnfw.DataError, match=text):
        getattr(GRADES, method)(*arguments)


def test_ordinal_word_twice_in_the_order_is_refused():
    with pytest.raises(nnfw.ConfigError, match=r"ordinal: order must be different words, got 'a' twice\."):
        Ordinal(order=("a", "b", "a")).fit(np.array(["a"]))


@pytest.mark.parametrize("transform", [GRADES, Hash(slots=3), Tokens(slots=3)], ids=repr)
def test_transforms_of_words_refuse_numbers(transform):
    with pytest.raises(
        nnfw.DataError, match=r"^(ordinal|hash|tokens) takes words, got numbers\. Name the column in categ"
    ):
        transform.fit(np.arange(3))


def test_hash_is_its_formula_and_gives_indices():
    transform = Hash(slots=1000)
    found = transform.apply(WORDS, transform.fit(WORDS))
    assert found.dtype == np.int64
    assert found.tolist() == [[slot(word, 1000) for word in row] for row in WORDS.tolist()]
    column = Preprocessing.fit(Examples({"city": WORDS}), [transform]).columns[0]
    assert column.output_kind == "integer"


def test_hash_is_the_same_in_another_process():
    program = (
        "import numpy as np; from nnfw_standard import Hash, Tokens; words = np.array(['Oslo', 'Bern']);"
        "print(Hash(slots=1000).apply(words, {}).tolist(), Tokens(slots=1000, length=1).apply(words, {}).tolist())"
    )
    expected = f"{[slot('Oslo', 1000), slot('Bern', 1000)]} {[[1 + slot('oslo', 1000)], [1 + slot('bern', 1000)]]}\n"
    for seed in ("1", "2"):
        found = subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert found.stdout == expected


def test_hash_takes_words_that_were_not_in_training_and_missing_ones():
    words = np.array(["a", None], object)
    preprocessing = Preprocessing.fit(Examples({"a": words}), [Hash(slots=7)])
    assert preprocessing.apply({"a": np.array(["new", None], object)}).tolist() == [[slot("new", 7)], [slot("", 7)]]


TEXTS = np.array(["The cat, the DOG!", "", "a 1st é_x"])


def test_tokens_count_the_words_of_each_slot():
    found = Tokens(slots=50).apply(TEXTS, {})
    assert (found.dtype, found.shape) == (np.float32, (3, 50))
    for row, words in zip(found, (["the", "cat", "the", "dog"], [], ["a", "1st", "é_x"]), strict=True):
        counts = Counter(slot(word, 50) for word in words)
        assert {k: row[k] for k in np.flatnonzero(row)} == counts


@pytest.mark.parametrize("length", [1, 3, 6])
def test_tokens_of_a_length_are_slots_from_one_then_zeros(length):
    found = Tokens(slots=50, length=length).apply(TEXTS, {})
    assert (found.dtype, found.shape) == (np.int64, (3, length))
    words = ["the", "cat", "the", "dog"]
    expected = [1 + slot(word, 50) for word in words] + [0] * 9
    assert found[0].tolist() == expected[:length]
    assert not found[1].any()


def test_tokens_of_a_block_are_refused():
    text = r"^tokens takes one text for each example, shape \(N,\), got \(2, 2\)\.$"
    with pytest.raises(nnfw.DataError, match=text):
        Tokens(slots=3).apply(WORDS, {})
