"""The routes of Polygon to its other markets. No requests and no rows here."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from orion_assets.markets import CRYPTO, FX, Market
from orion_assets.schemas import RAW_DAILY_BARS, RAW_MINUTE_BARS, table_of
from orion_assets.sources.polygon.routes import BARS_PER_PAGE
from orion_assets.sources.routes import MARKET_CALL, Budget, Rights, Route

# Pairs of crypto, and shares of every kind with those over the counter
_PAIRS: Final = 600
_WITH_OTC: Final = 23_000
INCLUDES_OTC: Final = "include_otc=true"


def datasets(market: Market) -> tuple[str, str]:
    """Name the raw tables of a market: daily, minute."""
    daily, minute = (table_of(table, market).name for table in (RAW_DAILY_BARS, RAW_MINUTE_BARS))
    return daily, minute


def market_routes(rights: Rights, today: date, markets: Sequence[Market]) -> Iterator[Route]:
    """Give the routes of some markets under the rights of a key; `today` is New York's date."""
    floor, budget = rights.floor(today), Budget("polygon", rights.rate, in_flight=rights.in_flight)
    tomorrow = today + timedelta(days=1)
    for market in markets:
        has_evening = market.calendar == "exchange"
        for route in _routes(market, budget):
            # Days of UTC end on the evening before New York's do. The exchange's minutes go on after the close, those
            # of indices to midnight: asked before its day has ended, a session would lack its evening
            is_final = not has_evening or (rights.has_today and route.dataset == datasets(market)[0])
            until = tomorrow if is_final else today
            yield replace(route, floor=floor, is_rolling=floor is not None, not_yet_from=until)


def with_otc(route: Route) -> Route:
    """Give a route of equities as it is where shares over the counter are wanted too."""
    if route.name != "grouped":
        return route
    return replace(route, rows_per_session=_WITH_OTC, asks_with=INCLUDES_OTC)


def _routes(market: Market, budget: Budget) -> Iterator[Route]:
    daily, minute = datasets(market)
    if market is CRYPTO:
        yield Route(
            name="grouped",
            dataset=daily,
            scope="market",
            budget=budget,
            rows_per_session=_PAIRS,
            window=1,
            weight=MARKET_CALL,
        )
    # The vendor counts the minutes that an hour is made of
    is_folded = market is FX
    yield Route(
        name="hour_window" if is_folded else "ticker_range",
        dataset=daily,
        scope="ticker",
        budget=budget,
        rows_per_session=24 if is_folded else 1,
        page=None if is_folded else BARS_PER_PAGE,
        window=BARS_PER_PAGE // market.minutes if is_folded else None,
    )
    yield Route(
        name="minute_window",
        dataset=minute,
        scope="ticker",
        budget=budget,
        rows_per_session=market.minutes,
        page=BARS_PER_PAGE,
    )
