"""The types of an array and of its shape."""

import subprocess
import sys
from dataclasses import dataclass
from typing import Any, get_type_hints

import pytest
from numpy.typing import NDArray

from nnfw import arrays
from nnfw.arrays import Array


@dataclass
class _Holder:
    values: "Array"


def test_array_can_be_read_from_an_annotation():
    assert get_type_hints(_Holder) == {"values": NDArray[Any]}


def test_arrays_has_no_other_name():
    with pytest.raises(AttributeError, match=r"^module 'nnfw\.arrays' has no attribute 'Matrix'$"):
        arrays.Matrix  # noqa: B018


def test_shape_imports_no_numpy():
    code = "from nnfw.arrays import Shape; import sys; raise SystemExit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
