"""Asks answered from Flat Files: which object holds a session, which of its rows are landed, what becomes of its bytes.

One object is read once and gives everybody who is followed; a session of currencies is two of them. A bar is assumed to
have been known when the same vendor's REST tells it, a quarter of an hour after its end, though the object of a day
comes the day after.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from orion_assets.errors import AnswerDistrusted, KeyRefused, OrionError, SettingsError
from orion_assets.markets import EQUITIES
from orion_assets.schemas import TABLES
from orion_assets.sources.limiter import Limiter, Rate
from orion_assets.sources.polygon import rows
from orion_assets.sources.polygon.bucket import Bucket, Patience, Stored, open_client
from orion_assets.sources.polygon.flatfiles import FileSet, read_object
from orion_assets.sources.polygon.holdings import HOLDINGS, OBJECT, Holding, joined
from orion_assets.sources.protocols import Answer, Ask, Document, ObjectRead
from orion_assets.sources.transport import DISTRUSTED, is_on_this_machine

LOG: Final = logging.getLogger(__name__)
# Routes by which objects are read
FILE_ROUTES: Final = frozenset({"day_file", "minute_file"})
_DATED: Final = r"/(\d{4}-\d{2}-\d{2})\.csv\.gz$"
# Of stocks the whole market has some 11,000; what has half of that is a part of itself. How many another market has on
# a day, nobody outside knows: its objects are held against those beside them alone
_LEAST_TICKERS: Final = 5_000
_RATE: Final = Rate(100, 1.0)
# Beyond its deadline a download may take this long to be given up
_GRACE_S: Final = 60.0


@dataclass(frozen=True)
class FlatFiles:
    """The objects of stocks, crypto, currencies and indices, day and minute aggregates.

    Attributes:
        bucket: Where they lie.
        least_tickers: An object of stocks with fewer is taken for a part of itself.
        keeps_bytes: Whether the objects are archived whole; else their rows alone are kept.
    """

    bucket: Bucket
    least_tickers: int = 1
    keeps_bytes: bool = True

    def listed(self, since: date | None, datasets: Collection[str]) -> dict[str, dict[date, str]]:
        """Give the version of every session whose objects are all listed: by raw table, by session.

        A set that cannot be listed is left out, with a warning: then calls answer what its objects would.

        Args:
            since: Earlier ones do not matter.
            datasets: Raw tables; those that no objects hold are left out.

        Raises:
            KeyRefused, SettingsError: There are no such keys, or no such bucket: calls would hide that.
        """
        found: dict[str, dict[date, str]] = {}
        known: dict[str, dict[date, str] | None] = {}
        for dataset, holding in HOLDINGS.items():
            folder = holding.of.folder
            if dataset not in datasets:
                continue
            if folder not in known:
                known[folder] = self._listed(folder, holding.key_before(since))
            if (objects := known[folder]) is not None:
                found[dataset] = holding.versions(objects)
        return found

    def _listed(self, folder: str, start: str) -> dict[date, str] | None:
        try:
            return _dated(self.bucket.listed(folder, start))
        except (KeyRefused, SettingsError):
            raise
        except OrionError as e:
            LOG.warning("%s. %s is planned without its files", e, folder)
        return None

    def read(self, ask: Ask) -> Answer:
        """Answer for one session.

        Args:
            ask: Of one session, by one of FILE_ROUTES; minutes are given of its tickers, daily bars of everybody.

        Raises:
            OrionError: As `Bucket.get`; AnswerDistrusted where an object, read twice, cannot be true.
        """
        holding = HOLDINGS[ask.dataset]
        (days,) = holding.days(ask.start, ask.end).values()
        objects: list[Stored] = []
        parts: list[pl.DataFrame] = []
        tickers: set[str] = set()
        for day in days:
            stored, held = self._believed(holding, day)
            LOG.info("flat files: %s: %d bytes, %d rows", stored.key, len(stored.content), held.height)
            told = holding.of_session(held, ask.start)
            tickers.update(told["ticker"].unique())
            mine = told if holding.is_daily else told.filter(pl.col("ticker").is_in(list(ask.tickers)))
            parts.append(mine.with_columns(pl.lit(len(objects)).alias(OBJECT)))
            objects.append(stored)
        meant = holding.meaning(pl.concat(parts), ask.start)
        said = [
            rows.said(TABLES[ask.dataset], meant.filter(pl.col(OBJECT) == place), f"/{each.key}", each.sha256)
            for place, each in enumerate(objects)
        ]
        documents = tuple(Document(f"/{each.key}", each.sha256, each.content) for each in objects)
        return Answer(
            pl.concat(said),
            documents if self.keeps_bytes else (),
            objects[-1].sha256,
            () if holding.is_daily else ask.tickers,
            objects={ask.start: ObjectRead(joined([each.version for each in objects]), len(tickers))},
            untold=rows.UNTOLD_BY_FILES,
            tells_more=rows.TOLD_BY_FILES,
        )

    def day(self, dataset: str, day: date) -> pl.DataFrame:
        """Read the object of one day, `FileSet.columns` of everybody in it.

        Raises:
            OrionError: As `read`.
        """
        holding = HOLDINGS[dataset]
        return self._believed(holding, day)[1]

    def _believed(self, holding: Holding, day: date) -> tuple[Stored, pl.DataFrame]:
        of, least = holding.of, self.least_tickers if holding.market is EQUITIES else 1
        try:
            return self._once(of, day, least)
        except AnswerDistrusted as e:
            if not e.is_worth_asking:
                raise
            LOG.warning("%s. It is asked for once more", e)
        return self._once(of, day, least)

    def _once(self, of: FileSet, day: date, least: int) -> tuple[Stored, pl.DataFrame]:
        stored = self.bucket.get(of.key(day))
        try:
            return stored, read_object(of, day, stored.content, least_tickers=least)
        except AnswerDistrusted as e:
            told = f"polygon: flat files: {e}. {DISTRUSTED}"
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
