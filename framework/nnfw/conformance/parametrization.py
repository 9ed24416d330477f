"""The checks as tests of pytest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from nnfw.arrays import Shape

MARK = "nnfw_checks"
ARGUMENT = "check"


def parametrize_checks(
    *what: object,
    expected_failures: Mapping[str, str] | None = None,
    input_shapes: tuple[Shape, ...] = (),
    formula: Callable[..., Any] | None = None,
) -> pytest.MarkDecorator:
    """Return a decorator that runs a test once for each component and check.

    The test takes one argument, ``check``, and calls it. Nothing is imported or discovered before pytest collects.

    Parameters
    ----------
    what
        Distributions, names of components, or component objects.
    expected_failures
        Reasons by id of a check, or by ``NAME:ID``; each must fail then (a strict xfail).
    input_shapes, formula
        As for :class:`Subject`.

    Examples
    --------
    >>> @parametrize_checks("relu", "layer:dropout")
    ... def test_component_keeps_the_rules(check):
    ...     check()
    """
    import pytest

    mark: pytest.MarkDecorator = getattr(pytest.mark, MARK)
    return mark(*what, expected_failures=expected_failures or {}, input_shapes=input_shapes, formula=formula)
