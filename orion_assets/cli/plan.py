"""`orion plan`: what a backfill would ask for, call by call, before anything is spent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Final, Literal

import polars as pl
import typer

from orion_assets import calendars
from orion_assets.cli import context, ranges
from orion_assets.cli.context import Call
from orion_assets.cli.options import Datasets, From, Json, MaxCalls, Only, To
from orion_assets.cli.output import OUT, Exit, document, frame, refuse
from orion_assets.ingest.execution import planned
from orion_assets.ingest.landing import is_by_ticker
from orion_assets.ingest.plan import Plan
from orion_assets.schemas import TABLES
from orion_assets.settings import Settings
from orion_assets.sources.choosing import DATASETS
from orion_assets.sources.polygon.routes import RIGHTS, polygon_routes
from orion_assets.sources.protocols import Ask
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
        Literal["free", "starter", "developer", "advanced"] | None,
        typer.Option("--plan", help="Plan for this subscription of Polygon, with or without a key."),
    ] = None,
    max_calls: MaxCalls = None,
    max_tickers: Annotated[int | None, typer.Option(min=0, help="Plan for no more tickers than these.")] = None,
    json: Json = False,
) -> None:
    """Say which calls a backfill would make, how long they take and what they bring; nothing is asked, nothing stored.

    The sessions of the range that have closed, less what the ledger has answers for. A backfill makes these calls; on
    top come the weekly listing, retries, and a second question where an answer leaves out what should be there. With
    --plan, minutes and flat files are planned too, where --datasets names no others.
    """
    call = context.choosing(ctx.obj, datasets)
    settings, now = call.settings, context.now()
    routes = _routes(call, of, now)
    names = context.names(tickers) or list(call.state().universe() or settings.tickers)
    if not names:
        refuse("plan: nobody is followed. Name tickers with --tickers, or set ORION_TICKERS")
    wanted = _datasets(datasets, routes)
    span = _span(settings, start, end, now)
    is_partial = set(names) != set(call.state().universe() or names)
    limits = {"max_calls": max_calls, "max_tickers": max_tickers}
    found = Planning(call, routes, now).of(span, names, wanted, is_partial=is_partial, **limits)
    if json:
        document(found.as_json())
        return
    OUT.print(f"[{span[0]}, {span[1]}), tickers: {len(names)}")
    for line in found.lines():
        OUT.print(line)
    if found.work.height:
        shown = found.work.select(
            "route", pl.col("tickers").list.join(",").str.head(24), "start", "end", "cells", calls="requests"
        )
        frame(shown.head(_FIRST), as_json=False, title="First calls, in their order")


def _routes(call: Call, of: str | None, now: datetime) -> list[Route]:
    today = now.astimezone(calendars.NEW_YORK).date()
    found = [*polygon_routes(RIGHTS[of], today)] if of else [*call.source().routes(today)]
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
