"""Sequences that come one time step at a time."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from nnfw.arrays import Array
from nnfw.errors import DataError, ShapeError
from nnfw.model.sequential import Sequential
from nnfw.network import Network
from nnfw.network.inputs import arrays_of

_TOLERANCE = {4: 1e-4, 8: 1e-10}  # by bytes of a number; one product for all steps rounds otherwise


class Stepwise:
    """A model that reads a sequence one time step at a time, and remembers the states of its recurrent layers.

    Whether the layers allow it is tried at the start: random sequences must give the same in one go and step by step. A
    layer that looks at several time steps at once, as attention, a convolution or a reversed one does, is named.

    Parameters
    ----------
    model
        Takes one sequence ``(T, ...)``. Its parameters are shared: a later training changes these steps too.

    Raises
    ------
    ShapeError
        If the model has several inputs or outputs, takes no sequence, or if a layer needs several time steps at once.

    Examples
    --------
    >>> import numpy as np
    >>> from nnfw_standard import GRU, Dense
    >>> model = Sequential([GRU(8, states="all"), Dense(1)], input_shape=(100, 3))
    >>> steps = Stepwise(model)
    >>> x = np.random.default_rng(0).standard_normal((100, 3))
    >>> np.allclose([steps(row) for row in x], model.predict(x), atol=1e-5)
    True
    """

    def __init__(self, model: Sequential) -> None:
        self.model: Final = model
        self._network = self._one_step()
        pairs = zip(model.network.shapes, self._network.shapes, strict=True)
        self._has_time = [whole != one and len(whole) == len(one) for whole, one in pairs]
        self.reset()
        self._try()
        self.reset()

    def reset(self) -> None:
        """Forget what was read: the next step is the first one of other sequences."""
        self._workspace = self._network.workspace()
        self._workspace.start_carrying()
        self._count = 0

    def __call__(self, x: ArrayLike) -> Array:
        """Return the output of the next time step.

        Parameters
        ----------
        x
            What the model takes at one time step, or a row of it for each of several sequences that are read side by
            side, as many at every step.

        Raises
        ------
        DataError
            If x has another shape, is not finite, or has another number of sequences than before.
        """
        (given,) = self._network.inputs
        inner, found = given.shape[1:], np.asarray(x)
        single = found.ndim == len(inner)
        if found.shape[int(not single) :] != inner:
            rows = ", ".join(map(str, ("N", *inner)))
            raise DataError(f"x must be one time step, of shape {inner} or ({rows}), got {found.shape}.")
        (array,), _, _ = arrays_of(found[np.newaxis, np.newaxis] if single else found[:, np.newaxis], [given], "x")
        if self._count not in (0, len(array)):
            raise DataError(f"x has {len(array)} sequences, and the step before had {self._count}. Call reset first.")
        self._count = len(array)
        ((_, a, _),) = self._network.forward([given.cast(array, self.model.dtype, "x", array, ())], self._workspace)
        (index,) = self._network.graph.outputs
        out = a[:, 0] if self._has_time[1 + index] else a
        return np.array(out[0] if single else out)

    def _one_step(self) -> Network:
        """Return the network of the model for sequences of one time step, with the parameters of the model."""
        whole = self.model.network
        shapes = [each.shape for each in whole.inputs]
        if len(shapes) > 1 or len(whole.output_shapes) > 1 or shapes[0][:1] < (2,):
            raise ShapeError(
                "Only a model with one output and one input (T, ...) of two time steps or more can be read step by "
                f"step; this one takes {' and '.join(map(str, shapes))}."
            )
        found = Network(whole.graph, [(1, *shapes[0][1:])], whole.dtype)
        for name, values in whole.parameters.items():
            own = found.parameters[name].shape
            if own != values.shape:
                raise ShapeError(
                    f"The parameter {name!r} has the shape {values.shape} for {shapes[0][0]} time steps, and {own} for "
                    "one: its layer cannot be read step by step."
                )
        found.parameters = whole.parameters
        return found

    def _try(self) -> None:
        """Raise ShapeError if some random sequences give other values step by step than in one go; names the layer."""
        whole, (given,) = self.model.network, self.model.network.inputs
        rng, shape = np.random.default_rng(0), (2, *given.shape)
        x = rng.standard_normal(shape) if given.limit is None else rng.integers(0, given.limit, shape)
        x = x.astype(given.dtype_in(whole.dtype))
        space = whole.workspace()
        whole.forward([x], space)
        for t in range(shape[1]):
            self._network.forward([x[:, t : t + 1]], self._workspace)
            for place in whole.graph.nodes:
                right = whole.graph.workspace_of(place, space)["a"]
                if self._has_time[place.position]:
                    right = right[:, t : t + 1]
                elif t < shape[1] - 1:
                    continue
                own = whole.graph.workspace_of(place, self._workspace)["a"]
                if not np.allclose(
                    own, right, rtol=0, atol=_TOLERANCE[whole.dtype.itemsize] * max(1, np.abs(right).max())
                ):
                    raise ShapeError(
                        f"{whole.graph.label(place)} gives other values step by step than for a sequence in one go: it "
                        "needs several time steps at once. Give whole sequences to predict."
                    )
