"""What lies before a floor that moves on can never come back; what is refused otherwise may, for a while."""

from dataclasses import replace
from datetime import UTC, datetime

from orion_assets.ingest.holes import MOST_ATTEMPTS, due_cells
from orion_assets.schemas import RAW_DAILY_BARS
from orion_assets.sources.limiter import Rate
from orion_assets.sources.routes import Rights
from orion_assets.sources.synthetic.vendor.terms import ManualClock, Plan, Terms
from orion_assets_tests.faults.world import DAY_S, RATE

# More than a year after the sessions of the market, and within two
LATER = datetime(2028, 2, 1, 18, tzinfo=UTC)
TWO_YEARS = Rights(RATE, years=2, has_flat_files=False, has_today=True)


def refused(worlds, kind: str, calls: int):
    made = worlds(RAW_DAILY_BARS, clock=ManualClock(LATER), rights=TWO_YEARS)
    made.vendor.faults.add("forbidden", kind=kind)
    made.run()
    assert (set(made.states()), made.calls()) == ({"not_entitled"}, calls)
    return made


def test_sessions_before_the_floor_are_not_asked_for_again_until_the_plan_reaches_further_back(worlds):
    made = refused(worlds, "timeframe", 3)

    for _ in range(3):
        made.clock.advance(DAY_S)
        made.run()

    assert made.calls() == 3
    assert all("ORION_POLYGON_PLAN reaches further back" in text for text in made.details())
    made.rights = replace(TWO_YEARS, years=5)
    assert made.plan().calls == 3
    made.rights = replace(TWO_YEARS, years=None)
    assert made.plan().calls == 3


def test_what_the_plan_does_not_name_is_asked_for_daily_and_not_for_ever(worlds):
    made = refused(worlds, "endpoint", 1)

    for _ in range(MOST_ATTEMPTS + 3):
        made.clock.advance(DAY_S)
        made.run()

    # One call a day says of the route what there is to say, and of each cell
    assert made.calls() == MOST_ATTEMPTS
    assert set(made.cells()["attempts"]) == {MOST_ATTEMPTS}


def test_a_route_refused_side_by_side_is_asked_for_no_more_than_what_is_under_way(worlds):
    fast = Rights(Rate(100, 1.0), years=None, has_flat_files=False, has_today=True, in_flight=4)
    made = worlds(RAW_DAILY_BARS, sessions=20, rights=fast, terms=Terms(Plan(calls=1_000)))
    made.vendor.faults.add("forbidden", kind="endpoint")

    made.run()

    assert 1 <= made.calls() <= 4
    assert set(made.states()) == {"not_entitled"}
    assert sum(made.states().values()) == 20 * len(made.tickers)


def test_what_no_call_can_answer_is_said_once_and_is_due_no_more(worlds):
    made = worlds(RAW_DAILY_BARS, clock=ManualClock(datetime(2031, 2, 3, 18, tzinfo=UTC)), rights=TWO_YEARS)

    def due() -> int:
        now = made.clock.now()
        return due_cells(made.desk.state, made.desk.lake, made.source().routes(now.date()), [made.ask], now).height

    before = due()
    made.run()
    after = [due()]
    made.clock.advance(3 * DAY_S)
    after.append(due())

    assert before == 3 * len(made.tickers)
    assert after == [0, 0]
    assert (set(made.states()), made.calls()) == ({"not_entitled"}, 0)
    made.rights = replace(TWO_YEARS, years=None)
    assert due() == before
