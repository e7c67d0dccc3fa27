"""Rows that were landed and not let through: kept with their reason, counted by checks, never deleted."""

from datetime import date

import polars as pl

from orion_assets.schemas import QUARANTINE
from orion_assets.store.lake import Lake


def hold(lake: Lake, held: pl.DataFrame, start: date, end: date) -> int:
    """Add the rows that the quarantine does not hold yet; returns how many there were.

    Args:
        lake: Where the quarantine lies.
        held: QUARANTINE rows of the sessions in [start, end).
        start: First session.
        end: First session no longer meant.
    """
    if held.is_empty():
        return 0
    identity = [*QUARANTINE.key, "ts_known"]

    def unseen(current: pl.DataFrame) -> pl.DataFrame:
        return QUARANTINE.conform(held.join(current.select(identity), on=identity, how="anti"))

    return lake.append(QUARANTINE, unseen, start=start, end=end).rows
