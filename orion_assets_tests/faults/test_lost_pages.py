"""Fault 24 of lists that do not count what they hold: a page in the middle is left out, and none is lost by it."""

import pytest

from orion_assets.ingest.runner import Landed
from orion_assets.schemas import RAW_DIVIDENDS, RAW_NEWS, RAW_SPLITS
from orion_assets.sources.synthetic.vendor.terms import Plan, Terms
from orion_assets.sources.synthetic.vendor.truth import Truth, large_market
from orion_assets_tests.faults.world import LAST, TABLES, assert_one_line

ROUTES = {RAW_NEWS.name: "news", RAW_SPLITS.name: "splits", RAW_DIVIDENDS.name: "dividends"}
PAGES = {RAW_NEWS.name: 6, RAW_SPLITS.name: 4, RAW_DIVIDENDS.name: 80}
SPANS = {RAW_NEWS.name: 2, RAW_SPLITS.name: 40, RAW_DIVIDENDS.name: 80}


@pytest.fixture(scope="module")
def busy():
    return Truth(large_market(500, 80, LAST))


@pytest.fixture
def paged(worlds, busy):
    def start(dataset):
        terms = Terms(Plan(), page=PAGES[dataset])
        return worlds(TABLES[dataset], truth=busy, sessions=SPANS[dataset], terms=terms)

    return start


@pytest.mark.parametrize("dataset", [RAW_NEWS.name, RAW_SPLITS.name])
def test_cursors_that_leave_a_page_out_lose_none(paged, whole, dataset):
    healthy = paged(dataset)
    healthy.run()
    made = paged(dataset)
    made.vendor.faults.add("page_missing", ROUTES[dataset])

    outcome = made.run()

    assert isinstance(outcome, Landed)
    assert made.vendor.faults.hits["page_missing"] > 0
    assert made.calls() == healthy.calls()
    whole(made)


@pytest.mark.parametrize("nth", [2, 3])
@pytest.mark.parametrize("dataset", [RAW_NEWS.name, RAW_SPLITS.name])
def test_a_page_that_does_not_join_the_one_before_it_is_asked_for_again(paged, whole, dataset, nth):
    healthy = paged(dataset)
    healthy.run()
    made = paged(dataset)
    made.vendor.faults.add("late_start", ROUTES[dataset], nth=[nth], rows=3)

    made.run()

    assert made.vendor.faults.hits == {"late_start": 1}
    assert made.calls() == healthy.calls() + 1
    whole(made)


@pytest.mark.parametrize("dataset", [RAW_NEWS.name, RAW_SPLITS.name])
def test_pages_that_never_join_are_not_landed_and_heal(paged, whole, dataset):
    made = paged(dataset)
    made.vendor.faults.add("late_start", ROUTES[dataset], since=2, rows=3)

    made.run()

    assert "quarantined" in made.states()
    assert any("Between the pages some may be missing" in each for each in made.details())
    assert_one_line([each for each in made.details() if "Between the pages" in each])
    made.heal()
    whole(made)
