"""Which cells of an ask nobody has spoken of and somebody may still be asked for: from the ledger, lake and routes."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from orion_assets.ingest.landing import is_by_ticker
from orion_assets.ingest.ledger import planned_cells
from orion_assets.ingest.plan import HOLES
from orion_assets.market_hours import sessions_for
from orion_assets.schemas import ANSWERED, RAW_COVERAGE, TABLES
from orion_assets.sources.protocols import Ask
from orion_assets.sources.routes import Route
from orion_assets.store.lake import Lake
from orion_assets.store.state import State

# States of what the vendor could not, or would not, tell: a day later it may be there
ASKED_DAILY: Final = ("not_entitled", "not_listed", "quarantined")
_ASK_AGAIN_AFTER: Final = timedelta(days=1)
# Of an answer that stays bad, after a few days it is believed that it stays so
MOST_ATTEMPTS: Final = 8
# An answer that could not be trusted is no answer: it is asked for again for good, but seldom
_SELDOM: Final = timedelta(days=30)
# In place of evidence: before which session nothing was told then, or which route to an object was refused, and of one
# that was not believed its version
_FLOOR: Final = "floor "
_REFUSED: Final = "refused "
IS_REFUSED: Final = pl.col("evidence").fill_null("").str.starts_with(_REFUSED)


def holes(state: State, ask: Ask, now: datetime, floor: date | None = None) -> pl.DataFrame:
    """Give the cells of an ask that have closed and that no source has spoken of.

    Args:
        state: The state database.
        ask: The dataset, the range, and who is followed.
        now: The time, UTC.
        floor: First session that the subscription includes today; None where there is no such bound. What was refused
            for lying too far back is asked for again only where this floor is earlier than the one of then.

    Returns:
        HOLES rows.
    """
    days = sessions_for(ask.dataset, ask.start, ask.end)
    closed = days.filter(pl.col("ts_close_cutoff") <= now).select("session")
    wanted = planned_cells(ask.dataset, ask.tickers, ask.start, ask.end).join(closed, on="session", how="semi")
    known = state.cells(ask.dataset, start=ask.start, end=ask.end, states=(*ANSWERED, *ASKED_DAILY))
    # Another route may have what an object was refused of
    settled = known.filter(pl.col("state").is_in(ANSWERED) | (is_let_be(now) & ~IS_REFUSED) | _is_gone(floor))
    return wanted.join(settled, on=list(HOLES), how="anti").select(HOLES.keys())


def open_cells(state: State, lake: Lake, routes: Sequence[Route], asks: Iterable[Ask], now: datetime) -> pl.DataFrame:
    """Give the holes of some asks, less those that are answered by what was told of the whole market.

    Returns:
        HOLES rows; those that no subscription with these routes will ever fill are not among them.
    """
    found = [pl.DataFrame(schema=HOLES)]
    for ask in asks:
        mine = holes(state, ask, now, floor_of(routes, ask.dataset))
        found.append(mine.join(told_of_market(state, lake, routes, ask, mine), on=list(HOLES), how="anti"))
    return pl.concat(found)


def due_cells(state: State, lake: Lake, routes: Sequence[Route], asks: Sequence[Ask], now: datetime) -> pl.DataFrame:
    """Give the open cells of some asks that a call may fill, and those that the ledger does not know yet: HOLES rows.

    What no route answers was said once; saying it again fills nothing.
    """
    found = [pl.DataFrame(schema=HOLES)]
    usable = unrefused(state, routes, asks, now)
    for ask in asks:
        mine = [route for route in usable if route.dataset == ask.dataset]
        missing = open_cells(state, lake, usable, [ask], now)
        days = missing["session"].unique().to_list()
        closed = [day for day in days if all(route.refusal(day) for route in mine)]
        known = state.cells(ask.dataset, start=ask.start, end=ask.end, states=("not_yet", *ASKED_DAILY))
        told = known.filter(pl.col("session").is_in(closed))
        found.append(missing.join(told, on=list(HOLES), how="anti"))
    return pl.concat(found)


def told_of_market(state: State, lake: Lake, routes: Sequence[Route], ask: Ask, cells: pl.DataFrame) -> pl.DataFrame:
    """Give those cells that an answer about the whole market was landed for before their ticker was followed.

    Args:
        state: The state database.
        lake: What was landed.
        routes: An answer that was asked for less than they ask for tells of fewer tickers.
        ask: The dataset and its range.
        cells: HOLES rows of it. One that was asked for before is asked for again, or not, for reasons of its own.

    Returns:
        HOLES columns and those of RAW_COVERAGE: the last answer about the market in the session of each cell.
    """
    last = RAW_COVERAGE.empty()
    if is_by_ticker(ask.dataset) and cells.height:
        known = state.cells(ask.dataset, start=ask.start, end=ask.end)
        cells = cells.join(known, on=list(HOLES), how="anti")
        last = lake.read(RAW_COVERAGE, start=ask.start, end=ask.end).filter(
            (pl.col("dataset") == ask.dataset) & (pl.col("cutoff") == "close") & pl.col("is_market")
        )
        last = last.sort("ts_known").unique("session", keep="last")
        asks_with = max((route.asks_with for route in routes if route.dataset == ask.dataset), default="")
        if asks_with and cells.height:
            last = last.filter(pl.col("session").is_in(_asked_with(state, lake, ask, asks_with)))
    return cells.join(last.drop("ticker", "dataset"), on="session", how="inner")


def _asked_with(state: State, lake: Lake, ask: Ask, text: str) -> list[date]:
    """List the sessions whose answer about the market was asked with a text in its address."""
    held = lake.read(TABLES[ask.dataset], start=ask.start, end=ask.end, tickers=state.universe())
    is_so = pl.col("source_file").str.contains(text, literal=True)
    return held.filter(is_so)["session"].unique().to_list()


def floor_of(routes: Iterable[Route], dataset: str) -> date | None:
    """Give the earliest session that moves on with the date; None where some route reaches back for good."""
    floors = [route.floor if route.is_rolling else None for route in routes if route.dataset == dataset]
    return None if None in floors else min((floor for floor in floors if floor is not None), default=None)


def at_floor(floor: date | None) -> str:
    """Give the evidence of a cell that was refused for lying too far back; empty where nothing moves on."""
    return "" if floor is None else f"{_FLOOR}{floor}"


def refused(route: str, version: str = "") -> str:
    """Give the evidence of a cell whose object was refused; with its version where it was read and not believed."""
    return f"{_REFUSED}{route} {version}".rstrip()


def unrefused(state: State, routes: Sequence[Route], asks: Iterable[Ask], now: datetime) -> list[Route]:
    """Give routes without the sessions whose object was refused within a day, or time and again.

    One that was read and not believed says the same until it is listed as another one: meanwhile the other routes that
    have the session answer it, however long ago that was.
    """
    known = [
        state.cells(ask.dataset, start=ask.start, end=ask.end, states=["not_entitled", "quarantined"])
        .filter(IS_REFUSED)
        .select(
            "dataset", "session", is_let_be(now).alias("_rests"), told=pl.col("evidence").str.strip_prefix(_REFUSED)
        )
        for ask in asks
    ]
    denied = dict[tuple[str, str], set[date]]()
    of_calls = [route for route in routes if route.listed is None]
    for dataset, session, rests, told in pl.concat(known).unique().iter_rows() if known else ():
        name, _, version = told.partition(" ")
        has_other = any(route.dataset == dataset and not route.refusal(session) for route in of_calls)
        if _listed_as(routes, dataset, name, session, version) and (rests or (version and has_other)):
            denied.setdefault((dataset, name), set()).add(session)
    return [_without(route, denied.get((route.dataset, route.name), set())) for route in routes]


def _listed_as(routes: Iterable[Route], dataset: str, name: str, session: date, version: str) -> bool:
    """Say whether an object is still listed as the version that was refused, where it is known which one was."""
    versions = [route.versions for route in routes if (route.dataset, route.name) == (dataset, name)]
    return not version or all(each.get(session, version) == version for each in versions)


def _without(route: Route, sessions: set[date]) -> Route:
    return replace(route, listed=route.listed - sessions) if sessions and route.listed is not None else route


def is_let_be(now: datetime) -> pl.Expr:
    """Say of cells that were asked for in vain whether they are let be: for a day, and after some attempts for good.

    What was told and could not be trusted is let be for a month then.
    """
    is_tried = pl.col("attempts") >= MOST_ATTEMPTS
    is_doubted = pl.col("state") == "quarantined"
    is_resting = (pl.col("ts_updated") > now - _SELDOM) | ~is_doubted
    return (pl.col("ts_updated") > now - _ASK_AGAIN_AFTER) | (is_tried & is_resting)


def _is_gone(floor: date | None) -> pl.Expr:
    """Say of cells whether they were refused for good: a floor only moves on, unless the subscription grows."""
    then = pl.col("evidence").str.strip_prefix(_FLOOR).str.to_date("%Y-%m-%d", strict=False)
    is_refused = (pl.col("state") == "not_entitled") & pl.col("evidence").str.starts_with(_FLOOR)
    return is_refused & (pl.lit(floor, pl.Date) >= then).fill_null(value=False)
