"""What concerns several rows at once: one row per key and stated version, one price basis, what is known by when."""

import math
from collections.abc import Mapping
from typing import Final

import polars as pl

from orion_assets.errors import SourceRejected
from orion_assets.schemas import RAW_NEWS
from orion_assets.sources.files.rows import PROVENANCE
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, said_schema
from orion_assets.tables import Table

# A split moves the price that much or it cannot be told from an ordinary session
_TELLING: Final = math.log(1.5)
_NEIGHBOURS_DAYS: Final = 30
KNOWN: Final = pl.coalesce(TS_STATED, TS_ASSUMED)


def settle(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Keep one row per key and stated instant, sorted by session or snapshot, key and version.

    Rows that say the same are one, the first; articles of one id that say the same unite their tickers.

    Raises:
        SourceRejected: Two rows of one key and one stated instant differ.
    """
    version = [*table.key, TS_STATED]
    is_news = table is RAW_NEWS
    apart = {*PROVENANCE, TS_ASSUMED, *(("tickers",) if is_news else ())}
    said = [name for name in said_schema(table) if name not in apart]
    first = rows.unique(subset=said, keep="first", maintain_order=True)
    twice = first.filter(first.select(version).is_duplicated())
    if not twice.is_empty():
        _refuse_differing(twice, table, version, said)
    if is_news and first.height < rows.height:
        tags = rows.select(*version, "tickers").explode("tickers", empty_as_null=True)
        united = tags.group_by(version).agg(pl.col("tickers").drop_nulls().unique().sort())
        first = first.drop("tickers").join(united, on=version, how="left", nulls_equal=True, maintain_order="left")
    day = "session" if "session" in first.columns else "snapshot"
    return first.select(*said_schema(table)).sort(day, *table.key, KNOWN, TS_STATED, maintain_order=True)


def _refuse_differing(twice: pl.DataFrame, table: Table, version: list[str], said: list[str]) -> None:
    one = twice.row(0, named=True)
    matching = twice.filter(pl.all_horizontal(pl.col(name).eq_missing(pl.lit(one[name])) for name in version))
    two = matching.row(1, named=True)
    differing = [name for name in said if one[name] != two[name]]
    key = ", ".join(f"{name} {one[name]}" for name in table.key)
    shown = "; ".join(f"{name} {one[name]!r} and {two[name]!r}" for name in differing[:3])
    stated = f" known {one[TS_STATED].isoformat()}" if one[TS_STATED] else ""
    others = twice.unique(version).height - 1
    more = f"; {others:,} more keys likewise" if others else ""
    raise SourceRejected(
        f"{one['source_file']}: row {one['source_row']} and {two['source_file']}: row {two['source_row']} both hold"
        f" {key}{stated} but differ: {shown}{more}; leave one out with skip_rows, or map ts_known if the later one is a"
        f" correction{', or event_id if both are events' if 'event_id' in table.key else ''}",
        file=str(two["source_file"]),
        row=int(two["source_row"]),
        column=differing[0] if differing else None,
    )


def check_basis(bars: pl.DataFrame, splits: pl.DataFrame) -> None:
    """Refuse bars that a split does not move: they were adjusted for it and are not as traded.

    A split counts by its last version, whenever that became known, and only where a bar stands at most 30 days before
    and after it; ratios within 1.5 are too small to tell.

    Raises:
        SourceRejected: The close moves less like the split than like no split.
    """
    last = _last_versions(splits, "event_id").filter(pl.col("problem").is_null())
    ratio = (pl.col("shares_after") / pl.col("shares_before")).log()
    telling = last.select("ticker", "ex_date", ratio=ratio).filter(pl.col("ratio").abs() >= _TELLING - 1e-12)
    if telling.is_empty():
        return
    closes = _last_versions(bars, "ticker", "session").filter(pl.col("problem").is_null())
    closes = closes.select("ticker", "session", "close", "source_file").sort("session")
    dated = telling.unique(subset=["ticker", "ex_date"]).sort("ex_date", "ticker")
    closes = closes.with_columns(day="session")
    before = dated.join_asof(
        closes, left_on="ex_date", right_on="session", by="ticker", strategy="backward", allow_exact_matches=False,
        check_sortedness=False,
    )  # fmt: skip
    after = dated.join_asof(
        closes, left_on="ex_date", right_on="session", by="ticker", strategy="forward", check_sortedness=False
    )
    pairs = before.join(after, on=["ticker", "ex_date", "ratio"], suffix="_after", maintain_order="left")
    moved = (pl.col("close") / pl.col("close_after")).log()
    gap = (pl.col("day_after") - pl.col("day")).dt.total_days()
    unmoved = (gap <= _NEIGHBOURS_DAYS) & (moved.abs() < (moved - pl.col("ratio")).abs())
    for row in pairs.filter(unmoved).iter_rows(named=True):
        _refuse_adjusted(row)


def _refuse_adjusted(row: Mapping[str, object]) -> None:
    ratio = math.exp(float(str(row["ratio"])))
    raise SourceRejected(
        f"{row['source_file_after']}: {row['ticker']} splits with ratio {ratio:g} on {row['ex_date']}, but its close"
        f" goes from {row['close']} ({row['day']}) to {row['close_after']} ({row['day_after']}) as if there were no"
        ' split: the prices are adjusted, not as traded; declare their price_basis with use = "reconciliation" and give'
        " as-traded prices, or correct the split's date, or remove the split",
        file=str(row["source_file_after"]),
        column="close",
    )


def _last_versions(rows: pl.DataFrame, *key: str) -> pl.DataFrame:
    ordered = rows.sort(KNOWN, maintain_order=True)
    return ordered.unique(subset=[*key], keep="last", maintain_order=True).filter(~pl.col("is_deleted"))
