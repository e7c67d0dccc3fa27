"""`orion plan`: what a backfill would ask for, call by call, before anything is spent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final, Literal

import polars as pl
import typer

from orion_assets import calendars
from orion_assets.cli import context, ranges
from orion_assets.cli.context import Call
from orion_assets.cli.options import From, Json, MaxCalls, Only, To
from orion_assets.cli.output import OUT, Exit, document, frame, refuse
from orion_assets.ingest.execution import planned
from orion_assets.ingest.landing import is_by_ticker
from orion_assets.ingest.plan import Plan
from orion_assets.market_hours import sessions_of
from orion_assets.markets import EQUITIES, MARKETS, Market, market_named_in, market_of
from orion_assets.schemas import TABLES
from orion_assets.settings import Settings
from orion_assets.sources.polygon.market_routes import market_routes
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
        state = self.call.state()
        return planned(state, self.routes, asks, self.now, max_calls=max_calls, max_tickers=max_tickers)


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

    The sessions of the range that have closed, less what the ledger has answers for. A backfill makes these calls; on
    top come the weekly listing, retries, and a second question where an answer leaves out what should be there. With
    --plan, minutes and flat files are planned too, which a backfill cannot fetch yet.
    """
    call: Call = ctx.obj
    settings, now = call.settings, context.now()
    routes = _routes(call, of, now)
    names = context.names(tickers) or list(call.state().universe(None) or settings.tickers)
    if not names:
        refuse("plan: nobody is followed. Name tickers with --tickers, or set ORION_TICKERS")
    planning, told = Planning(call, routes, now), dict[str, Any]()
    for market in sorted({market_of(name) for name in names}, key=lambda each: (each is not EQUITIES, each.name)):
        mine = [name for name in names if market_of(name) is market]
        span = _span(market, settings, (start, end), now)
        wanted = _datasets(datasets, routes, market)
        found = planning.of(span, mine, wanted, max_calls=max_calls, max_tickers=max_tickers)
        told[market.name] = found.as_json()
        if not json:
            _show(
                found, f"[{span[0]}, {span[1]}), {'' if market is EQUITIES else f'{market.name}, '}tickers: {len(mine)}"
            )
    if json:
        equities = told.pop(EQUITIES.name, {})
        document({**equities, **({"markets": told} if told else {})})


def _show(found: Plan, heading: str) -> None:
    OUT.print(heading)
    for line in found.lines():
        OUT.print(line)
    if found.work.height:
        shown = found.work.select(
            "route", pl.col("tickers").list.join(",").str.head(24), "start", "end", "cells", calls="requests"
        )
        frame(shown.head(_FIRST), as_json=False, title="First calls, in their order")


def _routes(call: Call, of: str | None, now: datetime) -> list[Route]:
    today = now.astimezone(calendars.NEW_YORK).date()
    planned = [*polygon_routes(RIGHTS[of], today), *market_routes(RIGHTS[of], today, [*MARKETS.values()])] if of else ()
    found = [*(planned or call.source().routes(today))]
    if not found:
        refuse(
            f"plan: asking the source {call.settings.source} costs nothing, so there is nothing to plan. For a vendor:"
            " --plan free",
            Exit.WRONG_CALL,
        )
    return found


def _datasets(text: str | None, routes: list[Route], market: Market) -> list[str]:
    filled = {name for name in {route.dataset for route in routes} & set(TABLES) if market_named_in(name) is market}
    if not filled:
        refuse(f"plan: the source has no route to {market.name}; set ORION_MARKETS={market.name}, or call with --plan")
    if text is None:
        return sorted(filled)
    words = context.names(text)
    unknown = sorted(set(words) - set(DATASETS))
    if unknown:
        refuse(f"--datasets {', '.join(unknown)}: unknown; there are {', '.join(DATASETS)}")
    if market is EQUITIES:
        return sorted({name for word in words for name in DATASETS[word]})
    wanted = sorted({f"{name}_{market.name}" for word in words for name in DATASETS[word]} & filled)
    return wanted or refuse(f"--datasets {text}: there is none of {market.name}; it has daily and minute")


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
