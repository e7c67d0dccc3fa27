"""Whatever launches it - the command, `dg`, the UI's backfill - the same sessions hold the same content."""

import subprocess
from datetime import date
from pathlib import Path

import pytest

from orion_assets.cli.launch import RAW, REFERENCE
from orion_assets.schemas import DERIVED
from orion_assets_tests.accept_runs import Deployment, clean_environment, figure, synthetic
from orion_assets_tests.dagster_servers import BIN, ROOT, run_dagster
from orion_assets_tests.servers import wait_until

pytestmark = pytest.mark.accept
TICKERS = ("AURA", "DUNE", "JUNO")
FIRST, LAST, END = "2024-11-01", "2024-11-29", date(2024, 11, 30)
SESSIONS = 20
LAUNCH = """mutation($given: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $given) { __typename
  ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
STATUS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
  status numPartitions } } }"""


@pytest.fixture(scope="module")
def commanded(tmp_path_factory) -> str:
    """The content hash of `orion backfill`."""
    run = synthetic(tmp_path_factory.mktemp("commanded"), TICKERS)
    run.backfill(FIRST, END)
    return run.content_hash()


def dg_launch(run: Deployment, assets: tuple[str, ...], *more: str) -> None:
    home = run.folder / "home"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    done = subprocess.run(
        [BIN / "dg", "launch", "--assets", ",".join(assets), *more],
        env=clean_environment() | run.settings | {"DAGSTER_HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_dg_launch_reaches_the_hash_of_the_command(tmp_path, commanded):
    run = synthetic(tmp_path, TICKERS)

    dg_launch(run, REFERENCE)
    dg_launch(run, (*RAW, *DERIVED), "--partition-range", f"{FIRST}...{LAST}")

    figure(f"content hash {run.content_hash()[:16]} by dg launch, {commanded[:16]} by the command")
    assert run.content_hash() == commanded


def test_a_backfill_by_graphql_reaches_the_hash_of_the_command(tmp_path: Path, commanded):
    run = synthetic(tmp_path, TICKERS)
    dg_launch(run, REFERENCE)
    days = [f"2024-11-{day:02}" for day in range(1, 30) if date(2024, 11, day).weekday() < 5 and day != 28]
    assert len(days) == SESSIONS

    with run_dagster(run.folder, run.settings, with_daemon=True) as dagster:
        given = {"assetSelection": [{"path": [name]} for name in (*RAW, *DERIVED)], "partitionNames": days}
        launched = dagster.ask(LAUNCH, given=given)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched

        def is_done() -> bool:
            told = dagster.ask(STATUS, id=launched["backfillId"])["partitionBackfillOrError"]
            assert "FAIL" not in told["status"], told
            return told["status"] == "COMPLETED_SUCCESS"

        wait_until(is_done, "the backfill", deadline_s=300)

    figure(f"content hash {run.content_hash()[:16]} by GraphQL, {commanded[:16]} by the command")
    assert run.content_hash() == commanded
