import multiprocessing
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from orion_assets.errors import SettingsError, StoreUnavailable
from orion_assets.store.state import LEDGER_SCHEMA, State
from orion_assets_tests.unit.store import state_writers

MONDAY, TUESDAY = date(2014, 6, 2), date(2014, 6, 3)
T0 = datetime(2014, 6, 3, 20, 30, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path) -> str:
    if request.param == "postgres":
        return request.getfixturevalue("database")
    return f"sqlite:///{tmp_path}/made/on use/state.db"


@pytest.fixture
def state(url) -> Iterator[State]:
    made = State(url)
    yield made
    made.close()


def cell(ticker="AAPL", session=MONDAY, state="data", evidence="e1", **more) -> dict:
    usual = {"dataset": "raw_daily_bars", "rows": 1, "source": "files", "attempts": 1, "detail": None}
    named = {"ticker": ticker, "session": session, "state": state, "evidence": evidence}
    return {**dict.fromkeys(LEDGER_SCHEMA), **usual, **named, "ts_known": T0, "ts_updated": T0, **more}


def frame(*cells: dict) -> pl.DataFrame:
    return pl.DataFrame(cells, schema=LEDGER_SCHEMA)


def test_cells_come_back_as_recorded_and_sorted(state):
    told = frame(cell("MSFT"), cell("AAPL", TUESDAY, "failed", None, ts_known=None, detail="500"), cell("AAPL"))

    state.record(told)

    assert_frame_equal(state.cells(), told.sort("dataset", "ticker", "session"))


def test_a_new_database_holds_nothing(state):
    assert_frame_equal(state.cells(), frame())
    assert state.universe() == ()


def test_cells_are_found_by_dataset_ticker_and_range(state):
    state.record(frame(cell(), cell("MSFT"), cell("AAPL", TUESDAY), cell("AAPL", dataset="raw_vix")))

    def found(*question):
        return state.cells(*question).select("dataset", "ticker", "session").rows()

    assert found("raw_vix") == [("raw_vix", "AAPL", MONDAY)]
    assert found(None, ["MSFT"]) == [("raw_daily_bars", "MSFT", MONDAY)]
    assert found(None, []) == []
    assert found(None, ["MSFT", *map(str, range(2000))]) == [("raw_daily_bars", "MSFT", MONDAY)]
    assert found(None, None, TUESDAY) == [("raw_daily_bars", "AAPL", TUESDAY)]
    assert len(found(None, None, None, TUESDAY)) == 3


@pytest.mark.parametrize(
    ("again", "attempts"),
    [
        (cell(), 1),
        (cell(evidence="e2"), 2),
        (cell(evidence=None), 2),
        (cell(state="failed"), 2),
        (cell(state="empty_confirmed"), 1),
    ],
    ids=["the same", "other evidence", "no evidence", "failed", "another state on the same evidence"],
)
def test_attempts_count_other_evidence_and_failures(state, again, attempts):
    state.record(frame(cell()))

    state.record(frame({**again, "attempts": 7}).drop("attempts"))

    assert state.cells().row(0, named=True) == {**again, "attempts": attempts}


@pytest.mark.parametrize("answer", ["data", "empty_confirmed"])
@pytest.mark.parametrize("word", ["failed", "not_yet", "quarantined"])
def test_what_was_asked_for_in_vain_before_takes_no_answer_back(state, answer, word):
    answered = cell(state=answer, ts_updated=T0 + timedelta(hours=1))
    state.record(frame(answered))

    state.record(frame(cell(state=word, evidence=None, rows=0, detail="an hour earlier")))
    before = state.cells()
    state.record(frame(cell(state=word, evidence=None, rows=0, ts_updated=T0 + timedelta(hours=2))))

    assert_frame_equal(before, frame(answered))
    assert state.cells()["state"].to_list() == [word]


def test_rows_of_an_answer_that_are_held_back_later_take_it_back_whenever_they_were_known(state):
    state.record(frame(cell(ts_updated=T0 + timedelta(hours=1))))

    state.record(frame(cell(state="quarantined", evidence="row 1")))

    assert state.cells()["state"].to_list() == ["quarantined"]


def test_an_answer_that_is_held_back_as_it_is_landed_is_one_attempt(state):
    for hours in (0, 24, 48):
        at = T0 + timedelta(hours=hours)
        state.record(frame(cell(evidence=f"answer {hours}", ts_updated=at)))
        state.record(frame(cell(state="quarantined", evidence=f"row 1 of {hours}", ts_updated=at)))

    assert state.cells()["attempts"].to_list() == [3]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (frame(cell()).drop("state"), "state must be String"),
        (frame(cell()).cast({"rows": pl.Int32}), "rows must be Int64"),
        (frame(cell(state="fine")), "unknown state fine"),
        (frame(cell(), cell()), "stands twice"),
        (frame(cell(ts_updated=None)), "null in ts_updated"),
    ],
)
def test_wrong_cells_are_refused_whole(state, cells, message):
    with pytest.raises(ValueError, match=message):
        state.record(cells)

    assert state.cells().is_empty()


def test_clearing_the_ledger_keeps_the_universe(state):
    state.record(frame(cell()))
    state.add_tickers(["AAPL"], ts_added=T0)

    state.clear()

    assert state.cells().is_empty()
    assert state.universe() == ("AAPL",)


def test_the_universe_says_what_is_new_and_keeps_what_was(state, url):
    later = T0 + timedelta(days=1)

    assert state.add_tickers(["MSFT", "AAPL", "AAPL"], ts_added=T0) == ("AAPL", "MSFT")
    assert state.add_tickers(["AAPL", "KIMpL"], ts_added=later) == ("KIMpL",)
    assert state.remove_tickers(["AAPL", "FB"], ts_removed=later) == ("AAPL",)
    assert state.universe() == ("KIMpL", "MSFT")
    assert state.add_tickers(["AAPL"], ts_added=later + timedelta(1)) == ("AAPL",)
    assert State(url).universe() == ("AAPL", "KIMpL", "MSFT")


def test_an_instant_without_a_zone_is_refused(state):
    with pytest.raises(ValueError, match="needs a time zone"):
        state.add_tickers(["AAPL"], ts_added=T0.replace(tzinfo=None))


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite://", "nothing"])
def test_another_kind_of_database_is_refused(url):
    with pytest.raises(SettingsError, match="state"):
        State(url)


def test_a_database_of_newer_code_is_refused(state, url):
    state.universe()
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg2:"))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE schema_version SET version = 99"))
    engine.dispose()

    with pytest.raises(SettingsError, match="schema version 99"):
        State(url).universe()


def test_a_runs_last_landing_from_a_session_on_counts(state):
    state.log_landing("a", MONDAY, T0)
    state.log_landing("a", TUESDAY, T0)
    state.log_landing("a", MONDAY, T0 + timedelta(hours=1))

    assert state.landings().sort("first_session").rows() == [
        ("a", MONDAY, T0 + timedelta(hours=1)),
        ("a", TUESDAY, T0),
    ]


def test_cells_are_counted_by_session_in_the_database(state):
    state.record(frame(cell(), cell("MSFT"), cell("AAPL", TUESDAY, "failed"), cell("*", dataset="raw_vix")))
    state.add_tickers(["AAPL"], ts_added=T0)

    assert state.count_sessions(["data"]).rows() == [("raw_daily_bars", MONDAY, 2), ("raw_vix", MONDAY, 1)]
    assert state.count_sessions(["data", "failed"], dataset="raw_daily_bars", followed=True).rows() == [
        ("raw_daily_bars", MONDAY, 1),
        ("raw_daily_bars", TUESDAY, 1),
    ]


def test_sessions_that_hold_a_cell_in_some_states_are_named_once(state):
    given = [cell(), cell("MSFT"), cell("AAPL", TUESDAY, "failed"), cell("*", TUESDAY, dataset="raw_vix")]
    state.record(frame(*given))

    assert sorted(state.sessions_in(["data"]).rows()) == [("raw_daily_bars", MONDAY), ("raw_vix", TUESDAY)]
    assert state.sessions_in(["data", "failed"]).height == 3
    assert state.sessions_in(["not_yet"]).is_empty()


def test_a_database_that_does_not_answer_says_so(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreUnavailable, match="does not answer"):
        State(f"sqlite:///{tmp_path}/file/state.db").universe()


def test_a_password_is_not_shown():
    with pytest.raises(StoreUnavailable, match=r"\*\*\*") as caught:
        State("postgresql://orion:hunter2@127.0.0.1:1/none").universe()

    assert "hunter2" not in str(caught.value)


def test_fifty_thousand_cells_are_recorded_and_count_a_second_answer(state):
    sessions = pl.DataFrame({"session": [MONDAY + timedelta(n) for n in range(100)]})
    tickers = pl.DataFrame({"ticker": [f"T{n:03d}" for n in range(500)]})
    cells = sessions.join(tickers, how="cross").join(frame(cell()).drop("session", "ticker"), how="cross")
    state.record(cells)

    state.record(cells.with_columns(evidence=pl.lit("e2")))

    found = state.cells()
    assert found.height == 50_000
    assert found["attempts"].unique().to_list() == [2]


def test_four_processes_write_at_once_from_the_first_use_on(url):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    processes = [context.Process(target=state_writers.work, args=(url, number, barrier)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)

    cells = State(url).cells()
    assert [process.exitcode for process in processes] == [0] * 4
    assert cells.filter(pl.col("ticker") == "shared")["attempts"].to_list() == [4 * state_writers.ROUNDS]
    assert cells.filter(pl.col("ticker") != "shared").height == 4 * state_writers.ROUNDS
    assert State(url).universe() == tuple(sorted(["shared", *(f"T{number}" for number in range(4))]))


def test_when_the_reference_was_last_answered_is_told_by_route(state):
    first, later = datetime(2026, 11, 20, 9, tzinfo=UTC), datetime(2026, 11, 21, 9, 0, 0, 7, tzinfo=UTC)
    state.reference.note("listed", ["FB", "AAPL"], first)
    state.reference.note("events", ["BBG000MM2P62"], first)

    state.reference.note("listed", ["FB"], later)
    state.reference.note("listed", [], later)

    assert state.reference.answered("listed") == {"AAPL": first, "FB": later}
    assert state.reference.answered("events") == {"BBG000MM2P62": first}
    assert state.reference.answered("ended") == {}
