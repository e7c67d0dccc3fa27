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
    keys = [*within, "ticker"]
    known = intervals.select(*keys, *_INTERVAL, "valid_to", "is_start_known").sort("valid_from", "security_id")
    first = known.unique(keys, keep="first", maintain_order=True).filter(~pl.col("is_start_known"))
    given = [name for name in points.columns if name != "security_id"]
    held = (
        points.select(given)
        .with_row_index("_row")
        .sort(on)
        .join_asof(known, left_on=on, right_on="valid_from", by=keys, check_sortedness=False)
        .join(first.select(*keys, _before="security_id"), on=keys, how="left")
    )
    is_over = (pl.col(on) >= pl.col("valid_to")).fill_null(value=False)
    holder = pl.when(pl.col("valid_from").is_null()).then("_before").when(~is_over).then("security_id")
    return (
        held.with_columns(security_id=pl.coalesce(holder, pl.lit(UNKNOWN) + pl.col("ticker")))
        .sort("_row")
        .select(*given, "security_id")
    )


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
