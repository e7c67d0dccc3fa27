"""The database in which several modules keep tables: SQLite in a file, or Postgres. What tables mean, others say."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlalchemy.schema import CreateIndex, CreateTable

from orion_assets.errors import SettingsError, StoreUnavailable
from orion_assets.store.state_tables import METADATA, SCHEMA_VERSION

VERSION: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Database:
    """The state database: connections, transactions, tables; safe for threads and processes."""

    def __init__(self, url: str) -> None:
        """Point at a database; nothing is opened or made.

        Args:
            url: `sqlite:///path` or `postgresql://…`.

        Raises:
            SettingsError: The URL is of another kind.
        """
        self._url = _url(url)
        self.is_sqlite: Final = self._url.get_backend_name() == "sqlite"
        self.insert: Final = sqlite.insert if self.is_sqlite else postgresql.insert
        self._engine = self._make_engine()
        self._is_ready = False
        self._lock = threading.Lock()

    @property
    def is_there(self) -> bool:
        """Whether there is a file already; a server has its database."""
        return not self.is_sqlite or Path(str(self._url.database)).exists()

    @contextmanager
    def begin(self) -> Generator[sa.Connection]:
        """Open a transaction: committed at the end, rolled back by an error.

        Raises:
            SettingsError: The database is of newer code.
            StoreUnavailable: It does not answer, or cannot be read.
        """
        try:
            with self._lock:
                if not self._is_ready:
                    self._prepare()
                    self._is_ready = True
            with self._engine.begin() as connection:
                yield connection
        except (OperationalError, OSError) as e:
            reason = str(e).split("\n", 1)[0]
            raise StoreUnavailable(f"state: {self._url.render_as_string()} does not answer: {reason}") from e
        except DatabaseError as e:
            # What SQLite says of a file that it cannot read is of no narrower class
            if type(e) is not DatabaseError:
                raise
            place, reason = self._url.render_as_string(), str(e.orig)
            raise StoreUnavailable(
                f"state: {place} cannot be read: {reason}. Move it away, then: orion status --rebuild"
            ) from e

    def close(self) -> None:
        """Let go of open connections; the next call opens new ones."""
        self._engine.dispose()

    def _make_engine(self) -> sa.Engine:
        if not self.is_sqlite:
            return sa.create_engine(self._url, pool_pre_ping=True)
        engine = sa.create_engine(self._url, poolclass=sa.NullPool, connect_args={"timeout": 60})
        event.listen(engine, "connect", _relax)
        return engine

    def _prepare(self) -> None:
        if not self.is_sqlite:
            with self._engine.begin() as connection:
                # CREATE IF NOT EXISTS of two sessions at once fails in Postgres
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(7246001)"))
                self._create(connection)
            return
        path = Path(str(self._url.database)).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            with self._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            with self._engine.begin() as connection:
                self._create(connection)

    def _create(self, connection: sa.Connection) -> None:
        for table in METADATA.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))
        found = connection.scalar(sa.select(sa.func.max(SCHEMA_VERSION.c.version)))
        if found is None:
            connection.execute(sa.insert(SCHEMA_VERSION).values(version=VERSION))
        elif found != VERSION:
            raise SettingsError(
                f"state: {self._url.render_as_string()} has schema version {found}, this code knows {VERSION};"
                " run the newer code, or set ORION_STATE_URL to another database"
            )


def _url(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except ArgumentError as e:
        raise SettingsError("state: ORION_STATE_URL is not a URL; set it to sqlite:///path or postgresql://…") from e
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg2")
    if url.get_backend_name() != "sqlite" or url.database in {None, "", ":memory:"}:
        raise SettingsError(f"state: {url.render_as_string()} is neither sqlite:///path nor postgresql://…")
    return url


def _relax(connection: Any, _record: object) -> None:  # noqa: ANN401
    # NORMAL in WAL mode never corrupts; a power cut may lose the last cells, which the lake can rebuild
    connection.execute("PRAGMA synchronous=NORMAL")


def micros(instant: datetime) -> int:
    """Give an instant as it is stored: microseconds since 1970 in UTC, for SQLite knows no time zone."""
    if instant.tzinfo is None:
        raise ValueError(f"state: the instant needs a time zone, was {instant.isoformat()}")
    return (instant - _EPOCH) // timedelta(microseconds=1)


def instant_of(stored: int) -> datetime:
    """Give the instant, UTC, that is stored as microseconds."""
    return _EPOCH + timedelta(microseconds=stored)
