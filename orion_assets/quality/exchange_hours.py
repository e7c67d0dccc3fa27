"""Whether a vendor and Orion's calendar say the same of the exchange's days to come. Pure: nothing is asked here."""

from collections.abc import Iterator
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
        said: What the vendor says. Of days after the last one that it names, it says nothing, nor of those before its
            own date; other exchanges than NYSE and NASDAQ are left out.
    """
    told, through = _of_exchange(said), compared_through(said)
    found = [*_now(said)]
    if through is None:
        return [*found, "the vendor names no holiday of NYSE or NASDAQ to come: nothing was compared"]
    first = said.at.astimezone(NEW_YORK).date()
    special = _special(first, through + _DAY)
    lines: list[tuple[date, str]] = []
    for exchange in told["exchange"].unique().sort():
        days = {row["date"]: row for row in told.filter(exchange=exchange).iter_rows(named=True)}
        last = max(days)
        for day in sorted({*days, *(each for each in special if first < each <= last)}):
            lines += [(day, line) for line in _of_day(exchange, day, days.get(day))]
    return [*found, *(line for _, line in sorted(lines))]


def compared_through(said: ExchangeStatus) -> date | None:
    """Give the last date of which the vendor says something; None where it says nothing."""
    days: list[date] = _of_exchange(said)["date"].to_list()
    return max(days, default=None)


def _of_exchange(said: ExchangeStatus) -> pl.DataFrame:
    return said.upcoming.filter(pl.col("exchange").str.to_uppercase().is_in(_EXCHANGES))


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


def _of_day(exchange: str, day: date, row: dict[str, Any] | None) -> Iterator[str]:
    known = calendars.sessions(day, day + _DAY)
    own = known.row(0, named=True) if known.height else None
    ours = "has no session" if own is None else f"has a session from {_hours(own)}"
    if row is None:
        yield f"{day} {exchange}: the vendor names a later day and not this one, Orion's calendar {ours}"
        return
    name = f" ({row['name']})" if row["name"] else ""
    if row["is_closed"]:
        # Saturdays are closed without a holiday
        if own is not None:
            yield f"{day} {exchange}: the vendor says closed{name}, Orion's calendar {ours}"
    elif own is None or (row["ts_open"], row["ts_close"]) != (own["ts_open"], own["ts_close"]):
        yield f"{day} {exchange}: the vendor says from {_hours(row)}{name}, Orion's calendar {ours}"


def _hours(row: dict[str, Any]) -> str:
    return f"{row['ts_open']:%H:%M}Z to {row['ts_close']:%H:%M}Z"
