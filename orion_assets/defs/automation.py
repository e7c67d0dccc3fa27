"""Jobs, and what starts them: after each session, once a week, and when a ticker is added."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import dagster as dg

from orion_assets import calendars
from orion_assets.clock import SystemClock
from orion_assets.defs.keeping import RANGE, Supply, choose, histories
from orion_assets.defs.partitions import DATE_FORMAT, TICKERS, TICKERS_AXIS
from orion_assets.ingest.restatements import audit, late
from orion_assets.markets import EQUITIES, Market
from orion_assets.store.state import State

# Five minutes after either close cut-off, 16:30 or, on half-days, 13:30: delays are a quarter of an hour from the close
_AFTER_THE_CLOSE: Final = "35 13,16 * * 1-5"
_CUTOFF_WITHIN: Final = timedelta(hours=1)
_WEEKLY: Final = "0 8 * * 6"
_AFTER_REFERENCE: Final = "0 10 * * 6"


def jobs(
    daily: Sequence[dg.AssetsDefinition],
    reference: Sequence[dg.AssetsDefinition],
    history: Sequence[dg.AssetsDefinition],
) -> Sequence[Any]:
    """Give `daily`, everything by session, `reference`, who the tickers are, and `history`, everything by ticker."""
    return [
        dg.define_asset_job("daily", dg.AssetSelection.assets(*daily), description="Sessions: raw to feature store"),
        dg.define_asset_job("reference", dg.AssetSelection.assets(*reference), description="Tickers to securities"),
        dg.define_asset_job("history", dg.AssetSelection.assets(*history), description="Tickers: raw to files"),
    ]


def end_of_day_on(
    axis: dg.PartitionsDefinition[Any], state: State | None = None, audits: int = 0
) -> dg.ScheduleDefinition:
    """Make the schedule of the daily job over an axis of sessions.

    Args:
        axis: The sessions.
        state: The state database, which says what is to be asked for again; None asks for nothing again.
        audits: How many old sessions are asked for again each day.
    """

    @dg.schedule(job_name="daily", cron_schedule=_AFTER_THE_CLOSE, execution_timezone=calendars.NEW_YORK.key)
    def end_of_day(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.RunRequest | dg.SkipReason:
        """Fill the session that has just closed, five minutes after its close cut-off; earlier on half-days.

        With it those whose turn it is to be asked for again: one run from the first of them on. The day's audit is a
        run of its own a session, which lands only; what it changes is derived by the sensor or `orion update`.
        """
        tick = context.scheduled_execution_time.astimezone(calendars.NEW_YORK)
        chosen = _after_the_close(tick, axis)
        if state is None or isinstance(chosen, dg.SkipReason):
            return chosen
        return [with_late(chosen, tick, axis, state), *_audits(tick, axis, state, audits)]

    return end_of_day


def _audits(tick: datetime, axis: dg.PartitionsDefinition[Any], state: State, audits: int) -> Iterator[dg.RunRequest]:
    for dataset, session in audit(state, tick, audits):
        key = session.strftime(DATE_FORMAT)
        if axis.has_partition_key(key):
            what = f"audit {dataset} {key} on {tick:{DATE_FORMAT}}"
            yield dg.RunRequest(run_key=what, partition_key=key, asset_selection=[dg.AssetKey(dataset)])


def with_late(
    today: dg.RunRequest,
    tick: datetime,
    axis: dg.PartitionsDefinition[Any],
    state: State,
    market: Market = EQUITIES,
) -> dg.RunRequest:
    """Let the run of a session begin with the first one of its market whose turn it is to be asked for again."""
    keys = [day.strftime(DATE_FORMAT) for day in late(state, tick, market)]
    again = [key for key in keys if axis.has_partition_key(key)]
    if not again or today.partition_key is None:
        return today
    return dg.RunRequest(run_key=today.run_key, tags=dict(zip(RANGE, (again[0], today.partition_key), strict=True)))


def _after_the_close(tick: datetime, axis: dg.PartitionsDefinition[Any]) -> dg.RunRequest | dg.SkipReason:
    day = calendars.sessions(tick.date(), tick.date() + timedelta(days=1))
    if day.is_empty():
        return dg.SkipReason(f"{tick.date()} is no session of the exchange")
    cutoff: datetime = day["ts_close_cutoff"][0]
    if not timedelta() <= tick - cutoff < _CUTOFF_WITHIN:
        return dg.SkipReason(f"the close cut-off of {tick.date()} is {cutoff.astimezone(calendars.NEW_YORK):%H:%M}")
    key = tick.strftime(DATE_FORMAT)
    if not axis.has_partition_key(key):
        return dg.SkipReason(f"{key} lies outside the sessions that the source and ORION_START name")
    return dg.RunRequest(run_key=f"end-of-day {key}", partition_key=key)


@dg.schedule(job_name="reference", cron_schedule=_WEEKLY, execution_timezone=calendars.NEW_YORK.key)
def weekly_reference(_: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask who the tickers are on Saturday morning."""
    return dg.RunRequest()


@dg.schedule(
    job_name="history",
    cron_schedule=_AFTER_REFERENCE,
    execution_timezone=calendars.NEW_YORK.key,
    required_resource_keys={"state"},
)
def weekly_history(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """Write the history of every followed ticker anew on Saturday, which holds the week's sessions against raw."""
    state: State = context.resources.state
    keys = context.instance.get_dynamic_partitions(TICKERS_AXIS)
    requests = [dg.RunRequest(tags=dict(zip(RANGE, run, strict=True))) for run in histories(keys, state.universe())]
    return requests or dg.SkipReason("no ticker has a history yet")


def universe_sensor(made: Sequence[Any], first: date, supply: Supply) -> dg.SensorDefinition:
    """Make the sensor that looks after what is followed from a session on, over the jobs that it starts.

    Args:
        made: The jobs that it starts.
        first: First session of the axis.
        supply: What the source is asked for.
    """

    @dg.sensor(name="universe", jobs=made, minimum_interval_seconds=60)
    def universe(context: dg.SensorEvaluationContext, state: dg.ResourceParam[State]) -> dg.SensorResult:
        """Look after what is followed: one run a tick.

        Ask who was added, fill their past, ask again for what failed, derive what changed, write histories.
        """
        keys = context.instance.get_dynamic_partitions(TICKERS_AXIS)
        added = sorted(set(state.universe()) - set(keys))
        chosen = choose(context.instance, state, keys, first, SystemClock().now(), supply)
        is_run = isinstance(chosen, dg.RunRequest)
        return dg.SensorResult(
            run_requests=[chosen] if is_run else [],
            dynamic_partitions_requests=[TICKERS.build_add_request(added)] if added else [],
            skip_reason=None if is_run else chosen,
        )

    return universe
