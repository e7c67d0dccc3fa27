"""Fault 24 of lists that do not count what they hold: a page in the middle is left out, and none is lost by it."""

from functools import cached_property

import polars as pl
import pytest

from orion_assets.ingest.runner import Landed
from orion_assets.schemas import RAW_DIVIDENDS, RAW_NEWS
from orion_assets.sources.synthetic.vendor.terms import Plan, Terms
from orion_assets.sources.synthetic.vendor.truth import Truth, large_market
from orion_assets_tests.faults.world import LAST, TABLES, assert_one_line, assert_whole

ROUTES = {RAW_NEWS.name: "news", RAW_DIVIDENDS.name: "dividends"}
PAGES = {RAW_NEWS.name: 6, RAW_DIVIDENDS.name: 40}
SPANS = {RAW_NEWS.name: 2, RAW_DIVIDENDS.name: 5}


class Dated(Truth):
    """A market whose dividends are so many on each of its last sessions; the others are not told."""

    def __init__(self, *counts):
        super().__init__(large_market(500, 80, LAST))
        self.counts = counts

    @cached_property
    def dividends(self):
        days = self.sessions["session"].tail(len(self.counts)).to_list()
        rows = super().dividends.filter(pl.len().over("ex_date") > 100)
        told, first = [], 0
        for day, count in zip(days, self.counts, strict=True):
            told.append(rows.slice(first, count).with_columns(ex_date=pl.lit(day)))
            first += count
        return pl.concat(told)


@pytest.fixture(scope="module")
def busy():
    return Truth(large_market(500, 80, LAST))


@pytest.fixture
def paged(worlds, busy):
    def start(dataset):
        terms = Terms(Plan(), page=PAGES[dataset])
        truth = Dated(36, 4, 32, 4, 10) if dataset == RAW_DIVIDENDS.name else busy
        return worlds(TABLES[dataset], truth=truth, sessions=SPANS[dataset], terms=terms)

    return start


@pytest.mark.parametrize("dataset", ROUTES)
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
@pytest.mark.parametrize("dataset", ROUTES)
def test_a_page_that_does_not_join_the_one_before_it_is_asked_for_again(paged, whole, dataset, nth):
    healthy = paged(dataset)
    healthy.run()
    made = paged(dataset)
    made.vendor.faults.add("late_start", ROUTES[dataset], nth=[nth], rows=3)

    made.run()

    assert made.vendor.faults.hits == {"late_start": 1}
    assert made.calls() == healthy.calls() + 1
    whole(made)


@pytest.mark.parametrize("dataset", ROUTES)
def test_pages_that_never_join_are_not_landed_and_heal(paged, whole, dataset):
    made = paged(dataset)
    made.vendor.faults.add("late_start", ROUTES[dataset], since=2, rows=3)

    made.run()

    assert "quarantined" in made.states()
    assert any("Between the pages some may be missing" in each for each in made.details())
    assert_one_line([each for each in made.details() if "Between the pages" in each])
    made.heal()
    whole(made)


@pytest.fixture
def dated(worlds):
    def start(*counts, page):
        return worlds(RAW_DIVIDENDS, truth=Dated(*counts), sessions=len(counts), terms=Terms(Plan(), page=page))

    return start


@pytest.mark.parametrize(("nth", "calls"), [([1], 2), ([1, 2], 3)])
def test_a_full_page_that_names_an_empty_next_one_ends_the_list(dated, nth, calls):
    made = dated(9, 9, 2, page=20)
    made.vendor.faults.add("next_url", "dividends", kind="empty", nth=nth)

    made.run()

    assert made.vendor.faults.hits == {"next_url": len(nth)}
    assert made.calls() == calls
    assert_whole(made)


@pytest.mark.parametrize("counts", [(50,), (25, 33)])
def test_a_full_page_that_names_no_next_one_is_not_believed_to_be_the_last(dated, counts):
    made = dated(*counts, page=20)
    made.vendor.faults.add("next_url", "dividends", kind="lost", nth=[2])

    made.run()

    assert made.vendor.faults.hits == {"next_url": 1}
    assert_whole(made)


def test_full_pages_of_one_date_that_never_name_the_next_one_are_not_landed_and_heal(dated):
    made = dated(50, page=20)
    made.vendor.faults.add("next_url", "dividends", kind="lost", since=2)

    made.run()

    assert set(made.states()) == {"quarantined"}
    assert made.rows().is_empty()
    assert_one_line([each for each in made.details() if "a full page of 20, names no next one" in each])
    made.heal()
    assert_whole(made)


# Half of each page at most is told twice; here that is a call more than the cursor would take, in the first case
@pytest.mark.parametrize(("counts", "calls"), [((8, 8, 8, 8, 6), 3), ((50,), 3), ((19, 1, 18), 2), ((8, 12, 18), 2)])
def test_dates_are_told_twice_up_to_half_a_page_and_beyond_it_the_cursor_is_believed(dated, counts, calls):
    made = dated(*counts, page=20)

    made.run()

    assert made.calls() == calls
    assert_whole(made)
