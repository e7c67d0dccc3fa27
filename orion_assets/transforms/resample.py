"""Bars of one length made of shorter ones: minutes within the hours of their session, days within a week or month.

Nothing is filled: a stretch without trades stays without a bar. Frames in, frames out.
"""

from collections.abc import Mapping
from typing import Final, Literal

import polars as pl

Timeframe = Literal["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w", "1mo"]
# Of those that are made of minutes, how many
MINUTES: Final[Mapping[str, int]] = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "4h": 240}
_OPENS, _END = "_opens", "_end"


def from_minutes(minutes: pl.DataFrame, sessions: pl.DataFrame, length: int) -> pl.DataFrame:
    """Make bars of some minutes each, counted from the session's own open; after its close, from the close.

    Args:
        minutes: `ticker`, `session`, `ts_open` (UTC, whole minutes), `open`, `high`, `low`, `close`, `volume`, `vwap`,
            `trade_count`; one row a ticker and minute, any order. Those of a date that is no session are left out.
        sessions: `session`, `ts_open`, `ts_close`: the regular hours.
        length: Minutes of a bar, at least 1.

    Returns:
        The same columns and `ts_event`, the bar's end, sorted by ticker and `ts_open`. No bar holds minutes of both
        sides of the open or of the close: the last one before them ends there, however short. `volume` and
        `trade_count` are sums, null where one of the minutes has none; `vwap` is weighted by volume, null where it
        cannot be known.

    Raises:
        ValueError: `length` is less than 1.
    """
    if length < 1:
        raise ValueError(f"bars of {length} minutes: give at least 1")
    hours = sessions.select("session", _first="ts_open", _last="ts_close")
    rows = minutes.join(hours, on="session", how="inner")
    is_early, is_late = pl.col("ts_open") < pl.col("_first"), pl.col("ts_open") >= pl.col("_last")
    anchor = pl.when(is_late).then("_last").otherwise("_first")
    # Before the open it counts backwards, so that the last bar ends at the open
    number = (pl.col("ts_open") - anchor).dt.total_minutes() // length
    bound = pl.when(is_early).then("_first").when(~is_late).then("_last")
    starts = anchor + pl.duration(minutes=number * length)
    placed = rows.with_columns(starts.alias(_OPENS)).with_columns(
        pl.min_horizontal(pl.col(_OPENS) + pl.duration(minutes=length), bound).alias(_END)
    )
    grouped = placed.sort("ticker", "ts_open").group_by("ticker", "session", _OPENS, maintain_order=True)
    made = grouped.agg(*_AS_ONE, ts_event=pl.col(_END).first()).rename({_OPENS: "ts_open"})
    return made.select("ticker", "session", "ts_open", "ts_event", *VALUES)


def from_days(days: pl.DataFrame, timeframe: Literal["1w", "1mo"]) -> pl.DataFrame:
    """Make bars of the sessions of a week, Monday to Sunday, or of a month.

    Args:
        days: `ticker`, `session`, `ts_event` and VALUES; one row a ticker and session, any order.
        timeframe: 1w or 1mo.

    Returns:
        The same columns, sorted by ticker and session: `session` and `ts_event` are those of the last bar within.
    """
    ordered = days.sort("ticker", "session")
    grouped = ordered.group_by("ticker", pl.col("session").dt.truncate(timeframe).alias(_OPENS), maintain_order=True)
    made = grouped.agg(*_AS_ONE, pl.col("session", "ts_event").last())
    return made.select("ticker", "session", "ts_event", *VALUES)


def _sum(name: str) -> pl.Expr:
    return pl.when(pl.col(name).is_not_null().all()).then(pl.col(name).sum()).alias(name)


VALUES: Final = ("open", "high", "low", "close", "volume", "vwap", "trade_count")
# Of unknown volume, the average is unknown
_TRADED: Final = (pl.col("volume") > 0).fill_null(value=True)
_IS_WEIGHED: Final = (pl.col("vwap").is_not_null() | ~_TRADED).all() & (pl.col("volume").sum() > 0)
_AS_ONE: Final = (
    pl.col("open").first(),
    pl.col("high").max(),
    pl.col("low").min(),
    pl.col("close").last(),
    _sum("volume"),
    pl.when(_IS_WEIGHED).then((pl.col("vwap") * pl.col("volume")).sum() / pl.col("volume").sum()).alias("vwap"),
    _sum("trade_count"),
)
