"""`orion tickers discover`: whom the source lists, found page by page within the budget of the key."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import date
from typing import Annotated, Any, Literal

import polars as pl
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from orion_assets import calendars
from orion_assets.cli import context
from orion_assets.cli.context import Call
from orion_assets.cli.options import Json
from orion_assets.cli.output import ERR, counted, document, frame, refuse
from orion_assets.clock import uptime
from orion_assets.ingest.plan import duration
from orion_assets.ingest.universe import follow
from orion_assets.sources.discovery import FOUND, KINDS, Cost, Lister, Search
from orion_assets.sources.registry import open_lister
from orion_assets.store.call_log import SharedCallLog

What = Annotated[
    Literal["us_equities", "etf", "crypto", "fx", "options", "indices", "otc"],
    typer.Argument(help="What to look for."),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Show no more tickers than these, and ask no further.")]
Day = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help="As listed on that day: 2014-06-09; default: today.")
]
Ended = Annotated[
    bool,
    typer.Option("--delisted/--active", help="With those that traded no longer on that day; default: without."),
]
Underlying = Annotated[str | None, typer.Option(metavar="TICKER", help="Of options: what they are written on.")]
Add = Annotated[bool, typer.Option("--add", help="Follow what is found: the next backfill fills it.")]


def discover(
    ctx: typer.Context,
    what: What,
    limit: Limit = None,
    as_of: Day = None,
    delisted: Ended = False,
    underlying: Underlying = None,
    add: Add = False,
    json: Json = False,
) -> None:
    """Look for tickers that the source lists; nothing is stored, unless --add follows them.

    A vendor is asked for a thousand a call, within the budget of the key; what to expect is said first.
    """
    call: Call = ctx.obj
    settings, now = call.with_source(), context.now()
    kind, today = KINDS[what], now.astimezone(calendars.NEW_YORK).date()
    if add and not kind.is_exchange and what not in settings.loaded_markets:
        names = ",".join(sorted({*settings.markets, what}))
        refuse(
            f"tickers discover {what} --add: the market is not loaded; set ORION_MARKETS={names}, or leave --add out"
        )
    search = Search(kind, _day(as_of, today), has_delisted=delisted, underlying=underlying or "")
    lister = open_lister(settings, SharedCallLog(settings.state_url, uptime), now)
    cost = lister.cost(search)
    if cost.calls:
        ends = "" if limit is None else f"; it ends with the first {counted(limit, 'ticker')}"
        ERR.print(f"about {counted(cost.calls, 'call')} for all of them, {duration(cost.seconds)}{ends}")
    rows, calls = _searched(lister, search, cost, limit)
    told: dict[str, Any] = {"calls": calls}
    if add:
        told["added"] = list(follow(call.state(), rows["ticker"], settings.tickers, now))
    _show(rows, told, as_json=json)


def _day(text: str | None, today: date) -> date:
    found = context.day("--as-of", text) or today
    if found > today:
        refuse(f"--as-of {found} has not come yet, it is {today}; nobody knows who will be listed")
    return found


def _searched(lister: Lister, search: Search, cost: Cost, limit: int | None) -> tuple[pl.DataFrame, int]:
    """Search until there is enough: the rows, and how many calls that took."""
    found, calls = [pl.DataFrame(schema=FOUND)], 0
    pages = lister.discover(search)
    with _progress(cost) as advance:
        while limit is None or sum(map(len, found)) < limit:
            page = next(pages, None)
            if page is None:
                break
            found.append(page)
            # What costs nothing is no call
            calls += 1 if cost.calls else 0
            advance(calls, sum(map(len, found)))
    rows = pl.concat(found).unique(maintain_order=True)
    return (rows if limit is None else rows.head(limit)), calls


@contextmanager
def _progress(cost: Cost) -> Generator[Callable[[int, int], None]]:
    parts = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*parts, console=ERR, transient=True, disable=not cost.calls) as bar:
        task = bar.add_task("asking", total=cost.calls)

        def advance(calls: int, tickers: int) -> None:
            told = f"{counted(calls, 'call')}, {tickers:,} tickers"
            bar.update(task, completed=calls, total=max(calls, cost.calls), description=told)

        yield advance


def _show(rows: pl.DataFrame, told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        document({"tickers": rows.to_dicts(), **told})
        return
    frame(rows, as_json=False)
    ERR.print(f"{counted(rows.height, 'ticker')}, {counted(told['calls'], 'call')}")
    if "added" in told:
        ERR.print(f"added: {len(told['added']):,}; next: orion plan")
