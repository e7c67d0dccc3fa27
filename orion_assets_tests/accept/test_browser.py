"""Dagster's UI in a real browser, from an empty folder to a page on quality: what the tutorial tells a user to click.

The tests are one story and run in order. ORION_TEST_SCREENSHOTS names a folder to leave pictures in.
"""

import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orion_assets_tests.accept_runs import Deployment, figure, synthetic
from orion_assets_tests.dagster_servers import CHROMIUM, Dagster, run_browser, run_dagster
from orion_assets_tests.servers import wait_until

pytestmark = [
    pytest.mark.accept,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; apt-get install chromium"),
]
FOLLOWED, ADDED = ("AURA", "DUNE", "JUNO"), "LYNX"
NOVEMBER = ("2024-11-01", "2024-11-29")
END = date(2024, 11, 30)
ONE = "2024-11-05"
RUNS = "{ runsOrError(limit: 20) { ... on Runs { results { runId status jobName } } } }"
BACKFILLS = "{ partitionBackfillsOrError(limit: 1) { ... on PartitionBackfills { results { status numPartitions } } } }"
DONE = """query($name: String!) { assetNodeOrError(assetKey: {path: [$name]}) { ... on AssetNode {
  assetPartitionStatuses { ... on TimePartitionStatuses { ranges { status startKey endKey } }
    ... on DefaultPartitionStatuses { materializedPartitions } } } } }"""
PICTURES = os.environ.get("ORION_TEST_SCREENSHOTS")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Deployment:
    """A deployment on the synthetic market that nobody has filled yet."""
    return synthetic(tmp_path_factory.mktemp("browser"), FOLLOWED)


@pytest.fixture(scope="module")
def dagster(run) -> Iterator[Dagster]:
    with run_dagster(run.folder, run.settings, with_daemon=True) as served:
        yield served


@pytest.fixture(scope="module")
def page(dagster) -> Iterator[Any]:
    """One page for the whole story; what its console complains of is kept on it."""
    with run_browser() as browser:
        shown = browser.new_page(viewport={"width": 1440, "height": 900})
        shown.set_default_timeout(60_000)
        shown.complaints = []
        shown.on("console", lambda said: shown.complaints.append(said.text) if said.type == "error" else None)
        shown.on("pageerror", lambda error: shown.complaints.append(str(error)))
        yield shown


def picture(page: Any, name: str) -> None:
    if PICTURES:
        page.wait_for_timeout(1000)  # drawings and fading dialogs
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


def finished(dagster: Dagster, count: int) -> Callable[[], bool]:
    """Say whether so many runs were made and none goes on; a failed one ends the test."""

    def ask() -> bool:
        runs = dagster.ask(RUNS)["runsOrError"]["results"]
        assert not [each for each in runs if each["status"] in {"FAILURE", "CANCELED"}], runs
        return len(runs) >= count and {each["status"] for each in runs} == {"SUCCESS"}

    return ask


def dialog(page: Any, dagster: Dagster, partitions: str) -> Any:
    """Open the dialog of the daily job and choose partitions."""
    page.goto(f"{dagster.url}/locations/orion_assets.definitions/jobs/daily")
    page.get_by_role("button", name="Materialize all").click()
    shown = page.get_by_role("dialog")
    field = shown.locator("input[type=text]").first
    field.fill(partitions)
    field.press("Enter")
    return shown


def filled(dagster: Dagster, asset: str) -> Any:
    return dagster.ask(DONE, name=asset)["assetNodeOrError"]["assetPartitionStatuses"]


def test_the_reference_and_one_session_are_materialized(page, dagster):
    page.goto(f"{dagster.url}/locations/orion_assets.definitions/jobs/reference")
    page.get_by_role("button", name="Materialize all").click()
    wait_until(finished(dagster, 1), "the reference", deadline_s=180)

    shown = dialog(page, dagster, ONE)
    shown.get_by_role("button", name="Launch 1 run").click()
    wait_until(finished(dagster, 2), "one session", deadline_s=180)

    ranges = filled(dagster, "feature_store")["ranges"]
    assert [(each["startKey"], each["endKey"]) for each in ranges if each["status"] == "MATERIALIZED"] == [(ONE, ONE)]


def test_twenty_sessions_are_backfilled_from_the_dialog_to_the_hash_of_the_command(page, dagster, run, tmp_path):
    shown = dialog(page, dagster, f"[{NOVEMBER[0]}...{NOVEMBER[1]}]")
    picture(page, "backfill")
    shown.get_by_role("button", name="Launch backfill").click()

    def is_done() -> bool:
        (last,) = dagster.ask(BACKFILLS)["partitionBackfillsOrError"]["results"] or [{"status": ""}]
        assert "FAIL" not in last["status"]
        return last["status"] == "COMPLETED_SUCCESS"

    wait_until(is_done, "the backfill", deadline_s=300)
    commanded = synthetic(tmp_path, FOLLOWED)
    commanded.backfill(NOVEMBER[0], END)

    (done,) = [each for each in filled(dagster, "feature_store")["ranges"] if each["status"] == "MATERIALIZED"]
    assert (done["startKey"], done["endKey"]) == NOVEMBER
    figure(f"content hash {run.content_hash()[:16]} by the dialog, {commanded.content_hash()[:16]} by the command")
    assert run.content_hash() == commanded.content_hash()
    page.goto(f"{dagster.url}/asset-groups")
    page.get_by_text("history").last.wait_for()
    picture(page, "lineage")


def test_a_failed_check_shows_the_rows_that_it_accuses(page, dagster):
    page.goto(f"{dagster.url}/assets/clean_daily_bars?view=checks&checkDetail=quarantine")
    page.get_by_text("Failed", exact=True).first.wait_for()
    page.get_by_text("prices_present", exact=True).wait_for()

    row = next(line for line in page.inner_text("body").splitlines() if line.startswith("raw_daily_bars"))
    assert {ONE, "AURA", "prices_present"} <= set(row.split("\t"))
    assert "close nothing" in row
    picture(page, "check")


def test_what_a_session_holds_is_plotted_over_sessions(page, dagster):
    page.goto(f"{dagster.url}/assets/clean_daily_bars?view=overview")
    page.get_by_text("over_sessions").wait_for()
    # A long text hides behind a link, a short one is shown in its place
    drawn = page.locator("img[alt='over sessions']").or_(
        page.locator("tr", has_text="over_sessions").get_by_text("[Show")
    )
    drawn.first.wait_for()
    if page.locator("img[alt='over sessions']").count() == 0:
        drawn.first.click()
    shown = page.locator("img[alt='over sessions']").first
    shown.wait_for()
    assert shown.evaluate("image => image.naturalWidth") > 0
    picture(page, "plots")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Plots").click()
    page.get_by_role("button", name="Events").click()
    page.locator("canvas").first.wait_for()
    assert "tickers" in page.inner_text("body")


def test_a_ticker_added_gets_its_past_and_its_history(page, dagster, run):
    page.goto(f"{dagster.url}/automation")
    page.get_by_text("universe", exact=True).wait_for()
    # The switches stand in the order of the names: end_of_day, universe, weekly_history, weekly_reference
    page.locator("label[class*=formatSwitch]").nth(1).click()
    run.done("tickers", "add", ADDED)

    def has_history() -> bool:
        finished(dagster, 1)()
        return set(filled(dagster, "ticker_features")["materializedPartitions"]) == {*FOLLOWED, ADDED}

    wait_until(has_history, "the history of every ticker", deadline_s=600)
    page.goto(f"{dagster.url}/assets/ticker_features?view=partitions")
    page.get_by_text(ADDED).first.click()
    page.get_by_text("through_session").first.wait_for()
    picture(page, "history")


def test_the_report_opens_from_the_asset(page, dagster):
    page.goto(f"{dagster.url}/assets/quality_report?view=overview")
    page.get_by_text("[Show Markdown]").first.click()

    shown = page.get_by_role("dialog")
    shown.get_by_text("Quality of").first.wait_for()

    assert "checks passed" in shown.inner_text()
    picture(page, "report_in_dagster")


def test_the_browser_had_nothing_to_complain_of(page, dagster):
    assert page.complaints == []
    assert dagster.noted() == []
