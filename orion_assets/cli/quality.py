"""`orion quality`: hold the data to account."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from orion_assets import calendars
from orion_assets.cli import context, crosscheck
from orion_assets.cli.context import Call
from orion_assets.cli.options import From, Json, Tickers, To
from orion_assets.cli.output import OUT, Exit, counted, document, frame, refuse
from orion_assets.ingest.freshness import awaiting
from orion_assets.ingest.ledger import PUBLISHED
from orion_assets.ingest.missing import coverage_of
from orion_assets.quality.crosscheck import Allowed
from orion_assets.quality.leaks import FEATURES, Scope, leaks, probes
from orion_assets.quality.quarantine import still_held
from orion_assets.quality.report import Report, gather, reader
from orion_assets.quality.verdicts import as_judged
from orion_assets.schemas import QUARANTINE
from orion_assets.settings import SourceName
from orion_assets.store.protocols import FeatureReader
from orion_assets.store.raw import raw_of
from orion_assets.store.state import STATES

app = typer.Typer(no_args_is_help=True, help="Hold the data to account: leaks, crosscheck, quarantine, report.")
# Each instant derives every ticker anew
_SAMPLE = 50
_SHOWN = [*FEATURES, "ts_known"]
_HELD = ("session", "row_key", "rule", "found", "remedy", "source_file", "source_row", "origin")


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

    Exits 1 where they differ, and names feature, ticker and the first bad row; also where there was nothing to compare.
    Without tickers, of at most 50, spread over all.
    """
    call: Call = ctx.obj
    compared = 0
    with call.store() as store:
        span = _span(call, context.day("--from", start), context.day("--to", end))
        scope = Scope(_asked(store, tickers), *span)
        raw = raw_of(call.lake(), scope.tickers)
        calendar = calendars.sessions()
        chosen = {instant.astimezone(UTC) for instant in probes(raw, calendar, scope, instants)}
        when = sorted({*chosen, context.now()})

        def stored(instant: datetime) -> pl.DataFrame:
            nonlocal compared
            rows = store.features(
                scope.tickers, start=scope.start, end=scope.end, cutoff="both", columns=_SHOWN, as_of=instant
            )
            compared += rows.height
            return rows

        found = leaks(raw, stored, calendar, when, scope)
    if not compared and found.is_empty():
        refuse(f"quality leaks: the store holds no row of [{span[0]}, {span[1]}), so nothing was compared", Exit.FAILED)
    if json:
        tried = {"features": len(FEATURES), "tickers": scope.tickers, "instants": when, "rows": compared}
        document({**tried, "leaks": found.to_dicts()})
    else:
        _tell(found, scope.tickers, f"{counted(compared, 'row')} at {counted(len(when), 'instant')}")
    if not found.is_empty():
        raise typer.Exit(Exit.FAILED)


@app.command("crosscheck")
def cross_check(
    ctx: typer.Context,
    tickers: Tickers = None,
    source: Annotated[SourceName, typer.Option(help="Whom to ask; another than the bars are from.")] = "yahoo",
    start: From = None,
    end: To = None,
    price_tolerance: Annotated[
        float, typer.Option("--price-tolerance-bps", min=0, help="What prices may differ by, beyond rounding.")
    ] = Allowed.price_bps,
    volume_tolerance: Annotated[
        float, typer.Option("--volume-tolerance-pct", min=0, help="What volumes may differ by.")
    ] = Allowed.volume_pct,
    max_calls: Annotated[int | None, typer.Option(min=0, help="Ask for nothing where it takes more calls.")] = None,
    json: Json = False,
) -> None:
    """Hold the daily bars of the store against those of a second source, and say where they differ and why, probably.

    Its calls are said first and count against its own budget; of its answer nothing is stored but what differs, for the
    quality report. Prices are compared as traded, or in today's units where the source (yahoo) tells no others, and may
    differ by what the coarser of the two vendors rounds; a volume it does not tell is not compared. Exits 1 where they
    differ, where there was nothing to compare, and where a call failed: what was compared before it stands. Without
    tickers, of all that are held.
    """
    call: Call = ctx.obj
    if source == call.settings.source:
        refuse(f"--source {source}: that is ORION_SOURCE, of which the bars are; name another one to compare with")
    crosscheck.refuse_synthetic(call, source)
    span = _span(call, context.day("--from", start), context.day("--to", end))
    second = call.asking(source).changed(datasets=("daily", "actions"))
    done = crosscheck.checked(second, tickers, span, Allowed(price_tolerance, volume_tolerance), max_calls)
    if not done.bars:
        refuse(
            done.failure
            or f"quality crosscheck: {source} has no bar of these sessions, nothing was compared; name another source",
            Exit.FAILED,
        )
    crosscheck.remember(call, done)
    crosscheck.show(done, span, as_json=json)
    if done.failure or not done.found.is_empty():
        raise typer.Exit(Exit.FAILED)


@app.command("quarantine")
def show_quarantine(
    ctx: typer.Context,
    tickers: Tickers = None,
    start: From = None,
    end: To = None,
    everything: Annotated[bool, typer.Option("--all", help="Also rows that the source has corrected since.")] = False,
    json: Json = False,
) -> None:
    """Show the rows that were held back: where they stand, what is wrong with them, and what to do."""
    call: Call = ctx.obj
    lake = call.lake()
    rows = lake.read(QUARANTINE, start=context.day("--from", start), end=context.day("--to", end))
    if tickers:
        rows = rows.filter(pl.col("ticker").is_in(tickers))
    if not everything:
        rows = still_held(lake, rows)
    shown = rows.sort("session", "row_key", "rule").select(_HELD)
    if json:
        document(shown.to_dicts())
    elif shown.is_empty():
        OUT.print("nothing is held back" + ("" if everything else "; --all shows what was corrected since, too"))
    else:
        frame(shown, as_json=False, title=f"{counted(shown.height, 'row')} held back")


@app.command("report")
def write_report(
    ctx: typer.Context,
    start: From = None,
    end: To = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write the page; default: beside ORION_REPORT_FOLDER, as .html."),
    ] = None,
    md: Annotated[bool, typer.Option("--md", help="Print it as Markdown, in place of the page.")] = False,
    json: Json = False,
) -> None:
    """Write one page on the quality of what is stored: verdict, coverage, accused rows, quarantine, what to do next.

    Every check is applied anew to the lake, but those that a run alone can judge: leaks, files of tickers, closes of
    another vendor, the crosscheck, which say what they last said. Nothing is fetched or changed. Without bounds, of all
    sessions derived, and those that a check kept from being published.
    Exits 1 where a blocking check accuses rows.
    """
    call: Call = ctx.obj
    pages = call.settings.report_folder.resolve()
    beside = pages.parent / f"{pages.name or 'quality'}.html"
    report = gathered(call, context.day("--from", start), context.day("--to", end))
    if json:
        document(report.document())
    elif md:
        OUT.print(report.markdown())
    else:
        OUT.print(f"{report.verdict}\n{report.write(html or beside)}")
    if report.level == "broken":
        raise typer.Exit(Exit.FAILED)


def gathered(call: Call, start: date | None = None, end: date | None = None) -> Report:
    """Gather the report of some sessions, of all that were derived where no bounds are given."""
    lake, state = call.lake(), call.state()
    # What a check stopped was derived as well
    waiting = awaiting(state).filter("is_answered")["session"].to_list()
    span = _span(call, start, end, waiting)
    filled = coverage_of(state, span, context.now())
    return gather(reader(lake, span[1]), calendars.sessions(), span, filled, as_judged(state, span))


def _asked(store: FeatureReader, tickers: Sequence[str] | None) -> list[str]:
    # A ticker that the store does not know is refused by the read, with near matches
    held = store.latest(tickers, columns=["close"], cutoff="both")["ticker"].unique().sort().to_list()
    if not held:
        refuse("quality leaks: the store holds no features; fill it with: orion backfill", Exit.FAILED)
    if tickers or len(held) <= _SAMPLE:
        return held
    return [held[round(number * (len(held) - 1) / (_SAMPLE - 1))] for number in range(_SAMPLE)]


def _span(call: Call, start: date | None, end: date | None, waiting: Sequence[date] = ()) -> tuple[date, date]:
    days = sorted({*call.state().count_sessions(STATES, dataset=PUBLISHED)["session"], *waiting})
    if not days:
        refuse(f"quality: nothing was derived yet; start with: orion backfill{call.of_demo()}", Exit.FAILED)
    span = start or days[0], end or days[-1] + timedelta(days=1)
    if calendars.sessions(*span).filter(pl.col("ts_close_cutoff") <= context.now()).is_empty():
        refuse(f"quality: no session of [{span[0]}, {span[1]}) has closed; derived are [{days[0]}, {days[-1]}]")
    return span


def _tell(found: pl.DataFrame, tickers: Sequence[str], compared: str) -> None:
    tried = f"{len(FEATURES)} features of {counted(len(tickers), 'ticker')}, {compared}"
    if found.is_empty():
        OUT.print(f"no leaks: {tried}, rebuilt from raw and equal to what the store shows as of then")
        return
    frame(found, as_json=False, title=f"{counted(found.height, 'leak')} in {tried}: the first row of each")
    OUT.print(
        "A stored value was not known then, or raw or code changed since it was derived. Derive anew with"
        " `orion store rebuild` and look again; what stays is a feature that reads the future."
    )
