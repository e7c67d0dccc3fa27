import polars as pl

from orion_assets.quality.reconciliation import disagreements
from orion_assets.schemas import CLEAN_DAILY_BARS, CORPORATE_ACTIONS
from orion_assets_tests.unit.transforms.rows import FRI, MON, THU, TUE, WED, bar, dividend, rows, split, told, utc

WEEK = (MON, TUE, WED, THU, FRI)
# 2:1 on Wednesday, one dollar of fifty on Thursday
BARS = rows(
    CLEAN_DAILY_BARS, *(bar(day, close) for day, close in zip(WEEK, (100.0, 100.0, 50.0, 50.0, 50.0), strict=True))
).with_columns(security_id=pl.lit("files:AAA"))
ACTIONS = rows(CORPORATE_ACTIONS, split(WED, 2, 1, utc(MON, 12)), dividend(THU, 1.0))


def reference(basis: str, *closes: float) -> pl.DataFrame:
    return pl.DataFrame({"ticker": "AAA", "session": WEEK, "close": closes, "basis": basis, "source_file": "other.csv"})


def test_a_vendor_that_adjusts_for_the_same_split_agrees_in_whatever_units():
    assert disagreements(reference("split_adjusted", 5.0, 5.0, 5.0, 5.0, 5.0), BARS, ACTIONS, MON).is_empty()


def test_a_vendor_that_misses_the_split_disagrees_on_its_side_of_it():
    found = disagreements(reference("split_adjusted", 100.0, 100.0, 50.0, 50.0, 50.0), BARS, ACTIONS, MON)

    assert told(found, "session", "own_close", "reference_close", "difference_ratio") == [
        (MON, 50.0, 100.0, 1.0),
        (TUE, 50.0, 100.0, 1.0),
    ]


def test_a_fully_adjusted_series_is_held_against_total_return():
    grown = 1 + 1.0 / 50.0
    fully = reference("fully_adjusted", *(50.0 / grown,) * 3, 50.0, 50.0)

    assert disagreements(fully, BARS, ACTIONS, MON).is_empty()
    assert told(disagreements(reference("fully_adjusted", *(50.0,) * 5), BARS, ACTIONS, MON), "session") == [
        (THU,),
        (FRI,),
    ]


def test_sessions_that_only_one_side_has_are_not_compared():
    half = reference("split_adjusted", 50.0, 50.0, 50.0, 50.0, 50.0).head(2)

    assert disagreements(half, BARS.tail(2), ACTIONS, MON).is_empty()
    assert disagreements(half, BARS.clear(), CORPORATE_ACTIONS.empty(), MON).is_empty()


def test_one_session_is_held_against_the_scale_of_those_before_it():
    half_off = reference("split_adjusted", 5.0, 5.0, 5.0, 5.0, 5.5)

    assert told(disagreements(half_off, BARS, ACTIONS, FRI), "session", "own_close", "reference_close") == [
        (FRI, 5.0, 5.5)
    ]
    assert disagreements(reference("split_adjusted", *(5.0,) * 5), BARS, ACTIONS, FRI).is_empty()


def test_what_differed_before_the_range_is_not_told_again():
    earlier = reference("split_adjusted", 5.0, 5.5, 5.0, 5.0, 5.0)

    assert disagreements(earlier, BARS, ACTIONS, THU).is_empty()


def test_a_ticker_whose_comparison_begins_in_the_range_sets_its_own_scale():
    begins = reference("split_adjusted", 9.0, 9.0, 5.0, 5.0, 5.5).tail(3)

    assert told(disagreements(begins, BARS, ACTIONS, WED), "session") == [(FRI,)]


def test_a_range_longer_than_the_history_before_it_does_not_set_its_own_scale():
    moved = reference("split_adjusted", 5.0, 5.0, 5.5, 5.5, 5.5)

    assert told(disagreements(moved, BARS, ACTIONS, WED), "session") == [(WED,), (THU,), (FRI,)]
