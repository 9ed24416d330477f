"""Datasets of text."""

import numpy as np
import pytest

from nnfw.data import Preprocessing
from nnfw.errors import DataError
from nnfw.experiments import read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import train
from nnfw.testing import run_checks
from nnfw_standard import Characters, Index, TextLines

REVIEWS = "good\tI like it, a lot!\n\nbad\tNo.\n"


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a text file, and gives the folder."""

    def write(content, name="a.txt"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return write


def joined(windows):
    return ["".join(window) for window in windows]


@pytest.mark.parametrize(
    "dataset",
    [Characters("a.txt", length=3, stride=2), TextLines("a.txt", length=3)],
    ids=["characters", "text_lines"],
)
def test_text_datasets_pass_the_kit(write, dataset, monkeypatch):
    monkeypatch.chdir(write(REVIEWS))
    report = run_checks(dataset)
    assert [(item.check, item.message) for item in report.failures] == []
    assert "dataset.loads_examples" in {item.check for item in report.outcomes if item.status == "passed"}


# characters


def test_characters_load_gives_windows_and_the_characters_after_each(write):
    examples = Characters("a.txt", length=3).load(write("abcdefgh"))
    assert joined(examples.features["text"]) == ["abc", "def"]
    assert joined(examples.target) == ["bcd", "efg"]
    assert (examples.target_name, examples.classes) == ("next", tuple("abcdefgh"))


def test_characters_stride_makes_windows_overlap_or_leaves_some_out(write):
    folder = write("abcdefgh")
    assert joined(Characters("a.txt", length=4, stride=1).load(folder).features["text"]) == [
        "abcd",
        "bcde",
        "cdef",
        "defg",
    ]
    assert joined(Characters("a.txt", length=2, stride=3).load(folder).features["text"]) == ["ab", "de"]


def test_characters_text_of_a_window_and_a_character_is_one_example(write):
    assert len(Characters("a.txt", length=3).load(write("abcd"))) == 1


def test_characters_text_shorter_than_the_window_is_refused(write):
    message = (
        r"^a\.txt has 3 characters; a window of 3 and the character after it need 4\. Choose a length of at most 2, or "
        r"a longer text\.$"
    )
    with pytest.raises(DataError, match=message):
        Characters("a.txt", length=3).load(write("abc"))


def test_characters_ends_of_lines_are_line_feeds_and_a_byte_order_mark_is_left_out(write):
    assert joined(Characters("a.txt", length=4).load(write(b"\xef\xbb\xbfa\r\nb\rc")).features["text"]) == ["a\nb\n"]


def test_characters_beyond_16_bits_are_one_each(write):
    assert joined(Characters("a.txt", length=2).load(write("é😀δ")).features["text"]) == ["é😀"]


def test_characters_encoding_is_an_option(write):
    folder = write("äöü".encode("latin-1"))
    assert joined(Characters("a.txt", length=2, encoding="latin-1").load(folder).features["text"]) == ["äö"]


@pytest.mark.parametrize("dataset", [Characters("a.txt", 3), TextLines("a.txt", 3)], ids=["characters", "text_lines"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"one\ntwo \xe4",
            r"a\.txt:2: this is not text in UTF-8: .*0xe4 in position 8.* Save it as UTF-8, or name its",
        ),
        (b"", r"a\.txt is empty; expected a text\."),
        (b" \n\n", r"a\.txt is empty; expected a text\."),
        (b"one\ntw\0", r"a\.txt:2: holds a NUL character; expected text in UTF-8\."),
    ],
    ids=["another encoding", "empty", "white space alone", "NUL"],
)
def test_text_that_is_none_is_refused(write, dataset, content, message):
    with pytest.raises(DataError, match=f"^{message}"):
        dataset.load(write(content))


@pytest.mark.parametrize("encoding", ["utf-9", "utf-8\0", ""])
def test_text_in_an_unknown_encoding_is_refused(write, encoding):
    with pytest.raises(DataError, match=r"^a\.txt: unknown encoding '.*'\. Name one of Python's: \"utf-8\", "):
        Characters("a.txt", 3, encoding=encoding).load(write("abcd"))


def test_text_that_is_missing_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.txt: there is no such file; expected a text file\.$"):
        Characters("a.txt", 3).load(tmp_path)


def test_characters_of_another_text_have_the_indices_of_the_first(write):
    folder = write("banana bandana")
    examples = Characters("a.txt", length=3).load(folder)
    preprocessing = Preprocessing.fit(examples, [Index()], indices=("x",))
    write("dab!", "b.txt")
    other = Characters("b.txt", length=2, stride=1).load(folder)
    fitted = Preprocessing.fit(Characters("a.txt", length=2).load(folder), [Index()], indices=("x",))
    assert preprocessing.classes == tuple(" abdn")
    assert fitted.apply({"text": other.features["text"][:1]}).tolist() == [[3, 1]]
    with pytest.raises(
        DataError, match=r"^Column 'next': unknown class '!' in row 1 \(from 0\); expected  , a, b, d, n\."
    ):
        fitted.target(other)


def test_characters_target_becomes_classes_and_predictions_become_characters(write):
    examples = Characters("a.txt", length=3).load(write("banana"))
    preprocessing = Preprocessing.fit(examples, [Index()], indices=("x",))
    y = preprocessing.target(examples)
    assert (y.dtype, y.tolist()) == (np.int64, [[0, 2, 0]])
    assert preprocessing.labels(np.eye(3)[y]).tolist() == [["a", "n", "a"]]


# text_lines


def test_text_lines_load_gives_padded_words_lengths_and_labels(write):
    examples = TextLines("a.txt", length=4).load(write(REVIEWS))
    assert examples.features["text"].tolist() == [["i", "like", "it", ","], ["no", ".", "", ""]]
    assert examples.features["length"].tolist() == [4, 2]
    assert (examples.target.tolist(), examples.target_name, examples.classes) == (
        ["good", "bad"],
        "label",
        ("bad", "good"),
    )


def test_text_lines_of_characters_keep_their_case(write):
    examples = TextLines("a.txt", length=3, tokens="characters").load(write(REVIEWS))
    assert joined(examples.features["text"]) == ["I l", "No."]


def test_text_lines_label_may_be_last_or_missing(write):
    folder = write("a\tb c\nd e\tf\n")
    last = TextLines("a.txt", length=3, labels="last").load(folder)
    assert (last.features["text"].tolist(), last.target.tolist()) == ([["a", "", ""], ["d", "e", ""]], ["b c", "f"])
    none = TextLines("a.txt", length=3, labels="none").load(folder)
    assert (none.features["text"].tolist(), none.target) == ([["a", "b", "c"], ["d", "e", "f"]], None)


def test_text_lines_text_may_hold_tabs(write):
    folder = write("a\tb\tc\n")
    for labels, right in {"first": ("a", ["b", "c"]), "last": ("c", ["a", "b"])}.items():
        examples = TextLines("a.txt", length=2, labels=labels).load(folder)
        assert (examples.target[0], examples.features["text"][0].tolist()) == right


@pytest.mark.parametrize("line", ["no tab", "\tno label", "no text\t "], ids=["no tab", "no label", "no text"])
def test_text_lines_without_label_or_text_names_the_line(write, line):
    with pytest.raises(
        DataError, match=r"^a\.txt:2: expected label, tab, text, got '.*'\. Set labels to \"first\", \"last\""
    ):
        TextLines("a.txt", length=3).load(write(f"a\tb\n{line}\n"))


def test_text_lines_long_words_are_cut(write):
    examples = TextLines("a.txt", length=2, labels="none").load(write("x" * 300))
    assert examples.features["text"].tolist() == [["x" * 100, ""]]


def test_text_lines_padding_has_the_index_0(write):
    examples = TextLines("a.txt", length=4).load(write(REVIEWS))
    fitted = Index().fit(examples.features["text"])
    assert Index().apply(examples.features["text"], fitted)[1, 2:].tolist() == [0, 0]


def test_text_lines_train_a_network_of_padded_sequences(write, tmp_path):
    words = ["red", "green", "blue", "dark", "light"]
    rng = np.random.default_rng(0)
    lines = [[str(word) for word in rng.choice(words, rng.integers(1, 6))] for _ in range(80)]
    folder = write("".join(f"{'warm' if 'red' in line else 'cold'}\t{' '.join(line)}\n" for line in lines))
    (folder / "a.toml").write_text(
        """
        [data]
        source = { type = "text_lines", path = "a.txt", length = 6 }
        transforms = ["index"]
        [data.inputs]
        tokens = { columns = ["text"], lengths = "length" }
        [[model.layers]]
        type = "embedding"
        inputs = ["tokens"]
        count = 6
        width = 4
        [[model.layers]]
        type = "time_pool"
        kind = "max"
        [[model.layers]]
        type = "dense"
        units = 2
        activation = "softmax"
        [cost]
        type = "cross_entropy"
        [optimizer]
        type = "adam"
        learning_rate = 0.1
        [training]
        epochs = 20
        metrics = ["accuracy"]
        """
    )
    run = train(read_experiment(folder / "a.toml", default_registry()), default_registry(), tmp_path / "run")
    assert run.results["test"]["accuracy"] > 0.9
