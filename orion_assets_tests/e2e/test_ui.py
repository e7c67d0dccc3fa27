"""The UI for real: a webserver of its own on a free port of the loopback."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from orion_assets_tests import own_market

GRAPH = """{
  workspaceOrError { ... on Workspace { locationEntries { loadStatus locationOrLoadError { __typename
    ... on PythonError { message } ... on RepositoryLocation { name repositories { name } } } } } }
  assetNodes { assetKey { path } groupName description kinds isPartitioned hasAssetChecks
    dependencyKeys { path } partitionStats { numPartitions } }
}"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(port: int, query: str) -> dict:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": query}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def wait_for(port: int, server: subprocess.Popen, log: Path, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=2):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.25)
    pytest.fail(f"the webserver did not answer in {seconds} s:\n{log.read_text()}")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ui")
    own_market.write(folder)
    home = folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    port, log = free_port(), folder / "webserver.log"
    settings = dict(line.split("=", 1) for line in own_market.OwnMarket(folder).env_file().read_text().splitlines())
    command = [Path(sys.executable).parent / "dagster-webserver", "-m", "orion_assets.definitions"]
    with log.open("w") as out:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=own_market.bare_environment(DAGSTER_HOME=str(home), **settings),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(port, server, log)
        yield ask(port, GRAPH)["data"], log
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.mark.slow
def test_the_location_loads_in_the_ui_without_an_error_or_a_warning(served):
    told, log = served

    (location,) = told["workspaceOrError"]["locationEntries"]
    assert location["loadStatus"] == "LOADED"
    assert location["locationOrLoadError"]["__typename"] == "RepositoryLocation", location
    noted = [line for line in log.read_text().splitlines() if "Warning" in line or "ERROR" in line]
    assert noted == []


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
