"""`orion backfill` and `orion update`: fill a range of sessions, then what a change in it makes stale."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime

import typer

from orion_assets import calendars
from orion_assets.cli import context, ranges
from orion_assets.cli.context import Call
from orion_assets.cli.launch import RAW, Launch, Outcome, merged
from orion_assets.cli.options import From, Json, MaxCalls, MaxInFlight, MaxTickers, Only, TakesBack, To, Until
from orion_assets.cli.output import ERR, OUT, Exit, counted, refuse
from orion_assets.cli.plan import Planning, listing_calls, told
from orion_assets.cli.report import Report
from orion_assets.cli.vendor import probe_again
from orion_assets.ingest.ledger import stale_span
from orion_assets.ingest.plan import Plan
from orion_assets.schemas import DERIVED
from orion_assets.settings import Settings
from orion_assets.sources.protocols import Source, listed_by
from orion_assets.store.state import STATES


def backfill(
    ctx: typer.Context,
    start: From = None,
    end: To = None,
    tickers: Only = None,
    until: Until = None,
    takes_back: TakesBack = False,
    max_calls: MaxCalls = None,
    max_tickers: MaxTickers = None,
    max_in_flight: MaxInFlight = None,
    json: Json = False,
) -> None:
    """Fill the sessions from --from up to, not including, --to: from raw to the feature store.

    Without --from it begins at ORION_START; without --to it ends with the session under way, or where the source ends.
    Nothing is stored twice: repeat it at will.
    """
    call: Call = ctx.obj.changed(max_in_flight=max_in_flight)
    settings = call.with_source()
    source = call.source()
    instant = context.moment(until)
    bounds = context.day("--from", start), context.day("--to", end)
    span = ranges.asked(bounds, settings, source, instant, is_replay=until is not None)
    only = context.names(tickers)
    followed = call.state().universe() or settings.tickers or listed_by(source)
    _demand_followed(only, followed)
    then = instant.isoformat() if until else ""
    launch = Launch("daily", *span, until=then, only=tuple(only), takes_back=takes_back)
    names = only or list(followed)
    probe_again(call, source, names[0], instant)
    routes = source.routes(instant.astimezone(calendars.NEW_YORK).date())
    if not routes:
        _finish(Report(call, launch, fill(call, settings, launch, show=not json)), as_json=json)
        return
    datasets = [name for name in RAW if name in source.datasets]
    work = Planning(call, routes, instant).of(span, names, datasets, max_calls=max_calls, max_tickers=max_tickers)
    for line in told(work, listing_calls(call, source, names, instant)):
        ERR.print(line)
    launch = _limited(launch, work, names, datasets if max_calls is not None else ())
    _finish(Report(call, launch, fill(call, settings, launch, show=not json)), as_json=json)
    _say_what_remains(work, max_calls, max_tickers)


def _demand_followed(only: Sequence[str], followed: Sequence[str]) -> None:
    unknown = sorted(set(only) - set(followed))
    if unknown:
        refuse(
            f"--tickers {', '.join(unknown)}: not followed. Follow them first: orion tickers add {' '.join(unknown)}"
        )


def _limited(launch: Launch, work: Plan, names: Sequence[str], datasets: Sequence[str]) -> Launch:
    """Give a launch that makes no calls but those of the plan, for the datasets whose calls are limited."""
    if work.left_out.height:
        launch = replace(launch, only=_kept(names, work))
    return replace(launch, max_calls={name: work.calls_of(name) for name in datasets})


def _say_what_remains(work: Plan, max_calls: int | None, max_tickers: int | None) -> None:
    """Leave with the code of a spent budget, where a limit left something for later."""
    if work.cut.height:
        refuse(f"--max-calls {max_calls}: {work.cut.height} calls of the plan remain; call it again", Exit.BUDGET)
    if work.left_out.height:
        left = counted(work.left_out["ticker"].n_unique(), "ticker")
        refuse(f"--max-tickers {max_tickers}: {left} with cells to fill remain; call it again", Exit.BUDGET)


def update(
    ctx: typer.Context,
    until: Until = None,
    takes_back: TakesBack = False,
    max_in_flight: MaxInFlight = None,
    json: Json = False,
) -> None:
    """Fill what has become due or failed since the first session that was asked for, and derive what is stale.

    Datasets are looked at one by one: VIX that comes a day late is asked for alone.

    Files are read anew, and sessions that they tell otherwise than before are filled again.
    """
    call: Call = ctx.obj.changed(max_in_flight=max_in_flight)
    settings = call.with_source()
    source = call.source()
    instant = context.moment(until)
    launch = Launch("daily", until=instant.isoformat() if until else "", takes_back=takes_back)
    probe_again(call, source, next(iter(call.state().universe() or settings.tickers), ""), instant)
    dues = ranges.due(call, settings, source, instant, is_replay=until is not None)
    fills = [replace(launch, start=found.start, end=found.end, assets=(*found.datasets, *DERIVED)) for found in dues]
    stale = stale_span(call.state())
    if fills:
        for line in _planned(call, source, dues, instant):
            ERR.print(line)
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


def _kept(names: Sequence[str], work: Plan) -> tuple[str, ...]:
    """Give the tickers that a plan leaves none out of; where it leaves all of them out, refuse."""
    left_out = set(work.left_out["ticker"])
    kept = tuple(name for name in names if name not in left_out)
    if not kept:
        refuse(f"--max-tickers: {counted(len(left_out), 'ticker')} left out, and nobody is left to ask for")
    return kept


def _planned(call: Call, source: Source, dues: Sequence[ranges.Due], instant: datetime) -> Iterator[str]:
    """Say what each of the ranges that are due costs, as they are asked for; nothing where asking is free."""
    routes = source.routes(instant.astimezone(calendars.NEW_YORK).date())
    if not routes:
        return
    followed = call.state().universe() or call.settings.tickers
    listing = listing_calls(call, source, followed, instant)
    for number, due in enumerate(dues):
        work = Planning(call, routes, instant).of((due.start, due.end), followed, due.datasets)
        yield f"[{due.start}, {due.end})"
        yield from told(work, 0 if number else listing)


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
