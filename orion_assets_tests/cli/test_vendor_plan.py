"""What a vendor's calls cost is said before they are made, and batches can be made smaller; on the fake vendor."""

import json
from datetime import timedelta

import pytest

from orion_assets.calendars import NEW_YORK
from orion_assets.clock import SystemClock
from orion_assets.sources.limiter import budget_of
from orion_assets.sources.routes import Floor
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.store.floors import StoredFloors
from orion_assets_tests.accept_runs import on_vendor, recent_market, undisturbed

FOLLOWED = "SAAA,SAAB,SAAC"


@pytest.fixture
def vendor():
    with undisturbed(), fake_vendor(recent_market(14, 24)) as running:
        yield running


@pytest.fixture
def made(vendor, tmp_path):
    return on_vendor(tmp_path, vendor, FOLLOWED.split(","), vendor.truth.sessions["session"][-4])


def routes(vendor) -> list[str]:
    return [entry.route for entry in vendor.journal.entries]


def test_a_plan_goes_by_the_calls_a_minute_that_the_settings_state(made):
    made.env.write_text(made.env.read_text().replace("=unlimited", "=2"))

    told = json.loads(made.done("plan", "--json"))

    assert told["calls"] > 2
    assert told["seconds"] == 30.0 * told["calls"]


def test_a_plan_says_what_each_route_costs_and_what_all_cost_with_the_reference(made):
    made.env.write_text(made.env.read_text().replace("=unlimited", "=2"))

    told = json.loads(made.done("plan", "--json"))
    shown = made.done("plan").splitlines()

    routes, first = told["routes"], told["reference"]["routes"]
    assert {name: each["calls"] for name, each in routes.items()} == told["calls_by_route"]
    assert [each["calls"] for each in first.values()] == [3, 3, 3]
    for name in ("bytes", "disk_bytes", "seconds"):
        assert sum(each[name] for each in routes.values()) == told[name] > 0
    both = {**first, **routes}
    assert told["total"]["calls"] == told["calls"] + 9
    assert told["total"]["seconds"] == sum(each["seconds"] for each in both.values()) == 30.0 * told["total"]["calls"]
    at = shown.index("Estimated cost by route")
    assert shown[at + 1].split() == ["route", "calls", "to", "fetch", "on", "disk", "time", "with", "spare"]
    table = {line.split()[0]: int(line.split()[1]) for line in shown[at + 3 : shown.index("", at)]}
    assert table == {**{name: each["calls"] for name, each in both.items()}, "all": told["total"]["calls"]}
    assert any("x bytes a row" in line for line in shown[at:])


def test_the_plan_of_a_subscription_is_for_what_a_backfill_asks_for(made):
    asked = ("plan", "--plan", "starter")

    usual, named = (json.loads(made.done(*asked, *more, "--json")) for more in ((), ("--datasets", "daily,minute")))
    made.env.write_text(made.env.read_text() + 'ORION_DATASETS="minute"\n')
    by_settings = json.loads(made.done(*asked, "--json"))

    assert not [route for route in usual["calls_by_route"] if "minute" in route]
    assert {"news", "splits", "dividends"} < usual["calls_by_route"].keys()
    assert [route for route in named["calls_by_route"] if "minute" in route]
    assert all("minute" in route for route in by_settings["calls_by_route"])
    assert f"tickers: 3; {usual['total']['calls']} calls in all" in made.done(
        *asked, "--datasets", "daily,vix,news,actions"
    )


def test_a_market_of_which_the_settings_want_nothing_is_passed_over(made):
    made.env.write_text(made.env.read_text() + 'ORION_DATASETS="news"\n')
    asked = ("plan", "--plan", "starter", "--tickers", "SAAA,X:BTCUSD")

    said = made.orion(*asked, "--json")
    told = json.loads(said.out)
    named = made.orion(*asked, "--datasets", "news")
    alone = made.orion("plan", "--plan", "starter", "--tickers", "X:BTCUSD")

    assert set(told["calls_by_route"]) == {"news"}
    assert "markets" not in told
    assert (said.code, named.code, alone.code) == (0, 2, 2)
    assert "ORION_DATASETS=news: there is none of crypto" in alone.err
    assert "plan: ORION_DATASETS asks for nothing that crypto has; it has daily and minute" in said.err
    assert "--datasets news: there is none of crypto" in named.err


def test_a_plan_lists_every_call_where_asked(made):
    since = SystemClock().now().astimezone(NEW_YORK).date() - timedelta(days=100)
    asked = ("plan", "--plan", "free", "--from", since)

    told = json.loads(made.done(*asked, "--calls", "--json"))
    shown = made.done(*asked, "--calls").splitlines()
    short = json.loads(made.done(*asked, "--json"))

    assert sum(each["requests"] for each in told["work"]) == told["calls"] > 12
    assert "work" not in short
    after = shown[shown.index("Calls, in their order") + 3 :]
    assert [line.split()[0] for line in after if line] == [each["route"] for each in told["work"]]
    assert {word for each in told["work"] for word in each["tickers"]} == set(FOLLOWED.split(","))


def test_a_plan_counts_the_calls_of_the_weekly_listing_once_a_week(made, vendor):
    before = json.loads(made.done("plan", "--json"))
    said = made.orion("backfill")
    after = json.loads(made.done("plan", "--json"))

    assert said.code == 0, said.err
    made_calls = [route for route in routes(vendor) if route in ("tickers", "events")]
    assert before["reference"]["calls"] == len(made_calls) == 9
    assert "reference: about 9 calls first: 3 of the listing, 3 of the delisted, 3 of changes of ticker" in said.err
    assert after["reference"]["calls"] == 0


def test_an_update_says_what_it_costs_before_it_asks_and_then_makes_those_calls(made, vendor):
    sessions = vendor.truth.sessions["session"]
    assert made.orion("backfill", "--to", sessions[-2]).code == 0
    before = len(vendor.journal)

    said = made.orion("update")

    assert said.code == 0, said.err
    # What an answer leaves out is asked for again, on top of the plan
    fresh = [each for each in vendor.journal.entries[before:] if each.route not in ("tickers", "events")]
    spent = {each.path for each in fresh}
    (told,) = [line for line in said.err.splitlines() if " cells: " in line and "calls for" in line]
    assert f"[{sessions[-2]}, " in said.err
    assert told.startswith(f"{len(spent)} calls for "), (told, spent)


def test_a_backfill_for_fewer_tickers_leaves_the_others_for_the_next_time(made, vendor):
    first = made.orion("backfill", "--max-tickers", 2)
    second = made.orion("backfill", "--max-tickers", 2)

    asked = {entry.path.split("/")[4] for entry in vendor.journal.entries if entry.route == "range"}
    assert (first.code, second.code) == (3, 0), first.err + second.err
    assert "--max-tickers 2: 1 ticker with cells to fill remain" in first.err
    assert asked >= set(FOLLOWED.split(","))


def test_a_deployment_of_a_vendor_is_no_fault_for_listing_nobody(made):
    said = made.orion("doctor", "--json")

    (found,) = [
        each for each in json.loads(said.out)["findings"] if each["subject"] == "source" and "tickers" in each["found"]
    ]
    assert (found["level"], found["found"]) == ("ok", "polygon, tickers: 3")


def test_a_ticker_is_followed_though_a_vendor_lists_nobody(made):
    assert json.loads(made.done("tickers", "add", "SAAD", "--json")) == {"added": ["SAAD"]}


def test_a_floor_found_a_week_ago_is_looked_for_again_before_it_is_planned_by(made, vendor):
    sessions = vendor.truth.sessions["session"]
    today = SystemClock().now().astimezone(NEW_YORK).date()
    floors, budget = (
        StoredFloors(f"sqlite:///{made.folder / 'state.db'}"),
        budget_of("polygon", made.settings["POLYGON_API_KEY"]),
    )
    floors.record(budget, "raw_daily_bars", Floor(sessions[5], today - timedelta(days=7), is_rolling=True))

    said = made.orion("backfill", "--to", sessions[-2])
    again = made.orion("update")

    assert (said.code, again.code) == (0, 0), said.err + again.err
    assert f"on {today - timedelta(days=7)}; looked for again with" in said.err
    assert "looked for again" not in again.err
    assert floors.of(budget)["raw_daily_bars"].first == sessions[0]
    assert floors.of(budget)["raw_daily_bars"].on == today


def spent(vendor) -> int:
    """Count the calls, a second question to the same address once."""
    return len({entry.path for entry in vendor.journal.entries})


def test_no_more_calls_are_made_than_allowed_and_the_reference_comes_first(made, vendor):
    codes, told, whole = [], [], json.loads(made.done("plan", "--json"))
    for most in (1, 8, 3):
        before = len(vendor.journal)
        plan = json.loads(made.done("plan", "--max-calls", most, "--json"))
        said = made.orion("backfill", "--max-calls", most)
        codes.append((said.code, len(vendor.journal) - before))
        told.append((min(plan["reference"]["calls"], most) + plan["calls"], said.err.splitlines()[-1]))

    assert codes == [(3, 1), (3, 8), (3, 3)], told
    assert [planned for planned, _ in told] == [1, 8, 3]
    assert "--max-calls 1: calls remain, 8 of the reference and" in told[0][1]
    assert "--max-calls 8: calls remain, " in told[1][1]
    assert "of the reference" not in told[1][1]
    assert routes(vendor)[:9].count("tickers") + routes(vendor)[:9].count("events") == 9
    assert {"tickers", "events"}.isdisjoint(routes(vendor)[9:])
    assert made.orion("backfill", "--max-calls", 99).code == 0
    # Few pay dividends here: of sessions in which nobody does the first is asked for alone, whether it is refused
    assert spent(vendor) == whole["calls"] + whole["reference"]["calls"] + 1


def test_a_call_that_takes_more_requests_than_are_allowed_says_how_many_it_needs(made, vendor):
    followed = [f"ZZ{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(13)]
    made.env.write_text(made.env.read_text().replace(FOLLOWED, ",".join(followed)))

    said = made.orion("backfill", "--max-calls", 5)

    assert (said.code, len(vendor.journal)) == (3, 0), said.err
    assert "the next one needs 12: allow at least 12" in said.err


def test_a_plan_for_named_tickers_counts_the_reference_that_a_backfill_of_them_asks_for(made, vendor):
    before = json.loads(made.done("plan", "--tickers", "SAAA", "--json"))
    said = made.orion("backfill", "--tickers", "SAAA")

    assert said.code == 0, said.err
    asked = [route for route in routes(vendor) if route in ("tickers", "events")]
    assert before["reference"]["calls"] == len(asked) == 9


def test_an_update_asks_for_no_minutes_of_before_the_first_that_were_asked_for_and_for_no_more_than_allowed(
    made, vendor
):
    last = vendor.truth.sessions["session"][-1]
    made.env.write_text(made.env.read_text() + "ORION_DATASETS=daily,minute\n")
    assert made.orion("backfill", "--datasets", "daily", "--to", last).code == 0
    assert made.orion("backfill", "--datasets", "minute", "--from", last).code == 0
    before = len(vendor.journal)

    few = made.orion("update", "--max-calls", 0)
    said = made.orion("update")
    again = made.orion("update")

    asked = [entry.path for entry in vendor.journal.entries[before:]]
    assert (few.code, said.code, again.code) == (3, 0, 0), few.err + said.err + again.err
    assert "--max-calls 0: calls remain, 1 of the plan; the next one needs 1: allow at least 1" in few.err
    assert asked, "the daily bars of the last session"
    assert not [path for path in asked if "/minute/" in path]
    assert f"filled 1 session, [{last}, " in said.out
    assert "up to date" in again.out


def test_a_plan_of_two_markets_counts_both_against_one_limit(made):
    words = ("plan", "--plan", "advanced", "--tickers", "SAAA,X:BTCUSD", "--datasets", "daily", "--json")

    few = json.loads(made.done(*words, "--max-calls", 4))
    more = json.loads(made.done(*words, "--max-calls", 1_000))

    assert more["reference"]["calls"] == 9
    assert (few["calls"], few["markets"]["crypto"]["calls"]) == (0, 0)
    spare = 9 + more["calls"]
    exact = json.loads(made.done(*words, "--max-calls", spare))
    assert (exact["calls"], exact["markets"]["crypto"]["calls"]) == (more["calls"], 0)
    assert more["markets"]["crypto"]["calls"] > 0
