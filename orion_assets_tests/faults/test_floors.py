"""News, splits and dividends that a plan cuts off at its floor are not entitled, and never told to be absent."""

import polars as pl
import pytest

from orion_assets.schemas import RAW_DIVIDENDS, RAW_NEWS, RAW_SPLITS
from orion_assets.sources.synthetic.vendor.terms import Plan, Terms
from orion_assets.sources.synthetic.vendor.truth import Truth, large_market
from orion_assets_tests.faults.world import LAST, NOW, assert_no_op

LIMITED = frozenset({"news", "splits", "dividends"})
SESSIONS = 60


@pytest.fixture(scope="module")
def busy():
    """A market of so many that few sessions go without an action."""
    return Truth(large_market(500, SESSIONS, LAST))


@pytest.mark.parametrize("clips", [True, False], ids=["cuts", "refuses"])
@pytest.mark.parametrize("table", [RAW_NEWS, RAW_DIVIDENDS, RAW_SPLITS], ids=lambda table: table.name)
def test_sessions_before_the_floor_within_a_range_are_not_entitled(worlds, busy, table, clips):
    floor = busy.sessions["session"][-33]
    plan = Plan(calls=5, history_days=(NOW.date() - floor).days, limited=LIMITED, clips=clips)
    made = worlds(table, truth=busy, sessions=SESSIONS, terms=Terms(plan))

    made.run()

    told = made.cells().sort("session")
    before = told.filter(pl.col("session") < floor)["state"].unique().to_list()
    after = told.filter(pl.col("session") > floor)["state"].unique().to_list()
    assert before == ["not_entitled"]
    if clips:
        # Where a vendor refuses the whole range for its begin, the rest of that one call is refused with it
        assert set(after) <= {"data", "empty_confirmed"}
        assert "data" in after
    assert "plan" in " ".join(made.details())
    assert_no_op(made)


@pytest.mark.parametrize("table", [RAW_NEWS, RAW_DIVIDENDS, RAW_SPLITS], ids=lambda table: table.name)
def test_where_nothing_is_cut_nothing_is_taken_for_it(worlds, busy, table):
    made = worlds(table, truth=busy, sessions=SESSIONS)

    made.run()

    assert set(made.states()) <= {"data", "empty_confirmed"}


@pytest.mark.parametrize("fault", ["redirect", "server_error"])
def test_a_question_about_the_floor_without_an_answer_costs_nothing_that_is_in_hand(worlds, busy, fault):
    floor = busy.sessions["session"][-33]
    plan = Plan(calls=5, history_days=(NOW.date() - floor).days, limited=LIMITED, clips=True)
    made = worlds(RAW_SPLITS, truth=busy, sessions=SESSIONS, terms=Terms(plan))
    # The range is answered first, and then the first of its sessions is asked for alone
    made.vendor.faults.add(fault, route="splits", since=2)

    made.run()

    told = made.cells().filter(pl.col("session") > floor)
    assert set(told["state"]) <= {"data", "empty_confirmed"}
    assert "data" in told["state"].to_list()
    assert made.vendor.faults.hits
