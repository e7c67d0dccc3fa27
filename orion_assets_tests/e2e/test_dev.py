"""`orion dev` in a folder that is no clone: the UI shows what the command line did there, and nothing else."""

import os
import signal
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from orion_assets_tests.dagster_servers import BIN, Dagster
from orion_assets_tests.own_market import bare_environment
from orion_assets_tests.servers import free_port, wait_until

SETTINGS = "ORION_SOURCE=synthetic\nORION_START=2024-12-27\nORION_TICKERS=AURA,LYNX\n"
SEEN = """{
  assetsOrError { ... on AssetConnection { nodes { key { path } assetMaterializations(limit: 1) { partition } } } }
}"""


@contextmanager
def opened(folder, *arguments):
    port = free_port()
    log = folder / "dev.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [BIN / "orion", *arguments, "dev", "--port", str(port)],
            cwd=folder,
            env=bare_environment(),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    dagster = Dagster(port, (log,))
    try:
        wait_until(lambda: process.poll() is not None or answers(dagster), "the UI", deadline_s=180)
        assert process.poll() is None, log.read_text()
        yield dagster, log
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    wait_until(lambda: not is_any_left(process.pid), "all that it began to end", deadline_s=60)


def is_any_left(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def answers(dagster) -> bool:
    try:
        with urllib.request.urlopen(f"{dagster.url}/server_info", timeout=2):
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


@pytest.fixture
def filled(tmp_path):
    """A folder with settings that no `.env` of its own may override, and one filled session more than none."""
    (tmp_path / "mine.env").write_text(SETTINGS)
    (tmp_path / ".env").write_text("ORION_SOURCE=files\nORION_LAKE_URL=./elsewhere\nORION_START=2014-01-02\n")
    (tmp_path / ".dagster").mkdir()
    command = [BIN / "orion", "--env-file", "mine.env", "backfill"]
    done = subprocess.run(command, cwd=tmp_path, env=bare_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_it_shows_what_was_filled_here_and_ends_with_all_that_it_began(filled):
    with opened(filled, "--env-file", "mine.env") as (dagster, log):
        wait_until(lambda: made(dagster).get("feature_store"), "the location to load", deadline_s=120)

        assert made(dagster)["feature_store"] == "2024-12-31"
        assert not (filled / "elsewhere").exists()
        assert "SupersessionWarning" not in log.read_text()
        assert f"runs remembered in {filled / '.dagster'}" in log.read_text().replace("\n", "")

    assert "enabled: false" in (filled / ".dagster" / "dagster.yaml").read_text()


def made(dagster) -> dict[str, str]:
    nodes = dagster.ask(SEEN)["assetsOrError"]["nodes"]
    return {
        node["key"]["path"][-1]: node["assetMaterializations"][0]["partition"]
        for node in nodes
        if node["assetMaterializations"]
    }
