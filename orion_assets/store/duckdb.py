"""The feature store in one DuckDB file: published whole by atomic rename, read without locks.

A published file is never written again, so a reader keeps the file it opened and blocks nobody; writers take turns by
a lock file beside it. Only file mechanics and DDL here; which rows a reader sees is decided in `reader.py`.
"""

import logging
import re
import shutil
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from threading import Lock
from typing import Final
from uuid import uuid4

import duckdb
import polars as pl
from filelock import FileLock, Timeout

from orion_assets.errors import StoreUnavailable
from orion_assets.schemas import STORED
from orion_assets.store.arguments import stored
from orion_assets.store.duckdb_file import (
    is_of_the_file,
    is_scattered,
    make_durable,
    opened,
    replace_range,
    unreadable,
    write_in_order,
    written,
)
from orion_assets.store.minutes import LakeMinutes
from orion_assets.store.protocols import Publication
from orion_assets.store.publishing import publishable
from orion_assets.store.reader import AsOfReader, Query

_log = logging.getLogger(__name__)


class DuckDBStore(AsOfReader):
    """Reader and writer of one store file; the calls are described in `store.protocols`.

    The first read opens the newest publication and later ones stay with it, until `refresh`, `close` or an own
    `publish`. Safe to use from several threads; hand the path, not the object, to another process.
    """

    def __init__(self, path: str | Path, *, lock_timeout_s: float = 600.0, minutes: LakeMinutes | None = None) -> None:
        self.path: Final = Path(path).expanduser().absolute()
        self._lock_timeout_s = lock_timeout_s
        self.minutes = minutes
        self._opening = Lock()
        self._view: duckdb.DuckDBPyConnection | None = None

    def rows(self, query: Query) -> pl.DataFrame:
        """Run a query on the opened publication; columns have the dtypes of `schemas`."""
        with self._opening:
            if self._view is None:
                self._view = opened(self.path)
            cursor = self._view.cursor()
        try:
            with cursor:
                return cursor.sql(re.sub(r":(\w+)", r"$\1", query.text), params=dict(query.parameters)).pl()
        except duckdb.Error as e:
            if is_of_the_file(e):
                raise unreadable(self.path, e) from e
            raise

    def facts(self) -> dict[str, str]:
        """Give what the store says of itself."""
        return dict(self.rows(Query("SELECT name, value FROM orion_facts ORDER BY name", {})).iter_rows())

    def refresh(self) -> None:
        """Open the newest publication and read it from now on."""
        newest = opened(self.path)
        with self._opening:
            earlier, self._view = self._view, newest
        if earlier is not None:
            earlier.close()
        if self.minutes is not None:
            self.minutes.refresh()

    def close(self) -> None:
        """Let go of the opened publication; a later read opens the newest."""
        with self._opening:
            earlier, self._view = self._view, None
        if earlier is not None:
            earlier.close()
        if self.minutes is not None:
            self.minutes.refresh()

    def publish(
        self, tables: Mapping[str, pl.DataFrame], *, start: date, end: date, facts: Mapping[str, str]
    ) -> Publication:
        """Replace the sessions [start, end) of the given tables in one atomic step; see `FeatureWriter.publish`."""
        began = time.perf_counter()
        frames = {name: publishable(stored(name), frame, start, end) for name, frame in tables.items()}
        try:
            with self._alone():
                fresh = self._fresh(frames, start, end, facts)
                if fresh is not None:
                    self._replace(fresh, start, end, facts)
        except (OSError, duckdb.Error) as e:
            self._demand_whole()
            raise StoreUnavailable(
                f"feature store: {self.path} could not be published to, what it holds is whole: {e}. Check that its"
                " folder can be written and has room for a second copy, then publish again"
            ) from e
        self.close()
        rows = {name: frame.height for name, frame in frames.items()}
        changed = tuple(fresh or ())
        _log.info(
            "feature store: [%s, %s) %s, %d rows of %d tables given, %.2f s",
            *(start, end, f"wrote {', '.join(changed) or 'facts'}" if fresh is not None else "already said so"),
            *(sum(rows.values()), len(rows), time.perf_counter() - began),
        )
        return Publication(fresh is not None, start, end, rows, changed)

    def _fresh(
        self, frames: Mapping[str, pl.DataFrame], start: date, end: date, facts: Mapping[str, str]
    ) -> dict[str, pl.DataFrame] | None:
        """Give the frames the store does not hold yet, or None where it holds them and the facts too."""
        if not self.path.exists():
            return dict(frames)
        with DuckDBStore(self.path) as published:
            fresh = {
                name: frame for name, frame in frames.items() if not _held(published, name, start, end).equals(frame)
            }
            says = published.facts()
        return fresh if fresh or says | dict(facts) != says else None

    def _demand_whole(self) -> None:
        """Read all that is published: what fails on a copy of a damaged file is not the writing."""
        if not self.path.is_file():
            return
        with DuckDBStore(self.path) as published:
            for table in STORED:
                # Names come from schemas alone
                published.rows(Query(f"SELECT bit_xor(hash(each)) FROM {table.name} AS each", {}))  # noqa: S608

    def _replace(self, frames: Mapping[str, pl.DataFrame], start: date, end: date, facts: Mapping[str, str]) -> None:
        private = self._private()
        if self.path.exists():
            shutil.copyfile(self.path, private)
        with written(private) as con:
            con.begin()
            for name, frame in frames.items():
                replace_range(con, stored(name), frame, (start, end))
            for name, value in facts.items():
                con.execute("DELETE FROM store.orion_facts WHERE name = $name", {"name": name})
                con.execute("INSERT INTO store.orion_facts VALUES ($name, $value)", {"name": name, "value": value})
            con.commit()
            needs_order = any(is_scattered(con, stored(name)) for name in frames)
        if needs_order:
            loose, private = private, self._private()
            write_in_order(loose, private)
        make_durable(private)
        private.replace(self.path)
        make_durable(self.path.parent)

    def _private(self) -> Path:
        return self.path.with_name(f".{self.path.name}.{uuid4().hex}.private")

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Hold the writers' lock; what a killed writer left behind goes first, what this one leaves goes last."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self.path}.lock", timeout=self._lock_timeout_s)
        try:
            lock.acquire()
        except Timeout as e:
            raise StoreUnavailable(
                f"feature store: another writer has held {self.path}.lock for {self._lock_timeout_s:g} s."
                " Wait for that run to end, or end it; the lock goes with its process"
            ) from e
        try:
            self._sweep()
            yield
        finally:
            self._sweep()
            lock.release()

    def _sweep(self) -> None:
        # Not a pattern of the shell: a store beside this one may have this one's name as its beginning
        own = re.compile(rf"\.{re.escape(self.path.name)}\.[0-9a-f]{{32}}\.private(\..*)?")
        for left in self.path.parent.iterdir():
            if own.fullmatch(left.name):
                left.unlink()


def _held(store: DuckDBStore, name: str, start: date, end: date) -> pl.DataFrame:
    if "session" not in stored(name).names:
        return store.table(name, versions=True)
    return store.table(name, start=start, end=end, versions=True)
