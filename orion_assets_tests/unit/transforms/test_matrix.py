from datetime import date

import polars as pl
import pytest

from orion_assets.schemas import (
    CLEAN_DAILY_BARS,
    CORPORATE_ACTIONS,
    FEATURE_INDICATORS,
    FEATURE_MARKET,
    FEATURE_MATRIX,
    FEATURE_SENTIMENT,
    RAW_COVERAGE,
    SECURITIES,
)
from orion_assets.transforms.daily import feature_indicators
from orion_assets.transforms.market import asked
from orion_assets.transforms.matrix import feature_matrix
from orion_assets_tests.pipeline import at
from orion_assets_tests.unit.transforms.rows import (
    FRI,
    HOUR,
    MON,
    NEXT_MON,
    THU,
    TICK,
    TUE,
    WED,
    answered,
    bar,
    both,
    close_cutoff,
    june,
    open_cutoff,
    rows,
    split,
    told,
    utc,
)

WEEK = (MON, TUE, WED, THU, FRI)


def day(session: date, close: float | None, known=None, *, ticker="AAA", factor=1.0, **more) -> dict:
    known = known or close_cutoff(session)
    return {"ticker": ticker, "session": session, "close": close, "split_factor": factor, "ts_known": known, **more}


def mood(session: date, cutoff: str, score: float, known=None, *, ticker="AAA") -> dict:
    known = known or {"open": open_cutoff, "close": close_cutoff}[cutoff](session)
    return {"ticker": ticker, "session": session, "cutoff": cutoff, "sentiment": score, "ts_known": known}


def vix(session: date, cutoff: str, close: float, known=None) -> dict:
    known = known or {"open": open_cutoff, "close": close_cutoff}[cutoff](session)
    return {"session": session, "cutoff": cutoff, "vix_close": close, "ts_known": known}


def cells(*sessions: date) -> pl.DataFrame:
    return asked(answered("raw_daily_bars", *both(*(sessions or WEEK))), june(), MON, NEXT_MON)


def matrix(bars=(), moods=(), market=(), over: pl.DataFrame | None = None) -> pl.DataFrame:
    found = feature_matrix(
        rows(FEATURE_INDICATORS, *bars),
        rows(FEATURE_SENTIMENT, *moods),
        rows(FEATURE_MARKET, *market),
        cells() if over is None else over,
    )
    return FEATURE_MATRIX.conform(found)


def of(frame: pl.DataFrame, session: date, cutoff: str, *names: str) -> list[tuple]:
    return told(frame.filter((pl.col("session") == session) & (pl.col("cutoff") == cutoff)), *names)


def test_the_close_row_takes_the_sessions_bar_and_the_open_row_the_one_before():
    found = matrix([day(MON, 10.0), day(TUE, 11.0)])

    assert of(found, TUE, "open", "bar_session", "close", "ts_known") == [(MON, 10.0, open_cutoff(TUE))]
    assert of(found, TUE, "close", "bar_session", "close", "ts_known") == [(TUE, 11.0, close_cutoff(TUE))]
    assert of(found, WED, "open", "bar_session", "close") == [(TUE, 11.0)]
    assert found.height == 4


def test_the_open_row_is_in_the_units_of_the_session_before_though_a_split_is_due_that_day():
    bars = rows(CLEAN_DAILY_BARS, bar(MON, 100.0), bar(TUE, 100.0), bar(WED, 50.0))
    actions = rows(CORPORATE_ACTIONS, split(WED, 2, 1, utc(MON, 12)))

    found = feature_matrix(
        feature_indicators(bars, actions, SECURITIES.empty(), MON, NEXT_MON),
        FEATURE_SENTIMENT.empty(),
        FEATURE_MARKET.empty(),
        cells(),
    )

    assert of(found, WED, "open", "close", "split_factor") == [(100.0, 1.0)]
    assert of(found, WED, "close", "close", "split_factor", "ret_simple") == [(50.0, 2.0, 0.0)]


def test_the_mood_and_the_market_are_those_of_the_rows_own_cut_off():
    found = matrix(
        [day(MON, 10.0), day(TUE, 11.0)],
        [mood(TUE, "open", 0.1), mood(TUE, "close", 0.2), mood(TUE, "close", 0.9, ticker="BBB")],
        [vix(TUE, "open", 12.0), vix(TUE, "close", 13.0)],
    )

    assert of(found, TUE, "open", "sentiment", "vix_close") == [(0.1, 12.0)]
    assert of(found, TUE, "close", "sentiment", "vix_close") == [(0.2, 13.0)]
    assert of(found, MON, "close", "sentiment", "vix_close") == [(None, None)]


def test_a_halted_ticker_has_no_row_at_that_close_nor_at_the_next_open():
    found = matrix([day(MON, 10.0), day(WED, 12.0), day(TUE, 5.0, ticker="BBB")], [mood(TUE, "close", 0.5)])

    assert told(found.filter(pl.col("ticker") == "AAA").sort("ts_event"), "session", "cutoff") == [
        (MON, "close"),
        (TUE, "open"),
        (WED, "close"),
        (THU, "open"),
    ]


def test_a_late_bar_makes_its_row_known_when_it_arrives():
    arrival = close_cutoff(MON) + HOUR

    found = matrix([day(MON, 10.0, arrival)])

    assert of(found, MON, "close", "close", "ts_event", "ts_known") == [(10.0, close_cutoff(MON), arrival)]
    assert of(found, TUE, "open", "close", "ts_known") == [(10.0, open_cutoff(TUE))]


def test_a_correction_after_the_cut_off_makes_a_version():
    correction = open_cutoff(TUE) + TICK

    found = matrix([day(MON, 10.0), day(MON, 10.5, correction)])

    versions = ("close", "ts_known", "known_until")
    assert of(found, MON, "close", *versions) == [(10.0, close_cutoff(MON), correction), (10.5, correction, None)]
    assert of(found, TUE, "open", *versions) == [(10.0, open_cutoff(TUE), correction), (10.5, correction, None)]


def test_a_correction_at_the_cut_off_is_read_by_it():
    found = matrix([day(MON, 10.0), day(MON, 10.5, open_cutoff(TUE))])

    assert of(found, TUE, "open", "close", "ts_known") == [(10.5, open_cutoff(TUE))]


@pytest.mark.parametrize("name", ["sentiment", "vix_close"])
def test_a_feature_that_changes_after_the_cut_off_makes_a_version(name):
    later = close_cutoff(MON) + HOUR
    moods = [mood(MON, "close", 1.0), mood(MON, "close", 2.0, later)] if name == "sentiment" else []
    market = [vix(MON, "close", 1.0), vix(MON, "close", 2.0, later)] if name == "vix_close" else []

    found = matrix([day(MON, 10.0)], moods, market)

    assert of(found, MON, "close", name, "ts_known") == [(1.0, close_cutoff(MON)), (2.0, later)]


def test_a_withdrawn_bar_withdraws_its_rows_with_all_their_values():
    gone = open_cutoff(TUE) + HOUR

    found = matrix([day(MON, 10.0), day(MON, None, gone, is_deleted=True)], [mood(TUE, "open", 0.5)])

    names = ("close", "sentiment", "is_deleted", "ts_known", "known_until")
    assert of(found, TUE, "open", *names) == [
        (10.0, 0.5, False, open_cutoff(TUE), gone),
        (None, None, True, gone, None),
    ]
    assert at(found, gone).is_empty()
    assert at(found, gone - TICK).height == 2


def test_a_bar_withdrawn_before_the_cut_off_never_had_a_row_at_it():
    found = matrix([day(MON, 10.0), day(MON, None, open_cutoff(TUE), is_deleted=True)])

    assert of(found, MON, "close", "is_deleted") == [(False,), (True,)]
    assert of(found, TUE, "open", "is_deleted") == []


def test_a_bar_that_returns_brings_its_rows_back():
    gone, back = close_cutoff(MON) + HOUR, close_cutoff(MON) + 2 * HOUR

    found = matrix([day(MON, 10.0), day(MON, None, gone, is_deleted=True), day(MON, 10.0, back)])

    assert of(found, MON, "close", "is_deleted", "ts_known") == [
        (False, close_cutoff(MON)),
        (True, gone),
        (False, back),
    ]
    assert of(found, TUE, "open", "is_deleted", "ts_known") == [(False, open_cutoff(TUE))]


def test_a_withdrawn_market_row_leaves_nulls_and_the_row():
    later = close_cutoff(MON) + HOUR
    gone = {**vix(MON, "close", 1.0, later), "is_deleted": True}

    found = matrix([day(MON, 10.0)], (), [vix(MON, "close", 1.0), gone])

    assert of(found, MON, "close", "vix_close", "is_deleted") == [(1.0, False), (None, False)]


def test_two_changes_at_one_instant_are_one_version():
    later = close_cutoff(MON) + HOUR

    found = matrix(
        [day(MON, 10.0), day(MON, 10.5, later)], [mood(MON, "close", 0.1, later)], [vix(MON, "close", 12.0, later)]
    )

    assert of(found, MON, "close", "close", "sentiment", "vix_close", "ts_known") == [
        (10.0, None, None, close_cutoff(MON)),
        (10.5, 0.1, 12.0, later),
    ]


def test_only_cut_offs_that_were_asked_have_rows():
    found = matrix([day(MON, 10.0), day(TUE, 11.0)], over=cells(TUE))

    assert told(found.sort("ts_event"), "session", "cutoff") == [(TUE, "open"), (TUE, "close")]


def test_the_cells_of_the_matrix_are_those_at_which_bars_were_asked():
    coverage = answered("raw_daily_bars", (MON, "close"), (TUE, "open"))

    found = asked(coverage, june(), MON, WED)

    assert told(found, "session", "cutoff", "ts_cutoff", "bar_session") == [
        (MON, "close", close_cutoff(MON), MON),
        (TUE, "open", open_cutoff(TUE), MON),
    ]


def test_the_first_session_of_the_calendar_has_no_open_row():
    calendar = june().filter(pl.col("session") >= MON)
    first = asked(answered("raw_daily_bars", *both(MON)), calendar, MON, TUE)

    assert told(matrix([day(MON, 10.0)], over=first), "session", "cutoff") == [(MON, "close")]


def test_no_bars_and_no_cells_give_no_rows():
    assert matrix((), [mood(MON, "close", 0.5)], [vix(MON, "close", 12.0)]).is_empty()
    assert matrix([day(MON, 10.0)], over=asked(RAW_COVERAGE.empty(), june(), MON, FRI)).is_empty()
