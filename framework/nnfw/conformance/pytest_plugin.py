"""The pytest plugin of nnfw: it makes one test of each check for :func:`nnfw.testing.parametrize_checks`.

Every run of pytest imports this module wherever nnfw is installed, so it imports nothing until such a test is found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.addinivalue_line("markers", "nnfw_checks(*what): run once for each check of nnfw components")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a marked test its checks."""
    mark = metafunc.definition.get_closest_marker("nnfw_checks")
    if mark is not None:
        from nnfw.conformance.parametrization import parametrize

        parametrize(metafunc, mark)
