"""A file a ticker and table, for research: Parquet under one URL, written whole or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote
from uuid import uuid4

import polars as pl

from orion_assets.errors import StoreUnavailable
from orion_assets.tables import Table

TIMEFRAME: Final = "1d"


class HistoryFiles:
    """The files below a folder or an `s3://` URL, as `TABLE/1d/TICKER.parquet`."""

    def __init__(self, url: str, storage_options: Mapping[str, str] | None = None) -> None:
        """Take the place; nothing is opened yet.

        Args:
            url: A folder, or `s3://bucket/prefix`.
            storage_options: object_store names: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_REGION, ...
        """
        self._url = url.rstrip("/")
        self._options = {name.lower(): value for name, value in (storage_options or {}).items()}

    def place(self, table: Table, ticker: str) -> str:
        """Give the URL or path of a ticker's file."""
        return f"{self._url}/{table.name}/{TIMEFRAME}/{quote(ticker, safe='')}.parquet"

    def write(self, table: Table, ticker: str, rows: pl.DataFrame) -> str:
        """Put rows in place of the ticker's file; a reader sees the old one or the new one.

        Raises:
            SchemaMismatch: The rows are not what the table declares.
            StoreUnavailable: The file cannot be written.
        """
        place, frame = self.place(table, ticker), table.conform(rows)
        try:
            if place.startswith("s3://"):
                # An object is put whole
                frame.write_parquet(place, storage_options=self._options)
                return place
            path = Path(place)
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.{uuid4().hex}.part")
            frame.write_parquet(part)
            part.replace(path)
        except OSError as e:
            raise StoreUnavailable(
                f"history: {place} cannot be written: {e}. Check ORION_FEATURES_URL and its credentials"
            ) from e
        return place

    def read(self, table: Table, ticker: str) -> pl.DataFrame:
        """Read a ticker's file.

        Raises:
            StoreUnavailable: There is none, or it cannot be read.
        """
        place = self.place(table, ticker)
        try:
            if place.startswith("s3://"):
                return pl.read_parquet(place, storage_options=self._options)
            return pl.read_parquet(Path(place), glob=False)
        except (OSError, pl.exceptions.ComputeError) as e:
            raise StoreUnavailable(f"history: {place} cannot be read: {e}. Make it with: orion history {ticker}") from e
