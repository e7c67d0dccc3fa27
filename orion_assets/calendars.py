"""Trading sessions with their opens, closes and decision instants, as Polars frames.

The only module that touches the calendar library (and with it pandas). A range is always stated, so that
no answer follows the machine's date; XNYS is asked of `pandas_market_calendars`.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache, partial
from typing import Final, Literal, cast
from zoneinfo import ZoneInfo

import polars as pl

from orion_assets.hours import Hours
from orion_assets.markets import EQUITIES

NEW_YORK: Final = ZoneInfo("America/New_York")
FIRST_DATE: Final = date(1990, 1, 1)
LAST_DATE: Final = date(2036, 12, 31)
OPEN_CUTOFF: Final = time(9, 25)
CLOSE_CUTOFF_AFTER: Final = timedelta(minutes=30)

Cutoff = Literal["open", "close"]
CUTOFFS: Final[tuple[Cutoff, ...]] = ("open", "close")


# What vendors of minute bars of equities serve
EXTENDED_HOURS: Final = EQUITIES.hours


@lru_cache(maxsize=1)
def _xnys() -> pl.DataFrame:
    import pandas_market_calendars  # noqa: PLC0415 - with pandas it takes a second to load

    schedule = pandas_market_calendars.get_calendar("NYSE").schedule(start_date=FIRST_DATE, end_date=LAST_DATE)
    frame = pl.from_pandas(schedule, include_index=True).select(
        session=pl.nth(0).cast(pl.Date),
        ts_open=pl.col("market_open").dt.convert_time_zone("UTC").dt.cast_time_unit("us"),
        ts_close=pl.col("market_close").dt.convert_time_zone("UTC").dt.cast_time_unit("us"),
    )
    local_close = pl.col("ts_close").dt.convert_time_zone("America/New_York").dt.time()
    return frame.with_columns(
        is_half_day=local_close < time(16),
        ts_open_cutoff=pl.col("session")
        .dt.combine(OPEN_CUTOFF)
        .dt.replace_time_zone("America/New_York")
        .dt.convert_time_zone("UTC"),
        ts_close_cutoff=pl.col("ts_close") + CLOSE_CUTOFF_AFTER,
        position=pl.int_range(pl.len(), dtype=pl.Int32),
    )


def sessions(start: date | None = None, end: date | None = None) -> pl.DataFrame:
    """Give the XNYS sessions in [start, end), oldest first.

    Args:
        start: First date that may appear; 1990-01-01 when None.
        end: First date that may not appear; the calendar's horizon when None.

    Returns:
        One row a session: `session` (Date, New York), `ts_open`, `ts_close`, `ts_open_cutoff` (09:25 New York),
        `ts_close_cutoff` (close + 30 min), all Datetime("us", "UTC"); `is_half_day`; `position` (Int32: sessions
        since 1990-01-02, so differences count sessions). No nulls.

    Raises:
        ValueError: The range leaves 1990-01-01 to 2036-12-31.
    """
    for name, bound in (("start", start), ("end", end)):
        if bound is not None and not FIRST_DATE <= bound <= LAST_DATE + timedelta(days=1):
            raise ValueError(f"sessions: {name} {bound} is outside the calendar, {FIRST_DATE} to {LAST_DATE}")
    frame = _xnys()
    if start is not None:
        frame = frame.filter(pl.col("session") >= start)
    if end is not None:
        frame = frame.filter(pl.col("session") < end)
    return frame


def trading_dates(instants: pl.Expr, hours: Hours = EXTENDED_HOURS) -> pl.Expr:
    """Give the trading date of instants: New York's date, the next one from `hours.rolls` on.

    Args:
        instants: Datetime in UTC, such as the open of a minute bar.
        hours: When the date changes.

    Returns:
        Date, null where the instant is; not always a session of the exchange.
    """
    return instants.map_batches(partial(_dates_by_hour, hours.shift), return_dtype=pl.Date, is_elementwise=True)


def _dates_by_hour(shift: timedelta, instants: pl.Series) -> pl.Series:
    # All instants of an hour have one date where it turns on the hour, as offsets do: thousands of minutes are
    # looked up by their hundreds of hours
    step = (timedelta(minutes=1) if shift % timedelta(hours=1) else timedelta(hours=1)) // timedelta(microseconds=1)
    steps = instants.dt.epoch("us") // step
    first, last = cast("tuple[int | None, int | None]", (steps.min(), steps.max()))
    if first is None or last is None or last - first >= len(steps):
        return _dates(shift, instants)
    each = pl.int_range(first, last + 1, eager=True) * step
    return _dates(shift, each.cast(pl.Datetime("us", "UTC"))).gather(steps - first)


def _dates(shift: timedelta, instants: pl.Series) -> pl.Series:
    return (instants.dt.convert_time_zone(NEW_YORK.key).dt.replace_time_zone(None) + shift).dt.date()


def traded(sessions: pl.DataFrame, hours: Hours = EXTENDED_HOURS) -> pl.DataFrame:
    """Add to `sessions()` rows when each is traded: `ts_first` and `ts_last`, [first, last) in UTC.

    Both are clock times of New York, so that they move with its summer time.
    """
    names = ("ts_first", "ts_last")
    bounds = {
        name: (pl.col("session").cast(pl.Datetime("us")) - hours.shift + offset)
        .dt.replace_time_zone(NEW_YORK.key, ambiguous="latest", non_existent="null")
        .dt.convert_time_zone("UTC")
        for name, offset in zip(names, hours.window, strict=True)
    }
    return sessions.with_columns(**bounds)


def is_session(day: date) -> bool:
    """Say whether XNYS trades on that date."""
    return not sessions(day, day + timedelta(days=1)).is_empty()


def session_at_or_after(day: date) -> date:
    """Give the first session on or after that date."""
    return sessions(day)["session"][0]


def session_under_way(instant: datetime) -> date:
    """Give the session whose close cut-off is the first at or after the instant.

    Raises:
        ValueError: The calendar ends before it.
    """
    frame = _xnys().filter(pl.col("ts_close_cutoff") >= instant.astimezone(UTC))
    if frame.is_empty():
        raise ValueError(f"sessions: {instant.isoformat()} is outside the calendar, {FIRST_DATE} to {LAST_DATE}")
    return frame["session"][0]


def closed_dates(start: date, end: date) -> list[date]:
    """List the weekdays in [start, end) on which XNYS does not trade."""
    weekdays = pl.DataFrame({"session": pl.date_range(start, end, interval="1d", closed="left", eager=True)}).filter(
        pl.col("session").dt.weekday() <= 5
    )
    return weekdays.join(_xnys(), on="session", how="anti")["session"].to_list()


def instant(as_of: str | date | datetime) -> datetime:
    """Turn what a user calls `as_of` into an instant.

    Args:
        as_of: A date (the end of that New York day), or an instant with a time zone; ISO 8601 when a string.

    Returns:
        An aware datetime in UTC.

    Raises:
        ValueError: The text is neither, an instant carries no zone, or it lies at the end of time.
    """
    value = _parsed(as_of) if isinstance(as_of, str) else as_of
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError(
            f"as_of: {value.isoformat()} has no time zone; write {value.isoformat()}Z or -04:00, or a date"
        )
    try:
        return (value if isinstance(value, datetime) else _end_of(value)).astimezone(UTC)
    except OverflowError as e:
        raise ValueError(f"as_of: {value.isoformat()} lies at the end of time; leave it out to read the latest") from e


def _end_of(day: date) -> datetime:
    # The last representable instant of that New York day; the next midnight would already be the next day's
    return datetime.combine(day + timedelta(days=1), time(0), NEW_YORK) - timedelta(microseconds=1)


def _parsed(text: str) -> date | datetime:
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError as e:
        raise ValueError(f"as_of: {text!r} is neither a date (2014-06-06) nor an instant (2014-06-06T13:25:00Z)") from e
