"""Minutes over REST: what is planned is what is asked, answers of 200 that say what is not so, and a run that dies."""

import random
from datetime import datetime

import pytest

from orion_assets import calendars
from orion_assets.ingest.runner import Landed
from orion_assets.market_hours import traded_in
from orion_assets.markets import EQUITIES
from orion_assets.quality.rules import MINUTES
from orion_assets.schemas import RAW_DAILY_BARS, RAW_MINUTE_BARS
from orion_assets.sources.synthetic.vendor.terms import Terms
from orion_assets.transforms.minutes import clean_minute_bars
from orion_assets_tests.faults.test_processes import job_of
from orion_assets_tests.faults.worker import started
from orion_assets_tests.faults.world import assert_cells, assert_conserved, assert_no_op, assert_one_line, assert_secret
from orion_assets_tests.servers import wait_until

THREE = ("SAAA", "SAAB", "SAAC")
# One of the three seldom trades
SIX = (*THREE, "SAAD", "SAAE", "SAAF")


def test_a_plan_of_minutes_is_asked_window_by_window_and_lands_what_the_vendor_holds(worlds, whole):
    made = worlds(RAW_MINUTE_BARS, tickers=THREE, sessions=5)
    work = made.plan()

    outcome = made.run()

    assert isinstance(outcome, Landed)
    assert work.calls_by_route == {"minute_window": 3}
    asked = [entry.path for entry in made.vendor.journal]
    days = calendars.sessions(*made.span)["session"]
    assert asked == [
        f"/v2/aggs/ticker/{ticker}/range/1/minute/{days[0]}/{days[-1]}?adjusted=false&sort=asc&limit=50000"
        for ticker in THREE
    ]
    assert made.states() == {"data": 15}
    whole(made, at_most=3)


def test_a_ticker_added_later_costs_its_own_windows(worlds):
    made = worlds(RAW_MINUTE_BARS, tickers=THREE[:2])
    made.run()
    made.tickers = THREE

    made.run()

    assert made.calls() == 3
    assert "/SAAC/" in made.vendor.journal.entries[-1].path
    assert_conserved(made)


def lost_minutes(made) -> list[tuple]:
    raw = made.desk.lake.read(RAW_MINUTE_BARS)
    clean = clean_minute_bars(raw, traded_in(EQUITIES, *made.span)).rows
    (finder,) = [each for each in MINUTES if each.name == "no_minute_lost"]
    return finder.accused(clean).select("ticker", "session", "ts_open", "minutes").rows()


@pytest.mark.parametrize("minutes", [1, 4])
def test_a_minute_that_is_missing_for_everybody_is_the_vendors_hole(worlds, minutes):
    made = worlds(RAW_MINUTE_BARS, tickers=SIX, sessions=2)
    made.vendor.faults.add("minute_hole", "range", at="10:31", minutes=minutes)

    made.run()

    days = calendars.sessions(*made.span)["session"].to_list()
    holes = [datetime(day.year, day.month, day.day, 10, 31, tzinfo=calendars.NEW_YORK) for day in days]
    assert lost_minutes(made) == [("*", hole.date(), hole, minutes) for hole in holes]


def test_a_minute_that_somebody_has_is_nobodys_hole(worlds):
    made = worlds(RAW_MINUTE_BARS, tickers=SIX, sessions=2)
    made.vendor.faults.add("minute_hole", "range", match="/SAA[B-F]/", at="10:31")

    made.run()

    assert lost_minutes(made) == []


UNTRUE = {
    "20 wrong envelope": ("wrong_envelope", {}),
    "20 wrong ticker in a row": ("wrong_ticker", {}),
    "21 rows of another year": ("out_of_range", {}),
    "23 next_url to itself": ("next_url", {"kind": "self"}),
    "26 a minute told twice": ("duplicate_row", {}),
    "30 seconds": ("epoch", {"unit": "s"}),
    "30 nanoseconds": ("epoch", {"unit": "ns"}),
}


@pytest.mark.parametrize("fault", UNTRUE)
def test_minutes_that_cannot_be_true_are_not_landed(worlds, whole, fault):
    made = worlds(RAW_MINUTE_BARS, tickers=THREE)
    name, more = UNTRUE[fault]
    made.vendor.faults.add(name, "range", match="/SAAB/", **more)

    outcome = made.run()

    assert isinstance(outcome, Landed)
    assert made.states() == {"data": 6, "quarantined": 3}
    assert_one_line(made.details())
    assert set(made.rows()["ticker"]) == {"SAAA", "SAAC"}
    assert_cells(made)
    made.heal()
    whole(made, at_most=6)


def test_one_bad_minute_is_asked_for_again_held_back_and_leaves_its_session_answered(worlds):
    made = worlds(RAW_MINUTE_BARS, tickers=("SAAA",))
    made.vendor.faults.add("bad_number", "range", value="NaN", row=7)

    made.run()

    assert made.calls() == 2
    assert made.states() == {"data": 3}
    (problem,) = made.rows()["problem"].drop_nulls()
    assert "'nan'" in problem.lower()


def test_sessions_in_which_daily_bars_say_that_nobody_traded_are_not_doubted(worlds, truth):
    starts = truth.daily_bars.sort("session").unique("ticker", keep="first").sort("session")
    late = starts.filter(starts["session"] > truth.sessions["session"][8])["ticker"][0]
    made = worlds(RAW_DAILY_BARS, tickers=(late,), sessions=20)
    made.run()
    made.table, before = RAW_MINUTE_BARS, made.calls()

    made.run()

    assert made.calls() == before + 1
    assert set(made.states()) == {"data", "empty_confirmed"}
    assert_conserved(made)


def test_a_backfill_of_minutes_that_is_killed_goes_on_where_it_was(worlds, faultless, truth):
    rng, killed = random.Random(5), 0
    traded = truth.daily_bars.filter(session=truth.sessions["session"][-1])["ticker"].head(8).to_list()
    made = worlds(RAW_MINUTE_BARS, tickers=tuple(traded), sessions=2, terms=Terms())
    while killed < 6:
        before = made.calls()
        process = started(job_of(made))
        wait_until(lambda: made.calls() > before or not process.is_alive(), "a call", deadline_s=60)  # noqa: B023
        process.join(rng.random() * 0.6)
        if not process.is_alive():
            break
        process.kill()
        process.join()
        killed += 1
    process = started(job_of(made))
    process.join()

    assert process.exitcode == 0
    assert killed
    assert made.calls() <= 8 + killed
    assert_conserved(made)
    assert made.rows().equals(faultless(made))
    assert made.states() == {"data": 16}
    assert_no_op(made)
    assert_secret(made, "")
