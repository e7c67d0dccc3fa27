"""Fault 35 the whole way: a split that is told twice or taken back moves no raw price, and is never applied twice."""

from datetime import date, timedelta

import polars as pl
import pytest

from orion_assets.quality.coverage import passed_over
from orion_assets.schemas import RAW_DAILY_BARS, RAW_DIVIDENDS, RAW_SPLITS, SECURITIES
from orion_assets.sources.synthetic.vendor.terms import Plan, Terms
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

    def make(ticker, fault, *, page=None, **more):
        terms = Terms(Plan(calls=5), page=page)
        made = worlds(RAW_SPLITS, truth=split_market, tickers=(ticker,), sessions=SESSIONS, terms=terms)
        if fault:
            made.vendor.faults.add(fault, "splits", **more)
        made.run()
        made.table = RAW_DAILY_BARS
        made.run()
        return made

    return make


def adjusted_closes(made) -> pl.DataFrame:
    """Give the split-adjusted closes, as features see them."""
    lake, sessions = made.desk.lake, made.vendor.truth.sessions
    nobody = SECURITIES.empty()
    actions, _ = corporate_actions(lake.read(RAW_SPLITS), lake.read(RAW_DIVIDENDS), nobody, sessions)
    bars, _ = clean_daily_bars(lake.read(RAW_DAILY_BARS), sessions)
    shown, known = latest(bars, actions, nobody)
    return back_adjusted(shown, known, "split").sort("session").select("session", "close")


def returns(made) -> pl.DataFrame:
    return adjusted_closes(made).select("session", ret=pl.col("close").pct_change())


def ex_date_of(made, ticker: str) -> date:
    return made.vendor.truth.splits.filter(ticker=ticker)["ex_date"].item()


def accused(made, ticker: str) -> list[tuple]:
    lake = made.desk.lake
    found = passed_over(lake.read(RAW_SPLITS), lake.read(RAW_DIVIDENDS), SECURITIES.empty())
    return found.filter(ticker=ticker).select("ex_date", "found").rows()


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


WEEK = timedelta(days=7)
TOLD_TWICE = pytest.mark.parametrize(
    ("ticker", "ratio", "said"), [("SAAB", 4.0, "4 for 1"), ("SAAC", 1 / 20, "1 for 20")]
)


@TOLD_TWICE
def test_a_split_that_is_told_for_an_earlier_date_too_changes_no_adjusted_close(landed, ticker, ratio, said):
    # A page a split, so that a split and its second telling are known at one instant
    made = landed(ticker, "duplicate_split", page=1, days=-7)
    ex_date = ex_date_of(made, ticker)

    told = adjusted_closes(made)

    assert accused(made, ticker) == [(ex_date - WEEK, f"{said}, told again for {ex_date}, which is taken")]
    assert told.equals(adjusted_closes(landed(ticker, "")))


@TOLD_TWICE
def test_a_split_that_is_told_a_week_later_too_is_applied_once_and_is_late_by_that_week(landed, ticker, ratio, said):
    made, whole = landed(ticker, "duplicate_split"), adjusted_closes(landed(ticker, ""))
    ex_date = ex_date_of(made, ticker)

    told = adjusted_closes(made)

    # The later word stands until the vendor takes it back: what says which date is true is the price alone
    between = pl.col("session").is_between(ex_date, ex_date + WEEK, closed="left")
    assert told.filter(~between).equals(whole.filter(~between))
    assert whole.filter(between).height == 5
    assert (told["close"] / whole["close"]).filter(told.select(between).to_series()).to_list() == pytest.approx(
        [1 / ratio] * 5
    )
    assert accused(made, ticker) == [(ex_date, f"{said}, told again for {ex_date + WEEK}, which is taken")]


def test_once_the_second_telling_is_taken_back_the_split_is_where_it_was(landed):
    made = landed("SAAB", "duplicate_split")
    made.vendor.faults.clear()
    made.clock.advance(3600)
    made.table = RAW_SPLITS

    made.ask_again()

    made.table = RAW_DAILY_BARS
    assert adjusted_closes(made).equals(adjusted_closes(landed("SAAB", "")))
    assert accused(made, "SAAB") == []
