"""Costs: C = 1/N Σ_i w_i c_i over the N examples of a batch, where w_i is the sample weight, 1 by default.

The cost of one example, c_i, is a sum over all its outputs. PyTorch's and Keras's costs take the mean over the outputs
as well; theirs is nnfw's divided by the number of outputs, except where a docstring says otherwise.

Everything is computed in the dtype of `a`; only the sum over the examples runs in float64. Values are computed in
blocks of rows, so their temporary arrays are small whatever the size of the batch.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from math import inf
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Lt

from nnfw.arrays import Array
from nnfw.data import as_numeric, require_finite, row_blocks
from nnfw.errors import DataError
from nnfw.network import Workspace
from nnfw.ops import Operation, kernels_only
from nnfw.protocols import CanonicalCost, Cost, Shape
from nnfw_standard import cost_operations, operations

BLOCK = 1 << 15
"""Values of `a` whose terms are computed together: 128 KiB in float32, 256 KiB in float64, to stay in the processor's
cache. The terms are new arrays: evaluation allocates them for each block, and a recorded training step only once.
"""


Writer = Callable[[Array, Array, Array | None, int, Array], None]
"""Writes 1/count Σ_i w_i c_i of a block into an array, from `a` (or z), y, weight and count, by operations alone."""


def value_of(write: Writer, a: Array, y: Array, weight: Array | None) -> float:
    """Return C, which is computed block by block."""
    total, part = 0.0, np.empty(1)
    for rows in row_blocks(a, BLOCK):
        labels = y[rows].astype(a.dtype, copy=False) if y.dtype.kind == "f" else y[rows]
        write(a[rows], labels, None if weight is None else weight[rows], 1, part)
        total += float(part[0])
    return total / len(a)


def written(write: Writer, a: Array, y: Array, weight: Array | None, out: Array, *, whole: bool = False) -> bool:
    """Write C into `out`; return False where Python is needed: for several blocks, unless `whole`, or another dtype."""
    alone = whole or (a.size <= BLOCK and (y.dtype.kind != "f" or y.dtype == a.dtype))
    if alone:
        write(a, y, weight, len(a), out)
    return alone


def write_mean(terms: Array, weight: Array | None, count: int, out: Array) -> None:
    """Write 1/count Σ_i w_i Σ_j terms_ij."""
    if weight is None:
        operations.mean(terms, count, out)
    else:
        operations.weighted_mean(terms, weight, count, out)


def weighed(gradient: Array, weight: Array | None) -> Array:
    """Return `gradient` times w_i, in place."""
    if weight is not None:
        operations.weigh(gradient, weight)
    return gradient


def quantile_of(y: Array, q: float, weight: Array | None) -> Array:
    """Return the least label ``(...)`` that at least a share q of the labels ``(N, ...)`` does not exceed."""
    return np.asarray(np.quantile(y, q, axis=0, method="inverted_cdf", weights=weight))


def first_of(wrong: Array) -> tuple[int, ...]:
    """Return the index of the first True."""
    return tuple(int(i) for i in np.argwhere(wrong)[0])


def place_of(index: tuple[int, ...]) -> str:
    """Return an index in words: ``example 3``, or ``example 3 at (0, 2)`` where an example has more than one value."""
    return f"example {index[0]}" + (f" at {index[1:]}" if index[1:] else "")


def labels_of_shape(owner: str, y: Array, shape: Shape, what: str) -> Array:
    """Return labels of finite numbers in shape ``(N, *shape)``; a last axis of 1 may be missing, or be one too many.

    Parameters
    ----------
    owner
        The cost, for messages.
    y
        The labels.
    shape
        That of the labels of one example.
    what
        What this shape means, for messages.

    Raises
    ------
    DataError
        If `y` is not numeric, of another shape or not finite.
    """
    y = as_numeric(y, f"{owner}: y")
    if y.ndim and ((*y.shape[1:], 1) == shape or y.shape[1:] == (*shape, 1)):
        y = y.reshape(len(y), *shape)
    if not y.ndim or y.shape[1:] != shape:
        wanted = ", ".join(map(str, ("N", *shape))) + "," * (not shape)
        raise DataError(f"{owner}: y must have shape ({wanted}), {what}, got {y.shape}. {_advice(y, shape)}")
    require_finite(y, f"{owner}: y")
    return y


_EXACT_FLOAT32 = 1 << 24
"""Up to here every whole number is a float32."""


def as_float(y: Array) -> Array:
    """Return whole numbers as float32 where that is exact, else as float64; floats as they are."""
    if y.dtype.kind == "f":
        return y
    exact = not y.size or max(abs(int(y.min())), abs(int(y.max()))) <= _EXACT_FLOAT32
    return y.astype(np.float32 if exact else np.float64)


class Written(Cost):
    """A cost whose value is written by operations."""

    @abstractmethod
    def _write(self, a: Array, y: Array, weight: Array | None, count: int, out: Array) -> None:
        """Write 1/count Σ_i w_i c_i of a block into `out`, by operations alone."""

    def value(self, a: Array, y: Array, weight: Array | None = None) -> float:
        """Return C.

        Parameters
        ----------
        a
            Activations of the output layer, ``(N, *output_shape)``.
        y
            Labels from :meth:`targets`.
        weight
            Weights of the examples, ``(N,)``; 1 each by default.
        """
        return value_of(self._write, a, y, weight)

    @kernels_only
    def write_value(self, a: Array, y: Array, weight: Array | None, out: Array) -> bool:
        """Write C into `out`, for a batch of a single block; return whether it did."""
        return written(self._write, a, y, weight, out)


class _PerOutput(Written):
    """A cost that is a sum over outputs: c_i = Σ_j c(a_ij, y_ij)."""

    least_at_labels: ClassVar[bool] = True

    _labels: ClassVar[tuple[float, float]] = (-inf, inf)
    """The least and the greatest label."""

    _terms: ClassVar[Operation]
    """Gives c(a_ij, y_ij)."""

    _slope: ClassVar[Operation]
    """Gives ∂c/∂a_ij / N."""

    @property
    def _options(self) -> tuple[float, ...]:
        """What both operations take beside the arrays."""
        return ()

    def targets(self, y: Array, output_shape: Shape) -> Array:
        """Return `y` as floats of shape ``(N, *output_shape)``.

        Parameters
        ----------
        y
            Numbers ``(N, *output_shape)``; without the last axis too where that is 1.
        output_shape
            Shape of one example's `a`.

        Raises
        ------
        DataError
            If `y` is not numeric, of another shape, not finite or out of the cost's range.
        """
        owner = type(self).__name__
        y = labels_of_shape(owner, y, output_shape, "one value for each output of an example")
        low, high = self._labels
        if y.size and (y.min() < low or y.max() > high):
            index = first_of((y < low) | (y > high))
            limits = f"between {low:g} and {high:g}" if high < inf else f"{low:g} or more"
            two_classes = self._labels == (0, 1)
            advice = (two_classes and from_one(y, 2)) or "Correct it, or choose another cost."
            raise DataError(f"{owner}: y must be {limits}, got {y[index]} for {place_of(index)}. {advice}")
        return as_float(y)

    def _write(self, a: Array, y: Array, weight: Array | None, count: int, out: Array) -> None:
        terms = np.empty_like(a)
        self._terms(a, y, *self._options, terms)
        write_mean(terms, weight, count, out)

    @kernels_only
    def gradient(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return w_i ∂c/∂a_ij / N."""
        gradient = workspace.passing("gradient", a.shape)
        self._slope(a, y, *self._options, len(a), gradient)
        return weighed(gradient, weight)


@dataclass(frozen=True)
class MSE(_PerOutput):
    """The note's cost, half the squared distance.

    C = 1/(2N) Σ_i w_i Σ_j (a_ij − y_ij)²

    Notes
    -----
    The ½ is the note's, so ∂C/∂a_ij = w_i (a_ij − y_ij)/N. For K outputs it is K/2 times PyTorch's and Keras's, which
    take the mean over the outputs and have no ½.

    References
    ----------
    A. Mehrotra (2020), *Neural Networks*, section 1.

    Examples
    --------
    >>> MSE().value(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [0.0, 0.0]]))  # (0 + 4 + 9 + 16) / 4
    7.25
    """

    _slope: ClassVar[Operation] = operations.residual

    @kernels_only
    def write_value(self, a: Array, y: Array, weight: Array | None, out: Array) -> bool:
        """Write C into `out`, unless weights are too many for a single block; return whether it did."""
        return written(self._write, a, y, weight, out, whole=weight is None)

    def _write(self, a: Array, y: Array, weight: Array | None, count: int, out: Array) -> None:
        if weight is None:
            operations.squared_distance(a, y, 2 * count, out)
        else:
            terms = np.empty_like(a)
            operations.huber_terms(a, y, inf, terms)  # half the square, and never a line
            operations.weighted_mean(terms, weight, count, out)


@dataclass(frozen=True)
class MAE(_PerOutput):
    """The sum of absolute differences.

    C = 1/N Σ_i w_i Σ_j |a_ij − y_ij|

    Notes
    -----
    ∂C/∂a_ij = w_i sign(a_ij − y_ij)/N, 0 where both are equal. For K outputs it is K times PyTorch's and Keras's, which
    take the mean over the outputs.

    Examples
    --------
    >>> MAE().value(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [0.0, 0.0]]))  # (0 + 2 + 3 + 4) / 2
    4.5
    """

    _terms: ClassVar[Operation] = operations.mae_terms
    _slope: ClassVar[Operation] = operations.mae_slope

    def constant(self, y: Array, output_shape: Shape, weight: Array | None = None) -> Array | None:
        """Return a median of the labels."""
        return quantile_of(y, 0.5, weight)


@dataclass(frozen=True)
class Huber(_PerOutput):
    """Quadratic for small differences, linear for large ones, so that outliers pull less.

    C = 1/N Σ_i w_i Σ_j h(a_ij − y_ij), h(r) = r²/2 if |r| ≤ threshold, else threshold (|r| − threshold/2)

    Parameters
    ----------
    threshold
        Where the line begins, in units of y; greater than 0, 1 by default.

    Notes
    -----
    ∂C/∂a_ij = w_i r/N with r clipped to [−threshold, threshold]. For K outputs it is K times PyTorch's `HuberLoss` and
    Keras's `Huber`, which take the mean over the outputs.

    References
    ----------
    P. J. Huber (1964), *Robust estimation of a location parameter*.

    Examples
    --------
    >>> Huber(1.0).value(np.array([[0.5, 3.0]]), np.array([[0.0, 0.0]]))  # 1/8 + (3 − 1/2)
    2.625
    """

    threshold: Annotated[float, Gt(0)] = 1.0

    _terms: ClassVar[Operation] = operations.huber_terms
    _slope: ClassVar[Operation] = operations.huber_slope

    @property
    def _options(self) -> tuple[float, ...]:
        return (self.threshold,)


@dataclass(frozen=True)
class Poisson(_PerOutput):
    """The negative log-likelihood of counts y that are Poisson distributed with the rates a.

    C = 1/N Σ_i w_i Σ_j (a_ij − y_ij log a_ij)

    Notes
    -----
    The term log(y!) of the likelihood is left out, since it does not depend on `a`. The rates must be greater than 0:
    use an output activation such as softplus. Those below 1e-19 (float64: 1e-154) count as that in the logarithm and in
    the quotient of ∂C/∂a_ij = w_i (1 − y_ij / a_ij)/N, which keeps both finite. For K outputs it is K times Keras's
    `Poisson` and PyTorch's `PoissonNLLLoss(log_input=False)`, which take the mean over the outputs, but for the ε that
    both add to the rate inside the logarithm: 1e-7 and 1e-8.

    Examples
    --------
    >>> Poisson().value(np.array([[1.0], [2.0]]), np.array([[3.0], [0.0]]))  # ((1 − 3 log 1) + 2) / 2
    1.5
    """

    domain: ClassVar[tuple[float, float] | None] = (0, inf)
    _labels: ClassVar[tuple[float, float]] = (0, inf)
    _terms: ClassVar[Operation] = operations.poisson_terms
    _slope: ClassVar[Operation] = operations.poisson_slope


@dataclass(frozen=True)
class LogCosh(_PerOutput):
    """Quadratic for small differences, linear for large ones, with all derivatives.

    C = 1/N Σ_i w_i Σ_j log cosh(a_ij − y_ij)

    Notes
    -----
    ∂C/∂a_ij = w_i tanh(a_ij − y_ij)/N. About r²/2 for small r and |r| − log 2 for large ones, where it does not
    overflow. For K outputs it is K times Keras's `LogCosh`, which takes the mean over the outputs.

    Examples
    --------
    >>> round(LogCosh().value(np.array([[0.0, np.log(2.0)]]), np.array([[0.0, 0.0]])), 4)  # log(5/4)
    0.2231
    """

    _terms: ClassVar[Operation] = cost_operations.log_cosh_terms
    _slope: ClassVar[Operation] = cost_operations.log_cosh_slope


class _Margin(_PerOutput):
    """A cost of labels −1 and 1."""

    _labels: ClassVar[tuple[float, float]] = (-1, 1)

    def targets(self, y: Array, output_shape: Shape) -> Array:
        """Return `y` as floats of shape ``(N, *output_shape)``.

        Parameters
        ----------
        y
            −1 and 1, ``(N, *output_shape)``; ``(N,)`` too where `output_shape` is ``(1,)``.
        output_shape
            Shape of one example's `a`.

        Raises
        ------
        DataError
            If `y` is not numeric, of another shape, or neither −1 nor 1.
        """
        y = super().targets(y, output_shape)
        wrong = np.abs(y) != 1
        if wrong.any():
            index, owner = first_of(wrong), type(self).__name__
            advice = "Correct it; labels of 0 and 1 become such by 2 y − 1."
            raise DataError(f"{owner}: y must be -1 or 1, got {y[index]:g} for {place_of(index)}. {advice}")
        return y


@dataclass(frozen=True)
class Hinge(_Margin):
    """The cost of support vector machines: 0 for what is on the right side with a margin.

    C = 1/N Σ_i w_i Σ_j max(0, 1 − y_ij a_ij)

    Notes
    -----
    Labels are −1 and 1; `a` is a score, without an activation. ∂C/∂a_ij = −w_i y_ij/N where y_ij a_ij < 1, else 0. For
    K outputs it is K times Keras's `Hinge`, which takes the mean over the outputs and also labels of 0 and 1.

    References
    ----------
    C. Cortes, V. Vapnik (1995), *Support-vector networks*.

    Examples
    --------
    >>> Hinge().value(np.array([[2.0, 0.5, 1.0]]), np.array([[1.0, 1.0, -1.0]]))  # 0 + 1/2 + 2
    2.5
    """

    _terms: ClassVar[Operation] = cost_operations.hinge_terms
    _slope: ClassVar[Operation] = cost_operations.hinge_slope


@dataclass(frozen=True)
class SquaredHinge(_Margin):
    """The square of the hinge cost, which has a slope everywhere.

    C = 1/N Σ_i w_i Σ_j max(0, 1 − y_ij a_ij)²

    Notes
    -----
    Labels are −1 and 1; `a` is a score, without an activation. ∂C/∂a_ij = −2 w_i y_ij max(0, 1 − y_ij a_ij)/N. For K
    outputs it is K times Keras's `SquaredHinge`, which takes the mean over the outputs and also labels of 0 and 1.

    References
    ----------
    Y. Tang (2013), *Deep learning using linear support vector machines*.

    Examples
    --------
    >>> SquaredHinge().value(np.array([[2.0, 0.5, 1.0]]), np.array([[1.0, 1.0, -1.0]]))  # 0 + 1/4 + 4
    4.25
    """

    _terms: ClassVar[Operation] = cost_operations.squared_hinge_terms
    _slope: ClassVar[Operation] = cost_operations.squared_hinge_slope


@dataclass(frozen=True)
class Focal(_PerOutput, CanonicalCost):
    """Binary cross-entropy in which examples that are already right count little, for rare classes.

    C = −1/N Σ_i w_i Σ_j (alpha y_ij (1 − a_ij)^gamma log a_ij + (1 − alpha)(1 − y_ij) a_ij^gamma log(1 − a_ij))

    Parameters
    ----------
    gamma
        How little they count, 0 or more; 2 by default. 0 is the weighted binary cross-entropy.
    alpha
        Weight of the labels 1, in (0, 1); those of 0 have 1 − alpha. 0.25 by default; None for weights of 1 for both.

    Notes
    -----
    Labels lie in [0, 1]. With sigmoid, its canonical output activation, C comes from z in log space, and
    δ^L = w_i ((1 − alpha)(1 − y) a^gamma (a − gamma (1 − a) log(1 − a))
    − alpha y (1 − a)^gamma (1 − a − gamma a log a))/N. Away from it, `a` is clipped to [0, 1] as in
    :class:`BinaryCrossEntropy`. For K outputs it is K times Keras's `BinaryFocalCrossentropy` with
    `apply_class_balancing` and torchvision's `sigmoid_focal_loss` with the mean, for labels 0 and 1.

    References
    ----------
    T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár (2017), *Focal loss for dense object detection*, Equation 5.

    Examples
    --------
    >>> cost = Focal(alpha=None)
    >>> round(cost.value(np.array([[0.5, 0.9]]), np.array([[1.0, 1.0]])), 4)  # log 2 / 4 + log(10/9) / 100
    0.1743
    >>> cost.value_from_z(np.array([[-1e4]]), np.array([[1.0]]))
    10000.0
    """

    _: KW_ONLY
    gamma: Annotated[float, Ge(0)] = 2.0
    alpha: Annotated[float, Gt(0), Lt(1)] | None = 0.25

    canonical: ClassVar[str | None] = "sigmoid"
    domain: ClassVar[tuple[float, float] | None] = (0, 1)
    least_at_labels: ClassVar[bool] = False  # for shares between 0 and 1 it is not
    _labels: ClassVar[tuple[float, float]] = (0, 1)
    _terms: ClassVar[Operation] = cost_operations.focal_terms
    _slope: ClassVar[Operation] = cost_operations.focal_slope

    @property
    def _options(self) -> tuple[float, ...]:
        return (self.gamma, *((1.0, 1.0) if self.alpha is None else (self.alpha, 1 - self.alpha)))

    def value_from_z(self, z: Array, y: Array, weight: Array | None = None) -> float:
        """Return C for a = sigmoid(z), from log a = −log(1 + e^−z) and log(1 − a) = −log(1 + e^z)."""
        return value_of(self._write_from_z, z, y, weight)

    @kernels_only
    def write_value_from_z(self, z: Array, y: Array, weight: Array | None, out: Array) -> bool:
        """Write C for a = sigmoid(z) into `out`, for a batch of a single block; return whether it did."""
        return written(self._write_from_z, z, y, weight, out)

    def _write_from_z(self, z: Array, y: Array, weight: Array | None, count: int, out: Array) -> None:
        terms = np.empty_like(z)
        cost_operations.focal_terms_from_z(z, y, *self._options, terms)
        write_mean(terms, weight, count, out)

    @kernels_only
    def canonical_delta(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return δ^L of the closed form."""
        delta = workspace.passing("delta", a.shape)
        cost_operations.focal_delta(a, y, *self._options, len(a), delta)
        return weighed(delta, weight)


@dataclass(frozen=True)
class BinaryCrossEntropy(_PerOutput, CanonicalCost):
    """The negative log-likelihood of independent yes/no labels, one for each output.

    C = −1/N Σ_i w_i Σ_j (y_ij log a_ij + (1 − y_ij) log(1 − a_ij))

    Notes
    -----
    Labels lie in [0, 1]. With sigmoid, its canonical output activation, δ^L = w_i (a − y)/N and C comes from z:
    c_ij = max(z, 0) − y z + log(1 + e^−|z|). Away from it, `a` is clipped to [0, 1], and log a, log(1 − a) and the
    denominator a (1 − a) of the gradient never see less than the smallest normal number (1e-38 in float32, 2e-308 in
    float64). For K outputs it is K times PyTorch's and Keras's, which take the mean over the outputs.

    Examples
    --------
    >>> cost = BinaryCrossEntropy()
    >>> round(cost.value(np.array([[0.25, 0.5]]), np.array([[1.0, 0.0]])), 4)  # log 4 + log 2
    2.0794
    >>> cost.value_from_z(np.array([[-1e4]]), np.array([[1.0]]))
    10000.0
    """

    canonical: ClassVar[str | None] = "sigmoid"
    domain: ClassVar[tuple[float, float] | None] = (0, 1)
    _labels: ClassVar[tuple[float, float]] = (0, 1)
    _terms: ClassVar[Operation] = operations.binary_terms

    @kernels_only
    def gradient(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return w_i (a_ij − y_ij) / (a_ij (1 − a_ij)) / N."""
        gradient = workspace.passing("gradient", a.shape)
        operations.binary_slope(a, y, len(a), workspace.buffer("clipped", a.shape), gradient)
        return weighed(gradient, weight)

    def value_from_z(self, z: Array, y: Array, weight: Array | None = None) -> float:
        """Return C for a = sigmoid(z), as the mean of w_i Σ_j (max(z, 0) − y z + log(1 + e^−|z|))."""
        return value_of(self._write_from_z, z, y, weight)

    @kernels_only
    def write_value_from_z(self, z: Array, y: Array, weight: Array | None, out: Array) -> bool:
        """Write C for a = sigmoid(z) into `out`, unless weights are too many for a block; return whether it did."""
        return written(self._write_from_z, z, y, weight, out, whole=weight is None)

    @staticmethod
    def _write_from_z(z: Array, y: Array, weight: Array | None, count: int, out: Array) -> None:
        if weight is None:
            operations.logistic_loss(z, y, count, out)
        else:
            terms = np.empty_like(z)
            operations.logistic_terms(z, y, terms)
            operations.weighted_mean(terms, weight, count, out)

    @kernels_only
    def canonical_delta(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return δ^L = w_i (a_ij − y_ij) / N."""
        delta = workspace.passing("delta", a.shape)
        operations.residual(a, y, len(a), delta)
        return weighed(delta, weight)


class _OverClasses(Written, CanonicalCost):
    """A cost of classes or of probabilities of classes, y'; log a is what it sees of `a`."""

    canonical: ClassVar[str | None] = "softmax"
    domain: ClassVar[tuple[float, float] | None] = (0, 1)

    @property
    def _smoothing(self) -> float:
        """Share of each label that is spread over the classes."""
        return 0.0

    @abstractmethod
    def _write_terms(self, log_a: Array, y: Array, terms: Array) -> None:
        """Write c_i for labels that are rows of probabilities, by an operation."""

    def targets(self, y: Array, output_shape: Shape) -> Array:
        """Return classes as ``intp``, or rows of probabilities as floats.

        Parameters
        ----------
        y
            Classes, whole numbers from 0 to K − 1 of shape ``(N, *output_shape[:-1])``: ``(N,)`` for an output of shape
            ``(K,)``, where ``(N, 1)`` is accepted too. Or rows of probabilities, 0 or more with sum 1,
            ``(N, *output_shape)``: one-hot for instance.
        output_shape
            Shape of one example's `a`; K is its last entry.

        Raises
        ------
        DataError
            If `y` is not numeric, of another shape, or not such classes or rows; if K is 1. Examples are counted
            from 0.
        """
        owner = type(self).__name__
        y = as_numeric(y, f"{owner}: y")
        classes = output_shape[-1]
        if classes == 1:
            raise DataError(
                f"{owner}: a single output cannot tell classes apart. For two classes use binary_cross_entropy "
                "with sigmoid, or give the output layer a unit for each class."
            )
        if y.ndim and y.shape[1:] == output_shape:
            return _distributions(owner, y)
        if y.ndim and y.shape[1:] == (*output_shape[:-1], 1):
            y = y[..., 0]
        if y.ndim and y.shape[1:] == output_shape[:-1]:
            return classes_of(owner, y, classes)
        outer = ", ".join(map(str, ("N", *output_shape[:-1])))
        raise DataError(
            f"{owner}: y must have shape ({outer}{',' if len(output_shape) == 1 else ''}) for classes or "
            f"({outer}, {classes}) for rows of probabilities, got {y.shape}. {_advice(y, output_shape)}"
        )

    @kernels_only
    def gradient(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return −w_i y'_ik / a_ik / N."""
        gradient, clipped = workspace.passing("gradient", a.shape), workspace.buffer("clipped", a.shape)
        slope = operations.class_slope if y.ndim < a.ndim else operations.label_slope
        slope(a, y, self._smoothing, len(a), clipped, gradient)
        return weighed(gradient, weight)

    def value_from_z(self, z: Array, y: Array, weight: Array | None = None) -> float:
        """Return C for a = softmax(z), from log a_ik = z_ik − log Σ_k e^z_ik."""
        return value_of(self._write_from_z, z, y, weight)

    @kernels_only
    def write_value_from_z(self, z: Array, y: Array, weight: Array | None, out: Array) -> bool:
        """Write C for a = softmax(z) into `out`; return whether it did.

        It does for a single block, and for any number of classes that are neither weighted nor smoothed.
        """
        return written(self._write_from_z, z, y, weight, out, whole=self._only_classes(y, weight))

    def _only_classes(self, y: Array, weight: Array | None) -> bool:
        return weight is None and y.ndim == 1 and not self._smoothing

    @kernels_only
    def canonical_delta(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return δ^L = w_i (a_ik − y'_ik) / N."""
        delta = workspace.passing("delta", a.shape)
        residual = operations.class_residual if y.ndim < a.ndim else operations.label_residual
        residual(a, y, self._smoothing, len(a), delta)
        return weighed(delta, weight)

    def _write(self, a: Array, y: Array, weight: Array | None, count: int, out: Array) -> None:
        log_a = np.empty_like(a)
        operations.bounded_log(a, log_a)
        self._write_from_log(log_a, y, weight, count, out)

    def _write_from_z(self, z: Array, y: Array, weight: Array | None, count: int, out: Array) -> None:
        if self._only_classes(y, weight):
            operations.class_loss(z, y, count, out)
            return
        log_a, scratch, row = np.empty_like(z), np.empty_like(z), np.empty_like(z[..., :1])
        operations.shift(z, scratch, row, log_a)
        operations.subtract_log(log_a, row)
        self._write_from_log(log_a, y, weight, count, out)

    def _write_from_log(self, log_a: Array, y: Array, weight: Array | None, count: int, out: Array) -> None:
        terms = np.empty_like(log_a[..., 0])
        if y.ndim < log_a.ndim:
            operations.class_terms(log_a, y, self._smoothing, terms)
        else:
            self._write_terms(log_a, y, terms)
        write_mean(terms, weight, count, out)


@dataclass(frozen=True)
class CrossEntropy(_OverClasses):
    """The negative log-likelihood of classes, one for each example.

    C = −1/N Σ_i w_i Σ_k y'_ik log a_ik, y' = (1 − label_smoothing) y + label_smoothing/K

    Parameters
    ----------
    label_smoothing
        Share of each label that is spread evenly over the K classes, in [0, 1); 0 by default.

    Notes
    -----
    The last axis of `a` holds the probabilities of the K classes; further axes, those of a sequence for instance, are
    summed over. y is 1 for the class of a label that is a whole number, and the row itself where rows are given. With
    softmax, its canonical output activation, δ^L = w_i (a − y')/N and C comes from z in log space. Away from it, log a
    and the quotient of ∂C/∂a_ik = −w_i y'_ik / a_ik / N never see an `a` below the smallest normal number (1e-38 in
    float32, 2e-308 in float64).

    PyTorch's `CrossEntropyLoss` takes z instead of `a`, and divides by Σ w_i where classes have weights. Keras's
    `CategoricalCrossentropy` clips at 1e-7; it divides each row of `a` by its sum, which is not done here.

    References
    ----------
    C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna (2016), *Rethinking the Inception architecture for computer
    vision*, section 7, for label smoothing.

    Examples
    --------
    >>> a = np.array([[0.25, 0.75], [0.5, 0.5]])
    >>> round(CrossEntropy().value(a, np.array([0, 1])), 4)  # (log 4 + log 2) / 2
    1.0397
    >>> CrossEntropy().value_from_z(np.array([[1e4, -1e4]]), np.array([1]))
    20000.0
    """

    _: KW_ONLY
    label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0

    @property
    def least_at_labels(self) -> bool:  # type: ignore[override]
        """Whether labels are not smoothed: C is least where a equals the smoothed ones."""
        return self.label_smoothing == 0

    @property
    def _smoothing(self) -> float:
        return self.label_smoothing

    def _write_terms(self, log_a: Array, y: Array, terms: Array) -> None:
        operations.label_terms(log_a, y, self.label_smoothing, terms)


@dataclass(frozen=True)
class KLDivergence(_OverClasses):
    """The divergence of the probabilities `a` from those of the labels, of Kullback and Leibler.

    C = 1/N Σ_i w_i Σ_k y_ik (log y_ik − log a_ik)

    Notes
    -----
    The last axis of `a` holds the probabilities of the K classes; further axes are summed over. It is the cross-entropy
    without the entropy of the labels, so 0 where `a` equals them; 0 log 0 is 0. The slopes are those of
    :class:`CrossEntropy`: with softmax, δ^L = w_i (a − y)/N. For labels that are classes both are the same.

    PyTorch's `KLDivLoss(reduction="batchmean")` takes log a, Keras's `KLDivergence` clips at 1e-7.

    References
    ----------
    S. Kullback, R. A. Leibler (1951), *On information and sufficiency*, Equation 2.4.

    Examples
    --------
    >>> round(KLDivergence().value(np.array([[0.25, 0.75]]), np.array([[0.5, 0.5]])), 4)  # (log 2 + log(2/3)) / 2
    0.1438
    """

    least_at_labels: ClassVar[bool] = True

    def _write_terms(self, log_a: Array, y: Array, terms: Array) -> None:
        cost_operations.divergence_terms(log_a, y, terms)


def _advice(y: Array, output_shape: Shape) -> str:
    if y.ndim <= 2 and len(output_shape) > 1:
        return "If an example has one label, put a 'flatten' layer before the output layer; else give y that shape."
    return "Give it that shape, or change the output layer."


def from_one(y: Array, classes: int) -> str:
    """Return what to do about labels that number the classes from 1; nothing where they do not."""
    if y.min() != 1 or y.max() != classes or (y.dtype.kind == "f" and (y != np.rint(y)).any()):
        return ""
    return (
        f"The labels count from 1 to {classes}: subtract 1. In an experiment on a CSV table, name their column in "
        "`categorical` of the data's source instead, which takes each number for the name of a class."
    )


def classes_of(owner: str, y: Array, classes: int) -> Array:
    """Return `y` as ``intp``; DataError unless it holds whole numbers from 0 to `classes` − 1."""
    wrong = ~((y >= 0) & (y < classes))  # in this form NaN is wrong too
    if wrong.any():
        index = first_of(wrong)
        advice = from_one(y, classes) or f"Correct it, or give the output layer more than {classes} units."
        raise DataError(
            f"{owner}: label {y[index]} of {place_of(index)} is outside the {classes} classes 0 to {classes - 1}. "
            f"{advice}"
        )
    labels = y.astype(np.intp, copy=False)
    if y.dtype.kind == "f" and (wrong := labels != y).any():
        index = first_of(wrong)
        raise DataError(
            f"{owner}: label {y[index]} of {place_of(index)} is not a whole number from 0 to {classes - 1}. Number "
            "the classes, or choose a cost for numbers such as mse."
        )
    return labels


SUM_TOLERANCE = 1e-5
"""How far a row of probabilities may be from a sum of 1: those in files are rounded."""


def _distributions(owner: str, y: Array) -> Array:
    """Return `y` as floats; DataError unless its rows are 0 or more and sum to 1."""
    require_finite(y, f"{owner}: y")
    if y.min(initial=0) < 0:
        index = first_of(y < 0)
        raise DataError(
            f"{owner}: y holds the probability {y[index]} for {place_of(index)}. Probabilities must be 0 or more: "
            "correct it, or give the class as a whole number."
        )
    y = as_float(y)
    sums = y.sum(axis=-1, dtype=np.float64)
    wrong = np.abs(sums - 1) > max(SUM_TOLERANCE, 4 * float(np.finfo(y.dtype).eps))
    if wrong.any():
        index = first_of(wrong)
        raise DataError(
            f"{owner}: the probabilities of {place_of(index)} sum to {sums[index]:g}. They must sum to 1: divide "
            "each row by its sum, or give the class as a whole number."
        )
    return y
