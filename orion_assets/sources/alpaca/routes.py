"""The routes of Alpaca: bars of many tickers in one call, filled ticker by ticker, page by page.

Docs: https://docs.alpaca.markets (read 2026-11-21 in summaries; no key was at hand). 10,000 rows a page, 200 calls a
minute on the free plan; consolidated (SIP) bars there only when older than 15 minutes, so never of today.
"""

from datetime import date
from typing import Final

from orion_assets.sources.limiter import Rate
from orion_assets.sources.routes import Budget, Route

FREE: Final = Budget("alpaca", Rate(200))
ROWS_PER_PAGE: Final = 10_000
# A second source: it is asked for what the first may not answer
RANK: Final = 2


def alpaca_routes(today: date, budget: Budget = FREE, *, rank: int = RANK) -> tuple[Route, ...]:
    """Give the routes of a key; `today` is New York's date, `rank` 1 or less where Alpaca is the first source."""

    def route(dataset: str, rows: int, half_day: int) -> Route:
        return Route(
            name="alpaca_multi",
            dataset=dataset,
            scope="tickers",
            budget=budget,
            rows_per_session=rows,
            rows_per_half_day=half_day,
            page=ROWS_PER_PAGE,
            rank=rank,
            not_yet_from=today,
        )

    return route("raw_daily_bars", 1, 1), route("raw_minute_bars", 960, 780)
