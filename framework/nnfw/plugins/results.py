"""Errors for methods of components that fail, or return something else than their protocol says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nnfw.errors import NnfwError, PluginError, described, in_words
from nnfw.plugins.registry import default_registry

if TYPE_CHECKING:
    from nnfw.plugins.registry import Registry


def wrong_result(
    component: object, method: str, found: object, expected: str, registry: Registry | None = None
) -> PluginError:
    """Return the error for what a method of a component returned.

    Parameters
    ----------
    component, method
        Whose method it was.
    found, expected
        What it returned, and what it should have, in words.
    registry
        Names the component; by default the installed plugins.
    """
    owner = (registry or default_registry()).title(component)
    return unexpected(method, found, expected).of(owner)


def unexpected(method: str, found: object, expected: str) -> PluginError:
    """Return the error of :func:`wrong_result` without the owner of the method."""
    return PluginError(f"{method} returned {described(found)}, expected {expected}.")


@contextmanager
def naming(owner: Callable[[], str], call: str, path: tuple[str | int, ...] = ()) -> Iterator[None]:
    """Name the owner of what the body raises; an error that is not of nnfw becomes a PluginError.

    Parameters
    ----------
    owner, path
        As for :meth:`nnfw.NnfwError.of`; the owner is asked for in case of an error.
    call
        What the body calls, in words.
    """
    try:
        yield
    except NnfwError as error:
        error.of(owner(), path)
        raise
    except Exception as error:
        raise PluginError(f"{call} failed: {in_words(error)}").of(owner(), path) from error
