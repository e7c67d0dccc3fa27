"""Jobs, and what starts them: after each session, once a week, and when a ticker is added."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import dagster as dg

from orion_assets import calendars
from orion_assets.defs.partitions import DATE_FORMAT, TICKERS, TICKERS_AXIS
from orion_assets.ingest.ledger import unanswered
from orion_assets.schemas import TICKER_FEATURES
from orion_assets.store.state import State

# Five minutes after either close cut-off, 16:30 or, on half-days, 13:30: delays are a quarter of an hour from the close
_AFTER_THE_CLOSE: Final = "35 13,16 * * 1-5"
_CUTOFF_WITHIN: Final = timedelta(hours=1)
_WEEKLY: Final = "0 8 * * 6"
_RANGE: Final = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
# So many tickers' histories at a tick: the sensor comes again
_AT_ONCE: Final = 100


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


def end_of_day_on(axis: dg.PartitionsDefinition[Any]) -> dg.ScheduleDefinition:
    """Make the schedule of the daily job over an axis of sessions."""

    @dg.schedule(job_name="daily", cron_schedule=_AFTER_THE_CLOSE, execution_timezone=calendars.NEW_YORK.key)
    def end_of_day(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Fill the session that has just closed, five minutes after its close cut-off; earlier on half-days."""
        return _after_the_close(context.scheduled_execution_time.astimezone(calendars.NEW_YORK), axis)

    return end_of_day


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


@dg.schedule(job_name="history", cron_schedule=_WEEKLY, execution_timezone=calendars.NEW_YORK.key)
def weekly_history(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Write the history of every ticker anew on Saturday morning, which holds the week's sessions against raw."""
    return whole_axis(context.instance.get_dynamic_partitions(TICKERS_AXIS))


def whole_axis(keys: Sequence[str]) -> dg.RunRequest | dg.SkipReason:
    """Ask for one run over all tickers, in the order of the instance."""
    if not keys:
        return dg.SkipReason("no ticker has a history yet")
    return dg.RunRequest(tags=dict(zip(_RANGE, (keys[0], keys[-1]), strict=True)))


def universe_sensor(made: Sequence[Any]) -> dg.SensorDefinition:
    """Make the sensor that looks after tickers that were added, over the jobs that it starts."""

    @dg.sensor(name="universe", jobs=made, minimum_interval_seconds=60)
    def universe(context: dg.SensorEvaluationContext, state: dg.ResourceParam[State]) -> dg.SensorResult:
        """Fill the past of a ticker that was added, then write its history."""
        return _looked_after(context.instance, state)

    return universe


def _looked_after(instance: dg.DagsterInstance, state: State) -> dg.SensorResult:
    followed = state.universe()
    keys = set(instance.get_dynamic_partitions(TICKERS_AXIS))
    done = instance.get_materialized_partitions(dg.AssetKey(TICKER_FEATURES.name))
    waiting = [ticker for ticker in followed if ticker not in done][:_AT_ONCE]
    missing = unanswered(state, waiting) if waiting else {}
    requests = [*_fills(missing), *_histories(missing, keys)]
    added = [ticker for ticker in followed if ticker not in keys]
    return dg.SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[TICKERS.build_add_request(added)] if added else [],
        skip_reason=None if requests or added else f"{len(followed)} tickers are followed, and each has its history",
    )


def _fills(missing: dict[str, list[date]]) -> Iterator[dg.RunRequest]:
    """Ask for the sessions that tickers lack, those that lack the same in one run."""
    alike: dict[tuple[date, date], list[str]] = {}
    for ticker, days in missing.items():
        if days:
            alike.setdefault((days[0], days[-1]), []).append(ticker)
    for (first, last), tickers in sorted(alike.items()):
        yield dg.RunRequest(
            job_name="daily",
            run_key=f"fill {' '.join(tickers)} {first} {last}",
            tags=dict(zip(_RANGE, (first.strftime(DATE_FORMAT), last.strftime(DATE_FORMAT)), strict=True)),
            run_config={"resources": {"universe": {"config": {"only": tickers}}}},
        )


def _histories(missing: dict[str, list[date]], keys: set[str]) -> Iterator[dg.RunRequest]:
    """Write the history of tickers that lack nothing and have their partition."""
    for ticker, days in missing.items():
        if not days and ticker in keys:
            yield dg.RunRequest(job_name="history", run_key=f"history {ticker}", partition_key=ticker)
