"""Hold Orion's adjusted view against what another vendor shows; neither is changed."""

from typing import Final

import polars as pl

from orion_assets.transforms.adjust import total_return_factors
from orion_assets.transforms.versions import visible

TOLERANCE: Final = 0.005


def disagreements(reference: pl.DataFrame, bars: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Find the sessions on which another vendor's adjusted close moves otherwise than Orion's.

    Args:
        reference: `ticker`, `session`, `close`, `basis` (split_adjusted or fully_adjusted) of the other vendor.
        bars: CLEAN_DAILY_BARS rows, all versions, from each ticker's first bar.
        actions: CORPORATE_ACTIONS rows, all versions.

    Returns:
        `ticker`, `session`, `basis`, `reference_close`, `own_close` (USD, reference's units), `difference_ratio`.
        The units of an adjusted series depend on the day it was made, so each series is scaled by the median ratio of
        the two; a row is returned where they then differ by more than 0.5 %.
    """
    own = total_return_factors(
        visible(bars, ("ticker", "session")), visible(actions, ("security_id", "ex_date", "kind"))
    )
    is_split_only = pl.col("basis") == "split_adjusted"
    factor = pl.when(is_split_only).then("split_factor").otherwise("total_return_factor")
    both = (
        reference.rename({"close": "reference_close"})
        .join(own.select("ticker", "session", "close", "split_factor", "total_return_factor"), on=["ticker", "session"])
        .with_columns(_own=pl.col("close") * factor)
    )
    scale = (pl.col("reference_close") / pl.col("_own")).median().over("ticker", "basis")
    return (
        both.with_columns(own_close=pl.col("_own") * scale)
        .with_columns(difference_ratio=pl.col("reference_close") / pl.col("own_close") - 1)
        .filter(pl.col("difference_ratio").abs() > TOLERANCE)
        .select("ticker", "session", "basis", "reference_close", "own_close", "difference_ratio")
        .sort("ticker", "session")
    )
