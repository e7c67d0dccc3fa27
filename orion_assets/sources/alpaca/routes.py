"""The routes of Alpaca: bars of many tickers in one call, articles and actions of the whole market by time."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from orion_assets.sources.limiter import Rate
from orion_assets.sources.routes import Budget, Route

FREE: Final = Budget("alpaca", Rate(200))
RATES: Final[Mapping[str, Rate]] = {"free": Rate(200), "plus": Rate(10_000)}
ROWS_PER_PAGE: Final = 10_000
ARTICLES_PER_PAGE: Final = 50
ACTIONS_PER_PAGE: Final = 1_000
# From 04:00 to 20:00
MINUTES_A_DAY: Final = 960


def alpaca_routes(today: date, budget: Budget = FREE) -> tuple[Route, ...]:
    """Give the routes to bars; `today` is New York's date."""

    def route(dataset: str, rows: int, half_day: int) -> Route:
        return Route(
            name="alpaca_multi",
            dataset=dataset,
            scope="tickers",
            budget=budget,
            rows_per_session=rows,
            rows_per_half_day=half_day,
            page=ROWS_PER_PAGE,
            not_yet_from=today,
        )

    return route("raw_daily_bars", 1, 1), route("raw_minute_bars", MINUTES_A_DAY, 780)


def alpaca_reference_routes(today: date, budget: Budget = FREE) -> tuple[Route, ...]:
    """Give the routes to articles and actions; rows of a session are estimates, `today` is New York's date."""

    def route(name: str, dataset: str, rows: float, page: int, window: int, size: float) -> Route:
        return Route(
            name=name,
            dataset=dataset,
            scope="market",
            budget=budget,
            rows_per_session=rows,
            page=page,
            # Pages follow one another, so that windows need not fit one
            window=window,
            bytes_per_row=size,
            disk_per_row=size / 2,
            not_yet_from=today + timedelta(days=1),
        )

    return (
        route("alpaca_news", "raw_news", 800, ARTICLES_PER_PAGE, 5, 900.0),
        route("alpaca_splits", "raw_splits", 10, ACTIONS_PER_PAGE, 250, 250.0),
        # Each call reads on to the day of payment: of a year a third more, of one session some twenty pages
        route("alpaca_dividends", "raw_dividends", 270, ACTIONS_PER_PAGE, 250, 250.0),
    )
