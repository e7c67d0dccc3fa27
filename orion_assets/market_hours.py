"""Sessions of every market, in the columns of `calendars.sessions`, and when each is traded at all.

Crypto has days of UTC. Currencies have the days of their trade, by hours of their own (`Market.hours`): from 17:00 New
York to 17:00, Monday's from Sunday's evening on; no exchange shuts them, so a holiday is a session, perhaps without
quotes. Indices and options have the exchange's sessions. The open cut-off is 09:25 New York everywhere: until the next
one a bar that lands was seen live.
"""

from datetime import date, time, timedelta
from functools import lru_cache
from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.calendars import FIRST_DATE, LAST_DATE, NEW_YORK
from orion_assets.hours import Hours
from orion_assets.markets import Market, market_named_in

_DAY: Final = timedelta(days=1)


def sessions_of(market: Market, start: date | None = None, end: date | None = None) -> pl.DataFrame:
    """Give a market's sessions in [start, end), oldest first.

    Args:
        market: Whose.
        start: First date that may appear; the calendar's first when None.
        end: First date that may not appear; the calendar's horizon when None.

    Returns:
        As `calendars.sessions`. Where trading never pauses, `ts_close` of a session is `ts_open` of the next.

    Raises:
        ValueError: The range leaves the calendar.
    """
    # Refuses what lies outside of the calendar, and is the answer of the exchange's own
    known = calendars.sessions(start, end)
    if market.calendar == "exchange":
        later = pl.duration(minutes=market.closes_later_min)
        return known.with_columns(pl.col("ts_close", "ts_close_cutoff") + later) if market.closes_later_min else known
    days = _days(market.calendar, market.hours)
    if start is not None:
        days = days.filter(pl.col("session") >= start)
    return days if end is None else days.filter(pl.col("session") < end)


def sessions_for(dataset: str, start: date | None = None, end: date | None = None) -> pl.DataFrame:
    """Give the sessions by which a table, or a job, is cut: those of the market that its name ends with."""
    return sessions_of(market_named_in(dataset), start, end)


def traded_in(market: Market, start: date, end: date) -> pl.DataFrame:
    """Give a market's sessions in [start, end) with `ts_first` and `ts_last`: all hours of each, [first, last), UTC."""
    sessions = sessions_of(market, start, end)
    if market.calendar == "exchange":
        return calendars.traded(sessions, market.hours)
    return sessions.with_columns(ts_first="ts_open", ts_last="ts_close")


def trading_dates(market: Market, instants: pl.Expr) -> pl.Expr:
    """Give the date of the session that instants (UTC) would fall into; not always that of a session."""
    if market.calendar == "utc_days":
        return instants.dt.date()
    return calendars.trading_dates(instants, market.hours)


@lru_cache(maxsize=8)
def _days(calendar: str, hours: Hours) -> pl.DataFrame:
    days = pl.DataFrame({"session": pl.date_range(FIRST_DATE, LAST_DATE, eager=True)})
    if calendar == "weekdays":
        days = calendars.traded(days.filter(pl.col("session").dt.weekday() <= 5), hours)
        opens, closes = pl.col("ts_first"), pl.col("ts_last")
    else:
        opens, closes = (
            pl.col("session").dt.offset_by(after).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
            for after in ("0d", "1d")
        )
    return days.select(
        "session",
        ts_open=opens,
        ts_close=closes,
        is_half_day=pl.lit(value=False),
        ts_open_cutoff=_new_york(pl.col("session"), calendars.OPEN_CUTOFF),
        ts_close_cutoff=closes + calendars.CLOSE_CUTOFF_AFTER,
        position=pl.int_range(pl.len(), dtype=pl.Int32),
    )


def _new_york(days: pl.Expr, clock: time) -> pl.Expr:
    return days.dt.combine(clock).dt.replace_time_zone(NEW_YORK.key).dt.convert_time_zone("UTC")
