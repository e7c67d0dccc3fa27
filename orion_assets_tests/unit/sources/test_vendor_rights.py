"""What a key may ask of the fake vendor, and what it is told when it asks for more, or too early."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from orion_assets.clock import FixedClock
from orion_assets.sources.synthetic.source import SyntheticSource
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.terms import PLANS, ManualClock, Plan, Terms
from orion_assets_tests.raw_http import ask
from orion_assets_tests.unit.sources.erring import LAST, MARKET, NOW, range_of

NEW_YORK = ZoneInfo("America/New_York")
FREE = PLANS["free"]
TODAY = "Attempted to request today's data before end of day"
TIMEFRAME = "Your plan doesn't include this data timeframe"
ENTITLED = "You are not entitled to this data"


@pytest.mark.parametrize(
    ("plan", "target", "says"),
    [
        (FREE, range_of("I:VIX", "1/day", "2026-11-02", LAST), ENTITLED),
        (FREE, range_of("X:SYNUSD", "1/day", "2026-11-02", LAST), ENTITLED),
        (FREE, "/v2/aggs/grouped/locale/global/market/crypto/2026-11-15", ENTITLED),
        (FREE, "/v2/snapshot/locale/us/markets/stocks/tickers", ENTITLED),
        (FREE, f"{MARKET}/2024-11-18", TIMEFRAME),
        (FREE, range_of("SAAA", "1/day", "2024-11-18", LAST), TIMEFRAME),
        (FREE, f"{MARKET}/2026-11-23", TIMEFRAME),
        (FREE, f"{MARKET}/{LAST}", TODAY),
        (FREE, range_of("SAAA", "1/minute", LAST, LAST), TODAY),
        (Plan(excluded=frozenset({"news"})), "/v2/reference/news", ENTITLED),
    ],
)
def test_each_kind_of_403_has_its_sentence(market, plan, target, says):
    friday = datetime(2026, 11, 20, 22, tzinfo=UTC)
    with fake_vendor(market, terms=Terms(plan), clock=FixedClock(friday)) as vendor:
        refused = ask(vendor.port, target)

    assert (refused.status, refused.json["status"]) == (403, "NOT_AUTHORIZED")
    assert refused.json["message"].startswith(says)


@pytest.mark.parametrize(("plan", "years"), [("free", 2), ("starter", 5), ("developer", 10)])
@pytest.mark.parametrize("today", [date(2024, 2, 28), date(2024, 12, 31), date(2026, 11, 21)])
def test_a_plan_reaches_back_to_the_anniversary_and_hardly_further(plan, years, today):
    floor = today - timedelta(days=PLANS[plan].history_days)

    assert timedelta() <= today.replace(year=today.year - years) - floor <= timedelta(days=2)


def test_a_free_key_gets_the_day_after_its_end(market):
    clock = ManualClock(datetime(2026, 11, 21, 0, 59, tzinfo=UTC))
    with fake_vendor(market, terms=Terms(FREE), clock=clock) as vendor:
        before = ask(vendor.port, f"{MARKET}/{LAST}").status
        clock.advance(60)
        after = ask(vendor.port, f"{MARKET}/{LAST}")

    assert (before, after.status) == (403, 200)
    assert after.json["resultsCount"] > 10


def test_a_plan_that_clips_answers_without_the_early_part(market):
    plan = Plan("free", history_days=30, clips=True)
    with fake_vendor(market, terms=Terms(plan), clock=FixedClock(NOW)) as vendor:
        rows = ask(vendor.port, range_of("SAAA", "1/day", "2026-07-20", LAST)).rows
        refused = ask(vendor.port, f"{MARKET}/2026-10-20")

    assert datetime.fromtimestamp(rows[0]["t"] / 1000, NEW_YORK).date() == date(2026, 10, 22)
    assert refused.status == 403


def test_a_session_under_way_is_told_as_far_as_it_has_come(market):
    noon = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
    with fake_vendor(market, terms=Terms(PLANS["starter"]), clock=FixedClock(noon)) as vendor:
        minutes = ask(vendor.port, range_of("SAAA", "1/minute", LAST, LAST, adjusted="false")).json
        bar = next(row for row in ask(vendor.port, f"{MARKET}/{LAST}?adjusted=false").rows if row["T"] == "SAAA")
        daily = ask(vendor.port, range_of("SAAA", "1/day", "2026-11-19", LAST, adjusted="false")).rows

    opened = int(datetime(2026, 11, 20, 14, 30, tzinfo=UTC).timestamp() * 1000)
    regular = [row for row in minutes["results"] if row["t"] >= opened]
    assert minutes["status"] == "DELAYED"
    assert regular[-1]["t"] < (noon - timedelta(minutes=15)).timestamp() * 1000
    assert (bar["o"], bar["c"]) == (regular[0]["o"], regular[-1]["c"])
    assert bar["h"] == max(row["h"] for row in regular)
    assert [row["c"] for row in daily][1:] == [bar["c"]]
    assert len(daily) == 2


def test_a_split_told_late_adjusts_nothing_before():
    market = SyntheticSource().market
    clock = ManualClock(datetime(2024, 10, 24, 12, 59, tzinfo=UTC))
    target = range_of("LYNX", "1/day", "2024-10-18", "2024-10-18")
    with fake_vendor(market, clock=clock) as vendor:
        before = ask(vendor.port, target).rows[0]
        clock.advance(120)
        after = ask(vendor.port, target).rows[0]

    assert after["c"] == pytest.approx(before["c"] / 3, abs=1e-4)
    assert after["v"] == pytest.approx(before["v"] * 3)


def test_history_answers_as_of_the_servers_clock(market):
    clock = FixedClock(datetime(2026, 10, 1, 12, tzinfo=UTC))
    with fake_vendor(market, clock=clock) as vendor:
        last = ask(vendor.port, range_of("SAAA", "1/day", "2026-09-01", LAST)).rows[-1]
        newest = ask(vendor.port, "/v2/reference/news?limit=1").rows[0]["published_utc"]

    assert datetime.fromtimestamp(last["t"] / 1000, NEW_YORK).date() == date(2026, 9, 30)
    assert datetime.fromisoformat(newest) <= clock.instant


def test_both_ways_to_show_a_key_are_taken_and_none_is_refused(market):
    with fake_vendor(market, terms=Terms(keys=frozenset({"right"}))) as vendor:
        seen = [
            ask(vendor.port, "/v1/marketstatus/now", key="right").status,
            ask(vendor.port, "/v1/marketstatus/now?apiKey=right", key=None).status,
            ask(vendor.port, "/v1/marketstatus/now", key=None).status,
        ]
        wrong = ask(vendor.port, "/v1/marketstatus/now", key="wrong")

    assert seen == [200, 200, 401]
    assert (wrong.status, wrong.json["error"]) == (401, "Unknown API Key")
