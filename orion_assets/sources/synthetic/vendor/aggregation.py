"""Bars of other lengths than those the vendor holds, and bars in other units: pure functions of frames."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import polars as pl

from orion_assets.sources.synthetic.vendor.reply import Refused

_PRICES: Final = ("open", "high", "low", "close", "vwap")
_EVERY: Final = {"minute": "m", "hour": "h", "day": "d", "week": "w", "month": "mo", "quarter": "q", "year": "y"}
_INTRADAY: Final = ("minute", "hour")


@dataclass(frozen=True)
class Every:
    """Length of a bar."""

    multiplier: int
    timespan: str

    @property
    def base(self) -> Literal["minute", "day"]:
        """The bars it is made of, which `limit` counts."""
        return "minute" if self.timespan in _INTRADAY else "day"

    @property
    def is_base(self) -> bool:
        """Whether it is one of those itself."""
        return self.multiplier == 1 and self.timespan == self.base

    @property
    def duration(self) -> str:
        """As Polars writes it."""
        return f"{self.multiplier}{_EVERY[self.timespan]}"

    def snapped(self, ms: int, zone: str) -> int:
        """Give the start of the bar that holds an instant (ms since 1970), for ranges that begin within one."""
        at = pl.Series([datetime.fromtimestamp(ms / 1000, UTC)]).dt.convert_time_zone(zone)
        return _starts(at.to_frame("at"), pl.col("at"), self)[0]


def timespan(text: str) -> str:
    """Read a timespan.

    Raises:
        Refused: 400, the vendor has no such.
    """
    if text not in _EVERY:
        raise Refused(400, f"Could not parse the timespan {text!r}; it is one of {', '.join(_EVERY)}")
    return text


def aggregated(base: pl.DataFrame, every: Every, zone: str) -> pl.DataFrame:
    """Fold base bars, oldest first, into longer ones; `t` becomes the start of each in a zone's time."""
    return folded(base.with_columns(t=starts(base, every, zone)), "t")


def cut(
    rows: pl.DataFrame, kept: pl.DataFrame, every: Every, zone: str, *, is_descending: bool
) -> tuple[pl.DataFrame, int | None]:
    """Cut a page where a longer bar ends, and say where the next one goes on.

    Args:
        rows: Base bars found, oldest first, more than fit and enough to end the bar at the edge.
        kept: Those of them that fit.
        every: Length of the bars asked for.
        zone: Whose time they start in.
        is_descending: Whether pages go back in time.

    Returns:
        The bars of the page, and the `t` (ms) from which, or up to which, the next page goes; None after the last.
    """
    count = rows.height - kept.height
    edge = rows.slice(count - 1, 1) if is_descending else rows.slice(kept.height, 1)
    if every.is_base:
        return kept, edge["t"][0]
    bar_of = starts(rows, every, zone)
    torn = starts(edge, every, zone)[0]
    page = kept.filter(starts(kept, every, zone) != torn)
    if page.is_empty():
        # A single bar longer than the limit is told whole: nothing else could go on
        page = rows.filter(bar_of == torn)
    left = rows.filter(
        bar_of < starts(page, every, zone)[0] if is_descending else bar_of > starts(page, every, zone)[-1]
    )
    if left.is_empty():
        return page, None
    return page, page["t"][0] - 1 if is_descending else starts(left, every, zone)[0]


def starts(rows: pl.DataFrame, every: Every, zone: str) -> pl.Series:
    """Give the start of the longer bar that each base bar falls into, ms since 1970."""
    at = pl.from_epoch("t", "ms").dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    return _starts(rows, at, every)


def _starts(rows: pl.DataFrame, at: pl.Expr, every: Every) -> pl.Series:
    # The vendor's weeks start on Sundays
    local = at.dt.offset_by("1d").dt.truncate(every.duration).dt.offset_by("-1d")
    truncated = local if every.timespan == "week" else at.dt.truncate(every.duration)
    return rows.select(start=truncated.dt.epoch("ms")).to_series()


def folded(base: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Fold bars, oldest first, into one for each value of some columns."""
    made: list[pl.Expr] = [
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
    ]
    if "volume" in base.columns:
        weight = pl.when(pl.col("vwap").is_not_null()).then("volume")
        made += [
            pl.col("volume").sum().round(6),
            ((pl.col("vwap") * weight).sum() / weight.sum()).fill_nan(None).round(4).alias("vwap"),
            pl.when(pl.col("trade_count").is_not_null().any()).then(pl.col("trade_count").sum()).alias("trade_count"),
        ]
    return base.group_by(by, maintain_order=True).agg(made)


def adjusted(bars: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """Give bars in units of after some splits: prices, average price and volume.

    Args:
        bars: `number`, `session` and values as traded.
        splits: `number`, `ex_date`, `shares_after`, `shares_before`; those that count.
    """
    if bars.is_empty():
        return bars
    rows = bars.select("number", "session").with_row_index()
    ratio = pl.col("shares_after") / pl.col("shares_before")
    later = rows.join(splits.select(pl.col("number").cast(rows.schema["number"]), "ex_date", ratio=ratio), on="number")
    factors = (
        later.filter(pl.col("session") < pl.col("ex_date")).group_by("index").agg(factor=pl.col("ratio").product())
    )
    factor = rows.join(factors, on="index", how="left", maintain_order="left")["factor"].fill_null(1.0)
    prices = ((pl.col(name) / factor).round(4) for name in _PRICES)
    return bars.with_columns(*prices, volume=(pl.col("volume") * factor).round(6))
