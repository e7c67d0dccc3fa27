"""`orion plan`: what a backfill would ask for, call by call, before anything is spent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Final

import polars as pl
import typer

from orion_assets import calendars
from orion_assets.cli import context, ranges
from orion_assets.cli.context import Call
from orion_assets.cli.options import Datasets, From, Json, MaxCalls, MaxTickers, Only, To
from orion_assets.cli.output import OUT, Exit, document, frame, refuse
from orion_assets.ingest.execution import planned
from orion_assets.ingest.landing import is_by_ticker
from orion_assets.ingest.plan import Plan
from orion_assets.ingest.reference_calls import Due, due
from orion_assets.schemas import RAW_TICKERS, TABLES
from orion_assets.settings import PlanName, Settings
from orion_assets.sources.choosing import DATASETS
from orion_assets.sources.protocols import Ask, Source
from orion_assets.sources.registry import routes_of_plan
from orion_assets.sources.routes import Route

_FIRST: Final = 12


@dataclass(frozen=True)
class Planning:
    """What a plan is made for: the ledger of a call, the routes of a source, the time."""

    call: Call
    routes: Sequence[Route]
    now: datetime

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
        """Plan what is missing in the sessions of a span; where it is partial, for some of the followed tickers."""
        asks = [
            Ask(name, *span, tuple(tickers), self.now, is_partial)
            if is_by_ticker(name)
            else Ask(name, *span, (), self.now)
            for name in datasets
        ]
        state = self.call.state()
        return planned(state, self.routes, asks, self.now, max_calls=max_calls, max_tickers=max_tickers)


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
    json: Json = False,
) -> None:
    """Say which calls a backfill would make, how long they take and what they bring; nothing is asked, nothing stored.

    The sessions of the range that have closed, less what the ledger has answers for, and before them the reference of
    the tickers. A backfill makes these calls; on top come retries, and a second question where an answer leaves out
    what should be there. With --plan, minutes and flat files are planned too, where --datasets names no others.
    """
    call = context.choosing(ctx.obj, datasets)
    settings, now = call.settings, context.now()
    source = None if of else call.source()
    routes = _routes(call, source, of, now)
    names = context.names(tickers) or list(call.state().universe() or settings.tickers)
    if not names:
        refuse("plan: nobody is followed. Name tickers with --tickers, or set ORION_TICKERS")
    wanted = _datasets(datasets, routes)
    span = _span(settings, start, end, now)
    is_partial = set(names) != set(call.state().universe() or names)
    limits = {"max_calls": max_calls, "max_tickers": max_tickers}
    found = Planning(call, routes, now).of(span, names, wanted, is_partial=is_partial, **limits)
    reference = reference_due(call, source, names, now)
    if json:
        document(found.as_json() | {"reference": reference.as_json()})
        return
    OUT.print(f"[{span[0]}, {span[1]}), tickers: {len(names)}")
    for line in [*reference.lines(), *found.lines()]:
        OUT.print(line)
    if found.work.height:
        shown = found.work.select(
            "route", pl.col("tickers").list.join(",").str.head(24), "start", "end", "cells", calls="requests"
        )
        frame(shown.head(_FIRST), as_json=False, title="First calls, in their order")


def reference_due(call: Call, source: Source | None, tickers: Sequence[str], now: datetime) -> Due:
    """Say what of the reference a vendor is asked for before the sessions of a plan."""
    if source and RAW_TICKERS.name not in source.datasets:
        return Due()
    return due(call.lake().read(RAW_TICKERS), call.state(), tickers, now)


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


def _datasets(text: str | None, routes: list[Route]) -> list[str]:
    filled = {route.dataset for route in routes} & set(TABLES)
    if text is None:
        return sorted(filled)
    return sorted({name for word in context.names(text) for name in DATASETS[word]})


def _span(settings: Settings, start: str | None, end: str | None, now: datetime) -> tuple[date, date]:
    first, last = context.day("--from", start) or settings.start, context.day("--to", end)
    under_way = calendars.session_under_way(now)
    if last is not None and first >= last:
        refuse(f"--from {first} --to {last}: the range is empty; --to is the first session after the range")
    days = ranges.begun(first, last or under_way, now)
    if not days:
        refuse(f"no session in [{first}, {last or under_way}) has begun")
    return first, last or under_way
