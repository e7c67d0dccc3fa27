"""The job of each other market, and the schedule that runs it when a session has closed."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import dagster as dg

from orion_assets.calendars import NEW_YORK
from orion_assets.defs.automation import with_late
from orion_assets.defs.partitions import DATE_FORMAT
from orion_assets.market_hours import sessions_of
from orion_assets.markets import Market
from orion_assets.store.state import State

# Five minutes after the close cut-offs of each; indices close a quarter of an hour after the exchange, early at times
_CLOSES: Final[Mapping[str, tuple[str, str]]] = {
    "crypto": ("35 0 * * *", "UTC"),
    "fx": ("35 17 * * 1-5", NEW_YORK.key),
    "indices": ("50 13,16 * * 1-5", NEW_YORK.key),
    "options": ("35 13,16 * * 1-5", NEW_YORK.key),
}
_CUTOFF_WITHIN: Final = timedelta(hours=1)
_DAYS_BACK: Final = timedelta(days=7)


def job_of(market: Market, assets: Sequence[dg.AssetsDefinition]) -> Any:  # noqa: ANN401 - Dagster's own type is private
    """Give `daily_crypto` and its like: everything of a market, by session."""
    told = f"Sessions of {market.name}: raw to clean"
    return dg.define_asset_job(f"daily_{market.name}", dg.AssetSelection.assets(*assets), description=told)


def end_of_day_of(
    market: Market, axis: dg.PartitionsDefinition[Any], state: State | None = None
) -> dg.ScheduleDefinition:
    """Make the schedule of a market's job over an axis of its sessions.

    Args:
        market: The market.
        axis: Its sessions.
        state: The state database, which says what is to be asked for again; None asks for nothing again.
    """
    cron, zone = _CLOSES[market.name]

    @dg.schedule(
        name=f"end_of_day_{market.name}", job_name=f"daily_{market.name}", cron_schedule=cron, execution_timezone=zone
    )
    def end_of_day(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Fill the session that has just closed, and those whose turn it is to be asked for again."""
        tick = context.scheduled_execution_time
        chosen = _after_the_close(market, axis, tick)
        if state is None or isinstance(chosen, dg.SkipReason):
            return chosen
        return with_late(chosen, tick, axis, state, market)

    return end_of_day


def _after_the_close(
    market: Market, axis: dg.PartitionsDefinition[Any], tick: datetime
) -> dg.RunRequest | dg.SkipReason:
    days = sessions_of(market, tick.date() - _DAYS_BACK, tick.date() + _DAYS_BACK)
    closed = days.filter(days["ts_close_cutoff"] <= tick).tail(1)
    session, cutoff = closed["session"][0], closed["ts_close_cutoff"][0]
    if tick - cutoff >= _CUTOFF_WITHIN:
        return dg.SkipReason(f"no session of {market.name} has closed within the hour; the last was {session}")
    key = session.strftime(DATE_FORMAT)
    if not axis.has_partition_key(key):
        return dg.SkipReason(f"{key} lies outside the sessions that ORION_START names")
    return dg.RunRequest(run_key=f"end-of-day {market.name} {key}", partition_key=key)
