"""What is asked for again though it was answered: vendors correct bars the day after, within a week, or much later.

From the ledger and the calendar alone: when a cell was last asked for, held against the sessions since. What an answer
changes is landed as any other; one that changes nothing leaves nothing but when it was given.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from heapq import nsmallest
from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.ingest.ledger import planned_cells
from orion_assets.ingest.objects import watched
from orion_assets.ingest.plan import HOLES
from orion_assets.market_hours import sessions_of
from orion_assets.markets import EQUITIES, Market, market_named_in
from orion_assets.schemas import ANSWERED, WHOLE_MARKET
from orion_assets.sources.protocols import Ask
from orion_assets.sources.routes import Route
from orion_assets.store.state import State
from orion_assets.tables import UTC_US

# So many sessions after its own a cell is asked for again, if nobody asked since
AFTER: Final = (1, 5)
# New York's clock; the vendor's corrections of the night are in
_AT: Final = time(11)
# Sessions back; after a longer pause, or a ledger that was lost, the audit finds what was corrected
REACH: Final = 10
# What was asked for within this time is not audited
_REST: Final = timedelta(days=30)
# What the detail of a cell begins with that was asked for again in vain
_IN_VAIN: Final = "asked again in vain at "
_AT_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
_REST_IN_VAIN: Final = timedelta(days=1)
# Minutes of a session are a call a ticker, too many for an audit
AUDITED: Final = ("raw_daily_bars", "raw_vix", "raw_news", "raw_splits", "raw_dividends")


def rereads(state: State, routes: Sequence[Route], ask: Ask, audits: int) -> pl.DataFrame:
    """Give the cells of an ask that were answered and are to be asked for again now.

    Args:
        state: The state database.
        routes: What may be asked; a session that none of them answers is let be, and so is one whose object was landed.
        ask: The dataset, the range, who is followed, the time.
        audits: How many old sessions are asked for again each day, over all datasets.

    Returns:
        HOLES rows. A cell is among them from 11:00 New York of the first and of the fifth session after its own on,
        until it is asked for; and where the day's audit names its session, and nobody asked for 30 days.
    """
    turns = pl.concat([_turns(ask.now, market_named_in(ask.dataset)), _audited(state, ask, audits)])
    mine = turns.filter(pl.col("session").is_between(ask.start, ask.end, closed="left"))
    mine_alone = [route for route in routes if route.dataset == ask.dataset]
    named = sorted(set(mine["session"]) - watched(state.objects, routes, ask))
    days = [day for day in named if any(not each.refusal(day) for each in mine_alone)]
    if not days:
        return pl.DataFrame(schema=HOLES)
    wanted = pl.concat([planned_cells(ask.dataset, ask.tickers, day, day + timedelta(days=1)) for day in days])
    answered = pl.concat(
        [state.cells(ask.dataset, start=day, end=day + timedelta(days=1), states=ANSWERED) for day in days]
    )
    due = answered.join(mine.group_by("session").agg(pl.col("ts_turn").max()), on="session")
    overdue = due.filter(pl.col("ts_updated") < pl.col("ts_turn"), ~_was_in_vain(ask.now))
    return wanted.join(overdue, on=list(HOLES), how="semi").select(HOLES.keys())


def noted(cells: pl.DataFrame, at: datetime, reason: str) -> pl.DataFrame:
    """Note in answered cells that they were asked for again in vain: they stay as they are, and rest for a day."""
    return cells.with_columns(detail=pl.lit(f"{_IN_VAIN}{at.astimezone(UTC).strftime(_AT_FORMAT)}: {reason}"))


def _was_in_vain(now: datetime) -> pl.Expr:
    """Say of cells whether somebody asked again in vain within a day."""
    told = pl.col("detail").str.strip_prefix(_IN_VAIN).str.head(20)
    at = told.str.to_datetime(_AT_FORMAT, strict=False, time_zone="UTC", time_unit="us")
    is_noted = pl.col("detail").str.starts_with(_IN_VAIN)
    return (is_noted & (at > pl.lit(now.astimezone(UTC) - _REST_IN_VAIN, UTC_US))).fill_null(value=False)


def late(state: State, now: datetime, market: Market = EQUITIES) -> list[date]:
    """List the sessions of which followed cells of a market should have been asked for again by now, and were not."""
    turns = _turns(now, market)
    if turns.is_empty():
        return []
    followed = [*state.universe(market), WHOLE_MARKET]
    first, last = turns["session"][0], turns["session"][-1]
    cells = state.cells(tickers=followed, start=first, end=last + timedelta(days=1), states=ANSWERED)
    mine = [name for name in cells["dataset"].unique() if name.startswith("raw_") and market_named_in(name) is market]
    due = cells.filter(pl.col("dataset").is_in(mine)).join(turns, on="session")
    # Whether an object was replaced is seen for free
    landed = [
        {"dataset": name, "session": day}
        for name in mine
        for day in state.objects.between(name, first, last + timedelta(days=1))
    ]
    by_object = pl.DataFrame(landed, {"dataset": pl.String, "session": pl.Date})
    due = due.join(by_object, on=["dataset", "session"], how="anti").filter(~_was_in_vain(now))
    return due.filter(pl.col("ts_updated") < pl.col("ts_turn"))["session"].unique().sort().to_list()


def _turns(now: datetime, market: Market) -> pl.DataFrame:
    """Give by session of a market the latest instant that has come to ask for it again: `session`, `ts_turn`."""
    today = now.astimezone(calendars.NEW_YORK).date()
    days = sessions_of(market, end=today + timedelta(days=1)).select("session").tail(REACH + max(AFTER))
    at = pl.col("session").dt.combine(_AT).dt.replace_time_zone("America/New_York").dt.convert_time_zone("UTC")
    turns = pl.concat([days.select(at.alias("ts_turn"), session=pl.col("session").shift(count)) for count in AFTER])
    is_near = pl.col("session").is_in(days["session"].tail(REACH).to_list())
    came = turns.filter(is_near & (pl.col("ts_turn") <= pl.lit(now.astimezone(UTC), UTC_US)))
    return came.group_by("session").agg(pl.col("ts_turn").max()).sort("session")


def _audited(state: State, ask: Ask, audits: int) -> pl.DataFrame:
    """Give the sessions of a dataset that today's audit names, as `_turns` does; the same all day long."""
    chosen = [day for dataset, day in audit(state, ask.now, audits) if dataset == ask.dataset]
    return pl.DataFrame({"session": chosen}, {"session": pl.Date}).select(
        "session", ts_turn=pl.lit(ask.now.astimezone(UTC) - _REST, UTC_US)
    )


def audit(state: State, now: datetime, audits: int) -> list[tuple[str, date]]:
    """Choose the datasets and sessions that today's audit asks for again: by date alone, each as likely as another.

    Args:
        state: The state database: where each dataset begins.
        now: The time, UTC; New York's date decides.
        audits: How many.
    """
    if audits <= 0:
        return []
    today = now.astimezone(calendars.NEW_YORK).date()
    return nsmallest(audits, _pool(state, today), key=lambda each: _lot(today, *each))


def _pool(state: State, today: date) -> Iterator[tuple[str, date]]:
    for dataset in AUDITED:
        first = state.first_session(dataset)
        if first is not None and first < today - _REST:
            yield from ((dataset, day) for day in calendars.sessions(first, today - _REST)["session"])


def _lot(today: date, dataset: str, session: date) -> bytes:
    return hashlib.sha256(f"{today} {dataset} {session}".encode()).digest()
