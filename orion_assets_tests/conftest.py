"""What holds for every test; imported before anything imports Polars."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Workers share the cores: threads of their own would only wait for one another
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("POLARS_MAX_THREADS", "1")

# Measured, they take twice as long; what they reach, the tests of the parts reach too
_NOT_MEASURED = {"accept", "e2e", "faults", "properties"}
# What a file of these takes most of the time goes first, lest one worker is left with it at the end
_LONG = ("accept", "e2e", "cli", "defs", "faults", "properties", "contracts")
_HERE = Path(__file__).parent


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.get_closest_marker("accept"):
        item.add_marker(pytest.mark.timeout(0))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _LONG.index(part) if (part := _part(item)) in _LONG else len(_LONG))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Measure no test of `_NOT_MEASURED`, its fixtures included, which pytest-cov's own `no_cover` measures."""
    plugin = item.config.pluginmanager.getplugin("_cov")
    coverage = plugin.cov_controller if plugin else None
    if coverage is None or _part(item) not in _NOT_MEASURED:
        return (yield)
    coverage.pause()
    try:
        return (yield)
    finally:
        coverage.resume()


def _part(item: pytest.Item) -> str:
    return item.path.relative_to(_HERE).parts[0]
