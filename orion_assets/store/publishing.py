"""What may be published: frames held against their tables, their range and one another, before any engine writes."""

from datetime import date

import polars as pl

from orion_assets.errors import SchemaMismatch
from orion_assets.tables import Table


def publishable(table: Table, frame: pl.DataFrame, start: date, end: date) -> pl.DataFrame:
    """Give the frame conformed and sorted by key and `ts_known`, the physical order, or refuse it.

    Args:
        table: A stored table.
        frame: All versions of the sessions [start, end), any order; all there are, where the table has no sessions.
        start: First session of the range.
        end: First session after it.

    Raises:
        ValueError: The range is empty, or a row stands outside it.
        SchemaMismatch: The frame is not what the table declares, or two versions of a key are current at once.
    """
    if start >= end:
        raise ValueError(f"publish: [{start}, {end}) holds no session; end must be after start")
    identity = [*table.key, "ts_known"]
    ordered = table.conform(frame).sort(identity)
    has_sessions = "session" in table.names
    outside = (
        ordered.filter(~pl.col("session").is_between(start, end, closed="left")) if has_sessions else table.empty()
    )
    if not outside.is_empty():
        raise ValueError(
            f"publish: {outside.height} rows of {table.name} stand outside [{start}, {end}), the first of session"
            f" {outside['session'][0]}. Widen the range or cut the frame"
        )
    is_same = pl.all_horizontal([pl.col(name).eq_missing(pl.col(name).shift(-1)) for name in table.key])
    is_shown_on = (pl.col("known_until") > pl.col("ts_known").shift(-1)).fill_null(value=True)
    twice = ordered.select((is_same & is_shown_on).slice(0, pl.len() - 1).sum()).item() if ordered.height > 1 else 0
    if twice:
        raise overlapping(table, twice)
    return ordered


def overlapping(table: Table, count: int) -> SchemaMismatch:
    """Make the error for versions of which a read would give two."""
    return SchemaMismatch(
        f"{table.name}: {count} versions are still current when the next of their key is known, so a read would"
        " give both. End each version with known_until and publish all sessions that hold one together",
        table=table.name,
    )
