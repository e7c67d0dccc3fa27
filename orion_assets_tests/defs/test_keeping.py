"""What there is to be done, of a state database alone: nothing that cannot succeed is begun again and again."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.defs.assets.history import _published
from orion_assets.defs.keeping import KEEPS, Supply, choose, pieces
from orion_assets.ingest.freshness import mark_stale, settle
from orion_assets.ingest.ledger import told_cells
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.reference_calls import refused
from orion_assets.schemas import DERIVED
from orion_assets.sources.protocols import LISTED
from orion_assets.store.state import State

SPAN = (date(2024, 1, 2), date(2024, 3, 1))
CORRECTED, LATER_START = date(2024, 1, 16), date(2024, 2, 1)
NOW = datetime(2024, 3, 7, tzinfo=UTC)


def moment(day: int, run: str) -> Moment:
    return Moment(datetime(2024, 3, day, tzinfo=UTC), run=run)


@pytest.fixture
def state(tmp_path) -> State:
    """Two months were filled and published, then a bar of January was corrected."""
    state = State(f"sqlite:///{tmp_path}/state.db")
    filled = moment(4, "fill")
    cells = calendars.sessions(*SPAN).select("session", dataset=pl.lit("raw_daily_bars"), ticker=pl.lit("AAA"))
    state.add_tickers(["AAA"], ts_added=filled.now)
    state.record(told_cells(cells, filled, "", state="data"))
    settle(state, *SPAN, filled)
    mark_stale(state, CORRECTED, moment(5, "correction"))
    return state


def test_what_waits_before_the_axis_begins_no_history_and_says_what_to_do(state):
    first = [piece.what for piece in pieces(state, ["AAA"], LATER_START, NOW)]
    settle(state, LATER_START, SPAN[1], moment(6, "derive"))

    assert first == ["derive 2024-02-01 2024-03-01"]
    assert list(pieces(state, ["AAA"], LATER_START, NOW)) == []
    with dg.DagsterInstance.ephemeral() as on:
        told = choose(on, state, ["AAA"], LATER_START, NOW)
    assert "2024-01-16 on await derivation" in told
    assert "Set ORION_START to 2024-01-16 or earlier" in told
    with pytest.raises(dg.Failure, match="ORION_START"):
        _published(state)


def test_with_the_axis_set_back_it_is_derived_and_then_the_history_is_written(state):
    settle(state, LATER_START, SPAN[1], moment(6, "derive"))

    (derive,) = pieces(state, ["AAA"], SPAN[0], NOW)
    settle(state, CORRECTED, SPAN[1], moment(7, "derive again"))
    (history,) = pieces(state, ["AAA"], SPAN[0], NOW)

    # What was derived while January awaited it was made of January as it stood
    assert derive.what == "derive 2024-01-16 2024-03-01"
    assert (history.job, history.keys) == ("history", ("AAA", "AAA"))
    assert _published(state).height == calendars.sessions(*SPAN).height


def asked_of(state: State, dataset: str, start: date, end: date, word: str = "data") -> None:
    """Say that a raw table was asked for the sessions [start, end), of the ticker where it has one."""
    ticker = "AAA" if dataset.endswith("_bars") else "*"
    cells = calendars.sessions(start, end).select("session", dataset=pl.lit(dataset), ticker=pl.lit(ticker))
    state.record(told_cells(cells, moment(4, "fill"), "", state=word))


def test_a_week_of_minutes_is_no_wish_for_the_minutes_of_all_the_sessions_that_have_daily_bars(state):
    settle(state, *SPAN, moment(6, "derive"))
    asked_of(state, "raw_minute_bars", date(2024, 2, 26), SPAN[1])

    assert [piece.job for piece in pieces(state, ["AAA"], SPAN[0], NOW)] == ["history"]


def test_what_was_stepped_over_is_asked_of_the_tables_that_lack_it_and_of_no_other(state):
    settle(state, *SPAN, moment(6, "derive"))
    asked_of(state, "raw_minute_bars", date(2024, 2, 20), date(2024, 2, 21))
    asked_of(state, "raw_minute_bars", date(2024, 2, 28), SPAN[1])
    asked_of(state, "raw_vix", date(2024, 2, 12), SPAN[1])
    asked_of(state, "raw_vix", date(2024, 2, 15), date(2024, 2, 16), "failed")

    before, after, *_ = pieces(state, ["AAA"], SPAN[0], NOW)

    assert (before.keys, set(before.assets) - set(DERIVED)) == (("2024-02-15", "2024-02-15"), {"raw_vix"})
    assert (after.keys, set(after.assets) - set(DERIVED)) == (("2024-02-21", "2024-02-27"), {"raw_minute_bars"})


VENDOR = Supply(is_vendor=True)
DOUBTED = date(2024, 2, 15)


@pytest.mark.parametrize(
    ("attempts", "days", "is_asked"), [(1, 0.5, False), (1, 1.5, True), (7, 1.5, True), (8, 29, False), (8, 31, True)]
)
def test_what_could_not_be_trusted_is_asked_for_again_a_day_later_and_then_by_the_month(
    state, attempts, days, is_asked
):
    settle(state, *SPAN, moment(6, "derive"))
    asked_of(state, "raw_vix", SPAN[0], DOUBTED)
    asked_of(state, "raw_vix", date(2024, 2, 16), SPAN[1])
    doubted = calendars.sessions(DOUBTED, date(2024, 2, 16)).select(
        "session", dataset=pl.lit("raw_vix"), ticker=pl.lit("*")
    )
    for number in range(attempts):
        # Said later each time: so often was it tried
        at = Moment(NOW - timedelta(days=days) - timedelta(hours=attempts - 1 - number))
        state.record(told_cells(doubted, at, "two answers lack half", state="quarantined"))

    wanted = [(piece.keys, piece.assets[0]) for piece in pieces(state, ["AAA"], SPAN[0], NOW, VENDOR) if piece.assets]

    again = [(("2024-02-15", "2024-02-15"), "raw_vix")]
    assert state.cells("raw_vix", states=["quarantined"])["attempts"].to_list() == [attempts]
    assert [each for each in wanted if each[1] == "raw_vix"] == (again if is_asked else [])
    # A file says the same however often it is read
    assert not [piece for piece in pieces(state, ["AAA"], SPAN[0], NOW) if "raw_vix" in piece.assets]


def test_nobody_is_asked_for_what_the_source_is_not_asked_for_any_more(state):
    settle(state, *SPAN, moment(6, "derive"))
    asked_of(state, "raw_news", *SPAN, "failed")
    supplied = frozenset({"raw_daily_bars"})

    wanted = [piece.job for piece in pieces(state, ["AAA"], SPAN[0], NOW, Supply(lambda: supplied))]

    assert wanted == ["history"]
    assert next(pieces(state, ["AAA"], SPAN[0], NOW)).assets[0] == "raw_news"


def test_the_minutes_of_a_ticker_followed_later_are_those_of_the_sessions_that_others_have(state):
    settle(state, *SPAN, moment(6, "derive"))
    asked_of(state, "raw_minute_bars", date(2024, 2, 26), SPAN[1])
    state.add_tickers(["BBB"], ts_added=moment(6, "follow").now)

    daily, minutes = (piece for piece in pieces(state, ["AAA"], SPAN[0], NOW) if piece.only == ["BBB"])

    assert (daily.assets, daily.keys) == (["raw_daily_bars"], ("2024-01-02", "2024-02-29"))
    assert (minutes.assets, minutes.keys) == (["raw_minute_bars"], ("2024-02-26", "2024-02-29"))


def test_a_vendor_is_asked_who_a_ticker_is_before_it_is_asked_for_its_bars(state):
    settle(state, *SPAN, moment(6, "derive"))
    state.reference.note(LISTED, ["AAA"], moment(4, "fill").now)
    state.add_tickers(["BBB"], ts_added=moment(6, "follow").now)

    def wanted(*datasets: str, is_vendor: bool = True) -> list[str]:
        supplied = frozenset(datasets)
        supply = Supply(lambda: supplied, is_vendor=is_vendor)
        return [each.what for each in pieces(state, ["AAA"], SPAN[0], NOW, supply)]

    first, then, *_ = wanted("raw_daily_bars", "raw_tickers")
    assert (first, then) == ("reference of 1 BBB BBB", "fill BBB BBB 2024-01-02 2024-02-29")
    # Files say who their tickers are without being asked; Cboe knows nobody
    assert not any(what.startswith("reference") for what in wanted("raw_tickers", is_vendor=False))
    assert not any(what.startswith("reference") for what in wanted("raw_daily_bars"))

    with dg.DagsterInstance.ephemeral() as on:
        asked = choose(on, state, ["AAA"], SPAN[0], NOW, Supply(lambda: frozenset({"raw_tickers"}), is_vendor=True))
    assert isinstance(asked, dg.RunRequest)
    assert (asked.job_name, dict(asked.tags)) == ("reference", {KEEPS: first})

    state.reference.note(refused(LISTED), ["BBB"], moment(6, "refused").now)
    assert wanted("raw_daily_bars", "raw_tickers")[0] == then
