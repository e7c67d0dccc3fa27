"""How far back a key reaches: found by asking for single sessions, and kept for the planner. Nothing is landed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from orion_assets.calendars import NEW_YORK
from orion_assets.errors import NotEntitled, NotFound, NotYet
from orion_assets.market_hours import sessions_for
from orion_assets.markets import MARKETS
from orion_assets.schemas import (
    RAW_DAILY_BARS,
    RAW_DIVIDENDS,
    RAW_MINUTE_BARS,
    RAW_NEWS,
    RAW_SPLITS,
    table_of,
)
from orion_assets.sources.protocols import Ask, Source
from orion_assets.sources.routes import Floor, Route

# A floor that moves with the days is looked for again so often
AGE: Final = timedelta(days=7)
# Of these many a session has no row, so that only a refusal tells something
SPARSE: Final = (RAW_SPLITS.name, RAW_DIVIDENDS.name)
# Of the others the market has rows of every session, so that their absence tells something, but of one ticker it tells
# when that was listed; an option trades for months alone
PROBED: Final = (
    *(RAW_DAILY_BARS.name, RAW_MINUTE_BARS.name, RAW_NEWS.name, *SPARSE),
    *(
        table_of(table, market).name
        for market in MARKETS.values()
        if not market.expires
        for table in (RAW_DAILY_BARS, RAW_MINUTE_BARS)
    ),
)


@dataclass(frozen=True)
class Reach:
    """How far back a dataset may be asked for.

    Attributes:
        dataset: The raw table.
        floor: What was found: the first session with rows, or, of actions and where one ticker is asked for all, the
            first that is not refused. None where no session at all was answered.
        calls: What it took.
    """

    dataset: str
    floor: Floor | None
    calls: int


def reach(source: Source, dataset: str, since: date, now: datetime, ticker: str) -> Reach:
    """Find the first session that a source answers for.

    Args:
        source: Whom to ask.
        dataset: One of PROBED.
        since: The vendor has nothing of equities before.
        now: The time, UTC.
        ticker: Of whom to ask where the whole market cannot be asked for at once.

    Raises:
        ValueError: The source has no route to it but files.
        NotEntitled: The key may not ask for it at all.
        OrionError: As `Source.read`.
    """
    today = now.astimezone(NEW_YORK).date()
    route = _route(source, dataset, today)
    closed = sessions_for(dataset, since, today).filter(pl.col("ts_close_cutoff") <= now)["session"].to_list()
    sessions = [day for day in closed if route.not_yet_from is None or day < route.not_yet_from]
    asked: list[date] = []
    told: set[date] = set()
    refused: set[date] = set()

    # Where one ticker answers for all, its first rows are its listing's and nobody else's
    by_refusal = dataset in SPARSE or route.scope != "market"

    def is_answered(session: date) -> bool:
        asked.append(session)
        rows = _rows(source, _alone(route, session, now, ticker))
        if rows is None:
            refused.add(session)
        if rows:
            told.add(session)
        return rows is not None and (rows > 0 or by_refusal)

    expected = sum(day < route.floor for day in sessions) if route.floor else 0
    if by_refusal and sessions and is_answered(sessions[0]):
        if dataset not in SPARSE and not told and not (is_answered(sessions[-1]) and told):
            # Of somebody who has no rows today either, silence about the first session tells nothing
            return Reach(dataset, None, len(asked))
        # Nothing is refused: a floor that an earlier plan set is lifted
        return Reach(dataset, Floor(sessions[0], today, is_rolling=False), len(asked))
    first = first_answered(is_answered, sessions, expected)
    if first is None:
        return Reach(dataset, None, len(asked))
    if dataset == RAW_NEWS.name and first not in (sessions[0], sessions[-1]):
        # A session's articles begin on the evening before it: of the first one a part may be cut off
        first = sessions[sessions.index(first) + 1]
    # Where news and other markets begin nobody knows: without a refusal it is the vendor's own begin
    is_known = dataset in (RAW_DAILY_BARS.name, RAW_MINUTE_BARS.name)
    is_rolling = first != sessions[0] and (is_known or bool(refused))
    return Reach(dataset, Floor(first, today, is_rolling=is_rolling), len(asked))


def first_answered(is_answered: Callable[[date], bool], sessions: Sequence[date], expected: int) -> date | None:
    """Find the first session that is answered, where all after it are too, in as few questions as that takes.

    Two questions where it is the expected one; else by halves.

    Args:
        is_answered: Asks for a session.
        sessions: In order.
        expected: Where the first one is thought to stand.
    """
    low, high = 0, len(sessions)
    for guess in (expected, expected - 1):
        if low <= guess < high:
            low, high = (low, guess) if is_answered(sessions[guess]) else (guess + 1, high)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_answered(sessions[middle]) else (middle + 1, high)
    return sessions[low] if low < len(sessions) else None


def is_due(floor: Floor, today: date) -> bool:
    """Say whether a floor was found so long ago that it is looked for again."""
    return today - floor.on >= AGE


def kept(floor: Floor, today: date) -> Floor:
    """Give a floor that could not be found anew: as it stands today, to be looked for again when it is that old."""
    return replace(floor, first=floor.at(today), on=today)


def most_calls(since: date, now: datetime) -> int:
    """Count the questions that `reach` takes at most."""
    # Of markets that are never shut every day is one
    return 3 + (now.astimezone(NEW_YORK).date() - since).days.bit_length()


def _route(source: Source, dataset: str, today: date) -> Route:
    # Files have keys and a floor of their own, and the list of them tells where they begin
    routes = [route for route in source.routes(today) if route.dataset == dataset and route.listed is None]
    if not routes:
        raise ValueError(f"{source.name}: there is no route to {dataset}")
    # What is told of the market is told whoever traded then
    return min(routes, key=lambda route: route.scope != "market")


def _alone(route: Route, session: date, now: datetime, ticker: str) -> Ask:
    whom = () if route.scope == "market" else (ticker,)
    return Ask(route.dataset, session, session + timedelta(days=1), whom, now, bool(whom), route.name)


def _rows(source: Source, ask: Ask) -> int | None:
    """Count what is told of a session; None where it is refused. One that is left out unsaid has none."""
    try:
        return source.read(ask).rows.height
    except (NotFound, NotYet):
        return 0
    except NotEntitled as e:
        if not e.is_by_date:
            raise
        return None
