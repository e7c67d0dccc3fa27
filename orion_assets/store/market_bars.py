"""Bars of markets other than equities, read from the lake: they need no feature store, which holds none of them."""

from collections.abc import Sequence

import polars as pl

from orion_assets import calendars
from orion_assets.markets import EQUITIES, Market, market_of
from orion_assets.schemas import CLEAN_DAILY_BARS, CLEAN_MINUTE_BARS, table_of
from orion_assets.store.arguments import bound, demand_one_of, public_columns, ticker_names
from orion_assets.store.minutes import LakeMinutes
from orion_assets.store.protocols import Adjusted, AsOf, Bound, Tickers

_TABLES = {"1d": CLEAN_DAILY_BARS, "1m": CLEAN_MINUTE_BARS}


def market_asked(tickers: Tickers, adjusted: Adjusted = "none") -> Market:
    """Give the market that some tickers are of; without a ticker, equities.

    Raises:
        ValueError: They are of several, or bars of another market than equities are asked for adjusted: nothing splits
            there, and a contract's terms are its own.
    """
    names = ticker_names(tickers) or ()
    found = {market_of(ticker).name: ticker for ticker in names}
    if len(found) > 1:
        told = ", ".join(f"{ticker} ({name})" for name, ticker in sorted(found.items()))
        raise ValueError(f"bars: {told} are of several markets, each with its own sessions; ask for each by itself")
    market = market_of(names[0]) if names else EQUITIES
    if market is not EQUITIES and adjusted != "none":
        raise ValueError(f'bars: those of {market.name} are given as traded only; ask for adjusted="none"')
    return market


def market_bars(
    lake: LakeMinutes,
    tickers: Tickers,
    *,
    start: Bound = None,
    end: Bound = None,
    timeframe: str = "1d",
    as_of: AsOf = None,
) -> pl.DataFrame:
    """Give the bars of some tickers of one market, as traded.

    Args:
        lake: Where they lie.
        tickers: Tickers of one market, at least one.
        start: First session of the market.
        end: First session no longer wanted.
        timeframe: `1d` or `1m`.
        as_of: What was known then; None for the last version of every row.

    Returns:
        The columns of `clean_daily_bars`, or `clean_minute_bars`, sorted by key. Volume, vwap and trade count of an
        index are null.

    Raises:
        ValueError: A ticker has no bar at all, or an argument is none of its choices.
    """
    market, names = market_asked(tickers), ticker_names(tickers) or ()
    demand_one_of("timeframe", timeframe, tuple(_TABLES), "only daily and minute bars are stored yet")
    table = table_of(_TABLES[timeframe], market)
    known = None if as_of is None else calendars.instant(as_of)
    found = lake.rows(names, bound("start", start), bound("end", end), known, table)
    missing = sorted(set(names) - set(found["ticker"].unique()))
    known_ever = lake.rows(missing, None, None, None, table)["ticker"].unique() if missing else ()
    _refuse_unknown(sorted(set(missing) - set(known_ever)), table.name)
    return found.select(public_columns(table, None))


def _refuse_unknown(tickers: Sequence[str], table: str) -> None:
    if tickers:
        names = " ".join(tickers[:10])
        raise ValueError(
            f"ticker {names}: {table} holds no bar. Remedy: follow with `orion tickers add {names}`, then `orion"
            " backfill`"
        )
