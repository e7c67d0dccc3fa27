"""`orion plan`: what a backfill would ask for, call by call, before anything is spent."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final

import polars as pl
import typer

from orion_assets import calendars
from orion_assets.cli import context, ranges
from orion_assets.cli.context import Call
from orion_assets.cli.costs import costs_json, show_costs
from orion_assets.cli.options import Datasets, From, Json, MaxCalls, MaxTickers, Only, To
from orion_assets.cli.output import ERR, OUT, Exit, counted, document, frame, refuse
from orion_assets.ingest.execution import planned
from orion_assets.ingest.holes import due_cells
from orion_assets.ingest.landing import is_by_ticker
from orion_assets.ingest.plan import HOLES, Plan
from orion_assets.ingest.reference_calls import Due, due
from orion_assets.ingest.restatements import rereads
from orion_assets.market_hours import sessions_of
from orion_assets.markets import EQUITIES, MARKETS, Market, market_named_in, market_of
from orion_assets.schemas import RAW_TICKERS, TABLES
from orion_assets.settings import PlanName, Settings
from orion_assets.sources.choosing import DATASETS
from orion_assets.sources.protocols import Ask, Source
from orion_assets.sources.registry import routes_of_plan
from orion_assets.sources.routes import Route

_FIRST: Final = 12


@dataclass(frozen=True)
class Planning:
    """What a plan is made for: the ledger of a call, the routes of a source, the time; a replay asks nothing again."""

    call: Call
    routes: Sequence[Route]
    now: datetime
    is_replay: bool = False

    def of(
        self,
        span: tuple[date, date],
        tickers: Sequence[str],
        datasets: Sequence[str],
        *,
        is_partial: bool = False,
        max_calls: int | None = None,
        max_tickers: int | None = None,
    ) -> Plan:
        """Plan what is missing in the sessions of a span; where it is partial, for some of the followed tickers.

        Where `max_tickers` leaves some out, it is partial too: what is planned is what a run for the others asks for.
        """
        asks = self._asks(span, tickers, datasets, is_partial=is_partial)
        state, again = self.call.state(), self.again(span, tickers, datasets)
        made = planned(
            state,
            self.call.lake(),
            self.routes,
            asks,
            self.now,
            again=again,
            max_calls=max_calls,
            max_tickers=max_tickers,
        )
        fewer = _kept(tickers, made)
        if made.left_out.is_empty() or not fewer:
            return made
        return replace(self.of(span, fewer, datasets, is_partial=True, max_calls=max_calls), left_out=made.left_out)

    def again(self, span: tuple[date, date], tickers: Sequence[str], datasets: Sequence[str]) -> pl.DataFrame:
        """Give the answered cells of a span that are to be asked for once more: HOLES rows; none in a replay."""
        asks = self._asks(span, tickers, datasets) if not self.is_replay else []
        audits = self.call.settings.audit_sessions
        found = [rereads(self.call.state(), self.routes, ask, audits) for ask in asks]
        return pl.concat([pl.DataFrame(schema=HOLES), *found])

    def holes(self, span: tuple[date, date], tickers: Sequence[str], datasets: Sequence[str]) -> pl.DataFrame:
        """Give the cells of a span that somebody may be asked for, and those nobody was: HOLES rows."""
        asks = self._asks(span, tickers, datasets)
        return due_cells(self.call.state(), self.call.lake(), self.routes, asks, self.now)

    def lines(self, work: Plan, span: tuple[date, date], tickers: Sequence[str], datasets: Sequence[str]) -> list[str]:
        """Give a plan of a span as lines for people, with the sessions of which answered cells are asked for again."""
        return [*work.lines(), *_told_again(self.again(span, tickers, datasets))]

    def _asks(
        self, span: tuple[date, date], tickers: Sequence[str], datasets: Sequence[str], *, is_partial: bool = False
    ) -> list[Ask]:
        return [
            Ask(name, *span, tuple(tickers), self.now, is_partial)
            if is_by_ticker(name)
            else Ask(name, *span, (), self.now)
            for name in datasets
        ]


def kept(tickers: Sequence[str], made: Plan) -> tuple[str, ...]:
    """Give the tickers that a plan leaves none out of; where it leaves all of them out, refuse."""
    found = _kept(tickers, made)
    if tickers and not found:
        refuse(f"--max-tickers: {counted(len(tickers), 'ticker')} left out, and nobody is left to ask for")
    return found


def _kept(tickers: Sequence[str], made: Plan) -> tuple[str, ...]:
    left_out = set(made.left_out["ticker"])
    return tuple(ticker for ticker in tickers if ticker not in left_out)


def less(limit: int | None, spent: int) -> int | None:
    """Give what is left of a limit on calls; None where there is none."""
    return None if limit is None else max(0, limit - spent)


def plan(
    ctx: typer.Context,
    start: From = None,
    end: To = None,
    tickers: Only = None,
    datasets: Datasets = None,
    of: Annotated[
        PlanName | None, typer.Option("--plan", help="Plan for this subscription of Polygon, with or without a key.")
    ] = None,
    max_calls: MaxCalls = None,
    max_tickers: MaxTickers = None,
    calls: Annotated[bool, typer.Option("--calls", help="List every call, not only the first.")] = False,
    json: Json = False,
) -> None:
    """Say which calls a backfill would make, how long they take and what they bring; nothing is asked, nothing stored.

    Calls, bytes, disk and time are told by route; all but the calls are estimates, reckoned as the answer states.

    The sessions of the range that have closed, less what the ledger has answers for, what is asked for again (the first
    and the fifth session after, and a few old ones each day), and before them the reference of the tickers. A backfill
    makes these calls; on top come retries, and a second question where an answer leaves out what should be there.
    --max-calls counts the reference first, then equities, then each other market.
    """
    call = context.choosing(ctx.obj, datasets)
    settings, now = call.settings, context.now()
    source = None if of else call.source()
    routes = _routes(call, source, of, now)
    followed = call.state().universe(None)
    names = context.names(tickers) or list(followed or settings.tickers)
    if not names:
        refuse("plan: nobody is followed. Name tickers with --tickers, or set ORION_TICKERS")
    is_partial = set(names) != set(followed or names)
    # A source leaves out by itself what nobody asked for; of a subscription all routes are known
    usual = settings.datasets or [word for word in DATASETS if word != "minute"]
    words = datasets or (",".join(usual) if of else None)
    planning, told = Planning(call, routes, now), dict[str, Any]()
    wanted_of = _wanted(words, routes, {market_of(name) for name in names}, is_named=datasets is not None)
    for market, wanted in wanted_of.items():
        mine = [name for name in names if market_of(name) is market]
        span = _span(market, settings, (start, end), now)
        reference = _reference(call, source, mine, now) if market is EQUITIES else Due()
        max_calls = less(max_calls, reference.calls)
        found = planning.of(span, mine, wanted, is_partial=is_partial, max_calls=max_calls, max_tickers=max_tickers)
        max_calls = less(max_calls, found.calls)
        told[market.name] = found.as_json(is_detailed=calls) | costs_json(reference, found, routes)
        told[market.name]["asked_again"] = planning.again(span, mine, wanted).height
        if market is not EQUITIES:
            del told[market.name]["reference"]
        if not json:
            name = "" if market is EQUITIES else f"{market.name}, "
            in_all = f"; {reference.calls + found.calls:,} calls in all" if reference.calls else ""
            heading = f"[{span[0]}, {span[1]}), {name}tickers: {len(mine)}{in_all}"
            for line in (heading, *reference.lines(), *planning.lines(found, span, mine, wanted)):
                OUT.print(line)
            show_costs(reference, found, routes)
            _show_calls(found, are_all=calls)
    if json:
        equities = told.pop(EQUITIES.name, {})
        document({**equities, **({"markets": told} if told else {})})


def _show_calls(found: Plan, *, are_all: bool) -> None:
    if found.work.is_empty():
        return
    who = pl.col("tickers").list.join(",")
    shown = found.work.select("route", who if are_all else who.str.head(24), "start", "end", "cells", calls="requests")
    if are_all:
        frame(shown, as_json=False, title="Calls, in their order")
    else:
        frame(shown.head(_FIRST), as_json=False, title="First calls, in their order; all of them with --calls")


def reference_due(call: Call, source: Source | None, tickers: Sequence[str], now: datetime) -> Due:
    """Say what of the reference a vendor is asked for before the sessions of a plan."""
    if source and RAW_TICKERS.name not in source.datasets:
        return Due()
    return due(call.lake().read(RAW_TICKERS), call.state(), tickers, now)


def _reference(call: Call, source: Source | None, named: Sequence[str], now: datetime) -> Due:
    """Say what of the reference a backfill of some tickers asks for first: that of all who are followed."""
    followed = call.state().universe() or call.settings.equities
    return reference_due(call, source, sorted({*followed, *named}), now)


def _told_again(cells: pl.DataFrame) -> list[str]:
    """Say of which sessions answered cells are asked for once more."""
    if cells.is_empty():
        return []
    days = cells["session"].unique().sort()
    shown = ", ".join(str(day) for day in days.tail(_FIRST))
    return [f"{cells.height:,} of these cells were answered, and are asked for again for corrections: {shown}"]


def _routes(call: Call, source: Source | None, of: PlanName | None, now: datetime) -> list[Route]:
    today = now.astimezone(calendars.NEW_YORK).date()
    of_source = source.routes(today) if source else ()
    found = list(routes_of_plan(call.settings, of, today) if of else of_source)
    if not found:
        refuse(
            f"plan: asking the source {call.settings.source} costs nothing, so there is nothing to plan. For a vendor:"
            " --plan free",
            Exit.WRONG_CALL,
        )
    return found


def _wanted(
    text: str | None, routes: list[Route], mentioned: AbstractSet[Market], *, is_named: bool
) -> dict[Market, list[str]]:
    """Say which tables of which markets are planned: of a market that the settings ask nothing of, a note."""
    told = {each: _datasets(text, routes, each) for each in (EQUITIES, *MARKETS.values()) if each in mentioned}
    for market in (each for each, tables in told.items() if not tables):
        if is_named or not any(told.values()):
            asked = f"--datasets {text}" if is_named else f"ORION_DATASETS={text}"
            refuse(f"{asked}: there is none of {market.name}; it has daily and minute")
        ERR.print(f"plan: ORION_DATASETS asks for nothing that {market.name} has; it has daily and minute")
    return {market: tables for market, tables in told.items() if tables}


def _datasets(text: str | None, routes: list[Route], market: Market) -> list[str]:
    filled = {name for name in {route.dataset for route in routes} & set(TABLES) if market_named_in(name) is market}
    if not filled:
        refuse(f"plan: the source has no route to {market.name}; set ORION_MARKETS={market.name}, or call with --plan")
    if text is None:
        return sorted(filled)
    words = context.names(text)
    if market is EQUITIES:
        return sorted({name for word in words for name in DATASETS[word]})
    return sorted({f"{name}_{market.name}" for word in words for name in DATASETS[word]} & filled)


def _span(
    market: Market, settings: Settings, bounds: tuple[str | None, str | None], now: datetime
) -> tuple[date, date]:
    first, last = context.day("--from", bounds[0]) or settings.start, context.day("--to", bounds[1])
    if market is not EQUITIES:
        return _span_of(market, first, last, now)
    under_way = calendars.session_under_way(now)
    if last is not None and first >= last:
        refuse(f"--from {first} --to {last}: the range is empty; --to is the first session after the range")
    days = ranges.begun(first, last or under_way, now)
    if not days:
        refuse(f"no session in [{first}, {last or under_way}) has begun")
    return first, last or under_way


def _span_of(market: Market, first: date, last: date | None, now: datetime) -> tuple[date, date]:
    begun = sessions_of(market, first, last).filter(pl.col("ts_open") <= now)["session"]
    if begun.is_empty():
        refuse(f"no session of {market.name} in [{first}, {last}) has begun")
    return begun[0], begun[-1] + timedelta(days=1)
