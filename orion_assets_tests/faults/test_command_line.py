"""What a user reads when a vendor fails him: `orion backfill` against the fake vendor."""

from datetime import timedelta

import pytest

from orion_assets.calendars import NEW_YORK
from orion_assets.clock import SystemClock
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.truth import large_market
from orion_assets_tests.accept_runs import deployment, undisturbed
from orion_assets_tests.faults.world import KEY


@pytest.fixture
def vendor():
    today = SystemClock().now().astimezone(NEW_YORK).date() - timedelta(days=1)
    with undisturbed(), fake_vendor(large_market(14, 24, today)) as running:
        yield running


def test_cells_that_were_asked_for_in_vain_are_told_with_state_and_reason(vendor, tmp_path):
    sessions = vendor.truth.sessions["session"]
    span = "--from", str(sessions[-5]), "--to", str(sessions[-1])
    made = deployment(
        tmp_path / "own",
        "",
        start=str(sessions[-6]),
        ORION_SOURCE="polygon",
        ORION_FILES_MAPPING="",
        ORION_TICKERS="SAAA,SAAB,SAAC",
        ORION_POLYGON_BASE_URL=vendor.base_url,
        POLYGON_API_KEY=KEY,
        ORION_POLYGON_PLAN="advanced",
        ORION_CALLS_PER_MINUTE="unlimited",
        ORION_FEATURES_URL=str(tmp_path / "features"),
        ORION_REPORT_FOLDER=str(tmp_path / "quality"),
    )
    vendor.faults.add("forbidden", "range", match="/SAAB/")
    vendor.faults.add("redirect", "range", match="/SAAC/")

    said = made.orion("backfill", *span)

    assert said.code == 0, said.err
    assert "every check passed" not in said.out
    (told,) = [line for line in said.err.splitlines() if "raw_daily_bars.complete" in line]
    assert "8 rows asked for in vain, first: ticker SAAB, session" in told
    assert "not entitled: polygon: /v2/aggs/ticker/SAAB/" in told
    assert "You are not entitled to this data" in told
    assert "It is asked for again tomorrow" in told

    vendor.faults.clear()
    vendor.faults.add("unknown_key", "news")
    later = "--from", str(sessions[-6]), "--to", str(sessions[-5])

    said = made.orion("backfill", *later)

    assert said.code == 1
    (told,) = [line for line in said.err.splitlines() if line.startswith("orion:")]
    assert "raw_news: polygon: /v2/reference/news" in told
    assert "HTTP 401" in told
    assert "set a valid one" in told
    assert KEY not in said.out + said.err
