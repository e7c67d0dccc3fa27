"""Bars that stay in the lake, as they were known at an instant: minutes (ADR 9), and all of other markets (ADR 10)."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from threading import Lock

import polars as pl

from orion_assets.schemas import CLEAN_MINUTE_BARS
from orion_assets.store.lake import Lake
from orion_assets.tables import Table
from orion_assets.transforms.versions import current


class LakeMinutes:
    """The bars of a lake, each table at the version that its first read found, until `refresh`."""

    def __init__(self, open_lake: Callable[[], Lake]) -> None:
        """Say how to open the lake; nothing is opened before the first read."""
        self._open_lake = open_lake
        self._opening = Lock()
        self._lake: Lake | None = None
        self._versions: dict[str, int | None] = {}

    def rows(
        self,
        tickers: Sequence[str] | None,
        start: date | None,
        end: date | None,
        as_of: datetime | None,
        table: Table = CLEAN_MINUTE_BARS,
    ) -> pl.DataFrame:
        """Give the rows of a clean table of bars visible at an instant.

        Args:
            tickers: Of whom; None means all.
            start: First session; None for no bound.
            end: First session after; None for no bound.
            as_of: The instant; None for the last version of every row.
            table: The table, CLEAN_MINUTE_BARS or one of another market.

        Returns:
            All columns, sorted by key.

        Raises:
            StoreUnavailable: The lake cannot be read.
        """
        with self._opening:
            lake = self._lake = self._lake or self._open_lake()
            if table.name not in self._versions:
                self._versions[table.name] = lake.version(table)
            version = self._versions[table.name]
        rows = lake.read(table, start=start, end=end, tickers=tickers, version=version)
        is_last = pl.col("known_until").is_null() & ~pl.col("is_deleted")
        return rows.filter(is_last if as_of is None else current(as_of))

    def refresh(self) -> None:
        """Read the newest version from now on."""
        with self._opening:
            self._lake = None
            self._versions.clear()
