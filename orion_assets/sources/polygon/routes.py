"""The routes of Polygon (Massive since October 2025) by subscription.

Docs: https://massive.com/docs and its knowledge base (read 2026-11-21; no key was at hand). Limits: 5 calls a minute on
the free plan; paid ones are unlimited, to stay under 100 a second. History: 2, 5, 10 years, or all from 2003-09-10.
Rows of bars are ceilings; rows of news and actions, and all sizes, are estimates (docs/explanation/planning.md).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from orion_assets import calendars
from orion_assets.markets import EQUITIES
from orion_assets.sources.limiter import Rate
from orion_assets.sources.routes import MARKET_CALL, Budget, Rights, Route

FIRST_SESSION: Final = date(2003, 9, 10)
BARS_PER_PAGE: Final = 50_000
REFERENCE_PER_PAGE: Final = 1_000
# Of splits and dividends, by public reports of 2026: their documents name no limit
ACTIONS_PER_PAGE: Final = 5_000
# Below that, ranges of single tickers take fewer bytes than the whole market's file
LEAST_TICKERS_FOR_A_FILE: Final = 10
FILES_BUDGET: Final = Budget("polygon_files", Rate(100, 1.0))
_TICKERS: Final = 11_500
_MARKET_MINUTES: Final = 2_000_000

RIGHTS: Final[Mapping[str, Rights]] = {
    "free": Rights(Rate(5), years=2, has_flat_files=False, has_today=False),
    "starter": Rights(Rate(100, 1.0), years=5, has_flat_files=True, has_today=True),
    "developer": Rights(Rate(100, 1.0), years=10, has_flat_files=True, has_today=True),
    "advanced": Rights(Rate(100, 1.0), years=None, has_flat_files=True, has_today=True),
}


def polygon_routes(
    rights: Rights,
    today: date,
    listed: Mapping[str, frozenset[date]] | None = None,
    *,
    minutes: int = EQUITIES.minutes,
) -> tuple[Route, ...]:
    """Give the routes of a key, the best first.

    Args:
        rights: What its subscription allows; RIGHTS has the vendor's own by name.
        today: New York's date; its session has no file, and on the free plan no answer, before the next day.
        listed: By raw table, the sessions of which the bucket lists an object; a table that is absent is taken to
            have one of every session before today.
        minutes: Most minute bars of a ticker and session: 390 regular, 960 extended, 1,380 where trading never pauses.
    """
    budget = Budget("polygon", rights.rate, in_flight=rights.in_flight)
    tomorrow = today + timedelta(days=1)
    files = _files(listed or {}) if rights.has_flat_files else ()
    return (
        *_within(rights, today, files, until=today),
        *_within(rights, today, _bars(budget), until=tomorrow if rights.has_today else today),
        # Trading goes on for hours after the close: asked before its day has ended, a session would lack its evening
        *_within(rights, today, (_minutes(budget, minutes),), until=today),
        *map(_after_the_floor, _within(rights, today, _reference(budget), until=tomorrow)),
    )


def _within(rights: Rights, today: date, routes: Iterable[Route], *, until: date) -> Iterator[Route]:
    floor = rights.floor(today)
    is_rolling = floor is not None and floor > FIRST_SESSION
    first = floor if is_rolling else FIRST_SESSION
    return (replace(route, floor=first, is_rolling=is_rolling, not_yet_from=until) for route in routes)


def _after_the_floor(route: Route) -> Route:
    """Let a session's articles and actions, which begin the evening before it, or a weekend, lie within the floor."""
    if route.floor is None or not route.is_rolling:
        return route
    first = calendars.sessions(route.floor)["session"].head(1).to_list()
    return replace(route, floor=first[0] + timedelta(days=1)) if first else route


def _bars(budget: Budget) -> tuple[Route, ...]:
    return (
        Route(
            name="grouped",
            dataset="raw_daily_bars",
            scope="market",
            budget=budget,
            rows_per_session=_TICKERS,
            window=1,
            weight=MARKET_CALL,
        ),
        Route(
            name="ticker_range",
            dataset="raw_daily_bars",
            scope="ticker",
            budget=budget,
            rows_per_session=1,
            page=BARS_PER_PAGE,
        ),
        Route(
            name="index_range",
            dataset="raw_vix",
            scope="market",
            budget=budget,
            rows_per_session=1,
            page=BARS_PER_PAGE,
        ),
    )


def _minutes(budget: Budget, minutes: int) -> Route:
    return Route(
        name="minute_window",
        dataset="raw_minute_bars",
        scope="ticker",
        budget=budget,
        rows_per_session=minutes,
        # Regular trading loses 180 of 390 minutes, extended trading the same 180
        rows_per_half_day=minutes - 180,
        page=BARS_PER_PAGE,
    )


def _reference(budget: Budget) -> tuple[Route, ...]:
    """Articles and actions of the whole market by time: windows that hold about a page."""
    # A session's rows, a page's, bytes of a row on the wire and on disk; of the whole market in 2025 and 2026 were told
    # 68,150 dividends in 24 MB and 1,949 splits in 0.44 MB over 303 sessions
    expected = {
        "news": ("raw_news", 500, REFERENCE_PER_PAGE, 1_500.0, 700.0),
        "splits": ("raw_splits", 7, ACTIONS_PER_PAGE, 230.0, 120.0),
        "dividends": ("raw_dividends", 230, ACTIONS_PER_PAGE, 350.0, 120.0),
    }
    return tuple(
        Route(
            name=name,
            dataset=dataset,
            scope="market",
            budget=budget,
            rows_per_session=rows,
            page=page,
            bytes_per_row=wire,
            disk_per_row=disk,
        )
        for name, (dataset, rows, page, wire, disk) in expected.items()
    )


def _files(listed: Mapping[str, frozenset[date]]) -> tuple[Route, ...]:
    """One object a session; a compressed row is a tenth of the same row as JSON."""
    sizes = {"day_file": ("raw_daily_bars", _TICKERS, 22.0), "minute_file": ("raw_minute_bars", _MARKET_MINUTES, 10.0)}
    return tuple(
        Route(
            name=name,
            dataset=dataset,
            scope="market",
            budget=FILES_BUDGET,
            rows_per_session=rows,
            window=1,
            rank=0,
            least_tickers=LEAST_TICKERS_FOR_A_FILE,
            bytes_per_row=size,
            # The object itself; of minutes only the followed tickers' rows are kept beside it
            disk_per_row=size,
            listed=listed.get(dataset),
        )
        for name, (dataset, rows, size) in sizes.items()
    )
