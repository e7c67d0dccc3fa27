"""The worked example of the free plan, made and not only planned: a fake vendor counts the calls, in virtual time.

The plan counts minutes by their ceiling, 960 a session, so that its calls are the same however few there are. The fake
tells one a session: two years of 500 tickers are landed whole, and that is 250,500 minutes in place of 98 million.
That windows of the ceiling itself fit a page, the last test shows.
"""

from datetime import timedelta

import polars as pl
import pytest

from orion_assets.ingest.execution import planned
from orion_assets.ingest.runner import Landed
from orion_assets.schemas import RAW_DAILY_BARS, RAW_MINUTE_BARS
from orion_assets.sources.polygon.routes import RIGHTS
from orion_assets.sources.synthetic.vendor.terms import PLANS, Terms
from orion_assets.sources.synthetic.vendor.truth import Truth, large_market
from orion_assets_tests.accept_runs import figure
from orion_assets_tests.faults.world import LAST, RATE, World, assert_budget, assert_conserved, assert_no_op

# A slot is free again so long after the answer
SLOT_S = 61.0
WINDOW = 52
TABLES = (RAW_DAILY_BARS, RAW_MINUTE_BARS)
LATE = 40
# Followed tickers and sessions; by hand: a call a session, and a call for each 52 sessions of a ticker
SIZES = [
    pytest.param(24, 20, 20, 24, id="24 tickers, 20 sessions"),
    pytest.param(500, 501, 501, 5_000, marks=pytest.mark.accept, id="500 tickers, 501 sessions"),
]


class Sparse(Truth):
    """A market of which only so many minutes of a session are told, the first one with the prices of the day."""

    minutes = 1

    def minute_bars(self, ticker, start, end):
        bars = self.bars_of(ticker, start, end).join(self.sessions.select("session", "ts_open"), on="session")
        later = pl.DataFrame({"_later": [timedelta(minutes=at) for at in range(self.minutes)]})
        # From four in the morning, as extended hours begin
        at = pl.col("ts_open") - timedelta(hours=5.5) + pl.col("_later")
        told = bars.join(later, how="cross").with_columns(ts_open=at).drop("_later")
        return told.select("ticker", "session", "ts_open", pl.exclude("ticker", "session", "ts_open"))


class Full(Sparse):
    minutes = 960


def steady(truth: Truth) -> list[str]:
    """List the tickers that traded in every session: of others, silence is asked about twice before it is believed."""
    counts = truth.daily_bars.group_by("ticker").len()
    return counts.filter(len=truth.sessions.height)["ticker"].sort().to_list()


def free(worlds, truth, tickers, sessions) -> World:
    terms = {"terms": Terms(PLANS["free"]), "rights": RIGHTS["free"]}
    return worlds(RAW_DAILY_BARS, truth=truth, tickers=tuple(tickers), sessions=sessions, **terms)


def plan_of(made: World):
    asks, now = [], made.clock.now()
    for made.table in TABLES:
        asks.append(made.ask)
    return planned(made.desk.state, made.desk.lake, made.source().routes(now.date()), asks, now)


def run(made: World) -> None:
    for made.table in TABLES:
        outcome = made.run()
        assert isinstance(outcome, Landed), outcome


@pytest.mark.parametrize(("tickers", "sessions", "days", "windows"), SIZES)
def test_the_free_plan_takes_the_calls_and_the_time_that_were_told_and_not_one_more(
    worlds, tickers, sessions, days, windows
):
    truth = Sparse(large_market(tickers + LATE, sessions, LAST))
    followed = steady(truth)[: tickers + 1]
    added = followed.pop()
    made = free(worlds, truth, followed, sessions)
    began, work = made.uptime(), plan_of(made)

    run(made)

    took = made.uptime() - began
    figure(f"{made.calls()} calls of {work.calls} planned, in {took / 3600:.2f} virtual hours; {work.lines()[1]}")
    assert len(followed) == tickers
    assert work.calls_by_route == {"grouped": days, "minute_window": windows}
    assert made.calls() / work.calls == 1.0
    assert {entry.status for entry in made.vendor.journal} == {200}
    assert len({entry.path for entry in made.vendor.journal}) == work.calls
    # Nobody waits after the last five
    slots = -(-work.calls // RATE.calls)
    assert took == pytest.approx(SLOT_S * (slots - 1), rel=1e-6)
    assert work.safe_seconds == pytest.approx(SLOT_S * slots, rel=1e-6)
    assert_budget(made)
    for made.table in TABLES:
        assert_conserved(made)
        assert_no_op(made)

    before, made.tickers = made.calls(), (*followed, added)
    run(made)

    # Of the days everything was told; of the minutes nothing
    asked = [entry.path for entry in made.vendor.journal.entries[before:]]
    assert len(asked) == -(-sessions // WINDOW)
    assert all(f"/ticker/{added}/range/1/minute/" in path for path in asked)


def test_windows_of_960_minutes_a_session_fit_a_page(worlds):
    truth = Full(large_market(14, 2 * WINDOW, LAST))
    made = free(worlds, truth, steady(truth)[:1], 2 * WINDOW)
    made.table = RAW_MINUTE_BARS

    made.run()

    assert [entry.rows for entry in made.vendor.journal] == [WINDOW * 960] * 2
    assert not [entry for entry in made.vendor.journal if "cursor" in entry.path]
    assert set(made.states()) == {"data"}
