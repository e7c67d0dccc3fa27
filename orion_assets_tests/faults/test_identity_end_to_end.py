"""Fault 36 from the vendor to what a user reads: `orion backfill`, `orion bars`, the files of single tickers."""

import json
from datetime import timedelta

import polars as pl
import pytest

from orion_assets.schemas import TICKER_BARS
from orion_assets.sources.synthetic.market import figi
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.store.history import HistoryFiles
from orion_assets_tests.accept_runs import on_vendor, recent_market, undisturbed

OLD, NEW, REUSED = "SAAF", "RAAF", "SAAI"
TICKERS = (NEW, OLD, REUSED)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A deployment that follows a renamed company and a ticker of two, filled by the command line, and its vendor."""
    folder = tmp_path_factory.mktemp("identity")
    with undisturbed(), fake_vendor(recent_market(14, 24)) as vendor:
        sessions = vendor.truth.sessions["session"]
        made = on_vendor(folder, vendor, TICKERS, sessions[0])
        said = made.orion("backfill", "--from", sessions[0], "--to", sessions[-1] + timedelta(days=1))
        assert said.code == 0, said.err
        wrote = made.orion("history")
        assert wrote.code == 0, wrote.err
        yield made, vendor, HistoryFiles(str(folder / "features"))


def truly(vendor, ticker: str) -> list[tuple]:
    """Give the sessions of a ticker and whose they were, from the vendor's own books."""
    rows = vendor.truth.daily_bars.filter(ticker=ticker)
    return [
        (session, figi(number), close) for session, number, close in rows.select("session", "number", "close").rows()
    ]


@pytest.mark.parametrize("ticker", TICKERS)
def test_no_row_of_one_company_stands_under_another(filled, ticker):
    _, vendor, files = filled

    rows = files.read(TICKER_BARS, ticker).sort("session").select("session", "security_id", "close").rows()

    assert rows == truly(vendor, ticker)
    assert len({security for _, security, _ in rows}) == (2 if ticker == REUSED else 1)


def test_both_names_of_a_renamed_company_are_one_security(filled):
    made, _, _ = filled

    told = made.table("securities").filter(security_id=figi(5)).sort("valid_from")

    assert told["ticker"].to_list() == [OLD, NEW]
    assert told["valid_to"][0] == told["valid_from"][1]


def test_the_bars_that_a_user_reads_are_those_that_traded_under_the_ticker(filled):
    made, vendor, _ = filled

    for ticker in TICKERS:
        told = json.loads(made.done("bars", ticker, "--json"))

        assert [(row["session"], row["close"]) for row in told] == [
            (str(session), close) for session, _, close in truly(vendor, ticker)
        ]


def test_the_series_of_a_company_begins_with_its_own_first_bar_and_goes_on_through_a_rename(filled):
    made, vendor, _ = filled
    features = pl.DataFrame(json.loads(made.features(*TICKERS)), infer_schema_length=None)

    own = [session for session, security, _ in truly(vendor, REUSED) if security == figi(9)]
    first = features.filter(ticker=REUSED, session=str(own[0]))
    renamed = features.filter(ticker=NEW).sort("session").head(1)

    assert first["ret_simple"].to_list() == [None], "there is no close of its own before"
    before, after = truly(vendor, OLD)[-1][2], truly(vendor, NEW)[0][2]
    assert renamed["ret_simple"][0] == pytest.approx(after / before - 1)


def test_who_follows_one_name_alone_is_told_of_the_other(filled, tmp_path):
    made, _, _ = filled
    other = made.copy(tmp_path / "other")
    whole = other.orion("tickers", "list")

    other.done("tickers", "remove", OLD)
    said = other.orion("tickers", "list", "--json")

    assert whole.err == ""
    assert json.loads(said.out) == [{"ticker": NEW}, {"ticker": REUSED}]
    assert said.err == f"the same companies traded as {OLD}; for those bars too: orion tickers add {OLD}\n"
