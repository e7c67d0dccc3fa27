from datetime import date

import polars as pl
import pytest

from orion_assets.store.state import State

MONDAY, TUESDAY, WEDNESDAY = date(2014, 6, 2), date(2014, 6, 3), date(2014, 6, 4)


@pytest.fixture(params=["sqlite", "postgres"])
def state(request, tmp_path):
    url = request.getfixturevalue("database") if request.param == "postgres" else f"sqlite:///{tmp_path}/state.db"
    made = State(url)
    yield made
    made.close()


def compared(*rows):
    return pl.DataFrame(rows, {"ticker": pl.String, "session": pl.Date, "is_bar": pl.Boolean}, orient="row")


def test_bars_that_were_compared_are_counted_by_source_and_sessions_without_any_are_not(state):
    rows = compared(("AAA", MONDAY, True), ("AAA", TUESDAY, True), ("BBB", TUESDAY, True), ("BBB", MONDAY, False))
    state.comparisons.record(rows, "yahoo")
    state.comparisons.record(compared(("CCC", WEDNESDAY, True)), "alpaca")

    told = state.comparisons.between(MONDAY, date(2014, 6, 5))

    assert told.rows() == [("alpaca", 1, 1, WEDNESDAY, WEDNESDAY), ("yahoo", 3, 2, MONDAY, TUESDAY)]
    # The end is excluded
    assert state.comparisons.between(MONDAY, TUESDAY).rows() == [("yahoo", 1, 1, MONDAY, MONDAY)]


def test_the_last_word_on_a_bar_counts(state):
    state.comparisons.record(compared(("AAA", MONDAY, True), ("BBB", MONDAY, True)), "yahoo")
    state.comparisons.record(compared(("AAA", MONDAY, True), ("BBB", MONDAY, False)), "alpaca")

    assert state.comparisons.between(MONDAY, TUESDAY).rows() == [("alpaca", 1, 1, MONDAY, MONDAY)]


def test_nothing_may_be_recorded(state):
    state.comparisons.record(compared(), "yahoo")

    told = state.comparisons.between(MONDAY, TUESDAY)

    assert told.is_empty()
    assert told.schema["first"] == pl.Date
