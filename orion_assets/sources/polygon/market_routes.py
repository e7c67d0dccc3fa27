"""The routes of Polygon to its other markets. No requests and no rows here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from orion_assets.markets import CRYPTO, FX, INDICES, Market
from orion_assets.schemas import RAW_DAILY_BARS, RAW_MINUTE_BARS, table_of
from orion_assets.sources.polygon.routes import BARS_PER_PAGE, FILES_BUDGET, LEAST_TICKERS_FOR_A_FILE
from orion_assets.sources.routes import MARKET_CALL, Budget, Rights, Route

# Pairs of crypto, and shares of every kind with those over the counter
_PAIRS: Final = 600
_WITH_OTC: Final = 23_000
# Tickers of a day, and minutes of them all, in the objects of a market: ceilings of sizes, and estimates
_IN_OBJECTS: Final[Mapping[str, tuple[int, int]]] = {
    CRYPTO.name: (_PAIRS, 800_000),
    FX.name: (1_750, 2_000_000),
    INDICES.name: (11_500, 4_000_000),
}
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


def file_routes(
    rights: Rights, today: date, markets: Sequence[Market], listed: Mapping[str, frozenset[date]] | None = None
) -> Iterator[Route]:
    """Give the routes of some markets to their Flat Files: none where the subscription has no files.

    Args:
        rights: What the subscription allows.
        today: New York's date, which has no object yet.
        markets: Those without objects have no such route.
        listed: As for `polygon_routes`.
    """
    for market in markets if rights.has_flat_files else ():
        if market.name not in _IN_OBJECTS:
            continue
        tickers, bars = _IN_OBJECTS[market.name]
        for dataset in datasets(market):
            # Days of currencies are made of minutes
            is_day = dataset == datasets(market)[0] and market is not FX
            count, size = (tickers, 22.0) if is_day else (bars, 10.0)
            yield Route(
                name="day_file" if is_day else "minute_file",
                dataset=dataset,
                scope="market",
                budget=FILES_BUDGET,
                rows_per_session=count,
                # A session of currencies is in two objects
                page=count // 2 if market is FX else None,
                window=1,
                rank=0,
                least_tickers=LEAST_TICKERS_FOR_A_FILE,
                bytes_per_row=size,
                disk_per_row=size,
                floor=rights.floor(today),
                is_rolling=rights.floor(today) is not None,
                not_yet_from=today,
                listed=(listed or {}).get(dataset),
            )


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
