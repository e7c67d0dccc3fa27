"""Faults 20 to 25, 31, 34, 35 and 39 of VIX, news, splits and dividends: lists in pages."""

import json
from datetime import time, timedelta

import polars as pl
import pytest

from orion_assets.ingest.runner import Landed
from orion_assets.schemas import RAW_DIVIDENDS, RAW_NEWS, RAW_SPLITS, RAW_VIX
from orion_assets.sources.synthetic.vendor.terms import ManualClock, Plan, Terms
from orion_assets.sources.synthetic.vendor.truth import Truth, large_market
from orion_assets.transforms.versions import visible
from orion_assets_tests.faults.world import LAST, TABLES, assert_cells, assert_one_line, at_places

ROUTES = {RAW_VIX.name: "range", RAW_NEWS.name: "news", RAW_SPLITS.name: "splits", RAW_DIVIDENDS.name: "dividends"}
# A page of so many, so that every list has a first, a middle and a last one
PAGES = {RAW_VIX.name: 3, RAW_NEWS.name: 4, RAW_SPLITS.name: 1, RAW_DIVIDENDS.name: 1}
SPANS = {RAW_VIX.name: 8, RAW_NEWS.name: 4, RAW_SPLITS.name: 20, RAW_DIVIDENDS.name: 10}


@pytest.fixture(scope="module")
def eventful():
    """A market with enough splits and dividends to fill pages."""
    return Truth(large_market(60, 40, LAST))


@pytest.fixture
def paged(worlds, eventful):
    def start(dataset):
        terms = Terms(Plan(calls=5), page=PAGES[dataset])
        return worlds(TABLES[dataset], truth=eventful, sessions=SPANS[dataset], terms=terms)

    return start


PASSING = {
    "04 reset": ("reset", {}),
    "06 gzip cut after a row": ("truncated_gzip", {"at": "row"}),
    "13 500": ("server_error", {"status": 500}),
    "14 a page of HTML": ("html", {}),
    "15 an empty object": ("body", {"text": "{}"}),
    "16 status ERROR": ("status_error", {}),
    "31 results null": ("results_null", {}),
    "25 shuffled": ("out_of_order", {}),
    "22 a page again": ("page_repeated", {}),
    "25 an overlap": ("overlap", {"rows": 1}),
}


@pytest.mark.parametrize(("dataset", "page"), at_places(ROUTES, [1, 2, 3]))
def test_a_page_that_fails_once_costs_a_call_and_no_row(paged, whole, dataset, page):
    made = paged(dataset)
    # Retries move the pages on: each of these is met by a page that has not failed yet
    for number, (name, more) in enumerate(list(PASSING.values())[:7:3]):
        made.vendor.faults.add(name, ROUTES[dataset], nth=[page + 2 * number], **more)

    outcome = made.run()

    assert isinstance(outcome, Landed)
    assert made.vendor.faults.hits
    whole(made)


@pytest.mark.parametrize("fault", ["22 a page again", "25 shuffled", "25 an overlap"])
@pytest.mark.parametrize("dataset", [RAW_VIX.name, RAW_NEWS.name])
def test_pages_out_of_order_double_nothing(paged, whole, dataset, fault):
    name, more = PASSING[fault]
    made = paged(dataset)
    made.vendor.faults.add(name, ROUTES[dataset], nth=[2], **more)

    made.run()

    made.heal()
    whole(made)


STAYING = {
    "13 500": ("server_error", {"status": 500}, "failed"),
    "15 nothing": ("body", {"text": ""}, "failed"),
    "16 status ERROR": ("status_error", {}, "failed"),
    "17 a redirect": ("redirect", {}, "quarantined"),
    "19 another plan": ("forbidden", {}, "not_entitled"),
    "23 next_url to itself": ("next_url", {"kind": "self"}, "quarantined"),
    "23 next_url in a circle": ("next_url", {"kind": "cycle"}, "quarantined"),
    "23 next_url to a foreign host": ("next_url", {"kind": "foreign"}, "quarantined"),
}


@pytest.mark.parametrize(
    ("fault", "dataset"),
    [
        pytest.param(fault, dataset, marks=() if number % 4 == turn else pytest.mark.accept)
        for number, fault in enumerate(STAYING)
        for turn, dataset in enumerate(ROUTES)
    ],
)
def test_a_list_that_stays_broken_lands_nothing_and_heals(paged, whole, fault, dataset):
    name, more, state = STAYING[fault]
    made = paged(dataset)
    made.vendor.faults.add(name, ROUTES[dataset], **more)

    made.run()

    assert set(made.states()) == {state}
    assert made.rows().is_empty()
    assert_cells(made)
    assert_one_line(made.details())
    made.heal()
    whole(made)


@pytest.mark.parametrize("dataset", [RAW_VIX.name, RAW_NEWS.name])
def test_a_false_empty_is_asked_for_again(paged, whole, dataset):
    made = paged(dataset)
    made.vendor.faults.add("empty", ROUTES[dataset], nth=[1])

    made.run()

    whole(made)


@pytest.mark.parametrize(("dataset", "sessions", "calls"), [(RAW_SPLITS.name, 20, 2), (RAW_DIVIDENDS.name, 4, 3)])
def test_a_false_empty_of_actions_is_asked_for_again_where_none_would_be_odd(worlds, whole, dataset, sessions, calls):
    """Of a range that is shorter, none is a usual answer, which nothing around it belies.

    Where the second answer has none either, the first session is asked for alone: a floor would be refused.
    """
    truth = Truth(large_market(60, 40, LAST))
    made, short = (worlds(TABLES[dataset], truth=truth, sessions=length) for length in (sessions, sessions - 1))
    for each in (made, short):
        each.vendor.faults.add("empty", ROUTES[dataset], nth=[1])
        each.run()

    assert (made.calls(), short.calls()) == (calls, 1)
    assert short.rows().is_empty()
    whole(made)


@pytest.mark.parametrize("dataset", [RAW_VIX.name, RAW_NEWS.name])
def test_a_page_that_is_left_out_is_noticed_by_its_sessions(paged, whole, dataset):
    made = paged(dataset)
    made.vendor.faults.add("page_missing", ROUTES[dataset], nth=[1])
    if dataset == RAW_NEWS.name:
        # Of news a whole session must be gone to be missed: nobody says how many articles there are
        made.vendor.faults.clear()
        made.vendor.faults.add("missing", ROUTES[dataset], nth=[1], share=1.0)

    made.run()

    whole(made)


def test_vix_that_is_clipped_is_not_taken_for_absent(worlds, truth):
    terms = Terms(Plan(calls=5, history_days=10, clips=True))
    made = worlds(RAW_VIX, sessions=20, terms=terms)

    made.run()

    floor = made.clock.now().date() - timedelta(days=10)
    cells = made.cells()
    assert cells.filter(pl.col("session") < floor)["state"].unique().to_list() == ["not_entitled"]
    assert cells.filter(pl.col("session") >= floor)["state"].unique().to_list() == ["data"]


def test_a_split_that_was_left_out_comes_by_a_second_look(worlds, eventful, faultless):
    made = worlds(RAW_SPLITS, truth=eventful, sessions=20)
    ticker = eventful.splits.filter(pl.col("ex_date") >= made.span[0])["ticker"][0]
    made.vendor.faults.add("cancelled_split", "splits", ticker=ticker)
    made.run()
    before = made.rows()
    then = made.clock.now()
    made.vendor.faults.clear()
    made.clock.advance(3600)

    made.ask_again()

    assert ticker not in set(before["ticker"])
    assert made.rows().equals(faultless(made))
    known = visible(made.desk.lake.read(RAW_SPLITS), RAW_SPLITS.key, then).select(before.columns)
    assert known.sort("event_id").equals(before)


def test_a_split_that_is_told_twice_is_two_events_until_the_vendor_takes_one_back(worlds, eventful, faultless):
    made = worlds(RAW_SPLITS, truth=eventful, sessions=20)
    made.vendor.faults.add("duplicate_split", "splits", days=0)
    made.run()
    doubled = made.rows()
    made.vendor.faults.clear()
    made.clock.advance(3600)

    made.ask_again()

    assert doubled.height == 2 * faultless(made).height
    assert made.rows().equals(faultless(made))


def test_an_edited_article_is_a_new_version_known_from_then_on(worlds, faultless):
    made = worlds(RAW_NEWS, sessions=3)
    made.run()
    before, then = made.rows(), made.clock.now()
    made.clock.advance(3600)
    made.vendor.faults.add("news_edited", "news")

    made.ask_again()

    rows = made.desk.lake.read(RAW_NEWS)
    assert made.rows()["title"].str.starts_with("CORRECTED: ").all()
    assert rows.filter(pl.col("title").str.starts_with("CORRECTED"))["ts_known"].min() > then
    assert visible(rows, RAW_NEWS.key, then).select(before.columns).sort("article_id").equals(before)


@pytest.mark.parametrize("dataset", [RAW_NEWS.name, RAW_SPLITS.name, RAW_DIVIDENDS.name])
def test_a_list_that_is_shorter_than_it_says_is_asked_for_again(paged, whole, dataset):
    made = paged(dataset)
    made.vendor.faults.add("short_list", ROUTES[dataset], nth=[1])

    outcome = made.run()

    assert isinstance(outcome, Landed)
    whole(made)


def test_two_articles_under_one_id_are_one_and_the_last_word_stands(worlds):
    made = worlds(RAW_NEWS, sessions=3)
    made.vendor.faults.add("news_same_id", "news")

    made.run()

    assert not made.rows()["article_id"].is_duplicated().any()
    assert "Another article" in set(made.rows()["title"])
    assert_cells(made)


def test_articles_that_claim_another_time_than_they_were_asked_for_are_refused(worlds, whole):
    made = worlds(RAW_NEWS, sessions=3)
    made.vendor.faults.add("news_backdated", "news")

    made.run()

    assert set(made.states()) == {"quarantined"}
    assert_one_line(made.details(), "not published in")
    made.heal()
    whole(made)


def test_an_article_with_a_date_alone_is_not_known_before_that_day_is_over(worlds):
    made = worlds(RAW_NEWS, sessions=8)
    made.vendor.faults.add("news_midnight", "news")

    made.run()

    rows = made.desk.lake.read(RAW_NEWS)
    dated = rows.filter(pl.col("ts_event").dt.time() == time(0), pl.col("availability") == "assumed")
    assert dated.height
    assert (dated["ts_known"] - dated["ts_event"]).min() == timedelta(days=1)


def test_an_article_seen_as_it_comes_is_known_when_it_was_seen_and_not_when_it_says(worlds, truth):
    clock = ManualClock(truth.sessions["ts_close_cutoff"][-1] + timedelta(minutes=5))
    made = worlds(RAW_NEWS, sessions=1, clock=clock)

    made.run()

    rows = made.desk.lake.read(RAW_NEWS)
    assert rows.height
    assert rows["availability"].unique().to_list() == ["observed"]
    assert rows["ts_known"].min() >= truth.sessions["ts_close_cutoff"][-1] + timedelta(minutes=5)


def test_what_the_archive_keeps_is_what_the_vendor_sent(worlds):
    made = worlds(RAW_SPLITS, sessions=20)
    made.run()

    rows = made.desk.lake.read(RAW_SPLITS)

    for name, rank in rows.select("source_hash", "source_row").iter_rows():
        told = json.loads(made.desk.archive.get(name))["results"][rank - 1]
        assert told["id"] in set(rows["event_id"])
