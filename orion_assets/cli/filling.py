"""What `orion backfill`, `update` and `demo` share: the runs that fill sessions, and how such a command ends."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from orion_assets.cli.context import Call
from orion_assets.cli.launch import RAW, Launch, Outcome, merged
from orion_assets.cli.limits import Limits
from orion_assets.cli.markets import Done
from orion_assets.cli.output import OUT, Exit, document, refuse
from orion_assets.cli.report import OfMarket, Report
from orion_assets.ingest.freshness import stale_span
from orion_assets.ingest.plan import Plan
from orion_assets.ingest.reference_calls import Due
from orion_assets.schemas import DERIVED, RAW_TICKERS
from orion_assets.settings import Settings


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
        healed = execute(settings, derivation(launch, stale), on, show=show)
        return replace(merged([outcome, healed]), rows=outcome.rows, derived_again=stale)


def run_alone(settings: Settings, launch: Launch, *, show: bool) -> Outcome:
    """Run a launch alone: neither is the reference asked for before it nor is anything looked after behind it."""
    from orion_assets.cli.run import execute, instance  # noqa: PLC0415 - likewise

    with instance(settings) as on:
        return execute(settings, launch, on, show=show)


def derivation(launch: Launch, span: tuple[date, date]) -> Launch:
    """Give the launch that derives the sessions [start, end) from raw as it stands."""
    return replace(launch, start=span[0], end=span[1], only=(), assets=DERIVED)


def allowance(first: Due, work: Plan, max_calls: int) -> dict[str, int]:
    """Give the calls that each raw table may take: the reference comes first, the rest is the plan's."""
    return {RAW_TICKERS.name: min(max_calls, first.calls), **{name: work.calls_of(name) for name in RAW}}


def finish(report: Report, *, as_json: bool) -> None:
    """Show what was filled, and leave with the code of a failure where something was not."""
    if as_json:
        report.document()
    elif report.outcome.is_done:
        report.show()
        show_markets(report.others)
    demand_done([report.outcome, *(each.outcome for each in report.others)])


def finish_markets(done: Sequence[Done], limits: Limits, *, as_json: bool) -> None:
    """Show what was filled of other markets where nobody wants equities, and leave with the code of a failure."""
    if as_json:
        document({"markets": [each.as_json() for each in done]})
    elif not done:
        OUT.print("nothing to fill: every session that has closed is answered")
    else:
        show_markets(done)
    demand_done([each.outcome for each in done])
    limits.demand_done(Due(), [each.work for each in done])


def show_markets(done: Sequence[OfMarket]) -> None:
    """Show what was filled of other markets."""
    for each in done:
        each.show()


def demand_done(outcomes: Sequence[Outcome]) -> None:
    """Leave with the code of a failure where a run failed."""
    failed = [outcome.failure for outcome in outcomes if not outcome.is_done]
    if failed:
        refuse("; ".join(failed), Exit.FAILED)


def _of_reference(launch: Launch) -> dict[str, int]:
    return {name: most for name, most in launch.max_calls.items() if name == RAW_TICKERS.name}
