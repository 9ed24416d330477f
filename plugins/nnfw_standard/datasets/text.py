"""Examples from text: windows of characters, and lines with labels."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.data import Examples, reading
from nnfw.errors import DataError, short
from nnfw.protocols import Dataset, Shape
from nnfw.storage import open_regular

_WORDS = re.compile(r"\w+|[^\w\s]")
_LONGEST_WORD = 100  # characters: an array of words gives each of them the room of the longest


def read_text(path: Path, encoding: str) -> str:
    """Return a text file, with every end of a line as a line feed and without a byte order mark.

    DataError if it is missing, empty, holds NUL characters, or is not text in `encoding`; names the line.
    """
    with reading(path, "a text file"), open_regular(path) as stream:
        content = stream.read()
    try:
        text = content.decode(encoding)
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        raise DataError(
            f"{path.name}:{content.count(10, 0, start) + 1}: this is not text in {encoding.upper()}: {error}. Save it "
            'as UTF-8, or name its own encoding: encoding = "latin-1", for instance.'
        ) from error
    except (LookupError, ValueError) as error:
        raise DataError(
            f'{path.name}: unknown encoding {short(encoding)}. Name one of Python\'s: "utf-8", "latin-1", "cp1252".'
        ) from error
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise DataError(f"{path.name} is empty; expected a text.")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path.name}:{line}: holds a NUL character; expected text in {encoding.upper()}.")
    return text


@dataclass(frozen=True)
class Characters(Dataset):
    r"""Windows of a text, each with the characters that come next: for networks that write.

    x_t = text[i + t], y_t = text[i + t + 1], for t = 0 to `length` − 1 and i = 0, `stride`, 2 `stride`, ...

    Parameters
    ----------
    path : str
        The text file; relative paths start at the directory of the experiment.
    length : int
        Characters in a window T, 1 or more.
    stride : int or None
        From the start of one window to that of the next, 1 or more; None (default) for `length`, so that none overlap.
    encoding : str
        ``"utf-8"`` by default.

    Notes
    -----
    The features are one column ``text`` of words ``(N, T)``, which the transform ``index`` turns into indices; the
    target ``next`` has the same shape. Its classes are the characters of the whole text, in sorted order. Ends of lines
    are line feeds, and a byte order mark is left out. Characters after the last whole window are not used.

    Split windows in order (``in_order``): those that overlap, drawn at random, would be in training and test alike.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "rhyme.txt").write_text("hey diddle diddle")
    ...     examples = Characters("rhyme.txt", length=5).load(Path(folder))
    >>> ["".join(window) for window in examples.features["text"]], "".join(examples.target[0])
    (['hey d', 'iddle', ' didd'], 'ey di')
    """

    path: str
    length: Annotated[int, Ge(1)]
    _: KW_ONLY
    stride: Annotated[int, Ge(1)] | None = None
    encoding: str = "utf-8"

    def load(self, directory: Path) -> Examples:
        """Return the examples: views of one array of characters.

        Raises
        ------
        DataError
            If the file is missing, not text in `encoding`, or shorter than a window and a character.
        """
        path = directory / self.path
        text = read_text(path, self.encoding)
        if len(text) <= self.length:
            raise DataError(
                f"{path.name} has {len(text)} characters; a window of {self.length} and the character after it need "
                f"{self.length + 1}. Choose a length of at most {len(text) - 1}, or a longer text."
            )
        characters = np.frombuffer(text.encode("utf-32-le"), "<U1")
        windows = np.lib.stride_tricks.sliding_window_view(characters, self.length + 1)[:: self.stride or self.length]
        return Examples({"text": windows[:, :-1]}, windows[:, 1:], "next", tuple(sorted(set(text))))

    def input_shape(self) -> Shape:
        """Return ``(length,)``."""
        return (self.length,)


@dataclass(frozen=True)
class TextLines(Dataset):
    r"""Lines of text with a label each, in front of a tab.

    Parameters
    ----------
    path : str
        The text file; relative paths start at the directory of the experiment.
    length : int
        Tokens of an example T, 1 or more: longer lines are cut, shorter ones padded with ``""``.
    labels : str
        ``"first"`` (default): label, tab, text. ``"last"``: text, tab, label. ``"none"``: only text, as for a
        prediction.
    tokens : str
        ``"words"`` (default): runs of letters and digits, and other signs one by one, in lower case. ``"characters"``.
    encoding : str
        ``"utf-8"`` by default.

    Notes
    -----
    The features are the columns ``text``, words ``(N, T)``, and ``length``, the number of tokens ``(N,)``. The
    transform ``index`` turns words into indices; the padding ``""`` comes first in sorted order, so it has the index 0.
    ``[data.inputs]`` makes padded sequences of them: ``tokens = {columns = ["text"], lengths = "length"}``. The target
    ``label`` holds words, and its classes are those of the file in sorted order. Empty lines are skipped. Words are cut
    after 100 characters.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "reviews.txt").write_text("good\tI like it!\nbad\tNo.\n")
    ...     examples = TextLines("reviews.txt", length=3).load(Path(folder))
    >>> examples.features["text"].tolist(), examples.features["length"].tolist(), examples.target.tolist()
    ([['i', 'like', 'it'], ['no', '.', '']], [3, 2], ['good', 'bad'])
    """

    path: str
    length: Annotated[int, Ge(1)]
    _: KW_ONLY
    labels: Literal["first", "last", "none"] = "first"
    tokens: Literal["words", "characters"] = "words"
    encoding: str = "utf-8"

    def load(self, directory: Path) -> Examples:
        """Return the examples.

        Raises
        ------
        DataError
            If the file is missing, empty or not text in `encoding`, or a line lacks its label or its text.
        """
        path = directory / self.path
        lines = enumerate(read_text(path, self.encoding).split("\n"), 1)
        pairs = [self._parted(line, f"{path.name}:{number}") for number, line in lines if line.strip()]
        sequences = [self._tokens(text) for _, text in pairs]
        words = np.array([[*found, *[""] * (self.length - len(found))] for found in sequences])
        features: dict[str, Array] = {"text": words, "length": np.array([len(found) for found in sequences])}
        if self.labels == "none":
            return Examples(features, target_name="label")
        target = np.array([label for label, _ in pairs])
        return Examples(features, target, "label", tuple(np.unique(target).tolist()))

    def _parted(self, line: str, place: str) -> tuple[str, str]:
        """Return label and text of a line; DataError, with its place, if one of them is missing."""
        if self.labels == "none":
            return "", line
        first, tab, rest = line.partition("\t") if self.labels == "first" else line.rpartition("\t")
        label, text = (first, rest) if self.labels == "first" else (rest, first)
        if not (tab and label.strip() and text.strip()):
            form = "label, tab, text" if self.labels == "first" else "text, tab, label"
            raise DataError(
                f'{place}: expected {form}, got {short(line)}. Set labels to "first", "last" or, for text alone, '
                '"none".'
            )
        return label.strip(), text

    def _tokens(self, text: str) -> list[str]:
        if self.tokens == "characters":
            return list(text.strip()[: self.length])
        return [word[:_LONGEST_WORD] for word in _WORDS.findall(text.lower())[: self.length]]
