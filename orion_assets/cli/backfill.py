"""`orion backfill` and `orion update`: fill a range of sessions, then what a change in it makes stale."""

from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from typing import Annotated

import polars as pl
import typer

from orion_assets import calendars
from orion_assets.cli import context
from orion_assets.cli.context import Call
from orion_assets.cli.launch import DERIVED, Finding, Launch, Outcome
from orion_assets.cli.output import ERR, OUT, Exit, document, refuse
from orion_assets.ingest.landing import ANSWERED
from orion_assets.ingest.ledger import stale_span
from orion_assets.settings import Settings
from orion_assets.sources.protocols import Source

From = Annotated[str | None, typer.Option("--from", help="First session, YYYY-MM-DD; ORION_START when left out.")]
To = Annotated[str | None, typer.Option("--to", help="First session no longer meant; after today when left out.")]
Tickers = Annotated[str | None, typer.Option("--tickers", help="Followed tickers to ask for, comma-separated.")]
Until = Annotated[str | None, typer.Option("--until", help="Build as if it were this date or instant.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def backfill(
    ctx: typer.Context,
    start: From = None,
    end: To = None,
    tickers: Tickers = None,
    until: Until = None,
    json: Json = False,
) -> None:
    """Fill a range of sessions [--from, --to) from raw to the feature store; repeat it at will."""
    call: Call = ctx.obj
    settings = call.with_source()
    source = call.source()
    instant = context.moment(until)
    first = context.day("--from", start) or settings.start
    last = context.day("--to", end) or _open_end(source, instant)
    span = _due(settings, (first, last), instant)
    launch = Launch("daily", *span, until=instant.isoformat() if until else "")
    only = context.names(tickers)
    followed = call.state().universe() or settings.tickers or source.listed_tickers()
    unknown = sorted(set(only) - set(followed))
    if unknown:
        refuse(
            f"--tickers {', '.join(unknown)}: not followed. Follow them first: orion tickers add {' '.join(unknown)}"
        )
    _finish(_fill(call, settings, replace(launch, only=tuple(only)), show=not json), launch, as_json=json)


def update(ctx: typer.Context, until: Until = None, json: Json = False) -> None:
    """Fill what has become due since the last answered session."""
    call: Call = ctx.obj
    settings = call.with_source()
    source = call.source()
    instant = context.moment(until)
    answered = _last_answered(call)
    first = settings.start if answered is None else answered + timedelta(days=1)
    span = begun(first, max(first, _open_end(source, instant)), instant)
    stale = stale_span(call.state())
    if not span and stale is None:
        _finish(Outcome(is_done=True), Launch("daily"), as_json=json)
        return
    if not span and stale is not None:
        launch = _derivation(Launch("daily", until=instant.isoformat() if until else ""), stale)
        _finish(_run(settings, launch, show=not json), launch, as_json=json)
        return
    launch = Launch("daily", span[0], span[-1] + timedelta(days=1), until=instant.isoformat() if until else "")
    _finish(_fill(call, settings, launch, show=not json), launch, as_json=json)


def _due(settings: Settings, span: tuple[date, date], instant: datetime) -> tuple[date, date]:
    """Cut a range to the sessions that have begun by an instant, or refuse it."""
    start, end = span
    if start >= end:
        refuse(f"--from {start} --to {end}: the range is empty; --to is the first session not meant")
    if start < settings.start:
        refuse(f"--from {start} is before ORION_START {settings.start}; set ORION_START to that date or earlier")
    due = begun(start, end, instant)
    if not due:
        refuse(f"no session in [{start}, {end}) has begun by {instant.isoformat()}; there is nothing to ask for")
    return due[0], due[-1] + timedelta(days=1)


def _open_end(source: Source, instant: datetime) -> date:
    """The end of a range that was given none: after the session under way, or where the source ends before it."""
    last = calendars.session_under_way(instant)
    of_source = source.last_session()
    return (last if of_source is None else min(last, of_source)) + timedelta(days=1)


def begun(start: date, end: date, instant: datetime) -> list[date]:
    """List the sessions in [start, end) whose open cut-off has come."""
    return calendars.sessions(start, end).filter(pl.col("ts_open_cutoff") <= instant)["session"].to_list()


def _fill(call: Call, settings: Settings, launch: Launch, *, show: bool) -> Outcome:
    from orion_assets.cli.run import execute, instance  # noqa: PLC0415 - Dagster takes seconds to load

    with instance(settings) as on:
        reference = execute(settings, Launch("reference", until=launch.until), on, show=show)
        if not reference.is_done:
            return reference
        outcome = execute(settings, launch, on, show=show)
        stale = stale_span(call.state()) if outcome.is_done else None
        if stale is None:
            return outcome
        # A series is computed from its first bar: what changed in the range changes what comes after it
        healed = execute(settings, _derivation(launch, stale), on, show=show)
        return replace(healed, rows=outcome.rows, findings=[*outcome.findings, *healed.findings])


def _run(settings: Settings, launch: Launch, *, show: bool) -> Outcome:
    from orion_assets.cli.run import execute, instance  # noqa: PLC0415 - likewise

    with instance(settings) as on:
        return execute(settings, launch, on, show=show)


def _derivation(launch: Launch, span: tuple[date, date]) -> Launch:
    return replace(launch, start=span[0], end=span[1], only=(), assets=DERIVED)


def _last_answered(call: Call) -> date | None:
    cells = call.state().cells(dataset="raw_daily_bars").filter(pl.col("state").is_in(ANSWERED))
    return cells.select(pl.col("session").max()).item()


def _finish(outcome: Outcome, launch: Launch, *, as_json: bool) -> None:
    if as_json:
        document({"range": [launch.start, launch.end], **asdict(outcome)})
    elif outcome.is_done:
        _report(outcome, launch)
    if not outcome.is_done:
        refuse(outcome.failure, Exit.FAILED)


def _report(outcome: Outcome, launch: Launch) -> None:
    if launch.start is None:
        OUT.print("up to date: no session has become due since the last one answered")
        return
    OUT.print(f"filled the sessions [{launch.start}, {launch.end})")
    for finding in outcome.findings:
        ERR.print(line(finding))
    if not outcome.findings:
        OUT.print("every check passed")


def line(finding: Finding) -> str:
    """Write a finding for people, with the first row it accuses."""
    first = dict(finding.accused[0]) if finding.accused else {}
    where = ", ".join(
        f"{name} {first[name]}" for name in ("ticker", "session", "date", "row_key", "found") if first.get(name)
    )
    more = f", first: {where}" if where else ""
    return f"  check {finding.asset}.{finding.check.replace('_', ' ')}: {finding.rows} rows{more}"
