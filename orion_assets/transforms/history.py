"""ticker_bars: the bars of single tickers as they stand now, in every price basis."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from orion_assets.schemas import TICKER_BARS
from orion_assets.transforms.adjust import back_adjusted
from orion_assets.transforms.identity import latest

_KEY: Final = ["security_id", "session"]
_PRICES: Final = ("open", "high", "low", "close", "vwap")


def ticker_bars(
    bars: pl.DataFrame,
    actions: pl.DataFrame,
    securities: pl.DataFrame,
    with_dividends: pl.DataFrame,
    tickers: Sequence[str],
) -> pl.DataFrame:
    """Give the last version of every bar of some tickers, as traded, split-adjusted and with dividends reinvested.

    Args:
        bars: CLEAN_DAILY_BARS rows, all versions, whole for the tickers and those they share a security with.
        actions: CORPORATE_ACTIONS rows, likewise.
        securities: SECURITIES rows, all versions.
        with_dividends: Column `session`: those in which some source was asked for dividends.
        tickers: Whose rows to return.

    Returns:
        TICKER_BARS rows, sorted by key. Adjusted ones are in the units of the security's last session, whatever ticker
        it bears then. A security with a session in which nobody was asked for dividends has no `total_return` values.
    """
    shown, known = latest(bars, actions, securities)
    views = {basis: back_adjusted(shown, known, basis) for basis in ("split", "total_return")}
    rows = shown
    for basis, view in views.items():
        names = (*_PRICES, *(("volume",) if basis == "split" else ()))
        rows = rows.join(view.select(*_KEY, pl.col(names).name.suffix(f"_{basis}")), on=_KEY, maintain_order="left")
    is_asked = pl.col("session").is_in(with_dividends["session"].implode())
    is_whole = is_asked.all().over("security_id")
    reinvested = [f"{name}_total_return" for name in _PRICES]
    return (
        rows.with_columns(pl.when(is_whole).then(pl.col(name)).alias(name) for name in reinvested)
        .filter(pl.col("ticker").is_in(list(tickers)))
        .select(TICKER_BARS.names)
        .sort(TICKER_BARS.key)
    )
