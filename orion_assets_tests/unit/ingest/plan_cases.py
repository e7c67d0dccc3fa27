"""Small markets for the planner: holes by letter, and the cheapest cover by trying everything."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from itertools import product

import polars as pl

from orion_assets.ingest.plan import HOLES
from orion_assets.sources.limiter import Rate
from orion_assets.sources.routes import Budget, Route

BARS, MINUTES = "raw_daily_bars", "raw_minute_bars"
KEY = Budget("key", Rate(5))
FIRST = date(2026, 3, 2)


def days(count):
    """Sessions of an exchange that never closes, none of them short."""
    told = [FIRST + timedelta(days=place) for place in range(count)]
    return pl.DataFrame({"session": told, "is_half_day": [False] * count}, schema_overrides={"session": pl.Date()})


def day(place):
    return FIRST + timedelta(days=place)


def holes(rows, dataset=BARS):
    """`{"AAA": "x..x"}`: AAA lacks the first and the fourth session."""
    told = [
        (dataset, ticker, day(place))
        for ticker, marks in rows.items()
        for place, mark in enumerate(marks)
        if mark == "x"
    ]
    return pl.DataFrame(told, schema=HOLES, orient="row")


def _route(shared, more):
    return Route(**{"budget": KEY, **shared, **more})


def grouped(**more):
    shared = {"name": "grouped", "dataset": BARS, "scope": "market", "rows_per_session": 100, "window": 1, "weight": 99}
    return _route(shared, more)


def ticker_range(**more):
    shared = {"name": "ticker_range", "dataset": BARS, "scope": "ticker", "rows_per_session": 1, "page": 50_000}
    return _route(shared, more)


def minute_window(window, **more):
    shared = {"name": "minute_window", "dataset": MINUTES, "scope": "ticker", "rows_per_session": 960}
    return _route({**shared, "page": 960 * window}, more)


def a_file(**more):
    shared = {"name": "file", "dataset": MINUTES, "scope": "market", "rows_per_session": 100, "window": 1}
    return _route({**shared, "rank": 0, "least_tickers": 3}, more)


def by_time(rows, **more):
    shared = {"name": "news", "dataset": "raw_news", "scope": "market", "rows_per_session": rows, "page": 1_000}
    return _route(shared, more)


def several(**more):
    shared = {"name": "several", "dataset": MINUTES, "scope": "tickers", "rows_per_session": 960, "page": 10_000}
    return _route({**shared, "rank": 2, "budget": Budget("second", Rate(200))}, more)


def told(plan):
    """Calls as (route, tickers, first place, last place), in the order of work."""
    return [
        (call.route, ",".join(call.tickers), (call.start - FIRST).days, (call.end - FIRST).days - 1) for call in plan
    ]


@dataclass(frozen=True)
class Option:
    """One call that may be made: what it costs, and the cells that it answers."""

    cost: int
    cells: frozenset


def options(cells, routes, places):
    """Every legal call of one rank, written anew: a market's day, or any stretch of a ticker that fits a page."""
    tickers = sorted({ticker for ticker, _ in cells} - {"*"})
    for route in routes:
        allowed = {place for place in range(places) if route.refusal(day(place)) is None}
        if route.scope == "market":
            for place in allowed:
                who = {ticker for ticker, at in cells if at == place}
                if "*" in who or len(who) >= route.least_tickers:
                    yield Option(route.weight, frozenset((ticker, place) for ticker in who))
        else:
            for ticker, start, end in product(tickers, range(places), range(places)):
                span = set(range(start, end + 1))
                if span <= allowed and len(span) * route.rows_per_session <= route.page:
                    yield Option(route.weight, frozenset((ticker, at) for at in span) & cells)


def cheapest(cells, routes, places):
    """The least cost of the cells that can be answered, and those that cannot, by trying every legal call.

    The objective of the planner: what a rank may answer it answers, at the least sum of weights; then the next rank.
    What is left in the end, a market's route answers for however few tickers.
    """
    left, cost = frozenset(cells), 0
    for round_of in (routes, [replace(route, least_tickers=1) for route in routes]):
        for rank in sorted({route.rank for route in round_of}):
            found = {each for each in options(left, [r for r in round_of if r.rank == rank], places) if each.cells}
            mine = left & frozenset().union(*(each.cells for each in found))
            cost += _least(mine, found)
            left -= mine
    return cost, left


def _least(cells, found):
    @cache
    def least(rest):
        if not rest:
            return 0
        first = min(rest)
        return min(each.cost + least(rest - each.cells) for each in found if first in each.cells)

    return least(cells)
