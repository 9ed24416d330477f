"""Examples from folders of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from fnmatch import fnmatch
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, MinLen

from nnfw.arrays import Array
from nnfw.data import Examples, reading
from nnfw.errors import DataError, NnfwError, in_words
from nnfw.protocols import Dataset, Shape, Source
from nnfw.storage import open_regular

if TYPE_CHECKING:
    from PIL import Image

_IN_MEMORY = 1 << 28  # bytes of pixels as float32; more are read again in each epoch
_CHUNK = 1 << 24  # bytes of pixels that are read together
_MOST_NUMBERS = (1 << 29) - 4  # of an image: NumPy's records have less than 2 GiB
_MODES = {"grey": ("L", 1), "rgb": ("RGB", 3)}
_WHITE = np.float32(255)
_DEEP = ("I", "F")  # first letters of Pillow's modes of more than 8 bits, which it would cut off

Pixels = Annotated[int, Ge(1)]


class _File(NamedTuple):
    path: Path
    label: int


@dataclass(frozen=True)
class ImageFolder(Dataset):
    """Images in folders, one folder for each class: ``path/cat/1.png``, ``path/dog/2.jpg``.

    Parameters
    ----------
    path : str
        The folder of the classes' folders; relative paths start at the directory of the experiment.
    size : int, tuple of two int, or None
        Rows and columns to resize to; one number for both. None (default): all images have one size already.
    mode : str
        ``"rgb"`` (default): three channels; ``"grey"``: one. Images are converted; transparency is dropped.
    patterns : tuple of str
        Names of the files that are images, in lower case; ``"*.png"``, ``"*.jpg"`` and ``"*.jpeg"`` by default. Files
        that begin with a dot are left out.

    Notes
    -----
    The features are one column ``image`` of shape ``(N, C, H, W)``, float32 in [0, 1]; the target ``class`` is int64,
    and its classes are the names of the folders in sorted order. Images of all classes alternate, each class in the
    order of its files' names. Resizing is bilinear and does not keep the ratio of the sides. More than 256 MiB stay
    on disk: they are a source that is read, and decoded, chunk by chunk in each epoch.

    Needs Pillow: ``pip install "nnfw[images]"``.
    """

    path: str
    _: KW_ONLY
    size: Pixels | tuple[Pixels, Pixels] | None = None
    mode: Literal["grey", "rgb"] = "rgb"
    patterns: Annotated[tuple[str, ...], MinLen(1)] = ("*.png", "*.jpg", "*.jpeg")

    def load(self, directory: Path) -> Examples:
        """Return the examples.

        Raises
        ------
        DataError
            If there is no image, one is damaged or has more than 8 bits, or sizes differ; names the files.
        """
        return Examples.of(self._source(directory))

    def open(self, directory: Path) -> Source | None:
        """Return a source if the images take more than 256 MiB, else None."""
        source = self._source(directory)
        return source if source.schema["image"].itemsize * sum(source.chunks) > _IN_MEMORY else None

    def input_shape(self) -> Shape | None:
        """Return ``(C, H, W)``; None without `size`."""
        if self.size is None:
            return None
        return (_MODES[self.mode][1], *((self.size, self.size) if isinstance(self.size, int) else self.size))

    def _source(self, directory: Path) -> _Images:
        _require_pillow()
        root = directory / self.path
        with reading(root, "a folder with a folder of images for each class"):
            folders = sorted(each for each in root.iterdir() if each.is_dir() and not each.name.startswith("."))
            files = {folder.name: self._files(folder) for folder in folders}
        empty = [name for name, own in files.items() if not own]
        if empty or not files:
            raise DataError(
                f"{root / empty[0] if empty else root} holds no {'image' if empty else 'folder of images'}; expected a "
                f"folder for each class, with files like {', '.join(self.patterns)}."
            )
        shape = self.input_shape()
        if shape is None:
            shape = (_MODES[self.mode][1], *_common_size([path for own in files.values() for path in own]))
        if prod(shape) > _MOST_NUMBERS:
            raise DataError(
                f"{root}: an image of shape {shape} takes {4 * prod(shape) / 2**30:,.1f} GiB as float32, more than the "
                "2 GiB that a record may have. Set a smaller size."
            )
        return _Images(_alternating(list(files.values())), shape, self.mode, tuple(files))

    def _files(self, folder: Path) -> list[Path]:
        return sorted(
            path
            for path in folder.iterdir()
            if not path.name.startswith(".") and any(fnmatch(path.name.lower(), each) for each in self.patterns)
        )


class _Images(Source):
    """Images that are decoded when their chunk is read."""

    target = "class"

    def __init__(self, files: Sequence[_File], shape: Shape, mode: str, classes: tuple[str, ...]) -> None:
        self._files, self._shape, self._mode, self.classes = files, shape, mode, classes
        self.schema = np.dtype([("image", np.float32, shape), ("class", np.int64)])
        self._rows = max(1, _CHUNK // (4 * prod(shape)))
        self.chunks = [min(self._rows, len(files) - start) for start in range(0, len(files), self._rows)]

    def read(self, chunk: int) -> dict[str, Array]:
        """Return the images of a chunk, and the numbers of their classes."""
        files = self._files[chunk * self._rows : (chunk + 1) * self._rows]
        images = np.empty((len(files), *self._shape), np.float32)
        for image, file in zip(images, files, strict=True):
            image[...] = self._pixels(file.path)
        return {"image": images, "class": np.array([file.label for file in files], np.int64)}

    def fingerprint(self) -> str:
        """Return a checksum of the names, sizes and times of the files."""
        entries = []
        for path, _ in self._files:
            with reading(path, "an image"):
                found = path.stat()
            entries.append((str(path), found.st_size, found.st_mtime_ns))
        return sha256(repr(entries).encode()).hexdigest()

    def _pixels(self, path: Path) -> Array:
        from PIL import Image

        _, height, width = self._shape
        with _opened(path) as image:
            if image.mode[:1] in _DEEP:
                raise DataError(
                    f"{path} has more than 8 bits for each number (mode {image.mode}). Convert it to 8 bits."
                )
            found = image.convert(_MODES[self._mode][0])
            if found.size != (width, height):
                found = found.resize((width, height), Image.Resampling.BILINEAR)
            pixels: Array = np.asarray(found, np.float32) / _WHITE
        return pixels.reshape(height, width, -1).transpose(2, 0, 1)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image file; DataError names it if it is missing, no image, or damaged."""
    from PIL import Image

    try:
        with reading(path, "an image"):
            file = open_regular(path)
        with file, Image.open(file) as image:
            yield image
    except NnfwError:
        raise
    except Exception as error:  # decoders raise errors of many kinds
        raise DataError(f"{path} is no image, or damaged: {in_words(error)}. Replace it, or leave it out.") from error


def _common_size(paths: Sequence[Path]) -> tuple[int, int]:
    """Return rows and columns of all images; DataError names two that differ."""
    sizes: dict[tuple[int, int], Path] = {}
    for path in paths:
        with _opened(path) as image:
            sizes.setdefault((image.height, image.width), path)
        if len(sizes) > 1:
            (first, one), (other, two) = sizes.items()
            raise DataError(
                f"Images have several sizes: {one} {first[0]} x {first[1]} pixels, {two} {other[0]} x {other[1]}. Set "
                f"size, to which all are resized: size = [{first[0]}, {first[1]}]."
            )
    (size,) = sizes
    return size


def _alternating(classes: Sequence[Sequence[Path]]) -> list[_File]:
    """Return the files of all classes in turns, so that every chunk holds them in their proportions."""
    placed = [
        ((number + 0.5) / len(files), label, path)
        for label, files in enumerate(classes)
        for number, path in enumerate(files)
    ]
    return [_File(path, label) for _, label, path in sorted(placed)]


def _require_pillow() -> None:
    try:
        import PIL  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise DataError("The dataset 'image_folder' needs Pillow: pip install 'nnfw[images]'.") from error
