"""Faults 20 to 33 and 37 of daily bars: answers of 200 that say what is not so."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets.errors import SourceUnavailable
from orion_assets.ingest.execution import fill
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.runner import Landed
from orion_assets.schemas import QUARANTINE, RAW_DAILY_BARS
from orion_assets.sources.routes import Rights
from orion_assets.sources.synthetic.vendor.terms import ManualClock, Plan, Terms
from orion_assets.sources.synthetic.vendor.truth import Truth, large_market
from orion_assets.transforms.bars import clean_daily_bars
from orion_assets.transforms.versions import visible
from orion_assets_tests.faults.world import (
    DAY_S,
    LAST,
    NOW,
    RATE,
    assert_cells,
    assert_conserved,
    assert_one_line,
    at_places,
    in_threes,
    truth_rows,
)

ONE_BY_ONE = ("SAAA", "SAAB", "SAAC")
PAGED = Terms(Plan(calls=5), page=8)

# What makes the whole answer untrue: it is asked for once more, then nothing of it is landed
UNTRUE = {
    "20 wrong envelope": ("wrong_envelope", {}),
    "20 wrong ticker in a row": ("wrong_ticker", {}),
    "21 rows of another year": ("out_of_range", {}),
    "21 rows of a week before": ("out_of_range", {"days": -40, "rows": 3}),
    "23 next_url to itself": ("next_url", {"kind": "self"}),
    "23 next_url in a circle": ("next_url", {"kind": "cycle"}),
    "23 next_url to a foreign host": ("next_url", {"kind": "foreign"}),
    "26 a session told twice": ("duplicate_row", {}),
    "30 seconds": ("epoch", {"unit": "s"}),
    "30 microseconds": ("epoch", {"unit": "us"}),
    "30 nanoseconds": ("epoch", {"unit": "ns"}),
}
TICKERS = {"first call": 0, "middle call": 1, "last call": 2}


@pytest.mark.parametrize("three", in_threes(UNTRUE))
def test_an_answer_that_cannot_be_true_is_not_landed(worlds, whole, three):
    made = worlds(RAW_DAILY_BARS, tickers=ONE_BY_ONE, sessions=20)
    for ticker, fault in zip(ONE_BY_ONE, three, strict=True):
        name, more = UNTRUE[fault]
        made.vendor.faults.add(name, "range", match=f"/{ticker}/", **more)

    outcome = made.run()

    assert isinstance(outcome, Landed)
    assert made.states() == {"quarantined": 60}
    assert_one_line(made.details())
    assert len(made.details()) == 3
    # Each is asked twice, or leads to a page that is
    assert made.calls() <= 9
    assert made.rows().is_empty()
    assert_cells(made)
    made.heal()
    whole(made, at_most=12)


# What is wrong with a row: its page is asked for once more, then it is held back and the rest is landed
UNREADABLE = {
    "26 a ticker told twice": ("duplicate_row", {}),
    "27 NaN": ("bad_number", {"value": "NaN"}),
    "27 Infinity": ("bad_number", {"value": "-Infinity"}),
    "27 null": ("bad_number", {"value": "null"}),
    "27 a text": ("bad_number", {"value": '"12.5"'}),
    "27 beyond any integer": ("bad_number", {"value": "1" + "0" * 400}),
    "27 beyond a double": ("bad_number", {"value": "1e400", "member": "h"}),
    "27 a volume of NaN": ("bad_number", {"value": "NaN", "member": "v"}),
    "28 a negative price": ("impossible", {"kind": "negative_price"}),
    "28 a price of zero": ("impossible", {"kind": "zero_price"}),
    "28 a negative volume": ("impossible", {"kind": "negative_volume"}),
    "28 a high below its low": ("impossible", {"kind": "high_below_low"}),
    "29 a price of 1e13": ("huge", {}),
    "29 a volume of 1e15": ("bad_number", {"value": "1e15", "member": "v"}),
}


@pytest.mark.parametrize("three", in_threes(UNREADABLE))
def test_a_bad_row_is_held_back_alone(worlds, whole, truth, three):
    made = worlds(RAW_DAILY_BARS)
    sessions = truth.sessions["session"].tail(3).to_list()
    first = truth.bars_on(sessions[0])["ticker"][0]
    for session, fault in zip(sessions, three, strict=True):
        name, more = UNREADABLE[fault]
        made.vendor.faults.add(name, "grouped", match=str(session), **more)

    outcome = made.run()

    assert isinstance(outcome, Landed)
    held = made.cells().filter(state="quarantined")
    assert held.select("ticker", "session").rows() == [(first, session) for session in sessions]
    assert made.rows().height == truth_rows(made).height
    clean, held_back = clean_daily_bars(made.desk.lake.read(RAW_DAILY_BARS), truth.sessions)
    assert clean.filter(ticker=first).is_empty()
    assert clean.height == truth_rows(made).height - 3
    assert held_back["ticker"].unique().to_list() == [first]
    assert QUARANTINE.conform(held_back)["remedy"].str.len_chars().min() > 0
    assert made.calls() == 6
    made.heal()
    whole(made, at_most=9)


def test_a_row_that_stays_bad_is_asked_for_once_a_day_eight_times_and_then_by_the_month(worlds, truth, whole):
    first = truth.bars_on(truth.sessions["session"][-1])["ticker"][0]
    made = worlds(RAW_DAILY_BARS, sessions=1, tickers=(first,))
    made.vendor.faults.add("impossible", kind="negative_price")
    tried = []

    for _ in range(10):
        before = made.calls()
        made.run()
        tried.append(made.calls() > before)
        made.clock.advance(DAY_S)

    assert tried == [True] * 8 + [False] * 2
    assert (set(made.states()), made.cells()["attempts"].to_list()) == ({"quarantined"}, [8])
    made.vendor.faults.clear()
    made.clock.advance(30 * DAY_S)
    made.run()
    whole(made)


def test_a_replay_leaves_what_was_answered_since_as_it_is(worlds):
    made = worlds(RAW_DAILY_BARS)
    made.run()
    before, calls = made.cells(), made.calls()
    last = made.vendor.truth.sessions["session"].to_list()[-1]
    within = datetime.combine(last, time(16), UTC)

    source = made.source()
    list(fill(made.desk, source, replace(made.ask, now=within), made.table, Moment(within, is_replay=True)))
    source._transport.close()

    assert_frame_equal(made.cells(), before)
    assert made.calls() == calls


@pytest.mark.parametrize("fault", ["20 wrong ticker", "29 bytes", "32 half of the tickers", "32 nothing", "31 null"])
def test_what_is_told_wrong_once_is_asked_for_again_at_once(worlds, whole, fault):
    name, more = {
        "20 wrong ticker": ("wrong_ticker", {"rows": 3}),
        "29 bytes": ("garbage_ticker", {}),
        "32 half of the tickers": ("missing", {}),
        "32 nothing": ("empty", {}),
        "31 null": ("results_null", {}),
    }[fault]
    made = worlds(RAW_DAILY_BARS)
    # The second question to the middle and to the last call is answered well
    made.vendor.faults.add(name, "grouped", nth=[2, 4], **more)

    outcome = made.run()

    assert isinstance(outcome, Landed)
    whole(made, at_most=5)


def test_a_ticker_that_traded_around_is_empty_by_two_answers(worlds, whole, truth):
    made = worlds(RAW_DAILY_BARS, tickers=ONE_BY_ONE, sessions=20)
    made.vendor.faults.add("missing", "range", match="/SAAB/", nth=[1], share=0.4)

    made.run()

    whole(made, at_most=4)


@pytest.mark.parametrize(("fault", "place"), at_places(["page_repeated", "page_missing", "overlap"], TICKERS))
def test_pages_that_repeat_or_leave_out_rows_lose_and_double_nothing(worlds, whole, fault, place):
    made = worlds(RAW_DAILY_BARS, tickers=ONE_BY_ONE, sessions=20, terms=PAGED)
    made.vendor.faults.add(fault, "range", match=f"/{ONE_BY_ONE[TICKERS[place]]}/", times=2)

    made.run()

    made.heal()
    whole(made)


def test_a_missing_page_is_missing_sessions(worlds, whole, caplog):
    made = worlds(RAW_DAILY_BARS, tickers=ONE_BY_ONE, sessions=20, terms=PAGED)
    made.vendor.faults.add("page_missing", "range", match="/SAAB/", times=1)

    made.run()

    # Three pages of each, and those of SAAB again
    whole(made, at_most=12)


@pytest.mark.parametrize("fault", ["out_of_order", "delayed"])
def test_what_is_only_unusual_is_landed_as_ever(worlds, whole, fault):
    made = worlds(RAW_DAILY_BARS)
    made.vendor.faults.add(fault, "grouped")

    made.run()

    whole(made, at_most=3)


def test_a_row_that_is_told_twice_alike_is_one(worlds, whole):
    made = worlds(RAW_DAILY_BARS)
    made.vendor.faults.add("duplicate_row", "grouped", factor=1)

    made.run()

    whole(made, at_most=3)


@pytest.mark.parametrize(("broken", "sessions"), [(1, 30), (2, 30)])
def test_one_call_of_twenty_about_a_ticker_may_stay_broken_without_failing_the_others(worlds, whole, broken, sessions):
    truth = Truth(large_market(30, 40, LAST))
    listed = truth.daily_bars.filter(session=truth.sessions["session"][-1])["ticker"].sort().head(20).to_list()
    made = worlds(RAW_DAILY_BARS, truth=truth, tickers=listed, sessions=sessions)
    in_vain = listed[7 : 7 + 3 * broken : 3]
    for ticker in in_vain:
        made.vendor.faults.add("html", "range", match=f"/{ticker}/")

    outcome = made.run()

    cells = made.cells()
    assert isinstance(outcome, Landed if broken == 1 else SourceUnavailable)
    assert cells.filter(state="failed")["ticker"].unique().sort().to_list() == in_vain
    assert set(cells.filter(~pl.col("ticker").is_in(in_vain))["state"]) <= {"data", "empty_confirmed"}
    made.heal()
    whole(made)


def test_one_session_of_the_market_of_many_that_stays_broken_fails_the_run(worlds, whole, truth):
    made = worlds(RAW_DAILY_BARS, sessions=21)
    session = truth.sessions["session"][-9]
    made.vendor.faults.add("html", "grouped", match=str(session))

    outcome = made.run()

    assert isinstance(outcome, SourceUnavailable)
    assert made.cells().filter(state="failed")["session"].unique().to_list() == [session]
    made.heal()
    whole(made)


def test_a_bad_last_page_fails_its_cells_alone(worlds, whole):
    made = worlds(RAW_DAILY_BARS, tickers=ONE_BY_ONE, sessions=20)
    made.vendor.faults.add("next_url", "range", match="/SAAB/", kind="bad")

    outcome = made.run()

    assert isinstance(outcome, Landed)
    assert made.cells().filter(ticker="SAAB")["state"].unique().to_list() == ["failed"]
    assert_one_line(made.details(), "HTTP 400")
    made.heal()
    whole(made, at_most=5)


def test_prices_that_were_adjusted_on_the_way_are_refused(worlds, whole):
    made = worlds(RAW_DAILY_BARS, tickers=ONE_BY_ONE, sessions=20, terms=PAGED)
    made.vendor.faults.add("adjusted_lost", "range", match="/SAAB/")

    made.run()

    assert made.cells().filter(ticker="SAAB")["state"].unique().to_list() == ["quarantined"]
    assert_one_line(made.details(), "as traded were asked for")
    made.heal()
    whole(made)


def test_a_history_that_is_clipped_is_not_taken_for_an_absent_one(worlds, truth):
    # The plan of the key reaches back ten days; nobody told Orion
    made = worlds(
        RAW_DAILY_BARS, tickers=ONE_BY_ONE, sessions=20, terms=Terms(Plan(calls=5, history_days=10, clips=True))
    )

    outcome = made.run()

    floor = NOW.date() - timedelta(days=10)
    cells = made.cells()
    assert isinstance(outcome, Landed)
    assert cells.filter(pl.col("session") < floor)["state"].unique().to_list() == ["not_entitled"]
    assert cells.filter(pl.col("session") >= floor)["state"].unique().to_list() == ["data"]
    assert "outside what the plan of the key includes" in made.details()[0]
    # Two answers a ticker, and one question whether anybody is told so early
    assert made.calls() == 7


def test_who_was_not_listed_yet_is_confirmed_to_be_absent(worlds, whole, truth):
    first = truth.daily_bars.group_by("ticker").agg(pl.col("session").min()).sort("session", "ticker")
    late = first.filter(pl.col("session") > truth.sessions["session"][8])["ticker"][0]
    made = worlds(RAW_DAILY_BARS, tickers=(late,), sessions=20)

    made.run()

    assert made.states()["empty_confirmed"] > 1
    whole(made, at_most=3)


def test_a_session_under_way_is_not_asked_for(worlds, whole, truth):
    clock = ManualClock(truth.sessions["ts_open"][-1] + timedelta(hours=3))
    made = worlds(RAW_DAILY_BARS, clock=clock)

    outcome = made.run()

    today = truth.sessions["session"][-1]
    assert isinstance(outcome, Landed)
    assert outcome.not_due == (today,)
    assert made.cells().filter(session=today)["state"].unique().to_list() == ["not_yet"]
    assert today not in set(made.rows()["session"])
    assert_cells(made)
    clock.advance(12 * 3600)
    made.run()
    whole(made, at_most=3)


@pytest.mark.parametrize("fault", ["restated", "doubled_volumes", "vw_outside"])
def test_what_only_a_second_look_can_tell_becomes_a_new_version(worlds, faultless, truth, fault):
    made = worlds(RAW_DAILY_BARS)
    session, name = truth.sessions["session"][-2], "impossible" if fault == "vw_outside" else fault
    more = {"restated": {"ticker": "SAAA", "session": str(session)}, "vw_outside": {"kind": "vw_outside"}}.get(
        fault, {}
    )
    made.vendor.faults.add(name, "grouped", match=str(session), **more)
    made.run()
    told = made.rows()
    then = made.clock.now()
    made.vendor.faults.clear()
    made.clock.advance(3600)

    made.ask_again(session)

    assert not told.equals(made.rows())
    assert made.rows().equals(faultless(made))
    # Of what is told as before there is no second version
    assert_conserved(made)
    known = visible(made.desk.lake.read(RAW_DAILY_BARS), RAW_DAILY_BARS.key, then)
    assert known.select(told.columns).sort("ticker", "session").equals(told)


def test_a_plan_smaller_than_the_market_is_told_as_such(worlds, truth):
    made = worlds(RAW_DAILY_BARS, rights=Rights(RATE, years=0, has_flat_files=False, has_today=True))

    made.run()

    assert made.calls() == 0
    assert made.states() == {"not_entitled": 3 * len(made.tickers)}
