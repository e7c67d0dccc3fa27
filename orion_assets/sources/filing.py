"""Where a row is filed on the exchange's calendar and which clocks it bears: the rules that all providers share.

What a provider's own words mean stays in its package. Frames in, frames out.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, said_schema
from orion_assets.tables import UTC_US, Table

# By when a bar, an index value or an article was public, where its source does not say
DELAY: Final = timedelta(minutes=15)
NO_DELAY: Final = timedelta()
_VIX_AFTER_CLOSE: Final = timedelta(minutes=15)
_NEW_YORK: Final = "America/New_York"
_MOST_PRICE: Final = 1e8
_MOST_SHARES: Final = 1e12


def days(start: date, end: date) -> tuple[date, date]:
    """Give the dates [first, last) that are filed under the sessions [start, end).

    A closed day is filed under the session after it, so both ends move back to the day after the session before.
    """
    return _since(start), _since(end)


def window(start: date, end: date) -> tuple[datetime, datetime]:
    """Give the close cut-offs after which, and up to and including which, an article is filed under [start, end)."""
    inside = calendars.sessions(start, end)
    if inside.is_empty():
        cutoff = calendars.sessions(end=start)["ts_close_cutoff"][-1]
        return cutoff, cutoff
    cutoffs = calendars.sessions(end=end)["ts_close_cutoff"].tail(1 + inside.height)
    return cutoffs[0], cutoffs[-1]


def bars(rows: pl.DataFrame, sessions: pl.DataFrame | None = None) -> pl.DataFrame:
    """Give `session` rows the close of their bar; a date without a session keeps its row, with a problem.

    Args:
        rows: `session`, `problem` and whatever else.
        sessions: `session` and `ts_close` of the market; those of the exchange when None.

    Returns:
        The rows, with `ts_event` and what is wrong added to `problem`.
    """
    known = (calendars.sessions() if sessions is None else sessions).select("session", "ts_close")
    shut = pl.when(pl.col("ts_close").is_null()).then(pl.format("session: {} is not a trading session", "session"))
    return (
        rows.join(known, on="session", how="left", maintain_order="left")
        .with_columns(problem=joined(shut, pl.col("problem")), ts_event=pl.coalesce("ts_close", _at_four("session")))
        .drop("ts_close")
    )


def vix(rows: pl.DataFrame) -> pl.DataFrame:
    """File VIX days: one without a session under the next session.

    Args:
        rows: `date` and whatever else.

    Returns:
        The rows as they stood, with `session`, null beyond the calendar, and `ts_event`, a quarter of an hour after the
        exchange's close.
    """
    known = calendars.sessions().select("ts_close", date="session")
    filed = rows.with_columns(session=sessions_from(rows["date"]))
    closed = filed.join(known, on="date", how="left", maintain_order="left")
    event = pl.coalesce("ts_close", _at_four("date")) + _VIX_AFTER_CLOSE
    return closed.with_columns(ts_event=event).drop("ts_close")


def sessions_from(dates: pl.Series) -> pl.Series:
    """Give the first session at or after each date; null beyond the calendar."""
    known = calendars.sessions()["session"]
    at = known.cast(pl.Int32).search_sorted(dates.cast(pl.Int32), side="left")
    return pl.concat([known, pl.Series([None], dtype=pl.Date)]).gather(at)


def actions(rows: pl.DataFrame) -> pl.DataFrame:
    """File corporate actions under the session of their `ex_date` or the next one, true from its open on."""
    known = calendars.sessions().select("session", ex_date="session", ts_event="ts_open").sort("ex_date")
    # Actions stay in their source's order, which the join need not have
    return rows.join_asof(known, on="ex_date", strategy="forward", check_sortedness=False, coalesce=True)


def articles(rows: pl.DataFrame) -> pl.DataFrame:
    """File articles under the session whose close cut-off is the first at or after their `ts_event`."""
    cutoffs = calendars.sessions()
    at = cutoffs["ts_close_cutoff"].cast(pl.Int64).search_sorted(rows["ts_event"].cast(pl.Int64), side="left")
    return rows.with_columns(session=cutoffs["session"].gather(at))


def said(
    table: Table,
    rows: pl.DataFrame,
    *,
    source: str,
    name: str,
    sha256: str,
    delay: timedelta | pl.Expr = DELAY,
) -> pl.DataFrame:
    """Give rows their provenance and the clocks of their source.

    Args:
        table: The raw table.
        rows: Its columns but those of provenance; `_row`, 1-based in its document. A column `ts_true` says since when
            the row reads as it does, where that is not `ts_event`.
        source: Who says it.
        name: The document that holds them.
        sha256: Of its bytes.
        delay: From the event to the first instant at which it could be read.

    Returns:
        Rows of `said_schema(table)`.
    """
    since = "ts_true" if "ts_true" in rows.columns else "ts_event"
    return (
        rows.with_columns(
            pl.col("ts_event").dt.convert_time_zone("UTC").cast(UTC_US),
            is_deleted=pl.lit(value=False),
            source=pl.lit(source),
            source_file=pl.lit(name),
            source_row=pl.col("_row").cast(pl.Int64),
            source_hash=pl.lit(sha256),
        )
        .with_columns((pl.col(since) + delay).alias(TS_ASSUMED), pl.lit(None, UTC_US).alias(TS_STATED))
        .select(pl.col(column).cast(dtype) for column, dtype in said_schema(table).items())
    )


def beyond_any(rows: pl.DataFrame, prices: Sequence[str], counts: Sequence[str]) -> list[pl.Expr]:
    """Give one problem a column that has any: null, or that its value is no price, or no number of shares or trades.

    Args:
        rows: Float64 columns of these names, and whatever else.
        prices: Columns of prices.
        counts: Columns of shares and trades.
    """
    bounds = [*((name, _MOST_PRICE, "price") for name in prices), *((name, _MOST_SHARES, "volume") for name in counts)]
    has_any = rows.select((pl.col(name).abs() > most).any() for name, most, _ in bounds).row(0)
    return [
        pl.when(pl.col(name).abs() > most).then(pl.format(f"{name}: {{}} is beyond any {word}", pl.col(name)))
        for (name, most, word), is_any in zip(bounds, has_any, strict=True)
        if is_any
    ]


def joined(*problems: pl.Expr) -> pl.Expr:
    """Put problems together; null where there is none."""
    told = pl.concat_str(*problems, separator="; ", ignore_nulls=True)
    return pl.when(told != "").then(told)


def _since(day: date) -> date:
    before = calendars.sessions(end=day)["session"].tail(1).to_list()
    return before[0] + timedelta(days=1) if before else day


def _at_four(name: str) -> pl.Expr:
    naive = pl.col(name).cast(pl.Datetime("us")) + timedelta(hours=16)
    return naive.dt.replace_time_zone(_NEW_YORK).dt.convert_time_zone("UTC")
