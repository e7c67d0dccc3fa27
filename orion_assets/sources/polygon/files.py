"""Asks answered from Flat Files: which object holds a session, which of its rows are landed, what becomes of its bytes.

One object is read once and gives everybody who is followed. A bar is assumed to have been known when the same vendor's
REST tells it, a quarter of an hour after its end, though the object of a day comes the day after.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from orion_assets.errors import AnswerDistrusted, OrionError, SettingsError
from orion_assets.schemas import RAW_DAILY_BARS, RAW_MINUTE_BARS, TABLES
from orion_assets.sources.limiter import Limiter, Rate
from orion_assets.sources.polygon import rows
from orion_assets.sources.polygon.bucket import Bucket, Patience, Stored, open_client
from orion_assets.sources.polygon.flatfiles import SETS, SUFFIX, FileSet, read_object
from orion_assets.sources.protocols import Answer, Ask, Document, ObjectRead
from orion_assets.sources.transport import is_on_this_machine

LOG: Final = logging.getLogger(__name__)
# Routes of polygon_routes by which objects are read
FILE_ROUTES: Final = frozenset({"day_file", "minute_file"})
_SETS: Final[Mapping[str, FileSet]] = {
    RAW_DAILY_BARS.name: SETS["stocks_day"],
    RAW_MINUTE_BARS.name: SETS["stocks_minute"],
}
_DATED: Final = r"/(\d{4}-\d{2}-\d{2})\.csv\.gz$"
# The whole market has some 11,000; what has half of that is a part of itself
_LEAST_TICKERS: Final = 5_000
_RATE: Final = Rate(100, 1.0)
# Beyond its deadline a download may take this long to be given up
_GRACE_S: Final = 60.0


@dataclass(frozen=True)
class FlatFiles:
    """The objects of stocks, day and minute aggregates.

    Attributes:
        bucket: Where they lie.
        least_tickers: An object with fewer is taken for a part of itself.
        keeps_bytes: Whether the objects are archived whole; else their rows alone are kept.
    """

    bucket: Bucket
    least_tickers: int = 1
    keeps_bytes: bool = True

    def listed(self, since: date | None) -> dict[str, dict[date, str]]:
        """Give the version of every listed object: by raw table, by session.

        A set that cannot be listed is left out, with a warning: then calls answer what its objects would.

        Args:
            since: Earlier ones do not matter.
        """
        found: dict[str, dict[date, str]] = {}
        for dataset, of in _SETS.items():
            start = of.key(since).removesuffix(SUFFIX) if since else ""
            try:
                found[dataset] = _dated(self.bucket.listed(of.folder, start))
            except SettingsError:
                raise
            except OrionError as e:
                LOG.warning("%s. %s is planned without its files", e, dataset)
        return found

    def read(self, ask: Ask) -> Answer:
        """Answer for one session.

        Args:
            ask: Of one session, by one of FILE_ROUTES; minutes are given of its tickers, daily bars of everybody.

        Raises:
            OrionError: As `Bucket.get`; AnswerDistrusted where the object, read twice, cannot be true.
        """
        of = _SETS[ask.dataset]
        stored, held = self._believed(of, ask.start)
        LOG.info("flat files: %s: %d bytes, %d rows", stored.key, len(stored.content), held.height)
        told = held.with_row_index("_row", 1)
        if of.minutes is None:
            meant = rows.bars(rows.of_file(told).with_columns(session=pl.lit(ask.start)))
        else:
            meant = rows.minutes(rows.of_file(told.filter(pl.col("ticker").is_in(list(ask.tickers)))))
        return Answer(
            rows.said(TABLES[ask.dataset], meant, f"/{stored.key}", stored.sha256),
            (Document(f"/{stored.key}", stored.sha256, stored.content),) if self.keeps_bytes else (),
            stored.sha256,
            ask.tickers if of.minutes else (),
            objects={ask.start: ObjectRead(stored.version, held["ticker"].n_unique())},
            untold=rows.UNTOLD_BY_FILES,
            tells_more=rows.TOLD_BY_FILES,
        )

    def day(self, dataset: str, day: date) -> pl.DataFrame:
        """Read the object of one day, `FileSet.columns` of everybody in it.

        Raises:
            OrionError: As `read`.
        """
        return self._believed(_SETS[dataset], day)[1]

    def _believed(self, of: FileSet, day: date) -> tuple[Stored, pl.DataFrame]:
        try:
            return self._once(of, day)
        except AnswerDistrusted as e:
            if not e.is_worth_asking:
                raise
            LOG.warning("%s. It is asked for once more", e)
        return self._once(of, day)

    def _once(self, of: FileSet, day: date) -> tuple[Stored, pl.DataFrame]:
        stored = self.bucket.get(of.key(day))
        try:
            return stored, read_object(of, day, stored.content, least_tickers=self.least_tickers)
        except AnswerDistrusted as e:
            told = f"polygon: flat files: {e}. Nothing of the object is landed"
            raise AnswerDistrusted(told, is_worth_asking=e.is_worth_asking) from e


def open_flat_files(
    keys: tuple[str, str], endpoint: str, limited: Callable[[Rate, float], Limiter], *, keeps_bytes: bool
) -> FlatFiles:
    """Open the Flat Files with the keys of the bucket; nothing is asked yet.

    Args:
        keys: The access key's id and its secret.
        endpoint: https://files.massive.com, or its older name; http on this machine alone.
        limited: Makes the limiter for their rate and for the seconds within which any request has ended.
        keeps_bytes: Whether the objects are archived whole.

    Raises:
        SettingsError: The endpoint is none, or requests would travel in the clear.
    """
    patience = Patience()
    client = open_client(keys, endpoint, patience)
    bucket = Bucket(client, limited(_RATE, patience.deadline_s + _GRACE_S), patience)
    # A market that never was may be a small one
    least = 1 if is_on_this_machine(endpoint) else _LEAST_TICKERS
    return FlatFiles(bucket, least_tickers=least, keeps_bytes=keeps_bytes)


def _dated(objects: Mapping[str, str]) -> dict[date, str]:
    """Leave out what is no day's object."""
    listed = pl.DataFrame(list(objects.items()), {"key": pl.String, "version": pl.String}, orient="row")
    days = listed.with_columns(day=pl.col("key").str.extract(_DATED).str.to_date("%Y-%m-%d", strict=False))
    return dict(days.drop_nulls("day").select("day", "version").iter_rows())
