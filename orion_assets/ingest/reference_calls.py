"""Which calls the reference of the followed tickers needs: asked once, then only of what may have changed.

A listing is asked for weekly. Who traded under a ticker before, and which tickers a security took, is asked for when a
ticker is followed, and again when the listing shows what that answer does not explain. Nothing is asked here.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import polars as pl

from orion_assets import calendars
from orion_assets.calendars import NEW_YORK
from orion_assets.ingest.plan import priced
from orion_assets.schemas import RAW_TICKERS
from orion_assets.sources.protocols import ENDED, EVENTS, LISTED, Ask
from orion_assets.sources.routes import Budget
from orion_assets.store.state import State
from orion_assets.transforms.versions import visible

_WEEK: Final = timedelta(days=7)
# Tickers are asked for by name up to as many as the pages of the whole listing
_PAGES: Final[Mapping[str, int]] = {LISTED: 12, ENDED: 25}
# Assumed of a row of the listing, on the wire and once landed; a name has one row, and as many changes as fit one
_PER_PAGE: Final = 1_000
_BYTES: Final = 400
_DISK_BYTES: Final = 200
_WORDS: Final[Mapping[str, str]] = {LISTED: "of the listing", ENDED: "of the delisted", EVENTS: "of changes of ticker"}
ROUTES: Final = (LISTED, ENDED, EVENTS)


@dataclass(frozen=True)
class Due:
    """What of the reference is to be asked for.

    Attributes:
        listed: Tickers that may be listed.
        ended: Tickers that companies may have borne which trade no longer.
        events: FIGIs, or tickers of which no FIGI is known, that may have taken other tickers.
    """

    listed: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    events: tuple[str, ...] = ()

    @property
    def calls(self) -> int:
        """Count the calls to expect."""
        return sum(self.by_route.values())

    @property
    def by_route(self) -> dict[str, int]:
        """Count the calls to expect of each route."""
        subjects = {LISTED: self.listed, ENDED: self.ended, EVENTS: self.events}
        return {route: min(len(each), _PAGES.get(route, len(each))) for route, each in subjects.items()}

    def asks(self, route: str, now: datetime) -> Iterator[tuple[Ask, tuple[str, ...]]]:
        """Give the asks of one route, each with the subjects that its answer settles."""
        subjects: tuple[str, ...] = getattr(self, route)
        by_name = self._is_by_name(route)
        for mine in [(each,) for each in subjects] if by_name else [subjects]:
            names = mine if by_name else ()
            span = (calendars.FIRST_DATE, calendars.LAST_DATE)
            yield Ask(RAW_TICKERS.name, *span, names, now, route=route), mine

    def _is_by_name(self, route: str) -> bool:
        return len(getattr(self, route)) <= _PAGES.get(route, math.inf)

    @property
    def next_calls(self) -> int:
        """Count the calls of the ask that comes first; 0 where none is due."""
        first = next((route for route, count in self.by_route.items() if count), None)
        return 0 if first is None else 1 if self._is_by_name(first) else _PAGES[first]

    def lines(self) -> list[str]:
        """Give the calls as a line for people; none where nothing is due."""
        told = [f"{count:,} {_WORDS[route]}" for route, count in self.by_route.items() if count]
        return [f"reference: about {self.calls:,} calls first: {', '.join(told)}"] if told else []

    def costs(self, budget: Budget) -> pl.DataFrame:
        """Give what each route costs on a budget, in their order: COSTS rows; none where nothing is due."""
        told = [(route, count, self._rows(route)) for route, count in self.by_route.items() if count]
        counted = pl.DataFrame(told, {"route": pl.String, "calls": pl.Int64, "rows": pl.Int64}, orient="row")
        sizes = {"bytes": pl.col("rows") * _BYTES, "disk_bytes": pl.col("rows") * _DISK_BYTES}
        return priced(counted.with_columns(budget=pl.lit(budget.name), **sizes), [budget])

    def _rows(self, route: str) -> int:
        return self.by_route[route] * (1 if self._is_by_name(route) else _PER_PAGE)

    def as_json(self) -> dict[str, Any]:
        """Give the counts as plain values."""
        return {"calls": self.calls, "calls_by_route": self.by_route}


def due(held: pl.DataFrame, state: State, followed: Sequence[str], now: datetime) -> Due:
    """Find what is to be asked for, as far as can be known before the first answer.

    Args:
        held: RAW_TICKERS rows, all versions.
        state: Says when what was last answered.
        followed: The followed tickers.
        now: The time, UTC.
    """
    listed, ended, events = (_answered(state, route, now) for route in ROUTES)
    known = _Known.of(held, followed)
    gone = {each for each in followed if each in listed and not known.explains(each, listed[each])}
    return Due(
        tuple(sorted(each for each in followed if _is_old(listed, each, now))),
        tuple(sorted(each for each in followed if each not in ended or (each in gone and _is_old(ended, each, now)))),
        tuple(sorted({each for ticker in followed for each in known.changes_due(ticker, events)}
                     | {figi for each in gone for figi in known.figis.get(each, ())[-1:]
                        if figi in events and events[figi] < listed[each]})),
    )  # fmt: skip


def unlisted(state: State, now: datetime) -> list[str]:
    """List the followed tickers that no listing was ever asked about, sorted; a refusal of this week is an answer."""
    asked = state.reference.answered(LISTED).keys() | _lately_refused(state, LISTED, now).keys()
    return sorted(set(state.universe()) - asked)


def calls_of(ask: Ask) -> int:
    """Count the calls that an ask of the reference may take: the pages of a whole listing, else one."""
    return 1 if ask.tickers else _PAGES.get(ask.route, 1)


def refused(route: str) -> str:
    """Name what is noted when a vendor refuses a route: for a week that counts as an answer."""
    return f"{route} refused"


def _answered(state: State, route: str, now: datetime) -> dict[str, datetime]:
    # Nothing is derived on a reference that was refused: whoever asks for one asks again
    lately = {} if route == LISTED else _lately_refused(state, route, now)
    return lately | state.reference.answered(route)


def _lately_refused(state: State, route: str, now: datetime) -> dict[str, datetime]:
    return {subject: at for subject, at in state.reference.answered(refused(route)).items() if at > now - _WEEK}


def _is_old(answered: Mapping[str, datetime], subject: str, now: datetime) -> bool:
    return subject not in answered or answered[subject] <= now - _WEEK


@dataclass(frozen=True)
class _Known:
    """What the reference that is held says of the followed tickers.

    Attributes:
        newest: The newest row of each ticker.
        figis: The FIGIs that bore each ticker, the last one last.
        bearers: By FIGI, the ticker it was last shown under.
        turns: By FIGI, the first date on which it was shown under that one.
    """

    newest: Mapping[str, Mapping[str, Any]]
    figis: Mapping[str, Sequence[str]]
    bearers: Mapping[str, str]
    turns: Mapping[str, date]

    @classmethod
    def of(cls, held: pl.DataFrame, followed: Sequence[str]) -> "_Known":
        standing = visible(held, RAW_TICKERS.key).filter(pl.col("problem").is_null()).sort("snapshot", "ticker")
        mine = standing.filter(pl.col("ticker").is_in(list(followed)))
        borne = mine.filter(pl.col("figi").is_not_null())
        figis = borne.group_by("ticker", maintain_order=True).agg(pl.col("figi").unique(maintain_order=True))
        family = standing.filter(pl.col("figi").is_in(borne["figi"].unique().to_list()))
        is_turn = (pl.col("ticker") != pl.col("ticker").shift().over("figi")).fill_null(value=True)
        turns = family.filter(is_turn).unique("figi", keep="last", maintain_order=True)
        newest = mine.unique("ticker", keep="last", maintain_order=True)
        return cls(
            {row["ticker"]: row for row in newest.iter_rows(named=True)},
            dict(figis.iter_rows()),
            dict(turns.select("figi", "ticker").iter_rows()),
            dict(turns.select("figi", "snapshot").iter_rows()),
        )

    def explains(self, ticker: str, listed: datetime) -> bool:
        """Say whether it is known why a listing shows a ticker, or shows it no longer."""
        row = self.newest.get(ticker)
        if row is None:
            return False
        is_renamed = self.bearers.get(row["figi"], ticker) != ticker
        return is_renamed or row["delist_date"] is not None or row["snapshot"] >= listed.astimezone(NEW_YORK).date()

    def changes_due(self, ticker: str, told: Mapping[str, datetime]) -> Iterator[str]:
        """Give whose changes of ticker were never told, or not since a listing showed one."""
        mine = self.figis.get(ticker, ())
        if not mine and ticker not in told:
            yield ticker
        for figi in mine:
            if figi not in told or told[figi].astimezone(NEW_YORK).date() < self.turns[figi]:
                yield figi
