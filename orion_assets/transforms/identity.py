"""Whose bar, split or dividend a ticker's row is: the security that bore the ticker on that date.

A series belongs to a security, not to its ticker: a renamed one goes on, a reused ticker begins anew.
"""

from collections.abc import Sequence
from typing import Final

import polars as pl

from orion_assets.transforms.versions import visible

UNKNOWN: Final = "unknown:"
_INTERVAL: Final = ("security_id", "valid_from")
_ACTION: Final = ("security_id", "ex_date", "kind")


def identified(points: pl.DataFrame, intervals: pl.DataFrame, on: str, within: Sequence[str] = ()) -> pl.DataFrame:
    """Add `security_id`: who bore the ticker on a date.

    Args:
        points: Rows with `ticker` and the date column `on`; a `security_id` they have is replaced.
        intervals: Visible SECURITIES rows.
        on: Name of the date column.
        within: Further columns that a point and an interval must share.

    Returns:
        `points`, in order, with `security_id` (String, no nulls). A date before a ticker's first interval belongs to
        it where its start is not known; one that no interval holds is `unknown:TICKER`, a series of its own.
    """
    unknown = pl.lit(UNKNOWN) + pl.col("ticker")
    if points.is_empty() or intervals.is_empty():
        # Many turns of a replay have nobody to name
        return points.drop("security_id", strict=False).with_columns(security_id=unknown)
    keys = [*within, "ticker"]
    pieces = _pieces(intervals, keys)
    first = pieces.unique(keys, keep="first", maintain_order=True).filter(~pl.col("is_start_known"))
    given = [name for name in points.columns if name != "security_id"]
    held = (
        points.select(given)
        .with_row_index("_row")
        .sort(on)
        .join_asof(pieces, left_on=on, right_on="_edge", by=keys, check_sortedness=False)
        .join(first.select(*keys, _before="security_id"), on=keys, how="left")
    )
    holder = pl.when(pl.col("_edge").is_null()).then("_before").otherwise("security_id")
    return held.with_columns(security_id=pl.coalesce(holder, unknown)).sort("_row").select(*given, "security_id")


def _pieces(intervals: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Cut each ticker's dates where an interval begins or ends: `_edge`, `security_id` from then on, null for none.

    Of intervals that overlap the one that began last holds, and when it ends the one around it again.
    """
    is_empty = (pl.col("valid_from") >= pl.col("valid_to")).fill_null(value=False)
    known = intervals.select(*keys, *_INTERVAL, "valid_to", "is_start_known").filter(~is_empty)
    edges = pl.concat(
        [known.select(*keys, _edge="valid_from"), known.select(*keys, _edge="valid_to").drop_nulls("_edge")]
    ).unique()
    is_over = (pl.col("valid_to") <= pl.col("_edge")).fill_null(value=False)
    holding = edges.join(known, on=keys).filter((pl.col("valid_from") <= pl.col("_edge")) & ~is_over)
    holders = holding.sort(*keys, "_edge", "valid_from", "security_id").unique([*keys, "_edge"], keep="last")
    return edges.join(holders, on=[*keys, "_edge"], how="left").sort("_edge")


def of_securities(actions: pl.DataFrame, intervals: pl.DataFrame) -> pl.DataFrame:
    """Give visible actions to the securities that bore their tickers, each once.

    Args:
        actions: Visible CORPORATE_ACTIONS rows.
        intervals: Visible SECURITIES rows.
    """
    named = identified(actions, intervals, "ex_date")
    return named.sort(*_ACTION, "ts_known", "ticker").unique(_ACTION, keep="last", maintain_order=True)


def latest(bars: pl.DataFrame, actions: pl.DataFrame, securities: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give the last versions of bars and actions, each with the `security_id` that bore its ticker.

    Args:
        bars: CLEAN_DAILY_BARS rows, all versions.
        actions: CORPORATE_ACTIONS rows, all versions.
        securities: SECURITIES rows, all versions.
    """
    intervals = visible(securities, _INTERVAL)
    shown = identified(visible(bars, ("ticker", "session")), intervals, "session")
    return shown, of_securities(visible(actions, _ACTION), intervals)


def linked(pairs: pl.DataFrame) -> pl.DataFrame:
    """Find which tickers may ever share a series: those that a chain of securities connects.

    Args:
        pairs: `ticker`, `security_id` (String): who bore what, ever.

    Returns:
        `ticker`, `lineage` (String: the least ticker connected), one row a ticker.
    """
    labels = pairs.unique().sort("ticker", "security_id").with_columns(lineage="ticker")
    while True:
        joined = labels.with_columns(pl.col("lineage").min().over("security_id"))
        joined = joined.with_columns(pl.col("lineage").min().over("ticker"))
        if joined.equals(labels):
            return labels.select("ticker", "lineage").unique(maintain_order=True)
        labels = joined


def relatives(tickers: Sequence[str], pairs: pl.DataFrame) -> set[str]:
    """Name some tickers and those that share a security with one of them, at however many removes.

    Args:
        tickers: Tickers; one that no security bore is its own only relative.
        pairs: `ticker`, `security_id` (String): who bore what, ever.
    """
    related = linked(pairs)
    lineages = related.filter(pl.col("ticker").is_in(list(tickers)))["lineage"].unique()
    return {*tickers, *related.filter(pl.col("lineage").is_in(lineages.to_list()))["ticker"]}
