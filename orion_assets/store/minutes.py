"""Minute bars as they were known at an instant, read from the lake where they lie (ADR 8)."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from threading import Lock

import polars as pl

from orion_assets.schemas import CLEAN_MINUTE_BARS
from orion_assets.store.lake import Lake
from orion_assets.transforms.versions import current


class LakeMinutes:
    """The minutes of a lake, at the version that the first read found, until `refresh`."""

    def __init__(self, open_lake: Callable[[], Lake]) -> None:
        """Say how to open the lake; nothing is opened before the first read."""
        self._open_lake = open_lake
        self._opening = Lock()
        self._opened: tuple[Lake, int | None] | None = None

    def rows(
        self, tickers: Sequence[str] | None, start: date | None, end: date | None, as_of: datetime | None
    ) -> pl.DataFrame:
        """Give the CLEAN_MINUTE_BARS rows visible at an instant.

        Args:
            tickers: Of whom; None means all.
            start: First session; None for no bound.
            end: First session after; None for no bound.
            as_of: The instant; None for the last version of every row.

        Returns:
            All columns, sorted by ticker and `ts_open`.

        Raises:
            StoreUnavailable: The lake cannot be read.
        """
        with self._opening:
            if self._opened is None:
                lake = self._open_lake()
                self._opened = (lake, lake.version(CLEAN_MINUTE_BARS))
            lake, version = self._opened
        rows = lake.read(CLEAN_MINUTE_BARS, start=start, end=end, tickers=tickers, version=version)
        is_last = pl.col("known_until").is_null() & ~pl.col("is_deleted")
        return rows.filter(is_last if as_of is None else current(as_of))

    def refresh(self) -> None:
        """Read the newest version from now on."""
        with self._opening:
            self._opened = None
