"""What nobody knows of Polygon without a key, as questions to one: each is one line of an answer, at a stated cost.

From PROVIDERS: what was not verified. Nothing here is landed. What takes a call beyond the budget is asked where that
is wanted, what takes more than a call (other keys, a reading of before) where there is what it takes; else it says so.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeVar

from orion_assets import calendars
from orion_assets.calendars import NEW_YORK
from orion_assets.errors import NotEntitled, NotFound, NotYet, RequestRejected
from orion_assets.sources.bodies import loaded, number_of, object_of, rows_of
from orion_assets.sources.limiter import Pause, Rate
from orion_assets.sources.polygon import requests
from orion_assets.sources.polygon.probe_beside import Beside, edited, second_reading
from orion_assets.sources.polygon.probe_budget import BEYOND, LEAST_WINDOW_S, BudgetProbe
from orion_assets.sources.polygon.routes import ACTIONS_PER_PAGE, FIRST_SESSION
from orion_assets.sources.protocols import Question
from orion_assets.sources.responses import Passing, Response
from orion_assets.sources.transport import Transport

T = TypeVar("T")
_BEYOND: Final = f"it takes {BEYOND} calls beyond the budget, which are made with --beyond-budget alone"
_NO_BUDGET: Final = "the plan states no budget by the minute whose end could be met"
_NOT_LANDED: Final = "it takes a second reading: land articles with orion backfill, and ask again a day later"
_INDICES: Final = ("I:VIX", "I:SPX", "I:NDX", "I:DJI", "I:RUT")
_LAST_REGULAR_MINUTE: Final = 20 * 60
_NOTHING: Final = Beside()


@dataclass(frozen=True)
class Prober:
    """Asks the questions.

    Attributes:
        transport: The way out, within the budget.
        ticker: Of which bars are asked: one that trades all day.
        now: The time.
        beside: What the key has beside its calls.
        exceeds: The rate beyond which to go, where that is wanted.
        pause: Waits.
    """

    transport: Transport
    ticker: str
    now: datetime
    beside: Beside = _NOTHING
    exceeds: Rate | None = None
    pause: Pause = time.sleep

    def questions(self) -> Sequence[Question]:
        """Give all questions, those that cannot be answered too."""
        return (
            *self._of_budget(),
            Question("is the newest session told by now (end of day)", 1, self._newest),
            Question("which clock do grouped bars of a half-day bear", 1, self._half_day),
            Question("does adjusted=false survive paging", 2, self._paging),
            Question("how many splits does a page hold", 1, self._splits),
            self._of_files("are volumes in flat files fractional", 1, self.beside.fractional),
            Question("which indices does the key see", len(_INDICES), self._indices),
            self._of_files("how many flat files were replaced", 0, self.beside.replaced),
            Question("is trading told for 23 hours a day", 1, self._hours),
            self._of_articles("are articles edited under one id"),
            Question("are answers of the newest session marked DELAYED", 1, self._delayed),
            Question("is a range that begins too early refused or cut", 1, self._too_early),
        )

    def _of_budget(self) -> Sequence[Question]:
        texts = (
            "is Retry-After sent with a 429",
            "is the window of the budget fixed or sliding",
            "do refused calls count against the budget",
        )
        if self.exceeds is None or self.exceeds.window_s < LEAST_WINDOW_S:
            return [Question(text, why_not=_BEYOND if self.exceeds is None else _NO_BUDGET) for text in texts]
        day = self._closed[-2]
        seen = BudgetProbe(self.transport, requests.range_bars(self.ticker, "day", day, day), self.exceeds, self.pause)
        first, *others = zip(texts, (seen.retry_after, seen.window, seen.refused), strict=True)
        found_already = (Question(text, 0, ask) for text, ask in others)
        return [Question(first[0], seen.calls, first[1], seconds=seen.seconds), *found_already]

    def _of_files(self, text: str, calls: int, ask: Callable[[], str]) -> Question:
        why_not = self.beside.no_objects
        return Question(text, why_not=why_not) if why_not else Question(text, calls, ask)

    def _of_articles(self, text: str) -> Question:
        before = self.beside.readable_again(self.now)
        if before.is_empty():
            return Question(text, why_not=_NOT_LANDED)
        return Question(text, 1, lambda: str(self._told(second_reading(before), lambda body: edited(before, body))))

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
        request = requests.Request("/stocks/v1/splits", {"limit": str(ACTIONS_PER_PAGE), "sort": "execution_date.asc"})
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
    return f"{held:,} where {ACTIONS_PER_PAGE:,} were asked for, {more}"


def _hours_of(body: Mapping[str, Any]) -> str:
    stamps = sorted(_stamps(body), key=lambda at: (at.hour, at.minute))
    if not stamps:
        return "no minutes"
    is_long = any(at.hour * 60 + at.minute >= _LAST_REGULAR_MINUTE or at.hour < 4 for at in stamps)
    return f"{'yes' if is_long else 'no'}: minutes from {stamps[0]:%H:%M} to {stamps[-1]:%H:%M} New York"
