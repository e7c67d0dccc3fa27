"""`orion fetch`: bars of a few tickers, once, to the terminal or into a file; nothing of them is stored."""

import sys
from datetime import date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Annotated, Final, Literal

import polars as pl
import typer

from orion_assets.calendars import NEW_YORK
from orion_assets.cli import context
from orion_assets.cli.context import Call
from orion_assets.cli.live import board
from orion_assets.cli.options import From, MaxInFlight, Named, To
from orion_assets.cli.output import ERR, Exit, counted, document_text, frame, refuse
from orion_assets.ingest.fetching import Bars, Basis, Fetch, Wanted, fetched, prepared
from orion_assets.markets import EQUITIES
from orion_assets.settings import SourceName
from orion_assets.store.market_bars import market_asked
from orion_assets.transforms.resample import Timeframe

Format = Literal["table", "csv", "json", "parquet"]
_BY_SUFFIX: Final[dict[str, Format]] = {".csv": "csv", ".json": "json", ".parquet": "parquet"}
_DATASETS: Final = ("daily", "minute", "actions")
_DAYS: Final = timedelta(days=30)
_ISO: Final = "%Y-%m-%dT%H:%M:%SZ"


def fetch(
    ctx: typer.Context,
    tickers: Named,
    timeframe: Annotated[
        Timeframe, typer.Option(help="Length of a bar; those of minutes are counted from the session's own open.")
    ] = "1d",
    start: From = None,
    end: To = None,
    source: Annotated[SourceName | None, typer.Option(help="Whom to ask; default: ORION_SOURCE.")] = None,
    adjusted: Annotated[Basis, typer.Option(help="Prices as traded, or in today's units after every split.")] = "none",
    format_: Annotated[
        Format | None, typer.Option("--format", help="Default: by the name of --output, else a table.")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write there.")] = None,
    max_calls: Annotated[int | None, typer.Option(min=0, help="Ask for nothing where it takes more calls.")] = None,
    max_in_flight: MaxInFlight = None,
) -> None:
    """Fetch bars of some tickers from a source, once, and store nothing: a table, CSV, JSON or Parquet.

    A ticker tells its market by its prefix, and with it whose sessions are meant: X:BTCUSD, C:EURUSD, I:SPX, O:...; all
    are of one.

    Sessions run from --from up to, not including, --to: the last 30 days where neither is said. Weeks and months are
    whole ones that are over. The calls are planned and said first, and count against the same budget as all others.
    """
    # Whoever names a timeframe asks for it, whatever backfills ask for
    call: Call = ctx.obj.asking(source).changed(max_in_flight=max_in_flight, datasets=_DATASETS)
    market = market_asked(list(tickers), adjusted)
    if market is not EQUITIES:
        # And whatever markets they load
        call = call.changed(markets=tuple(sorted({*call.settings.markets, market.name})))
    form = format_ or _BY_SUFFIX.get(output.suffix if output else "", "table")
    if form == "parquet" and output is None and sys.stdout.isatty():
        refuse("--format parquet: a terminal cannot show it; name a file with --output, or send it into a pipe")
    if form == "table" and output is not None:
        refuse(f"--output {output}: as what? Name it .csv, .json or .parquet, or say --format")
    if output is not None and not output.absolute().parent.is_dir():
        refuse(f"--output {output}: there is no folder {output.absolute().parent}; make it, or name another file")
    now = context.now()
    wanted = Wanted(tuple(dict.fromkeys(tickers)), *_span(start, end, now), timeframe, adjusted)
    opened = call.source()
    work = prepared(wanted, opened, now)
    tell_calls(work, max_calls)
    with board(show=True):
        bars = fetched(work, opened)
    _say_what_is_missing(wanted, bars)
    _write(bars.rows, form, output)


def _span(start: str | None, end: str | None, now: datetime) -> tuple[date, date]:
    first, last = context.day("--from", start), context.day("--to", end)
    after = last or now.astimezone(NEW_YORK).date() + timedelta(days=1)
    before = first or after - _DAYS
    if before >= after:
        refuse(f"--from {before} --to {after}: the range is empty; --to is the first session after the range")
    return before, after


def tell_calls(work: Fetch, max_calls: int | None) -> None:
    """Say what it costs, or refuse what costs too much or may not be asked for."""
    if work.sessions.is_empty():
        refuse(f"no session in [{work.wanted.start}, {work.wanted.end}) has closed; name an earlier --from")
    for line in work.lines():
        ERR.print(line)
    if work.work is not None and not work.calls and work.work.unanswerable.height:
        refuse(f"nothing of it can be asked for: {'; '.join(work.work.lines()[1:])}", Exit.BUDGET)
    if max_calls is not None and work.calls > max_calls:
        refuse(
            f"it takes {counted(work.calls, 'call')}, and --max-calls is {max_calls}; nothing was asked", Exit.BUDGET
        )


def _say_what_is_missing(wanted: Wanted, bars: Bars) -> None:
    absent = [ticker for ticker in wanted.tickers if ticker not in set(bars.rows["ticker"])]
    if absent:
        ERR.print(f"no bars of {', '.join(absent)} in [{wanted.start}, {wanted.end}); is it spelt as the source does?")
    tell_unreadable(bars)


def tell_unreadable(bars: Bars) -> None:
    """Name on stderr what the source told wrongly."""
    if bars.unreadable.height:
        first = bars.unreadable.row(0, named=True)
        ERR.print(
            f"{counted(bars.unreadable.height, 'row')} left out, the first {first['ticker']} {first['session']}:"
            f" {first['problem']}"
        )


def _write(rows: pl.DataFrame, form: Format, output: Path | None) -> None:
    if form == "table":
        frame(rows, as_json=False)
        return
    content = _encoded(rows, form)
    if output is None and form == "parquet":
        sys.stdout.buffer.write(content)
        return
    if output is None:
        sys.stdout.write(content.decode())
        return
    # Whoever reads the file sees the old one or the new one
    draft = output.with_name(f".{output.name}.part")
    draft.write_bytes(content)
    draft.replace(output)
    ERR.print(f"{counted(rows.height, 'bar')} written to {output}")


def _encoded(rows: pl.DataFrame, form: Format) -> bytes:
    if form == "json":
        return document_text(rows.to_dicts()).encode()
    buffer = BytesIO()
    if form == "csv":
        rows.write_csv(buffer, datetime_format=_ISO)
    else:
        rows.write_parquet(buffer)
    return buffer.getvalue()
