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
from orion_assets.cli.options import From, Json, MaxCalls, Only, To
from orion_assets.cli.output import OUT, Exit, document, frame, refuse
from orion_assets.ingest.execution import planned
from orion_assets.ingest.landing import is_by_ticker
from orion_assets.ingest.plan import HOLES, Plan
from orion_assets.ingest.restatements import rereads
from orion_assets.schemas import TABLES
from orion_assets.settings import Settings
from orion_assets.sources.polygon.routes import RIGHTS, polygon_routes
from orion_assets.sources.protocols import Ask
from orion_assets.sources.routes import Route

DATASETS: Final = {
    "daily": ("raw_daily_bars",),
    "minute": ("raw_minute_bars",),
    "vix": ("raw_vix",),
    "news": ("raw_news",),
    "actions": ("raw_splits", "raw_dividends"),
}
_FIRST: Final = 12


@dataclass(frozen=True)
class Planning:
    """What a plan is made for: the ledger of a call, the routes of a source, the time."""

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
        max_calls: int | None = None,
        max_tickers: int | None = None,
    ) -> Plan:
        """Plan what is missing in the sessions of a span."""
        asks = [Ask(name, *span, tuple(tickers) if is_by_ticker(name) else (), self.now) for name in datasets]
        state, again = self.call.state(), self.again(span, tickers, datasets)
        return planned(state, self.routes, asks, self.now, again=again, max_calls=max_calls, max_tickers=max_tickers)

    def again(self, span: tuple[date, date], tickers: Sequence[str], datasets: Sequence[str]) -> pl.DataFrame:
        """Give the answered cells of a span that are to be asked for once more: HOLES rows; none in a replay."""
        found = [pl.DataFrame(schema=HOLES)]
        for name in datasets if not self.is_replay else ():
            ask = Ask(name, *span, tuple(tickers) if is_by_ticker(name) else (), self.now)
            found.append(rereads(self.call.state(), self.routes, ask, self.call.settings.audit_sessions))
        return pl.concat(found)


def plan(
    ctx: typer.Context,
    start: From = None,
    end: To = None,
    tickers: Only = None,
    datasets: Annotated[
        str | None, typer.Option(metavar="A,B", help=f"Of {', '.join(DATASETS)}; default: all that the source fills.")
    ] = None,
    of: Annotated[
        Literal["free", "starter", "developer", "advanced"] | None,
        typer.Option("--plan", help="Plan for this subscription of Polygon, with or without a key."),
    ] = None,
    max_calls: MaxCalls = None,
    max_tickers: Annotated[int | None, typer.Option(min=0, help="Plan for no more tickers than these.")] = None,
    json: Json = False,
) -> None:
    """Say which calls a backfill would make, how long they take and what they bring; nothing is asked, nothing stored.

    The sessions of the range that have closed, less what the ledger has answers for, and what is asked for again: the
    first and the fifth session after, and a few old ones each day. A backfill makes these calls; on
    top come the weekly listing, retries, and a second question where an answer leaves out what should be there. With
    --plan, minutes and flat files are planned too, which a backfill cannot fetch yet.
    """
    call: Call = ctx.obj
    settings, now = call.settings, context.now()
    routes = _routes(call, of, now)
    names = context.names(tickers) or list(call.state().universe() or settings.tickers)
    if not names:
        refuse("plan: nobody is followed. Name tickers with --tickers, or set ORION_TICKERS")
    wanted = _datasets(datasets, routes)
    span = _span(settings, start, end, now)
    planning = Planning(call, routes, now)
    found = planning.of(span, names, wanted, max_calls=max_calls, max_tickers=max_tickers)
    if json:
        document(found.as_json() | {"asked_again": planning.again(span, names, wanted).height})
        return
    OUT.print(f"[{span[0]}, {span[1]}), tickers: {len(names)}")
    for line in [*found.lines(), *told_again(planning.again(span, names, wanted))]:
        OUT.print(line)
    if found.work.height:
        shown = found.work.select(
            "route", pl.col("tickers").list.join(",").str.head(24), "start", "end", "cells", calls="requests"
        )
        frame(shown.head(_FIRST), as_json=False, title="First calls, in their order")


def told_again(cells: pl.DataFrame) -> list[str]:
    """Say of which sessions answered cells are asked for once more."""
    if cells.is_empty():
        return []
    days = cells["session"].unique().sort()
    shown = ", ".join(str(day) for day in days.tail(_FIRST))
    return [f"{cells.height:,} of these cells were answered, and are asked for again for corrections: {shown}"]


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
    words = context.names(text)
    unknown = sorted(set(words) - set(DATASETS))
    if unknown:
        refuse(f"--datasets {', '.join(unknown)}: unknown; there are {', '.join(DATASETS)}")
    return sorted({name for word in words for name in DATASETS[word]})


def _span(settings: Settings, start: str | None, end: str | None, now: datetime) -> tuple[date, date]:
    first, last = context.day("--from", start) or settings.start, context.day("--to", end)
    under_way = calendars.session_under_way(now)
    if last is not None and first >= last:
        refuse(f"--from {first} --to {last}: the range is empty; --to is the first session after the range")
    days = ranges.begun(first, last or under_way, now)
    if not days:
        refuse(f"no session in [{first}, {last or under_way}) has begun")
    return first, last or under_way
