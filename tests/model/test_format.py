"""Reading a model file that no model can be built from."""

import pytest

import nnfw
from nnfw.storage import container
from nnfw_standard import LayerNorm


def test_file_whose_layers_do_not_fit_says_that_no_model_can_be_built_here_and_why(tmp_path):
    path = tmp_path / "model.nnfw"
    nnfw.Sequential([LayerNorm(2)], (3, 3)).save(path)
    header, arrays = container.read(path)
    container.write(path, header | {"input_shape": [3]}, arrays)
    with pytest.raises(nnfw.FileFormatError, match=r"model\.nnfw: is no model that can be built here: .*\(3,\)"):
        nnfw.load(path)
