"""`orion update` on a fresh day: what it asks for is what was planned, and a second one asks nothing."""

import json
import re
from datetime import timedelta

import polars as pl
import pytest
import sqlalchemy as sa

from orion_assets import calendars
from orion_assets.market_hours import sessions_of
from orion_assets.markets import CRYPTO
from orion_assets.schemas import RAW_DAILY_BARS
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets_tests.accept_runs import on_vendor, recent_market, undisturbed

FOLLOWED = ("SAAA", "SAAB", "SAAC")
COIN, OTHER_COIN = "X:SYNUSD", "X:FAKUSD"


@pytest.fixture
def vendor():
    with undisturbed(), fake_vendor(recent_market(30, 24)) as running:
        yield running


def landed_on_its_evening(state_url: str, sessions: pl.DataFrame) -> None:
    """Let the ledger say that each session was asked for on its evening: what a live deployment's says."""
    closes = sessions.select("session", "ts_close_cutoff")
    engine = sa.create_engine(state_url)
    with engine.begin() as connection:
        for session, cutoff in closes.iter_rows():
            at = round(cutoff.timestamp() * 1_000_000)
            query = "UPDATE ledger SET ts_updated = :at WHERE session = :day AND dataset LIKE 'raw_%'"
            connection.execute(sa.text(query), {"at": at, "day": str(session)})
    engine.dispose()


def test_an_update_makes_the_calls_of_its_plan_and_the_next_one_none(vendor, tmp_path):
    sessions = vendor.truth.sessions["session"].to_list()
    made = on_vendor(tmp_path, vendor, FOLLOWED, sessions[-8])
    made.done("backfill", "--to", sessions[-1])
    landed_on_its_evening(made.settings["ORION_STATE_URL"], calendars.sessions(sessions[-8], sessions[-1]))
    before = len(vendor.journal)
    # One more turn of one session: a bar that the vendor tells otherwise
    vendor.faults.add("restated", ticker="SAAB", session=str(sessions[-2]), factor=1.25)
    planned = json.loads(made.done("plan", "--json"))

    said = made.orion("update")
    fresh = vendor.journal.entries[before:]
    calls, after = len({entry.path for entry in fresh}), len(vendor.journal)
    again = made.orion("update")

    assert said.code == 0, said.err
    # In a market as small as this one days without a dividend are asked for a second time, in the same words
    asked = [entry.path for entry in fresh]
    assert {entry.route for entry in fresh if asked.count(entry.path) > 1} <= {"dividends"}
    told = [int(each.replace(",", "")) for each in re.findall(r"^([\d,]+) calls for", said.err, re.MULTILINE)]
    assert sum(told) == calls == planned["calls"] > 0
    assert planned["asked_again"] > 0
    assert "are asked for again for corrections" in said.err
    versions = made.of_lake(RAW_DAILY_BARS.name).filter(ticker="SAAB", session=sessions[-2])
    assert versions.height == 2
    assert versions["close"][1] == pytest.approx(versions["close"][0] * 1.25)
    assert len(vendor.journal) == after
    assert again.code == 0
    assert again.out.startswith("up to date")
    report = json.loads(made.done("quality", "report", "--json"))
    assert [row["key"] for row in report["restated"] if row["table"] == "clean_daily_bars"] == [f"SAAB {sessions[-2]}"]


def test_an_update_asks_again_for_another_market_by_its_own_days(vendor, tmp_path):
    last = vendor.truth.sessions["session"].to_list()[-1]
    start = last - timedelta(days=7)
    made = on_vendor(tmp_path, vendor, (COIN,), start)
    made.done("backfill", "--datasets", "daily", "--to", last)
    landed_on_its_evening(made.settings["ORION_STATE_URL"], sessions_of(CRYPTO, start, last))
    before = len(vendor.journal)
    (close,) = made.of_lake("raw_daily_bars_crypto").filter(session=last - timedelta(days=1))["close"]
    # A day of UTC begins on the evening before, as the fault counts
    vendor.faults.add("restated", ticker=COIN, session=str(last - timedelta(days=2)), factor=1.25)
    planned = json.loads(made.done("plan", "--datasets", "daily", "--json"))["markets"]["crypto"]

    said = made.orion("update")
    after = len(vendor.journal)
    again = made.orion("update")

    # The vendor's market may end before today: that is asked a second time, in the same words
    calls = len({entry.path for entry in vendor.journal.entries[before:after]})
    assert said.code == 0, said.err
    assert "crypto: " in said.err
    assert "are asked for again for corrections" in said.err
    assert calls == planned["calls"] > 0
    assert planned["asked_again"] > 0
    versions = made.of_lake("raw_daily_bars_crypto").filter(ticker=COIN, session=last - timedelta(days=1))
    assert versions.sort("ts_known")["close"].to_list() == [pytest.approx(close), pytest.approx(close * 1.25)]
    assert len(vendor.journal) == after
    assert again.code == 0


def test_a_limit_on_tickers_holds_for_another_market_too(vendor, tmp_path):
    last = vendor.truth.sessions["session"].to_list()[-1]
    made = on_vendor(tmp_path, vendor, (COIN, OTHER_COIN), last - timedelta(days=7))

    said = made.orion("backfill", "--datasets", "daily", "--max-tickers", 1)

    assert said.code == 3, said.err
    assert "--max-tickers 1: 1 ticker with cells to fill remain" in said.err
    asked = {entry.path.split("/")[4] for entry in vendor.journal.entries if "/range/" in entry.path}
    assert len(asked) == 1
