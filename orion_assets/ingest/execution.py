"""From a range of a raw table to the calls that fill it, made one by one as planned, each landed before the next.

What a call comes to is in the ledger before the next one is made, so that a run that ends anywhere is taken up there.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.calendars import NEW_YORK
from orion_assets.errors import AnswerDistrusted, NotEntitled, NotFound, NotYet, OrionError, RequestRejected
from orion_assets.ingest.landing import is_by_ticker
from orion_assets.ingest.ledger import covered_cells, failed_cells, planned_cells
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.plan import HOLES, Call, Plan
from orion_assets.ingest.planner import plan
from orion_assets.ingest.runner import Desk, Landed, land
from orion_assets.schemas import ANSWERED, RAW_COVERAGE
from orion_assets.sources.protocols import Ask, Source
from orion_assets.sources.routes import Route
from orion_assets.store.state import State
from orion_assets.tables import UTC_US, Table
from orion_assets.transforms.versions import visible

LOG: Final = logging.getLogger(__name__)
# Answered, for good or ill; what was quarantined or not listed is told again only on purpose
_SETTLED: Final = (*ANSWERED, "quarantined", "not_listed")
# A right that is missing today may be there tomorrow
_ASK_AGAIN_AFTER: Final = timedelta(days=1)
_STATES: Final[dict[type[OrionError], str]] = {
    NotEntitled: "not_entitled",
    NotYet: "not_yet",
    NotFound: "not_listed",
    AnswerDistrusted: "quarantined",
    RequestRejected: "failed",
}


def holes(state: State, ask: Ask, now: datetime) -> pl.DataFrame:
    """Give the cells of an ask that have closed and that no source has spoken of.

    Args:
        state: The state database.
        ask: The dataset, the range, and who is followed.
        now: The time, UTC.

    Returns:
        HOLES rows.
    """
    closed = calendars.sessions(ask.start, ask.end).filter(pl.col("ts_close_cutoff") <= now).select("session")
    wanted = planned_cells(ask.dataset, ask.tickers, ask.start, ask.end).join(closed, on="session", how="semi")
    known = state.cells(ask.dataset, start=ask.start, end=ask.end)
    is_fresh = (pl.col("state") == "not_entitled") & (pl.col("ts_updated") > now - _ASK_AGAIN_AFTER)
    settled = known.filter(pl.col("state").is_in(_SETTLED) | is_fresh)
    return wanted.join(settled, on=list(HOLES), how="anti").select(HOLES.keys())


def planned(
    state: State,
    routes: Sequence[Route],
    asks: Sequence[Ask],
    now: datetime,
    *,
    max_calls: int | None = None,
    max_tickers: int | None = None,
) -> Plan:
    """Plan the calls that fill the holes of some asks; nothing is spent.

    Args:
        state: The state database.
        routes: What may be asked, the best first.
        asks: One for each dataset.
        now: The time, UTC.
        max_calls: Plan no more requests than these.
        max_tickers: Plan for no more tickers than these.
    """
    missing = pl.concat([pl.DataFrame(schema=HOLES), *(holes(state, ask, now) for ask in asks)])
    span = min(ask.start for ask in asks), max(ask.end for ask in asks)
    return plan(missing, routes, calendars.sessions(*span), max_calls=max_calls, max_tickers=max_tickers)


def fill(desk: Desk, source: Source, ask: Ask, table: Table, moment: Moment, max_calls: int | None = None) -> Landed:
    """Land a range of one raw table: whole where asking costs nothing, else by the calls of a plan.

    Args:
        desk: Where to land.
        source: Whom to ask.
        ask: The range, the universe, the instant.
        table: The raw table that `ask.dataset` names.
        moment: The clock of the landing.
        max_calls: Make no more requests than these, the first of the plan.

    A call that the vendor refuses for good leaves its cells in the state that says why, and the next one is made.

    Raises:
        KeyRefused, SourceUnavailable, SettingsError: No further call makes sense; what was landed stays.
    """
    routes = source.routes(moment.now.astimezone(NEW_YORK).date())
    if not routes:
        return land(desk, source, ask, table, moment)
    _from_the_market(desk, ask, table, moment)
    work = planned(desk.state, routes, [ask], moment.now, max_calls=max_calls)
    _record_unanswerable(desk.state, ask, table, work, moment)
    parts = [_made(desk, source, ask, call, table, moment) for call in work]
    not_due = calendars.sessions(ask.start, ask.end).filter(pl.col("ts_close_cutoff") > moment.now)["session"]
    changes = [part.first_change for part in parts if part.first_change is not None]
    appended = pl.concat([table.empty(), *(part.appended for part in parts)])
    LOG.info("%s: %d calls made, %d versions landed", table.name, work.calls, appended.height)
    return Landed(table, appended, min(changes, default=None), tuple(not_due))


def _from_the_market(desk: Desk, ask: Ask, table: Table, moment: Moment) -> None:
    """Answer for tickers followed since, where an answer about the whole market was landed: that costs no call."""
    if not is_by_ticker(table.name):
        return
    open_cells = holes(desk.state, ask, moment.now).select("ticker", "session")
    told = desk.lake.read(RAW_COVERAGE, start=ask.start, end=ask.end).filter(
        (pl.col("dataset") == table.name) & (pl.col("cutoff") == "close") & pl.col("is_market")
    )
    last = told.sort("ts_known").unique("session", keep="last")
    cells = open_cells.join(last.drop("ticker"), on="session", how="inner")
    if cells.is_empty():
        return
    tickers = cells["ticker"].unique().to_list()
    held = visible(desk.lake.read(table, start=ask.start, end=ask.end, tickers=tickers), table.key)
    counted = held.group_by("ticker", "session").agg(_rows=pl.len().cast(pl.Int64))
    rows = pl.col("_rows").fill_null(0)
    answered = RAW_COVERAGE.conform(
        cells.join(counted, on=["ticker", "session"], how="left")
        .with_columns(
            rows=rows,
            state=pl.when(rows > 0).then(pl.lit("data")).otherwise(pl.lit("empty_confirmed")),
            ts_ingested=pl.lit(moment.landing(), UTC_US),
            is_market=pl.lit(value=False),
        )
        .drop("_rows")
    )

    def fresh(known: pl.DataFrame) -> pl.DataFrame:
        return answered.join(known, on=RAW_COVERAGE.key, how="anti")

    desk.lake.append(RAW_COVERAGE, fresh, start=ask.start, end=ask.end)
    desk.state.record(covered_cells(answered))
    LOG.info("%s: %d cells answered from what was told of the whole market", table.name, answered.height)


def _made(desk: Desk, source: Source, whole: Ask, call: Call, table: Table, moment: Moment) -> Landed:
    mine = call.ask(moment.now)
    if is_by_ticker(table.name) and not mine.tickers:
        # An answer about the market tells of everybody who is followed, with bars or without
        mine = replace(mine, tickers=whole.tickers)
    try:
        return land(desk, source, mine, table, moment)
    except (NotEntitled, NotYet, NotFound, AnswerDistrusted, RequestRejected) as e:
        LOG.warning("%s", e)
        known = desk.state.cells(table.name, start=mine.start, end=mine.end)
        answered = known.filter(pl.col("state").is_in(_SETTLED))
        desk.state.record(failed_cells(mine, table, moment, str(e), answered, state=_STATES[type(e)]))
        return Landed.nothing(table)


def _record_unanswerable(state: State, ask: Ask, table: Table, work: Plan, moment: Moment) -> None:
    """Say of the cells that nobody may be asked for why that is so."""
    for (reason,), cells in work.unanswerable.partition_by("reason", as_dict=True).items():
        if reason == "no_route":
            continue
        told = {"not_yet": "the source has no answer yet", "not_entitled": "outside what the subscription allows"}
        days: list[date] = cells["session"].sort().to_list()
        mine = replace(ask, start=days[0], end=days[-1] + timedelta(days=1))
        planned = planned_cells(table.name, mine.tickers, mine.start, mine.end)
        others = planned.join(cells, on=list(HOLES), how="anti")
        state.record(failed_cells(mine, table, moment, told[str(reason)], others, state=str(reason)))
