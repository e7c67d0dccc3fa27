"""`orion market status --vendor`: the calendar held against the fake vendor, and against one that says otherwise."""

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest

from orion_assets import calendars
from orion_assets.calendars import NEW_YORK
from orion_assets.clock import SystemClock
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.truth import large_market
from orion_assets_tests.accept_runs import undisturbed
from orion_assets_tests.cli.test_fetch import asking
from orion_assets_tests.scripted_server import answer, scripted


@pytest.fixture
def now():
    return SystemClock().now()


@pytest.fixture
def vendor(now):
    yesterday = now.astimezone(NEW_YORK).date() - timedelta(days=1)
    with undisturbed(), fake_vendor(large_market(14, 20, yesterday)) as running:
        yield running


def says(now, *upcoming: dict, **more):
    """The bodies of a vendor: now, and the days to come."""
    at = now.astimezone(NEW_YORK)
    return [{"market": "closed", "serverTime": at.isoformat(timespec="seconds"), **more}, list(upcoming)]


def test_the_fake_vendor_and_the_calendar_agree_for_a_year_in_two_calls(vendor, tmp_path, now):
    said = asking(vendor, tmp_path).orion("market", "status", "--vendor")

    assert said.code == 0, said.err
    last = said.out.splitlines()[-1]
    assert last.startswith("the vendor and the calendar agree through ")
    through = calendars.closed_dates(now.date(), now.date() + timedelta(days=360))[-1]
    assert last.rpartition(" ")[2] >= through.isoformat()
    assert [entry.route for entry in vendor.journal] == ["status_now", "status_upcoming"]


def test_what_it_says_otherwise_is_named_and_the_exit_code_is_1(tmp_path, now):
    today = now.astimezone(NEW_YORK).date()
    day = calendars.sessions(today + timedelta(days=1))["session"][0]
    row = {"date": day.isoformat(), "exchange": "NYSE", "name": "Mourning", "status": "closed"}
    now_says, upcoming = (json.dumps(each).encode() for each in says(now, row, {**row, "exchange": "NASDAQ"}))
    with undisturbed(), scripted() as server:
        server.say(answer(now_says), answer(upcoming))
        made = asking(SimpleNamespace(base_url=server.url), tmp_path)
        told = made.orion("market", "status", "--vendor", "--json")

    assert told.code == 1
    found = json.loads(told.out)["vendor"]
    assert found["through"] == day.isoformat()
    assert any(line.startswith(f"{day} NYSE: the vendor says closed (Mourning)") for line in found["differences"])


@pytest.mark.parametrize(
    "row",
    [
        {"date": "soon", "exchange": "NYSE", "status": "closed"},
        {"date": "2026-12-24", "exchange": "NYSE", "status": "early-close", "close": "13:00"},
        {"date": "2026-12-24", "exchange": "NYSE", "status": "half"},
    ],
)
def test_a_day_that_cannot_be_read_is_refused(tmp_path, now, row):
    bodies = [json.dumps(each).encode() for each in says(now, row)]
    with undisturbed(), scripted() as server:
        server.say(answer(bodies[0]), answer(bodies[1]))
        said = asking(SimpleNamespace(base_url=server.url), tmp_path).orion("market", "status", "--vendor")

    assert said.code == 1
    assert "a day to come cannot be read" in said.err
    assert "sk-not-to-be-seen" not in said.err + said.out


def test_without_polygon_and_for_another_instant_it_is_refused(vendor, tmp_path):
    made = asking(vendor, tmp_path)

    other = asking(vendor, tmp_path / "b", ORION_SOURCE="synthetic").orion("market", "status", "--vendor")
    past = made.orion("market", "status", "--vendor", "--at", "2024-01-02T15:00Z")

    assert (other.code, past.code) == (2, 2)
    assert "ORION_SOURCE=polygon" in other.err
    assert "the vendor speaks of now" in past.err
    assert len(vendor.journal) == 0
