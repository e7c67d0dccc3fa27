"""The instance that dagster.yaml describes, and the event log it names beside Dagster's own."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterInstance
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from orion_assets.defs.event_log import KeptEngineEventLog

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    return tmp_path


def test_dagster_accepts_the_local_instance_with_telemetry_off(home):
    with DagsterInstance.from_config(str(home)) as instance:
        assert instance.get_settings("telemetry") == {"enabled": False}
        assert isinstance(instance.event_log_storage, KeptEngineEventLog)


def test_another_process_and_dagsters_own_log_read_the_same_events(home):
    with DagsterInstance.from_config(str(home)) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("bars", partition="2014-06-02"))
        assert instance.get_materialized_partitions(dg.AssetKey("bars")) == {"2014-06-02"}

    read = "import dagster as dg; print(dg.DagsterInstance.get().get_materialized_partitions(dg.AssetKey('bars')))"
    other = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=True)
    own = SqliteEventLogStorage(str(home / "history" / "runs"))
    assert other.stdout.strip() == "{'2014-06-02'}"
    assert own.get_materialized_partitions(dg.AssetKey("bars")) == {"2014-06-02"}
    own.dispose()


def test_one_engine_serves_all_connections_to_a_file(home):
    log = KeptEngineEventLog(str(home))

    with log.index_connection() as first:
        engine = first.engine
    with log.index_connection() as second:
        assert second.engine is engine
    log.dispose()
