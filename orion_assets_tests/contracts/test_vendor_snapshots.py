"""The vendor's own clients read snapshots and trade conditions of the fake, and get its truth."""

from datetime import UTC, date, datetime, timedelta

import massive
import polars as pl
import polygon
import pytest

from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.terms import PLANS, ManualClock, Terms
from orion_assets.sources.synthetic.vendor.truth import large_market
from orion_assets_tests.raw_http import ask

LAST = date(2026, 11, 20)
STOCKS = "/v2/snapshot/locale/us/markets/stocks/tickers"
# Times of New York, five hours behind
BEFORE_OPEN = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
AFTERNOON = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
LATE = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
CLEARED = (datetime(2026, 11, 20, 8, 45, tzinfo=UTC), datetime(2026, 11, 21, 18, 0, tzinfo=UTC))


@pytest.fixture(scope="module")
def clock():
    return ManualClock(AFTERNOON)


@pytest.fixture(scope="module")
def vendor(clock):
    with fake_vendor(large_market(20, 40, LAST), clock=clock) as running:
        yield running


@pytest.fixture
def at(clock):
    def move(instant):
        clock.advance((instant - clock.now()).total_seconds())

    yield move
    move(AFTERNOON)


@pytest.fixture(scope="module", params=["polygon", "massive"])
def client(request, vendor):
    library = {"polygon": polygon, "massive": massive}[request.param]
    made = library.RESTClient("anything", base=vendor.base_url, retries=0)
    yield made
    made.client.clear()


def minutes(vendor, ticker, until):
    told = vendor.truth.minute_bars(ticker, LAST, LAST + timedelta(days=1))
    return told.filter(pl.col("ts_open") + timedelta(minutes=1) <= until)


def test_a_stock_tells_its_last_minute_its_day_so_far_and_the_day_before(client, vendor):
    told = {each.ticker: each for each in client.get_snapshot_all("stocks")}

    truth, opened = vendor.truth, datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    active = {ticker for ticker in truth.bars_on(LAST)["ticker"] if minutes(vendor, ticker, AFTERNOON).height}
    assert set(told) == active
    for ticker in ("SAAA", "SAAD", "KIMPL", "KIMpL"):
        rows = minutes(vendor, ticker, AFTERNOON)
        last, regular = rows.row(-1, named=True), rows.filter(pl.col("ts_open") >= opened)
        seen = told[ticker]
        assert (seen.min.open, seen.min.high, seen.min.low, seen.min.close) == tuple(
            last[name] for name in ("open", "high", "low", "close")
        )
        assert seen.min.timestamp == last["ts_open"].timestamp() * 1000
        assert seen.min.accumulated_volume == pytest.approx(rows["volume"].sum())
        assert (seen.day.open, seen.day.close) == (regular["open"][0], regular["close"][-1])
        assert (seen.day.high, seen.day.low) == (regular["high"].max(), regular["low"].min())
        before = truth.bars_of(ticker, date(2026, 11, 19), LAST).row(0, named=True)
        assert seen.prev_day.close == before["close"]
        assert seen.todays_change == pytest.approx(last["close"] - before["close"])
        assert seen.todays_change_percent == pytest.approx(100 * (last["close"] / before["close"] - 1), abs=1e-4)
        assert seen.updated == (last["ts_open"].timestamp() + 60) * 1e9


def test_named_tickers_alone_are_told(client):
    assert {each.ticker for each in client.get_snapshot_all("stocks", ["SAAB", "NOPE"])} == {"SAAB"}


def test_before_the_open_the_day_is_zeros(client, vendor, at):
    at(BEFORE_OPEN)

    told = {each.ticker: each for each in client.get_snapshot_all("stocks")}

    assert {(each.day.open, each.day.close, each.day.volume) for each in told.values()} == {(0, 0, 0)}
    assert told["SAAA"].min.close == minutes(vendor, "SAAA", BEFORE_OPEN)["close"][-1]


def test_a_day_that_is_over_is_its_bar_until_it_is_cleared(client, vendor, at):
    at(LATE)

    told = {each.ticker: each for each in client.get_snapshot_all("stocks")}

    bars = {row["ticker"]: row for row in vendor.truth.bars_on(LAST).iter_rows(named=True)}
    assert {name: (each.day.open, each.day.close, each.day.volume) for name, each in told.items()} == {
        name: (bar["open"], bar["close"], bar["volume"]) for name, bar in bars.items()
    }


@pytest.mark.parametrize("instant", CLEARED)
def test_from_half_past_three_to_four_and_on_closed_days_there_is_nothing(client, at, instant):
    at(instant)

    assert client.get_snapshot_all("stocks") == []


def test_an_index_tells_its_last_session_and_who_is_unknown_is_named(client, vendor):
    told = {each.ticker: each for each in client.get_snapshot_indices(["I:VIX", "I:NOPE"])}

    before, last = vendor.truth.vix.filter(pl.col("ts_event") < AFTERNOON)["close"].tail(2)
    seen = told["I:VIX"]
    assert (seen.value, seen.session.close, seen.session.previous_close) == (last, last, before)
    assert seen.session.change == pytest.approx(last - before)
    assert seen.market_status == "open"
    assert told["I:NOPE"].error == "NOT_FOUND"


def test_a_plan_without_them_is_told_so():
    with fake_vendor(
        large_market(14, 20, LAST), terms=Terms(PLANS["starter"]), clock=ManualClock(AFTERNOON)
    ) as starter:
        index = ask(starter.port, "/v3/snapshot/indices?ticker.any_of=I:VIX")
        many = ask(starter.port, "/v3/snapshot/indices?ticker.any_of=" + ",".join(f"I:{each}" for each in range(251)))
    with fake_vendor(large_market(14, 20, LAST), terms=Terms(PLANS["free"]), clock=ManualClock(AFTERNOON)) as free:
        refused = ask(free.port, STOCKS)

    assert [row["error"] for row in index.json["results"]] == ["NOT_ENTITLED"]
    assert many.status == 400
    assert refused.status == 403


def test_conditions_say_what_a_trade_moves(client):
    told = {each.id: each for each in client.list_conditions(asset_class="stocks", limit=3)}

    moves = {
        number: (rules.updates_high_low, rules.updates_open_close, rules.updates_volume)
        for number, each in told.items()
        for rules in [each.update_rules.consolidated]
    }
    assert moves[0] == (True, True, True)
    # Trades outside regular hours, and of parts of a lot, count as volume alone
    assert moves[12] == moves[37] == (False, False, True)
    assert len(told) == 8
    assert {each.id for each in client.list_conditions(asset_class="stocks", id=12)} == {12}


def stock(vendor, ticker):
    return {row["ticker"]: row for row in ask(vendor.port, STOCKS).json["tickers"]}[ticker]


def test_on_the_first_session_there_is_no_day_before(vendor, at):
    first = vendor.truth.sessions.row(0, named=True)
    at(first["ts_open"] + timedelta(hours=1))

    told = stock(vendor, "SAAA")

    assert not {"prevDay", "todaysChange", "todaysChangePerc"} & set(told)
    assert told["day"]["o"] == vendor.truth.bars_on(first["session"]).filter(ticker="SAAA")["open"].item()


def test_both_days_are_in_the_units_of_the_session_that_is_shown(vendor, at):
    split = vendor.truth.splits.filter(ticker="SAAB").row(0, named=True)
    sessions = vendor.truth.sessions["session"]
    eve, before = sessions.filter(sessions < split["ex_date"]).tail(2).reverse()
    night = datetime(split["ex_date"].year, split["ex_date"].month, split["ex_date"].day, 7, tzinfo=UTC)

    at(night)
    on_the_eve = stock(vendor, "SAAB")
    at(night + timedelta(hours=13))
    on_the_day = stock(vendor, "SAAB")

    closes = {row["session"]: row["close"] for row in vendor.truth.bars_of("SAAB", before, split["ex_date"]).to_dicts()}
    assert (on_the_eve["day"]["c"], on_the_eve["prevDay"]["c"]) == (closes[eve], closes[before])
    assert on_the_day["prevDay"]["c"] == pytest.approx(closes[eve] / 4, abs=1e-4)
    assert abs(on_the_day["todaysChangePerc"]) < 20
