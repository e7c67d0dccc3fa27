"""The ledger is an index: whatever went wrong on the way to it, the lake makes it anew."""

import random
from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets.ingest.rebuilding import rebuild
from orion_assets.quality.quarantine import hold
from orion_assets.schemas import ANSWERED, RAW_COVERAGE, RAW_DAILY_BARS, RAW_NEWS, RAW_VIX
from orion_assets.store.state import LEDGER_KEY, State
from orion_assets.transforms.bars import clean_vix
from orion_assets_tests.faults.world import TABLES, World, assert_cells

# What the lake knows of a cell; attempts, and when it was last asked for, are the ledger's own
LANDED = [*LEDGER_KEY, "state", "rows", "source", "evidence", "ts_known"]
FAULTS = (
    ("server_error", {}),
    ("forbidden", {"kind": "endpoint"}),
    ("forbidden", {"kind": "timeframe"}),
    ("html", {}),
    ("body", {}),
    ("wrong_ticker", {}),
    ("impossible", {"kind": "negative_price"}),
    ("empty", {}),
    ("hang_up", {}),
    ("status_error", {}),
    ("results_null", {}),
    ("redirect", {}),
)


def disturbed(made: World, seed: int) -> None:
    """Fill under some faults at some calls, twice, half a day apart."""
    rng = random.Random(seed)
    for hours in (0, 13):
        made.clock.advance(hours * 3600.0)
        for name, more in rng.sample(FAULTS, rng.randint(1, 4)):
            made.vendor.faults.add(name, nth=sorted(rng.sample(range(1, 7), 2)), **more)
        made.run()
        made.vendor.faults.clear()


def lost(made: World) -> State:
    """Give a state database in place of one that is lost."""
    return State(f"sqlite:///{made.folder}/another.db")


@pytest.mark.parametrize("table", [RAW_DAILY_BARS, RAW_VIX, RAW_NEWS], ids=lambda table: table.name)
@pytest.mark.parametrize("seed", range(4))
def test_a_ledger_made_anew_says_what_it_said_and_a_resume_asks_for_nothing_more(worlds, table, seed):
    made = worlds(table)
    disturbed(made, seed)
    before = made.cells()

    done = rebuild(made.desk.lake, made.desk.state, made.clock.now())
    work = made.plan().calls

    assert (done.changed, done.dropped) == (0, 0)
    assert done.landed + done.kept == before.height
    assert_frame_equal(made.cells(), before)
    other = lost(made)
    rebuild(made.desk.lake, other, made.clock.now())
    answered = before.filter(pl.col("state").is_in(ANSWERED))
    again = other.cells()
    assert_frame_equal(again.join(answered, on=LEDGER_KEY, how="semi").select(LANDED), answered.select(LANDED))
    # A row that nobody cleaned yet is there; that it was doubted is the ledger's own
    more = again.join(answered, on=LEDGER_KEY, how="anti")
    doubted = before.join(more, on=LEDGER_KEY, how="semi")
    assert set(doubted.select("state", "rows").iter_rows()) <= {("quarantined", 1)}
    calls = made.calls()
    made.run()
    assert len({entry.path for entry in made.vendor.journal.entries[calls:]}) == work
    other.close()


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_a_lost_ledger_of_a_run_without_faults_is_made_anew_and_nothing_is_asked_for(worlds, table):
    made = worlds(table)
    made.run()
    before, calls = made.cells(), made.calls()
    made.desk.state.clear()

    done = rebuild(made.desk.lake, made.desk.state, made.clock.now())

    assert done.changed == before.height
    assert_frame_equal(made.cells().drop("ts_updated"), before.drop("ts_updated"))
    made.run()
    assert made.calls() == calls


def test_what_came_of_nothing_is_forgotten_with_a_lost_ledger_and_asked_for_again(worlds):
    made = worlds(RAW_DAILY_BARS)
    made.vendor.faults.add("forbidden", kind="timeframe", nth=[1])
    made.run()
    assert made.states()["not_entitled"] == len(made.tickers)
    assert made.plan().calls == 0
    made.desk.state.clear()

    rebuild(made.desk.lake, made.desk.state, made.clock.now())

    assert set(made.states()) == {"data", "empty_confirmed"}
    assert made.plan().calls == 1


def test_cells_that_the_lake_does_not_know_are_dropped(worlds):
    made = worlds(RAW_DAILY_BARS)
    made.run()
    phantom = made.cells().head(1).with_columns(session=pl.col("session") - timedelta(days=70)).drop("attempts")
    made.desk.state.record(phantom)

    done = rebuild(made.desk.lake, made.desk.state, made.clock.now())

    assert (done.dropped, done.changed) == (1, 0)
    assert made.cells().join(phantom, on=LEDGER_KEY, how="semi").is_empty()


def test_who_is_followed_comes_back_from_the_lake(worlds):
    from orion_assets.ingest.moment import Moment
    from orion_assets.ingest.universe import land_universe

    made = worlds(RAW_DAILY_BARS)
    moment = Moment(made.clock.now())
    land_universe(made.desk.lake, made.desk.state, ("SAAA", "SAAB"), moment)
    land_universe(made.desk.lake, made.desk.state, ("SAAB",), Moment(made.clock.now() + timedelta(hours=1)))

    rebuild(made.desk.lake, made.desk.state, made.clock.now())

    assert made.desk.state.universe() == ("SAAB",)


class Beside:
    """A lake of which a run beside the reader fills another part as soon as coverage was read."""

    def __init__(self, lake, run) -> None:
        self._lake, self._run = lake, run

    def months(self, table):
        return self._lake.months(table)

    def read(self, table, **more):
        found = self._lake.read(table, **more)
        if table is RAW_COVERAGE and self._run:
            run, self._run = self._run, None
            run()
        return found


def test_what_a_run_lands_beside_a_rebuilding_is_not_dropped(worlds):
    made = worlds(RAW_DAILY_BARS)
    whole = made.span
    last = made.vendor.truth.sessions["session"][-1]
    made.desk.state.add_tickers(made.tickers, ts_added=made.clock.now())
    made.span = (whole[0], last)
    made.run()

    def run_beside() -> None:
        made.span = (last, whole[1])
        made.run()

    done = rebuild(Beside(made.desk.lake, run_beside), made.desk.state, made.clock.now())

    assert (done.changed, done.dropped) == (0, 0)
    made.span = whole
    assert_cells(made)
    assert set(made.states()) == {"data", "empty_confirmed"}


def test_a_vix_day_that_is_held_back_is_so_after_the_ledger_was_lost(worlds):
    made = worlds(RAW_VIX)
    made.vendor.faults.add("impossible", kind="negative_price", rows=3)
    made.run()
    hold(made.desk.lake, clean_vix(made.desk.lake.read(RAW_VIX)).quarantine, *made.span)
    before = made.cells()
    other = lost(made)

    rebuild(made.desk.lake, other, made.clock.now())

    assert "quarantined" in made.states()
    same = ["session", "state", "detail", "evidence"]
    assert_frame_equal(other.cells("raw_vix").select(same), before.select(same))
    other.close()
