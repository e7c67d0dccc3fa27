"""What should be there and is not: sessions with holes or left behind, tickers whose past was never asked for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.ingest.freshness import SPOKEN_OF, published
from orion_assets.ingest.holes import is_let_be
from orion_assets.ingest.landing import is_by_ticker
from orion_assets.ingest.ledger import IS_FEATURED, PUBLISHED
from orion_assets.ingest.standing import heat, no_counts
from orion_assets.market_hours import sessions_for
from orion_assets.schemas import IN_OTHER_MARKETS, RAW_DAILY_BARS, WHOLE_MARKET
from orion_assets.store.state import STATES, State
from orion_assets.store.tallies import Scope

NEAR_SESSIONS: Final = 20
RECENT: Final = 5
# Tickers of a heat map
WORST: Final = 40


@dataclass(frozen=True)
class Coverage:
    """How far a range of sessions is filled.

    Attributes:
        followed: Tickers whose bars are wanted.
        datasets: The raw tables that were ever asked for, and `feature_store`.
        closed: `session`: those of the range whose close cut-off has come, so that all of them can be answered.
        unfilled: `dataset`, `session`: a cell of it was never asked for, is not yet answered or failed; of
            `feature_store`, it was not derived and published from raw as it stands.
        states: Cells by `dataset`, `month` and state, as `standing.counts` gives them.
        worst: The same with `ticker`, of those with the largest share of cells that are not data; they come first.
    """

    followed: Sequence[str]
    datasets: Sequence[str]
    closed: pl.DataFrame
    unfilled: pl.DataFrame
    states: pl.DataFrame = field(default_factory=partial(no_counts, "dataset", "month"))
    worst: pl.DataFrame = field(default_factory=partial(no_counts, "dataset", "ticker", "month"))


def lost(state: State, now: datetime) -> list[date]:
    """List the sessions that runs left behind of any dataset, as `lost_of` does of each."""
    return sorted({day for days in lost_of(state, now).values() for day in days})


def lost_of(state: State, now: datetime) -> dict[str, list[date]]:
    """List by dataset the sessions that runs left behind: in vain, stepped over, or not there yet a few sessions ago.

    What is not there after RECENT sessions is no longer waited for: most often the source ends before it. What lies
    before the first session that a dataset was asked for was not stepped over: nobody wanted it.

    Args:
        state: The state database.
        now: The time, UTC; a session that has not closed is not missed.

    Returns:
        Raw tables that features are made of, those with such sessions, and the sessions of each, sorted.
    """
    asked = state.count_sessions(STATES).filter(IS_FEATURED)
    if asked.is_empty():
        return {}
    days = asked["session"].unique().sort()
    closed = calendars.sessions(days[0], days[-1] + timedelta(days=1)).filter(pl.col("ts_close_cutoff") <= now)[
        "session"
    ]
    found: dict[str, list[date]] = {}
    for dataset in asked["dataset"].unique().sort():
        is_each = is_by_ticker(dataset)
        failed, late = (
            state.count_sessions([name], dataset=dataset, followed=is_each)["session"] for name in ("failed", "not_yet")
        )
        known = asked.filter(pl.col("dataset") == dataset)["session"].sort()
        stepped_over = set(closed.filter(closed > known[0])) - set(known)
        left = {*failed, *(set(late) & set(closed.tail(RECENT))), *stepped_over} & set(closed)
        if left:
            found[dataset] = sorted(left)
    return found


def doubted_of(state: State, now: datetime) -> dict[str, list[date]]:
    """List by dataset the sessions of which something was told that could not be trusted, and that are due again.

    A day later each, and after eight attempts a month later: what a vendor told wrong it may tell right.

    Args:
        state: The state database.
        now: The time, UTC.

    Returns:
        As `lost_of`: of the whole market, or of tickers that are followed.
    """
    cells = state.cells(tickers=[*state.universe(), WHOLE_MARKET], states=["quarantined"])
    due = cells.filter(IS_FEATURED, ~is_let_be(now)).select("dataset", "session").unique()
    return dict(due.group_by("dataset").agg(pl.col("session").sort()).sort("dataset").iter_rows())


def near_one_another(days: Sequence[date], firsts: Collection[date] = ()) -> list[list[date]]:
    """Part sorted sessions where more than NEAR_SESSIONS lie between two of them, and before each of `firsts`.

    A run over a part is about several raw tables: none of them is asked for what lies before its first session.
    """
    position = dict(calendars.sessions().select("session", "position").iter_rows())
    groups: list[list[date]] = []
    for day in days:
        last = groups[-1][-1] if groups else day
        is_first = any(last < first <= day for first in firsts)
        if groups and not is_first and position[day] - position[last] <= NEAR_SESSIONS:
            groups[-1].append(day)
        else:
            groups.append([day])
    return groups


def first_asked(state: State) -> dict[str, date]:
    """Give the first session that each raw table of equities was asked for."""
    asked = state.count_sessions(STATES).filter(IS_FEATURED)
    return dict(asked.group_by("dataset").agg(pl.col("session").min()).iter_rows())


def holes(state: State, dataset: str, followed: int, span: tuple[date, date]) -> list[date]:
    """List the sessions of a span in which a planned cell was not answered: never asked, not yet, or failed.

    Args:
        state: The state database.
        dataset: The raw table.
        followed: How many tickers are followed; each has a cell a session where cells are kept by ticker.
        span: [start, end) of the sessions that are planned.
    """
    is_each = is_by_ticker(dataset)
    counted = state.count_sessions(SPOKEN_OF, dataset=dataset, followed=is_each)
    full = counted.filter(pl.col("cells") >= (followed if is_each else 1)).select("session")
    return sessions_for(dataset, *span).join(full, on="session", how="anti")["session"].sort().to_list()


def coverage_of(state: State, span: tuple[date, date], now: datetime) -> Coverage:
    """Say what is wanting in the sessions [start, end), as far as they have closed by now."""
    datasets = sorted(set(state.count_sessions(STATES)["dataset"]) - {PUBLISHED} - IN_OTHER_MARKETS)
    followed = state.universe()
    wanting = {dataset: holes(state, dataset, len(followed), span) for dataset in datasets}
    underived = calendars.sessions(*span).join(published(state), on="session", how="anti")["session"].to_list()
    rows = [(dataset, day) for dataset, days in [*wanting.items(), (PUBLISHED, underived)] for day in days]
    unfilled = pl.DataFrame(rows, {"dataset": pl.String(), "session": pl.Date()}, orient="row")
    closed = calendars.sessions(*span).filter(pl.col("ts_close_cutoff") <= now).select("session")
    by_month = heat(state, Scope(start=span[0], end=span[1]), tickers=WORST, without=IN_OTHER_MARKETS)
    return Coverage(followed, (*datasets, PUBLISHED), closed, unfilled, *by_month)


def never_asked(state: State) -> list[date]:
    """List the sessions between those asked for that nobody asked for: features after them step over the gap."""
    asked = state.count_sessions(STATES).filter(IS_FEATURED).select("session").unique().sort("session")
    if asked.is_empty():
        return []
    between = calendars.sessions(asked["session"][0], asked["session"][-1])
    return between.join(asked, on="session", how="anti")["session"].sort().to_list()


def lacking_past(state: State, dataset: str = RAW_DAILY_BARS.name) -> tuple[str, ...]:
    """List the followed tickers that were not asked for in some session in which bars of others were answered."""
    asked = state.count_sessions(SPOKEN_OF, dataset=dataset).height
    counts = state.count_tickers(dataset)
    return tuple(ticker for ticker in state.universe() if counts.get(ticker, 0) < asked)


def unasked(state: State, tickers: Sequence[str], dataset: str = RAW_DAILY_BARS.name) -> dict[str, list[date]]:
    """List, for some tickers, the sessions in which bars of others were answered and its own never asked for.

    Args:
        state: The state database.
        tickers: Tickers followed since; those without such sessions are not in the answer.
        dataset: The raw table of the bars.
    """
    if not tickers:
        return {}
    asked = state.count_sessions(SPOKEN_OF, dataset=dataset)["session"].sort().to_list()
    own = state.cells(dataset=dataset, tickers=tickers)
    known: dict[str, set[date]] = {}
    for ticker, session in own.select("ticker", "session").iter_rows():
        known.setdefault(ticker, set()).add(session)
    missing = {ticker: [day for day in asked if day not in known.get(ticker, set())] for ticker in tickers}
    return {ticker: days for ticker, days in missing.items() if days}
