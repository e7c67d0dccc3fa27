"""Yahoo as a `Source`: the VIX, the last rung of its ladder, and closes to compare with."""

import logging
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
from orion_assets.sources.protocols import RECONCILIATION, Answer, Ask
from orion_assets.sources.routes import Budget, Route
from orion_assets.sources.symbology import spelled
from orion_assets.sources.transport import Passing, Response
from orion_assets.sources.yahoo.chart import Chart, parse
from orion_assets.sources.yahoo.wire import DEADLINE_S, ChartWire, YfinanceWire

LOG: Final = logging.getLogger(__name__)
RATE: Final = Rate(20)
VIX: Final = "^VIX"
SPLIT_ADJUSTED: Final = "split_adjusted"
# Several requests and a retry may lie behind one ask
_LEASE_S: Final = 8 * DEADLINE_S
_NO_BARS: Final = (
    "its prices are adjusted for every split up to now, so they are not what was traded; use another source for bars."
    " Yahoo's closes are there to compare with"
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
        """Answer with the daily bars of one ticker, in units of the day of asking; volumes are not read.

        Raises:
            ValueError: It is not one ticker, or nobody knows how Yahoo spells it.
            NotFound: Yahoo knows no such ticker.
            OrionError: As `read`; or the prices are not in US dollars.
        """
        symbol = spelled(ask.tickers[0], "yahoo") if len(ask.tickers) == 1 else None
        if symbol is None:
            told = ", ".join(ask.tickers) or "nobody"
            raise ValueError(f"yahoo: {told}: one ticker can be asked for, whose spelling there is known")
        (ticker,) = ask.tickers
        chart, response = self._chart(symbol, ask.start, ask.end)
        if chart.currency != "USD":
            raise AnswerDistrusted(f"yahoo: {ticker} is in {chart.currency} there, not in US dollars")
        absent = dict.fromkeys(("volume", "vwap", "trade_count"), pl.lit(None, pl.Float64))
        gathering = Gathering(RAW_DAILY_BARS, self.name)
        gathering.add(filing.bars(chart.days.with_columns(ticker=pl.lit(ticker), session="date", **absent)), response)
        return gathering.answer(ask, ask.tickers)

    def reconciliation(self, tickers: Sequence[str], start: date, end: date) -> pl.DataFrame:
        """Give split-adjusted closes of sessions in [start, end), one call a ticker.

        Args:
            tickers: Those to compare; one of which nobody knows how Yahoo spells it has no rows, nor has one that it
                does not know.
            start: First session.
            end: First session no longer given.

        Returns:
            `ticker`, `session`, `close` (USD in units of the day of asking, null where Yahoo has none), `basis`,
            `source_file`.
        """
        frames = [pl.DataFrame(schema=RECONCILIATION)]
        for ticker in tickers:
            symbol = spelled(ticker, "yahoo")
            if symbol is None:
                LOG.info("yahoo: how %s is spelled there is not known; it is not compared", ticker)
                continue
            try:
                chart, response = self._chart(symbol, start, end)
            except NotFound as e:
                LOG.info("yahoo: %s is not compared: %s", ticker, e)
                continue
            if chart.currency != "USD":
                LOG.warning("yahoo: %s is in %s there; it is not compared", ticker, chart.currency)
                continue
            frames.append(_closes(ticker, chart.days, response))
        return pl.concat(frames)

    def _chart(self, symbol: str, start: date, end: date) -> tuple[Chart, Response]:
        """Get the days [start, end) of a symbol, and nothing else."""
        response = self._wire(symbol, _span(start, end))
        try:
            chart = parse(response.body)
        except Passing as e:
            raise SourceUnavailable(f"yahoo: {symbol}: {e}. The next run asks again") from e
        if chart.symbol != symbol:
            raise AnswerDistrusted(f"yahoo: it is about {chart.symbol!r}, and {symbol} was asked for")
        outside = chart.days.filter(~pl.col("date").is_between(start, end, closed="left"))
        if outside.height:
            day = outside["date"][0]
            raise AnswerDistrusted(f"yahoo: {symbol}: it tells of {day}, outside of [{start}, {end})")
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


def _closes(ticker: str, days: pl.DataFrame, response: Response) -> pl.DataFrame:
    named = days.with_columns(
        ticker=pl.lit(ticker),
        session="date",
        basis=pl.lit(SPLIT_ADJUSTED),
        source_file=pl.lit(response.url.partition("://")[2].partition("/")[2]),
    )
    return named.select(pl.col(name).cast(dtype) for name, dtype in RECONCILIATION.items())
