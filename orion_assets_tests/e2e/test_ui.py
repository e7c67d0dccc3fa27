"""The UI for real: a webserver of its own on a free port of the loopback."""

from pathlib import Path

import pytest

from orion_assets_tests import own_market
from orion_assets_tests.dagster_servers import run_dagster

GRAPH = """{
  workspaceOrError { ... on Workspace { locationEntries { loadStatus locationOrLoadError { __typename
    ... on PythonError { message } ... on RepositoryLocation { name repositories { name } } } } } }
  assetNodes { assetKey { path } groupName description kinds isPartitioned hasAssetChecks
    dependencyKeys { path } partitionStats { numPartitions } }
}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ui")
    market = own_market.write(folder)
    settings = dict(line.split("=", 1) for line in market.env_file().read_text().splitlines())
    with run_dagster(folder, settings) as dagster:
        yield dagster.ask(GRAPH), dagster


@pytest.mark.slow
def test_the_location_loads_in_the_ui_without_an_error_or_a_warning(served):
    told, dagster = served

    (location,) = told["workspaceOrError"]["locationEntries"]
    assert location["loadStatus"] == "LOADED"
    assert location["locationOrLoadError"]["__typename"] == "RepositoryLocation", location
    assert dagster.noted() == []


@pytest.mark.slow
def test_the_ui_shows_the_golden_graph(served):
    told, _ = served
    golden = (Path(__file__).parents[1] / "defs" / "golden_graph.txt").read_text().splitlines()

    shown = {node["assetKey"]["path"][-1]: node for node in told["assetNodes"]}

    assert sorted(shown) == [line.partition(":")[0] for line in golden]
    assert all(node["description"].startswith("One ") for node in shown.values())
    assert {node["groupName"] for node in shown.values()} == {"raw", "clean", "features", "store", "history"}
    assert {name for name, node in shown.items() if not node["isPartitioned"]} == {"raw_tickers", "securities"}
    by_session = [node for node in shown.values() if node["isPartitioned"] and node["groupName"] != "history"]
    sizes = {node["partitionStats"]["numPartitions"] for node in by_session}
    assert len(sizes) == 1
    assert sizes.pop() > 3000
