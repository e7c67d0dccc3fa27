"""What assets, the CLI and Python users rely on; each engine (DuckDB, Postgres) satisfies both Protocols.

Types and promises only. How a read is made visible as of an instant: `reader.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, Protocol, Self

import polars as pl

from orion_assets.calendars import Cutoff

AsOf = str | date | datetime | None
Bound = str | date | None
Tickers = str | Sequence[str] | None
CutoffChoice = Cutoff | Literal["both"]
Adjusted = Literal["none", "split", "total_return"]


@dataclass(frozen=True)
class Publication:
    """What one call of `publish` did.

    Attributes:
        is_changed: False when the store already said all of it and nothing was written.
        start: First session of the range that was replaced.
        end: First session after it.
        rows: Rows of each given table in the range, versions counted, now in the store.
        changed: Names of the tables that were written.
    """

    is_changed: bool
    start: date
    end: date
    rows: Mapping[str, int]
    changed: tuple[str, ...]


class FeatureWriter(Protocol):
    """Whoever publishes to the feature store."""

    def publish(
        self, tables: Mapping[str, pl.DataFrame], *, start: date, end: date, facts: Mapping[str, str]
    ) -> Publication:
        """Replace a range of sessions in one atomic step: a reader sees all of it or nothing.

        Args:
            tables: Frames of `schemas.STORED` tables by name, all versions of the range; tables not given stay.
            start: First session to replace.
            end: First session not to replace; no frame may hold a row outside [start, end).
            facts: What the store should say of itself, such as `facts.asked_facts`; replaces facts of the same name.

        Returns:
            What was written; publishing the same again changes nothing.

        Raises:
            ValueError: A table is not stored, the range is empty, or a row stands outside it.
            SchemaMismatch: A frame is not what its table declares, or versions of a row overlap; nothing was written.
            StoreUnavailable: The store cannot be written now.
        """
        ...

    def close(self) -> None:
        """Give back what the writer holds; a later call opens it again."""
        ...


class FeatureReader(Protocol):
    """Whoever asks the feature store what was known at an instant.

    Every read takes `as_of`: a date (the end of that New York day), an instant with a zone, or None for the last
    version of every row. Ranges are [start, end) in sessions, bounds are dates or ISO text. Frames are sorted by key
    and carry `ts_known`, never `is_deleted` and `known_until`. A reader reads one publication until `refresh`.

    Raises:
        ValueError: A ticker, column, table or bound is unknown; the text names near matches and the remedy.
        StoreUnavailable: The store is not there.
    """

    def features(
        self,
        tickers: Tickers = None,
        *,
        start: Bound = None,
        end: Bound = None,
        columns: Sequence[str] | None = None,
        cutoff: CutoffChoice = "close",
        as_of: AsOf = None,
    ) -> pl.DataFrame:
        """Give rows of the feature matrix: ticker, session, cutoff, the columns asked for, ts_known."""
        ...

    def bars(
        self,
        tickers: Tickers = None,
        *,
        start: Bound = None,
        end: Bound = None,
        timeframe: str = "1d",
        adjusted: Adjusted = "none",
        as_of: AsOf = None,
    ) -> pl.DataFrame:
        """Give bars as traded, or in the units of the date of `as_of`, each ticker's last session without one.

        `timeframe` is `1d` or `1m`; minutes are given as traded only.
        """
        ...

    def news(
        self, tickers: Tickers = None, *, start: Bound = None, end: Bound = None, as_of: AsOf = None
    ) -> pl.DataFrame:
        """Give articles that name one of the tickers, with their mood."""
        ...

    def latest(
        self,
        tickers: Tickers = None,
        *,
        cutoff: CutoffChoice = "close",
        as_of: AsOf = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Give each ticker's last visible matrix row; with `both`, one for each cut-off."""
        ...

    def table(
        self,
        name: str,
        *,
        tickers: Tickers = None,
        start: Bound = None,
        end: Bound = None,
        as_of: AsOf = None,
        versions: bool = False,
    ) -> pl.DataFrame:
        """Give any stored table; with `versions` every version known at `as_of`, withdrawals and clocks included."""
        ...

    def content_hash(self, table: str | None = None) -> str:
        """Give the hash of one table's content, all versions, or of all tables together."""
        ...

    def facts(self) -> dict[str, str]:
        """Give what the store says of itself, such as the sessions a source was asked for, by month."""
        ...

    def refresh(self) -> None:
        """Read the newest publication from now on."""
        ...

    def close(self) -> None:
        """Give back what the reader holds; a later read opens the newest publication."""
        ...

    def __enter__(self) -> Self:
        """Give the reader itself."""
        ...

    def __exit__(self, *exception: object) -> None:
        """Close the reader."""
        ...
