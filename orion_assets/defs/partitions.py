"""The two axes: sessions of the exchange, on which everything daily flows, and the followed tickers."""

from datetime import date, datetime, time, timedelta

import dagster as dg

from orion_assets import calendars
from orion_assets.market_hours import sessions_of
from orion_assets.markets import Market

DATE_FORMAT = "%Y-%m-%d"
LOOK_BACK = 99
# The followed universe; a ticker is added with the sensor, or by whoever makes its history
TICKERS_AXIS = "tickers"
TICKERS = dg.DynamicPartitionsDefinition(name=TICKERS_AXIS)


def sessions(start: date, end: date | None = None) -> dg.DailyPartitionsDefinition:
    """Give the sessions from a date on; the last key is the session under way, on a closed day the next one.

    Args:
        start: First session that may be asked for.
        end: First day of which there will never be anything to ask; None where the market goes on.
    """
    closed = calendars.closed_dates(start, calendars.LAST_DATE)
    return dg.DailyPartitionsDefinition(
        start_date=calendars.session_at_or_after(start).strftime(DATE_FORMAT),
        end_date=end.strftime(DATE_FORMAT) if end and start < end else None,
        timezone=calendars.NEW_YORK.key,
        # Without it the key of a day does not exist before the midnight that ends the day
        end_offset=1,
        exclusions=["0 0 * * 0,6", *(datetime.combine(day, time(0), calendars.NEW_YORK) for day in closed)],
    )


def sessions_axis(market: Market, start: date) -> dg.DailyPartitionsDefinition:
    """Give the sessions of a market from a date on; crypto's keys are dates of UTC, all others of New York."""
    if market.calendar == "exchange":
        return sessions(start)
    is_utc = market.calendar == "utc_days"
    return dg.DailyPartitionsDefinition(
        start_date=sessions_of(market, start)["session"][0].strftime(DATE_FORMAT),
        timezone="UTC" if is_utc else calendars.NEW_YORK.key,
        end_offset=1,
        exclusions=None if is_utc else ["0 0 * * 0,6"],
    )


def look_back(sessions_before: int = LOOK_BACK) -> dg.TimeWindowPartitionMapping:
    """Map a session to itself and those before it; Dagster computes staleness for fewer than 100 only."""
    return dg.TimeWindowPartitionMapping(start_offset=-sessions_before, allow_nonexistent_upstream_partitions=True)


def span_of(keys: dg.PartitionKeyRange) -> tuple[date, date]:
    """Turn a range of partition keys into sessions [start, end)."""
    return date.fromisoformat(keys.start), date.fromisoformat(keys.end) + timedelta(days=1)
