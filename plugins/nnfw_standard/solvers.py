"""Solvers: SciPy's minimisers of the cost over all examples at once.

C is the cost over all examples, plus the penalty if any. Solvers work in float64; the network computes in its own
dtype. They suit small networks and small data: an iteration takes one or more passes over all examples, and achieves
much more than an epoch of small steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from math import sqrt
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.machine import one_thread_in_scipy
from nnfw.protocols import Solver

Function = Callable[[Array], tuple[float, Array]]

_DIFFERENCE = float(np.finfo(np.float32).eps) ** (1 / 3)
"""Relative step for differences of gradients: that of central differences in float32, the usual dtype of networks."""


@dataclass(frozen=True)
class ScipySolver(Solver):
    """A solver that calls ``scipy.optimize.minimize``.

    Parameters
    ----------
    tolerance
        0 or more, 1e-5 by default; smaller values take longer.
    """

    tolerance: Annotated[float, Ge(0)] = 1e-5

    method: ClassVar[str]
    """SciPy's name of the method."""

    limit: ClassVar[str] = "gtol"
    """SciPy's name of the tolerance."""

    curved: ClassVar[bool] = False
    """Whether the method needs products of the Hessian with vectors."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The options of SciPy's method."""
        return {self.limit: self.tolerance}

    def minimise(
        self, function: Function, vector: Array, iterations: int, ended: Callable[[Array, float], bool]
    ) -> str:
        """Minimise `function`; see :class:`nnfw.protocols.Solver`.

        SciPy's BLAS uses one thread for its short sums over parameters; `function` and `ended` use all.
        """
        from scipy.optimize import OptimizeResult, minimize

        function, ended, stopped = one_thread_in_scipy(-1)(function), one_thread_in_scipy(-1)(ended), False

        def iteration_ended(intermediate_result: OptimizeResult) -> None:  # SciPy looks at this name
            nonlocal stopped
            stopped = ended(intermediate_result.x, float(intermediate_result.fun))
            if stopped:
                raise StopIteration

        with one_thread_in_scipy():
            result = minimize(  # type: ignore[call-overload]
                function,
                vector,
                jac=True,
                hessp=hessian_product(function) if self.curved else None,
                method=self.method,
                callback=iteration_ended,
                options={**self.settings, "maxiter": iterations},
            )
        return "" if stopped or result.nit >= iterations else str(result.message).rstrip(".")


def hessian_product(function: Function) -> Callable[[Array, Array], Array]:
    """Return (θ, p) ↦ H p, the Hessian of C times p, by central differences of the gradient.

    H p ≈ (∇C(θ + h p) − ∇C(θ − h p)) / 2h, with h p small compared with θ

    Examples
    --------
    >>> product = hessian_product(lambda x: (float(x @ x), 2 * x))
    >>> product(np.array([1.0, 2.0]), np.array([3.0, 0.0])).round(6)
    array([6., 0.])
    """

    def product(theta: Array, p: Array) -> Array:
        length = sqrt(float(p @ p))
        if not length:
            return 0 * p
        h = _DIFFERENCE * (1 + sqrt(float(theta @ theta))) / length
        found: Array = (function(theta + h * p)[1] - function(theta - h * p)[1]) / (2 * h)
        return found

    return product


@dataclass(frozen=True)
class LBFGS(ScipySolver):
    """Steps along an estimate of the Newton direction from the last steps and gradients.

    θ ← θ − η H ∇C, where H estimates the inverse Hessian and η comes from a line search

    Parameters
    ----------
    tolerance
        It stops when the largest ∂C/∂θ_k is at most this, 0 or more; 1e-5 by default.
    memory
        Number of steps that H is made of, 1 or more; 10 by default.

    References
    ----------
    D. C. Liu, J. Nocedal (1989), *On the limited memory BFGS method for large scale optimization*.
    SciPy's method L-BFGS-B.

    Examples
    --------
    >>> LBFGS().minimise(lambda x: (float(x @ x), 2 * x), np.ones(2), 50, lambda x, c: False)
    'CONVERGENCE: NORM OF PROJECTED GRADIENT <= PGTOL'
    """

    _: KW_ONLY
    memory: Annotated[int, Ge(1)] = 10

    method: ClassVar[str] = "L-BFGS-B"

    @property
    def settings(self) -> Mapping[str, Any]:
        """Allow any number of evaluations, and do not stop because C falls slowly."""
        return {**super().settings, "ftol": 0.0, "maxcor": self.memory, "maxfun": np.iinfo(np.int32).max}


@dataclass(frozen=True)
class ConjugateGradient(ScipySolver):
    """Steps along conjugate directions, which preserve each other's progress.

    d ← −∇C + β d, θ ← θ + η d, with β after Polak and Ribière, and η from a line search

    Parameters
    ----------
    tolerance
        It stops when the largest ∂C/∂θ_k is at most this, 0 or more; 1e-5 by default.

    References
    ----------
    J. Nocedal, S. J. Wright (2006), *Numerical optimization*, section 5.2. SciPy's method CG.
    """

    method: ClassVar[str] = "CG"


@dataclass(frozen=True)
class NewtonCG(ScipySolver):
    """Newton's steps, each found by conjugate gradients from products with the Hessian.

    H d = −∇C, θ ← θ + η d, with H p by central differences of ∇C, and η from a line search

    Parameters
    ----------
    tolerance
        It stops when the mean change of θ_k in an iteration is at most this, 0 or more; 1e-5 by default.

    References
    ----------
    J. Nocedal, S. J. Wright (2006), *Numerical optimization*, section 7.1. SciPy's method Newton-CG.
    """

    method: ClassVar[str] = "Newton-CG"
    curved: ClassVar[bool] = True
    limit: ClassVar[str] = "xtol"


@dataclass(frozen=True)
class TrustKrylov(ScipySolver):
    """Newton's steps within a trust region, which grows and shrinks with success.

    d minimises ∇C · d + d · H d / 2 for ‖d‖ ≤ Δ, θ ← θ + d, with H p by central differences of ∇C

    Parameters
    ----------
    tolerance
        It stops when ‖∇C‖ is below this, 0 or more; 1e-5 by default.

    References
    ----------
    N. I. M. Gould, S. Lucidi, M. Roma, P. L. Toint (1999), *Solving the trust-region subproblem using the Lanczos
    method*. SciPy's method trust-krylov.
    """

    method: ClassVar[str] = "trust-krylov"
    curved: ClassVar[bool] = True
