"""`orion quality`: hold the data to account."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from orion_assets import calendars
from orion_assets.cli import context
from orion_assets.cli.context import Call
from orion_assets.cli.options import From, Json, Tickers, To
from orion_assets.cli.output import OUT, Exit, counted, document, frame, refuse
from orion_assets.ingest.ledger import PUBLISHED
from orion_assets.quality.leaks import FEATURES, Scope, leaks, probes
from orion_assets.quality.report import Report, gather, reader
from orion_assets.store.protocols import FeatureReader
from orion_assets.store.raw import raw_of
from orion_assets.store.state import STATES

app = typer.Typer(no_args_is_help=True, help="Hold the data to account: leaks, report.")
# Each instant derives every ticker anew
_SAMPLE = 50
_SHOWN = [*FEATURES, "ts_known"]


@app.callback()
def quality() -> None:
    """Hold the data to account."""


@app.command("leaks")
def find_leaks(
    ctx: typer.Context,
    tickers: Tickers = None,
    start: From = None,
    end: To = None,
    instants: Annotated[int, typer.Option(min=1, metavar="N", help="For how many instants to rebuild the past.")] = 12,
    json: Json = False,
) -> None:
    """Rebuild the features as of several instants from raw alone, and compare with what the store shows as of them.

    Exits 1 where they differ, and names feature, ticker and the first bad row. Of more than 50 tickers, 50 are taken.
    """
    call: Call = ctx.obj
    with call.store() as store:
        span = _span(call, context.day("--from", start), context.day("--to", end))
        scope = Scope(_asked(store, tickers), *span)
        raw = raw_of(call.lake(), scope.tickers)
        calendar = calendars.sessions()
        when = [instant.astimezone(UTC) for instant in probes(raw, calendar, scope, instants)]

        def stored(instant: datetime) -> pl.DataFrame:
            return store.features(
                scope.tickers, start=scope.start, end=scope.end, cutoff="both", columns=_SHOWN, as_of=instant
            )

        found = leaks(raw, stored, calendar, when, scope)
    if json:
        document({"features": len(FEATURES), "tickers": scope.tickers, "instants": when, "leaks": found.to_dicts()})
    else:
        _tell(found, scope.tickers, when)
    if not found.is_empty():
        raise typer.Exit(Exit.FAILED)


@app.command("report")
def write_report(
    ctx: typer.Context,
    start: From = None,
    end: To = None,
    html: Annotated[Path, typer.Option(metavar="FILE", help="Where to write the page.")] = Path("data/quality.html"),
    md: Annotated[bool, typer.Option("--md", help="Print it as Markdown, in place of the page.")] = False,
    json: Json = False,
) -> None:
    """Write one page on the quality of what is stored: verdict, coverage, accused rows, quarantine, what to do next.

    Every check is applied anew to the lake; nothing is fetched or changed. Without bounds, of all sessions derived.
    """
    call: Call = ctx.obj
    report = gathered(call, context.day("--from", start), context.day("--to", end))
    if json:
        document(report.document())
    elif md:
        OUT.print(report.markdown())
    else:
        OUT.print(f"{report.verdict}\n{report.write(html)}")


def gathered(call: Call, start: date | None = None, end: date | None = None) -> Report:
    """Gather the report of some sessions, of all that were derived where no bounds are given."""
    lake, state = call.lake(), call.state()
    span = _span(call, start, end)
    return gather(reader(lake, span[1]), calendars.sessions(), span, state.universe())


def _asked(store: FeatureReader, tickers: Sequence[str] | None) -> list[str]:
    # A ticker that the store does not know is refused by the read, with near matches
    held = store.latest(tickers, columns=["close"], cutoff="both")["ticker"].unique().sort().to_list()
    if not held:
        refuse("quality leaks: the store holds no features; fill it with: orion backfill", Exit.FAILED)
    return held if tickers else held[:: -(-len(held) // _SAMPLE)]


def _span(call: Call, start: date | None, end: date | None) -> tuple[date, date]:
    days = call.state().count_sessions(STATES, dataset=PUBLISHED)["session"].sort().to_list()
    if not days:
        refuse("quality: nothing was derived yet; start with: orion backfill", Exit.FAILED)
    return start or days[0], end or days[-1] + timedelta(days=1)


def _tell(found: pl.DataFrame, tickers: Sequence[str], when: Sequence[datetime]) -> None:
    tried = f"{len(FEATURES)} features of {counted(len(tickers), 'ticker')} at {counted(len(when), 'instant')}"
    if found.is_empty():
        OUT.print(f"no leaks: {tried}, rebuilt from raw and equal to what the store shows as of then")
        return
    frame(found, as_json=False, title=f"{counted(found.height, 'leak')} in {tried}: the first row of each")
    OUT.print(
        "A stored value was not known then, or raw or code changed since it was derived. Derive anew with"
        " `orion store rebuild` and look again; what stays is a feature that reads the future."
    )
