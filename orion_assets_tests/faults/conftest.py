import pytest

from orion_assets.sources.synthetic.vendor.truth import Truth, large_market
from orion_assets_tests.faults.world import LAST, stop, world


@pytest.fixture(scope="session")
def truth():
    return Truth(large_market(14, 24, LAST))


@pytest.fixture
def worlds(tmp_path, truth):
    """Start worlds, each in a folder of its own; they end with the test."""
    made = []

    def start(table, **more):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(world(folder, more.pop("truth", truth), table, **more))
        return made[-1]

    yield start
    for each in made:
        stop(each)
