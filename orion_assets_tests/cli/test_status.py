"""`orion status`: counted by dataset, ticker and month, what is wrong and why, and the ledger made anew."""

import json
from datetime import date

import pytest

from orion_assets.store.state import STATES, State
from orion_assets_tests import own_market

MONTHS = ["2014-06", "2014-07"]


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    made = own_market.write(tmp_path_factory.mktemp("status"))
    said = made.orion("backfill", "--to", own_market.END)
    assert said.code == 0, said.err
    return made


def told(market, *arguments):
    said = market.orion("status", *arguments, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_by_month_and_by_ticker_count_what_by_dataset_counts(market):
    whole = {row["dataset"]: row for row in told(market)["cells"]}

    for by in ("month", "ticker"):
        rows = told(market, "--by", by)["cells"]
        for dataset, row in whole.items():
            mine = [each for each in rows if each["dataset"] == dataset]
            assert {name: sum(each[name] for each in mine) for name in STATES} == {name: row[name] for name in STATES}
            assert (min(each["first"] for each in mine), max(each["last"] for each in mine)) == (
                row["first"],
                row["last"],
            )
    assert sorted({row["month"] for row in told(market, "--by", "month")["cells"]}) == MONTHS


def test_the_tickers_that_lack_most_come_first(market):
    rows = told(market, "--by", "ticker", "--dataset", "raw_daily_bars")["cells"]

    assert [(row["ticker"], row["quarantined"]) for row in rows] == [("BOLT", 1), ("ACME", 0)]
    shown = market.orion("status", "--by", "ticker", "--dataset", "raw_daily_bars").out
    assert [line.split()[1] for line in shown.splitlines() if line.startswith("raw_daily")][:2] == ["BOLT", "ACME"]


def test_a_range_and_tickers_bound_what_is_counted(market):
    (row,) = told(market, "--tickers", "ACME", "--from", "2014-06-30", "--to", "2014-07-03")["cells"]

    assert (row["dataset"], row["tickers"], row["data"]) == ("raw_daily_bars", 1, 3)
    assert (row["first"], row["last"]) == ("2014-06-30", "2014-07-02")
    assert told(market, "--tickers", "ACME")["attention"] == []
    assert "no cell of these" in market.orion("status", "--tickers", "NOPE").out


def test_what_is_held_back_says_why_and_what_next(market):
    (row,) = [row for row in told(market)["reasons"] if row["state"] == "quarantined"]

    assert (row["ticker"], row["cells"], row["first"]) == ("BOLT", 1, "2014-06-25")
    assert row["evidence"] == "bars.csv row 33"
    assert "-81.0" in row["detail"]
    assert "orion quality quarantine" in row["next"]


def test_a_dataset_that_nobody_knows_is_refused_by_name(market):
    said = market.orion("status", "--dataset", "raw_dailybars")

    assert said.code == 2
    assert "raw_dailybars" in said.err
    assert "raw_daily_bars" in said.err


def test_a_ledger_that_was_lost_is_made_anew_from_the_lake_with_who_is_followed(market, tmp_path):
    before = told(market)
    lost = {"ORION_STATE_URL": f"sqlite:///{tmp_path}/another.db", "ORION_TICKERS": ""}

    said = market.orion("status", "--rebuild", **lost)

    assert said.code == 0
    assert "rebuilt from the lake" in said.err
    assert "asked for again" in said.err
    after = json.loads(market.orion("status", "--json", **lost).out)
    # What was published is in no lake: it is derived anew, without a question
    (waits,) = [row for row in after["cells"] if row["dataset"] == "feature_store"]
    assert (waits["not_yet"], waits["data"]) == (before["cells"][0]["data"], 0)
    assert [row for row in after["cells"] if row != waits] == before["cells"][1:]
    assert State(lost["ORION_STATE_URL"]).universe() == own_market.FOLLOWED
    update = market.orion("update", "--until", "2014-07-21T21:00:00Z", "--json", **lost)
    rows = json.loads(update.out)["rows"]
    assert update.code == 0, update.err
    assert not [name for name, count in rows.items() if name.startswith("raw_") and count]
    assert rows["feature_store"] > 0
    assert date.fromisoformat(before["cells"][0]["last"]) == own_market.LAST
