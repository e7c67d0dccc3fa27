"""Hold Orion's adjusted view against what another vendor shows; neither is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from orion_assets.sources.protocols import RECONCILIATION, Source, reconciliation_of
from orion_assets.transforms.adjust import total_return_factors
from orion_assets.transforms.identity import latest

TOLERANCE: Final = 0.005


@dataclass(frozen=True)
class Compared:
    """Where another vendor disagrees.

    Attributes:
        found: As `disagreements` gives it.
        sessions: Of which sessions the other vendor told anything.
    """

    found: pl.DataFrame
    sessions: Sequence[date]


def compared(
    source: Source, tables: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame], span: tuple[date, date]
) -> Compared:
    """Ask the source for another vendor's adjusted closes, and find where Orion's disagree in a range of sessions.

    Args:
        source: Whom to ask, of the tickers with bars in the range; one that has none gives no rows.
        tables: CLEAN_DAILY_BARS, CORPORATE_ACTIONS and SECURITIES rows, all versions, from each ticker's first bar.
        span: First session to judge, first no longer judged.
    """
    bars, actions, securities = tables
    start, end = span
    in_range = bars.filter(pl.col("session").is_between(start, end, closed="left"))
    tickers = in_range["ticker"].unique().sort().to_list()
    first = min([start, *bars.select(pl.col("session").min()).drop_nulls()["session"]])
    reference = reconciliation_of(source, tickers, first, end) if tickers else pl.DataFrame(schema=RECONCILIATION)
    # Factors of the whole history are not worth making for nobody
    shown = bars if reference.height else bars.clear()
    told = reference.filter(pl.col("session").is_between(start, end, closed="left"))["session"].unique().sort()
    return Compared(disagreements(reference, *latest(shown, actions, securities), start), told.to_list())


def disagreements(reference: pl.DataFrame, bars: pl.DataFrame, actions: pl.DataFrame, start: date) -> pl.DataFrame:
    """Find the sessions from `start` on at which another vendor's adjusted close has moved otherwise than Orion's.

    Args:
        reference: `ticker`, `session`, `close`, `basis` (split_adjusted or fully_adjusted) of the other vendor, from
            each ticker's first bar.
        bars: Visible CLEAN_DAILY_BARS rows with `security_id`, from each security's first bar.
        actions: Visible CORPORATE_ACTIONS rows, as `identity.of_securities` gives them.
        start: First session to judge.

    Returns:
        `ticker`, `session`, `basis`, `reference_close`, `own_close` (USD, reference's units), `difference_ratio`,
        `remedy`. The units of an adjusted series depend on the day it was made, so each series is scaled by the median
        ratio of the two over the sessions before `start`, where there are none over those from it on: judged by
        themselves, a few sessions would set the scale that they are held against. Rows that then differ by more than
        0.5 %.
    """
    own = total_return_factors(bars, actions)
    is_split_only = pl.col("basis") == "split_adjusted"
    factor = pl.when(is_split_only).then("split_factor").otherwise("total_return_factor")
    held = own.select("ticker", "session", "security_id", "close", "split_factor", "total_return_factor")
    both = (
        reference.rename({"close": "reference_close"})
        .join(held, on=["ticker", "session"])
        .with_columns(_own=pl.col("close") * factor)
    )
    ratio = pl.col("reference_close") / pl.col("_own")
    series = ("ticker", "security_id", "basis")
    scale = pl.coalesce(ratio.filter(pl.col("session") < start).median().over(series), ratio.median().over(series))
    return (
        both.with_columns(own_close=pl.col("_own") * scale)
        .filter(pl.col("session") >= start)
        .with_columns(difference_ratio=pl.col("reference_close") / pl.col("own_close") - 1)
        .filter(pl.col("difference_ratio").abs() > TOLERANCE)
        .with_columns(
            remedy=pl.lit(
                "look for a split or dividend up to this session that one of the two has and the other has not"
            )
        )
        .select("ticker", "session", "basis", "reference_close", "own_close", "difference_ratio", "remedy")
        .sort("ticker", "session")
    )
