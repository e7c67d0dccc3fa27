"""Polygon's other markets: which request answers an ask of theirs, and what its rows mean.

Docs: https://massive.com/docs (read 2026-11-21; no key was at hand). Days of crypto begin at midnight of UTC, those of
indices in Chicago, of options in New York. The vendor's days of currencies are those of UTC too, which cut the week's
first hours off as a day of their own; their daily bars are folded from its hours, by the day that rolls at 17:00.
Whole markets come in one call for crypto alone. A plan for stocks does not include the others: they answer 403.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from orion_assets.calendars import NEW_YORK
from orion_assets.errors import AnswerDistrusted
from orion_assets.market_hours import sessions_of, traded_in, trading_dates
from orion_assets.markets import FX, Market, market_named_in
from orion_assets.sources import filing
from orion_assets.sources.polygon import requests, rows
from orion_assets.sources.polygon.market_routes import datasets
from orion_assets.sources.polygon.requests import Request
from orion_assets.sources.protocols import Ask

_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
_HOUR_MS: Final = 3_600_000
_ZONES: Final[Mapping[str, str]] = {"crypto": "UTC", "indices": "America/Chicago", "options": NEW_YORK.key}


@dataclass(frozen=True)
class Question:
    """What is asked for an ask, and how its pages are read.

    Attributes:
        request: What is asked.
        place: From the rows of a page and its envelope to rows whose ticker and time are known.
        meaning: From those to rows of the raw table, without provenance.
        required: Fields that every row must have, beside prices and stamp.
    """

    request: Request
    place: Callable[[pl.DataFrame, Any], pl.DataFrame]
    meaning: Callable[[pl.DataFrame], pl.DataFrame]
    required: Sequence[str]


def question(ask: Ask) -> Question:
    """Give what answers an ask of another market.

    Raises:
        ValueError: It is for several tickers by a route that answers for one.
    """
    market = market_named_in(ask.dataset)
    required = ("v",) if market.has_volume else ()
    if ask.route == "grouped":
        request = requests.crypto_market_bars(ask.start)
        return Question(
            request,
            lambda page, _: rows.market_days(page, ask.start, _ZONES[market.name]),
            lambda placed: days(placed, market),
            ("T", *required),
        )
    (ticker,) = ask.tickers
    if ask.dataset == datasets(market)[1]:
        request, place = _between(ticker, "minute", market, ask)
        return Question(request, place, lambda placed: minutes(placed, market), required)
    if market is FX:
        request, place = _between(ticker, "hour", market, ask)
        return Question(request, place, lambda placed: days(folded(placed, market), market), required)
    span = (ask.start, ask.end)

    def of_range(page: pl.DataFrame, envelope: Mapping[str, Any]) -> pl.DataFrame:
        rows.refuse_another(envelope, ticker)
        return rows.ticker_days(page, ticker, span, _ZONES[market.name])

    request = requests.range_bars(ticker, "day", ask.start, ask.end - _DAY)
    return Question(request, of_range, lambda placed: days(placed, market), required)


def folded(hours: pl.DataFrame, market: Market, *kept: str) -> pl.DataFrame:
    """Fold hours, or minutes, into the market's own sessions.

    Args:
        hours: `ticker`, `ts_open` (UTC), `_row` and the fields of a page; those of a ticker sorted by `ts_open`.
        market: Whose sessions.
        kept: Further columns, of which a session has the first.

    Returns:
        A row a session: `ticker`, `session`, the first `_row`, the fields, every `problem` of its hours. An hour of no
        session makes a day that is none, which is held back with that reason. Minutes give what their hours give, but
        for `vw`, which is null unless all have one.
    """
    is_whole = pl.col("vw").null_count() == 0
    mean = ((pl.col("vw") * pl.col("v")).sum() / pl.col("v").sum()).fill_nan(None)
    problem = pl.col("problem").drop_nulls().str.join("; ")
    return (
        hours.with_columns(session=trading_dates(market, pl.col("ts_open")))
        .group_by("ticker", "session", maintain_order=True)
        .agg(
            pl.col("_row", "o", *kept).first(),
            pl.col("h").max(),
            pl.col("l").min(),
            pl.col("c").last(),
            # The vendor's own have six decimals; what a sum has beyond depends on what was added to what first
            pl.col("v").sum().round(6),
            vw=pl.when(is_whole).then(mean),
            n=pl.when(pl.col("n").null_count() == 0).then(pl.col("n").sum()),
            problem=pl.when(problem != "").then(problem),
        )
    )


def _between(
    ticker: str, timespan: str, market: Market, ask: Ask
) -> tuple[Request, Callable[[pl.DataFrame, Any], pl.DataFrame]]:
    """Ask for bars within the hours of the sessions of an ask, and hold the answer against them."""
    hours = traded_in(market, ask.start, ask.end)
    first, end = hours["ts_first"][0], hours["ts_last"][-1]
    least = _HOUR_MS if timespan == "hour" else 1

    def placed(page: pl.DataFrame, envelope: Mapping[str, Any]) -> pl.DataFrame:
        rows.refuse_another(envelope, ticker)
        # Its own bounds are midnights of New York, which the hours of other markets pass by less than a day
        found = rows.ticker_minutes(page, ticker, (ask.start - _DAY, ask.end + _DAY))
        _refuse(found.filter(pl.col("t") % least != 0), "a stamp that is no full hour")
        _refuse(found.filter(~_is_within(first, end)), f"a stamp outside [{first.isoformat()}, {end.isoformat()})")
        return found

    return requests.bars_between(ticker, timespan, first, end), placed


def _is_within(first: datetime, end: datetime) -> pl.Expr:
    return pl.col("ts_open").is_between(first, end, closed="left")


def _refuse(wrong: pl.DataFrame, what: str) -> None:
    if wrong.height:
        raise AnswerDistrusted(
            f"{wrong.height} rows have {what}, the first {wrong['ts_open'][0]}", is_worth_asking=True
        )


def days(placed: pl.DataFrame, market: Market) -> pl.DataFrame:
    """Give rows of a market's raw daily bars, without provenance, of placed days: `ticker`, `session`, the fields."""
    return _named(filing.bars(placed, sessions_of(market)), market)


def minutes(placed: pl.DataFrame, market: Market) -> pl.DataFrame:
    """Give rows of a market's raw minute bars, without provenance, of minutes: `ticker`, `ts_open`, the fields."""
    dated = placed.with_columns(session=trading_dates(market, pl.col("ts_open")), ts_event=pl.col("ts_open") + _MINUTE)
    return _named(dated, market)


def _named(bars: pl.DataFrame, market: Market) -> pl.DataFrame:
    """Name the fields as tables do. What an index says of trades is not believed: none is traded."""
    is_told = {short: market.has_volume or short in rows.PRICES for short in rows.NAMES}
    nothing = pl.lit(None, pl.Float64)
    return bars.with_columns(
        **{name: pl.col(short) if is_told[short] else nothing for short, name in rows.NAMES.items()}
    )
