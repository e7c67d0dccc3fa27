"""Whom Polygon lists: its listings by market and its contracts by underlying, page by page. Nothing is landed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from orion_assets.errors import AnswerDistrusted
from orion_assets.sources.bodies import Row, day_of, number_of, text_of
from orion_assets.sources.discovery import FOUND, Cost, Kind, Search
from orion_assets.sources.limiter import Rate
from orion_assets.sources.polygon import requests
from orion_assets.sources.polygon.pages import listed
from orion_assets.sources.polygon.requests import Request
from orion_assets.sources.responses import Response
from orion_assets.sources.routes import Budget
from orion_assets.sources.transport import Transport

_MOST_PAGES: Final = 200
_OPTIONS: Final = "options"
# The vendor keeps funds among the stocks
_MARKETS: Final[Mapping[str, str]] = {"us_equities": "stocks", "etf": "stocks"}
# Pages of a thousand: of those that trade, and of those that no longer do; nobody can know before asking
_EXPECTED: Final[Mapping[str, tuple[int, int]]] = {
    "us_equities": (12, 25),
    "etf": (7, 4),
    "crypto": (1, 1),
    "fx": (2, 1),
    "indices": (12, 1),
    "otc": (13, 13),
    _OPTIONS: (3, 20),
}
_Page = tuple[pl.DataFrame, str | None]


class PolygonLister:
    """The listings of Polygon, with one key."""

    def __init__(self, transport: Transport, rate: Rate) -> None:
        """Ask by a transport, at the rate that its budget allows."""
        self._transport = transport
        self._budget = Budget("polygon", rate)

    def cost(self, search: Search) -> Cost:
        """Say what to expect: a call a page of a thousand.

        Raises:
            ValueError: Options are searched without an underlying, or an underlying is named for something else.
        """
        _refuse_underlying(search)
        trading, ended = _EXPECTED[search.kind.name]
        calls = trading + (ended if search.has_delisted else 0)
        return Cost(calls, self._budget.seconds_safe(calls))

    def discover(self, search: Search) -> Iterator[pl.DataFrame]:
        """Search, a frame a page; see `Lister`.

        Raises:
            ValueError: As `cost`.
            AnswerDistrusted: The pages go round, or a row has no ticker.
            OrionError: As `Transport.get`.
        """
        _refuse_underlying(search)
        meaning = _contracts if search.kind.name == _OPTIONS else _tickers
        for request in _requests(search):
            yield from (_of_kind(page, search.kind) for page in self._pages(request, meaning))

    def _pages(
        self, request: Request, meaning: Callable[[Sequence[Row]], list[dict[str, Any]]]
    ) -> Iterator[pl.DataFrame]:
        known: set[tuple[object, ...]] = set()
        asked: set[str] = set()

        def taken(response: Response) -> _Page:
            envelope, found = listed(response.body)
            page = pl.DataFrame(meaning(found), schema=FOUND)
            onward = envelope.get("next_url")
            following = onward if isinstance(onward, str) and onward else None
            if following and page.is_empty():
                raise AnswerDistrusted("it is empty, and says that another page follows", is_worth_asking=True)
            if page.height and known.issuperset(page.rows()):
                raise AnswerDistrusted("it repeats what the pages before it told", is_worth_asking=True)
            return page, following

        page, onward = self._transport.get(request.path, request.params, taken)
        yield page
        while onward is not None:
            if onward in asked or len(asked) >= _MOST_PAGES:
                raise AnswerDistrusted(
                    f"polygon: {request.path}: its pages go round, or are more than {_MOST_PAGES}; none of it is"
                    " listed. Call again, or name fewer kinds of tickers"
                )
            asked.add(onward)
            known.update(page.rows())
            page, onward = self._transport.follow(onward, taken)
            yield page


def _refuse_underlying(search: Search) -> None:
    if search.kind.name == _OPTIONS and not search.underlying:
        raise ValueError(
            "options: there are millions of contracts, so they are listed by what they are written on: --underlying"
            " AAPL"
        )
    if search.kind.name != _OPTIONS and search.underlying:
        raise ValueError(f"{search.kind.name}: only options have an underlying; leave --underlying out")


def _requests(search: Search) -> Iterator[Request]:
    for is_active in (True, False) if search.has_delisted else (True,):
        if search.kind.name == _OPTIONS:
            yield requests.contracts(search.underlying, search.as_of, is_expired=not is_active)
            continue
        market = _MARKETS.get(search.kind.name, search.kind.name)
        whole = requests.tickers(search.as_of, is_active=is_active, market=market)
        # Of shares one listing is fewer calls than one a type is sure to be; of funds there are few
        types = search.kind.types if search.kind.name == "etf" else ()
        yield from [Request(whole.path, {**whole.params, "type": each}) for each in types] or [whole]


def _of_kind(page: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    return page.filter(pl.col("type").is_in(kind.types)) if kind.types else page


def _tickers(found: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {
            "ticker": _named(row),
            "name": text_of(row, "name"),
            "type": text_of(row, "type"),
            "exchange": text_of(row, "primary_exchange"),
            "listed": None,
            "delisted": day_of(row.get("delisted_utc")),
            "figi": text_of(row, "composite_figi"),
        }
        for row in found
    ]


def _contracts(found: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {
            "ticker": _named(row),
            "name": _contract(row),
            "type": text_of(row, "contract_type"),
            "exchange": text_of(row, "primary_exchange"),
            "listed": None,
            "delisted": _after(day_of(row.get("expiration_date"))),
            "figi": None,
        }
        for row in found
    ]


def _named(row: Row) -> str:
    ticker = text_of(row, "ticker")
    if ticker is None:
        raise AnswerDistrusted(f"a listing without a ticker: {str(row)[:160]}", is_worth_asking=True)
    return ticker


def _contract(row: Row) -> str:
    strike = number_of(row.get("strike_price"))
    parts = (text_of(row, "underlying_ticker"), text_of(row, "expiration_date"), text_of(row, "contract_type"))
    return " ".join([*(part for part in parts if part), *([f"{strike:g}"] if strike is not None else [])])


def _after(expiry: date | None) -> date | None:
    """Give the first date on which a contract trades no longer: it still does on the day it expires."""
    return expiry + timedelta(days=1) if expiry else None
