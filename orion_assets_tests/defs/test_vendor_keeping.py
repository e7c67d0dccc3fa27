"""What the sensor does for a ticker that was added where a vendor is asked; on the fake vendor."""

import dagster as dg
import pytest

from orion_assets.definitions import build_definitions
from orion_assets.schemas import SECURITIES
from orion_assets.settings import load
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.store.state import State
from orion_assets.transforms.identity import UNKNOWN
from orion_assets_tests.accept_runs import on_vendor, recent_market, undisturbed


@pytest.fixture
def vendor():
    with undisturbed(), fake_vendor(recent_market(14, 24)) as running:
        yield running


def test_a_ticker_added_is_asked_about_then_filled_derived_and_written(vendor, tmp_path):
    made = on_vendor(tmp_path, vendor, ("SAAA",), vendor.truth.sessions["session"][-4])
    made.done("backfill")
    made.done("tickers", "add", "SAAB")
    definitions = build_definitions(load(made.env))
    before, jobs = len(vendor.journal), []

    with dg.DagsterInstance.ephemeral() as on:
        while request := asked(definitions, on, made):
            jobs.append(request.job_name)
            assert len(jobs) < 9, jobs
            job = definitions.resolve_job_def(request.job_name)
            assert job.execute_in_process(
                instance=on,
                tags=dict(request.tags),
                run_config=request.run_config,
                asset_selection=request.asset_selection,
            ).success

    assert jobs[:2] == ["reference", "daily"]
    assert jobs[-1] == "history"
    routes = [entry.route for entry in vendor.journal.entries[before:]]
    assert routes.count("tickers") == 2
    assert set(routes[:3]) == {"tickers", "events"}
    named = made.of_lake(SECURITIES.name).filter(ticker="SAAB")
    assert not named["security_id"].str.starts_with(UNKNOWN).any()
    assert named.height


def asked(definitions, on, made) -> dg.RunRequest | None:
    context = dg.build_sensor_context(
        instance=on, definitions=definitions, resources={"state": State(made.settings["ORION_STATE_URL"])}
    )
    result = definitions.resolve_sensor_def("universe")(context)
    for each in result.dynamic_partitions_requests or []:
        on.add_dynamic_partitions(each.partitions_def_name, each.partition_keys)
    return next(iter(result.run_requests or []), None)
