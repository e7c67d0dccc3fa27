"""Longer bars hold what the shorter ones within them say, and nothing of both sides of an open or a close."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets import calendars
from orion_assets.transforms.resample import VALUES, from_days, from_minutes

DAY, HALF_DAY = date(2025, 11, 26), date(2025, 11, 28)
HOURS = {DAY: (datetime(2025, 11, 26, 14, 30, tzinfo=UTC), datetime(2025, 11, 26, 21, tzinfo=UTC))}
SESSIONS = pl.DataFrame(
    {
        "session": [DAY, HALF_DAY],
        "ts_open": [HOURS[DAY][0], datetime(2025, 11, 28, 14, 30, tzinfo=UTC)],
        "ts_close": [HOURS[DAY][1], datetime(2025, 11, 28, 18, tzinfo=UTC)],
    },
    schema_overrides={name: pl.Datetime("us", "UTC") for name in ("ts_open", "ts_close")},
)
AS_PANDAS = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum", "trade_count": "sum"}


def minute(at: datetime, price: float, volume: float | None = 10.0, *, session: date = DAY, **more) -> dict:
    row = {"ticker": "AAPL", "session": session, "ts_open": at, "open": price, "high": price + 1, "low": price - 1}
    return row | {"close": price + 0.5, "volume": volume, "vwap": price, "trade_count": 2.0} | more


def frame(rows: list[dict]) -> pl.DataFrame:
    numbers = dict.fromkeys(VALUES, pl.Float64)
    return pl.DataFrame(rows, schema_overrides={"ts_open": pl.Datetime("us", "UTC"), **numbers})


def random_minutes(session: date, start: datetime, count: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    at = [start + timedelta(minutes=int(m)) for m in sorted(rng.choice(count, count // 2, replace=False))]
    opens, closes = rng.uniform(90, 110, len(at)), rng.uniform(90, 110, len(at))
    return frame(
        [
            minute(t, float(o), float(v), session=session)
            | {"close": float(c), "high": float(max(o, c)) + 1, "low": float(min(o, c)) - 1}
            for t, o, c, v in zip(at, opens, closes, rng.integers(1, 1000, len(at)), strict=True)
        ]
    )


@pytest.mark.parametrize("length", [1, 5, 15, 30, 60, 240])
def test_regular_bars_are_those_of_pandas_counted_from_the_open(length):
    opens, closes = HOURS[DAY]
    minutes = random_minutes(DAY, opens, 390, seed=length)

    made = from_minutes(minutes.sample(fraction=1.0, shuffle=True, seed=1), SESSIONS, length)

    known = minutes.to_pandas().set_index("ts_open")
    oracle = known.resample(f"{length}min", origin=opens).agg(AS_PANDAS).dropna(subset=["open"])
    worth = (known["vwap"] * known["volume"]).resample(f"{length}min", origin=opens).sum()
    oracle["vwap"] = (worth / oracle["volume"]).loc[oracle.index]
    expected = pl.from_pandas(oracle.reset_index()).with_columns(pl.col("ts_open").cast(pl.Datetime("us", "UTC")))
    assert_frame_equal(made.select("ts_open", *VALUES), expected.select("ts_open", *VALUES), abs_tol=1e-9)
    assert made["ts_event"].max() <= closes
    assert (made["ts_event"] - made["ts_open"]).max() <= timedelta(minutes=length)


def test_no_bar_holds_minutes_of_both_sides_of_the_open_or_the_close():
    opens, closes = HOURS[DAY]
    at = [opens - timedelta(minutes=1), opens, closes - timedelta(minutes=1), closes]

    made = from_minutes(frame([minute(t, 100.0 + n) for n, t in enumerate(at)]), SESSIONS, 60)

    assert made.select("ts_open", "ts_event", "open").rows() == [
        (opens - timedelta(hours=1), opens, 100.0),
        (opens, opens + timedelta(hours=1), 101.0),
        # Six and a half hours hold six hours, and the half one that ends at the close
        (opens + timedelta(hours=6), closes, 102.0),
        (closes, closes + timedelta(hours=1), 103.0),
    ]


def test_a_half_day_closes_when_it_closes():
    close = datetime(2025, 11, 28, 18, tzinfo=UTC)
    at = [close - timedelta(minutes=2), close + timedelta(minutes=2)]

    made = from_minutes(frame([minute(t, 100.0, session=HALF_DAY) for t in at]), SESSIONS, 60)

    assert made["ts_event"].to_list() == [close, close + timedelta(hours=1)]


def test_minutes_of_a_date_that_is_no_session_are_left_out():
    thanksgiving = minute(datetime(2025, 11, 27, 15, tzinfo=UTC), 100.0, session=date(2025, 11, 27))

    assert from_minutes(frame([thanksgiving]), SESSIONS, 5).is_empty()


def test_what_one_minute_does_not_tell_the_bar_does_not_tell():
    opens, _ = HOURS[DAY]
    rows = [minute(opens, 100.0), minute(opens + timedelta(minutes=1), 102.0, None, vwap=None, trade_count=None)]

    (made,) = from_minutes(frame(rows), SESSIONS, 5).to_dicts()

    assert (made["volume"], made["vwap"], made["trade_count"]) == (None, None, None)
    assert (made["open"], made["high"], made["low"], made["close"]) == (100.0, 103.0, 99.0, 102.5)


def test_a_minute_without_volume_needs_no_average_price():
    opens, _ = HOURS[DAY]
    rows = [minute(opens, 100.0, 30.0), minute(opens + timedelta(minutes=1), 102.0, 0.0, vwap=None)]

    (made,) = from_minutes(frame(rows), SESSIONS, 5).to_dicts()

    assert (made["volume"], made["vwap"]) == (30.0, 100.0)


def test_tickers_are_kept_apart():
    opens, _ = HOURS[DAY]
    rows = [minute(opens, 100.0), minute(opens, 50.0) | {"ticker": "MSFT"}]

    made = from_minutes(frame(rows), SESSIONS, 5)

    assert made.select("ticker", "open").rows() == [("AAPL", 100.0), ("MSFT", 50.0)]


def test_a_length_that_is_none_is_refused():
    with pytest.raises(ValueError, match="bars of 0 minutes"):
        from_minutes(frame([minute(HOURS[DAY][0], 1.0)]), SESSIONS, 0)


@pytest.mark.parametrize(("timeframe", "rule"), [("1w", "W-SUN"), ("1mo", "ME")])
def test_weeks_and_months_are_those_of_pandas(timeframe, rule):
    known = calendars.sessions(date(2024, 1, 2), date(2024, 7, 1))
    rng = np.random.default_rng(7)
    opens, closes = rng.uniform(90, 110, known.height), rng.uniform(90, 110, known.height)
    days = known.select("session", ts_event="ts_close").with_columns(
        ticker=pl.lit("AAPL"),
        open=pl.Series(opens),
        close=pl.Series(closes),
        high=pl.Series(np.maximum(opens, closes) + 1),
        low=pl.Series(np.minimum(opens, closes) - 1),
        volume=pl.Series(rng.integers(1, 1000, known.height).astype(float)),
        vwap=pl.Series(opens),
        trade_count=pl.Series(rng.integers(1, 50, known.height).astype(float)),
    )

    made = from_days(days.sample(fraction=1.0, shuffle=True, seed=1), timeframe)

    oracle = days.to_pandas().assign(at=lambda f: f["session"].astype("datetime64[us]")).set_index("at")
    expected = pl.from_pandas(oracle.resample(rule).agg(AS_PANDAS | {"session": "last"}).reset_index(drop=True))
    assert_frame_equal(
        made.select(*AS_PANDAS, "session"),
        expected.select(*AS_PANDAS, pl.col("session").cast(pl.Date)),
        abs_tol=1e-9,
    )
    assert (
        made["ts_event"].to_list()
        == known.filter(pl.col("session").is_in(made["session"].to_list()))["ts_close"].to_list()
    )
