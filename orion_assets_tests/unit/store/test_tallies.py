"""Counts of the ledger, made in the database, against counting its cells."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets import calendars
from orion_assets.store.state import LEDGER_SCHEMA, STATES, State
from orion_assets.store.tallies import Scope

T0 = datetime(2014, 6, 3, 20, 30, tzinfo=UTC)
DAYS = calendars.sessions(date(2014, 5, 20), date(2014, 7, 8))["session"].to_list()
TICKERS = ("AAA", "BBB", "KIMpL")


@pytest.fixture(scope="module")
def cells() -> pl.DataFrame:
    """Every state, unevenly over two tables, three tickers and three months."""
    rows = [
        {"dataset": dataset, "ticker": ticker, "session": day, "state": STATES[(number * place) % len(STATES)]}
        for dataset, tickers in (("raw_daily_bars", TICKERS), ("raw_vix", ("*",)))
        for place, ticker in enumerate(tickers, 1)
        for number, day in enumerate(DAYS)
        if number % 5 or ticker != "BBB"
    ]
    more = {"rows": 1, "source": "files", "evidence": "", "attempts": 1, "ts_known": T0, "ts_updated": T0}
    given = [{**row, **more, "detail": "why" if row["state"] == "failed" else ""} for row in rows]
    return pl.DataFrame(given, LEDGER_SCHEMA)


@pytest.fixture(params=["sqlite", "postgres"])
def state(request, tmp_path, cells) -> Iterator[State]:
    made = State(request.getfixturevalue("database") if request.param == "postgres" else f"sqlite:///{tmp_path}/s.db")
    made.record(cells)
    yield made
    made.close()


def within(cells: pl.DataFrame, scope: Scope) -> pl.DataFrame:
    found = cells.filter(pl.col("dataset") == (scope.dataset or pl.col("dataset")))
    found = found if scope.tickers is None else found.filter(pl.col("ticker").is_in(list(scope.tickers)))
    return found.filter(pl.col("session") >= (scope.start or DAYS[0]), pl.col("session") < (scope.end or date.max))


SCOPES = [
    Scope(),
    Scope("raw_vix"),
    Scope(tickers=["AAA", "KIMpL"]),
    Scope("raw_daily_bars", ["BBB"], date(2014, 6, 3), date(2014, 7, 1)),
    Scope("nothing"),
]


@pytest.mark.parametrize("scope", SCOPES)
def test_cells_are_counted_by_session_and_by_ticker_as_one_by_one(state, cells, scope):
    mine = within(cells, scope)
    span = {"first": pl.col("session").min(), "last": pl.col("session").max()}

    by_session, by_ticker, by_month = state.tally(scope), state.tally_tickers(scope), state.tally_months(scope)

    count = pl.len().cast(pl.Int64).alias("cells")
    keys = ["dataset", "session", "state"]
    assert_frame_equal(by_session, mine.group_by(keys).agg(count).sort(keys).select(by_session.columns))
    each = [(pl.col("state") == name).sum().cast(pl.Int64).alias(name) for name in STATES]
    keys = ["dataset", "ticker"]
    assert_frame_equal(by_ticker, mine.group_by(keys).agg(*each, **span).sort(keys).select(by_ticker.columns))
    dated = mine.with_columns(month=pl.col("session").dt.strftime("%Y-%m"))
    keys = [*keys, "month"]
    assert_frame_equal(by_month, dated.group_by(keys).agg(*each, **span).sort(keys).select(by_month.columns))


def test_cells_without_an_answer_say_why_together(state, cells):
    found = state.reasons(Scope("raw_daily_bars"))

    failed = cells.filter(pl.col("state") == "failed", pl.col("dataset") == "raw_daily_bars")
    row = found.filter(state="failed").row(0, named=True)
    assert (row["cells"], row["tickers"], row["ticker"]) == (failed.height, failed["ticker"].n_unique(), "AAA")
    assert (row["first"], row["last"], row["detail"]) == (failed["session"].min(), failed["session"].max(), "why")
    assert set(found["state"]) == set(STATES) - {"data", "empty_confirmed"}


def test_tickers_and_the_first_answered_session_are_found_without_counting(state, cells):
    answered = cells.filter(pl.col("state").is_in(["data", "empty_confirmed"]), pl.col("dataset") == "raw_daily_bars")

    assert state.ticker_count("raw_daily_bars") == 3
    assert state.ticker_count("raw_vix") == 1
    assert state.ticker_count("nothing") == 0
    assert state.first_session("raw_daily_bars") == answered["session"].min()
    assert state.first_session("nothing") is None


def test_some_cells_are_forgotten_and_the_others_stay(state, cells):
    some = cells.filter(pl.col("ticker") == "AAA")
    since = some.head(1).with_columns(pl.col("ts_updated") + pl.duration(seconds=1)).drop("attempts")
    state.record(since)

    state.amend(some, cells.clear().drop("attempts"))

    assert state.cells().height == cells.height - some.height + 1
    assert state.cells(tickers=["AAA"])["session"].to_list() == since["session"].to_list(), "said again since"


def test_a_cell_that_was_asked_for_in_vain_counts_each_time_and_never_moves_back(state, cells):
    cell = cells.filter(pl.col("state") == "not_entitled").head(1).drop("attempts")
    later = cell.with_columns(pl.col("ts_updated") + pl.duration(days=1))

    for told in (later, later, cell):
        state.record(told)

    row = state.cells(cell["dataset"][0], cell["ticker"].to_list(), cell["session"][0]).row(0, named=True)
    assert (row["attempts"], row["ts_updated"]) == (2, later["ts_updated"][0])


def test_who_answered_is_known_without_a_look_at_the_cells(state):
    state.clear()

    assert state.sources() == {"files"}


def test_what_bears_upon_its_own_session_is_kept_by_session(state):
    state.log_touch("a", [DAYS[1], DAYS[0]], T0)
    state.log_touch("a", [DAYS[0]], T0.replace(hour=22))
    state.log_touch("a", [], T0)

    assert state.touches().sort("session").rows() == [("a", DAYS[0], T0.replace(hour=22)), ("a", DAYS[1], T0)]
