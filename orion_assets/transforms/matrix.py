"""feature_matrix: the point-in-time join of what a model may read of a ticker at a decision instant."""

from typing import Final

import polars as pl

from orion_assets.schemas import FEATURE_INDICATORS, FEATURE_MARKET, FEATURE_MATRIX, FEATURE_SENTIMENT
from orion_assets.tables import Table
from orion_assets.transforms.versions import change_points

_KEY: Final = FEATURE_MATRIX.key
_CLOCKS: Final = ("ts_event", "ts_known", "known_until", "is_deleted")


def feature_matrix(
    indicators: pl.DataFrame,
    sentiment: pl.DataFrame,
    market: pl.DataFrame,
    cells: pl.DataFrame,
) -> pl.DataFrame:
    """Join the features of each ticker at each cut-off, with every version of each row.

    Args:
        indicators: FEATURE_INDICATORS rows, all versions, of the sessions wanted and the one before them.
        sentiment: FEATURE_SENTIMENT rows, all versions.
        market: FEATURE_MARKET rows, all versions.
        cells: market.asked() rows of raw_daily_bars: the cut-offs that may have rows.

    Returns:
        FEATURE_MATRIX rows: a ticker has one at a cut-off while the bar of `bar_session` is visible. `ts_known` is the
        cut-off, the later instant at which bars were first asked of it, or the later arrival that changed a value. A
        feature that is not there is null.
    """
    bars = indicators.rename({"session": "bar_session"})
    rows = cells.filter(pl.col("bar_session").is_not_null()).join(
        bars.select("ticker", "bar_session").unique(), on="bar_session"
    )
    by_bar, by_mood, by_market = ["ticker", "bar_session"], [*_KEY], ["session", "cutoff"]
    moments = pl.concat(
        [
            rows.with_columns(_at="ts_asked"),
            *(_changes(rows, frame, on) for frame, on in ((bars, by_bar), (sentiment, by_mood), (market, by_market))),
        ]
    ).unique([*_KEY, "_at"])
    joined = _as_known(moments, bars, by_bar, FEATURE_INDICATORS)
    is_there = pl.col("_is_visible")
    joined = joined.with_columns(is_deleted=~is_there).drop("_is_visible")
    joined = _as_known(joined, sentiment, by_mood, FEATURE_SENTIMENT).drop("_is_visible")
    joined = _as_known(joined, market, by_market, FEATURE_MARKET).drop("_is_visible")
    values = [name for name in FEATURE_MATRIX.names if name not in (*_KEY, *_CLOCKS, "bar_session")]
    blanked = joined.with_columns(pl.when(~pl.col("is_deleted")).then(pl.col(name)).alias(name) for name in values)
    stamped = blanked.with_columns(ts_event="ts_cutoff", ts_known="_at")
    return change_points(stamped, _KEY, values).select(FEATURE_MATRIX.names)


def _changes(rows: pl.DataFrame, frame: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    later = frame.select(*on, _at="ts_known")
    return rows.join(later, on=on).filter(pl.col("_at") > pl.col("ts_asked")).select(*rows.columns, "_at")


def _as_known(moments: pl.DataFrame, frame: pl.DataFrame, on: list[str], table: Table) -> pl.DataFrame:
    """Add a table's values as they were known at `_at`; null where the row was not there."""
    values = [name for name in table.names if name not in (*table.key, *_CLOCKS)]
    versions = frame.select(*on, *values, _known="ts_known", _gone="is_deleted").sort("_known")
    joined = moments.sort("_at").join_asof(versions, left_on="_at", right_on="_known", by=on, check_sortedness=False)
    is_visible = pl.col("_known").is_not_null() & ~pl.col("_gone").fill_null(value=True)
    shown = (pl.when(is_visible).then(pl.col(name)).alias(name) for name in values)
    return joined.with_columns(*shown, _is_visible=is_visible).drop("_known", "_gone")
