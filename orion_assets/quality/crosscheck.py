"""Hold daily bars against those of a second vendor, in one price basis, and say where they differ and why, probably.

Neither side is changed, and which of the two is right is not decided here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from orion_assets.quality.anomalies import RATIOS

PRICES: Final = ("open", "high", "low", "close")
# What stands in `column` where one side has no bar at all
BAR: Final = "bar"
FOUND: Final[Mapping[str, pl.DataType]] = {
    "ticker": pl.String(),
    "session": pl.Date(),
    "column": pl.String(),
    "own_value": pl.Float64(),
    "other_value": pl.Float64(),
    "difference_pct": pl.Float64(),
    "likely_cause": pl.String(),
}
_KEY: Final = ("ticker", "session")
_ORDER: Final[Mapping[str, int]] = {name: at for at, name in enumerate((BAR, *PRICES, "volume"))}
# Decimals that vendors write; fewer than a cent's say nothing of how they round
_DECIMALS: Final = (2, 3, 4, 5, 6)
# Of a price in single precision
_PRECISION: Final = 1.2e-7
# Within one bar the four ratios of a split agree as far as prices of cents let them
_ALIKE: Final = 0.002


@dataclass(frozen=True)
class Allowed:
    """What may differ.

    Attributes:
        price_bps: Of a price beyond the rounding of the coarser of the two vendors, basis points.
        volume_pct: Of a volume beyond one share, percent.
    """

    price_bps: float = 0.0
    volume_pct: float = 1.0


def differences(
    own: pl.DataFrame, traded: pl.DataFrame, other: pl.DataFrame, allowed: Allowed, venue: str = ""
) -> pl.DataFrame:
    """Find where two vendors' daily bars differ by more than the coarser of the two rounds.

    Args:
        own: `ticker`, `session`, PRICES (USD) and `volume` (shares) as Orion holds them, one row a key.
        traded: The same bars as traded: by its ratio to them a price of `own` is rounded more finely or more coarsely.
        other: The same columns of the other vendor, in the basis of `own`; a null volume is not compared.
        allowed: What may differ besides.
        venue: Why the other vendor counts other trades, where it does; the likely cause of what nothing else explains.

    Returns:
        FOUND rows, sorted: one a ticker, session and column that differs; `column` is `bar`, and the value a close,
        where one side has no bar of a session. `difference_pct` is of `own_value`, null where a side is. Tickers of
        which either side has no bar at all are left out.
    """
    both = _joined(_with_unit(own, traded), other)
    told = _explained(both, allowed)
    frames = [_of_column(told, name, allowed, venue) for name in (*PRICES, "volume")]
    found = pl.concat([_absent(both), *frames])
    return found.sort("ticker", "session", pl.col("column").replace_strict(_ORDER))


def _with_unit(own: pl.DataFrame, traded: pl.DataFrame) -> pl.DataFrame:
    """Add `_unit`: what a last decimal of the vendor is worth in the basis of `own`."""
    units = traded.select(*_KEY, _traded="close", _unit=_unit())
    scaled = own.join(units, on=_KEY, how="left")
    return scaled.with_columns(_unit=pl.col("_unit") * (pl.col("close") / pl.col("_traded")).abs())


def _unit() -> pl.Expr:
    """Give the last decimal that a vendor shows in any price of a ticker; a cent where it shows none beyond."""
    unit = pl.lit(10.0 ** -_DECIMALS[-1])
    for decimals in reversed(_DECIMALS[:-1]):
        within = [(pl.col(name).round(decimals) - pl.col(name)).abs() <= 1e-9 * pl.col(name).abs() for name in PRICES]
        unit = pl.when(pl.all_horizontal(within).all().over("ticker")).then(10.0**-decimals).otherwise(unit)
    return unit


def _joined(own: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Put both sides side by side, `_other_` before the other's, of the tickers that both have."""
    theirs = other.with_columns(_unit=_unit()).select(
        *_KEY, pl.col(*PRICES, "volume", "_unit").name.prefix("_other_"), _is_other=pl.lit(value=True)
    )
    ours = own.select(*_KEY, *PRICES, "volume", "_unit", _is_own=pl.lit(value=True))
    both = ours.join(theirs, on=_KEY, how="full", coalesce=True).sort(_KEY)
    return both.filter(pl.col("_is_own").any().over("ticker"), pl.col("_is_other").any().over("ticker"))


def _absent(both: pl.DataFrame) -> pl.DataFrame:
    is_ours, is_theirs = pl.col("_is_own").is_not_null(), pl.col("_is_other").is_not_null()
    cause = (
        pl.when(is_ours)
        .then(pl.lit("the other vendor has no bar: a halt that one of the two fills, or it lacks the session"))
        .otherwise(pl.lit("no bar is held: orion quality quarantine and orion status say whether one was refused"))
    )
    rows = both.filter(~(is_ours & is_theirs)).with_columns(likely_cause=cause)
    return _told(rows, BAR, pl.col("close"), pl.col("_other_close"))


def _explained(both: pl.DataFrame, allowed: Allowed) -> pl.DataFrame:
    """Add to bars that both have `_cause`, of the whole bar, and `_ratio`, of the split that explains it; else null."""
    bars = both.drop_nulls(("_is_own", "_is_other"))
    ratios = [pl.col(f"_other_{name}") / pl.col(name) for name in PRICES]
    least, most = pl.min_horizontal(ratios), pl.max_horizontal(ratios)
    middle = (least + most) / 2
    scaled = bars.with_columns(_middle=middle, _is_scaled=(most / least - 1 <= _ALIKE) & ((middle - 1).abs() > _ALIKE))
    known = _with_split(scaled).with_columns(
        _ends=pl.col("_ratio").ne_missing(pl.col("_ratio").shift(-1)).over("ticker"),
        _next=pl.col("session").shift(-1).over("ticker"),
    )
    end = pl.when("_ends").then("_next").backward_fill().over("ticker")
    until = pl.coalesce(pl.format("before {}", end), pl.lit("up to the last session compared"))
    shifted = {way: _is_shifted(way, allowed) for way in (1, -1)}
    neighbour = {way: pl.col("session").shift(way).over("ticker") for way in shifted}
    causes = [
        pl.when(pl.col("_ratio").is_not_null()).then(
            pl.format(
                "a split that one of the two lacks: its prices are {} times ours {}", pl.col("_ratio").round(4), until
            )
        ),
        *(
            pl.when(is_shifted).then(pl.format("another session: it is the bar held of {}", neighbour[way]))
            for way, is_shifted in shifted.items()
        ),
        pl.when("_is_scaled").then(
            pl.format("a payout that one of the two takes out: its prices are {} times ours", middle.round(4))
        ),
    ]
    return known.with_columns(_cause=pl.coalesce(*causes))


def _with_split(scaled: pl.DataFrame) -> pl.DataFrame:
    """Add `_ratio`: that of the split which all four prices differ by; null where they differ by none."""
    ratios = pl.DataFrame({"_ratio": sorted(RATIOS)})
    near = scaled.sort("_middle").join_asof(
        ratios, left_on="_middle", right_on="_ratio", strategy="nearest", coalesce=False
    )
    is_split = pl.col("_is_scaled") & ((pl.col("_middle") / pl.col("_ratio") - 1).abs() <= _ALIKE)
    return near.sort(_KEY).with_columns(_ratio=pl.when(is_split).then("_ratio"))


def _is_shifted(way: int, allowed: Allowed) -> pl.Expr:
    """Say whether the other vendor's bar is the one held of the session before, or after, and not that of its own."""
    beside = [pl.col(name).shift(way).over("ticker") for name in PRICES]
    is_beside = [_is_near(value, name, allowed) for value, name in zip(beside, PRICES, strict=True)]
    is_own = [_is_near(pl.col(name), name, allowed) for name in PRICES]
    return (pl.all_horizontal(is_beside) & ~pl.all_horizontal(is_own)).fill_null(value=False)


def _is_near(own: pl.Expr, name: str, allowed: Allowed) -> pl.Expr:
    rounding = pl.max_horizontal("_unit", "_other__unit") / 2
    relative = _PRECISION + allowed.price_bps / 10_000
    return (pl.col(f"_other_{name}") - own).abs() <= rounding * (1 + 1e-9) + relative * own.abs()


def _of_column(told: pl.DataFrame, name: str, allowed: Allowed, venue: str) -> pl.DataFrame:
    own, other = pl.col(name), pl.col(f"_other_{name}")
    if name == "volume":
        is_near = (other - own).abs() <= 1.0 + allowed.volume_pct / 100 * own
        # A split moves the volume the other way
        is_by_split = (other * pl.col("_ratio") / own - 1).abs() <= allowed.volume_pct / 100 + _ALIKE
        is_moved = pl.col("_cause").str.starts_with("another session")
        whole = pl.when(is_by_split | is_moved).then("_cause")
        alone = "trades of other venues, odd lots or late reports, that one of the two does not count"
    else:
        is_near, whole = _is_near(own, name, allowed), pl.col("_cause")
        alone = (
            "an official price of the exchange on one side, the last or first trade on the other"
            if name in {"open", "close"}
            else "a trade that one of the two does not count: late, corrected, or an odd lot"
        )
    cause = pl.coalesce(whole, pl.lit(venue or alone))
    differs = told.filter((~is_near).fill_null(value=False)).with_columns(likely_cause=cause)
    return _told(differs, name, own, other)


def _told(rows: pl.DataFrame, column: str, own: pl.Expr, other: pl.Expr) -> pl.DataFrame:
    named = rows.with_columns(column=pl.lit(column), own_value=own, other_value=other)
    part = pl.when(pl.col("own_value") != 0).then(100 * (pl.col("other_value") / pl.col("own_value") - 1))
    return named.with_columns(difference_pct=part).select(pl.col(each).cast(dtype) for each, dtype in FOUND.items())
