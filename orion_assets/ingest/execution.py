"""From a range of a raw table to the calls that fill it, made as planned, each landed before the next one is.

What a call comes to is in the ledger before the next one is landed, so that a run that ends anywhere is taken up there.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from orion_assets.calendars import NEW_YORK
from orion_assets.errors import (
    AnswerDistrusted,
    KeyRefused,
    NotEntitled,
    NotFound,
    NotYet,
    OrionError,
    RequestRejected,
    SettingsError,
    SourceRejected,
    SourceUnavailable,
)
from orion_assets.ingest.ahead import Ahead, lanes
from orion_assets.ingest.expectation import MOST_MISSING
from orion_assets.ingest.hearing import Hearing
from orion_assets.ingest.holes import (
    ASKED_DAILY,
    IS_REFUSED,
    at_floor,
    floor_of,
    holes,
    open_cells,
    refused,
    told_of_market,
    unrefused,
)
from orion_assets.ingest.landing import is_by_ticker
from orion_assets.ingest.ledger import covered_cells, planned_cells, told_cells
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.objects import Objects, replaced
from orion_assets.ingest.plan import HOLES, Call, Plan
from orion_assets.ingest.planner import plan
from orion_assets.ingest.progress import Progress, label_of, tell
from orion_assets.ingest.restatements import noted, rereads
from orion_assets.ingest.runner import Desk, Landed, dated, land, land_all, question
from orion_assets.market_hours import sessions_for
from orion_assets.markets import MARKETS, market_named_in
from orion_assets.schemas import ANSWERED, RAW_COVERAGE, WHOLE_MARKET
from orion_assets.sources.protocols import Ask, Source
from orion_assets.sources.routes import Route
from orion_assets.store.lake import Lake
from orion_assets.store.state import LEDGER_KEY, State
from orion_assets.tables import UTC_US, Table
from orion_assets.transforms.versions import visible

LOG: Final = logging.getLogger(__name__)
_LONG_AGO: Final = timedelta(days=365)
_OTHERWISE: Final = "It is asked for again by another route that has the session, else tomorrow"
_GONE: Final = "It is asked for again when ORION_POLYGON_PLAN reaches further back"
_CUT: Final = (
    "the vendor answered, and left out all before its first session: outside what the plan of the key includes"
)
_STATES: Final[Mapping[type[OrionError], tuple[str, str]]] = {
    NotEntitled: ("not_entitled", "It is asked for again tomorrow; a larger plan is set by ORION_POLYGON_PLAN"),
    NotYet: ("not_yet", "The next run asks again"),
    NotFound: ("not_listed", "It is asked for again tomorrow; is the ticker right?"),
    AnswerDistrusted: ("quarantined", "It is asked for again tomorrow"),
    RequestRejected: ("failed", "The next run asks again; if this stays, report it"),
    SourceRejected: ("failed", "The next run asks again"),
}


def planned(  # noqa: PLR0913 - two of them are limits
    state: State,
    lake: Lake,
    routes: Sequence[Route],
    asks: Sequence[Ask],
    now: datetime,
    *,
    again: pl.DataFrame | None = None,
    max_calls: int | None = None,
    max_tickers: int | None = None,
) -> Plan:
    """Plan the calls that fill the holes of some asks; nothing is spent.

    Args:
        state: The state database.
        lake: What was told of whole markets: it answers for who is followed since.
        routes: What may be asked, the best first; not for sessions whose object was refused, as long as it is not told.
        asks: One for each dataset, all of one market: its sessions are the planner's.
        now: The time, UTC.
        again: HOLES rows: answered cells to ask for once more; those that nobody may be asked for stay as they are.
        max_calls: Plan no more requests than these.
        max_tickers: Plan for no more tickers than these.
    """
    routes = unrefused(state, routes, asks, now)
    missing = open_cells(state, lake, routes, asks, now)
    told = [missing.clear() if again is None else again, *(_replaced(state, routes, ask) for ask in asks)]
    more = pl.concat(told).join(missing, on=list(HOLES), how="anti")
    span = min(ask.start for ask in asks), max(ask.end for ask in asks)
    limits = {"max_calls": max_calls, "max_tickers": max_tickers}
    made = plan(pl.concat([missing, more]), routes, sessions_for(asks[0].dataset, *span), **limits)
    return replace(made, unanswerable=made.unanswerable.join(more, on=list(HOLES), how="anti"))


def _replaced(state: State, routes: Sequence[Route], ask: Ask) -> pl.DataFrame:
    """Give the market's own cells of the sessions whose object is to be read again: no other route may answer those."""
    days = pl.DataFrame({"session": replaced(state.objects, routes, ask)}, {"session": pl.Date()})
    return days.select(dataset=pl.lit(ask.dataset), ticker=pl.lit(WHOLE_MARKET), session="session")


def fill(
    desk: Desk, source: Source, ask: Ask, table: Table, moment: Moment, max_calls: int | None = None
) -> Iterator[Landed]:
    """Land a range of one raw table: whole where asking costs nothing, else by the calls of a plan.

    Args:
        desk: Where to land.
        source: Whom to ask.
        ask: The range, the universe, the instant.
        table: The raw table that `ask.dataset` names.
        moment: The clock of the landing.
        max_calls: Make no more requests than these, the first of the plan.

    Yields:
        What came of each piece of the range, or of each call.

    A call that the vendor refuses for good leaves its cells in the state that says why, and the next one is made. So
    does one that it cannot answer now; after two in a row, or when it refuses the key, no further one is made.

    Raises:
        KeyRefused, SourceUnavailable, SettingsError: More than a few calls, or all further ones, were in vain; their
            cells are failed, and what was landed stays.
    """
    routes = source.routes(moment.now.astimezone(NEW_YORK).date())
    if not routes:
        yield from land_all(desk, source, ask, table, moment)
        return
    _from_the_market(desk, ask, table, moment, routes)
    again = None if moment.is_replay else rereads(desk.state, routes, replace(ask, now=moment.now), desk.audits)
    work = planned(desk.state, desk.lake, routes, [ask], moment.now, again=again, max_calls=max_calls)
    days = sessions_for(table.name, ask.start, ask.end)
    not_due = days.filter(pl.col("ts_close_cutoff") > moment.now).select("session")
    _record_unasked(desk.state, ask, work, not_due, moment)
    yield replace(Landed.nothing(table), not_due=tuple(not_due["session"]))
    yield from _Filling(desk, source, ask, table, moment).made(work)


def _from_the_market(desk: Desk, ask: Ask, table: Table, moment: Moment, routes: Sequence[Route]) -> None:
    """Answer for tickers followed since, where an answer about the whole market was landed: that costs no call."""
    cells = told_of_market(desk.state, desk.lake, routes, ask, holes(desk.state, ask, moment.now))
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


@dataclass(frozen=True)
class _Filling:
    desk: Desk
    source: Source
    whole: Ask
    table: Table
    moment: Moment

    def made(self, work: Plan) -> Iterator[Landed]:
        """Make the calls of a plan, some at a time where their budget lets them, and land them in their order."""
        calls = list(work)
        questions = [question(self._ask(call), self.table) for call in calls]
        rate = work.budgets[0].rate if work.budgets else None
        tell(Progress("planned", self.table.name, calls=work.calls, rate=rate))
        try:
            with Ahead(dated(self.source.read, self.moment), lanes(work, questions)) as ahead:
                yield from self._landed(calls, Hearing(self.source, self.desk.lake, read=ahead.read), ahead)
        finally:
            tell(Progress("ended", self.table.name))

    def _landed(self, calls: Sequence[Call], hearing: Hearing, ahead: Ahead) -> Iterator[Landed]:
        objects = Objects(hearing.read, self.desk.state.objects, self.desk.lake, self.moment)
        unanswered: list[tuple[Call, SourceUnavailable]] = []
        is_silent = False
        for number, call in enumerate(calls, 1):
            try:
                landed = self._made(call, hearing, objects, ahead)
            except (KeyRefused, SettingsError, SourceUnavailable) as e:
                if is_silent or not isinstance(e, SourceUnavailable):
                    self._give_up(calls[number - 1 :], e)
                    raise
                unanswered.append((call, e))
                is_silent = True
            else:
                is_silent = False
                LOG.info("%s: call %d of %d, %d versions", self.table.name, number, len(calls), landed.rows)
                yield landed
            tell(Progress("landed", self.table.name, label_of(self._ask(call)), call.requests))
        # One ticker of many that stays broken must not keep the others from those who wait for them; a market must
        if len(unanswered) > MOST_MISSING * len(calls) or not all(call.tickers for call, _ in unanswered):
            raise unanswered[-1][1]
        for _, each in unanswered:
            LOG.warning("%s: %s. The rest is landed; it is asked for again with the next run", self.table.name, each)

    def _made(self, call: Call, hearing: Hearing, objects: Objects, ahead: Ahead) -> Landed:
        ask = self._ask(call)
        if (error := ahead.closed.get(call.route)) is not None:
            # Said once, of the call that was made
            self._refused(call, ask, error)
            return Landed.nothing(self.table)
        try:
            landed = land(self.desk, self.source, ask, self.table, self.moment, read=objects.read)
        except tuple(_STATES) as e:
            if isinstance(e, NotEntitled) and not e.is_by_date and not self._is_of_index:
                # Whatever it is asked for next, the plan of the key has it not
                ahead.close(call.route, e)
            LOG.warning("%s. %s", e, self._refused(call, ask, e))
            return Landed.nothing(self.table)
        objects.landed(ask)
        self._record_doubts(ask, hearing)
        return Landed.of(self.table, [landed, *self._outgrown(call, hearing, objects, ahead)])

    def _outgrown(self, call: Call, hearing: Hearing, objects: Objects, ahead: Ahead) -> Iterator[Landed]:
        """Ask once more for sessions that were told when there was none beside them, and have less than this one."""
        for day in hearing.outgrown:
            end = day + timedelta(days=1)
            empty = self.desk.state.cells(self.table.name, start=day, end=end, states=["empty_confirmed"])
            told = f"{self.source.name}: {self.table.name} of {day}: the session beside it was told more tickers"
            LOG.warning("%s. It is asked for once more", told)
            # Before it is asked for: a run that dies in between leaves holes, not absence
            since = replace(self.moment, now=self.moment.landing())
            self.desk.state.record(told_cells(empty.select(HOLES.keys()), since, f"{told}. The next run asks again"))
            yield self._made(replace(call, start=day, end=end), hearing, objects, ahead)

    def _refused(self, call: Call, ask: Ask, error: OrionError) -> str:
        """Say in the ledger what came of a call that was in vain, also where it asked again; gives what is next."""
        state, then = _STATES[type(error)]
        evidence, of_object = "", self._route_of_object(call)
        if of_object is not None and isinstance(error, AnswerDistrusted):
            evidence, then = refused(call.route, of_object.versions.get(call.start, "")), _OTHERWISE
        elif of_object is not None and isinstance(error, NotEntitled) and error.is_by_date:
            # Whoever may list objects need not read them, and another route may have the session
            evidence, then = refused(call.route), _OTHERWISE
        elif isinstance(error, NotEntitled) and error.is_by_date and self._is_long_ago(call):
            evidence, then = at_floor(self._floor), _GONE
        self._record(self._open_cells(ask), f"{error}. {then}", state, evidence)
        self._note(ask, error)
        return then

    def _note(self, ask: Ask, error: OrionError) -> None:
        known = self.desk.state.cells(self.table.name, start=ask.start, end=ask.end, states=ANSWERED)
        mine = known.join(self._planned_cells(ask), on=list(HOLES), how="semi")
        self.desk.state.record(noted(mine, self.moment.landing(), str(error)).drop("attempts"))

    def _route_of_object(self, call: Call) -> Route | None:
        mine = (route for route in self._routes if (route.dataset, route.name) == (call.dataset, call.route))
        return next((route for route in mine if route.listed is not None), None)

    @property
    def _is_of_index(self) -> bool:
        # A plan includes some indices and leaves out others
        return market_named_in(self.table.name) is MARKETS["indices"]

    @property
    def _routes(self) -> Sequence[Route]:
        return self.source.routes(self.moment.now.astimezone(NEW_YORK).date())

    @property
    def _floor(self) -> date | None:
        return floor_of(self._routes, self.table.name)

    def _planned_cells(self, ask: Ask) -> pl.DataFrame:
        return planned_cells(self.table.name, ask.tickers, ask.start, ask.end)

    def _ask(self, call: Call) -> Ask:
        mine = call.ask(self.moment.now)
        # An answer about the market tells of everybody who is followed, with bars or without
        is_market = is_by_ticker(self.table.name) and not mine.tickers
        if not is_market:
            return mine
        # Of minutes only those of whom was asked are landed, whatever the answer holds
        is_partial = self.whole.is_partial and self.table.is_intraday
        return replace(mine, tickers=self.whole.tickers, is_partial=is_partial)

    def _record_doubts(self, ask: Ask, hearing: Hearing) -> None:
        if not hearing.held_back.is_empty():
            self._hold_back(ask, hearing.held_back)
        if not hearing.unreached.is_empty():
            unreached = hearing.unreached.join(self._open_cells(ask), on=list(HOLES), how="semi")
            self._record(unreached, f"{_CUT}. {_GONE}", "not_entitled", at_floor(self._floor))

    def _hold_back(self, ask: Ask, held_back: pl.DataFrame) -> None:
        cells = self._planned_cells(ask)
        landed = self.desk.state.cells(self.table.name, start=ask.start, end=ask.end).select(*LEDGER_KEY, "ts_updated")
        for (detail, evidence), wrong in held_back.partition_by("problem", "evidence", as_dict=True).items():
            mine = told_cells(
                wrong.join(cells, on=list(HOLES), how="semi"), self.moment, str(detail), state="quarantined"
            )
            mine = mine.with_columns(evidence=pl.lit(str(evidence)), rows=pl.lit(1, pl.Int64))
            # Of the instant of the landing: one answer is one attempt
            self.desk.state.record(mine.drop("ts_updated").join(landed, on=LEDGER_KEY).select(mine.columns))

    def _give_up(self, calls: Sequence[Call], error: OrionError) -> None:
        """Say of every call that is no longer made that it was in vain: what nobody asks for must not look answered."""
        for call in calls:
            self._record(self._open_cells(self._ask(call)), f"not asked, since {error}", "failed")

    def _open_cells(self, ask: Ask) -> pl.DataFrame:
        """Give the cells of a call that hold no answer of before."""
        known = self.desk.state.cells(self.table.name, start=ask.start, end=ask.end, states=ANSWERED)
        return self._planned_cells(ask).join(known, on=list(HOLES), how="anti")

    def _is_long_ago(self, call: Call) -> bool:
        # A floor lies years back; today and tomorrow are refused in the same words, and come
        return call.end < self.moment.now.date() - _LONG_AGO

    def _record(self, cells: pl.DataFrame, reason: str, state: str, evidence: str = "") -> None:
        told = told_cells(cells, self.moment, reason, state=state)
        self.desk.state.record(told.with_columns(evidence=pl.lit(evidence)))


def _record_unasked(state: State, ask: Ask, work: Plan, not_due: pl.DataFrame, moment: Moment) -> None:
    """Say of the cells that nobody may be asked for why that is so."""
    told = {"not_yet": "the source has no answer yet", "not_entitled": "outside what the subscription allows"}
    known = state.cells(ask.dataset, start=ask.start, end=ask.end, states=[*told])
    # Nobody was asked: what stands there already is not tried once more, and who was refused before said more
    fresh = work.unanswerable.join(known, left_on=[*HOLES, "reason"], right_on=[*HOLES, "state"], how="anti")
    refusals = state.cells(ask.dataset, start=ask.start, end=ask.end, states=ASKED_DAILY).filter(IS_REFUSED)
    fresh = fresh.join(refusals, on=list(HOLES), how="anti")
    for (reason,), cells in fresh.partition_by("reason", as_dict=True).items():
        if reason in told:
            state.record(told_cells(cells, moment, told[str(reason)], state=str(reason)))
    # What could not be trusted stays so where nothing reaches it any more: looked at now, it rests as if it were asked
    doubted = state.cells(ask.dataset, start=ask.start, end=ask.end, states=["quarantined"]).drop("attempts")
    lost = doubted.join(work.unanswerable.filter(pl.col("reason") == "no_route"), on=list(HOLES), how="semi")
    state.record(lost.with_columns(ts_updated=pl.lit(moment.now, UTC_US)))
    # A replay comes upon what was asked for since
    later = state.cells(ask.dataset, start=ask.start, end=ask.end, states=(*ANSWERED, *ASKED_DAILY))
    waiting = planned_cells(ask.dataset, ask.tickers, ask.start, ask.end).join(not_due, on="session", how="semi")
    untold = waiting.join(later, on=list(HOLES), how="anti")
    state.record(told_cells(untold, moment, "the close cut-off has not come", state="not_yet"))
