"""Fault 35 the whole way: a split that is told twice, or taken back, moves no raw price and no adjusted return."""

import polars as pl
import pytest

from orion_assets.schemas import RAW_DAILY_BARS, RAW_DIVIDENDS, RAW_SPLITS, SECURITIES
from orion_assets.sources.synthetic.vendor.truth import Truth, large_market
from orion_assets.transforms.actions import corporate_actions
from orion_assets.transforms.adjust import back_adjusted
from orion_assets.transforms.bars import clean_daily_bars
from orion_assets.transforms.identity import latest
from orion_assets_tests.faults.world import LAST

SESSIONS = 30


@pytest.fixture(scope="module")
def split_market():
    return Truth(large_market(14, SESSIONS, LAST))


@pytest.fixture
def landed(worlds, split_market):
    """Land splits under a fault, then the bars of the ticker that splits; gives the world and the ex-date."""

    def make(ticker, fault, **more):
        made = worlds(RAW_SPLITS, truth=split_market, tickers=(ticker,), sessions=SESSIONS)
        if fault:
            made.vendor.faults.add(fault, "splits", **more)
        made.run()
        made.table = RAW_DAILY_BARS
        made.run()
        return made

    return make


def returns(made) -> pl.DataFrame:
    """Give the simple returns of the split-adjusted closes, as features see them."""
    lake, sessions = made.desk.lake, made.vendor.truth.sessions
    nobody = SECURITIES.empty()
    actions, _ = corporate_actions(lake.read(RAW_SPLITS), lake.read(RAW_DIVIDENDS), nobody, sessions)
    bars, _ = clean_daily_bars(lake.read(RAW_DAILY_BARS), sessions)
    shown, known = latest(bars, actions, nobody)
    adjusted = back_adjusted(shown, known, "split").sort("session")
    return adjusted.select("session", ret=pl.col("close").pct_change())


@pytest.mark.parametrize(("fault", "more"), [("", {}), ("duplicate_split", {"days": 0})])
@pytest.mark.parametrize(("ticker", "ratio"), [("SAAB", 4.0), ("SAAC", 1 / 20)])
def test_a_split_moves_the_price_as_traded_and_no_return_however_often_it_is_told(landed, ticker, ratio, fault, more):
    made = landed(ticker, fault, **more)

    told, closes = returns(made), made.rows().sort("session")

    event = made.vendor.truth.splits.filter(ticker=ticker).row(0, named=True)
    as_traded = closes.select("session", move=pl.col("close") / pl.col("close").shift())
    on_the_day = as_traded.filter(session=event["ex_date"])["move"].item()
    assert made.desk.lake.read(RAW_SPLITS).filter(ticker=ticker).height == (2 if fault else 1)
    assert on_the_day == pytest.approx(1 / ratio, rel=0.5)
    assert told["ret"].abs().max() < 0.5
    # Raw bars are as traded, split or no split
    truth = made.vendor.truth.daily_bars.filter(ticker=ticker).sort("session")
    assert closes["close"].to_list() == truth["close"].to_list()


def test_a_split_that_is_taken_back_leaves_the_jump_and_the_raw_bars_as_they_were(landed):
    made = landed("SAAB", "")
    before, bars = returns(made), made.rows()
    made.vendor.faults.add("cancelled_split", "splits", ticker="SAAB")
    made.clock.advance(3600)
    made.table = RAW_SPLITS

    made.ask_again()

    made.table = RAW_DAILY_BARS
    assert made.rows().equals(bars)
    assert before["ret"].abs().max() < 0.5
    assert returns(made)["ret"].abs().max() > 0.7
