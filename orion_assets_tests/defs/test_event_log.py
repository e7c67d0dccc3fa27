"""The instance that dagster.yaml describes, and the event log it names beside Dagster's own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster import DagsterInstance
from dagster._core.events import StepMaterializationData
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from orion_assets.defs.event_log import KeptEngineEventLog, forgetful_instance

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


def open_files(home: Path) -> set[str]:
    found = (str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink())
    return {Path(path).name for path in found if path.startswith(str(home))}


def test_one_connection_serves_a_file_until_it_is_let_go(home):
    log = KeptEngineEventLog(str(home))

    with log.index_connection() as first:
        engine, held = first.engine, first.connection.dbapi_connection
    with log.index_connection() as second:
        assert second.engine is engine
        assert second.connection.dbapi_connection is held
    assert "index.db" in open_files(home)
    log.dispose()

    assert "index.db" not in open_files(home)


def test_the_files_of_many_runs_are_not_all_kept_open_and_a_wiped_log_is_written_anew(home):
    with DagsterInstance.from_config(str(home)) as instance:
        log = instance.event_log_storage
        runs = [f"run-{number}" for number in range(12)]
        for run in runs:
            with log.run_connection(run):
                assert f"{run}.db" in open_files(home)
        assert 0 < len({name for name in open_files(home) if name.endswith(".db")}) <= 8
        log.wipe()
        assert not list((home / "history" / "runs").glob("run-*.db"))

        with log.run_connection(runs[0]):
            assert f"{runs[0]}.db" in open_files(home)


def test_a_forked_process_opens_its_own(home):
    log = KeptEngineEventLog(str(home))
    with log.index_connection() as mine:
        held = mine.connection.dbapi_connection
    log._process -= 1  # as a child sees it

    with log.index_connection() as own:
        assert own.connection.dbapi_connection is not held
    held.execute("SELECT 1")
    held.close()
    log.dispose()


def test_a_file_that_went_away_under_it_is_opened_anew(home):
    with DagsterInstance.from_config(str(home)) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("bars", partition="2014-06-02"))
        shutil.rmtree(home / "history")
        (home / "history" / "runs").mkdir(parents=True)
        instance.report_runless_asset_event(dg.AssetMaterialization("bars", partition="2014-06-03"))

        assert instance.get_materialized_partitions(dg.AssetKey("bars")) == {"2014-06-03"}
    assert (home / "history" / "runs" / "index.db").is_file()


_BARS = dg.AssetKey("bars")
_DAYS = dg.DailyPartitionsDefinition("2014-06-02", end_date="2014-07-01")


@dg.asset(
    partitions_def=_DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("complete", asset="bars")],
)
def bars() -> dg.MaterializeResult:
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True, metadata={"rows": 3})])


def told(instance: dg.DagsterInstance) -> list[tuple]:
    """Run three sessions, then tell what the log holds of them, less ids and instants."""
    definitions = dg.Definitions([bars], jobs=[dg.define_asset_job("all", "*")])
    span = {"dagster/asset_partition_range_start": "2014-06-03", "dagster/asset_partition_range_end": "2014-06-05"}
    assert definitions.resolve_job_def("all").execute_in_process(instance=instance, tags=span).success
    (key,) = definitions.resolve_job_def("all").asset_layer.asset_graph.asset_check_keys
    log = instance.event_log_storage
    checks = [
        (each.partition, each.status, each.event.dagster_event_type if each.event else None)
        for each in log.get_asset_check_execution_history(key, limit=100)
    ]
    events = [
        (each.dagster_event_type, each.step_key, each.dagster_event.partition if each.dagster_event else None)
        for each in log.get_logs_for_run(instance.get_runs()[0].run_id)
    ]
    (record,) = log.get_asset_records([_BARS])
    last = record.asset_entry.last_materialization
    newest = log.get_latest_storage_id_by_partition(_BARS, dg.DagsterEventType.ASSET_MATERIALIZATION)
    materialized = log.fetch_materializations(_BARS, limit=10, ascending=True).records
    assert [each.storage_id for each in materialized] == list(newest.values())
    assert record.asset_entry.last_materialization_storage_id == materialized[-1].storage_id
    made = dg.DagsterEventType.ASSET_MATERIALIZATION
    tagged = log.get_latest_tags_by_partition(_BARS, made, ["dagster/data_version"])
    assert set(tagged) == set(newest)
    return [
        sorted(checks, key=str),
        events,
        sorted(log.get_materialized_partitions(_BARS)),
        (last.dagster_event.partition, record.asset_entry.last_run_id == instance.get_runs()[0].run_id),
        {key: sorted(tags) for key, tags in tagged.items()},
    ]


def test_the_cheaper_logs_say_what_dagsters_own_say(home, monkeypatch):
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "0")
    with dg.DagsterInstance.ephemeral() as own:
        expected = told(own)

    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE")
    with forgetful_instance() as in_memory:
        assert told(in_memory) == expected
    with DagsterInstance.from_config(str(home)) as in_files:
        assert told(in_files) == expected
    assert len(expected[0]) >= 1
    assert expected[2] == ["2014-06-03", "2014-06-04", "2014-06-05"]


@pytest.mark.parametrize("make", [forgetful_instance, lambda: DagsterInstance.from_config(os.environ["DAGSTER_HOME"])])
def test_what_a_run_says_of_many_partitions_is_written_in_one_go(home, make, monkeypatch):
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE", raising=False)
    with make() as instance:
        log, batches = instance.event_log_storage, []
        write = log.store_event_batch
        monkeypatch.setattr(log, "store_event_batch", lambda events: (batches.append(len(events)), write(events)))
        told(instance)

    # Those planned, then those that were made
    assert batches == [4, 3]


def test_a_batch_that_the_index_refuses_is_not_written_twice(home, monkeypatch, capsys):
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE", raising=False)
    with DagsterInstance.from_config(str(home)) as instance:
        log = instance.event_log_storage
        remember, failed = log._store_asset_event, []

        def once(connection, event, number):
            if event.get_dagster_event().is_step_materialization and not failed:
                failed.append(number)
                raise sa.exc.OperationalError("database is locked", None, Exception())
            remember(connection, event, number)

        monkeypatch.setattr(log, "_store_asset_event", once)
        found = told(instance)

    made = [kind for kind, *_ in found[1] if kind is dg.DagsterEventType.ASSET_MATERIALIZATION]
    assert (len(failed), len(made)) == (1, 3)
    assert found[2] == ["2014-06-03", "2014-06-04", "2014-06-05"]
    assert "Falling back" in capsys.readouterr().err


def test_whoever_watches_a_run_is_told_what_came_in_one_go():
    def event(key):
        data = StepMaterializationData(dg.AssetMaterialization("bars", partition=key))
        made = dg.DagsterEvent(dg.DagsterEventType.ASSET_MATERIALIZATION.value, "all", event_specific_data=data)
        return dg.EventLogEntry(None, 20, "", "a-run", 0.0, job_name="all", dagster_event=made)

    with forgetful_instance() as instance:
        log, seen = instance.event_log_storage, []
        log.watch("a-run", "", lambda each, cursor: seen.append((each.get_dagster_event().partition, cursor)))

        log.store_event_batch([event("2014-06-03"), event("2014-06-04")])

    assert [key for key, _ in seen] == ["2014-06-03", "2014-06-04"]
    assert len({cursor for _, cursor in seen}) == 2
