"""Datasets of files, each wrong in one place, and the ordinary test that must fail."""

import inspect
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from tests.standard import test_image_folder as of_images
from tests.standard import test_sequences as of_sequences
from tests.standard import test_text as of_text

from nnfw.errors import DataError
from nnfw_standard import Characters, ImageFolder, SequencesCSV, TextLines
from nnfw_standard.datasets import image_folder, sequences, text

Image = pytest.importorskip("PIL.Image")

FAILS = (AssertionError, DataError, pytest.fail.Exception)
"""What a test raises that fails: an assertion, an error where none belongs, or none where one belongs."""

photos, on_disk, write, folder = of_images.photos, of_images.on_disk, of_text.write, of_sequences.folder


# --- changes: each makes a wrong function of a right one --------------------------------------------------------------


def then(wrong):
    """Return a change that hands what the right function gives to `wrong`."""
    return lambda right: lambda *arguments: wrong(right(*arguments))


def instead(value):
    return lambda right: value


def of_pixels(wrong):
    """Return a change of the pixels of an image, whose shape stays."""
    return then(lambda image: wrong(image).reshape(image.shape))


def feature(name, wrong):
    """Return a change of a feature of the loaded examples."""
    return then(lambda found: replace(found, features={**found.features, name: wrong(found.features[name])}))


def of_target(wrong):
    return then(lambda found: replace(found, target=wrong(found.target)))


def in_front(words):
    """The padding in front of the words."""
    return np.array([[*row[row == ""], *row[row != ""]] for row in words])


def unconverted(right):
    """Pixels as the file has them, whatever its mode."""

    def pixels(self, path):
        with Image.open(path) as image:
            found = np.asarray(image, np.float32) / 255
        return found.reshape(*found.shape[:2], -1).transpose(2, 0, 1)

    return pixels


def by_nearest(right):
    return lambda self, size, resample: right(self, size, Image.Resampling.NEAREST)


def first_chunk(right):
    """The pixels of the first chunk, always."""
    return lambda self, chunk: right(self, chunk) | {"image": right(self, 0)["image"][: self.chunks[chunk]]}


def names_alone(right):
    return lambda self: repr([file.path for file in self._files])


def of_no_stride(right):
    return lambda self, directory: right(replace(self, stride=None), directory)


def as_bytes(content):
    return content.encode().decode("latin-1")


def of_rows(rows):
    """Return a change of the rows of all sequences."""

    def change(right):
        def init(self, *arguments):
            right(self, *arguments)
            self._rows = rows(self._rows, np.cumsum(self.lengths)[:-1])

        return init

    return change


def by_name(right):
    """The sequences in the order of their names."""

    def init(self, name, group, order, most):
        ranked = np.argsort(group, kind="stable")
        right(self, name, group[ranked], None if order is None else order[ranked], most)
        self._rows = ranked[self._rows]

    return init


def order_as_words(right):
    return lambda self, name, group, order, most: right(
        self, name, group, None if order is None else order.astype(int).astype(str), most
    )


def first_value(right):
    """The target of the first row, whatever the others say."""
    return lambda self, column, name: np.array([part[0] for part in self._parts(column)])


PIXELS = (image_folder._Images, "_pixels")
LOADED_IMAGES = of_images.test_load_gives_channels_first_and_classes_by_folder
CHUNKS = of_images.test_open_large_folder_is_a_source_of_chunks_with_all_classes
LOADED_WINDOWS = of_text.test_characters_load_gives_windows_and_the_characters_after_each
LOADED_LINES = of_text.test_text_lines_load_gives_padded_words_lengths_and_labels
LOADED_ROWS = of_sequences.test_load_rows_of_a_group_are_a_sequence_in_the_order_of_the_file

# place, name, change, test
WRONG = {
    "image_folder, the last file dropped": (image_folder, "_alternating", then(lambda files: files[:-1]), CHUNKS),
    "image_folder, the last file of a class dropped": (
        ImageFolder,
        "_files",
        then(lambda files: files[:-1] or files),
        LOADED_IMAGES,
    ),
    "image_folder, files as the system lists them": (
        ImageFolder,
        "_files",
        lambda right: lambda self, own: [path for path in own.iterdir() if path in right(self, own)],
        partial(of_images.test_image_folder_passes_the_kit, options={}),
    ),
    "image_folder, files from the last on": (ImageFolder, "_files", then(lambda files: files[::-1]), LOADED_IMAGES),
    "image_folder, hidden files too": (
        ImageFolder,
        "_files",
        lambda right: lambda self, own: sorted(own.glob("*.png")),
        LOADED_IMAGES,
    ),
    "image_folder, class after class": (
        image_folder,
        "_alternating",
        then(lambda files: sorted(files, key=lambda file: file.label)),
        CHUNKS,
    ),
    "image_folder, no conversion of palettes": (
        *PIXELS,
        unconverted,
        partial(of_images.test_load_images_of_other_modes_are_converted, mode="P"),
    ),
    "image_folder, grey by the mean of the colours": (
        image_folder,
        "_MODES",
        instead({"grey": ("RGB", 1)}),
        of_images.test_load_grey_has_one_channel,
    ),
    "image_folder, rows and columns exchanged": (
        *PIXELS,
        of_pixels(lambda image: image.transpose(0, 2, 1)),
        of_images.test_load_rows_and_columns_are_those_of_the_image,
    ),
    "image_folder, channels last": (*PIXELS, of_pixels(lambda image: image.transpose(1, 2, 0)), LOADED_IMAGES),
    "image_folder, blue first": (*PIXELS, of_pixels(lambda image: image[::-1]), LOADED_IMAGES),
    "image_folder, pixels up to 255": (image_folder, "_WHITE", instead(np.float32(1)), LOADED_IMAGES),
    "image_folder, resized to the nearest pixel": (
        Image.Image,
        "resize",
        by_nearest,
        of_images.test_load_resizing_is_bilinear,
    ),
    "image_folder, size as width and height": (
        ImageFolder,
        "input_shape",
        then(lambda shape: shape and (shape[0], shape[2], shape[1])),
        of_images.test_load_size_resizes_images_of_several_sizes,
    ),
    "image_folder, the first chunk again": (image_folder._Images, "read", first_chunk, CHUNKS),
    "image_folder, a fingerprint of names": (
        image_folder._Images,
        "fingerprint",
        names_alone,
        of_images.test_open_fingerprint_changes_with_a_file,
    ),
    "image_folder, 16 bits cut off": (
        image_folder,
        "_DEEP",
        instead(()),
        of_images.test_load_image_of_16_bits_is_refused,
    ),
    "characters, y is x": (
        Characters,
        "load",
        lambda right: (
            lambda self, directory: replace(right(self, directory), target=right(self, directory).features["text"])
        ),
        LOADED_WINDOWS,
    ),
    "characters, the last window dropped": (
        Characters,
        "load",
        then(lambda found: found.take(np.arange(len(found) - 1))),
        LOADED_WINDOWS,
    ),
    "characters, no stride": (
        Characters,
        "load",
        of_no_stride,
        of_text.test_characters_stride_makes_windows_overlap_or_leaves_some_out,
    ),
    "characters, classes of the windows alone": (
        Characters,
        "load",
        then(lambda found: replace(found, classes=tuple(np.unique(found.features["text"]).tolist()))),
        LOADED_WINDOWS,
    ),
    "characters, classes as they come": (
        Characters,
        "load",
        then(lambda found: replace(found, classes=tuple(dict.fromkeys(found.target.ravel().tolist())))),
        of_text.test_characters_of_another_text_have_the_indices_of_the_first,
    ),
    "characters, bytes": (
        text,
        "read_text",
        then(as_bytes),
        of_text.test_characters_beyond_16_bits_are_one_each,
    ),
    "characters, always UTF-8": (
        text,
        "read_text",
        lambda right: lambda path, encoding: right(path, "utf-8"),
        of_text.test_characters_encoding_is_an_option,
    ),
    "characters, carriage returns stay": (
        text,
        "read_text",
        lambda right: lambda path, encoding: path.read_bytes().decode("utf-8-sig"),
        of_text.test_characters_ends_of_lines_are_line_feeds_and_a_byte_order_mark_is_left_out,
    ),
    "text_lines, the last line dropped": (
        text,
        "read_text",
        then(lambda content: content.rstrip("\n").rpartition("\n")[0]),
        LOADED_LINES,
    ),
    "text_lines, labels of the next line": (TextLines, "load", of_target(lambda y: np.roll(y, 1)), LOADED_LINES),
    "text_lines, the length counts padding": (
        TextLines,
        "load",
        feature("length", lambda length: np.full_like(length, 4)),
        LOADED_LINES,
    ),
    "text_lines, padding in front": (TextLines, "load", feature("text", in_front), LOADED_LINES),
    "text_lines, signs are lost": (text, "_WORDS", instead(re.compile(r"\w+")), LOADED_LINES),
    "text_lines, capitals stay": (
        TextLines,
        "_tokens",
        lambda right: lambda self, line: text._WORDS.findall(line)[: self.length],
        LOADED_LINES,
    ),
    "text_lines, characters in lower case": (
        TextLines,
        "_tokens",
        then(lambda tokens: [token.lower() for token in tokens]),
        of_text.test_text_lines_of_characters_keep_their_case,
    ),
    "text_lines, the last tab ends the label": (
        TextLines,
        "_parted",
        lambda right: lambda self, line, place: tuple(line.rsplit("\t", 1)),
        of_text.test_text_lines_text_may_hold_tabs,
    ),
    "text_lines, classes as they come": (
        TextLines,
        "load",
        then(lambda found: replace(found, classes=tuple(dict.fromkeys(found.target.tolist())))),
        LOADED_LINES,
    ),
    "sequences_csv, the last sequence dropped": (
        SequencesCSV,
        "load",
        then(lambda found: found.take(np.arange(len(found) - 1))),
        LOADED_ROWS,
    ),
    "sequences_csv, rows of all groups as they come": (
        sequences._Sequences,
        "__init__",
        of_rows(lambda rows, ends: np.sort(rows)),
        LOADED_ROWS,
    ),
    "sequences_csv, the last row first": (
        sequences._Sequences,
        "__init__",
        of_rows(lambda rows, ends: np.concatenate([part[::-1] for part in np.split(rows, ends)])),
        LOADED_ROWS,
    ),
    "sequences_csv, sequences by name": (sequences._Sequences, "__init__", by_name, LOADED_ROWS),
    "sequences_csv, no order": (
        sequences._Sequences,
        "__init__",
        lambda right: lambda self, name, group, order, most: right(self, name, group, None, most),
        of_sequences.test_load_order_sorts_the_rows_of_each_sequence,
    ),
    "sequences_csv, an order of words": (
        sequences._Sequences,
        "__init__",
        order_as_words,
        of_sequences.test_load_order_of_numbers_is_not_that_of_words,
    ),
    "sequences_csv, the length counts padding": (
        SequencesCSV,
        "load",
        feature("length", lambda length: np.full_like(length, length.max())),
        LOADED_ROWS,
    ),
    "sequences_csv, the last step repeated": (
        SequencesCSV,
        "load",
        feature("steps", lambda steps: np.where(steps == 0, steps[:, 1:2], steps)),
        LOADED_ROWS,
    ),
    "sequences_csv, targets exchanged": (SequencesCSV, "load", of_target(lambda y: y[::-1].copy()), LOADED_ROWS),
    "sequences_csv, several targets pass": (
        sequences._Sequences,
        "single",
        first_value,
        of_sequences.test_load_sequence_with_several_targets_is_named,
    ),
    "sequences_csv, a target of padding": (
        sequences._Sequences,
        "padded",
        lambda right: lambda self, column, padding=None: right(self, column),
        of_sequences.test_load_target_of_each_step_is_padded,
    ),
}


def arguments(test, request):
    """Return the fixtures that a test asks for."""
    names = inspect.signature(test).parameters.values()
    return {each.name: request.getfixturevalue(each.name) for each in names if each.default is each.empty}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_dataset_is_found(name, request, monkeypatch):
    place, attribute, change, test = WRONG[name]
    fixtures = arguments(test, request)
    monkeypatch.setattr(place, attribute, change(getattr(place, attribute)))
    with pytest.raises(FAILS):
        test(**fixtures)


@pytest.mark.parametrize("name", WRONG)
def test_right_dataset_passes_the_same_test(name, request):
    test = WRONG[name][3]
    test(**arguments(test, request))
