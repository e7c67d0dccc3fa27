"""Yahoo as a `Source`: the VIX, the last rung of its ladder, and adjusted bars to look at and to compare with."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from typing import ClassVar, Final

import polars as pl

from orion_assets import calendars
from orion_assets.errors import AnswerDistrusted, NotFound, SourceUnavailable
from orion_assets.schemas import RAW_DAILY_BARS, RAW_VIX
from orion_assets.sources import filing
from orion_assets.sources.gathering import Gathering
from orion_assets.sources.limiter import Limiter, Rate
from orion_assets.sources.protocols import Answer, Ask
from orion_assets.sources.responses import Passing, Response
from orion_assets.sources.routes import Budget, Route
from orion_assets.sources.symbology import spelled
from orion_assets.sources.transport import DISTRUSTED
from orion_assets.sources.yahoo.chart import Chart, parse
from orion_assets.sources.yahoo.wire import DEADLINE_S, ChartWire, YfinanceWire

RATE: Final = Rate(20)
VIX: Final = "^VIX"
# Several requests and a retry may lie behind one ask
_LEASE_S: Final = 8 * DEADLINE_S
_NO_BARS: Final = (
    "its prices are adjusted for every split up to now, so they are not what was traded; use another source for bars."
    " They are there to look at and to compare with: orion fetch, orion quality crosscheck"
)


def open_yahoo(limited: Callable[[Rate, float], Limiter]) -> "YahooSource":
    """Open Yahoo; whether yfinance is installed shows with the first request.

    Args:
        limited: Makes the limiter for a rate and for the seconds within which any call has ended.
    """
    return YahooSource(YfinanceWire(limited(RATE, _LEASE_S)))


class YahooSource:
    """Yahoo's charts of days."""

    name: ClassVar[str] = "yahoo"
    is_local: ClassVar[bool] = False

    def __init__(self, wire: ChartWire) -> None:
        """Ask by a wire."""
        self._wire = wire

    @property
    def datasets(self) -> frozenset[str]:
        """Name of the raw table it fills: the VIX alone, which no split ever adjusts."""
        return frozenset({RAW_VIX.name})

    def routes(self, today: date) -> Sequence[Route]:
        """Give its one route; `today` is New York's date."""
        return [
            Route(
                name="vix_chart",
                dataset=RAW_VIX.name,
                scope="market",
                budget=Budget(self.name, RATE),
                rows_per_session=1,
                window=20_000,
                floor=calendars.FIRST_DATE,
                not_yet_from=today,
            )
        ]

    def read(self, ask: Ask) -> Answer:
        """Answer with the VIX.

        Raises:
            ValueError: The dataset is another; of bars with the reason why they are not given.
            SourceUnavailable: Yahoo cannot answer now, or what it says is no chart.
            AnswerDistrusted: What it says cannot be true.
            SettingsError: yfinance is not installed.
        """
        if ask.dataset != RAW_VIX.name:
            why = _NO_BARS if ask.dataset == RAW_DAILY_BARS.name else f"supplied is {RAW_VIX.name}"
            raise ValueError(f"yahoo: {ask.dataset} is not supplied: {why}")
        gathering = Gathering(RAW_VIX, self.name)
        span = filing.days(ask.start, ask.end)
        if span[0] < span[1]:
            chart, response = self._chart(VIX, *span)
            gathering.add(filing.vix(chart.days), response)
        return gathering.answer(ask)

    def read_adjusted(self, ask: Ask) -> Answer:
        """Answer with the daily bars of one ticker, prices and volumes in units of the day of asking.

        Raises:
            ValueError: It is not one ticker.
            NotFound: Yahoo knows no such ticker, tells it in another currency, or nobody knows how Yahoo spells it.
            OrionError: As `read`.
        """
        if len(ask.tickers) != 1:
            raise ValueError(f"yahoo: {', '.join(ask.tickers) or 'nobody'}: it is asked for one ticker at a time")
        (ticker,) = ask.tickers
        symbol = spelled(ticker, "yahoo")
        if symbol is None:
            raise NotFound(f"yahoo: {ticker}: how it is spelled there is not known; ask another source for it")
        chart, response = self._chart(symbol, ask.start, ask.end)
        if chart.currency != "USD":
            raise NotFound(
                f"yahoo: {ticker} is in {chart.currency} there, not in US dollars; ask another source for it"
            )
        absent = dict.fromkeys(("vwap", "trade_count"), pl.lit(None, pl.Float64))
        gathering = Gathering(RAW_DAILY_BARS, self.name)
        gathering.add(filing.bars(chart.days.with_columns(ticker=pl.lit(ticker), session="date", **absent)), response)
        return gathering.answer(ask, ask.tickers)

    def _chart(self, symbol: str, start: date, end: date) -> tuple[Chart, Response]:
        """Get the days [start, end) of a symbol, and nothing else."""
        response = self._wire(symbol, _span(start, end))
        try:
            chart = parse(response.body)
        except Passing as e:
            raise SourceUnavailable(f"yahoo: {symbol}: {e}. The next run asks again") from e
        except AnswerDistrusted as e:
            raise AnswerDistrusted(f"yahoo: {symbol}: {e}. {DISTRUSTED}", is_worth_asking=e.is_worth_asking) from e
        if chart.symbol != symbol:
            raise AnswerDistrusted(f"yahoo: it is about {chart.symbol!r}, and {symbol} was asked for. {DISTRUSTED}")
        outside = chart.days.filter(~pl.col("date").is_between(start, end, closed="left"))
        if outside.height:
            day = outside["date"][0]
            raise AnswerDistrusted(f"yahoo: {symbol}: it tells of {day}, outside of [{start}, {end}). {DISTRUSTED}")
        return chart, response


def _span(start: date, end: date) -> Mapping[str, str]:
    bounds = (datetime.combine(day, time(), calendars.NEW_YORK).timestamp() for day in (start, end))
    first, last = (str(int(bound)) for bound in bounds)
    return {
        "period1": first,
        "period2": last,
        "interval": "1d",
        "events": "div,splits",
        "includePrePost": "false",
    }
