"""`orion backfill` and `orion update`: fill a range of sessions, then what a change in it makes stale."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

import typer

from orion_assets import calendars
from orion_assets.cli import context, ranges
from orion_assets.cli.context import Call
from orion_assets.cli.launch import RAW, Launch, Outcome, merged
from orion_assets.cli.options import From, Json, MaxCalls, Only, TakesBack, To, Until
from orion_assets.cli.output import ERR, OUT, Exit, refuse
from orion_assets.cli.plan import Planning, told_again
from orion_assets.cli.report import Report
from orion_assets.ingest.freshness import stale_span
from orion_assets.schemas import DERIVED
from orion_assets.settings import Settings
from orion_assets.sources.protocols import Source
from orion_assets.store.state import STATES


def backfill(
    ctx: typer.Context,
    start: From = None,
    end: To = None,
    tickers: Only = None,
    until: Until = None,
    takes_back: TakesBack = False,
    max_calls: MaxCalls = None,
    json: Json = False,
) -> None:
    """Fill the sessions from --from up to, not including, --to: from raw to the feature store.

    Without --from it begins at ORION_START; without --to it ends with the session under way, or where the source ends.
    Nothing is stored twice: repeat it at will.
    """
    call: Call = ctx.obj
    settings = call.with_source()
    source = call.source()
    instant = context.moment(until)
    bounds = context.day("--from", start), context.day("--to", end)
    span = ranges.asked(bounds, settings, source, instant, is_replay=until is not None)
    only = context.names(tickers)
    followed = call.state().universe() or settings.tickers or source.listed_tickers()
    unknown = sorted(set(only) - set(followed))
    if unknown:
        refuse(
            f"--tickers {', '.join(unknown)}: not followed. Follow them first: orion tickers add {' '.join(unknown)}"
        )
    then = instant.isoformat() if until else ""
    launch = Launch("daily", *span, until=then, only=tuple(only), takes_back=takes_back)
    routes = source.routes(instant.astimezone(calendars.NEW_YORK).date())
    if not routes:
        _finish(Report(call, launch, fill(call, settings, launch, show=not json)), as_json=json)
        return
    datasets = [name for name in RAW if name in source.datasets]
    planning = Planning(call, routes, instant, until is not None)
    work = planning.of(span, only or followed, datasets, max_calls=max_calls)
    for line in [*work.lines(), *told_again(planning.again(span, only or followed, datasets))]:
        ERR.print(line)
    if max_calls is not None:
        launch = replace(launch, max_calls={name: work.calls_of(name) for name in datasets})
    _finish(Report(call, launch, fill(call, settings, launch, show=not json)), as_json=json)
    if work.cut.height:
        refuse(f"--max-calls {max_calls}: {work.cut.height} calls of the plan remain; call it again", Exit.BUDGET)


def update(ctx: typer.Context, until: Until = None, takes_back: TakesBack = False, json: Json = False) -> None:
    """Fill what has become due or failed since the first session that was asked for, and derive what is stale.

    Datasets are looked at one by one: VIX that comes a day late is asked for alone.

    Files are read anew, and sessions that they tell otherwise than before are filled again. A vendor is asked again for
    what it was asked on the first and the fifth session after, and for a few old sessions each day
    (ORION_AUDIT_SESSIONS): what it tells otherwise is a new version.
    """
    call: Call = ctx.obj
    settings = call.with_source()
    source = call.source()
    instant = context.moment(until)
    launch = Launch("daily", until=instant.isoformat() if until else "", takes_back=takes_back)
    fills = [
        replace(launch, start=found.start, end=found.end, assets=(*found.datasets, *DERIVED))
        for found in ranges.due(call, settings, source, instant, is_replay=until is not None)
    ]
    stale = stale_span(call.state())
    _show_plans(call, source, fills, instant, is_replay=until is not None)
    if fills:
        # The newest last, so that one that keeps failing is told and keeps nobody from today
        outcomes = [fill(call, settings, each, show=not json) for each in fills]
        whole = replace(launch, start=fills[0].start, end=fills[-1].end, assets=fills[-1].assets)
        _finish(Report(call, whole, merged(outcomes)), as_json=json)
    elif stale is not None:
        launch = _derivation(launch, stale)
        _finish(Report(call, launch, _run(settings, launch, show=not json)), as_json=json)
    elif json:
        _finish(Report(call, launch, Outcome(is_done=True)), as_json=True)
    else:
        is_asked = not call.state().count_sessions(STATES).is_empty()
        OUT.print(ranges.reached(source, instant, settings.start, is_asked=is_asked))


def _show_plans(call: Call, source: Source, launches: Sequence[Launch], instant: datetime, *, is_replay: bool) -> None:
    """Say on stderr which calls some runs will make, each before the first is made."""
    routes = source.routes(instant.astimezone(calendars.NEW_YORK).date())
    followed = call.state().universe() or call.settings.tickers
    planning = Planning(call, routes, instant, is_replay)
    for launch in launches if routes else ():
        if launch.start is not None and launch.end is not None:
            span, datasets = (launch.start, launch.end), [name for name in launch.assets if name in RAW]
            ERR.print(f"[{span[0]}, {span[1]}), tickers: {len(followed)}")
            again = told_again(planning.again(span, followed, datasets))
            for line in [*planning.of(span, followed, datasets).lines(), *again]:
                ERR.print(line)


def fill(call: Call, settings: Settings, launch: Launch, *, show: bool) -> Outcome:
    """Run the reference, then a launch, then derive what changed outside its range."""
    from orion_assets.cli.run import execute, instance  # noqa: PLC0415 - Dagster takes seconds to load

    with instance(settings) as on:
        reference = execute(settings, Launch("reference", until=launch.until), on, show=show)
        if not reference.is_done:
            return reference
        outcome = execute(settings, launch, on, show=show)
        outcome.rows = {**reference.rows, **outcome.rows}
        outcome.findings = [*reference.findings, *outcome.findings]
        stale = stale_span(call.state()) if outcome.is_done else None
        if stale is None:
            return outcome
        # A series is computed from its first bar: what changed in the range changes what comes after it
        healed = execute(settings, _derivation(launch, stale), on, show=show)
        return replace(merged([outcome, healed]), rows=outcome.rows, derived_again=stale)


def _run(settings: Settings, launch: Launch, *, show: bool) -> Outcome:
    from orion_assets.cli.run import execute, instance  # noqa: PLC0415 - likewise

    with instance(settings) as on:
        return execute(settings, launch, on, show=show)


def _derivation(launch: Launch, span: tuple[date, date]) -> Launch:
    return replace(launch, start=span[0], end=span[1], only=(), assets=DERIVED)


def _finish(report: Report, *, as_json: bool) -> None:
    if as_json:
        report.document()
    elif report.outcome.is_done:
        report.show()
    if not report.outcome.is_done:
        refuse(report.outcome.failure, Exit.FAILED)
