"""The worked example of the free plan, made and not only planned: a fake vendor counts the calls, in virtual time."""

import pytest

from orion_assets.ingest.runner import Landed
from orion_assets.schemas import RAW_DAILY_BARS
from orion_assets.sources.polygon.routes import RIGHTS
from orion_assets.sources.synthetic.vendor.terms import PLANS, Terms
from orion_assets.sources.synthetic.vendor.truth import Truth, large_market
from orion_assets_tests.accept_runs import figure
from orion_assets_tests.faults.world import LAST, RATE, assert_budget, assert_conserved, assert_no_op

# So many tickers that listings and halts of a day are few among them: what is missing in numbers is asked for twice
SIZES = [
    pytest.param(60, 10, id="60 tickers, 10 sessions"),
    pytest.param(500, 501, marks=pytest.mark.accept, id="500 tickers, 501 sessions"),
]
SLOT_S = 61.0


@pytest.mark.parametrize(("tickers", "sessions"), SIZES)
def test_daily_bars_take_one_call_a_session_and_not_one_more(worlds, tickers, sessions):
    truth = Truth(large_market(tickers + 1, max(sessions, 20), LAST))
    *followed, added = sorted(truth.daily_bars["ticker"].unique())
    free = {"terms": Terms(PLANS["free"]), "rights": RIGHTS["free"]}
    made = worlds(RAW_DAILY_BARS, truth=truth, tickers=tuple(followed), sessions=sessions, **free)
    began, work = made.uptime(), made.plan()

    outcome = made.run()

    took = made.uptime() - began
    figure(f"{made.calls()} calls of {work.calls} planned in {took / 60:.1f} virtual minutes")
    assert isinstance(outcome, Landed), outcome
    assert len(followed) == tickers
    assert work.calls_by_route == {"grouped": sessions}
    assert made.calls() / work.calls == 1.0
    assert {entry.status for entry in made.vendor.journal} == {200}
    # The last five wait for nobody
    assert took == pytest.approx(SLOT_S * (-(-sessions // RATE.calls) - 1), rel=1e-6)
    assert work.safe_seconds == pytest.approx(took + SLOT_S, rel=1e-6)
    assert_budget(made)
    assert_no_op(made)
    assert_conserved(made)
    # Whoever is followed later was in every answer
    made.tickers = (*followed, added)
    assert_no_op_but_for_cells(made)


def assert_no_op_but_for_cells(made) -> None:
    rows, calls = made.rows(), made.calls()
    made.run()
    assert made.calls() == calls
    assert made.rows().equals(rows)
    assert set(made.cells()["ticker"]) >= set(made.tickers)
