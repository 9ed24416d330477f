"""The declaration of a layer's parameters."""

import numpy as np
import pytest

import nnfw


def test_sample_of_an_initializer_that_is_only_a_name_is_refused():
    parameter = nnfw.Parameter((2, 3), "zeros")
    expected = (
        r"^The initializer of a Parameter of shape \(2, 3\) is the name 'zeros', expected a component\. Make it an "
        r"option of the layer, annotated Initializer \| str: names of options are replaced\.$"
    )
    with pytest.raises(nnfw.PluginError, match=expected):
        parameter.sample(np.random.default_rng(0))
