"""Examples as pictures."""

from __future__ import annotations

import zlib
from base64 import b64encode
from struct import pack

import numpy as np

from nnfw.arrays import Array

_SMALLEST, _LARGEST = 4, 256  # pixels of a side
_CHANNELS = {1: 0, 3: 2}  # PNG's colour types: shades of grey, and red, green, blue


def as_pictures(x: Array) -> Array | None:
    """Return examples as pictures ``(N, height, width, channels)`` from 0 to 255; None if they are not pictures.

    Pictures are ``(N, h, w)``, ``(N, h, w, c)`` or ``(N, c, h, w)`` with c = 1 or 3, or flattened squares; no value is
    negative.

    Examples
    --------
    >>> as_pictures(np.zeros((5, 8, 8))).shape, as_pictures(np.zeros((5, 64))).shape, as_pictures(np.zeros((5, 7)))
    ((5, 8, 8, 1), (5, 8, 8, 1), None)
    """
    shaped = _shaped(x)
    if shaped is None or not all(_SMALLEST <= side <= _LARGEST for side in shaped.shape[1:3]) or shaped.min() < 0:
        return None
    brightest = shaped.max() or 1
    return np.round(shaped.astype(np.float64) * (255 / brightest)).astype(np.uint8)


def _shaped(x: Array) -> Array | None:
    if x.ndim == 2:
        side = round(x.shape[1] ** 0.5)
        return x.reshape(len(x), side, side, 1) if side * side == x.shape[1] and side > _SMALLEST else None
    if x.ndim == 3:
        return x[..., np.newaxis]
    if x.ndim == 4 and x.shape[3] in _CHANNELS:
        return x
    return np.moveaxis(x, 1, 3) if x.ndim == 4 and x.shape[1] in _CHANNELS else None


def data_uri(picture: Array) -> str:
    """Return a picture ``(height, width, channels)`` of uint8 as a data URI that holds a PNG.

    References
    ----------
    W3C (2003), *Portable Network Graphics (PNG) Specification*, second edition.
    """
    height, width, channels = picture.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), picture.reshape(height, -1)], axis=1)  # 0: no filter
    header = pack(">IIBBBBB", width, height, 8, _CHANNELS[channels], 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)
    return f"data:image/png;base64,{b64encode(content).decode()}"


def _chunk(name: bytes, content: bytes) -> bytes:
    return pack(">I", len(content)) + name + content + pack(">I", zlib.crc32(name + content))
