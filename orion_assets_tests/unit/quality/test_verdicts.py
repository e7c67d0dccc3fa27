"""What runs and commands judged is kept, and shown for the sessions that they judged."""

from datetime import UTC, date, datetime

import polars as pl

from orion_assets.quality.audit import Checked
from orion_assets.quality.crosscheck import FOUND
from orion_assets.quality.verdicts import as_judged, judge_crosscheck
from orion_assets.store.state import State

SPAN = (date(2024, 10, 1), date(2024, 12, 1))


def test_a_check_of_runs_has_judged_the_sessions_of_its_runs_alone(tmp_path):
    state = State(f"sqlite:///{tmp_path}/state.db")
    state.verdicts.judge(("feature_matrix", "leaks"), pl.DataFrame(), [SPAN[0]], datetime(2024, 12, 1, tzinfo=UTC))

    def is_idle(span) -> bool:
        return next(each.is_idle for each in as_judged(state, span) if each.check == "leaks")

    assert not is_idle(SPAN)
    assert is_idle((date(2024, 9, 1), SPAN[0]))


COLUMNS = ("open", "high", "low", "close", "volume")
OTHERS = [f"T{number:03d}" for number in range(30)]


def different(*tickers) -> pl.DataFrame:
    """Each ticker differs in all five columns of one session."""
    rows = [(ticker, SPAN[0], column, 1.0, 2.0, 100.0, f"of {column}") for ticker in tickers for column in COLUMNS]
    return pl.DataFrame(rows, schema=FOUND, orient="row")


def pairs(*tickers, days=(SPAN[0],), is_bar=True) -> pl.DataFrame:
    rows = [(ticker, day, is_bar) for ticker in tickers for day in days]
    return pl.DataFrame(rows, {"ticker": pl.String, "session": pl.Date, "is_bar": pl.Boolean}, orient="row")


def crosschecked(state, span=SPAN) -> Checked:
    return next(each for each in as_judged(state, span) if each.check == "crosscheck")


def test_every_ticker_that_a_second_source_differs_on_stays_accused(tmp_path):
    state, at = State(f"sqlite:///{tmp_path}/state.db"), datetime(2024, 12, 1, tzinfo=UTC)

    judge_crosscheck(state, different(*OTHERS), pairs(*OTHERS), "yahoo", at)
    first = crosschecked(state)
    judge_crosscheck(state, different(), pairs("AURA"), "yahoo", at)
    second = crosschecked(state)
    judge_crosscheck(state, different(), pairs(*OTHERS[:10]), "yahoo", at)

    assert first.accused["ticker"].to_list() == second.accused["ticker"].to_list() == OTHERS
    assert set(first.accused["column"]) == {"open, high, low, close, volume"}
    assert first.accused["likely_cause"][0] == "of open, of high, of low, of close, of volume"
    assert crosschecked(state).accused["ticker"].to_list() == OTHERS[10:]


def test_only_bars_that_were_compared_again_are_cleared(tmp_path):
    state, at = State(f"sqlite:///{tmp_path}/state.db"), datetime(2024, 12, 1, tzinfo=UTC)
    later = date(2024, 10, 2)

    judge_crosscheck(state, different("AURA", "FLUX"), pairs("AURA", "FLUX"), "yahoo", at)
    again = pl.concat([pairs("AURA", days=(later,)), pairs("FLUX", days=(SPAN[0], later))])
    judge_crosscheck(state, different(), again, "yahoo", at)

    assert crosschecked(state).accused["ticker"].to_list() == ["AURA"]


def test_a_crosscheck_says_how_many_bars_it_reached(tmp_path):
    state, at = State(f"sqlite:///{tmp_path}/state.db"), datetime(2024, 12, 1, tzinfo=UTC)

    assert crosschecked(state).is_idle
    judge_crosscheck(state, different(), pairs("QUIL", is_bar=False), "yahoo", at)
    assert crosschecked(state).is_idle
    judge_crosscheck(state, different(), pairs("AURA"), "yahoo", at)
    assert not crosschecked(state).is_idle
    assert crosschecked(state).description.endswith(": 1 bar of 1 ticker, yahoo, 2024-10-01 to 2024-10-01")

    judge_crosscheck(state, different(), pairs("FLUX", "JUNO", days=(SPAN[0], date(2024, 10, 2))), "alpaca", at)

    assert crosschecked(state).description.endswith(
        ": 4 bars of 2 tickers, alpaca, 2024-10-01 to 2024-10-02; 1 bar of 1 ticker, yahoo, 2024-10-01 to 2024-10-01"
    )
    assert crosschecked(state, (date(2024, 9, 1), SPAN[0])).is_idle
