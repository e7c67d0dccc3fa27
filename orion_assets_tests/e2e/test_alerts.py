"""Fault 37 from the vendor to the user: volumes that are multiplied, and a minute that nobody has, end as alerts."""

import json
from datetime import UTC, datetime

import pytest

from orion_assets.calendars import NEW_YORK
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets_tests.accept_runs import on_vendor, recent_market, undisturbed


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Fill a deployment from a vendor with both faults; gives it, the session of the faults, and what the runs said."""
    with undisturbed(), fake_vendor(recent_market(40, 26)) as vendor:
        first, last = vendor.truth.sessions["session"][0], vendor.truth.sessions["session"][-1]
        held = vendor.truth.daily_bars.filter(session=last)["ticker"].sort().to_list()
        made = on_vendor(tmp_path_factory.mktemp("alerts"), vendor, held, first)
        # Of twice the volume a quiet day of the market would hide a part
        vendor.faults.add("doubled_volumes", match=f"/grouped/locale/us/market/stocks/{last}", factor=3.0)
        vendor.faults.add("minute_hole", match="/range/1/minute/", at="10:31", minutes=2)
        said = [made.done("backfill", "--datasets", "daily,vix,news,actions", "--json")]
        said.append(made.done("backfill", "--from", last, "--datasets", "minute", "--json"))
        assert vendor.faults.hits.keys() == {"doubled_volumes", "minute_hole"}
    findings = [(each["check"], each["rows"]) for run in said for each in json.loads(run)["findings"]]
    return made, last, findings


def accused(made, check: str) -> list[dict]:
    checks = json.loads(made.done("quality", "report", "--json"))["checks"]
    (found,) = [each["accused"] for each in checks if each["check"] == check]
    return found


def test_the_run_that_lands_it_says_so(filled):
    _, _, findings = filled

    assert ("no_minute_lost", 1) in findings
    assert "plausible" in {check for check, _ in findings}


def test_volumes_that_are_multiplied_for_everybody_are_an_alert_that_names_session_and_tickers(filled):
    made, last, _ = filled

    (alert,) = [each for each in accused(made, "plausible") if each["rule"] == "volumes"]

    assert (alert["ticker"], alert["session"]) == ("*", str(last))
    assert "times its usual volume: " in alert["found"]
    assert " SAAA, " in alert["found"]
    assert alert["found"].endswith(" more")
    assert "another source" in alert["remedy"]


def test_a_minute_that_nobody_has_is_an_alert_that_names_minutes_and_tickers(filled):
    made, last, _ = filled

    (alert,) = accused(made, "no_minute_lost")

    hole = datetime(last.year, last.month, last.day, 10, 31, tzinfo=NEW_YORK).astimezone(UTC)
    assert (alert["ticker"], alert["session"], alert["minutes"]) == ("*", str(last), 2)
    assert alert["ts_open"] == f"{hole:%Y-%m-%dT%H:%M:%SZ}"
    assert "traded on both sides of it: " in alert["found"]
    assert " SAAA, " in alert["found"]
    assert "orion backfill of the session" in alert["remedy"]
