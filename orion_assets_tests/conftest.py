"""What holds for every test; imported before anything imports Polars."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Workers share the cores: threads of their own would only wait for one another
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("POLARS_MAX_THREADS", "1")

# Whole runs: measured, they take half as long again, and what they reach other tests reach too, if not in all its ways
_NOT_MEASURED = (
    "accept/",
    "cli/test_backfill.py",
    "cli/test_demo.py",
    "cli/test_other_vendors.py",
    "cli/test_read.py",
    "cli/test_update_again.py",
    "cli/test_vendor_plan.py",
    "defs/test_leaks.py",
    "defs/test_order.py",
    "defs/test_publication.py",
    "defs/test_secrets.py",
    "defs/test_vendor_keeping.py",
    "e2e/",
    "faults/",
    "properties/",
)
# What a file of these takes most of the time goes first, lest one worker is left with it at the end
_LONG = ("accept", "e2e", "cli", "defs", "faults", "properties", "contracts")
_HERE = Path(__file__).parent


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.get_closest_marker("accept"):
        item.add_marker(pytest.mark.timeout(0))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        part = _place(item).partition("/")[0]
        return _LONG.index(part) if part in _LONG else len(_LONG)

    items.sort(key=rank)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Measure no test of `_NOT_MEASURED`, its fixtures included, which pytest-cov's own `no_cover` measures."""
    plugin = item.config.pluginmanager.getplugin("_cov")
    coverage = plugin.cov_controller if plugin else None
    if coverage is None or not _place(item).startswith(_NOT_MEASURED):
        return (yield)
    coverage.pause()
    try:
        return (yield)
    finally:
        coverage.resume()


def _place(item: pytest.Item) -> str:
    return item.path.relative_to(_HERE).as_posix()
