"""When a market's date rolls and how long it pauses is a parameter: what follows, over both changes of clocks."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from orion_assets.hours import Hours
from orion_assets.market_hours import sessions_of, traded_in, trading_dates
from orion_assets.markets import CRYPTO, EQUITIES, FX, INDICES, OPTIONS, Market
from orion_assets.schemas import RAW_MINUTE_BARS, table_of
from orion_assets.sources.polygon.market_routes import datasets, market_routes
from orion_assets.sources.polygon.routes import RIGHTS, polygon_routes
from orion_assets.transforms.minutes import clean_minute_bars

# 18:00 to 17:00 New York, with an hour between: as futures trade
WITH_A_BREAK = replace(FX, hours=Hours(time(18), time(17), time(17)))
# What the SIPs plan: 21:00 to 20:00, on the exchange's sessions
ROUND_THE_CLOCK = replace(EQUITIES, hours=Hours(time(21), time(20), time(20)))


def utc(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


def dated(market: Market, instant: datetime) -> date:
    return (
        pl.DataFrame({"at": [instant]}, {"at": pl.Datetime("us", "UTC")})
        .select(trading_dates(market, pl.col("at")))
        .item()
    )


# Friday and Monday, and the hour of UTC at which New York's 17:00 strikes on each, in 2024
SPRING = (date(2024, 3, 8), 22, date(2024, 3, 11), 21)
AUTUMN = (date(2024, 11, 1), 21, date(2024, 11, 4), 22)
CHANGES = pytest.mark.parametrize(("friday", "before", "monday", "after"), [SPRING, AUTUMN], ids=["spring", "autumn"])


@CHANGES
def test_a_session_ends_at_its_roll_and_begins_after_the_break(friday, before, monday, after):
    days = sessions_of(WITH_A_BREAK, friday, monday + timedelta(days=1))

    thursday, sunday = friday - timedelta(days=1), monday - timedelta(days=1)
    assert days.select("session", "ts_open", "ts_close").rows() == [
        (friday, utc(thursday, before + 1), utc(friday, before)),
        (monday, utc(sunday, after + 1), utc(monday, after)),
    ]
    assert days["ts_close_cutoff"].to_list() == [utc(friday, before, 30), utc(monday, after, 30)]
    hours = traded_in(WITH_A_BREAK, friday, monday + timedelta(days=1))
    assert (
        hours.select((pl.col("ts_last") - pl.col("ts_first")).dt.total_minutes()).to_series().to_list() == [1_380] * 2
    )


@CHANGES
def test_the_date_rolls_at_the_same_clock_time_on_both_sides(friday, before, monday, after):
    for market in (FX, WITH_A_BREAK):
        assert dated(market, utc(friday, before - 1, 59)) == friday
        assert dated(market, utc(friday, before)) == friday + timedelta(days=1)
        assert dated(market, utc(monday - timedelta(days=1), after)) == monday
        assert dated(market, utc(monday, after - 1, 59)) == monday
        assert dated(market, utc(monday, after)) == monday + timedelta(days=1)


@CHANGES
@pytest.mark.parametrize("rolls", [time(17), time(20, 30)])
def test_each_of_many_minutes_has_the_date_of_its_clock_time_in_any_order(friday, before, monday, after, rolls):
    market = replace(FX, hours=Hours(rolls, rolls, rolls))
    minutes = [utc(friday, 0) + timedelta(minutes=number) for number in range(6 * 24 * 60)]
    told = [None, *minutes[::-1], minutes[7]]
    found = pl.DataFrame({"at": told}, {"at": pl.Datetime("us", "UTC")}).select(trading_dates(market, pl.col("at")))

    clock = [at.astimezone(ZoneInfo("America/New_York")) for at in told if at is not None]
    dates = [at.date() + timedelta(days=at.time() >= rolls) for at in clock]
    assert found.to_series().to_list() == [None, *dates]


@CHANGES
def test_sessions_of_the_exchange_may_roll_in_the_evening_too(friday, before, monday, after):
    hours = traded_in(ROUND_THE_CLOCK, friday, monday + timedelta(days=1))

    # 21:00 and 20:00 New York: the regular hours between are the exchange's own
    thursday = friday - timedelta(days=1)
    assert hours.select("ts_first", "ts_last").rows() == [
        (utc(thursday, before) + timedelta(hours=4), utc(friday, before) + timedelta(hours=3)),
        (utc(monday - timedelta(days=1), after) + timedelta(hours=4), utc(monday, after) + timedelta(hours=3)),
    ]
    assert hours["ts_open"].to_list() == [utc(friday, before - 8, 30), utc(monday, after - 8, 30)]
    assert dated(ROUND_THE_CLOCK, utc(monday, after) + timedelta(hours=3)) == monday + timedelta(days=1)


@CHANGES
def test_a_minute_in_the_break_is_held_back(friday, before, monday, after):
    opens = [utc(monday, after) - timedelta(minutes=1), utc(monday - timedelta(days=1), after, 30),
             utc(monday - timedelta(days=1), after + 1)]  # fmt: skip
    table = table_of(RAW_MINUTE_BARS, FX)
    raw = table.conform(
        pl.DataFrame({"ts_open": opens}, {"ts_open": pl.Datetime("us", "UTC")}).with_columns(
            *(pl.lit(1.0).alias(name) for name in ("open", "high", "low", "close", "volume", "vwap", "trade_count")),
            ticker=pl.lit("C:EURUSD"),
            session=pl.lit(monday),
            ts_event=pl.col("ts_open") + timedelta(minutes=1),
            ts_known=pl.col("ts_open") + timedelta(minutes=16),
            ts_ingested=pl.col("ts_open") + timedelta(minutes=16),
            availability=pl.lit("assumed"),
            is_deleted=pl.lit(value=False),
            source=pl.lit("polygon"),
            source_file=pl.lit("/v2"),
            source_row=pl.lit(1, pl.Int64),
            source_hash=pl.lit("0" * 64),
            problem=pl.lit(None, pl.String),
        )
    )

    done = [
        clean_minute_bars(raw, traded_in(market, monday, monday + timedelta(days=1)), FX)
        for market in (WITH_A_BREAK, FX)
    ]

    assert [each.rows.height for each in done] == [2, 3]
    assert done[0].quarantine["rule"].to_list() == ["within_hours"]
    assert done[1].quarantine.is_empty()


def test_how_much_a_call_holds_follows_from_the_hours():
    today = date(2026, 11, 20)
    (own,) = [
        route
        for route in market_routes(RIGHTS["advanced"], today, [WITH_A_BREAK])
        if route.dataset == datasets(WITH_A_BREAK)[1]
    ]
    (of_equities,) = [
        route
        for route in polygon_routes(RIGHTS["free"], today, minutes=ROUND_THE_CLOCK.minutes)
        if route.name == "minute_window"
    ]

    assert (WITH_A_BREAK.minutes, ROUND_THE_CLOCK.minutes) == (1_380, 1_380)
    assert (own.longest, of_equities.longest) == (36, 36)
    assert [market.minutes for market in (EQUITIES, OPTIONS, CRYPTO, FX, INDICES)] == [960, 960, 1_440, 1_440, 1_440]
