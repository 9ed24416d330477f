"""Every random stream is a child of one seed, and none is another."""

from typing import get_args

import pytest

from nnfw.randomness import Stream, stream

NAMES = get_args(Stream)


def test_streams_of_one_seed_are_all_different():
    drawn = {stream(7, name).integers(2**62) for name in NAMES}
    assert len(drawn) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_stream_is_the_same_for_a_seed_and_another_for_another(name):
    first, again, other = (stream(seed, name).integers(2**62) for seed in (7, 7, 8))
    assert first == again
    assert first != other
