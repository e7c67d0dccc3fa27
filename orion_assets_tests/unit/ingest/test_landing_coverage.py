"""What an answer says of the cells that were asked for."""

from datetime import date

import pytest

from orion_assets.schemas import RAW_COVERAGE, RAW_DAILY_BARS, RAW_NEWS, RAW_SPLITS, RAW_VIX
from orion_assets_tests.unit.ingest.landing_rows import SATURDAY, YEARS_LATER, Raw, article, bar, split
from orion_assets_tests.unit.transforms.rows import HOUR, MON, TICK, TUE, WED, close_cutoff, open_cutoff, told, utc

CELL = ("ticker", "session", "cutoff", "state", "rows", "ts_known", "availability")


def test_coverage_of_bars_speaks_of_the_market_at_both_cut_offs_and_of_each_ticker_at_the_close():
    _, cells = Raw().land(YEARS_LATER, bar(MON), end=TUE, asked=("BBB", "AAA"))

    assert told(cells, *CELL) == [
        ("*", MON, "open", "data", 1, open_cutoff(MON), "assumed"),
        ("*", MON, "close", "data", 1, close_cutoff(MON), "assumed"),
        ("AAA", MON, "close", "data", 1, close_cutoff(MON), "assumed"),
        ("BBB", MON, "close", "empty_confirmed", 0, close_cutoff(MON), "assumed"),
    ]
    assert cells["dataset"].unique().to_list() == ["raw_daily_bars"]
    assert cells["evidence"].unique().to_list() == ["evidence"]
    assert cells["source"].unique().to_list() == ["files"]


@pytest.mark.parametrize(("table", "row"), [(RAW_NEWS, article("1", MON, "AAA")), (RAW_SPLITS, split("1", MON))])
def test_coverage_of_other_datasets_speaks_of_the_market_alone(table, row):
    _, cells = Raw(table).land(YEARS_LATER, row, end=TUE)

    assert told(cells, "ticker", "cutoff", "state", "rows") == [("*", "open", "data", 1), ("*", "close", "data", 1)]


def test_an_answer_without_rows_confirms_that_there_are_none():
    _, cells = Raw(RAW_VIX).land(YEARS_LATER, end=TUE)

    assert told(cells, "cutoff", "state", "rows", "source") == [
        ("open", "empty_confirmed", 0, ""),
        ("close", "empty_confirmed", 0, ""),
    ]


@pytest.mark.parametrize(
    ("now", "cutoffs"),
    [
        (open_cutoff(MON) - TICK, []),
        (open_cutoff(MON), ["open"]),
        (close_cutoff(MON) - TICK, ["open"]),
        (close_cutoff(MON), ["open", "close"]),
    ],
)
def test_only_cut_offs_that_have_come_are_covered(now, cutoffs):
    _, cells = Raw(RAW_NEWS).land(now, end=TUE)

    assert cells["cutoff"].to_list() == cutoffs


def test_a_live_answer_is_known_when_it_lands():
    _, cells = Raw(RAW_NEWS).land(utc(MON, 21), end=TUE)

    assert told(cells, "cutoff", "ts_event", "ts_known", "availability") == [
        ("open", open_cutoff(MON), utc(MON, 21), "observed"),
        ("close", close_cutoff(MON), utc(MON, 21), "observed"),
    ]


def test_sessions_after_the_end_of_the_source_are_not_covered():
    _, cells = Raw(RAW_NEWS).land(YEARS_LATER, through=TUE)

    assert cells["session"].unique().sort().to_list() == [MON, TUE]


def test_a_state_that_changes_is_added_and_one_that_does_not_is_not():
    raw = Raw(RAW_NEWS)
    raw.land(YEARS_LATER, end=WED)

    _, cells = raw.land(YEARS_LATER + HOUR, article("1", TUE, "AAA"), end=WED)
    _, gone = raw.land(YEARS_LATER + 2 * HOUR, end=WED)

    assert told(cells, "session", "cutoff", "state", "ts_known", "availability") == [
        (TUE, "open", "data", YEARS_LATER + HOUR, "observed"),
        (TUE, "close", "data", YEARS_LATER + HOUR, "observed"),
    ]
    assert gone["state"].unique().to_list() == ["empty_confirmed"]
    assert RAW_COVERAGE.conform(raw.coverage).height == 8


def test_more_rows_of_the_same_state_are_no_change():
    raw = Raw(RAW_NEWS)
    raw.land(YEARS_LATER, article("1", MON, "AAA"))

    assert raw.land(YEARS_LATER + HOUR, article("1", MON, "AAA"), article("2", MON, "AAA"))[1].is_empty()


def test_a_key_that_the_source_states_as_withdrawn_does_not_count():
    versions = (bar(MON, 10.0, utc(MON, 21)), bar(MON, 10.0, utc(TUE, 21), is_deleted=True))

    _, cells = Raw().land(YEARS_LATER, *versions, end=TUE)

    assert cells["state"].unique().to_list() == ["empty_confirmed"]


def test_a_followed_ticker_is_covered_even_when_nobody_is_followed_yet():
    _, cells = Raw().land(YEARS_LATER, bar(MON), end=TUE, asked=())

    assert cells["ticker"].unique().to_list() == ["*"]


def test_a_range_without_a_session_is_answered_by_nothing():
    news, cells = Raw().land(YEARS_LATER, start=SATURDAY, end=date(2014, 6, 8))

    assert news.is_empty()
    assert cells.is_empty()


@pytest.mark.parametrize("table", [RAW_DAILY_BARS, RAW_VIX, RAW_NEWS, RAW_SPLITS], ids=lambda table: table.name)
def test_an_empty_answer_on_an_empty_table_adds_no_rows_and_all_coverage(table):
    news, cells = Raw(table).land(YEARS_LATER, asked=())

    assert news.schema == table.schema
    assert news.is_empty()
    assert cells.height == 10
