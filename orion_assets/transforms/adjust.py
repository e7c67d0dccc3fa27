"""Split and dividend factors, forward from a security's first bar, and the back-adjusted views made of them.

Forward prices P*F never change when a later split happens; back-adjusted ones do, so they are views and never stored.
"""

from datetime import date
from fractions import Fraction
from typing import Final, Literal

import polars as pl

Basis = Literal["split", "total_return"]
_PRICES: Final = ("open", "high", "low", "close", "vwap")


def split_factors(bars: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Add `split_factor`, F(t): the product of the split ratios with first bar < ex-date <= t.

    Args:
        bars: Visible rows with `security_id`, `session`, from each security's first bar, one a session.
        actions: Visible CORPORATE_ACTIONS rows, as `identity.of_securities` gives them.

    Returns:
        `bars` plus `split_factor` (Float64, positive, no nulls; 1.0 before any split). Ratios are multiplied as
        integers and divided once, so a factor has the bits of its exact value whatever order splits came in.
    """
    return _with_steps(bars, split_steps(bars, actions))


def split_steps(bars: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Give the factor each split brings about: `security_id`, `ex_date`, `split_factor` from then on."""
    first = bars.group_by("security_id").agg(_first=pl.col("session").min())
    splits = (
        actions.filter(pl.col("kind") == "split")
        .join(first, on="security_id")
        .filter(pl.col("ex_date") > pl.col("_first"))
        .sort("security_id", "ex_date")
    )
    product: dict[str, Fraction] = {}
    steps: list[float] = []
    for security, after, before in splits.select("security_id", "shares_after", "shares_before").iter_rows():
        product[security] = product.get(security, Fraction(1)) * Fraction(after, before)
        steps.append(float(product[security]))
    return splits.select("security_id", "ex_date").with_columns(split_factor=pl.Series(steps, dtype=pl.Float64))


def _with_steps(bars: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    joined = bars.sort("session").join_asof(
        steps.sort("ex_date"), left_on="session", right_on="ex_date", by="security_id", check_sortedness=False
    )
    return joined.drop("ex_date").with_columns(pl.col("split_factor").fill_null(1.0)).sort("security_id", "session")


def total_return_factors(bars: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Add `split_factor` and `total_return_factor`, R(t) = F(t) * product of (1 + D/C) over ex-dates up to t.

    Args:
        bars: Visible CLEAN_DAILY_BARS rows with `security_id`, from each security's first bar, one a session.
        actions: Visible CORPORATE_ACTIONS rows, as `identity.of_securities` gives them; D is their
            `cash_amount`, C the close, as traded, of the first bar at or after the ex-date. A dividend before or on the
            first bar changes nothing.

    Returns:
        `bars` plus both factors (Float64, positive, no nulls).
    """
    first = bars.group_by("security_id").agg(_first=pl.col("session").min())
    paid_out = actions.filter(pl.col("kind") == "dividend").select("security_id", "ex_date", "cash_amount")
    dividends = paid_out.join(first, on="security_id")
    paid = (
        dividends.filter(pl.col("ex_date") > pl.col("_first"))
        .sort("ex_date")
        .join_asof(
            bars.select("security_id", "session", "close").sort("session"),
            left_on="ex_date",
            right_on="session",
            by="security_id",
            strategy="forward",
            check_sortedness=False,
        )
        .filter(pl.col("close").is_not_null())
        .sort("security_id", "session", "ex_date")
        .select("security_id", "session", _growth=1 + pl.col("cash_amount") / pl.col("close"))
    )
    key = ["security_id", "session"]
    growth = paid.group_by(key, maintain_order=True).agg(pl.col("_growth").product())
    with_growth = split_factors(bars, actions).join(growth, on=key, how="left", maintain_order="left")
    reinvested = pl.col("_growth").fill_null(1.0).cum_prod().over("security_id")
    return with_growth.with_columns(total_return_factor=pl.col("split_factor") * reinvested).drop("_growth")


def forward(bars: pl.DataFrame) -> pl.DataFrame:
    """Turn as-traded prices and volumes with `split_factor` into forward ones: X = P * F, Y = V / F."""
    scale = pl.col("split_factor")
    return bars.with_columns(pl.col("open", "high", "low", "close") * scale, volume=pl.col("volume") / scale)


def back_adjusted(bars: pl.DataFrame, actions: pl.DataFrame, basis: Basis, on: date | None = None) -> pl.DataFrame:
    """Give bars in the units of a date.

    Args:
        bars: Visible CLEAN_DAILY_BARS rows with `security_id`, of the securities' whole history, one a session.
        actions: Visible CORPORATE_ACTIONS rows of the same instant, as `identity.of_securities` gives them.
        basis: `split`: P(t) * F(t) / F(on); `total_return`: P(t) * R(t) / R(on). Volume is split-adjusted in both.
        on: The date, not before any bar's session; None means each security's last session. On the morning of an
            ex-date, before any bar in the new units, the split counts already.

    Returns:
        The same rows and columns, sorted by security and session; prices (vwap too) and volume adjusted.
    """
    name = "split_factor" if basis == "split" else "total_return_factor"
    ordered = bars.sort("security_id", "session")
    steps = split_steps(ordered, actions).filter(pl.lit(on is not None) & (pl.col("ex_date") <= pl.lit(on, pl.Date)))
    reached = steps.unique("security_id", keep="last", maintain_order=True)
    reached = reached.select("security_id", _reached="split_factor")
    both = total_return_factors(ordered, actions)
    with_factors = both.join(reached, on="security_id", how="left", maintain_order="left")
    last = pl.col("split_factor").last().over("security_id")
    since = pl.col("_reached").fill_null(last) / last
    price_scale = pl.col(name) / (pl.col(name).last().over("security_id") * since)
    volume_scale = pl.col("split_factor") / (last * since)
    return with_factors.with_columns(pl.col(_PRICES) * price_scale, volume=pl.col("volume") / volume_scale).select(
        bars.columns
    )
