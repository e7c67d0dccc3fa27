"""`orion market`: sessions and cut-offs of the exchange, for people and for cron."""

from datetime import timedelta
from typing import Annotated, Literal

import polars as pl
import typer

from orion_assets import calendars
from orion_assets.cli import context
from orion_assets.cli.context import Call
from orion_assets.cli.options import At, From, Json, To
from orion_assets.cli.output import OUT, Exit, cell, document, frame, refuse
from orion_assets.clock import uptime
from orion_assets.quality.exchange_hours import compared_through, differences
from orion_assets.sources.protocols import ExchangeStatus
from orion_assets.sources.registry import exchange_status
from orion_assets.store.call_log import SharedCallLog

app = typer.Typer(no_args_is_help=True, help="The exchange's calendar: status, sessions, should-run.")


@app.command()
def status(
    ctx: typer.Context,
    at: At = None,
    vendor: Annotated[
        bool, typer.Option("--vendor", help="Hold the calendar against what the source says: two calls, Polygon alone.")
    ] = False,
    json: Json = False,
) -> None:
    """Say whether the exchange is open, and which session is under way or next.

    With --vendor, name what the vendor says otherwise of now, and of the holidays and early closes to come; exits 1
    where it does.
    """
    if vendor and at is not None:
        refuse("--vendor --at: the vendor speaks of now and of days to come; leave one of them out")
    instant = context.moment(at, "--at")
    session = calendars.session_under_way(instant)
    row = calendars.sessions(session, session + timedelta(days=1)).row(0, named=True)
    is_open = row["ts_open"] <= instant < row["ts_close"]
    told = {"at": instant, "is_open": is_open, **{name: value for name, value in row.items() if name != "position"}}
    said = _said(ctx.obj) if vendor else None
    found = differences(said) if said else []
    through = compared_through(said) if said else None
    if json:
        document({**told, **({"vendor": {"differences": found, "through": through, "at": said.at}} if said else {})})
    else:
        opens, closes = cell(row["ts_open"]), cell(row["ts_close"])
        OUT.print(f"{'open' if is_open else 'closed'}; session {session}: opens {opens}, closes {closes}")
        if said:
            agreed = f"the vendor and the calendar agree through {through}"
            OUT.print("\n".join(found) or agreed, soft_wrap=True)
    if found:
        raise SystemExit(Exit.FAILED)


def _said(call: Call) -> ExchangeStatus:
    settings = call.with_source()
    return exchange_status(settings, SharedCallLog(settings.state_url, uptime))


@app.command()
def sessions(start: From, end: To, json: Json = False) -> None:
    """List the sessions from --from up to, not including, --to: opens, closes and cut-offs, in UTC."""
    frame(calendars.sessions(context.day("--from", start), context.day("--to", end)).drop("position"), as_json=json)


@app.command("should-run")
def should_run(
    cutoff: Annotated[Literal["open", "close"], typer.Option(help="Which of a session's two cut-offs.")] = "close",
    within: Annotated[int, typer.Option(min=0, max=1440, help="Minutes after the cut-off in which a run is due.")] = 60,
    at: At = None,
) -> None:
    """Exit with 0 within some minutes after a session's cut-off, else with 1.

    For cron: orion market should-run && orion update
    """
    instant = context.moment(at, "--at")
    column = pl.col(f"ts_{cutoff}_cutoff")
    due = calendars.sessions().filter(column.is_between(instant - timedelta(minutes=within), instant))
    OUT.print(f"run: {due['session'][0]} {cutoff}" if due.height else "do not run: no cut-off has just passed")
    raise SystemExit(Exit.DONE if due.height else Exit.FAILED)
