"""`orion backfill` and `orion update`: fill a range of sessions, then what a change in it makes stale."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import partial

import typer

from orion_assets import calendars
from orion_assets.cli import context, markets, ranges
from orion_assets.cli.context import Call
from orion_assets.cli.launch import RAW, Launch, Outcome, merged
from orion_assets.cli.limits import Limits
from orion_assets.cli.markets import Done
from orion_assets.cli.options import (
    Datasets,
    From,
    Json,
    MaxCalls,
    MaxInFlight,
    MaxTickers,
    Only,
    TakesBack,
    To,
    Until,
)
from orion_assets.cli.output import ERR, OUT, Exit, document, refuse
from orion_assets.cli.plan import Planning, kept, less, reference_due
from orion_assets.cli.report import OfMarket, Report
from orion_assets.cli.vendor import probe_again
from orion_assets.ingest.freshness import stale_span
from orion_assets.ingest.plan import Plan
from orion_assets.ingest.reference_calls import Due
from orion_assets.markets import EQUITIES, market_of
from orion_assets.schemas import DERIVED, RAW_TICKERS
from orion_assets.settings import Settings
from orion_assets.sources.protocols import listed_by
from orion_assets.store.state import STATES


def backfill(
    ctx: typer.Context,
    start: From = None,
    end: To = None,
    tickers: Only = None,
    datasets: Datasets = None,
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
    call = context.choosing(ctx.obj, datasets).changed(max_in_flight=max_in_flight)
    settings = call.with_source()
    source = call.source()
    instant = context.moment(until)
    bounds = context.day("--from", start), context.day("--to", end)
    named = context.names(tickers)
    errands = markets.meant(call, settings, bounds, instant, named)
    launch = Launch("daily", until=instant.isoformat() if until else "", takes_back=takes_back)
    filling = partial(
        markets.run, call, settings, source, errands.work, launch, instant=instant, max_tickers=max_tickers,
        show=not json,
    )  # fmt: skip
    limits = Limits(max_calls, max_tickers)
    if not errands.has_equities:
        _finish_markets(filling(max_calls=max_calls), limits, as_json=json)
        return
    span = ranges.asked(bounds, settings, source, instant, is_replay=until is not None)
    only = [ticker for ticker in named if market_of(ticker) is EQUITIES]
    followed = call.state().universe() or settings.equities or listed_by(source)
    markets.demand_followed(only, followed)
    launch = replace(launch, start=span[0], end=span[1], only=tuple(only))
    names = only or list(followed)
    probe_again(call, source, next(iter(names), ""), instant)
    routes = source.routes(instant.astimezone(calendars.NEW_YORK).date())
    if not routes:
        _finish(Report(call, launch, fill(call, settings, launch, show=not json), filling()), as_json=json)
        return
    asked = [name for name in RAW if name in source.datasets]
    is_partial = bool(only) and set(only) != set(followed)
    planning = Planning(call, routes, instant, is_replay=until is not None)
    reference = partial(reference_due, call, source, followed, instant)
    first = reference()
    spare = less(max_calls, first.calls)
    work = planning.of(span, names, asked, is_partial=is_partial, max_calls=spare, max_tickers=max_tickers)
    for line in [*first.lines(), *planning.lines(work, span, names, asked)]:
        ERR.print(line)
    launch = _limited(launch, first, work, names, max_calls)
    outcome = fill(call, settings, launch, show=not json)
    others = filling(max_calls=less(spare, work.calls))
    _finish(Report(call, launch, outcome, others), as_json=json)
    limits.demand_done(reference(), [work, *(each.work for each in others)])


def _limited(launch: Launch, first: Due, work: Plan, names: Sequence[str], max_calls: int | None) -> Launch:
    """Give a launch that makes no calls but those of the reference and of the plan, where they are limited."""
    if work.left_out.height:
        launch = replace(launch, only=kept(names, work))
    return launch if max_calls is None else replace(launch, max_calls=_allowance(first, work, max_calls))


def _allowance(first: Due, work: Plan, max_calls: int) -> dict[str, int]:
    """Give the calls that each raw table may take: the reference comes first, the rest is the plan's."""
    return {RAW_TICKERS.name: min(max_calls, first.calls), **{name: work.calls_of(name) for name in RAW}}


def update(
    ctx: typer.Context,
    until: Until = None,
    takes_back: TakesBack = False,
    max_calls: MaxCalls = None,
    max_in_flight: MaxInFlight = None,
    json: Json = False,
) -> None:
    """Fill what has become due or failed since the first session that was asked for, and derive what is stale.

    Datasets are looked at one by one: VIX that comes a day late is asked for alone.

    Files are read anew, and sessions that they tell otherwise than before are filled again. A vendor is asked again for
    what it was asked on the first and the fifth session after, and for a few old sessions each day
    (ORION_AUDIT_SESSIONS): what it tells otherwise is a new version.
    """
    call: Call = ctx.obj.changed(max_in_flight=max_in_flight)
    settings = call.with_source()
    source = call.source()
    instant = context.moment(until)
    launch = Launch("daily", until=instant.isoformat() if until else "", takes_back=takes_back)
    limits = Limits(max_calls)
    errands = markets.due(call, settings, source, instant, is_replay=until is not None)
    fill_others = partial(markets.run, call, settings, source, errands.work, launch, instant=instant, show=not json)
    if not errands.has_equities:
        _finish_markets(fill_others(max_calls=max_calls), limits, as_json=json)
        return
    followed = call.state().universe() or settings.equities
    probe_again(call, source, next(iter(followed), ""), instant)
    dues = ranges.due(call, settings, source, instant, is_replay=until is not None)
    due_reference = partial(reference_due, call, source, followed, instant)
    planning = Planning(call, source.routes(instant.astimezone(calendars.NEW_YORK).date()), instant, until is not None)
    first = due_reference() if planning.routes and dues else Due()
    works = _works(planning, dues, followed, less(max_calls, first.calls))
    spent = first.calls + sum(work.calls for work in works)
    others = fill_others(max_calls=less(max_calls, spent))
    fills = [replace(launch, start=found.start, end=found.end, assets=(*found.datasets, *DERIVED)) for found in dues]
    stale = stale_span(call.state())
    if fills:
        for line in [*first.lines(), *_planned(planning, dues, works, followed)]:
            ERR.print(line)
        if max_calls is not None and works:
            fills = _allowed(fills, first, works, max_calls)
        # The newest last, so that one that keeps failing is told and keeps nobody from today
        outcomes = [fill(call, settings, each, show=not json) for each in fills]
        whole = replace(launch, start=fills[0].start, end=fills[-1].end, assets=fills[-1].assets)
        spans = [(due.start, due.end) for due in dues]
        _finish(Report(call, whole, merged(outcomes), others, spans), as_json=json)
        if planning.routes:
            limits.demand_done(due_reference(), [*reversed(works), *(each.work for each in others)])
        return
    if stale is not None:
        launch = _derivation(launch, stale)
        _finish(Report(call, launch, _run(settings, launch, show=not json), others), as_json=json)
    elif json:
        _finish(Report(call, launch, Outcome(is_done=True), others), as_json=True)
    else:
        _show(others)
        is_asked = not call.state().count_sessions(STATES).is_empty()
        OUT.print(ranges.reached(source, instant, settings.start, is_asked=is_asked))
        _demand_done([each.outcome for each in others])
    limits.demand_done(Due(), [each.work for each in others])


def _works(
    planning: Planning, dues: Sequence[ranges.Due], followed: Sequence[str], max_calls: int | None
) -> list[Plan]:
    """Plan each of the ranges that are due, in their order; where calls are few, the newest gets them first."""
    works: list[Plan] = []
    for due in reversed(dues if planning.routes else ()):
        works.insert(0, planning.of((due.start, due.end), followed, due.datasets, max_calls=max_calls))
        max_calls = less(max_calls, works[0].calls)
    return works


def _planned(
    planning: Planning, dues: Sequence[ranges.Due], works: Sequence[Plan], followed: Sequence[str]
) -> Iterator[str]:
    """Say what each of the ranges that are due costs, as they are asked for; nothing where asking is free."""
    for due, work in zip(dues, works, strict=False):
        yield f"[{due.start}, {due.end}), tickers: {len(followed)}"
        yield from planning.lines(work, (due.start, due.end), followed, due.datasets)


def _allowed(fills: Sequence[Launch], first: Due, works: Sequence[Plan], max_calls: int) -> list[Launch]:
    """Give launches that make no calls but those of their plans; the first of them makes those of the reference."""
    # Asked for once: what it leaves is left for the next time
    references = [first, *[Due()] * (len(works) - 1)]
    return [
        replace(each, max_calls=_allowance(reference, work, max_calls))
        for each, reference, work in zip(fills, references, works, strict=True)
    ]


def fill(call: Call, settings: Settings, launch: Launch, *, show: bool) -> Outcome:
    """Run the reference, then a launch, then derive what changed outside its range."""
    from orion_assets.cli.run import execute, instance  # noqa: PLC0415 - Dagster takes seconds to load

    with instance(settings) as on:
        first = Launch("reference", until=launch.until, max_calls=_of_reference(launch))
        reference = execute(settings, first, on, show=show)
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


def _of_reference(launch: Launch) -> dict[str, int]:
    return {name: most for name, most in launch.max_calls.items() if name == RAW_TICKERS.name}


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
        _show(report.others)
    _demand_done([report.outcome, *(each.outcome for each in report.others)])


def _finish_markets(done: Sequence[Done], limits: Limits, *, as_json: bool) -> None:
    if as_json:
        document({"markets": [each.as_json() for each in done]})
    elif not done:
        OUT.print("nothing to fill: every session that has closed is answered")
    else:
        _show(done)
    _demand_done([each.outcome for each in done])
    limits.demand_done(Due(), [each.work for each in done])


def _show(done: Sequence[OfMarket]) -> None:
    for each in done:
        each.show()


def _demand_done(outcomes: Sequence[Outcome]) -> None:
    failed = [outcome.failure for outcome in outcomes if not outcome.is_done]
    if failed:
        refuse("; ".join(failed), Exit.FAILED)
