"""However the runs were ordered, cut or begun again, the store holds the same."""

import json
from datetime import date, timedelta

import pytest

from orion_assets.schemas import RAW_DAILY_BARS
from orion_assets_tests import own_market

# Eleven sessions around the half-day, the closed 4 July, the split and the dividend
FIRST, END = "2014-06-30", "2014-07-16"


def hashes(market) -> dict[str, str]:
    said = market.orion("store", "hash", "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)["tables"]


def fill(market, *arguments: str, **settings: str) -> None:
    said = market.orion("backfill", *arguments, **settings)
    assert said.code == 0, said.err


def of(market, ticker: str, as_of: str) -> list[dict]:
    said = market.orion("features", ticker, "--cutoff", "both", "--as-of", as_of, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


@pytest.fixture(scope="module")
def in_order(tmp_path_factory):
    """The whole market, all tickers followed from the start, filled in order."""
    market = own_market.write(tmp_path_factory.mktemp("in_order"))
    fill(market, "--from", FIRST, "--to", END, ORION_TICKERS="")
    return market


def test_an_earlier_range_filled_after_a_later_one_gives_the_same_content(tmp_path, in_order):
    market = own_market.write(tmp_path)

    fill(market, "--from", "2014-07-03", "--to", END, ORION_TICKERS="")
    fill(market, "--from", FIRST, "--to", "2014-07-03", ORION_TICKERS="")

    assert hashes(market) == hashes(in_order)


def test_a_gap_filled_at_last_gives_the_same_content(tmp_path, in_order):
    market = own_market.write(tmp_path)

    fill(market, "--from", FIRST, "--to", "2014-07-02", ORION_TICKERS="")
    fill(market, "--from", "2014-07-08", "--to", END, ORION_TICKERS="")
    fill(market, "--from", "2014-07-02", "--to", "2014-07-08", ORION_TICKERS="")

    assert hashes(market) == hashes(in_order)


def test_a_run_that_dies_before_it_heals_what_comes_later_is_healed_by_the_next(tmp_path, in_order):
    market = own_market.write(tmp_path)
    fill(market, "--from", "2014-07-03", "--to", END, ORION_TICKERS="")
    # What a kill leaves behind between the run over the range and the one over the sessions after it
    assert market.materialize(date(2014, 6, 30), date(2014, 7, 2), tickers=()).success

    fill(market, "--from", FIRST, "--to", "2014-07-03", ORION_TICKERS="")

    assert hashes(market) == hashes(in_order)


@pytest.fixture(scope="module")
def added(tmp_path_factory):
    """The same market, with ACME, its split and its news followed only after a first backfill of the others."""
    market = own_market.write(tmp_path_factory.mktemp("added"))
    fill(market, "--from", FIRST, "--to", END, ORION_TICKERS="BOLT,CROW")
    assert market.orion("tickers", "add", "ACME").code == 0
    fill(market, "--from", FIRST, "--to", END, ORION_TICKERS="BOLT,CROW")
    return market


def test_a_ticker_added_after_a_backfill_has_its_holes_filled_by_the_same_backfill(added):
    (cells,) = [c for c in json.loads(added.orion("status", "--json").out)["cells"] if c["dataset"] == "raw_daily_bars"]

    assert (cells["tickers"], cells["data"], cells["quarantined"]) == (3, 33, 0)
    assert len(of(added, "ACME", "2036-01-01")) == 21


def test_a_ticker_added_later_has_the_bars_it_would_have_had(added, in_order):
    assert hashes(added)["clean_daily_bars"] == hashes(in_order)["clean_daily_bars"]


@pytest.mark.parametrize("ticker", ["BOLT", "CROW"])
def test_a_ticker_added_later_leaves_the_others_alone(added, in_order, ticker):
    assert of(added, ticker, "2014-07-15") == of(in_order, ticker, "2014-07-15")


@pytest.mark.parametrize(
    "columns", [("close", "split_factor", "ret_simple", "sma_10"), ("news_count", "sentiment", "sentiment_decayed")]
)
def test_a_ticker_added_later_has_the_features_it_would_have_had(added, in_order, columns):
    then, now = (
        [tuple(row[name] for name in ("session", "cutoff", *columns)) for row in of(market, "ACME", "2014-07-15")]
        for market in (in_order, added)
    )

    assert now == then


def test_without_an_end_a_range_ends_where_the_files_end(tmp_path):
    market = own_market.write(tmp_path)

    filled = json.loads(market.orion("backfill", "--from", "2014-07-14", "--json").out)
    again = json.loads(market.orion("update", "--json").out)

    last = market.read(RAW_DAILY_BARS)["session"].max()
    assert filled["range"] == ["2014-07-14", (last + timedelta(days=1)).isoformat()]
    assert again["range"] == [None, None]
