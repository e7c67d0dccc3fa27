"""`orion features` and `orion bars`: what the feature store answers, as of any instant."""

from typing import Annotated, Literal

import typer

from orion_assets.cli import context
from orion_assets.cli.context import Call
from orion_assets.cli.output import frame

Which = Annotated[list[str] | None, typer.Argument(help="Tickers; all when left out.")]
From = Annotated[str | None, typer.Option("--from", help="First session, YYYY-MM-DD.")]
To = Annotated[str | None, typer.Option("--to", help="First session no longer meant.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="Date (end of that New York day) or instant with a zone.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def features(
    ctx: typer.Context,
    tickers: Which = None,
    start: From = None,
    end: To = None,
    cutoff: Annotated[Literal["open", "close", "both"], typer.Option(help="Decision instant.")] = "close",
    columns: Annotated[str | None, typer.Option(help="Columns, comma-separated; all when left out.")] = None,
    as_of: AsOf = None,
    json: Json = False,
) -> None:
    """Show the feature matrix as it was known."""
    call: Call = ctx.obj
    with call.store() as store:
        rows = store.features(
            tickers, start=start, end=end, columns=context.names(columns) or None, cutoff=cutoff, as_of=as_of
        )
    frame(rows, as_json=json)


def bars(
    ctx: typer.Context,
    tickers: Which = None,
    start: From = None,
    end: To = None,
    adjusted: Annotated[Literal["none", "split", "total_return"], typer.Option(help="Price basis.")] = "none",
    as_of: AsOf = None,
    json: Json = False,
) -> None:
    """Show daily bars: as traded, or in the units of the last visible session."""
    call: Call = ctx.obj
    with call.store() as store:
        rows = store.bars(tickers, start=start, end=end, adjusted=adjusted, as_of=as_of)
    frame(rows, as_json=json)
