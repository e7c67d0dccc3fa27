"""`orion market`: sessions and cut-offs of the exchange, for people and for cron."""

from datetime import timedelta
from typing import Annotated, Literal

import polars as pl
import typer

from orion_assets import calendars
from orion_assets.cli import context
from orion_assets.cli.output import OUT, Exit, document, frame

app = typer.Typer(no_args_is_help=True, help="The exchange's calendar: status, sessions, should-run.")
At = Annotated[str | None, typer.Option("--at", help="Instant with a zone; now when left out.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command()
def status(at: At = None, json: Json = False) -> None:
    """Say whether the exchange is open, and which session is under way or next."""
    instant = context.moment(at, "--at")
    session = calendars.session_under_way(instant)
    row = calendars.sessions(session, session + timedelta(days=1)).row(0, named=True)
    is_open = row["ts_open"] <= instant < row["ts_close"]
    told = {"at": instant, "is_open": is_open, **{name: value for name, value in row.items() if name != "position"}}
    if json:
        document(told)
    else:
        OUT.print(
            f"{'open' if is_open else 'closed'}; session {session}: opens {row['ts_open']}, closes {row['ts_close']}"
        )


@app.command()
def sessions(
    start: Annotated[str, typer.Option("--from", help="First date.")],
    end: Annotated[str, typer.Option("--to", help="First date no longer meant.")],
    json: Json = False,
) -> None:
    """List the sessions in [--from, --to) with their opens, closes and cut-offs (UTC)."""
    frame(calendars.sessions(context.day("--from", start), context.day("--to", end)).drop("position"), as_json=json)


@app.command("should-run")
def should_run(
    cutoff: Annotated[Literal["open", "close"], typer.Option(help="Decision instant.")] = "close",
    within: Annotated[int, typer.Option(help="Minutes after the cut-off in which a run is due.")] = 60,
    at: At = None,
) -> None:
    """Exit 0 within some minutes after today's cut-off, else 1: `orion market should-run && orion update`."""
    instant = context.moment(at, "--at")
    column = pl.col(f"ts_{cutoff}_cutoff")
    due = calendars.sessions().filter(column.is_between(instant - timedelta(minutes=within), instant))
    OUT.print(f"run: {due['session'][0]} {cutoff}" if due.height else "do not run: no cut-off has just passed")
    raise SystemExit(Exit.DONE if due.height else Exit.FAILED)
