"""Faults 10 to 12 and 17 to 19, and 38: what the vendor refuses, and when it is asked again."""

from datetime import timedelta

import pytest

from orion_assets.errors import KeyRefused, SourceUnavailable
from orion_assets.ingest.runner import Landed
from orion_assets.schemas import RAW_DAILY_BARS
from orion_assets.sources.routes import Rights
from orion_assets.sources.synthetic.vendor.terms import PLANS, ManualClock, Plan, ShiftedClock, Terms
from orion_assets_tests.faults.world import (
    KEY,
    NOW,
    PLACES,
    RATE,
    assert_budget,
    assert_cells,
    assert_one_line,
    at_places,
    few_seconds,
)
from orion_assets_tests.scripted_server import answer, scripted

# Seconds that everybody who shares the key stays silent, whatever the vendor says
SILENCES = {
    "seconds": ("30", 30.0),
    "a date": ("date:30", 29.0),
    "nothing to wait for": ("0", 1.0),
    "for ever": ("1000000000", 300.0),
    "junk": ("soon", 61.0),
    "nothing": ("", 61.0),
}


@pytest.mark.parametrize(("said", "place"), at_places(SILENCES, PLACES))
def test_whoever_is_told_to_wait_waits(worlds, whole, said, place):
    (retry_after, silence), nth = SILENCES[said], -PLACES[place]
    made = worlds(RAW_DAILY_BARS)
    made.vendor.faults.add("too_many_requests", nth=[nth], retry_after=retry_after, body="empty")

    outcome = made.run()

    assert isinstance(outcome, Landed)
    (waited,) = few_seconds(made, [nth - 1])
    assert silence <= waited < silence + 3
    whole(made, at_most=4)


def test_a_storm_of_refusals_is_waited_out_or_put_off(worlds, whole):
    made = worlds(RAW_DAILY_BARS, sessions=6)
    made.vendor.faults.add("too_many_requests", for_s=1200)

    error = made.run()

    assert isinstance(error, SourceUnavailable)
    assert_one_line([str(error), *made.details()])
    assert made.states() == {"failed": 6 * len(made.tickers)}
    # The waits double: a few requests in a quarter of an hour, not thousands
    assert made.calls() <= 8
    assert_cells(made)
    made.clock.advance(1200)
    made.run()
    whole(made, at_most=8 + 6)


@pytest.mark.parametrize(("body", "place"), at_places(["text", "page", "text again"], PLACES))
def test_a_key_that_is_revoked_stops_at_once_and_another_one_goes_on(worlds, whole, body, place):
    nth, as_html = -PLACES[place], body == "page"
    made = worlds(RAW_DAILY_BARS)
    made.vendor.faults.add("unknown_key", since=nth, as_html=as_html)

    error = made.run()

    assert isinstance(error, KeyRefused)
    assert made.calls() == nth
    assert made.states().get("failed") == len(made.tickers) * (4 - nth)
    assert_one_line([str(error), *made.details()])
    assert_cells(made)
    made.vendor.faults.clear()
    made.key = f"{KEY}-rotated"
    made.run()
    whole(made, at_most=4)


KINDS = {
    "endpoint": ("not_entitled", "You are not entitled to this data"),
    "timeframe": ("not_entitled", "Your plan doesn't include this data timeframe"),
    "today": ("not_yet", "before end of day"),
    "error": ("not_entitled", "You are not entitled to this data"),
}


@pytest.mark.parametrize(("kind", "place"), at_places(KINDS, PLACES))
def test_each_403_is_asked_once_and_says_what_it_means(worlds, whole, truth, kind, place):
    state, said = KINDS[kind]
    made = worlds(RAW_DAILY_BARS)
    session = truth.sessions["session"][PLACES[place]]
    made.vendor.faults.add("forbidden", "grouped", match=str(session), kind=kind)

    outcome = made.run()

    assert isinstance(outcome, Landed)
    # A route that is refused as such before it ever answered is not asked for the rest
    is_closed = place == "first call" and kind in ("endpoint", "error")
    assert made.calls() == (1 if is_closed else 3)
    assert made.cells().filter(session=session)["state"].unique().to_list() == [state]
    assert set(made.states()) - {"data", "empty_confirmed"} == {state}
    assert is_closed == (made.states().get(state, 0) == 3 * len(made.tickers))
    assert_one_line(made.details(), said)
    assert_cells(made)
    made.heal()
    whole(made, at_most=4)


def test_what_is_not_in_the_plan_is_not_asked_for_twice_a_day(worlds, truth):
    made = worlds(RAW_DAILY_BARS)
    made.vendor.faults.add("forbidden", "grouped", match=str(truth.sessions["session"][-2]))

    made.run()
    made.run()

    assert made.calls() == 3
    made.clock.advance(25 * 3600)
    made.run()
    assert made.calls() == 4


def test_a_firewall_that_lets_nobody_in_says_nothing_of_the_plan(worlds, whole):
    made = worlds(RAW_DAILY_BARS, sessions=6)
    made.vendor.faults.add("server_error", status=403)

    error = made.run()

    assert isinstance(error, SourceUnavailable)
    assert "not in the vendor's words" in str(error)
    # Two calls are made before the others are put off
    assert made.calls() == 2 * made.policy.attempts
    assert made.states() == {"failed": 6 * len(made.tickers)}
    assert_one_line([str(error), *made.details()])
    made.heal()
    whole(made)


@pytest.mark.parametrize(("status", "place"), at_places([301, 302, 307, 308], PLACES))
def test_a_redirect_is_not_followed(worlds, whole, truth, status, place):
    made = worlds(RAW_DAILY_BARS)
    session = truth.sessions["session"][PLACES[place]]
    with scripted() as other:
        other.say(answer(b"{}"))
        made.vendor.faults.add("redirect", "grouped", match=str(session), to=other.url, status=status)

        outcome = made.run()

        assert other.requests == 0
    assert isinstance(outcome, Landed)
    assert made.cells().filter(session=session)["state"].unique().to_list() == ["quarantined"]
    assert_one_line(made.details(), "not followed")
    made.heal()
    whole(made)


@pytest.mark.parametrize("ahead_s", [-600, 600])
def test_a_clock_that_goes_wrong_spends_no_more_than_the_budget(worlds, whole, ahead_s):
    clock = ManualClock(NOW)
    made = worlds(RAW_DAILY_BARS, sessions=7, clock=clock, vendor_clock=ShiftedClock(clock, timedelta(seconds=ahead_s)))
    made.vendor.faults.add("too_many_requests", nth=[2], retry_after="date:30")

    outcome = made.run()

    assert isinstance(outcome, Landed)
    # The date is held against the vendor's own clock: ours would wait for ten minutes, or not at all
    (waited,) = few_seconds(made, [1])
    assert 29 <= waited < 33
    assert_budget(made)
    whole(made, at_most=8)


def test_a_clock_that_is_ahead_asks_for_a_session_too_early_and_then_again(worlds, whole, truth):
    # 20:30 New York by our clock, 19:50 by the vendor's: to a free key the day has not ended
    last = truth.sessions["session"][-1]
    ours = ManualClock(truth.sessions["ts_close"][-1] + timedelta(hours=4, minutes=5))
    made = worlds(
        RAW_DAILY_BARS,
        clock=ours,
        vendor_clock=ShiftedClock(ours, timedelta(minutes=-10)),
        terms=Terms(Plan(calls=5, history_days=731, has_today=False)),
    )

    outcome = made.run()

    assert isinstance(outcome, Landed)
    assert made.cells().filter(session=last)["state"].unique().to_list() == ["not_yet"]
    assert last not in set(made.rows()["session"])
    ours.advance(660)
    made.run()
    whole(made, at_most=4)


def test_the_budget_of_the_free_plan_is_kept_over_a_long_backfill(worlds, whole):
    clock = ManualClock(NOW)
    free = Rights(RATE, years=2, has_flat_files=False, has_today=False)
    made = worlds(RAW_DAILY_BARS, sessions=12, clock=clock, terms=Terms(PLANS["free"]), rights=free)

    outcome = made.run()

    assert isinstance(outcome, Landed)
    assert not [entry for entry in made.vendor.journal if entry.status == 429]
    whole(made, at_most=12)
