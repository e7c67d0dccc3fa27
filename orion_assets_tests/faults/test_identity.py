"""Fault 36: a rename in mid-range and a ticker used again, from the vendor's reference to whose bar a bar is."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polygon import RESTClient

from orion_assets import calendars
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.reference import land_tickers
from orion_assets.ingest.reference_calls import due
from orion_assets.schemas import RAW_DAILY_BARS, RAW_TICKERS, SECURITIES
from orion_assets.sources.synthetic.market import Market, figi
from orion_assets.sources.synthetic.vendor.terms import ManualClock
from orion_assets.sources.synthetic.vendor.truth import Truth, large_market
from orion_assets.transforms.identity import identified
from orion_assets.transforms.securities import securities
from orion_assets.transforms.versions import visible
from orion_assets_tests.faults.world import LAST, NOW, assert_budget, assert_secret

# Of the vendor's cast: a rename, two companies under one ticker, one that ended, one to which nothing happened
OLD, NEW, REUSED, GONE, PLAIN = "SAAF", "RAAF", "SAAI", "SAAH", "SAAB"
FOLLOWED = (NEW, GONE, REUSED, PLAIN)


@pytest.fixture
def made(worlds):
    return worlds(RAW_DAILY_BARS, tickers=(OLD, *FOLLOWED), sessions=24)


def refer(made, *tickers: str) -> int:
    """Land the reference as a run does; gives the versions that were new."""
    source = made.source()
    try:
        return land_tickers(made.desk, source, Moment(made.clock.now(), clock=made.clock), tickers).rows
    finally:
        source.close()


def asked(made, since: int = 0) -> list[str]:
    return [entry.route for entry in made.vendor.journal][since:]


def held(made) -> pl.DataFrame:
    return made.desk.lake.read(RAW_TICKERS)


def intervals(made, as_of: datetime | None = None) -> pl.DataFrame:
    return visible(securities(held(made), calendars.sessions()).rows, SECURITIES.key, as_of)


def due_now(made, *tickers: str):
    return due(held(made), made.desk.state, tickers, made.clock.now())


def bearers(made, bars: pl.DataFrame) -> pl.DataFrame:
    """Give bars with whose they are by Orion's reference, and whose they truly are."""
    truth = made.vendor.truth.daily_bars.select("ticker", "session", "number")
    named = identified(bars, intervals(made), "session").join(truth, on=["ticker", "session"])
    return named.with_columns(truly=pl.col("number").map_elements(figi, pl.String))


def test_every_bar_is_of_the_company_that_bore_its_ticker(made):
    refer(made, OLD, *FOLLOWED)
    made.run()
    made.clock.advance(60.0)

    named = bearers(made, made.rows())

    assert named.height == made.rows().height > 60
    assert named.filter(pl.col("security_id") != pl.col("truly")).is_empty()
    assert named.filter(ticker=REUSED)["security_id"].n_unique() == 2
    assert named.filter(pl.col("ticker").is_in([OLD, NEW]))["security_id"].n_unique() == 1
    assert_secret(made, "")


def test_without_the_reference_of_the_past_the_test_above_would_fail(made):
    refer(made, REUSED)
    whole = held(made)
    today = whole.filter(pl.col("snapshot") == whole["snapshot"].max())
    bars = made.vendor.truth.daily_bars.filter(ticker=REUSED)

    named = identified(bars, visible(securities(today, calendars.sessions()).rows, SECURITIES.key), "session")

    assert named.filter(pl.col("security_id") != pl.col("number").map_elements(figi, pl.String)).height


def test_a_rename_is_dated_by_its_event_and_not_by_who_looked_when(made):
    refer(made, NEW)

    told = intervals(made).select("security_id", "ticker", "valid_from", "valid_to")
    truth = [each for each in made.vendor.truth.listings if each.number == 5]
    assert told.rows() == [(each.figi, each.ticker, each.since, each.until) for each in truth[::-1]]
    assert held(made).filter(ticker=OLD)["name"].to_list() == [None], "nobody knew today's name then"


def test_before_the_rename_nobody_knew_of_it(made):
    refer(made, NEW)

    day = next(each.since for each in made.vendor.truth.listings if each.ticker == NEW)
    before = intervals(made, datetime(day.year, day.month, day.day, tzinfo=UTC))
    assert before.select("ticker", "valid_to").rows() == [(OLD, None)]


def test_who_follows_the_old_ticker_alone_learns_the_new_one(made):
    refer(made, OLD)

    assert set(intervals(made)["ticker"]) == {OLD, NEW}
    assert intervals(made)["security_id"].unique().to_list() == [figi(5)]


def test_the_calls_are_said_before_and_made_as_said(made):
    before = due_now(made, *FOLLOWED)

    refer(made, *FOLLOWED)

    # One company more than tickers: one of them was used twice
    assert before.calls == 12
    assert before.by_route == {"listed": 4, "ended": 4, "events": 4}
    assert asked(made) == ["tickers"] * 8 + ["events"] * 5
    assert_budget(made)


def test_what_was_asked_is_not_asked_again_until_it_is_due(made):
    refer(made, *FOLLOWED)
    calls = made.calls()

    assert refer(made, *FOLLOWED) == 0
    assert made.calls() == calls
    made.clock.advance(timedelta(days=8).total_seconds())
    refer(made, *FOLLOWED)
    # The listing of each, and nothing of what it explains: the one that ended did
    assert asked(made, calls) == ["tickers"] * 4


def test_many_tickers_are_asked_for_by_whole_listings(made):
    everybody = tuple(made.vendor.truth.daily_bars["ticker"].unique().sort())

    said = due_now(made, *everybody).by_route
    refer(made, *everybody)

    assert said["listed"] == 12
    assert asked(made).count("tickers") == 1 + len(everybody)
    # No listing tells the FIGI of the ticker that was given up: it is asked for by name, beside its company
    assert asked(made).count("events") == 1 + len({each.number for each in made.vendor.truth.listings})
    assert set(made.desk.state.reference.answered("listed")) == set(everybody)


def test_a_rename_on_the_way_is_asked_for_once_it_shows(worlds):
    truth = worlds(RAW_DAILY_BARS).vendor.truth
    day = next(each.since for each in truth.listings if each.ticker == NEW)
    clock = ManualClock(datetime(day.year, day.month, day.day, 18, tzinfo=UTC) - timedelta(days=3))
    made = worlds(RAW_DAILY_BARS, clock=clock)
    refer(made, OLD)
    assert set(intervals(made)["ticker"]) == {OLD}
    calls = made.calls()

    clock.advance(timedelta(days=7, hours=1).total_seconds())
    refer(made, OLD)

    assert asked(made, calls) == ["tickers", "tickers", "events"]
    told = intervals(made).select("security_id", "ticker", "valid_to").rows()
    assert told == [(figi(5), OLD, day), (figi(5), NEW, None)]
    calls = made.calls()
    clock.advance(timedelta(days=7, hours=1).total_seconds())
    refer(made, OLD)
    assert asked(made, calls) == ["tickers"], "a rename that is explained is not asked for again"


def test_a_rename_that_a_whole_listing_shows_is_asked_for_once(worlds):
    truth = Truth(large_market(40, 24, LAST))
    day = next(each.since for each in truth.listings if each.ticker == NEW)
    clock = ManualClock(datetime(day.year, day.month, day.day, 18, tzinfo=UTC) - timedelta(days=3))
    made = worlds(RAW_DAILY_BARS, truth=truth, clock=clock)
    everybody = sorted({each.ticker for each in truth.listings if each.is_active(clock.now().date())} - {GONE})
    refer(made, *everybody)
    assert NEW not in held(made)["ticker"].to_list()
    calls = made.calls()

    clock.advance(timedelta(days=7, hours=1).total_seconds())
    refer(made, *everybody)

    assert asked(made, calls) == ["tickers", "events"]
    assert intervals(made).filter(security_id=figi(5)).select("ticker", "valid_from").rows() == [
        (OLD, truth.market.first),
        (NEW, day),
    ]
    calls = made.calls()
    clock.advance(timedelta(days=7, hours=1).total_seconds())
    refer(made, *everybody)
    assert asked(made, calls) == ["tickers"]


def test_of_the_delisted_only_those_are_landed_whose_ticker_is_followed(worlds):
    made = worlds(RAW_DAILY_BARS, truth=Truth(large_market(40, 24, LAST)))
    everybody = sorted({each.ticker for each in made.vendor.truth.listings} - {GONE})

    refer(made, *everybody)

    assert asked(made).count("tickers") == 2, "more than a page each: whole listings"
    ended = held(made).filter(pl.col("delist_date").is_not_null())
    assert ended["ticker"].to_list() == [REUSED]


def test_a_company_that_takes_a_ticker_on_the_way_begins_a_series_of_its_own(worlds):
    truth = worlds(RAW_DAILY_BARS).vendor.truth
    first, second = [each for each in truth.listings if each.ticker == REUSED]
    clock = ManualClock(datetime(second.since.year, second.since.month, second.since.day, 18, tzinfo=UTC))
    clock.advance(-timedelta(days=2).total_seconds())
    made = worlds(RAW_DAILY_BARS, clock=clock)
    refer(made, REUSED)
    assert intervals(made).select("security_id", "valid_to").rows() == [(first.figi, first.until)]

    clock.advance(timedelta(days=8).total_seconds())
    refer(made, REUSED)

    told = intervals(made).select("security_id", "valid_from", "valid_to").sort("valid_from").rows()
    assert told == [(first.figi, first.since, first.until), (second.figi, second.since, None)]


def test_a_ticker_that_changes_hands_from_one_day_to_the_next_is_two_companies(worlds):
    market = large_market(14, 24, LAST)
    handed = replace(market.cast[9], since=market.cast[8].until)
    other = Market(market.seed, [*market.cast[:9], handed, *market.cast[10:]], market.first, market.end)
    made = worlds(RAW_DAILY_BARS, truth=Truth(other), tickers=(REUSED,), sessions=24)

    refer(made, REUSED)

    told = intervals(made).select("security_id", "valid_from", "valid_to").sort("valid_from").rows()
    assert told == [(figi(8), market.first, handed.since), (figi(9), handed.since, None)]
    assert visible(held(made), RAW_TICKERS.key)["list_date"].null_count() == 2, "no row took the place of another"


def test_a_listing_of_the_day_of_a_change_takes_nothing_back(worlds):
    market = large_market(14, 24, LAST)
    day = market.cast[9].since
    clock = ManualClock(datetime(day.year, day.month, day.day, 18, tzinfo=UTC))
    made = worlds(RAW_DAILY_BARS, truth=Truth(market), tickers=(REUSED,), clock=clock)

    refer(made, REUSED)

    (row,) = visible(held(made), RAW_TICKERS.key).filter(snapshot=day).iter_rows(named=True)
    assert (row["figi"], row["name"], row["list_date"]) == (figi(9), "Synthetic Successor Company", day)
    made.desk.state.reference.note("listed", [REUSED], datetime(2020, 1, 1, tzinfo=UTC))
    clock.advance(3600.0)
    assert refer(made, REUSED) == 0


@pytest.mark.parametrize(
    ("fault", "ticker", "listed"),
    [("forbidden", PLAIN, [PLAIN]), ("redirect", PLAIN, [PLAIN]), ("", "NOPE", [])],
    ids=["not in the plan", "an answer that cannot be true", "a ticker that nobody knows"],
)
def test_changes_of_ticker_that_are_not_told_keep_nobody_from_the_rest(made, fault, ticker, listed):
    if fault:
        made.vendor.faults.add(fault, "events")

    refer(made, ticker)

    calls = made.calls()
    assert refer(made, ticker) == 0
    assert made.calls() == calls, "it is not asked for again at once"
    assert held(made)["ticker"].to_list() == listed
    made.vendor.faults.clear()
    made.clock.advance(timedelta(days=8).total_seconds())
    refer(made, ticker)
    # What was refused is asked for again, and what nobody knows is not
    assert asked(made, calls).count("events") == (1 if fault else 0)


def test_a_run_that_ends_in_the_middle_is_taken_up_there(made):
    made.vendor.faults.add("unknown_key", "events", nth=[2])

    with pytest.raises(Exception, match="401"):
        refer(made, *FOLLOWED)
    calls = made.calls()
    refer(made, *FOLLOWED)

    assert asked(made, calls) == ["events"] * 4
    assert_budget(made)


def test_an_event_that_the_vendor_dates_otherwise_replaces_the_first_one(made):
    refer(made, NEW)
    day = next(each.since for each in made.vendor.truth.listings if each.ticker == NEW)
    path = held(made).filter(snapshot=day)["source_file"][0]
    body = json.loads(made.desk.archive.get(held(made).filter(snapshot=day)["source_hash"][0]))
    assert path.startswith("/vX/reference/tickers/SYNTHETIC005/events")

    moved = day + timedelta(days=2)
    body["results"]["events"][0]["date"] = str(moved)
    made.vendor.faults.add("body", "events", nth=[1], text=json.dumps(body))
    made.desk.state.reference.note("events", [figi(5)], datetime(2020, 1, 1, tzinfo=UTC))
    made.clock.advance(3600.0)
    refer(made, NEW)

    told = intervals(made).select("ticker", "valid_from", "valid_to").rows()
    since = made.vendor.truth.market.first
    assert told == [(OLD, since, moved), (NEW, moved, None)]
    assert intervals(made, NOW).select("ticker", "valid_to").rows() == [(OLD, day), (NEW, None)], "as it was known"


def test_what_is_landed_is_what_the_vendors_own_client_reads(made):
    refer(made, OLD, *FOLLOWED)
    client = RESTClient("k", base=made.vendor.base_url, retries=0)
    made.clock.advance(61.0)

    for number in (1, 5, 7, 8, 9):
        told = client.get_ticker_events(figi(number))
        theirs = {(date.fromisoformat(each["date"]), each["ticker_change"]["ticker"]) for each in told.events}
        rows = held(made).filter(pl.col("figi") == figi(number), pl.col("source_file").str.contains("/events"))

        assert {(row["snapshot"], row["ticker"]) for row in rows.iter_rows(named=True)} == theirs
        assert theirs
        made.clock.advance(61.0)
    client.client.clear()
