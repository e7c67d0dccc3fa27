"""Alpaca as a `Source`: which request answers an ask, page by page, and what of the answer is landed."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar, Final

import polars as pl

from orion_assets.clock import Clock
from orion_assets.errors import AnswerDistrusted, SettingsError
from orion_assets.schemas import RAW_DAILY_BARS, RAW_DIVIDENDS, RAW_MINUTE_BARS, RAW_NEWS, RAW_SPLITS, TABLES
from orion_assets.sources import filing
from orion_assets.sources.alpaca import requests, rows
from orion_assets.sources.alpaca.requests import DIVIDENDS, SPLITS, Request
from orion_assets.sources.alpaca.routes import FREE, alpaca_reference_routes, alpaca_routes
from orion_assets.sources.alpaca.words import judge
from orion_assets.sources.bodies import loaded, object_of
from orion_assets.sources.gathering import Gathering
from orion_assets.sources.limiter import Limiter, Rate
from orion_assets.sources.protocols import Answer, Ask
from orion_assets.sources.responses import Response
from orion_assets.sources.routes import Budget, Route
from orion_assets.sources.symbology import spelled
from orion_assets.sources.transport import DISTRUSTED, Policy, Transport, Vendor

BASE_URL: Final = "https://data.alpaca.markets"
FEEDS: Final = ("sip", "iex", "delayed_sip", "otc", "boats", "overnight")
# Beyond its deadline a call may take this long to be given up
_GRACE_S: Final = 5.0
_Reading = Callable[[Mapping[str, Any]], pl.DataFrame]
# How bars of a length are asked for, and how their pages are read
_BARS: Final = {
    RAW_DAILY_BARS.name: (requests.daily_bars, rows.bars),
    RAW_MINUTE_BARS.name: (requests.minute_bars, rows.minutes),
}


def open_alpaca(
    keys: tuple[str, str],
    limited: Callable[[Rate, float], Limiter],
    clock: Clock,
    *,
    base_url: str = BASE_URL,
    budget: Budget = FREE,
    feed: str = "sip",
) -> "AlpacaSource":
    """Open Alpaca with a pair of keys.

    Args:
        keys: The key's id and its secret; both travel in headers and nowhere else.
        limited: Makes the limiter for the budget's rate and for the seconds within which any call has ended.
        clock: Tells the time.
        base_url: Another host; http on this machine alone.
        budget: What the plan of the keys allows.
        feed: One of FEEDS; sip is the whole market, iex one exchange of it.

    Raises:
        SettingsError: The feed is unknown, or the base URL would send the key in the clear.
    """
    if feed not in FEEDS:
        raise SettingsError(f"alpaca: feed {feed!r} is unknown; choose {', '.join(FEEDS)}")
    policy = Policy.side_by_side(budget.in_flight)
    headers = {"APCA-API-KEY-ID": keys[0], "APCA-API-SECRET-KEY": keys[1]}
    vendor = Vendor(AlpacaSource.name, base_url, judge, headers=headers)
    limiter = limited(budget.rate, policy.deadline_s + _GRACE_S)
    return AlpacaSource(Transport(vendor, limiter, policy, clock, time.sleep), budget, feed)


class AlpacaSource:
    """Alpaca with one pair of keys; every row is as the vendor said it, as traded."""

    name: ClassVar[str] = "alpaca"
    is_local: ClassVar[bool] = False

    def __init__(self, transport: Transport, budget: Budget, feed: str = "sip") -> None:
        """Ask by a transport.

        Args:
            transport: The way out.
            budget: What its calls are counted against, for plans.
            feed: One of FEEDS.
        """
        self._transport = transport
        self._budget = budget
        self._feed = feed
        self._readers: Final[dict[str, Callable[[Ask], Answer]]] = {
            RAW_DAILY_BARS.name: self._bars,
            RAW_MINUTE_BARS.name: self._bars,
            RAW_NEWS.name: self._news,
            RAW_SPLITS.name: self._splits,
            RAW_DIVIDENDS.name: self._dividends,
        }

    def close(self) -> None:
        """End its connections; the next request opens new ones."""
        self._transport.close()

    @property
    def datasets(self) -> frozenset[str]:
        """Names of the raw tables it fills."""
        return frozenset(self._readers)

    def routes(self, today: date) -> Sequence[Route]:
        """Give its routes, the best first; `today` is New York's date."""
        bars = alpaca_routes(today, self._budget)
        others = alpaca_reference_routes(today, self._budget)
        return [*bars, *others]

    def read(self, ask: Ask) -> Answer:
        """Answer one call of a plan.

        Raises:
            ValueError: The dataset is not one of its own, or bars are asked of no ticker in particular.
            OrionError: As `Transport.get`.
        """
        if ask.dataset not in self._readers:
            raise ValueError(f"alpaca: {ask.dataset} is not supplied; supplied are {', '.join(sorted(self._readers))}")
        return self._readers[ask.dataset](ask)

    def _bars(self, ask: Ask) -> Answer:
        if not ask.tickers:
            raise ValueError(f"alpaca: {ask.dataset} is asked by ticker; name them")
        requested, read = _BARS[ask.dataset]
        # Those of which it is known how they are spelled there: as Orion does
        asked = tuple(ticker for ticker in ask.tickers if spelled(ticker, "alpaca") == ticker)
        # Of the others, which would seem to have no bars, the vendor's silence says nothing
        unknown = {ticker: ask.start - timedelta(days=1) for ticker in ask.tickers if ticker not in asked}
        gathering = Gathering(TABLES[ask.dataset], self.name)
        span = (ask.start, ask.end)
        if asked and span[0] < span[1]:
            self._gather(gathering, requested(asked, *span, self._feed), lambda page: read(page, asked, span))
        return gathering.answer(ask, asked, ends=unknown)

    def _news(self, ask: Ask) -> Answer:
        window = filing.window(ask.start, ask.end)
        return self._market(ask, requests.news(*window), lambda page: rows.news(page, window), filing.DELAY)

    def _splits(self, ask: Ask) -> Answer:
        span = filing.days(ask.start, ask.end)
        request = requests.actions(SPLITS, *span)
        return self._market(ask, request, lambda page: rows.splits(page, SPLITS, span), filing.NO_DELAY)

    def _dividends(self, ask: Ask) -> Answer:
        span = filing.days(ask.start, ask.end)
        request = requests.actions(DIVIDENDS, *span)
        return self._market(ask, request, lambda page: rows.dividends(page, DIVIDENDS, span), filing.NO_DELAY)

    def _market(self, ask: Ask, request: Request, reading: _Reading, delay: timedelta) -> Answer:
        gathering = Gathering(TABLES[ask.dataset], self.name, delay)
        if ask.start < ask.end:
            self._gather(gathering, request, reading)
        return gathering.answer(ask)

    def _gather(self, gathering: Gathering, request: Request, reading: _Reading) -> None:
        """Read all pages of a request."""

        def taken(response: Response) -> str | None:
            envelope = object_of(loaded(response.body))
            token = rows.token_of(envelope)
            gathering.add(reading(envelope), response)
            return token

        seen: set[str] = set()
        token = self._transport.get(request.path, request.params, taken)
        while token is not None:
            if token in seen or len(seen) >= request.most_pages:
                raise AnswerDistrusted(
                    f"alpaca: {request.path}: its pages go round, or are more than {request.most_pages}. {DISTRUSTED}"
                )
            seen.add(token)
            token = self._transport.get(request.path, request.page(token).params, taken)
