"""The core indicators beside TA-Lib, Polars expressions, and what the memory alone takes.

Daily shape: 500 tickers x 2,520 sessions (300 with --quick), random walks. Rounds interleave the contestants; medians.
Each contestant starts from a Polars frame and ends with a Polars frame; results agree before anything is timed. TA-Lib
gets the better of one and two threads. The floor writes 25 columns into memory that exists already and reads 4.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from statistics import median

import numpy as np
import polars as pl
import talib

from orion_assets.transforms.indicators import CORE, compute

NAMES = [output.name for entry in CORE for output in entry.outputs]


def walks(tickers, rows, seed=1):
    draw = np.random.default_rng(seed)
    count = tickers * rows
    close = (100 * np.exp(np.cumsum(draw.normal(0, 0.015, (tickers, rows)), axis=1))).ravel()
    opens = close * np.exp(draw.normal(0, 0.005, count))
    first = date(2010, 1, 1)
    sessions = pl.date_range(first, first + timedelta(days=rows - 1), eager=True)
    return pl.DataFrame(
        {
            "ticker": np.repeat([f"T{i:04d}" for i in range(tickers)], rows),
            "session": pl.concat([sessions] * tickers, rechunk=True),
            "open": opens,
            "high": np.maximum(opens, close) * np.exp(np.abs(draw.normal(0, 0.005, count))),
            "low": np.minimum(opens, close) * np.exp(-np.abs(draw.normal(0, 0.005, count))),
            "close": close,
            "volume": np.floor(np.exp(draw.normal(13, 0.5, count))) + 1,
        }
    )


def with_talib(bars, threads):
    """A loop over tickers, as one writes it; NaN is turned into null as the frame is built."""
    high, low, close, volume = (bars[name].to_numpy() for name in ("high", "low", "close", "volume"))
    stops = np.cumsum(bars["ticker"].rle().struct.field("len").to_numpy().astype(np.int64))
    columns = {name: np.full(bars.height, np.nan) for name in NAMES}

    def one(start, stop):
        h, lo, c, v = high[start:stop], low[start:stop], close[start:stop], volume[start:stop]
        upper, middle, lower = talib.BBANDS(c, 20, 2, 2)
        line, signal, histogram = talib.MACD(c, 12, 26, 9)
        k, d = talib.STOCHF(h, lo, c, 14, 3, 0)
        log_return = np.full(c.size, np.nan)
        log_return[1:] = np.log(c[1:] / c[:-1])
        deviation = np.full(c.size, np.nan)
        deviation[1:] = talib.STDDEV(log_return[1:], 20) * np.sqrt(20 / 19)
        values = {f"sma_{n}": talib.SMA(c, n) for n in (5, 10, 20, 50, 200)}
        values |= {f"ema_{n}": talib.EMA(c, n) for n in (12, 26)} | {f"roc_{n}": talib.ROC(c, n) for n in (1, 5, 20)}
        values |= {"rsi_14": talib.RSI(c, 14), "atr_14": talib.ATR(h, lo, c, 14), "obv": talib.OBV(c, v)}
        values |= {"macd_12_26": line, "macd_signal_12_26_9": signal, "macd_hist_12_26_9": histogram}
        values |= {"bb_upper_20_2": upper, "bb_middle_20_2": middle, "bb_lower_20_2": lower}
        values |= {"bb_percent_b_20_2": (c - lower) / (upper - lower), "bb_width_20_2": (upper - lower) / middle}
        values |= {"stoch_k_14": k, "stoch_d_14_3": d, "ret_simple": talib.ROCP(c, 1), "ret_log": log_return}
        values |= {"vwap_20": talib.SUM((h + lo + c) / 3 * v, 20) / talib.SUM(v, 20), "realized_vol_20": deviation}
        for name, column in columns.items():
            column[start:stop] = values[name]

    starts = stops - np.diff(stops, prepend=0)
    if threads == 1:
        for start, stop in zip(starts, stops, strict=True):
            one(start, stop)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, starts, stops))
    return bars.hstack([pl.Series(name, values, nan_to_null=True) for name, values in columns.items()])


def with_polars(bars):
    """Expressions over the ticker, with TA-Lib's seeds, in the in-memory engine."""
    high, low, close, volume = (pl.col(name) for name in ("high", "low", "close", "volume"))
    place = pl.int_range(pl.len())

    def seeded(values, window, first, alpha):
        seed = pl.when(place == first).then(values.rolling_mean(window))
        return seed.when(place > first).then(values).ewm_mean(alpha=alpha, adjust=False, ignore_nulls=True)

    change, before = close.diff(), close.shift()
    gain, loss = (seeded(side.clip(lower_bound=0), 14, 14, 1 / 14) for side in (change, -change))
    extent = pl.max_horizontal(high, before) - pl.min_horizontal(low, before)
    middle, half = close.rolling_mean(20), 2 * close.rolling_std(20, ddof=0)
    line = seeded(close, 12, 25, 2 / 13) - seeded(close, 26, 25, 2 / 27)
    signal = seeded(line, 9, 33, 0.2)
    bottom = low.rolling_min(14)
    k = 100 * (close - bottom) / (high.rolling_max(14) - bottom)
    turnover = (high + low + close) / 3 * volume
    columns = {f"sma_{n}": close.rolling_mean(n) for n in (5, 10, 20, 50, 200)}
    columns |= {f"ema_{n}": seeded(close, n, n - 1, 2 / (n + 1)) for n in (12, 26)}
    columns |= {f"roc_{n}": 100 * (close / close.shift(n) - 1) for n in (1, 5, 20)}
    columns |= {
        "macd_12_26": pl.when(place >= 33).then(line),
        "macd_signal_12_26_9": signal,
        "macd_hist_12_26_9": line - signal,
        "rsi_14": 100 * gain / (gain + loss),
        "atr_14": seeded(pl.when(place > 0).then(extent), 14, 14, 1 / 14),
        "obv": pl.when(place == 0).then(volume).otherwise(volume * change.sign()).cum_sum(),
        "bb_upper_20_2": middle + half,
        "bb_middle_20_2": middle,
        "bb_lower_20_2": middle - half,
        "bb_percent_b_20_2": (close - middle + half) / (2 * half),
        "bb_width_20_2": 2 * half / middle,
        "stoch_k_14": pl.when(place >= 15).then(k),
        "stoch_d_14_3": k.rolling_mean(3),
        "vwap_20": turnover.rolling_sum(20) / volume.rolling_sum(20),
        "ret_simple": close / before - 1,
        "ret_log": (close / before).log(),
        "realized_vol_20": (close / before).log().rolling_std(20),
    }
    return bars.lazy().with_columns(columns[name].over("ticker").alias(name) for name in NAMES).collect()


def assert_agree(ours, theirs, peer):
    price = ours["close"].to_numpy()
    for entry in CORE:
        for output in entry.outputs:
            left, right = ours[output.name], theirs[output.name]
            if left.is_null().to_list() != right.is_null().to_list():
                sys.exit(f"indicators: {output.name} has nulls at other rows than {peer}")
            scale = price if output.degree.price else 100.0 if output.unit == "percent" else 1.0
            gap = np.abs(left.to_numpy() - right.to_numpy()) / np.maximum(np.abs(right.to_numpy()), scale)
            if np.nanmax(gap) > 1e-9:
                sys.exit(f"indicators: {output.name} differs from {peer} by {np.nanmax(gap):.1e}")


def timed(work):
    start = time.perf_counter()
    result = work()
    spent = 1e3 * (time.perf_counter() - start)
    del result
    return spent


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer tickers and rounds; ends within 50 s")
    quick = parser.parse_args().quick
    bars = walks(300 if quick else 500, 2520)
    rounds, slow_rounds = (5, 2) if quick else (11, 5)
    columns = [np.zeros(bars.height) for _ in range(25)]
    inputs = [bars[name].to_numpy() for name in ("high", "low", "close", "volume")]

    def floor():
        for column in columns:
            column.fill(1.0)
        return [values.sum() for values in inputs]

    ours = compute(bars)
    assert_agree(ours, with_talib(bars, 1), "TA-Lib")
    assert_agree(ours, with_polars(bars), "Polars")
    del ours
    contestants = {
        "orion": lambda: compute(bars),
        "orion, 1 thread": lambda: compute(bars, threads=1),
        "talib, 1 thread": lambda: with_talib(bars, 1),
        "talib, 2 threads": lambda: with_talib(bars, 2),
        "polars": lambda: with_polars(bars),
        "floor": floor,
    }
    times = {name: [] for name in contestants}
    for number in range(rounds):
        for name, work in contestants.items():
            if name != "polars" or number < slow_rounds:
                times[name].append(timed(work))
    medians = {name: median(values) for name, values in times.items()}
    medians["talib"] = min(medians["talib, 1 thread"], medians["talib, 2 threads"])
    print(f"{len(NAMES)} columns over {bars.height:,} rows, {bars['ticker'].n_unique()} tickers, ms")
    for name in contestants:
        print(f"{name:18s} {medians[name]:9.1f}   best {min(times[name]):9.1f}   {len(times[name])} rounds")
    ratios = {f"daily/{peer}": round(medians["orion"] / medians[peer], 3) for peer in ("talib", "polars", "floor")}
    print(json.dumps({"name": "indicators", "ratios": ratios}))


if __name__ == "__main__":
    main()
