"""The memory of one layer during one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from nnfw.arrays import Array, Shape
from nnfw.errors import StateError
from nnfw.step import Step, plain

LAYER, ACTIVATION, COST = "layer", "activation", "cost"
"""Keys of the workspaces of a layer, its activation and the cost."""


_LENGTHS, _INPUT_LENGTHS = "lengths", "input lengths"


class _Pass:
    """State shared by all workspaces of a pass. It refers to none of them: a reference cycle would keep them alive."""

    def __init__(self) -> None:
        self.step: Step = plain
        self.carries = False


class Workspace:
    """Reused buffers, and what forward keeps for backward.

    Passes with different workspaces share no memory, so several threads can use one network. A graph gives each layer
    and each activation a workspace of its own.

    Parameters
    ----------
    dtype
        The network's dtype, and the default for buffers; float32 by default.
    rng
        The only source of randomness of the pass; needed only in training.
    training
        Whether dropout and similar layers act; False by default.
    needs_input_gradient
        Whether backward must return ∂C/∂a_prev; True by default.

    Attributes
    ----------
    node
        The node of a network that uses it, in words for messages; empty if there is none.

    Examples
    --------
    >>> workspace = Workspace()
    >>> first = workspace.buffer("z", (8, 3))
    >>> first.dtype, workspace.buffer("z", (8, 3)) is first
    (dtype('float32'), True)
    >>> np.shares_memory(workspace.buffer("z", (5, 3)), first)  # the last, smaller batch of an epoch
    True
    """

    def __init__(
        self,
        dtype: DTypeLike = np.float32,
        rng: np.random.Generator | None = None,
        *,
        training: bool = False,
        needs_input_gradient: bool = True,
    ) -> None:
        self.dtype = np.dtype(dtype)
        self._rng = rng
        self.training = training
        self.needs_input_gradient = needs_input_gradient
        self._bases: dict[str, Array] = {}
        self._views: dict[tuple[str, Shape], Array] = {}
        self._kept: dict[str, Any] = {}
        self._children: dict[int | str, Workspace] = {}
        self._made: dict[object, Any] = {}
        self._lent: Array | None = None
        self._pass = _Pass()
        self._knows_lengths = True
        self.node = ""

    def buffer(self, name: str, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        """Return an uninitialised array of `shape`; the same memory for the same name.

        A smaller first axis gets the first rows of the larger buffer, so a shorter last batch allocates nothing.

        Parameters
        ----------
        name
            Name of the buffer within this workspace; one name has one dtype.
        shape
            Its shape, the batch axis first.
        dtype
            The network's dtype by default.
        """
        view = self._views.get((name, shape))
        if view is None:
            view = self._views[name, shape] = self._carve(name, shape, self.dtype if dtype is None else np.dtype(dtype))
        return view

    def _carve(self, name: str, shape: Shape, dtype: np.dtype[Any]) -> Array:
        base = self._bases.get(name)
        if base is None or base.shape[1:] != shape[1:] or base.shape[:1] < shape[:1] or base.dtype != dtype:
            self._views = {key: view for key, view in self._views.items() if key[0] != name}
            base = self._bases[name] = np.empty(shape, dtype)
        return base[: shape[0]] if shape and shape[0] < base.shape[0] else base

    def passing(self, name: str, shape: Shape) -> Array:
        """Return an uninitialised array for a δ or ∂C/∂a that a method returns.

        It is a buffer of this name or, in a recorded training step, lent memory that the next component but one
        overwrites.

        Parameters
        ----------
        name, shape
            As for :meth:`buffer`.
        """
        lent, self._lent = self._lent, None  # lent once
        if lent is None or lent.size < prod(shape):
            return self.buffer(name, shape)
        return lent[: prod(shape)].reshape(shape)

    @contextmanager
    def lending(self, memory: Array | None) -> Iterator[None]:
        """Let :meth:`passing` return this flat memory once in the body; None for a buffer."""
        self._lent = memory
        try:
            yield
        finally:
            self._lent = None

    @property
    def lengths(self) -> Array | None:
        """The lengths ``(N,)`` of the sequences in the layer's input, int64; None if it is not padded.

        What lies beyond a length is padding: it must neither change what lies before it nor get a gradient. A layer
        that ends the lengths must read them: a network takes one that did not for one that counts padding.
        """
        self._knows_lengths = True
        lengths: Array | None = self.get(_LENGTHS)
        return lengths

    @lengths.setter
    def lengths(self, lengths: Array | None) -> None:
        self[_LENGTHS] = lengths
        self._knows_lengths = lengths is None and not any(each is not None for each in self.get(_INPUT_LENGTHS, ()))

    @property
    def knows_lengths(self) -> bool:
        """Whether the layer has read the lengths of its inputs, or there are none."""
        return self._knows_lengths

    @property
    def input_lengths(self) -> Sequence[Array | None]:
        """The lengths of each input of a merge with `own_lengths`, as :attr:`lengths`; empty if none is padded."""
        self._knows_lengths = True
        lengths: Sequence[Array | None] = self.get(_INPUT_LENGTHS, ())
        return lengths

    @input_lengths.setter
    def input_lengths(self, lengths: Sequence[Array | None]) -> None:
        self[_INPUT_LENGTHS] = lengths

    @property
    def carried(self) -> Mapping[str, Array]:
        """The states that a layer left in the pass before; empty unless a sequence comes in pieces."""
        states: Mapping[str, Array] = self.once("carried", dict) if self._pass.carries else {}
        return states

    def carry(self, states: Mapping[str, Array]) -> None:
        """Leave copies of states for the next pass, where a sequence comes in pieces: ``nnfw.Stepwise``."""
        if self._pass.carries:
            self.once("carried", dict).update({name: state.copy() for name, state in states.items()})

    def start_carrying(self) -> None:
        """Let this and all later passes with this workspace carry states on; those of earlier ones are dropped."""
        self._pass.carries = True
        for workspace in self._tree():
            workspace._made.pop("carried", None)

    @property
    def step(self) -> Step:
        """How this pass calls the methods of components; the same in all workspaces of a pass."""
        return self._pass.step

    @contextmanager
    def stepping(self, step: Step) -> Iterator[None]:
        """Call components through another step in the body."""
        before, self._pass.step = self._pass.step, step
        try:
            yield
        finally:
            self._pass.step = before

    @property
    def rng(self) -> np.random.Generator:
        """The only source of randomness that a component may use.

        StateError if the pass has none: predictions and evaluations are deterministic.
        """
        if self._rng is None:
            raise StateError("This pass has no random numbers. Draw only where workspace.training is true.")
        return self._rng

    def __setitem__(self, key: str, value: Any) -> None:
        """Keep `value` for the backward pass."""
        self._kept[key] = value

    def __getitem__(self, key: str) -> Any:
        """Return what forward kept under `key`.

        StateError if nothing was kept: there was no forward pass with this workspace.
        """
        try:
            return self._kept[key]
        except KeyError as error:
            raise StateError(
                f"Nothing kept under {key!r}: call forward before backward, with the same workspace."
            ) from error

    def __contains__(self, key: str) -> bool:
        """Return whether something is kept under `key`."""
        return key in self._kept

    def get(self, key: str, default: Any = None) -> Any:
        """Return what is kept under `key`, or `default`."""
        return self._kept.get(key, default)

    def belong_to(self, node: str) -> None:
        """Say which node of a network uses this workspace and its children, in words for messages."""
        for workspace in self._tree():
            workspace.node = node

    def forget(self) -> None:
        """Drop what is kept, in the children too; the buffers stay."""
        self._kept.clear()
        for child in self._children.values():
            child.forget()

    def forget_own(self) -> None:
        """Drop what is kept here; what the children keep stays."""
        self._kept.clear()

    @property
    def nbytes(self) -> int:
        """The size of all buffers, here and in the children."""
        return sum(base.nbytes for workspace in self._tree() for base in workspace._bases.values())

    def trim(self, most: int) -> None:
        """Drop buffers, here and in the children, so that those that stay have `most` bytes together."""
        for workspace in self._tree():
            for name, base in list(workspace._bases.items()):
                if base.nbytes <= most:
                    most -= base.nbytes
                    continue
                del workspace._bases[name]
                workspace._views = {key: view for key, view in workspace._views.items() if key[0] != name}

    def remember(self) -> Callable[[], None]:
        """Return a function that restores what is kept now, here and in the children."""
        kept = [(workspace, dict(workspace._kept)) for workspace in self._tree()]

        def put_back() -> None:
            for workspace, items in kept:
                workspace._kept = dict(items)

        return put_back

    def _tree(self) -> Iterator[Workspace]:
        yield self
        for child in self._children.values():
            yield from child._tree()

    def child(self, key: int | str, *, needs_input_gradient: bool | None = None) -> Workspace:
        """Return the workspace of an inner layer or an activation, created at the first call.

        Parameters
        ----------
        key
            Its position or name.
        needs_input_gradient
            As for the constructor; by default that of this workspace.
        """
        child = self._children.get(key)
        if child is None:
            needs = self.needs_input_gradient if needs_input_gradient is None else needs_input_gradient
            child = Workspace(self.dtype, self._rng, training=self.training, needs_input_gradient=needs)
            child._pass, child.node = self._pass, self.node
            self._children[key] = child
        return child

    def once(self, key: object, make: Callable[[], Any]) -> Any:
        """Return what `make` returned at the first call with this key."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]
