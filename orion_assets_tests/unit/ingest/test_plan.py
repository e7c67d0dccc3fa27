import json
from datetime import UTC, datetime

import polars as pl
import pytest

from orion_assets.ingest.plan import COSTS, ESTIMATED, duration, size, total
from orion_assets.ingest.planner import plan
from orion_assets.ingest.reference_calls import Due
from orion_assets.sources.limiter import Rate
from orion_assets.sources.protocols import Ask
from orion_assets.sources.routes import Budget
from orion_assets_tests.unit.ingest.plan_cases import (
    BARS,
    MINUTES,
    by_time,
    day,
    days,
    grouped,
    holes,
    minute_window,
    several,
    ticker_range,
    told,
)

DAILY = [grouped(), ticker_range()]


def test_bytes_decide_where_they_take_longer_than_calls():
    slow = Budget("slow", Rate(100, 1.0), bytes_per_s=1_000)

    made = plan(holes({"AAA": "xx"}), [grouped(budget=slow, bytes_per_row=50)], days(2))

    # 100 rows of 50 bytes in each of two sessions
    assert (made.bytes, made.seconds) == (10_000, 10.0)


def test_budgets_run_side_by_side_and_the_slower_one_decides():
    routes = [grouped(), several()]
    frame = pl.concat([holes({"AAA": "xxxxxx"}), holes({"AAA": "x"}, MINUTES)])

    made = plan(frame, routes, days(6))

    # Six at five a minute, and one at two hundred
    assert made.seconds_by_budget == {"key": 72.0, "second": 0.3}
    assert (made.seconds, made.safe_seconds) == (72.0, 122.0)


def test_each_route_is_priced_and_all_take_as_long_as_the_slowest_budget():
    routes = [grouped(), by_time(500), several()]
    frame = pl.concat([holes({"*": "xxxxxx"}), holes({"*": "xxxx"}, "raw_news"), holes({"AAA": "x"}, MINUTES)])

    made = plan(frame, routes, days(6))
    costs = made.costs

    # Rows x 110 bytes, and x 60 on disk; calls at five a minute and at two hundred; windows of 61 s begun
    assert costs.schema == COSTS
    assert costs.rows() == [
        ("grouped", "key", 6, 600, 66_000, 36_000, 72.0, 122.0),
        ("news", "key", 2, 2_000, 220_000, 120_000, 24.0, 61.0),
        ("several", "second", 1, 960, 105_600, 57_600, 0.3, 61.0),
    ]
    # The key's eight calls one after the other, the other budget beside them
    assert total(costs, made.budgets).rows() == [(None, None, 9, 3_560, 391_600, 213_600, 96.0, 122.0)]
    assert costs["calls"].sum() == made.calls
    assert costs["bytes"].sum() == made.bytes
    assert costs["disk_bytes"].sum() == made.disk_bytes


def test_a_route_whose_bytes_take_longer_than_its_calls_takes_as_long_as_its_bytes():
    slow = Budget("slow", Rate(100, 1.0), bytes_per_s=1_000)

    made = plan(holes({"AAA": "xx"}), [grouped(budget=slow, bytes_per_row=50)], days(2))

    assert made.as_json()["routes"]["grouped"]["seconds"] == 10.0


def test_nothing_costs_nothing():
    made = plan(holes({"AAA": "."}), DAILY, days(1))

    assert made.costs.is_empty()
    assert total(made.costs, made.budgets).rows() == [(None, None, 0, 0, 0, 0, 0.0, 0.0)]


def test_the_reference_is_priced_by_its_calls_and_the_rows_of_its_pages():
    few = Due(("AAA", "BBB"), (), ("FIGI1",))
    many = Due(tuple(f"T{number:02d}" for number in range(13)), (), ())

    # A row a name, a thousand a page; 400 bytes, 200 on disk
    assert few.costs(Budget("polygon", Rate(5))).rows() == [
        ("listed", "polygon", 2, 2, 800, 400, 24.0, 61.0),
        ("events", "polygon", 1, 1, 400, 200, 12.0, 61.0),
    ]
    assert many.costs(Budget("polygon", Rate(5))).rows() == [
        ("listed", "polygon", 12, 12_000, 4_800_000, 2_400_000, 144.0, 183.0)
    ]
    assert Due().costs(Budget("polygon", Rate(5))).schema == COSTS


def test_a_plan_says_of_each_number_that_is_an_estimate_how_it_is_reckoned():
    told = plan(holes({"AAA": "xx"}), DAILY, days(2)).as_json()

    assert told["estimated"] == ESTIMATED
    assert set(ESTIMATED) == {"bytes", "disk_bytes", "rows", "safe_seconds", "seconds"}
    assert set(ESTIMATED) < set(told)
    assert set(ESTIMATED) < set(told["routes"]["ticker_range"])


def test_half_days_hold_fewer_rows():
    calendar = days(2).with_columns(is_half_day=pl.Series([False, True]))

    made = plan(holes({"AAA": "xx"}, MINUTES), [minute_window(2, rows_per_half_day=780)], calendar)

    assert [call.rows for call in made] == [960 + 780]


def test_a_plan_cut_to_some_calls_says_what_remains():
    marks = {"AAA": "xxxx", "BBB": "xxxx", "CCC": "xx"}

    made = plan(holes(marks, MINUTES), [minute_window(2)], days(4), max_calls=3)

    assert told(made) == [
        ("minute_window", "AAA", 2, 3),
        ("minute_window", "BBB", 2, 3),
        ("minute_window", "AAA", 0, 1),
    ]
    assert made.as_json()["remaining"] == {"calls": 2, "cells": 4, "cells_of_tickers_left_out": 0}
    assert "2 calls for 4 cells remain for later" in made.lines()


def test_a_call_of_several_pages_is_not_begun_where_they_would_exceed_the_limit():
    made = plan(holes({"*": "xx"}, "raw_news"), [by_time(2_500)], days(2), max_calls=5)

    assert (made.calls, made.cut["requests"].to_list()) == (3, [3])


def test_a_plan_for_some_tickers_leaves_the_others_out():
    marks = {"AAA": "xx", "BBB": "xx", "CCC": "xx"}

    made = plan(holes(marks, MINUTES), [minute_window(2)], days(2), max_tickers=2)

    assert told(made) == [("minute_window", "AAA", 0, 1), ("minute_window", "BBB", 0, 1)]
    assert made.left_out.rows() == [(MINUTES, "CCC", day(0)), (MINUTES, "CCC", day(1))]


def test_a_ticker_left_out_is_filled_by_days_of_the_market_all_the_same():
    made = plan(holes({"AAA": "x.", "BBB": "xx"}), DAILY, days(2), max_tickers=1)

    assert told(made) == [("grouped", "", 0, 0)]
    assert made.left_out.rows() == [(BARS, "BBB", day(1))]


def test_nothing_is_planned_where_nothing_may_be_spent():
    made = plan(holes({"AAA": "x"}), DAILY, days(1), max_calls=0)

    assert (made.calls, made.seconds, made.cut.height) == (0, 0.0, 1)


@pytest.mark.parametrize("limits", [{"max_calls": -1}, {"max_tickers": -1}])
def test_a_negative_limit_is_refused(limits):
    with pytest.raises(ValueError, match="negative"):
        plan(holes({"AAA": "x"}), DAILY, days(1), **limits)


def test_a_call_is_what_a_source_is_asked():
    now = datetime(2026, 3, 20, tzinfo=UTC)
    frame = pl.concat([holes({"AAA": "xx"}, MINUTES), holes({"*": "x."})])

    asks = [call.ask(now) for call in plan(frame, [grouped(), minute_window(2)], days(2))]

    assert asks == [
        Ask(MINUTES, day(0), day(2), ("AAA",), now, is_partial=True, route="minute_window"),
        Ask(BARS, day(0), day(1), (), now, is_partial=False, route="grouped"),
    ]


def test_a_plan_is_one_document_that_lists_its_calls_where_asked():
    made = plan(holes({"AAA": "xx"}), DAILY, days(2))

    document = json.loads(json.dumps(made.as_json(is_detailed=True)))

    assert document["calls"] == 1
    assert document["calls_by_route"] == {"ticker_range": 1}
    assert document["seconds"] == 12.0
    assert document["work"] == [
        {
            "route": "ticker_range",
            "budget": "key",
            "dataset": BARS,
            "tickers": ["AAA"],
            "start": "2026-03-02",
            "end": "2026-03-04",
            "cells": 2,
            "rows": 2,
            "requests": 1,
            "bytes": 220,
            "disk_bytes": 120,
        }
    ]
    assert "work" not in made.as_json()


def test_a_plan_reads_as_lines():
    reach = {"floor": day(1), "is_rolling": True}

    made = plan(holes({"AAA": "xxx", "BBB": "xxx"}), [grouped(**reach)], days(3), max_tickers=1)

    assert made.lines() == [
        "2 calls for 2 cells: 2 grouped",
        "key: 24 s at 5 calls in 1 min, 1 min with a second to spare each",
        "estimated from rows: 22.0 kB to fetch, 12.0 kB on disk",
        "1 cells of 1 tickers were left out",
        "1 cells: outside what the subscription allows",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (61, "1 min"),
        (3_599, "1 h 00 min"),
        (66_012, "18 h 20 min"),
        (5e6, "1,388 h 53 min"),
    ],
)
def test_a_time_reads_as_people_say_it(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (999_960, "1.0 MB"),
        (27_037_065_000, "27.0 GB"),
        (3.1e12, "3.1 TB"),
    ],
)
def test_a_size_reads_as_people_say_it(count, text):
    assert size(count) == text
