"""Dagster's SQLite event log, made cheaper: a range of sessions writes two events an asset and session.

Named by `dagster.yaml`. Where the events lie and what they say stay Dagster's.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from dagster import StringSource
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import SqliteStorageConfig
from dagster._serdes import ConfigurableClassData

_BUSY_TIMEOUT_S: Final = 60
_KEPT: Final = 8


class KeptEngineEventLog(SqliteEventLogStorage):
    """The event log in SQLite with one engine and one connection a file, kept for those used last.

    Dagster makes both for each event: SQLAlchemy compiles every statement anew, and SQLite opens the file and folds its
    log in. Without it the job of the demo took 40 s, with it 24.
    """

    def __init__(self, home: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Open the log where Dagster itself would keep it.

        Args:
            home: DAGSTER_HOME.
            inst_data: How Dagster makes this object again in another process.
        """
        self._engines: dict[str, sa.Engine] = {}
        self._files: dict[str, int] = {}
        self._process = os.getpid()
        super().__init__(str(Path(home) / "history" / "runs"), inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Name what `dagster.yaml` says."""
        return {"base_dir": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: SqliteStorageConfig
    ) -> "KeptEngineEventLog":
        """Make one as `dagster.yaml` says."""
        return cls(config_value["base_dir"], inst_data)

    def dispose(self) -> None:
        """Let go of all files."""
        super().dispose()
        self._let_go()

    def wipe(self) -> None:
        """Remove every run's file, none of which is open then."""
        self._let_go()
        super().wipe()

    def _let_go(self) -> None:
        with self._db_lock:
            for engine in self._engines.values():
                # What a parent process opened is not ours to close
                engine.dispose(close=self._process == os.getpid())
            self._engines.clear()
            self._process = os.getpid()

    @contextmanager
    def _connect(self, shard: str) -> Generator[sa.Connection]:
        if self._process != os.getpid():
            self._let_go()
        with self._db_lock:
            engine = self._standing(shard) or self._made(shard)
            # The used last stand last: webserver and daemon see a file a run, and live for months
            self._engines[shard] = engine
            if len(self._engines) > _KEPT:
                self._engines.pop(next(iter(self._engines))).dispose()
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                self._files[shard] = Path(self.path_for_shard(shard)).stat().st_ino
                yield connection

    def _standing(self, shard: str) -> sa.Engine | None:
        """Take the engine of a file, unless the file went away under it: a demo made anew empties its folder."""
        engine, path = self._engines.pop(shard, None), Path(self.path_for_shard(shard))
        found = path.stat().st_ino if path.exists() else None
        if engine is not None and found != self._files.get(shard):
            engine.dispose()
            self._initialized_dbs.discard(shard)
            engine = None
        return engine

    def _made(self, shard: str) -> sa.Engine:
        url = self.conn_string_for_shard(shard)
        return sa.create_engine(
            url,
            poolclass=sa.QueuePool,
            pool_size=1,
            connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False},
        )
