"""feature_indicators over versions of bars and splits; the indicators themselves are tested beside their oracles."""

import math

import polars as pl
import pytest

from orion_assets.schemas import CLEAN_DAILY_BARS, CORPORATE_ACTIONS, FEATURE_INDICATORS, SECURITIES
from orion_assets.transforms.daily import feature_indicators
from orion_assets_tests.pipeline import at
from orion_assets_tests.unit.transforms.rows import (
    FRI,
    HOUR,
    MON,
    NEXT_MON,
    NEXT_TUE,
    THU,
    TUE,
    WED,
    bar,
    close_cutoff,
    rows,
    split,
    told,
    utc,
)

WEEK = (MON, TUE, WED, THU, FRI)
# 2:1 on Wednesday
HALVED = tuple(bar(session, close) for session, close in zip(WEEK, (100.0, 102.0, 51.0, 51.0, 52.0), strict=True))
LATE = close_cutoff(FRI) + HOUR
MORNING = utc(MON, 12)


def features(bars: list[dict], *splits: dict, start=MON, end=NEXT_TUE, securities=()) -> pl.DataFrame:
    given, actions = rows(CLEAN_DAILY_BARS, *bars), rows(CORPORATE_ACTIONS, *splits)
    return FEATURE_INDICATORS.conform(feature_indicators(given, actions, rows(SECURITIES, *securities), start, end))


def test_a_plain_week_by_hand():
    closes = (10.0, 11.0, 12.0, 11.0, 16.0)

    found = features([bar(session, close) for session, close in zip(WEEK, closes, strict=True)])

    assert found["close"].to_list() == list(closes)
    assert found["split_factor"].to_list() == [1.0] * 5
    assert found["sma_5"].to_list() == [None] * 4 + [12.0]
    assert found["ret_simple"][0] is None
    assert found["ret_simple"].to_list()[1:] == pytest.approx([1 / 10, 1 / 11, -1 / 12, 5 / 11], rel=1e-15)
    assert found["ret_log"][1] == pytest.approx(math.log(1.1), rel=1e-15)
    assert found["roc_1"][4] == pytest.approx(100 * 5 / 11, rel=1e-15)
    assert found["obv"].to_list() == [100.0, 200.0, 300.0, 200.0, 300.0]
    assert found["ts_known"].to_list() == [close_cutoff(session) for session in WEEK]
    assert found["known_until"].null_count() == 5


def test_a_split_known_before_its_ex_date_restates_nothing():
    found = features([*HALVED], split(WED, 2, 1, utc(TUE, 12)))

    assert found.height == 5
    assert found["split_factor"].to_list() == [1.0, 1.0, 2.0, 2.0, 2.0]
    assert found["close"].to_list() == [100.0, 102.0, 51.0, 51.0, 52.0]
    assert found["ret_simple"].to_list()[1:] == pytest.approx([0.02, 0.0, 0.0, 1 / 51], rel=1e-15)
    # Forward: 100, 102, 102, 102, 104, in Friday's units half of their mean
    assert found["sma_5"][4] == 51.0
    # Volumes in forward shares: 100, then 50 a session
    assert found["obv"].to_list() == [100.0, 200.0, 200.0, 200.0, 250.0]


def test_a_split_learned_late_adds_versions_from_its_ex_date_on_and_no_other():
    found = features([*HALVED, bar(NEXT_MON, 52.0)], split(WED, 2, 1, LATE))

    assert told(found.filter(pl.col("session") < WED), "session", "known_until") == [(MON, None), (TUE, None)]
    changed = found.filter(pl.col("session").is_between(WED, FRI))
    assert told(changed, "session", "split_factor", "known_until") == [
        *((WED, 1.0, LATE), (WED, 2.0, None)),
        *((THU, 1.0, LATE), (THU, 2.0, None)),
        *((FRI, 1.0, LATE), (FRI, 2.0, None)),
    ]
    assert found.filter(pl.col("session") == NEXT_MON)["split_factor"].to_list() == [2.0]


def test_a_split_learned_on_the_evening_of_its_ex_date_restates_that_session():
    evening = close_cutoff(WED) + HOUR

    found = features([*HALVED[:3]], split(WED, 2, 1, evening)).filter(pl.col("session") == WED)

    assert told(found, "split_factor", "ret_simple", "ts_known") == [
        (1.0, -0.5, close_cutoff(WED)),
        (2.0, 0.0, evening),
    ]


def test_before_a_late_split_is_known_reads_show_the_fall_and_after_it_none():
    found = features([*HALVED], split(WED, 2, 1, LATE))

    before, after = at(found, close_cutoff(FRI)), at(found, LATE)

    assert before["ret_simple"][2] == -0.5
    assert before["sma_5"][4] == pytest.approx((100 + 102 + 51 + 51 + 52) / 5)
    assert after["ret_simple"][2] == 0.0
    assert after["sma_5"][4] == 51.0


def test_a_withdrawn_split_gives_the_earlier_values_back():
    false = split(WED, 2, 1, utc(TUE, 12))

    found = features([*HALVED], false, {**false, "ts_known": LATE, "is_deleted": True})

    wednesday = found.filter(pl.col("session") == WED)
    assert told(wednesday, "split_factor", "ret_simple", "ts_known") == [
        (2.0, 0.0, close_cutoff(WED)),
        (1.0, -0.5, LATE),
    ]
    assert found.filter(pl.col("session") <= TUE).height == 2


def test_a_split_corrected_before_its_ex_date_restates_nothing():
    wrong = split(WED, 3, 1, utc(MON, 12))

    found = features([*HALVED], wrong, split(WED, 2, 1, utc(TUE, 12)))

    assert found["split_factor"].to_list() == [1.0, 1.0, 2.0, 2.0, 2.0]


def test_a_split_learned_at_the_instant_of_a_bar_counts_for_it():
    found = features([*HALVED], split(WED, 2, 1, close_cutoff(WED)))

    assert found.height == 5
    assert found["split_factor"].to_list() == [1.0, 1.0, 2.0, 2.0, 2.0]


def test_a_correction_restates_only_what_its_window_reaches():
    closes = zip((*WEEK, NEXT_MON), (10.0, 11.0, 12.0, 13.0, 14.0, 15.0), strict=True)
    correction = bar(MON, 20.0, LATE)

    found = features([*(bar(session, close) for session, close in closes), correction])

    friday = found.filter(pl.col("session") == FRI).select("sma_5", "ts_known").rows()
    assert friday == [(12.0, close_cutoff(FRI)), (14.0, LATE)]
    monday = found.filter(pl.col("session") == NEXT_MON)
    # Arrived after the correction, so there is no other version
    assert monday.select("sma_5", "ts_known").rows() == [(13.0, close_cutoff(NEXT_MON))]


def test_a_withdrawn_bar_gives_a_version_without_values_in_its_session():
    gone = bar(THU, 51.0, LATE, is_deleted=True)

    found = features([*HALVED, gone], split(WED, 2, 1, utc(TUE, 12)))

    thursday, friday = (found.filter(pl.col("session") == session) for session in (THU, FRI))
    assert told(thursday, "close", "ret_simple", "is_deleted", "ts_known") == [
        (51.0, 0.0, False, close_cutoff(THU)),
        (None, None, True, LATE),
    ]
    # Without Thursday there are four closes up to Friday
    assert told(friday, "sma_5", "ts_known") == [(51.0, close_cutoff(FRI)), (None, LATE)]


def test_a_late_first_bar_brings_a_split_into_force():
    # Tuesday is the first bar, so its split does not count until Monday's bar turns up
    given = [bar(TUE, 50.0), bar(WED, 50.0), bar(MON, 100.0, close_cutoff(WED) + HOUR)]

    found = features(given, split(TUE, 2, 1, utc(MON, 12)))

    assert told(found, "session", "split_factor", "ts_known") == [
        (MON, 1.0, close_cutoff(WED) + HOUR),
        (TUE, 1.0, close_cutoff(TUE)),
        (TUE, 2.0, close_cutoff(WED) + HOUR),
        (WED, 1.0, close_cutoff(WED)),
        (WED, 2.0, close_cutoff(WED) + HOUR),
    ]


def test_a_range_gives_the_same_rows_as_the_whole():
    correction = bar(MON, 90.0, LATE)
    given, late = [*HALVED, correction], split(WED, 2, 1, close_cutoff(THU) + HOUR)

    whole = features(given, late)
    part = features(given, late, start=WED, end=FRI)

    assert part.equals(whole.filter(pl.col("session").is_between(WED, THU)))


def test_the_close_is_the_traded_one_and_the_event_that_of_the_bar():
    closed = utc(WED, 20)

    found = features([bar(MON, 100.0), bar(WED, 50.0, ts_event=closed)], split(TUE, 2, 1, utc(MON, 12)))

    assert told(found, "close", "split_factor")[1] == (50.0, 2.0)
    assert found["ts_event"][1] == closed


def test_no_bars_give_no_rows_with_or_without_splits():
    assert features([]).is_empty()
    assert features([], split(WED, 2, 1, LATE)).is_empty()
    assert features([bar(NEXT_TUE, 1.0)], end=NEXT_MON).is_empty()


def borne(security_id: str, ticker: str, valid_from=MON, valid_to=None, known=MORNING, **more) -> dict:
    interval = {"security_id": security_id, "ticker": ticker, "valid_from": valid_from, "valid_to": valid_to}
    return {**interval, "is_start_known": True, "ts_known": known, **more}


FB_THEN_META = [bar(MON, 10.0, ticker="FB"), bar(TUE, 11.0, ticker="FB"), bar(WED, 12.1, ticker="META")]


def test_a_renamed_security_goes_on_under_its_new_ticker():
    known = (borne("F1", "FB", MON, WED), borne("F1", "META", WED))

    found = features(FB_THEN_META, securities=known)

    assert told(found, "ticker", "session", "ret_simple") == [
        ("FB", MON, None),
        ("FB", TUE, pytest.approx(0.1)),
        ("META", WED, pytest.approx(0.1)),
    ]


def test_a_rename_learned_late_adds_a_version_from_then_on():
    known = (
        borne("F1", "FB", MON, known_until=LATE),
        borne("F1", "FB", MON, WED, known=LATE),
        borne("F1", "META", WED, known=LATE),
    )

    found = features(FB_THEN_META, securities=known).filter(ticker="META")

    assert told(found, "ret_simple", "ts_known", "known_until") == [
        (None, close_cutoff(WED), LATE),
        (pytest.approx(0.1), LATE, None),
    ]


def test_a_reused_ticker_begins_anew():
    given = [bar(MON, 10.0), bar(TUE, 11.0), bar(WED, 50.0), bar(THU, 55.0)]

    found = features(given, securities=(borne("OLD", "AAA", MON, WED), borne("NEW", "AAA", WED)))

    assert told(found, "session", "ret_simple", "obv")[2:] == [(WED, None, 100.0), (THU, pytest.approx(0.1), 200.0)]


def test_a_split_of_the_company_before_moves_nothing_of_the_one_that_took_its_ticker():
    given = [bar(MON, 10.0), bar(TUE, 5.0), bar(WED, 50.0)]
    known = (borne("OLD", "AAA", MON, WED), borne("NEW", "AAA", WED))

    found = features(given, split(TUE, 2, 1, utc(MON, 12)), securities=known)

    assert told(found, "session", "split_factor") == [(MON, 1.0), (TUE, 2.0), (WED, 1.0)]


def test_a_split_under_the_old_ticker_goes_on_under_the_new():
    given = [bar(MON, 20.0, ticker="FB"), bar(TUE, 11.0, ticker="FB"), bar(WED, 12.1, ticker="META")]
    known = (borne("F1", "FB", MON, WED), borne("F1", "META", WED))

    found = features(given, split(TUE, 2, 1, utc(MON, 12), ticker="FB"), securities=known)

    assert told(found, "ticker", "split_factor") == [("FB", 1.0), ("FB", 2.0), ("META", 2.0)]


def test_who_is_named_late_under_one_ticker_was_one_series_all_along():
    given = [bar(MON, 10.0), bar(TUE, 11.0)]

    found = features(given, securities=(borne("F1", "AAA", WED, known=LATE, is_start_known=False),))

    assert told(found, "session", "known_until") == [(MON, None), (TUE, None)]
