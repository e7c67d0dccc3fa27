"""500 tickers over 501 sessions, the numbers as worked out by hand for the vendors' documented limits."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.ingest.execution import planned
from orion_assets.ingest.holes import open_cells
from orion_assets.ingest.ledger import told_cells
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.planner import plan
from orion_assets.schemas import RAW_COVERAGE
from orion_assets.sources.alpaca.routes import alpaca_routes
from orion_assets.sources.polygon.routes import RIGHTS, polygon_routes
from orion_assets.sources.protocols import Ask
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets_tests.unit.ingest.plan_cases import BARS, MINUTES

TODAY = date(2026, 11, 21)
SESSIONS = calendars.sessions(date(2024, 11, 21), TODAY)
TICKERS = [f"T{number:03}" for number in range(500)]
FREE = polygon_routes(RIGHTS["free"], TODAY)
NOW = datetime(2026, 11, 21, 18, tzinfo=UTC)
MARKET_TOLD = {
    "dataset": pl.lit(BARS),
    "ticker": pl.lit("*"),
    "cutoff": pl.lit("close"),
    "state": pl.lit("data"),
    "is_market": pl.lit(value=True),
    "rows": pl.lit(500, pl.Int64),
    "source": pl.lit("polygon"),
    "evidence": pl.lit("an answer"),
    "availability": pl.lit("observed"),
    "is_deleted": pl.lit(value=False),
}


def grid(dataset, tickers=TICKERS, sessions=SESSIONS):
    names = pl.DataFrame({"ticker": tickers}, schema={"ticker": pl.String})
    return names.join(sessions.select("session"), how="cross").with_columns(dataset=pl.lit(dataset))


BOTH = pl.concat([grid(BARS), grid(MINUTES)])


@pytest.fixture(scope="module")
def free():
    return plan(BOTH, FREE, SESSIONS)


def test_there_are_501_sessions():
    assert SESSIONS.height == 501


def test_two_years_of_500_tickers_are_501_days_and_5000_windows(free):
    # 52 sessions x 960 minutes fit 50,000 rows; 501 / 52 = 9.6, so ten windows a ticker
    assert free.calls == 5_501
    assert free.calls_by_route == {"grouped": 501, "minute_window": 5_000}
    assert free.unanswerable.is_empty()


def test_they_take_18_hours_20_minutes_and_18_hours_39_with_slots_of_61_seconds(free):
    # 5,501 calls / 5 = 1,100.2 min = 18 h 20 min; 1,101 slots begun x 61 s = 67,161 s = 18 h 39 min
    assert free.seconds == pytest.approx(66_012)
    assert free.safe_seconds == pytest.approx(67_161)
    assert "18 h 20 min at 5 calls in 1 min, 18 h 39 min" in free.lines()[1]


def test_no_window_can_go_on_to_a_second_page(free):
    pages = free.work.filter(pl.col("route") == "minute_window")

    assert pages["rows"].max() == 52 * 960
    assert set(pages["requests"]) == {1}


def test_without_holes_there_is_nothing_to_do():
    made = plan(BOTH.clear(), FREE, SESSIONS)

    assert (made.calls, made.seconds, made.bytes, list(made)) == (0, 0.0, 0, [])
    assert made.lines() == ["0 calls: nothing is missing"]


def test_a_ticker_added_later_costs_its_ten_windows_and_no_day(tmp_path):
    # The market's days are landed as answers about everybody, the minutes of those followed by their names
    lake, state, few = Lake(str(tmp_path / "lake")), State(f"sqlite:///{tmp_path}/state.db"), TICKERS[:3]
    days = SESSIONS.select("session", ts_known="ts_close_cutoff", ts_event="ts_close", ts_ingested="ts_close_cutoff")
    told = days.with_columns(**MARKET_TOLD)
    lake.append(RAW_COVERAGE, lambda _: RAW_COVERAGE.conform(told), start=SESSIONS["session"][0], end=TODAY)
    moment = Moment(NOW)
    for dataset in (BARS, MINUTES):
        state.record(told_cells(grid(dataset, few), moment, "", state="data"))
    asks = [Ask(dataset, date(2024, 11, 21), TODAY, (*few, "NEW"), NOW) for dataset in (BARS, MINUTES)]

    made = planned(state, lake, FREE, asks, NOW)

    assert made.calls_by_route == {"minute_window": 10}
    assert open_cells(state, lake, FREE, asks, NOW)["ticker"].unique().to_list() == ["NEW"]
    state.close()


@pytest.mark.parametrize(
    ("dataset", "name", "calls"),
    [(BARS, "grouped", 501), (BARS, "ticker_range", 500), (MINUTES, "minute_window", 5_000)],
)
def test_each_route_by_itself_takes_what_the_table_says(dataset, name, calls):
    made = plan(grid(dataset), [route for route in FREE if route.name == name], SESSIONS)

    assert made.calls_by_route == {name: calls}


@pytest.mark.parametrize(("minutes", "window", "calls"), [(390, 128, 4), (960, 52, 10), (1_380, 36, 14)])
def test_windows_are_as_long_as_trading_hours_let_a_page_be(minutes, window, calls):
    # 50,000 / 390 = 128.2, / 960 = 52.08, / 1380 = 36.2; 501 / 128 = 3.9, 501 / 52 = 9.6, 501 / 36 = 13.9
    routes = polygon_routes(RIGHTS["free"], TODAY, minutes=minutes)

    made = plan(grid(MINUTES, ["AAA"]), routes, SESSIONS)

    assert [route.longest for route in routes if route.name == "minute_window"] == [window]
    assert made.calls == calls


def test_alpaca_takes_26_calls_for_days_and_24003_for_minutes():
    # 500 x 501 / 10,000 = 25.05; 500 x (496 x 960 + 5 half days x 780) / 10,000 = 24,003
    daily, minutes = (plan(grid(dataset), alpaca_routes(TODAY), SESSIONS) for dataset in (BARS, MINUTES))

    assert (daily.calls, minutes.calls) == (26, 24_003)


def test_alpaca_has_them_in_two_hours():
    made = plan(BOTH, alpaca_routes(TODAY), SESSIONS)

    # 24,029 calls at 200 a minute
    assert made.seconds / 3_600 == pytest.approx(2.0, abs=0.01)


def test_with_flat_files_not_one_call_is_made():
    made = plan(BOTH, polygon_routes(RIGHTS["starter"], TODAY), SESSIONS)

    assert made.calls_by_route == {"day_file": 501, "minute_file": 501}
    assert made.calls_by_budget == {"polygon_files": 1_002}
    assert 7e9 < made.bytes < 15e9


def test_news_of_the_whole_market_comes_in_windows_of_a_page():
    holes = grid("raw_news", ["*"])

    made = plan(holes, FREE, SESSIONS)

    # 500 x 500 articles expected / 1,000 a page = 250, instead of 500 tickers x 730 days: what the session at the floor
    # tells begins on the evening before it, outside the plan
    assert made.calls_by_route == {"news": 250}


def test_what_lies_at_the_floor_comes_first_and_then_the_newest(free):
    work = free.work.with_row_index("place")
    at_floor = set(SESSIONS["session"].head(5))
    urgent = work.filter(pl.col("start").is_in(at_floor))
    rest = work.filter(~pl.col("start").is_in(at_floor))

    # Five grouped days, and the first window of each of 500 tickers
    assert urgent.height == 505
    assert urgent["place"].max() == 504
    assert urgent["start"].is_sorted()
    assert rest["end"].is_sorted(descending=True)


def test_with_two_hundred_calls_to_spend_the_rest_remains_for_later():
    made = plan(BOTH, FREE, SESSIONS, max_calls=200)

    assert made.calls == 200
    assert made.as_json()["remaining"] == {
        "calls": 5_301,
        "cells": 501_000 - made.cells,
        "cells_of_tickers_left_out": 0,
    }
    assert made.seconds == 2_400
