"""The handwritten digits that come with nnfw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnfw.data import Examples
from nnfw.protocols import Dataset, Shape
from nnfw_standard.datasets.idx import read_idx

_DATA = Path(__file__).parent / "data"
_PIXELS = 8 * 8
_DARKEST = np.float32(16)  # each pixel counts the dark ones in a block of 4x4


@dataclass(frozen=True)
class Digits(Dataset):
    """1,797 real handwritten digits of 8x8 pixels, written by 13 people.

    Notes
    -----
    The features are one column ``pixels`` of shape ``(1797, 64)``, float32 in [0, 1], row by row; the target ``digit``
    is the class 0 to 9. This is the test set of the original; its training set is not included. Shipped with nnfw under
    CC BY 4.0, see ``ATTRIBUTION.md`` beside the data.

    References
    ----------
    E. Alpaydin, C. Kaynak (1998), *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository,
    https://doi.org/10.24432/C50P49.

    Examples
    --------
    >>> digits = Digits().load(Path())
    >>> digits.features["pixels"].shape, digits.target[:5]
    ((1797, 64), array([0, 1, 2, 3, 4]))
    """

    def load(self, directory: Path) -> Examples:
        """Return the examples; `directory` is not used."""
        pixels = read_idx(_DATA / "digits-images.idx3.gz")
        labels = read_idx(_DATA / "digits-labels.idx1.gz")
        features = {"pixels": np.divide(pixels.reshape(len(pixels), -1), _DARKEST, dtype=np.float32)}
        return Examples(features, labels.astype(np.int64), "digit", tuple("0123456789"))

    def input_shape(self) -> Shape:
        """Return ``(64,)``."""
        return (_PIXELS,)
