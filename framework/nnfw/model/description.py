"""What a model file says of a model beside its arrays."""

from __future__ import annotations

from typing import Any

from nnfw.data import Preprocessing, build_preprocessing, describe_preprocessing
from nnfw.network import Network


def describe(network: Network, seed: int, preprocessing: Preprocessing | None) -> dict[str, Any]:
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
    registry = network.registry
    table: dict[str, Any] = {
        "input_shape": list(network.input_shape),
        "dtype": network.dtype.name,
        "seed": seed,
        "layers": [registry.describe("layer", layer) for layer in network.chain.layers],
    }
    if preprocessing is not None:
        preprocessing.require_fit(network.input_shape, network.output_shape)
        table["preprocessing"] = describe_preprocessing(preprocessing, registry)
        build_preprocessing(table["preprocessing"], registry)  # what would not be read is not written
    return table | {"distributions": registry.distributions_in(table)}
