"""Minutes of the synthetic market hold to their day: prices, volumes, clocks, half-days, daylight saving."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets import calendars
from orion_assets.sources.synthetic.market import FRACTIONAL_SINCE
from orion_assets.sources.synthetic.minutes import minute_bars
from orion_assets.sources.synthetic.vendor.truth import large_market

NEW_YORK = ZoneInfo("America/New_York")
# Friday before and Monday after each change of the clocks, a half-day and its neighbours
DAYS = [
    *(date(2025, 3, 7), date(2025, 3, 10), date(2025, 10, 31), date(2025, 11, 3)),
    *(date(2024, 11, 27), date(2024, 11, 29), date(2025, 7, 3), date(2025, 12, 24)),
    *(date(2026, 2, 20), date(2026, 2, 23), date(2026, 11, 20)),
]


@pytest.fixture(scope="module")
def market():
    return large_market(24, 501, date(2026, 11, 20))


@pytest.fixture(scope="module")
def bars(market):
    return market.bars.filter(pl.col("session").is_in(DAYS))


@pytest.fixture(scope="module")
def minutes(market, bars):
    made = minute_bars(market.seed, bars, market.sessions)
    local = made.with_columns(at=pl.col("ts_open").dt.convert_time_zone("America/New_York").dt.replace_time_zone(None))
    return local.with_columns(
        closes=pl.when(pl.col("session").is_in([date(2024, 11, 29), date(2025, 7, 3), date(2025, 12, 24)]))
        .then(pl.lit(time(13)))
        .otherwise(pl.lit(time(16)))
    )


@pytest.fixture(scope="module")
def regular(minutes):
    clock = pl.col("at").dt.time()
    return minutes.filter(clock >= time(9, 30), clock < pl.col("closes"))


def test_the_regular_minutes_make_the_day(bars, regular):
    day = regular.group_by("ticker", "session", maintain_order=True).agg(
        pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last()
    )

    assert_frame_equal(day, bars.select(day.columns), check_row_order=False, check_exact=True)


def test_volumes_sum_to_less_than_the_days(bars, minutes):
    both = minutes.group_by("ticker", "session").agg(told=pl.col("volume").sum()).join(bars, on=["ticker", "session"])

    assert both.height == bars.height
    assert both.filter(pl.col("told") > pl.col("volume")).is_empty()
    liquid = both.filter(pl.col("volume") > 1e6)
    assert (liquid["told"] / liquid["volume"]).is_between(0.8, 0.92).all()


def test_every_minute_is_a_possible_bar(minutes):
    row = pl.all_horizontal(
        pl.col("high") >= pl.max_horizontal("open", "close", "low", "vwap"),
        pl.col("low") <= pl.min_horizontal("open", "close", "vwap"),
        pl.col("low") > 0,
        pl.col("volume") > 0,
        pl.col("trade_count") >= 1,
    )

    assert minutes.filter(~row).is_empty()
    assert minutes.select("ticker", "ts_open").is_unique().all()
    assert minutes.null_count().sum_horizontal().item() == 0


def test_minutes_lie_between_four_and_eight_and_end_at_five_on_half_days(minutes):
    clock = pl.col("at").dt.time()
    latest = minutes.group_by("closes").agg(clock.max()).sort("closes")["at"].to_list()

    assert minutes.filter(pl.col("at").dt.date() != pl.col("session")).is_empty()
    assert minutes.select(clock.min()).item() < time(4, 20)
    assert [each.hour for each in latest] == [16, 19]


def test_the_opening_minute_follows_daylight_saving(minutes):
    first = (
        minutes.filter(pl.col("at").dt.time() >= time(9, 30), ticker="SAAA")
        .group_by("session")
        .agg(pl.col("ts_open").min())
    )

    found = {session: at.astimezone(UTC).hour for session, at in first.iter_rows()}

    assert {found[date(2025, 3, 7)], found[date(2025, 11, 3)]} == {14}
    assert {found[date(2025, 3, 10)], found[date(2025, 10, 31)]} == {13}


def test_who_hardly_trades_has_few_minutes_and_extended_hours_are_sparse(minutes, regular):
    counts = dict(minutes.group_by("ticker").len().iter_rows())
    outside = minutes.height - regular.height

    assert counts["SAAL"] < 20 * len(DAYS) < 300 * len(DAYS) < counts["SAAA"]
    assert 0 < outside / minutes.height < 0.45


def test_shares_are_whole_until_the_tapes_tell_of_parts(minutes):
    whole = pl.col("volume") == pl.col("volume").floor()
    busy = minutes.filter(ticker="SAAA")

    assert minutes.filter(~whole, pl.col("session") < FRACTIONAL_SINCE).is_empty()
    assert busy.filter(~whole, pl.col("session") >= FRACTIONAL_SINCE).height > 500


def test_a_session_is_the_same_whatever_is_asked_with_it(market, bars, minutes):
    one = bars.filter(ticker="SAAC", session=date(2025, 7, 3))

    alone = minute_bars(market.seed, one, market.sessions)

    assert_frame_equal(alone, minutes.filter(ticker="SAAC", session=date(2025, 7, 3)).select(alone.columns))


def test_a_single_share_is_a_single_minute():
    session = date(2024, 12, 24)
    bar = {"ticker": "ONE", "session": session, "open": 5.0, "high": 5.2, "low": 4.9, "close": 5.1}
    told = pl.DataFrame([bar | {"volume": 1.0, "trade_count": 1.0}])

    made = minute_bars(1, told, calendars.sessions(session, session + timedelta(days=1)))

    assert made.select("open", "high", "low", "close", "volume").rows() == [(5.0, 5.2, 4.9, 5.1, 1.0)]
    assert datetime(2024, 12, 24, 9, 30, tzinfo=NEW_YORK) <= made["ts_open"][0]
    assert made["ts_open"][0] < datetime(2024, 12, 24, 13, tzinfo=NEW_YORK)


def test_no_bars_make_no_minutes(market, bars):
    assert minute_bars(market.seed, bars.head(0), market.sessions).is_empty()
