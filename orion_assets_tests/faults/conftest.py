import logging

import pytest
from polars.testing import assert_frame_equal

from orion_assets.sources.synthetic.vendor.truth import Truth, large_market
from orion_assets_tests.faults.world import LAST, World, assert_whole, stop, world


@pytest.fixture(scope="session")
def truth():
    return Truth(large_market(24, 24, LAST))


@pytest.fixture
def worlds(tmp_path, truth):
    """Start worlds, each in a folder of its own; they end with the test."""
    made = []

    def start(table, **more) -> World:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(world(folder, more.pop("truth", truth), table, **more))
        return made[-1]

    yield start
    for each in made:
        stop(each)


@pytest.fixture(scope="session")
def faultless(tmp_path_factory, truth):
    """Give the raw rows of a run in which nothing went wrong, for each range once; the oracle of O7."""
    known = {}

    def rows(like: World):
        asked = (like.table.name, tuple(like.tickers), like.span)
        if asked not in known:
            other = world(tmp_path_factory.mktemp("faultless"), like.vendor.truth, like.table, tickers=like.tickers)
            other.span = like.span
            other.run()
            known[asked] = other.rows()
            stop(other)
        return known[asked]

    return rows


@pytest.fixture
def whole(faultless, caplog):
    """Assert all oracles of a world without its fault; O7 leaves out clocks and provenance, which tell of the fault."""
    caplog.set_level(logging.DEBUG)

    def check(made: World, *, at_most: int | None = None) -> None:
        assert_whole(made, caplog.text, at_most=at_most)
        assert_frame_equal(made.rows(), faultless(made), check_exact=True)

    return check
