"""Dagster's event logs, made cheaper: a range of sessions writes two events an asset and session.

Where the events lie and what they say stay Dagster's. The log in SQLite is named by `dagster.yaml`; the one in memory
is of runs that are forgotten with their process.
"""

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import dagster as dg
import sqlalchemy as sa
from dagster import DagsterInstance, EventLogEntry, StringSource
from dagster._core.event_api import EventLogCursor
from dagster._core.events import ASSET_EVENTS
from dagster._core.instance.types import InstanceType
from dagster._core.launcher.sync_in_memory_run_launcher import SyncInMemoryRunLauncher
from dagster._core.run_coordinator import DefaultRunCoordinator
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.in_memory import InMemoryEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, AssetKeyTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._core.storage.root import TemporaryLocalArtifactStorage
from dagster._core.storage.runs import InMemoryRunStorage
from dagster._core.storage.sqlite_storage import SqliteStorageConfig
from dagster._serdes import ConfigurableClassData, serialize_value

from orion_assets.settings import export_batches

_BUSY_TIMEOUT_S: Final = 60
_KEPT: Final = 8
# A session in ten years is one event of an asset
_BATCH: Final = 2_520


class _CheaperEventLog(SqlEventLogStorage):
    """What Dagster does anew for each event or partition, done once."""

    def _store_asset_check_evaluation_planned(self, event: EventLogEntry, event_id: int | None) -> None:
        """Plan a check for the partitions of a run; Dagster writes the event, which lists them all, out for each."""
        with self.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.insert(), _planned(event, event_id))

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store what is said of many partitions at once; Dagster's own way is one event after the other.

        The index first and whole, for all runs write it: where it fails nothing was written, and Dagster goes on one by
        one.
        """
        rows = [self._event_to_row(event) for event in events]
        numbered = SqlEventLogStorageTable.insert().returning(
            SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
        )
        with self.index_transaction() as connection:
            numbers = list(connection.execute(numbered, rows).scalars())
            told = [pair for pair in zip(events, numbers, strict=True) if pair[0].dagster_event_type in ASSET_EVENTS]
            if told:
                self._store_asset_event_tags(connection, *zip(*told, strict=True))
            # An asset remembers the last of each kind
            last = {(event.dagster_event_type, _asset(event)): (event, number) for event, number in told}
            for event, number in last.values():
                self._store_asset_event(connection, event, number)
            for event, number in zip(events, numbers, strict=True):
                if event.dagster_event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
                    connection.execute(AssetCheckExecutionsTable.insert(), _planned(event, number))
        self._store_in_run(events[0].run_id, rows)

    def _store_in_run(self, run_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store events where those of a run lie, if that is not where those of assets do."""

    def _has_asset_key_col_on_connection(self, conn: sa.Connection, column_name: str) -> bool:
        """Say whether a column is there; a log that was opened has the columns of this code."""
        return column_name in AssetKeyTable.c


def _planned(event: EventLogEntry, event_id: int | None) -> list[dict[str, Any]]:
    planned: Any = event.dagster_event and event.dagster_event.event_specific_data
    partitions = planned.partitions_subset
    row = {
        "asset_key": planned.asset_key.to_string(),
        "check_name": planned.check_name,
        "run_id": event.run_id,
        "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
        "evaluation_event": serialize_value(event),
        "evaluation_event_timestamp": datetime.fromtimestamp(event.timestamp, UTC).replace(tzinfo=None),
        "evaluation_event_storage_id": event_id,
    }
    keys = partitions.get_partition_keys() if partitions else [None]
    return [{**row, "partition": key} for key in keys]


def _asset(event: EventLogEntry) -> dg.AssetKey | None:
    return event.get_dagster_event().asset_key


class KeptEngineEventLog(_CheaperEventLog, SqliteEventLogStorage):
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
        export_batches(_BATCH)

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

    def _store_in_run(self, run_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
        with self.run_connection(run_id) as connection:
            connection.execute(SqlEventLogStorageTable.insert(), rows)

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


class KeptConnectionEventLog(_CheaperEventLog, InMemoryEventLogStorage):
    """The event log in memory over the connection that holds it; Dagster opens one for each event."""

    def __init__(self, inst_data: ConfigurableClassData | None = None, preload: Any = None) -> None:  # noqa: ANN401 - as Dagster's
        """Make an empty log, or one of what it is given."""
        super().__init__(inst_data, preload)
        export_batches(_BATCH)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store them, and tell whoever watches the run."""
        super().store_event_batch(events)
        for event in events:
            self._storage_id += 1
            watching: list[Callable[[EventLogEntry, str], None]] = [*self._handlers[event.run_id]]
            for handler in watching:
                handler(event, str(EventLogCursor.from_storage_id(self._storage_id)))

    @contextmanager
    def _connect(self) -> Generator[sa.Connection]:
        with self._db_lock, self._held_conn.begin():
            yield self._held_conn

    def has_table(self, table_name: str) -> bool:
        """Say whether a table is there: all were made with the log."""
        return table_name in AssetKeyTable.metadata.tables


def forgetful_instance() -> DagsterInstance:
    """Make an instance that is forgotten with the process: as Dagster's ephemeral one, with the log in memory above."""
    return DagsterInstance(
        instance_type=InstanceType.EPHEMERAL,
        local_artifact_storage=TemporaryLocalArtifactStorage(),
        run_storage=InMemoryRunStorage(),
        event_storage=KeptConnectionEventLog(),
        compute_log_manager=NoOpComputeLogManager(),
        run_coordinator=DefaultRunCoordinator(),
        run_launcher=SyncInMemoryRunLauncher(),
    )
