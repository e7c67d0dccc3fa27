"""`orion tickers discover` as a user calls it, against the fake vendor and sources that ask nobody."""

import json

import pytest

from orion_assets.calendars import NEW_YORK
from orion_assets.clock import SystemClock
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.store.state import State
from orion_assets_tests.accept_runs import deployment, on_vendor, recent_market, synthetic, undisturbed

KEY = "sk-never-seen-outside-a-header-7d1f"


@pytest.fixture(scope="module")
def vendor():
    with undisturbed(), fake_vendor(recent_market(2_500, 24)) as running:
        yield running


@pytest.fixture
def made(vendor, tmp_path):
    with undisturbed():
        yield on_vendor(tmp_path, vendor, ("SAAB",), "2024-01-02", POLYGON_API_KEY=KEY)


def followed(made) -> tuple[str, ...]:
    return State(made.settings["ORION_STATE_URL"]).universe()


def test_it_says_the_cost_lists_and_counts_its_calls(made, vendor):
    before = len(vendor.journal)

    said = made.orion("tickers", "discover", "us_equities", "--json")

    calls = list(vendor.journal)[before:]
    told = json.loads(said.out)
    assert (said.code, told["calls"], len(calls)) == (0, 3, 3)
    assert said.err.startswith("about 12 calls for all of them, ")
    assert {row["ticker"] for row in told["tickers"]} == {
        each.ticker
        for each in vendor.truth.listings
        if each.type == "CS" and each.is_active(SystemClock().now().astimezone(NEW_YORK).date())
    }
    assert set(told["tickers"][0]) == {"ticker", "name", "type", "exchange", "listed", "delisted", "figi"}
    assert KEY not in said.out + said.err
    assert not followed(made), "nothing is stored unless --add says so"


def test_a_limit_asks_no_further(made, vendor):
    before = len(vendor.journal)

    said = made.orion("tickers", "discover", "us_equities", "--limit", 5)

    assert said.code == 0, said.err
    assert len(vendor.journal) - before == 1
    assert "; it ends with the first 5 tickers" in said.err
    assert "5 tickers, 1 call" in said.err
    assert said.out.splitlines()[0].split() == ["ticker", "name", "type", "exchange", "listed", "delisted", "figi"]
    assert [line.split()[0] for line in said.out.splitlines()[2:7]] == ["KIMPL", "RAAF", "SAAB", "SAAC", "SAAD"]


def test_a_day_of_the_past_lists_who_traded_then_and_the_delisted_where_they_are_wanted(made, vendor):
    day = vendor.truth.sessions["session"][-3]

    told = json.loads(made.orion("tickers", "discover", "us_equities", "--as-of", day, "--delisted", "--json").out)

    ended = {(row["ticker"], row["delisted"]) for row in told["tickers"] if row["delisted"]}
    assert ended == {(each.ticker, str(each.until)) for each in vendor.truth.listings if each.is_delisted}


def test_add_follows_what_was_found_and_whom_a_first_run_would_follow(made):
    said = made.orion("tickers", "discover", "etf", "--add", "--json")

    assert json.loads(said.out)["added"] == ["SAAA"]
    assert followed(made) == ("SAAA", "SAAB")
    again = made.orion("tickers", "discover", "etf", "--add", "--json")
    assert json.loads(again.out)["added"] == []


def test_tickers_of_a_market_that_is_loaded_are_followed_too(made):
    made.env.write_text(made.env.read_text() + "ORION_MARKETS=crypto\n")

    said = made.orion("tickers", "discover", "crypto", "--add", "--json")

    added = json.loads(said.out)["added"]
    assert "X:BTCUSD" in added
    assert State(made.settings["ORION_STATE_URL"]).universe(None) == tuple(sorted([*added, "SAAB"]))


def test_a_ticker_of_a_vendor_is_followed_without_a_call(made, vendor):
    before = len(vendor.journal)

    said = made.orion("tickers", "add", "RAAF")

    assert (said.code, followed(made)) == (0, ("RAAF", "SAAB"))
    assert len(vendor.journal) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["options"], "--underlying"),
        (["etf", "--underlying", "AAPL"], "--underlying"),
        (["crypto", "--add"], "set ORION_MARKETS=crypto"),
        (["us_equities", "--as-of", "2999-01-04"], "has not come yet"),
        (["us_equities", "--as-of", "yesterday"], "is not a date"),
        (["bonds"], "bonds"),
    ],
)
def test_a_wrong_call_is_refused_before_anything_is_sent(made, vendor, arguments, says):
    before = len(vendor.journal)

    said = made.orion("tickers", "discover", *arguments)

    assert said.code == 2
    assert says in said.err
    assert len(vendor.journal) == before


def test_options_of_a_stock_are_listed(made):
    told = json.loads(made.orion("tickers", "discover", "options", "--underlying", "AAPL", "--json").out)

    assert told["tickers"]
    assert all(row["ticker"].startswith("O:AAPL") for row in told["tickers"])


def test_the_synthetic_market_lists_its_cast_without_a_call(tmp_path):
    with undisturbed():
        own = synthetic(tmp_path / "own", ("AURA",))

        told = json.loads(own.done("tickers", "discover", "us_equities", "--as-of", "2024-12-30", "--json"))
        refused = own.orion("tickers", "discover", "crypto")

    assert told["calls"] == 0
    assert {"AURA", "FLXA", "GAIA"} <= {row["ticker"] for row in told["tickers"]}
    assert refused.code == 2
    assert "it lists no crypto" in refused.err


def test_the_plan_counts_the_calls_of_the_reference(made, vendor):
    plan = json.loads(made.done("plan", "--tickers", "SAAB,SAAC", "--from", "2024-01-02", "--json"))
    lines = made.done("plan", "--tickers", "SAAB,SAAC", "--from", "2024-01-02").splitlines()

    assert plan["reference"]["calls"] == 6
    assert plan["reference"]["calls_by_route"] == {"ended": 2, "events": 2, "listed": 2}
    assert lines[1] == ("reference: about 6 calls first: 2 of the listing, 2 of the delisted, 2 of changes of ticker")


@pytest.mark.parametrize(
    ("source", "more"), [("yahoo", {}), ("alpaca", {"ALPACA_API_KEY": "a", "ALPACA_SECRET_KEY": "b"})]
)
def test_a_source_without_a_listing_says_what_to_do(tmp_path, source, more):
    with undisturbed():
        own = deployment(tmp_path / "own", "", start="2024-01-02", ORION_SOURCE=source, ORION_FILES_MAPPING="", **more)

        said = own.orion("tickers", "discover", "us_equities")

    assert said.code == 2
    assert f"{source}: it does not say whom it lists. Name the tickers, ORION_TICKERS=" in said.err
