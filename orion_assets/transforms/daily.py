"""feature_indicators: the daily indicators of every ticker, replayed over all versions of bars and splits."""

from datetime import date
from typing import Final

import polars as pl

from orion_assets.schemas import FEATURE_INDICATORS
from orion_assets.transforms.adjust import forward, split_factors
from orion_assets.transforms.indicators import CORE, compute
from orion_assets.transforms.versions import Series, replay, visible

SERIES: Final = Series(group="ticker", order="session")
_BAR: Final = ("open", "high", "low", "close", "volume")
_ACTION_KEY: Final = ("security_id", "ex_date", "kind")


def feature_indicators(bars: pl.DataFrame, actions: pl.DataFrame, start: date, end: date) -> pl.DataFrame:
    """Give the indicators of the sessions in [start, end), with every version of each row.

    Args:
        bars: CLEAN_DAILY_BARS rows, all versions, from each ticker's first bar up to `end`.
        actions: CORPORATE_ACTIONS rows, all versions, up to `end`.
        start: First session to return.
        end: First session no longer returned.

    Returns:
        FEATURE_INDICATORS rows, sorted by key and `ts_known`. Values are in the session's own units (a price
        indicator is divided by the factor F its forward series was multiplied by); cumulative ones stay in forward
        units. A withdrawn bar gives a version with `is_deleted` and null values.
    """
    splits = actions.filter(pl.col("kind") == "split")

    def values(shown: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
        return _values(shown, _visible_splits(splits, limits))

    points = bars.select("ticker", "session", *_BAR, "ts_known", "is_deleted").filter(pl.col("session") < end)
    wanted = pl.col("session").is_between(start, end, closed="left")
    rows = replay(points, SERIES, _late_splits(points, splits), values, wanted)
    events = bars.select("ticker", "session", "ts_event").unique(["ticker", "session"], keep="first")
    return rows.join(events, on=["ticker", "session"], how="left", maintain_order="left").select(
        FEATURE_INDICATORS.names
    )


def _values(shown: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    with_factor = split_factors(shown.select("ticker", "session", *_BAR), splits)
    computed = compute(forward(with_factor).with_columns(_traded=with_factor["close"]), CORE)
    own_units = [
        pl.col(output.name) * pl.col("split_factor").pow(output.degree.volume - output.degree.price)
        for indicator in CORE
        for output in indicator.outputs
        if not output.is_cumulative and output.degree.volume != output.degree.price
    ]
    return (
        computed.with_columns(close="_traded")
        .with_columns(own_units)
        .select(
            "ticker", "session", "close", "split_factor", *(o.name for indicator in CORE for o in indicator.outputs)
        )
    )


def _visible_splits(splits: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
    known = splits.join(limits, on="ticker").filter(
        pl.col("_before").is_null() | (pl.col("ts_known") < pl.col("_before"))
    )
    return visible(known.drop("_before"), _ACTION_KEY)


def _late_splits(points: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """Find the instants at which a split changed what bars already arrived are multiplied by."""
    arrivals = points.select("ticker", "session", _arrived="ts_known")
    return (
        splits.select("ticker", "ex_date", "ts_known")
        .join(arrivals, on="ticker")
        .filter((pl.col("session") >= pl.col("ex_date")) & (pl.col("_arrived") < pl.col("ts_known")))
        .select("ticker", "ts_known")
        .unique()
    )
