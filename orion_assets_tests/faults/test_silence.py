"""What an answer leaves out is believed by two answers alone, and a row that was told is taken back by two alone."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import polars as pl
import pytest

from orion_assets.ingest.runner import Landed
from orion_assets.schemas import RAW_DAILY_BARS, RAW_SPLITS
from orion_assets.sources.synthetic.vendor.terms import Plan, Terms
from orion_assets.sources.synthetic.vendor.truth import Truth, large_market
from orion_assets_tests.faults.test_worked_example import steady
from orion_assets_tests.faults.world import DAY_S, LAST, NOW, assert_no_op, assert_one_line

MONTH_S = 35 * DAY_S


def everybody(truth) -> tuple[str, ...]:
    return tuple(truth.daily_bars["ticker"].unique().sort())


def audited(made) -> None:
    """Let every session of the world be asked for again, a month later."""
    made.clock.advance(MONTH_S)
    made.desk = replace(made.desk, audits=1000)


def one_of(rows: int, share: float) -> int:
    """Find a seed of a fault plan with which the first answer lacks just one of some rows."""

    def lacking(seed: int) -> int:
        rng = Random(f"{seed} 0 1")
        return sum(rng.random() < share for _ in range(rows))

    return next(seed for seed in range(999) if lacking(seed) == 1)


@pytest.mark.parametrize("nth", [2, 3])
def test_half_a_market_is_never_landed_as_a_whole_one(worlds, whole, truth, nth):
    made = worlds(RAW_DAILY_BARS)
    session = truth.sessions["session"][-nth]
    made.vendor.faults.add("missing", "grouped", match=str(session), share=0.8)

    outcome = made.run()

    assert isinstance(outcome, Landed)
    assert session not in set(made.rows()["session"])
    assert made.cells().filter(session=session)["state"].unique().to_list() == ["quarantined"]
    assert_one_line(made.details(), "tickers that traded in the session beside it")
    made.heal()
    whole(made, at_most=5)


def test_half_a_market_does_not_take_back_what_was_landed(worlds, truth):
    made = worlds(RAW_DAILY_BARS)
    made.run()
    before = made.rows()
    made.desk.state.clear()
    made.vendor.faults.add("missing", "grouped", share=0.8)

    made.run()

    assert made.rows().equals(before)


@pytest.mark.parametrize("nth", [2, 3])
def test_a_session_of_nobody_is_not_believed_beside_those_that_traded(worlds, whole, truth, nth):
    made = worlds(RAW_DAILY_BARS)
    session = truth.sessions["session"][-nth]
    made.vendor.faults.add("empty", "grouped", match=str(session))

    outcome = made.run()

    cells = made.cells().filter(session=session)
    assert isinstance(outcome, Landed)
    assert cells["state"].unique().to_list() == ["quarantined"]
    assert_one_line(made.details(), "no row of anybody")
    assert made.calls() == 4
    made.heal()
    whole(made, at_most=5)


def test_a_session_of_yesterday_that_nobody_has_yet_is_waited_for(worlds, whole, truth):
    made = worlds(RAW_DAILY_BARS)
    *before, session = truth.sessions["session"][-3:]
    made.span = (before[0], session)
    made.run()
    made.span = (before[0], session + timedelta(days=1))
    made.vendor.faults.add("empty", "grouped", match=str(session))

    made.run()

    assert made.cells().filter(session=session)["state"].unique().to_list() == ["not_yet"]
    assert made.calls() == 4
    made.vendor.faults.clear()
    made.run()
    whole(made, at_most=5)


def test_half_a_market_is_not_believed_where_one_ticker_of_it_is_held(worlds, whole, truth):
    made = worlds(RAW_DAILY_BARS, tickers=steady(truth)[:1], sessions=4)
    made.run()
    made.tickers = everybody(truth)
    made.vendor.faults.add("missing", "grouped", nth=[2], share=0.5)
    before = made.calls()

    outcome = made.run()

    assert isinstance(outcome, Landed)
    # A call a session, and the second question about the halved one
    assert made.calls() - before == 5
    held = made.desk.lake.read(RAW_DAILY_BARS).group_by("session").len().sort("session")["len"].to_list()
    assert held == truth.daily_bars.group_by("session").len().sort("session")["len"].to_list()[-4:]


def test_one_answer_alone_takes_no_row_back(worlds, truth):
    made = worlds(RAW_DAILY_BARS, sessions=1)
    made.run()
    before = made.rows()
    audited(made)
    made.vendor.faults.seed = one_of(before.height, 0.04)
    made.vendor.faults.add("missing", "grouped", share=0.04, times=1)

    outcome = made.run()

    assert dict(made.vendor.faults.hits) == {"missing": 1}
    assert isinstance(outcome, Landed)
    assert (outcome.rows, made.calls()) == (0, 3)
    assert made.rows().equals(before)


def test_two_answers_take_a_row_back(worlds, truth):
    market = Fewer(truth.market)
    made = worlds(RAW_DAILY_BARS, truth=market, sessions=1)
    made.run()
    audited(made)
    market.gone = (gone := steady(truth)[0], LAST)

    outcome = made.run()

    assert outcome.withdrawn.select("ticker", "session").rows() == [(gone, LAST)]
    assert made.calls() == 3


def test_a_split_is_taken_back_by_two_answers_alone(worlds, truth):
    made = worlds(RAW_SPLITS, sessions=24)
    made.run()
    before = made.rows()
    audited(made)
    made.vendor.faults.add("missing", "splits", share=1.0, times=1)

    outcome = made.run()

    assert before.height
    assert dict(made.vendor.faults.hits) == {"missing": 1}
    assert outcome.rows == 0
    assert made.rows().equals(before)


@pytest.mark.parametrize("share", [0.03, 0.5])
def test_holes_in_the_answer_about_a_ticker_are_asked_about_however_few_they_are(worlds, share):
    market = Truth(large_market(14, 120, LAST))
    made = worlds(RAW_DAILY_BARS, truth=market, tickers=("SAAA",), sessions=100)
    made.vendor.faults.add("missing", "range", share=share, times=1)

    made.run()

    assert made.states() == {"data": 100}
    assert made.calls() == 2


def test_who_was_halted_is_asked_about_twice_and_never_a_third_time(worlds, truth):
    market = Fewer(truth.market)
    market.gone = (halted := steady(truth)[0], truth.sessions["session"][-5])
    made = worlds(RAW_DAILY_BARS, truth=market, tickers=(halted,), sessions=20)

    made.run()

    assert made.states() == {"data": 19, "empty_confirmed": 1}
    assert made.calls() == 2
    assert_no_op(made)
    audited(made)
    made.run()
    # The audit's own question, and none about the hole
    assert made.calls() == 3
    assert made.states() == {"data": 19, "empty_confirmed": 1}


@pytest.mark.parametrize("clipped", [1, 5])
def test_a_range_that_is_clipped_by_little_is_no_absence(worlds, truth, clipped):
    days = truth.sessions["session"]
    made = worlds(
        RAW_DAILY_BARS, tickers=steady(truth)[:1], sessions=24, terms=clipping((NOW.date() - days[clipped]).days)
    )

    made.run()

    assert made.cells().sort("session")["state"].to_list() == ["not_entitled"] * clipped + ["data"] * (24 - clipped)
    # Two answers, and whether anybody is told so early
    assert made.calls() == 3
    assert_no_op(made)


def test_an_audit_after_the_floor_has_moved_on_takes_nothing_back(worlds, truth):
    days = truth.sessions["session"]
    later = NOW + timedelta(seconds=MONTH_S)
    made = worlds(RAW_DAILY_BARS, tickers=steady(truth)[:1], sessions=24, terms=clipping((later.date() - days[1]).days))
    made.run()
    before = made.rows()
    audited(made)

    outcome = made.run()

    assert outcome.rows == 0
    assert before.height == 24
    assert made.rows().equals(before)
    assert made.states() == {"data": 24}


def clipping(days: int) -> Terms:
    return Terms(Plan(calls=5, history_days=days, clips=True))


class Halved(Truth):
    """A market of which every other ticker is told in its last session."""

    def bars_on(self, session):
        told = super().bars_on(session)
        return told.gather_every(2) if session == LAST else told


class Fewer(Truth):
    """A market of which one ticker's bar of a session is not told."""

    gone = ("", LAST)

    def bars_of(self, ticker, start, end):
        return super().bars_of(ticker, start, end).filter(~self._is_gone)

    def bars_on(self, session):
        return super().bars_on(session).filter(~self._is_gone)

    @property
    def _is_gone(self) -> pl.Expr:
        ticker, session = self.gone
        return (pl.col("ticker") == ticker) & (pl.col("session") == session)


def test_half_a_market_that_there_was_nothing_to_compare_with_is_asked_for_again_once(worlds, whole):
    market = Truth(large_market(60, 24, LAST))
    made = worlds(RAW_DAILY_BARS, truth=market)
    # The first call of the plan is the newest session's
    made.vendor.faults.add("missing", "grouped", nth=[1], share=0.5)

    made.run()

    assert made.calls() == 4
    whole(made, at_most=4)


def test_a_market_that_is_small_by_two_answers_is_not_asked_for_a_third_time(worlds):
    made = worlds(RAW_DAILY_BARS, truth=Halved(large_market(60, 24, LAST)))

    made.run()

    asked = [entry.path for entry in made.vendor.journal]
    assert [sum(str(day) in path for path in asked) for day in made.vendor.truth.sessions["session"].tail(3)] == [
        1,
        1,
        2,
    ]
    assert set(made.states()) == {"data", "empty_confirmed"}
    assert_no_op(made)


def test_a_run_that_ends_before_it_could_ask_again_leaves_holes(worlds, whole):
    market = Truth(large_market(60, 24, LAST))
    made = worlds(RAW_DAILY_BARS, truth=market, sessions=2)
    made.vendor.faults.add("missing", "grouped", nth=[1], share=0.5)
    made.vendor.faults.add("server_error", "grouped", since=3)

    made.run()

    assert made.cells().filter(state="failed")["session"].unique().to_list() == [LAST]
    made.heal()
    whole(made)
