"""The parameters of a network: named views of one flat vector."""

from __future__ import annotations

import os
import sys
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from nnfw.arrays import Array
from nnfw.data import NUMERIC_KINDS, as_numeric, cast, listed
from nnfw.errors import PluginError, ShapeError, did_you_mean, short
from nnfw.plugins import default_registry
from nnfw.plugins.results import wrong_result
from nnfw.protocols import Parameter, Parts

_LIKENESS = 0.5  # "weight" for "layers.0.weight"


class Scope(Mapping[str, Array]):
    """The arrays of a network by name; :meth:`of` gives those of one node.

    Both are read-only: a layer that assigns a gradient instead of filling it gets an error.
    """

    def __init__(self, arrays: Mapping[str, Mapping[str, Array]]) -> None:
        self._nodes = {node: MappingProxyType(dict(own)) for node, own in arrays.items()}
        self._arrays = {_joined(node, name): array for node, own in arrays.items() for name, array in own.items()}

    def __getitem__(self, name: str) -> Array:
        """Return an array."""
        return self._arrays[name]

    def __setitem__(self, name: str, values: Any) -> None:
        """Refuse to replace an array: TypeError."""
        raise TypeError(f"the array {name!r} cannot be replaced: fill it, with [{name!r}][...] = values, or as out=")

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._arrays)

    def __len__(self) -> int:
        """Return the number of arrays."""
        return len(self._arrays)

    def of(self, node: str) -> Mapping[str, Array]:
        """Return the arrays of a node by the names that its layer gives them."""
        return self._nodes[node]


def _joined(node: str, name: str) -> str:
    return f"{node}.{name}" if node else name


@dataclass(frozen=True)
class Layout:
    """The positions of parameters in the flat vectors.

    Parameters that decay (weights) come first, so weight decay acts on one slice; non-trainable state has its own
    vector.

    Parameters
    ----------
    nodes
        The names of each node's parameters.
    declared
        The parameters by their complete names.
    places
        The slice of each, in the trainable or the state vector.
    size, state_size
        Lengths of the two vectors.
    decays
        The slice of the trainable vector that decays.
    """

    nodes: Mapping[str, tuple[str, ...]]
    declared: Mapping[str, Parameter]
    places: Mapping[str, slice]
    size: int
    state_size: int
    decays: slice

    @classmethod
    def of(cls, nodes: Mapping[str, Mapping[str, Parameter]]) -> Layout:
        """Return the layout of the parameters that each node declares; a name of "" adds nothing to theirs."""
        declared = {_joined(node, name): item for node, own in nodes.items() for name, item in own.items()}
        places: dict[str, slice] = {}
        ends = {True: 0, False: 0}
        decaying = 0
        for name, parameter in sorted(declared.items(), key=lambda item: not item[1].decays):
            start = ends[parameter.trainable]
            ends[parameter.trainable] = start + prod(parameter.shape)
            places[name] = slice(start, ends[parameter.trainable])
            if parameter.trainable and parameter.decays:
                decaying = ends[True]
        names = {node: tuple(own) for node, own in nodes.items()}
        ordered = {name: places[name] for name in declared}
        return cls(names, declared, ordered, ends[True], ends[False], slice(0, decaying))

    @property
    def parts(self) -> Parts:
        """Return the slice of each trainable parameter, and its shape."""
        trained = {name: item for name, item in self.declared.items() if item.trainable}
        places = MappingProxyType({name: self.places[name] for name in trained})
        return Parts(places, MappingProxyType({name: item.shape for name, item in trained.items()}))

    def views(self, vector: Array, state: Array | None = None) -> Scope:
        """Return the arrays by name, as views; state only if it is given."""
        return Scope(self.arrays(vector, state))

    def arrays(self, vector: Array, state: Array | None = None) -> dict[str, dict[str, Array]]:
        """Return the arrays of each node, as views; state only if it is given."""
        sources = {True: vector, False: state}
        found: dict[str, dict[str, Array]] = {node: {} for node in self.nodes}
        for node, names in self.nodes.items():
            for name in names:
                parameter, place = self.declared[_joined(node, name)], self.places[_joined(node, name)]
                source = sources[parameter.trainable]
                if source is not None:
                    found[node][name] = source[place].reshape(parameter.shape)
        return found


class Parameters(Scope):
    """The arrays of a network by name.

    ShapeError if they need more memory than the machine has.

    Parameters
    ----------
    layout
        Their positions.
    dtype
        Their dtype.

    Attributes
    ----------
    vector
        All trainable parameters, flat; the arrays are views of it.
    state
        All non-trainable ones, flat.

    Examples
    --------
    >>> from nnfw_standard import Dense
    >>> import nnfw
    >>> model = nnfw.Sequential([Dense(2)], input_shape=(3,))
    >>> model.parameters["layers.0.bias"] = [0.5, -0.5]
    >>> model.parameters.vector[-2:]
    array([ 0.5, -0.5], dtype=float32)
    """

    def __init__(self, layout: Layout, dtype: DTypeLike) -> None:
        require_memory(layout, np.dtype(dtype))
        self.layout = layout
        try:
            self.vector: Array = np.zeros(layout.size, dtype)
            self.state: Array = np.zeros(layout.state_size, dtype)
        except MemoryError as error:
            raise _too_large(layout, np.dtype(dtype), "this process may have") from error
        super().__init__(layout.arrays(self.vector, self.state))

    def draw(self, node: str, rng: np.random.Generator, given: Container[str]) -> None:
        """Draw the initial values of a node's arrays, except of those `given`."""
        for name in (_joined(node, own) for own in self.layout.nodes[node]):
            if name not in given:
                self[name] = _drawn(self.layout.declared[name], rng)

    def __getitem__(self, name: str) -> Array:
        """Return an array; KeyError, with the names there are, if there is none of this name."""
        if name not in self._arrays:
            raise KeyError(self._unknown(name))
        return super().__getitem__(name)

    def _view(self, name: str) -> Array:
        if name not in self:
            raise ShapeError(self._unknown(name))
        return self[name]

    def _unknown(self, name: str) -> str:
        hint = did_you_mean(name, self, _LIKENESS) if isinstance(name, str) else ""
        return f"There is no parameter {short(name)}.{hint} Parameters: {listed(tuple(self))}."

    def __setitem__(self, name: str, values: Any) -> None:
        """Copy `values` into the array.

        Raises
        ------
        ShapeError
            If there is no such parameter, or its shape differs: nothing is broadcast.
        DataError
            If the values are not numbers, or too large for the dtype.
        """
        what = f"Parameter {short(name)}"
        view, array = self._view(name), as_numeric(values, what)
        if array.shape != view.shape:
            raise ShapeError(f"{what} has shape {view.shape}, got values of shape {array.shape}.")
        view[...] = cast(array, view.dtype, what)

    def __getstate__(self) -> dict[str, Any]:
        """Return the content without the arrays: those of a copy must be views of its own vectors."""
        return {"layout": self.layout, "vector": self.vector, "state": self.state}

    def __setstate__(self, content: dict[str, Any]) -> None:
        """Restore the content of a copy; copy vectors that are memory-mapped or read-only."""
        self.__dict__ |= content | {name: _changeable(content[name]) for name in ("vector", "state")}
        super().__init__(self.layout.arrays(self.vector, self.state))

    def __repr__(self) -> str:
        """Return the names and shapes."""
        shapes = ", ".join(f"{name} {array.shape}" for name, array in self.items())
        return f"<Parameters: {self.vector.size:,} trainable, {self.vector.dtype}: {shapes}>"


def _drawn(parameter: Parameter, rng: np.random.Generator) -> Array:
    """Return initial values of a parameter; PluginError unless they are finite numbers of its shape."""
    initializer, shape = parameter.initializer, parameter.shape
    drawn: Any = parameter.sample(rng)
    if not isinstance(drawn, np.ndarray) or drawn.shape != shape or drawn.dtype.kind not in NUMERIC_KINDS:
        raise wrong_result(initializer, "sample", drawn, f"an array of numbers of shape {shape}")
    if not np.isfinite(drawn).all():
        raise PluginError(f"{default_registry().title(initializer)}: sample returned values that are not finite.")
    return drawn


def _changeable(array: Array) -> Array:
    return array if array.flags.writeable and not isinstance(array, np.memmap) else np.array(array)


def require_memory(layout: Layout, dtype: np.dtype[Any]) -> None:
    """Refuse parameters that exceed the machine's memory, before the operating system kills the process.

    ShapeError states the memory they take.
    """
    present = machine_memory()
    if _bytes(layout, dtype) > present:
        raise _too_large(layout, dtype, f"this machine's {present / 2**30:,.0f} GiB")


def machine_memory() -> int:
    """Return the bytes of memory that the machine has; where it does not say, those that can be addressed."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else sys.maxsize


def _bytes(layout: Layout, dtype: np.dtype[Any]) -> int:
    return (layout.size + layout.state_size) * dtype.itemsize


def _too_large(layout: Layout, dtype: np.dtype[Any], limit: str) -> ShapeError:
    return ShapeError(
        f"The network has {layout.size + layout.state_size:,} parameters, which take "
        f"{_bytes(layout, dtype) / 2**30:,.1f} GiB as {dtype}: more than {limit}. Use smaller layers."
    )
