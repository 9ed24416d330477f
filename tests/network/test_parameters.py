"""Parameters before any memory is taken for them."""

import pytest

import nnfw
from nnfw_standard import Dense


@pytest.mark.parametrize(("dtype", "size"), [("float32", "37,252,903"), ("float64", "74,505,806")])
def test_parameters_larger_than_the_machine_are_refused_with_both_sizes(dtype, size):
    message = rf"has 10,000,000,000,000,000 parameters, which take {size}\.\d GiB as {dtype}: more than .*'s [\d,]+ GiB"
    with pytest.raises(nnfw.ShapeError, match=message):
        nnfw.Sequential([Dense(10**8, bias=False)], 10**8, dtype=dtype)
