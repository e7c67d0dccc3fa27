"""What nobody knows of Polygon without a key, as questions to one: each is one line of an answer, at a stated cost.

From PROVIDERS: what was not verified. Nothing here is landed; a question that takes more than a few calls to answer, or
a call beyond the budget, is not asked and says why.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeVar

from orion_assets import calendars
from orion_assets.calendars import NEW_YORK
from orion_assets.errors import NotEntitled, NotFound, NotYet, RequestRejected
from orion_assets.sources.bodies import loaded, number_of, object_of, rows_of
from orion_assets.sources.polygon import requests
from orion_assets.sources.polygon.routes import FIRST_SESSION
from orion_assets.sources.protocols import Question
from orion_assets.sources.transport import Passing, Response, Transport

T = TypeVar("T")
_BEYOND: Final = "it would take a call beyond the budget, and none is made on purpose"
_INDICES: Final = ("I:VIX", "I:SPX", "I:NDX", "I:DJI", "I:RUT")
_MANY_SPLITS: Final = 5_000
_LAST_REGULAR_MINUTE: Final = 20 * 60


@dataclass(frozen=True)
class Prober:
    """Asks the questions.

    Attributes:
        transport: The way out, within the budget.
        ticker: Of which bars are asked: one that trades all day.
        now: The time.
    """

    transport: Transport
    ticker: str
    now: datetime

    def questions(self) -> Sequence[Question]:
        """Give all questions, those that cannot be answered too."""
        return (
            Question("is Retry-After sent with a 429", why_not=_BEYOND),
            Question("is the window of the budget fixed or sliding", why_not=_BEYOND),
            Question("do refused calls count against the budget", why_not=_BEYOND),
            Question("is the newest session told by now (end of day)", 1, self._newest),
            Question("which clock do grouped bars of a half-day bear", 1, self._half_day),
            Question("does adjusted=false survive paging", 2, self._paging),
            Question("how many splits does a page hold", 1, self._splits),
            Question("are volumes in flat files fractional", why_not="files have keys of their own; read one"),
            Question("which indices does the key see", len(_INDICES), self._indices),
            Question("how often are flat files replaced", why_not="it takes weeks of listings to tell"),
            Question("is trading told for 23 hours a day", 1, self._hours),
            Question("are articles edited under one id", why_not="it takes a second reading days later"),
            Question("are answers of the newest session marked DELAYED", 1, self._delayed),
            Question("is a range that begins too early refused or cut", 1, self._too_early),
        )

    @property
    def _closed(self) -> list[date]:
        """Give the sessions that have closed, a year of them."""
        today = self.now.astimezone(NEW_YORK).date()
        known = calendars.sessions(today - timedelta(days=365), today + timedelta(days=1))
        return known.filter(known["ts_close"] <= self.now.astimezone(UTC))["session"].to_list()

    def _newest(self) -> str:
        session = self._closed[-1]
        local = self.now.astimezone(NEW_YORK)
        found = self._told(requests.market_bars(session), lambda body: len(body.get("results") or ()))
        is_told = f"yes: {found:,} bars" if isinstance(found, int) and found else f"no: {found or 'no bars'}"
        return f"{is_told} of {session} at {local:%Y-%m-%d %H:%M} New York"

    def _half_day(self) -> str:
        known = calendars.sessions(self._closed[0], self._closed[-1]).filter("is_half_day")["session"].to_list()
        if not known:
            return "there was no half-day in the last year"
        return str(self._told(requests.market_bars(known[-1]), lambda body: f"{_clock(body)} on {known[-1]}"))

    def _paging(self) -> str:
        first, last = self._closed[-10], self._closed[-1]
        request = requests.range_bars(self.ticker, "day", first, last)
        small = requests.Request(request.path, {**request.params, "limit": "2"})
        onward = self._told(small, lambda body: body.get("next_url"))
        if not isinstance(onward, str) or not onward.startswith("http"):
            return f"there is no second page: {onward or 'all bars came at once'}"
        said = self.transport.follow(onward, lambda response: _object(response).get("adjusted"))
        if said is None:
            return "page 2 does not say"
        return "no: page 2 is adjusted" if said else "yes: page 2 is as traded"

    def _splits(self) -> str:
        request = requests.Request("/stocks/v1/splits", {"limit": str(_MANY_SPLITS), "sort": "execution_date.asc"})
        return str(self._told(request, _splits_held))

    def _indices(self) -> str:
        day = self._closed[-2]
        told = {name: self._told(requests.range_bars(name, "day", day, day), _has_rows) for name in _INDICES}
        seen = [name for name, found in told.items() if found is True]
        return ", ".join(seen) if seen else f"none of {', '.join(_INDICES)}"

    def _hours(self) -> str:
        day = self._closed[-2]
        return str(self._told(requests.range_bars(self.ticker, "minute", day, day), _hours_of))

    def _delayed(self) -> str:
        day = self._closed[-1]
        request = requests.range_bars(self.ticker, "day", day, day)
        return f"status {self._told(request, lambda body: body.get('status'))!r} for {day}"

    def _too_early(self) -> str:
        request = requests.range_bars(self.ticker, "day", FIRST_SESSION, self._closed[-2])

        def told(body: Mapping[str, Any]) -> str:
            first = _stamps(body)[:1]
            return f"cut, or listed since: the first bar of {self.ticker} is of {first[0].date()}" if first else "empty"

        return str(self._told(request, told))

    def _told(self, request: requests.Request, read: Callable[[Mapping[str, Any]], T]) -> T | str:
        """Ask, and give what is read; where the vendor refuses, what it says."""
        try:
            return self.transport.get(request.path, request.params, lambda response: read(_object(response)))
        except (NotEntitled, NotFound, NotYet, RequestRejected) as e:
            return f"refused: {e}"


def _object(response: Response) -> dict[str, Any]:
    found = object_of(loaded(response.body))
    if found.get("status") not in {"OK", "DELAYED"}:
        raise Passing(f"status {found.get('status')!r}")
    return found


def _stamps(body: Mapping[str, Any]) -> list[datetime]:
    found = [number_of(row.get("t")) for row in rows_of(body.get("results", []), "results")]
    return [datetime.fromtimestamp(at / 1000, NEW_YORK) for at in found if at is not None]


def _clock(body: Mapping[str, Any]) -> str:
    stamps = _stamps(body)
    return f"{stamps[0]:%H:%M} New York" if stamps else "no bars"


def _has_rows(body: Mapping[str, Any]) -> bool:
    return bool(body.get("results"))


def _splits_held(body: Mapping[str, Any]) -> str:
    held = len(body.get("results") or ())
    more = "and a next page" if body.get("next_url") else "and no next page"
    return f"{held:,} where {_MANY_SPLITS:,} were asked for, {more}"


def _hours_of(body: Mapping[str, Any]) -> str:
    stamps = sorted(_stamps(body), key=lambda at: (at.hour, at.minute))
    if not stamps:
        return "no minutes"
    is_long = any(at.hour * 60 + at.minute >= _LAST_REGULAR_MINUTE or at.hour < 4 for at in stamps)
    return f"{'yes' if is_long else 'no'}: minutes from {stamps[0]:%H:%M} to {stamps[-1]:%H:%M} New York"
