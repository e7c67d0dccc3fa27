"""Dagster's SQLite event log, made cheaper: a range of sessions writes two events an asset and session.

Named by `dagster.yaml`. Where the events lie and what they say stay Dagster's.
"""

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
    """The event log in SQLite with one engine a file, kept.

    Dagster makes an engine for each connection, so SQLAlchemy compiles every statement anew: a third of what the
    events of a range cost. Connections are opened and closed as before.
    """

    def __init__(self, home: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Open the log where Dagster itself would keep it.

        Args:
            home: DAGSTER_HOME.
            inst_data: How Dagster makes this object again in another process.
        """
        self._engines: dict[str, sa.Engine] = {}
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

    @contextmanager
    def _connect(self, shard: str) -> Generator[sa.Connection]:
        with self._db_lock:
            engine = self._engines.pop(shard, None) or self._made(shard)
            # The used last stand last: webserver and daemon see a file a run, and live for months
            self._engines[shard] = engine
            if len(self._engines) > _KEPT:
                del self._engines[next(iter(self._engines))]
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _made(self, shard: str) -> sa.Engine:
        url = self.conn_string_for_shard(shard)
        return sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": _BUSY_TIMEOUT_S})
