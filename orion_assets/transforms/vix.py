"""VIX days as a series: change and percentile, replayed over all versions."""

from typing import Final

import numpy as np
import polars as pl

from orion_assets.transforms.versions import Series, replay

SERIES: Final = Series(group="index", order="date")
WINDOW: Final = 252


def vix_series(days: pl.DataFrame) -> pl.DataFrame:
    """Give close, change and percentile of every VIX day, with every version of each.

    Args:
        days: CLEAN_VIX rows, all versions, from the first day.

    Returns:
        `date`, `vix_close` (points), `vix_change` (points, from the VIX day before; null on the first),
        `vix_percentile_252` (share of the last 252 VIX days, this one included, with a close at or below its own;
        null until there are 252), `ts_known`, `known_until`, `is_deleted`; sorted by date and `ts_known`.
    """
    points = days.select(pl.lit("VIX").alias("index"), "date", "close", "ts_known", "is_deleted")
    late = pl.DataFrame(schema={"index": pl.String, "ts_known": points.schema["ts_known"]})
    return replay(points, SERIES, late, lambda shown, _: _values(shown), pl.lit(value=True)).drop("index")


def _values(shown: pl.DataFrame) -> pl.DataFrame:
    close = pl.col("close")
    return shown.select(
        "index",
        "date",
        vix_close=close,
        vix_change=close - close.shift(),
        vix_percentile_252=pl.Series(_percentiles(shown["close"].to_numpy()), dtype=pl.Float64).fill_nan(None),
    )


def _percentiles(closes: np.ndarray) -> np.ndarray:
    shares = np.full(len(closes), np.nan)
    if len(closes) >= WINDOW:
        windows = np.lib.stride_tricks.sliding_window_view(closes, WINDOW)
        shares[WINDOW - 1 :] = (windows <= windows[:, -1:]).sum(axis=1) / WINDOW
    return shares
