"""Daily bars as a vendor tells them who corrects himself: the first answer at first, the truth later."""

from datetime import datetime

import polars as pl

from orion_assets.sources.synthetic.planted import CORRECTIONS, Correction

_BARS = "raw_daily_bars"


def as_told(bars: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Give bars as they are told at an instant.

    Args:
        bars: `Truth.daily_bars` rows of the market that planted.py speaks of; those of others are as they are.
        now: The vendor's time.
    """
    for correction in CORRECTIONS:
        if correction.dataset == _BARS:
            bars = _with(bars, correction, now)
    return bars


def _with(bars: pl.DataFrame, correction: Correction, now: datetime) -> pl.DataFrame:
    where = pl.all_horizontal(pl.col(name) == pl.lit(value) for name, value in correction.key.items())
    is_back = correction.back is not None and now >= correction.back
    if now >= correction.known and not is_back:
        return bars.filter(~where) if correction.is_withdrawn else bars
    return bars.with_columns(
        pl.when(where).then(value).otherwise(pl.col(name)).alias(name) for name, value in correction.first.items()
    )
