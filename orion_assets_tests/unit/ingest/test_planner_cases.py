"""The fixed cases of 500 tickers over 501 sessions at five calls a minute, each with its answer worked out.

What the planner does, and what it is held against: the ways in which the same could be asked for, planned by the same
planner that is given that way alone. Cases with an answer of their own stand in test_planner_worked_example.py.
"""

from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.ingest.planner import plan
from orion_assets.ingest.reference_calls import Due
from orion_assets.sources.polygon.routes import RIGHTS, polygon_routes
from orion_assets.sources.routes import Route
from orion_assets_tests.unit.ingest.plan_cases import BARS, MINUTES

TODAY = date(2026, 11, 21)
SESSIONS = calendars.sessions(date(2024, 11, 21), TODAY)
TICKERS = [f"T{number:03}" for number in range(500)]
ROUTES = {route.name: route for route in polygon_routes(RIGHTS["free"], TODAY)}
FREE = [*ROUTES.values()]
MINUTE_S, HOUR_S, DAY_S = 60.0, 3_600.0, 86_400.0


def grid(dataset, tickers=TICKERS, sessions=SESSIONS):
    names = pl.DataFrame({"ticker": tickers}, schema={"ticker": pl.String})
    return names.join(sessions.select("session"), how="cross").with_columns(dataset=pl.lit(dataset))


def by(*routes: Route, **more):
    """Plan 500 tickers over 501 sessions by these routes alone."""
    return plan(pl.concat([grid(route.dataset, **more) for route in routes]), routes, SESSIONS)


def test_days_of_the_market_are_501_calls_and_100_minutes():
    made = by(ROUTES["grouped"])

    # 501 / 5 = 100.2 min
    assert (made.calls, made.seconds) == (501, 6_012.0)
    assert made.seconds // MINUTE_S == 100


def test_ranges_of_tickers_are_500_calls_and_100_minutes():
    made = by(ROUTES["ticker_range"])

    # 501 days fit a page of 50,000 rows: one call a ticker; 500 / 5 = 100 min
    assert (made.calls, made.seconds) == (500, 6_000.0)


def test_days_of_the_market_are_taken_though_ranges_are_one_call_fewer():
    made = plan(grid(BARS), FREE, SESSIONS)

    # 501 x 99 = 49,599 against 500 x 100 = 50,000: what the whole market's answer is worth
    assert made.calls_by_route == {"grouped": 501}


def test_windows_of_minutes_are_5000_calls_and_16_hours_40():
    made = by(ROUTES["minute_window"])

    # floor(50,000 / 960) = 52 sessions, ceil(501 / 52) = 10, x 500; 5,000 / 5 = 1,000 min
    assert (made.calls, made.seconds) == (5_000, 16 * HOUR_S + 40 * MINUTE_S)


def test_months_of_minutes_would_be_12500_calls_and_41_hours_40():
    months = SESSIONS.group_by(pl.col("session").dt.truncate("1mo"), maintain_order=True)
    window = ROUTES["minute_window"]

    calls = sum(plan(grid(MINUTES, ["AAA"], month), [window], SESSIONS).calls for _, month in months)

    # November 2024 to November 2026 are 25 months, x 500; 12,500 / 5 = 2,500 min
    assert calls * 500 == 12_500
    assert window.budget.seconds(12_500) == 41 * HOUR_S + 40 * MINUTE_S


def test_minutes_in_pages_of_5000_would_be_48500_calls_and_nearly_7_days():
    made = by(replace(ROUTES["minute_window"], page=5_000, window=501))

    # 496 x 960 + 5 half days x 780 = 480,060 minutes a ticker, / 5,000 = 96.01: 97 pages, x 500
    assert made.calls == 48_500
    assert made.seconds / DAY_S == pytest.approx(6.7, abs=0.05)


def test_a_call_a_ticker_and_day_would_be_250500_calls_and_34_8_days():
    made = by(replace(ROUTES["ticker_range"], window=1), tickers=TICKERS[:50])

    # 50 x 501 = 25,050, ten times of which are 500 tickers; / 5 = 50,100 min
    assert made.calls * 10 == 250_500
    assert 10 * made.seconds / DAY_S == pytest.approx(34.8, abs=0.05)


def test_a_call_a_ticker_and_day_for_minutes_too_would_be_501000_calls_and_91_times_the_plan():
    each = [replace(ROUTES[name], window=1) for name in ("ticker_range", "minute_window")]

    made = by(*each, tickers=TICKERS[:50])

    assert made.calls * 10 == 501_000
    assert 10 * made.seconds / DAY_S == pytest.approx(69.6, abs=0.05)
    assert round(made.calls * 10 / 5_501) == 91


def test_news_a_ticker_and_calendar_day_would_be_365000_calls_and_50_7_days_in_place_of_250():
    days = (TODAY - SESSIONS["session"][0]).days

    made = plan(grid("raw_news", ["*"]), FREE, SESSIONS)

    # 730 calendar days x 500; the session at the plan's floor begins before it and cannot be asked for, so that
    # 500 sessions x 500 articles expected / 1,000 a page = 250
    assert (days * 500, made.calls) == (365_000, 250)
    assert made.unanswerable["session"].to_list() == [SESSIONS["session"][0]]
    assert ROUTES["news"].budget.seconds(365_000) / DAY_S == pytest.approx(50.7, abs=0.05)


def test_flat_files_are_1002_objects_and_as_many_minutes_as_their_bytes_take():
    made = plan(pl.concat([grid(BARS), grid(MINUTES)]), polygon_routes(RIGHTS["starter"], TODAY), SESSIONS)

    # 501 x (11,500 x 22 B + 2,000,000 x 10 B) = 10.1 GB at 12.5 MB a second; 1,002 calls alone would be 10 s
    assert (made.calls, made.bytes) == (1_002, 501 * (253_000 + 20_000_000))
    assert made.seconds == made.bytes / 12_500_000 == pytest.approx(812, abs=1)


def test_a_day_more_is_one_call_for_everybody_and_a_window_a_ticker():
    last = SESSIONS.tail(1)

    made = plan(pl.concat([grid(BARS, sessions=last), grid(MINUTES, sessions=last)]), FREE, SESSIONS)

    assert made.calls_by_route == {"grouped": 1, "minute_window": 500}


def test_actions_of_a_day_are_a_call_each_and_of_all_days_what_their_pages_hold():
    kinds = ("raw_splits", "raw_dividends")

    day = plan(pl.concat([grid(kind, ["*"], SESSIONS.tail(1)) for kind in kinds]), FREE, SESSIONS)
    years = plan(pl.concat([grid(kind, ["*"]) for kind in kinds]), FREE, SESSIONS)

    # 7 splits a session: 714 sessions a page of 5,000; 230 dividends: 21 sessions, ceil(500 / 21) = 24;
    # what the session at the plan's floor has to hear begins before it
    assert day.calls_by_route == {"dividends": 1, "splits": 1}
    assert years.calls_by_route == {"dividends": 24, "splits": 1}


def test_the_listing_of_11500_tickers_is_12_pages():
    due = Due(listed=tuple(TICKERS))

    # ceil(11,500 / 1,000), where 500 names would be 500 calls
    assert due.by_route["listed"] == 12
    assert due.calls == 12
