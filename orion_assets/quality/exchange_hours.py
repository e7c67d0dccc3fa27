"""Whether a vendor and Orion's calendar say the same of the exchange's days to come. Pure: nothing is asked here."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import polars as pl

from orion_assets import calendars
from orion_assets.calendars import NEW_YORK
from orion_assets.sources.protocols import ExchangeStatus

# Its exchanges, as vendors name them: one calendar holds for both
_EXCHANGES: Final = ("NYSE", "NASDAQ")
_DAY: Final = timedelta(days=1)
# Two clocks may differ by so much at an open or a close
_APART: Final = timedelta(minutes=1)


def differences(said: ExchangeStatus) -> list[str]:
    """Name what the vendor says otherwise than Orion's calendar, a line each, by date; none where they agree.

    Args:
        said: What the vendor says. Of days after the last one that it names of an exchange, it says nothing, nor of
            those before its own date; other exchanges than NYSE and NASDAQ are left out. One of which it names no day,
            and a day that it names twice, are lines too.
    """
    told, found = _of_exchange(said), [*_now(said)]
    if told.is_empty():
        return [*found, "the vendor names no holiday of NYSE or NASDAQ to come: nothing was compared"]
    first = said.at.astimezone(NEW_YORK).date()
    special = _special(first, max(told["date"]) + _DAY)
    lines: list[tuple[date, str]] = []
    for exchange in _EXCHANGES:
        days = {day: mine.to_dicts() for (day,), mine in told.filter(exchange=exchange).group_by("date")}
        if not days:
            found.append(f"the vendor names no holiday of {exchange} to come: it was not compared")
        last = max(days, default=first)
        for day in sorted({*days, *(each for each in special if first < each <= last)}):
            lines += [(day, line) for line in _of_day(exchange, day, days.get(day, []))]
    return [*found, *(line for _, line in sorted(lines))]


def compared_through(said: ExchangeStatus) -> date | None:
    """Give the last date of which the vendor says something of both exchanges; None where of one it says nothing."""
    ends = _of_exchange(said).group_by("exchange").agg(pl.col("date").max())["date"].to_list()
    return min(ends) if len(ends) == len(_EXCHANGES) else None


def _of_exchange(said: ExchangeStatus) -> pl.DataFrame:
    """Give what is said of its exchanges; the same word twice is one."""
    named = said.upcoming.with_columns(pl.col("exchange").str.to_uppercase())
    mine = named.filter(pl.col("exchange").is_in(_EXCHANGES))
    return mine.unique(["exchange", "date", "is_closed", "ts_open", "ts_close"], keep="first", maintain_order=True)


def _now(said: ExchangeStatus) -> Iterator[str]:
    opens, before, after = (_is_open(said.at + apart) for apart in (timedelta(), -_APART, _APART))
    if said.is_open not in {opens, before, after}:
        word, own = ("open", "closed") if said.is_open else ("closed", "open")
        at = said.at.astimezone(UTC)
        yield f"{at:%Y-%m-%d %H:%M}Z: the vendor says that the exchange is {word}, Orion's calendar that it is {own}"


def _is_open(instant: datetime) -> bool:
    session = calendars.session_under_way(instant)
    hours = calendars.sessions(session, session + _DAY).row(0, named=True)
    return hours["ts_open"] <= instant < hours["ts_close"]


def _special(first: date, end: date) -> set[date]:
    """List the weekdays on which the exchange is shut or closes early."""
    halves = calendars.sessions(first, end).filter("is_half_day")["session"].to_list()
    return {*calendars.closed_dates(first, end), *halves}


def _of_day(exchange: str, day: date, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    known = calendars.sessions(day, day + _DAY)
    own = known.row(0, named=True) if known.height else None
    ours = "has no session" if own is None else f"has a session from {_hours(own)}"
    if not rows:
        yield f"{day} {exchange}: the vendor names a later day and not this one, Orion's calendar {ours}"
    if len(rows) > 1:
        yield f"{day} {exchange}: the vendor names it twice: {', and '.join(map(_word, rows))}"
    for row in rows:
        # Saturdays are closed without a holiday
        is_same = own is None if row["is_closed"] else own is not None and _span(row) == _span(own)
        if not is_same:
            yield f"{day} {exchange}: the vendor says {_word(row)}, Orion's calendar {ours}"


def _span(row: Mapping[str, Any]) -> tuple[datetime, datetime]:
    return row["ts_open"], row["ts_close"]


def _word(row: Mapping[str, Any]) -> str:
    name = f" ({row['name']})" if row["name"] else ""
    return f"closed{name}" if row["is_closed"] else f"from {_hours(row)}{name}"


def _hours(row: Mapping[str, Any]) -> str:
    return f"{row['ts_open']:%H:%M}Z to {row['ts_close']:%H:%M}Z"
