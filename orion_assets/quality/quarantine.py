"""Rows that were landed and not let through: kept with their reason and counted by checks."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

import polars as pl

from orion_assets.schemas import QUARANTINE, TABLES
from orion_assets.store.lake import Lake
from orion_assets.tables import Table
from orion_assets.transforms.bars import key_text
from orion_assets.transforms.versions import visible

_IDENTITY: Final = [*QUARANTINE.key, "ts_known"]
_DAY: Final = timedelta(days=1)


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

    def unseen(current: pl.DataFrame) -> pl.DataFrame:
        return QUARANTINE.conform(held.join(current.select(_IDENTITY), on=_IDENTITY, how="anti"))

    return lake.append(QUARANTINE, unseen, start=start, end=end).rows


def standing(held: pl.DataFrame, raw: Mapping[Table, pl.DataFrame]) -> pl.DataFrame:
    """Keep the held rows that are what the source says now: one corrected or withdrawn since accuses nobody.

    Args:
        held: QUARANTINE rows.
        raw: The rows, all versions, of the tables they stand in.
    """
    last = [
        visible(rows, table.key).select(origin=pl.lit(table.name), row_key=key_text(table), ts_known="ts_known")
        for table, rows in raw.items()
    ]
    return held.join(pl.concat(last), on=["origin", "row_key", "ts_known"], how="semi", maintain_order="left")


def still_held(lake: Lake, held: pl.DataFrame) -> pl.DataFrame:
    """Keep of some held rows those that are what the source says now; reads no more of raw than their sessions.

    Args:
        lake: Where raw lies.
        held: QUARANTINE rows.
    """
    raw: dict[Table, pl.DataFrame] = {}
    for table in (TABLES[name] for name in held["origin"].unique().sort()):
        mine = held.filter(pl.col("origin") == table.name)
        days = mine["session"].unique().sort()
        if table.is_intraday:
            # All minutes between the first and the last may be too many
            names = mine["ticker"].unique().to_list()
            raw[table] = pl.concat(lake.read(table, start=day, end=day + _DAY, tickers=names) for day in days)
            continue
        bounds = {"start": days[0], "end": days[-1] + _DAY} if "session" in table.names else {}
        raw[table] = lake.read(table, **bounds)
    return standing(held, raw) if raw else held


def hold_all(lake: Lake, origin: Table, held: pl.DataFrame) -> int:
    """Make `held` all that the quarantine holds of a table every row of which was judged; returns how many it added.

    A row held before and no longer leaves the quarantine; what other tables have there stays.

    Args:
        lake: Where the quarantine lies.
        origin: The table, one that no range of sessions cuts.
        held: QUARANTINE rows of it, whatever their sessions.
    """
    stored = lake.read(QUARANTINE)
    healed = stored.filter(pl.col("origin") == origin.name).join(held, on=_IDENTITY, how="anti")
    for session in healed["session"].unique().sort():
        # Decided as the commit lands: a row that another run holds in the meantime stays
        lake.revise(
            QUARANTINE,
            lambda current: current.join(healed, on=_IDENTITY, how="anti"),
            start=session,
            end=session + _DAY,
        )
    if held.is_empty():
        return 0
    days = held["session"].sort()
    return hold(lake, held, days[0], days[-1] + _DAY)
