"""`orion backfill`: fill a range of sessions, then derive what a change in it makes stale."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import typer

from orion_assets import calendars
from orion_assets.cli import context, markets, ranges
from orion_assets.cli.filling import allowance, fill, finish, finish_markets
from orion_assets.cli.launch import RAW, Launch
from orion_assets.cli.limits import Limits
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
from orion_assets.cli.output import ERR
from orion_assets.cli.plan import Planning, kept, less, reference_due
from orion_assets.cli.report import Report
from orion_assets.cli.vendor import probe_again
from orion_assets.ingest.plan import Plan
from orion_assets.ingest.reference_calls import Due
from orion_assets.markets import EQUITIES, market_of
from orion_assets.sources.protocols import listed_by


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
        finish_markets(filling(max_calls=max_calls), limits, as_json=json)
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
        finish(Report(call, launch, fill(call, settings, launch, show=not json), filling()), as_json=json)
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
    finish(Report(call, launch, outcome, others), as_json=json)
    limits.demand_done(reference(), [work, *(each.work for each in others)])


def _limited(launch: Launch, first: Due, work: Plan, names: Sequence[str], max_calls: int | None) -> Launch:
    """Give a launch that makes no calls but those of the reference and of the plan, where they are limited."""
    if work.left_out.height:
        launch = replace(launch, only=kept(names, work))
    return launch if max_calls is None else replace(launch, max_calls=allowance(first, work, max_calls))
