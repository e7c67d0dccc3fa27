"""What holds for every test; imported before anything imports Polars."""

import os
from pathlib import Path

import pytest

# Workers share the cores: threads of their own would only wait for one another
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("POLARS_MAX_THREADS", "1")

# Measured, they take twice as long; what they reach, the tests of the parts reach too
_NOT_MEASURED = {"accept", "e2e", "faults", "properties"}
_HERE = Path(__file__).parent


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.path.relative_to(_HERE).parts[0] in _NOT_MEASURED:
        item.add_marker(pytest.mark.no_cover)
    if item.get_closest_marker("accept"):
        item.add_marker(pytest.mark.timeout(0))
