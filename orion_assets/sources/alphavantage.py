"""Daily bars from Alpha Vantage: the worked example of a provider (CONTRIBUTING.md).

Docs: https://www.alphavantage.co/documentation/#daily (read 2026-11-21 in copies of third parties; no key was at hand),
asked by way of https://rapidapi.com/alphavantage/api/alpha-vantage, which takes the key in a header: the vendor's own
host wants it in the URL, where it would stand in logs. Dates are New York trading dates, prices and volumes as traded,
no range can be asked for: one call gives the last 100 sessions of one ticker, or all of them for those who pay
(`is_full`). Delay: 15 min assumed; a session counts from the next day on, since the last row may be of the one under
way. Limits: 25 calls a day on the free plan, told as HTTP 200 with a text in place of the series.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar, Final

import polars as pl

from orion_assets import calendars
from orion_assets.clock import Clock
from orion_assets.errors import (
    AnswerDistrusted,
    KeyRefused,
    NotEntitled,
    NotFound,
    SourceUnavailable,
)
from orion_assets.schemas import RAW_DAILY_BARS
from orion_assets.sources import filing
from orion_assets.sources.bodies import Row, day_of, loaded, object_of, refuse_no_json, text_of
from orion_assets.sources.gathering import Gathering
from orion_assets.sources.limiter import Limiter, Rate
from orion_assets.sources.protocols import Answer, Ask
from orion_assets.sources.responses import Passing, Response
from orion_assets.sources.routes import Budget, Route
from orion_assets.sources.transport import Policy, Transport, Vendor

BASE_URL: Final = "https://alpha-vantage.p.rapidapi.com"
RATE: Final = Rate(25, 86_400.0)
COMPACT: Final = 100
_FULL: Final = 20_000
_GRACE_S: Final = 5.0
_SERIES: Final = "Time Series (Daily)"
_FIELDS: Final = {"1. open": "open", "2. high": "high", "3. low": "low", "4. close": "close", "5. volume": "volume"}
_NUMBER: Final = re.compile(r"\d+(\.\d+)?")
_TICKER: Final = re.compile(r"[A-Z]{1,5}")


def open_alphavantage(
    key: str,
    limited: Callable[[Rate, float], Limiter],
    clock: Clock,
    *,
    base_url: str = BASE_URL,
    is_full: bool = False,
    rate: Rate | None = None,
) -> "AlphaVantageSource":
    """Open Alpha Vantage with a key of RapidAPI.

    Args:
        key: Travels in a header and nowhere else.
        limited: Makes the limiter for a rate and for the seconds within which any call has ended.
        clock: Tells the time.
        base_url: Another host; http on this machine alone.
        is_full: The plan gives whole histories.
        rate: Calls to make in place of the free plan's 25 a day: paid ones have so many a minute.

    Raises:
        SettingsError: The base URL would send the key in the clear.
    """
    policy = Policy()
    vendor = Vendor(AlphaVantageSource.name, base_url, judge, headers={"X-RapidAPI-Key": key})
    allowed = rate or RATE
    transport = Transport(vendor, limited(allowed, policy.deadline_s + _GRACE_S), policy, clock, time.sleep)
    return AlphaVantageSource(transport, is_full=is_full, rate=allowed)


class AlphaVantageSource:
    """Alpha Vantage with one key: daily bars of one ticker a call."""

    name: ClassVar[str] = "alphavantage"
    is_local: ClassVar[bool] = False

    def __init__(self, transport: Transport, *, is_full: bool = False, rate: Rate = RATE) -> None:
        """Ask by a transport; `is_full` where the plan gives whole histories, `rate` for plans."""
        self._transport = transport
        self._rate = rate
        self._is_full = is_full

    def close(self) -> None:
        """End its connections; the next request opens new ones."""
        self._transport.close()

    @property
    def datasets(self) -> frozenset[str]:
        """Name of the raw table it fills."""
        return frozenset({RAW_DAILY_BARS.name})

    def routes(self, today: date) -> Sequence[Route]:
        """Give its one route, which reaches back as far as one call does; `today` is New York's date."""
        reach = calendars.sessions(end=today)["session"].tail(COMPACT)
        return [
            Route(
                name="alphavantage_daily",
                dataset=RAW_DAILY_BARS.name,
                scope="ticker",
                budget=Budget(self.name, self._rate),
                rows_per_session=1,
                window=_FULL if self._is_full else COMPACT,
                floor=calendars.FIRST_DATE if self._is_full else reach[0],
                is_rolling=not self._is_full,
                not_yet_from=today,
            )
        ]

    def read(self, ask: Ask) -> Answer:
        """Answer one call of a plan: the sessions of a range for one ticker.

        Raises:
            ValueError: The dataset is another, or not exactly one ticker is asked for.
            OrionError: As `Transport.get`.
        """
        if ask.dataset != RAW_DAILY_BARS.name or len(ask.tickers) != 1:
            raise ValueError(
                f"alphavantage: {ask.dataset} of {len(ask.tickers)} tickers; ask {RAW_DAILY_BARS.name} of one"
            )
        (ticker,) = ask.tickers
        gathering = Gathering(RAW_DAILY_BARS, self.name)
        if not _TICKER.fullmatch(ticker) or ask.start >= ask.end:
            # Spelled otherwise by this vendor: its silence says nothing
            return gathering.answer(ask, ends={ticker: ask.start - timedelta(days=1)})
        size = "full" if self._is_full else "compact"
        params = {"function": "TIME_SERIES_DAILY", "symbol": ticker, "outputsize": size, "datatype": "json"}

        def taken(response: Response) -> list[date]:
            told = parse(response.body, ticker)
            gathering.add(told.filter(pl.col("session").is_between(ask.start, ask.end, closed="left")), response)
            return told["session"].to_list()

        days = self._transport.get("/query", params, taken)
        if not self._is_full and len(days) >= COMPACT and min(days) > ask.start:
            raise AnswerDistrusted(
                f"alphavantage: {ticker}: a call reaches back to {min(days)} only, and {ask.start} was asked for;"
                " nothing of the answer is landed. Ask for later sessions, or get the plan with whole histories"
            )
        return gathering.answer(ask, ask.tickers)


def parse(body: bytes, ticker: str) -> pl.DataFrame:
    """Read a body; pure.

    Args:
        body: The answer.
        ticker: Whom was asked for.

    Returns:
        RAW_DAILY_BARS rows without provenance, in the order of the body; `_row` is 1-based.

    Raises:
        Passing: There is no series.
        AnswerDistrusted: It is about another ticker, or a date is none.
    """
    envelope = object_of(loaded(body))
    symbol = text_of(object_of(envelope.get("Meta Data"), "Meta Data"), "2. Symbol")
    if symbol != ticker:
        raise AnswerDistrusted(f"it is about {symbol!r}, and {ticker} was asked for", is_worth_asking=True)
    series = object_of(envelope.get(_SERIES), _SERIES)
    rows = [_row(ticker, day, object_of(values, day)) for day, values in series.items()]
    schema = {
        "ticker": pl.String(),
        "session": pl.Date(),
        "problem": pl.String(),
        **dict.fromkeys(_FIELDS.values(), pl.Float64()),
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_row_index("_row", 1)
    absent = {name: pl.lit(None, pl.Float64) for name in ("vwap", "trade_count")}
    beyond = filing.beyond_any(frame, ("open", "high", "low", "close"), ("volume",))
    return filing.bars(frame.with_columns(**absent, problem=filing.joined(pl.col("problem"), *beyond)))


def judge(response: Response) -> None:
    """Raise what an answer deserves in the vendor's own words, most of which come with HTTP 200.

    Raises:
        KeyRefused: The key is unknown.
        NotEntitled: Only those who pay may ask for it.
        SourceUnavailable: The calls of the day are spent.
        NotFound: It calls the call an error, as it does for a ticker that it does not know.
        Passing: It is no JSON.
    """
    if response.status != 200:
        return
    refuse_no_json(response)
    envelope = object_of(loaded(response.body))
    if _SERIES in envelope:
        return
    said = next((str(envelope[name]) for name in ("Error Message", "Information", "Note") if name in envelope), "")
    told = f"alphavantage: {response.url}: {said[:160]!r}"
    if "apikey" in said and "invalid or missing" in said:
        raise KeyRefused(f"{told}. Nothing more is sent with this key; set a valid one")
    if "premium" in said and "rate limit" not in said and "requests per day" not in said:
        raise NotEntitled(f"{told}. Get the plan that includes it, or set ORION_SOURCE to another")
    if "Error Message" in envelope:
        raise NotFound(f"{told}. It has none of it: check how Alpha Vantage spells the ticker")
    if said:
        raise SourceUnavailable(f"{told}. The next run asks again", retry_after_s=RATE.window_s / RATE.calls)
    raise Passing(f"HTTP 200 without {_SERIES!r}")


def _row(ticker: str, text: str, values: Row) -> tuple[Any, ...]:
    day = day_of(text)
    if day is None or len(text) != 10:
        raise AnswerDistrusted(f"{text!r} is no date", is_worth_asking=True)
    read: Mapping[str, float | None] = {name: _number(values.get(name)) for name in _FIELDS}
    told = [f"{name}: {values.get(name)!r:.40} is not a number" for name, value in read.items() if value is None]
    return ticker, day, "; ".join(told) or None, *read.values()


def _number(value: object) -> float | None:
    # Numbers come as texts
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None
