"""What a model file says of a model beside its arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnfw.data import build_preprocessing, describe_preprocessing

if TYPE_CHECKING:
    from nnfw.model.sequential import Sequential


def describe(model: Sequential) -> dict[str, Any]:
    """Return the architecture and preprocessing of a model as plain tables, lists, texts and numbers.

    Every component is named as ``distribution:name``; ``distributions`` holds the versions of those that are needed.

    Raises
    ------
    PluginError
        If a component belongs to no installed plugin.
    ShapeError
        If the preprocessing makes other examples than the network takes, or cannot take what it gives.
    ConfigError, DataError
        If the preprocessing could not be read again: repeated classes, for instance.
    """
    table: dict[str, Any] = {
        "input_shape": list(model.input_shape),
        "dtype": model.dtype.name,
        "seed": model.seed,
        "layers": [model.registry.describe("layer", layer) for layer in model.layers],
    }
    if model.preprocessing is not None:
        model.preprocessing.require_fit(model.input_shape, model.output_shape)
        table["preprocessing"] = describe_preprocessing(model.preprocessing, model.registry)
        build_preprocessing(table["preprocessing"], model.registry)  # what would not be read is not written
    return table | {"distributions": model.registry.distributions_in(table)}
