"""What is asked of Alpaca: paths and queries; the key is in the headers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from orion_assets.calendars import NEW_YORK
from orion_assets.sources.alpaca.routes import ACTIONS_PER_PAGE, ARTICLES_PER_PAGE, MINUTES_A_DAY, ROWS_PER_PAGE

SPLITS: Final = ("forward_splits", "reverse_splits")
DIVIDENDS: Final = ("cash_dividends",)
# Dividends are found by the day of payment: paid later than this after its ex-date, one is not found
PAID_WITHIN: Final = timedelta(days=120)


@dataclass(frozen=True)
class Request:
    """A path below the base URL, its query, and how many pages the answer may have at most."""

    path: str
    params: Mapping[str, str]
    most_pages: int = 300

    def page(self, token: str) -> "Request":
        """Give the same request for the page that a token names."""
        return replace(self, params={**self.params, "page_token": token})


def daily_bars(tickers: Sequence[str], start: date, end: date, feed: str) -> Request:
    """Ask for the daily bars of sessions [start, end), as traded and each under the ticker of its time."""
    # The last bar's own stamp: any later, and an ask for yesterday would reach into the last 15 minutes
    bounds = midnight(start), midnight(end - timedelta(days=1))
    return _bars("1Day", tickers, bounds, feed, len(tickers) * (end - start).days)


def minute_bars(tickers: Sequence[str], start: date, end: date, feed: str) -> Request:
    """Ask for the minute bars of New York's dates [start, end); as `daily_bars`."""
    # Both ends are included, and the first minute of `end` belongs to another ask
    bounds = midnight(start), midnight(end) - timedelta(minutes=1)
    return _bars("1Min", tickers, bounds, feed, len(tickers) * (end - start).days * MINUTES_A_DAY)


def _bars(
    timeframe: str, tickers: Sequence[str], bounds: tuple[datetime, datetime], feed: str, expected: int
) -> Request:
    params = {
        "symbols": ",".join(tickers),
        "timeframe": timeframe,
        "start": _zulu(bounds[0]),
        "end": _zulu(bounds[1]),
        "adjustment": "raw",
        "asof": "-",
        "feed": feed,
        "currency": "USD",
        "sort": "asc",
        "limit": str(ROWS_PER_PAGE),
    }
    # Nobody promises full pages
    return Request("/v2/stocks/bars", params, 2 * (expected // ROWS_PER_PAGE) + 10)


def news(after: datetime, until: datetime) -> Request:
    """Ask for all articles from an instant to another; both ends are included."""
    params = {
        "start": _zulu(after),
        "end": _zulu(until),
        "sort": "asc",
        "include_content": "false",
        "exclude_contentless": "false",
        "limit": str(ARTICLES_PER_PAGE),
    }
    return Request("/v1beta1/news", params)


def actions(kinds: Sequence[str], start: date, end: date) -> Request:
    """Ask for the actions with an ex-date in [start, end), by the dates at which they are processed.

    Args:
        kinds: SPLITS, or DIVIDENDS, which are paid after their ex-date.
        start: First ex-date.
        end: First ex-date no longer asked for.
    """
    last = end - timedelta(days=1) + (PAID_WITHIN if kinds == DIVIDENDS else timedelta())
    params = {
        "types": ",".join(kind.removesuffix("s") for kind in kinds),
        "start": start.isoformat(),
        "end": last.isoformat(),
        "sort": "asc",
        "limit": str(ACTIONS_PER_PAGE),
    }
    return Request("/v1/corporate-actions", params)


def midnight(day: date) -> datetime:
    """Give the instant at which a date begins in New York."""
    # In UTC, where an hour is an hour on the nights that change summer time too
    return datetime.combine(day, time(), NEW_YORK).astimezone(UTC)


def _zulu(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
