"""`orion update`: fill what has become due since the first session that was asked for, and derive what is stale."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import typer

from orion_assets import calendars
from orion_assets.cli import context, markets, ranges
from orion_assets.cli.context import Call
from orion_assets.cli.filling import (
    allowance,
    demand_done,
    derivation,
    fill,
    finish,
    finish_markets,
    run_alone,
    show_markets,
)
from orion_assets.cli.launch import Launch, Outcome, merged
from orion_assets.cli.limits import Limits
from orion_assets.cli.markets import Done
from orion_assets.cli.options import Json, MaxCalls, MaxInFlight, TakesBack, Until
from orion_assets.cli.output import ERR, OUT
from orion_assets.cli.plan import Planning, less, reference_due
from orion_assets.cli.report import Report
from orion_assets.cli.vendor import probe_again
from orion_assets.ingest.freshness import stale_span
from orion_assets.ingest.plan import Plan
from orion_assets.ingest.reference_calls import Due
from orion_assets.schemas import DERIVED
from orion_assets.settings import Settings
from orion_assets.sources.protocols import Source
from orion_assets.store.state import STATES


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
        finish_markets(fill_others(max_calls=max_calls), limits, as_json=json)
        return
    todo = _todo(call, settings, source, instant, max_calls, is_replay=until is not None)
    others = fill_others(max_calls=less(max_calls, todo.calls))
    if todo.dues:
        _fill_due(call, todo, launch, others, limits, as_json=json)
        return
    if stale := stale_span(call.state()):
        launch = derivation(launch, stale)
        finish(Report(call, launch, run_alone(settings, launch, show=not json), others), as_json=json)
    elif json:
        finish(Report(call, launch, Outcome(is_done=True), others), as_json=True)
    else:
        show_markets(others)
        is_asked = not call.state().count_sessions(STATES).is_empty()
        OUT.print(ranges.reached(source, instant, settings.start, is_asked=is_asked))
        demand_done([each.outcome for each in others])
    limits.demand_done(Due(), [each.work for each in others])


@dataclass(frozen=True)
class _Todo:
    """The ranges that are due and what they cost.

    Attributes:
        settings: The deployment, one for all ranges.
        followed: The followed tickers.
        dues: The ranges, the oldest first.
        planning: Plans the calls of a range.
        reference: Says what of the reference is due as of now.
        first: What of the reference is asked for before the ranges.
        works: The plan of each range; none where asking is free.
    """

    settings: Settings
    followed: Sequence[str]
    dues: Sequence[ranges.Due]
    planning: Planning
    reference: Callable[[], Due]
    first: Due
    works: Sequence[Plan]

    @property
    def calls(self) -> int:
        """Count the calls to expect."""
        return self.first.calls + sum(work.calls for work in self.works)

    def lines(self) -> Iterator[str]:
        """Say what each of the ranges costs, as they are asked for; nothing where asking is free."""
        yield from self.first.lines()
        for due, work in zip(self.dues, self.works, strict=False):
            yield f"[{due.start}, {due.end}), tickers: {len(self.followed)}"
            yield from self.planning.lines(work, (due.start, due.end), self.followed, due.datasets)

    def launches(self, launch: Launch, max_calls: int | None) -> list[Launch]:
        """Give a launch a range; where calls are limited, it makes those of its plan and the first the reference's."""
        fills = [replace(launch, start=due.start, end=due.end, assets=(*due.datasets, *DERIVED)) for due in self.dues]
        if max_calls is None or not self.works:
            return fills
        # Asked for once: what it leaves is left for the next time
        references = [self.first, *[Due()] * (len(self.works) - 1)]
        return [
            replace(each, max_calls=allowance(reference, work, max_calls))
            for each, reference, work in zip(fills, references, self.works, strict=True)
        ]


def _todo(
    call: Call, settings: Settings, source: Source, instant: datetime, max_calls: int | None, *, is_replay: bool
) -> _Todo:
    followed = call.state().universe() or settings.equities
    probe_again(call, source, next(iter(followed), ""), instant)
    dues = ranges.due(call, settings, source, instant, is_replay=is_replay)
    reference = partial(reference_due, call, source, followed, instant)
    routes = source.routes(instant.astimezone(calendars.NEW_YORK).date())
    planning = Planning(call, routes, instant, is_replay)
    first = reference() if routes and dues else Due()
    works = _works(planning, dues, followed, less(max_calls, first.calls)) if routes else []
    return _Todo(settings, followed, dues, planning, reference, first, works)


def _works(
    planning: Planning, dues: Sequence[ranges.Due], followed: Sequence[str], max_calls: int | None
) -> list[Plan]:
    """Plan each of the ranges that are due, in their order; where calls are few, the newest gets them first."""
    works: list[Plan] = []
    for due in reversed(dues):
        works.insert(0, planning.of((due.start, due.end), followed, due.datasets, max_calls=max_calls))
        max_calls = less(max_calls, works[0].calls)
    return works


def _fill_due(
    call: Call, todo: _Todo, launch: Launch, others: Sequence[Done], limits: Limits, *, as_json: bool
) -> None:
    for line in todo.lines():
        ERR.print(line)
    fills = todo.launches(launch, limits.calls)
    # The newest last, so that one that keeps failing is told and keeps nobody from today
    outcome = merged([fill(call, todo.settings, each, show=not as_json) for each in fills])
    whole = replace(launch, start=fills[0].start, end=fills[-1].end, assets=fills[-1].assets)
    finish(Report(call, whole, outcome, others, [(due.start, due.end) for due in todo.dues]), as_json=as_json)
    if todo.works:
        limits.demand_done(todo.reference(), [*reversed(todo.works), *(each.work for each in others)])
