"""What a user reads when a vendor fails him, and what the runs leave behind: `orion backfill` and a fake vendor.

The tests read one story: a range whose answers are refused or torn in part, then one for which the key is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from orion_assets.sources.synthetic.vendor.server import FakeVendor, fake_vendor
from orion_assets_tests.accept_runs import Deployment, Said, on_vendor, recent_market, undisturbed
from orion_assets_tests.faults.world import KEY
from orion_assets_tests.leaks import leaked

# Refused by the vendor, torn on the way, and one that says the key back; each leaves other traces
FAULTY = (
    ("forbidden", {"route": "range", "match": "/SAAB/"}),
    ("redirect", {"route": "range", "match": "/SAAC/"}),
    ("server_error", {"nth": [1]}),
    ("body", {"route": "splits", "nth": [1], "text": f'{{"status": "ERROR", "error": "Unknown API Key {KEY}"}}'}),
)


@dataclass(frozen=True)
class Story:
    """The deployment, the vendor that it asked, and what its two backfills answered."""

    made: Deployment
    vendor: FakeVendor
    in_part: Said
    without_key: Said


@pytest.fixture(scope="module")
def story(tmp_path_factory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("story") / "own"
    with (
        undisturbed(),
        pytest.MonkeyPatch.context() as patch,
        fake_vendor(recent_market(14, 24)) as vendor,
    ):
        # The run exports it, and it must not outlive the test
        patch.setenv("DAGSTER_HOME", str(folder / "home"))
        sessions = vendor.truth.sessions["session"]
        made = deployed(vendor, folder, start=sessions[-6])
        for fault, more in FAULTY:
            vendor.faults.add(fault, **more)
        in_part = made.orion("backfill", "--from", sessions[-5], "--to", sessions[-1])
        vendor.faults.clear()
        vendor.faults.add("unknown_key", "news")
        without_key = made.orion("backfill", "--from", sessions[-6], "--to", sessions[-5])
        yield Story(made, vendor, in_part, without_key)


def deployed(vendor, folder, *, start) -> Deployment:
    """Give a deployment that asks the fake vendor for three tickers and keeps all that it makes in one folder."""
    return on_vendor(
        folder,
        vendor,
        ("SAAA", "SAAB", "SAAC"),
        start,
        POLYGON_API_KEY=KEY,
        ORION_LOG_LEVEL="DEBUG",
        DAGSTER_HOME=str(folder / "home"),
    )


def test_cells_that_were_asked_for_in_vain_are_told_with_state_and_reason(story):
    said = story.in_part

    assert said.code == 0, said.err
    assert "every check passed" not in said.out
    (told,) = [line for line in said.err.splitlines() if "raw_daily_bars.complete" in line]
    assert "8 rows asked for in vain, first: ticker SAAB, session" in told
    assert "not entitled: polygon: /v2/aggs/ticker/SAAB/" in told
    assert "You are not entitled to this data" in told
    assert "It is asked for again tomorrow" in told


def test_a_key_that_is_refused_is_told_with_what_to_do(story):
    said = story.without_key

    assert said.code == 1
    (told,) = said.complaints
    assert "raw_news: polygon: /v2/reference/news" in told
    assert "HTTP 401" in told
    assert "set a valid one" in told


def test_what_faulty_runs_leave_behind_holds_the_key_nowhere_but_in_the_settings(story):
    made, vendor = story.made, story.vendor
    shown = [said.out + said.err for said in (story.in_part, story.without_key)]
    kept = {path.relative_to(made.folder).parts[0] for path in made.folder.rglob("*") if path.is_file()}

    assert set(vendor.faults.hits) == {*(fault for fault, _ in FAULTY), "unknown_key"}
    # Every line is shown, and everything is kept that there is to be searched
    assert all("polygon: /v2/" in text for text in shown)
    assert kept >= {"lake", "archive", "state.db", "store.duckdb", "home", "quality", "settings.env"}
    assert any((made.folder / "home").rglob("*.db"))
    assert not [text for text in shown if KEY in text]
    assert not [entry.path for entry in vendor.journal if KEY in entry.path]
    # That the settings are named shows that the search finds
    assert leaked(made.folder, KEY) == ["settings.env"]
