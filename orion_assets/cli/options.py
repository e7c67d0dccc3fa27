"""Options and arguments that several commands take, each written once."""

from typing import Annotated

import typer

from orion_assets.cli.context import names
from orion_assets.sources.choosing import DATASETS


def _each(given: list[str] | None) -> list[str] | None:
    # No ticker holds a comma, and options that take several are written with them
    found = names(",".join(given or []))
    if given and not found:
        raise typer.BadParameter("it names no ticker; leave it out, or name one")
    return found if given is not None else None


From = Annotated[str | None, typer.Option("--from", metavar="DATE", help="First session of the range: 2014-06-09.")]
To = Annotated[str | None, typer.Option("--to", metavar="DATE", help="First session after the range.")]
Until = Annotated[
    str | None,
    typer.Option(
        "--until",
        metavar="INSTANT",
        help="Build as if it were then: a date (the end of that New York day), or 2014-06-09T20:30Z.",
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="INSTANT",
        help="Answer with what was known then: a date (the end of that New York day), or 2014-06-09T20:30Z.",
    ),
]
At = Annotated[
    str | None, typer.Option("--at", metavar="INSTANT", help="Ask about then, 2014-06-09T20:30Z, in place of now.")
]
Only = Annotated[
    str | None, typer.Option("--tickers", metavar="A,B", help="Ask for these followed tickers only; default: for all.")
]
TakesBack = Annotated[
    bool,
    typer.Option(
        "--accept-withdrawals",
        help="Withdraw what the source no longer has; without it, the loss of more than 5 rows and a tenth, in all, of"
        " a ticker or of a file, is refused.",
    ),
]
Datasets = Annotated[
    str | None,
    typer.Option(
        "--datasets", metavar="A,B", help=f"Of {', '.join(DATASETS)}; default: ORION_DATASETS, else all but minute."
    ),
]
MaxCalls = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Make no more calls than these, the reference's first; what remains is left for the next time. Not counted"
        " are retries, second questions and the weekly look for how far back a key reaches.",
    ),
]
MaxTickers = Annotated[
    int | None,
    typer.Option(min=0, help="Ask for no more tickers of a market than these, the first by name that lack something."),
]
MaxInFlight = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=64,
        help="Most calls at a time, where two a second or more are allowed; default: ORION_MAX_IN_FLIGHT.",
    ),
]
Tickers = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TICKER", callback=_each, help="Tickers, apart by spaces or commas; all when none is named."
    ),
]
Named = Annotated[
    list[str],
    typer.Argument(metavar="TICKER", callback=_each, help="Tickers as the source lists them; case matters."),
]
Columns = Annotated[
    str | None, typer.Option(metavar="A,B", help="Columns to show; default: all. docs/reference/tables.md lists them.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
