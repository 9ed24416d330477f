"""Examples as pictures: what counts as one, and what a decoder finds in the file."""

import base64
import struct
import zlib

import numpy as np
import pytest

from nnfw.reporting.pictures import as_pictures, data_uri


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((2, 8, 8), (2, 8, 8, 1)),
        ((2, 64), (2, 8, 8, 1)),
        ((2, 5, 9, 3), (2, 5, 9, 3)),
        ((2, 3, 5, 9), (2, 5, 9, 3)),
        ((2, 1, 5, 9), (2, 5, 9, 1)),
        ((2, 16), None),
        ((2, 50), None),
        ((2, 3, 8), None),
        ((2, 5, 9, 4), None),
        ((2, 300, 300), None),
        ((2,), None),
        ((2, 2, 5, 5, 3), None),
    ],
    ids=str,
)
def test_shape_of_pictures_is_recognised(shape, expected):
    found = as_pictures(np.ones(shape))
    assert (None if found is None else found.shape) == expected


def test_negative_numbers_are_no_pictures(rng):
    assert as_pictures(rng.normal(size=(3, 8, 8))) is None


@pytest.mark.parametrize("values", [[0.0, 0.5, 1.0], [0, 8, 16], [0, 127.5, 255]], ids=str)
def test_brightest_value_is_white_whatever_it_is(values):
    x = np.zeros((1, 8, 8))
    x[0, 0, :3] = values
    assert as_pictures(x)[0, 0, :3, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(("channels", "kind"), [(1, 0), (3, 2)], ids=["grey", "colour"])
def test_picture_is_a_png_with_those_pixels(rng, channels, kind):
    picture = rng.integers(0, 256, size=(5, 7, channels), dtype=np.uint8)
    content = base64.b64decode(data_uri(picture).removeprefix("data:image/png;base64,"))
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = {}, 8
    while place < len(content):
        (length,) = struct.unpack_from(">I", content, place)
        name, body = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", content, place + 8 + length) == (zlib.crc32(name + body),)
        chunks[name], place = body, place + 12 + length
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (7, 5, 8, kind, 0, 0, 0)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(5, 1 + 7 * channels)
    assert not rows[:, 0].any()
    assert np.array_equal(rows[:, 1:].reshape(5, 7, channels), picture)
    assert list(chunks)[-1] == b"IEND"
