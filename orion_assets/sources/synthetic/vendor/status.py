"""The vendor's market status: now, and the closed and shortened days to come."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from orion_assets import calendars
from orion_assets.sources.synthetic.vendor.reply import NEW_YORK, Reply, Request
from orion_assets.sources.synthetic.vendor.wire import compact

_AHEAD: Final = timedelta(days=365)
_EXCHANGES: Final = ("NYSE", "NASDAQ")
_NAMES: Final = {
    1: "New Years Day",
    2: "Washington's Birthday",
    3: "Good Friday",
    4: "Good Friday",
    5: "Memorial Day",
    6: "Juneteenth",
    7: "Independence Day",
    9: "Labor Day",
    11: "Thanksgiving",
    12: "Christmas",
}


@dataclass(frozen=True)
class Status:
    """Answers of the status routes; they follow the real exchange's calendar."""

    def now(self, request: Request) -> Reply:
        """Answer `/v1/marketstatus/now`."""
        local = request.now.astimezone(NEW_YORK)
        is_open, is_early, is_late = phases(request.now, local)
        market = "open" if is_open else "extended-hours" if is_early or is_late else "closed"
        venue = market if market != "closed" else "closed"
        head: dict[str, Any] = {
            "afterHours": is_late,
            "currencies": {"crypto": "open", "fx": "open" if local.weekday() < 5 else "closed"},
            "earlyHours": is_early,
            "exchanges": {"nasdaq": venue, "nyse": venue, "otc": "open" if is_open else "closed"},
            "market": market,
            "serverTime": local.isoformat(timespec="seconds"),
        }
        return Reply(head)

    def upcoming(self, request: Request) -> Reply:
        """Answer `/v1/marketstatus/upcoming`: a bare array, one row an exchange and day, of the next year."""
        start, end = request.today, request.today + _AHEAD
        rows = [
            {"date": day.isoformat(), "exchange": venue, "name": _name(day), "status": "closed"}
            for day in calendars.closed_dates(start, end)
            for venue in _EXCHANGES
        ]
        halves = calendars.sessions(start, end).filter("is_half_day")
        rows += [
            {
                "date": row["session"].isoformat(),
                "exchange": venue,
                "name": _name(row["session"]),
                "status": "early-close",
                "open": _instant(row["ts_open"]),
                "close": _instant(row["ts_close"]),
            }
            for row in halves.iter_rows(named=True)
            for venue in _EXCHANGES
        ]
        return Reply(text=compact(sorted(rows, key=lambda row: (row["date"], row["exchange"]))))


def phases(now: datetime, local: datetime) -> tuple[bool, bool, bool]:
    """Say whether the exchange is open, in early hours, in late hours."""
    session = calendars.sessions(local.date(), local.date() + timedelta(days=1))
    if session.is_empty():
        return False, False, False
    opens, closes = session.select("ts_open", "ts_close").row(0)
    is_early = opens - timedelta(minutes=330) <= now < opens
    return opens <= now < closes, is_early, closes <= now < closes + timedelta(hours=4)


def _name(day: date) -> str:
    if day.month == 1 and day.day > 10:
        return "Martin Luther King, Jr. Day"
    return _NAMES.get(day.month, "Market Holiday")


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
