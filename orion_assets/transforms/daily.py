"""feature_indicators: the daily indicators of every ticker, replayed over all versions of bars and splits."""

from datetime import date
from typing import Final

import polars as pl

from orion_assets.schemas import FEATURE_INDICATORS
from orion_assets.transforms.adjust import forward, split_factors
from orion_assets.transforms.identity import identified, linked, of_securities
from orion_assets.transforms.indicators import CORE, compute
from orion_assets.transforms.versions import Series, replay, visible

# Securities that shared a ticker and tickers that shared a security are computed together, lest one miss the other
SERIES: Final = Series(group="lineage", order="session", names=("ticker",))
_BAR: Final = ("open", "high", "low", "close", "volume")
_ACTION_KEY: Final = ("security_id", "ex_date", "kind")
_OUTPUTS: Final = tuple(output.name for indicator in CORE for output in indicator.outputs)


def feature_indicators(
    bars: pl.DataFrame, actions: pl.DataFrame, securities: pl.DataFrame, start: date, end: date
) -> pl.DataFrame:
    """Give the indicators of the sessions in [start, end), with every version of each row.

    Args:
        bars: CLEAN_DAILY_BARS rows, all versions, from each ticker's first bar up to `end`.
        actions: CORPORATE_ACTIONS rows, all versions, up to `end`.
        securities: SECURITIES rows, all versions: a series is a security's, under whatever tickers it traded.
        start: First session to return.
        end: First session no longer returned.

    Returns:
        FEATURE_INDICATORS rows, sorted by key and `ts_known`. Values are in the session's own units (a price
        indicator is divided by the factor F its forward series was multiplied by); cumulative ones stay in forward
        units. A withdrawn bar gives a version with `is_deleted` and null values. A rename or reuse learned late adds
        versions to the rows that it changes.
    """
    points = bars.select("ticker", "session", *_BAR, "ts_known", "is_deleted").filter(pl.col("session") < end)
    related = linked(securities.select("ticker", "security_id"))
    points, securities, actions = (_in_lineages(frame, related) for frame in (points, securities, actions))
    splits = actions.filter(pl.col("kind") == "split")

    def values(shown: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
        intervals = visible(_before(securities, limits), ("security_id", "valid_from"))
        return _values(shown, visible(_before(splits, limits), _ACTION_KEY), intervals)

    wanted = pl.col("session").is_between(start, end, closed="left")
    late = pl.concat([_late_splits(points, splits), _late_securities(points, securities)])
    rows = replay(points, SERIES, late.unique(), values, wanted)
    events = bars.select("ticker", "session", "ts_event").unique(["ticker", "session"], keep="first")
    return rows.join(events, on=["ticker", "session"], how="left", maintain_order="left").select(
        FEATURE_INDICATORS.names
    )


def _in_lineages(rows: pl.DataFrame, related: pl.DataFrame) -> pl.DataFrame:
    joined = rows.join(related, on="ticker", how="left", maintain_order="left")
    return joined.with_columns(pl.col("lineage").fill_null(pl.col("ticker")))


def _values(shown: pl.DataFrame, splits: pl.DataFrame, intervals: pl.DataFrame) -> pl.DataFrame:
    bars = identified(shown.select("lineage", "ticker", "session", *_BAR), intervals, "session")
    with_factor = split_factors(bars, of_securities(splits, intervals))
    series = forward(with_factor).with_columns(_traded=with_factor["close"], _ticker="ticker")
    computed = compute(series.with_columns(ticker="security_id"), CORE).with_columns(ticker="_ticker")
    own_units = [
        pl.col(output.name) * pl.col("split_factor").pow(output.degree.volume - output.degree.price)
        for indicator in CORE
        for output in indicator.outputs
        if not output.is_cumulative and output.degree.volume != output.degree.price
    ]
    return (
        computed.with_columns(close="_traded")
        .with_columns(own_units)
        .select("lineage", "ticker", "session", "close", "split_factor", *_OUTPUTS)
    )


def _before(versions: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
    known = versions.join(limits, on=SERIES.group)
    return known.filter(pl.col("_before").is_null() | (pl.col("ts_known") < pl.col("_before"))).drop("_before")


def _late_splits(points: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """Find the instants at which a split changed what bars already arrived are multiplied by."""
    arrivals = points.select("lineage", "session", _arrived="ts_known")
    return (
        splits.select("lineage", "ex_date", "ts_known")
        .join(arrivals, on="lineage")
        .filter((pl.col("session") >= pl.col("ex_date")) & (pl.col("_arrived") < pl.col("ts_known")))
        .select("lineage", "ts_known")
        .unique()
    )


def _late_securities(points: pl.DataFrame, securities: pl.DataFrame) -> pl.DataFrame:
    """Find the instants at which bars already arrived may have been told to be another security's."""
    arrived = points.group_by("lineage").agg(_arrived=pl.col("ts_known").min(), _first=pl.col("session").min())
    # One security under one ticker, without an end: whenever it is named, its series is the ticker's
    is_plain = (
        (pl.struct("ticker", "security_id").n_unique() == 1)
        & pl.col("valid_to").is_null().all()
        & (~pl.col("is_start_known").any() | (pl.col("valid_from").max() <= pl.col("_first").first()))
    )
    told = securities.join(arrived, on="lineage")
    bent = told.group_by("lineage").agg(_is_plain=is_plain).filter(~pl.col("_is_plain"))
    return (
        told.join(bent, on="lineage", how="semi")
        .filter(pl.col("ts_known") > pl.col("_arrived"))
        .select("lineage", "ts_known")
        .unique()
    )
