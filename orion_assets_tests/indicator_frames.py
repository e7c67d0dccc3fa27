"""Bars for the indicator tests: seeded walks, hand-written closes, and the laws that every indicator must keep."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from orion_assets.transforms.indicators import Degree, Indicator, Output, compute

PRICE = Degree(price=1, volume=0)
VALUES = ("open", "high", "low", "close", "volume")


def bars_of(closes, *, ticker="A", volumes=None, spread=0.0):
    """One bar a day with the given closes; high and low lie `spread` of the close around it."""
    close = np.asarray(closes, dtype=np.float64)
    first = date(2020, 1, 1)
    return pl.DataFrame(
        {
            "ticker": [ticker] * close.size,
            "session": [first + timedelta(days=i) for i in range(close.size)],
            "open": close,
            "high": close * (1 + spread),
            "low": close * (1 - spread),
            "close": close,
            "volume": np.asarray(volumes, dtype=np.float64) if volumes is not None else np.full(close.size, 1000.0),
        },
        schema_overrides={"ticker": pl.String, "session": pl.Date},
    )


def walk(rows, *, ticker="A", seed=0, start=100.0):
    """A seeded random walk with calm and wild stretches, unchanged closes and bars without volume."""
    draw = np.random.default_rng(seed)
    scale = 0.01 * np.exp(np.repeat(draw.normal(0, 0.5, rows // 50 + 1), 50)[:rows])
    close = start * np.exp(np.cumsum(draw.normal(0, 1, rows) * scale))
    for row in np.flatnonzero(draw.random(rows) < 0.05):
        close[row] = close[max(row - 1, 0)]
    opens = close * np.exp(draw.normal(0, 0.004, rows))
    volume = np.floor(np.exp(draw.normal(13, 0.6, rows)))
    volume[draw.random(rows) < 0.02] = 0.0
    return bars_of(close, ticker=ticker, volumes=volume).with_columns(
        open=opens,
        high=np.maximum(opens, close) * np.exp(np.abs(draw.normal(0, 0.004, rows))),
        low=np.minimum(opens, close) * np.exp(-np.abs(draw.normal(0, 0.004, rows))),
    )


def market(tickers=5, rows=600, *, seed=7):
    """Walks of several tickers of different length, from pennies to thousands."""
    return pl.concat(
        walk(rows * (20 - i) // 20, ticker=f"T{i:03d}", seed=seed + i, start=10.0 ** (i % 5 - 1))
        for i in range(tickers)
    )


def features(bars, entry):
    return compute(bars, [entry]).select(output.name for output in entry.outputs)


def differences(left, right):
    """Names of the columns whose values differ in one bit, or in nulls."""
    return [name for name in left.columns if _bits(left[name]) != _bits(right[name])]


def _bits(column):
    nulls = column.is_null().to_list()
    if column.dtype != pl.Float64:
        return nulls, column.to_list()
    return nulls, column.fill_null(0.0).to_numpy().tobytes()


def lookahead(entry, past, future):
    """Columns of `past` that change when `future` arrives: a causal indicator has none."""
    return differences(features(past, entry), features(pl.concat((past, future)), entry).head(past.height))


def scale_faults(entry, bars, a, b):
    """Columns that do not answer to prices times 2^a and volumes times 2^b as their degree says, bit for bit."""
    prices = [pl.col(name) * 2.0**a for name in VALUES[:4]]
    scaled = features(bars.with_columns(*prices, pl.col("volume") * 2.0**b), entry)
    expected = features(bars, entry).with_columns(
        pl.col(output.name) * 2.0 ** (a * output.degree.price + b * output.degree.volume) for output in entry.outputs
    )
    return differences(scaled, expected)


def planted(per_ticker, *, degree=PRICE):
    """An indicator that a test makes up: `per_ticker` turns one ticker's closes into as many values."""

    def body(panel, into):
        for start, stop in zip(panel.offsets, panel.offsets[1:], strict=False):
            into[0][start:stop] = per_ticker(panel.close[start:stop])

    outputs = (Output("planted", degree, "USD", "A plant"),)
    return Indicator("planted", body, outputs, warm_up=0, oracle="none", inputs=("close",))
