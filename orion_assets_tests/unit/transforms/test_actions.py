from datetime import date

import polars as pl
import pytest

from orion_assets.schemas import CORPORATE_ACTIONS, QUARANTINE, RAW_DIVIDENDS, RAW_SPLITS, SECURITIES
from orion_assets.transforms.actions import corporate_actions
from orion_assets_tests.pipeline import at
from orion_assets_tests.unit.transforms.action_rows import (
    AAA,
    FAR,
    NAN,
    SESSIONS,
    T1,
    T2,
    T3,
    T4,
    cash,
    made,
    security,
    split,
)
from orion_assets_tests.unit.transforms.rows import FRI, MON, NEXT_MON, NEXT_TUE, TUE, rows, told


def test_a_split_and_a_dividend_of_one_day_are_two_actions():
    found = made([split("s", 7)], [cash("d", 0.5)]).rows

    assert told(found, "security_id", "ex_date", "kind", "shares_after", "shares_before", "cash_amount") == [
        ("files:AAA", FRI, "dividend", None, None, 0.5),
        ("files:AAA", FRI, "split", 7, 1, None),
    ]


def test_a_correction_is_a_version():
    found = made([split("s", 2), split("s", 3, known=T2)]).rows

    assert told(found, "shares_after", "ts_known", "known_until") == [(2, T1, T2), (3, T2, None)]


def test_there_and_back_is_three_versions():
    found = made([split("s", 2), split("s", 3, known=T2), split("s", 2, known=T3)]).rows

    assert told(found, "shares_after", "ts_known") == [(2, T1), (3, T2), (2, T3)]


def test_an_event_listed_twice_counts_once():
    found = made(dividends=[cash("d1", 0.5), cash("d2", 0.5, T2)]).rows

    assert told(found, "cash_amount", "ts_known", "known_until") == [(0.5, T1, None)]


def test_among_twins_the_one_known_last_counts():
    found = made(dividends=[cash("d2", 0.5), cash("d1", 0.6, T2)]).rows

    assert told(found, "cash_amount", "ts_known") == [(0.5, T1), (0.6, T2)]


def test_among_twins_of_one_instant_the_greatest_id_counts():
    assert made(dividends=[cash("d2", 0.6), cash("d1", 0.5)]).rows["cash_amount"].to_list() == [0.6]


def test_the_withdrawal_of_one_twin_leaves_the_other_standing():
    found = made(dividends=[cash("d1", 0.5), cash("d2", 0.6, T2), cash("d2", 0.6, T3, is_deleted=True)]).rows

    assert told(found, "cash_amount", "ts_known", "is_deleted") == [
        (0.5, T1, False),
        (0.6, T2, False),
        (0.5, T3, False),
    ]


def test_a_regular_and_a_special_dividend_of_one_day_are_both_paid():
    found = made(
        dividends=[
            cash("d1", 0.5),
            cash("d2", 2.0, T2, dividend_type="special"),
            cash("d2", 3.0, T3, dividend_type="special"),
            cash("d2", 3.0, T4, dividend_type="special", is_deleted=True),
        ]
    ).rows

    assert told(found, "kind", "cash_amount", "ts_known", "is_deleted") == [
        ("dividend", 0.5, T1, False),
        ("dividend", 2.5, T2, False),
        ("dividend", 3.5, T3, False),
        ("dividend", 0.5, T4, False),
    ]


def test_a_dividend_in_another_currency_is_held():
    found = made(dividends=[cash("d1", 0.5), cash("d2", 0.7, ticker="CNQ", currency="CAD")])

    assert found.rows["cash_amount"].to_list() == [0.5]
    assert told(found.quarantine, "ticker", "rule", "found") == [("CNQ", "paid_in_dollars", "0.7 CAD")]


def test_a_dividend_whose_type_is_corrected_is_not_paid_twice():
    found = made(
        dividends=[
            cash("d1", 0.5),
            cash("d2", 0.6, T2),
            cash("d2", 0.6, T3, dividend_type="special"),
        ]
    ).rows

    assert told(found, "cash_amount", "ts_known") == [(0.5, T1), (0.6, T2), (1.1, T3)]


def test_when_all_dividends_of_a_day_are_withdrawn_the_action_is_gone():
    both = [cash("d1", 0.5), cash("d2", 2.0, dividend_type="special")]
    gone = [both[0] | {"ts_known": T2, "is_deleted": True}, both[1] | {"ts_known": T3, "is_deleted": True}]

    found = made(dividends=[*both, *gone]).rows

    assert told(found, "ts_known", "is_deleted") == [(T1, False), (T2, False), (T3, True)]
    assert found["cash_amount"].to_list()[:2] == [2.5, 2.0]


def test_when_both_twins_are_withdrawn_the_action_is_gone_until_one_returns():
    found = made(
        dividends=[
            cash("d1", 0.5),
            cash("d2", 0.5),
            cash("d1", 0.5, T2, is_deleted=True),
            cash("d2", 0.5, T3, is_deleted=True),
            cash("d1", 0.5, T4),
        ]
    ).rows

    assert told(found, "ts_known", "is_deleted") == [(T1, False), (T3, True), (T4, False)]


def test_an_event_moved_to_another_ex_date_leaves_the_first():
    found = made([split("s", 2), split("s", 2, known=T2, ex_date=NEXT_MON)]).rows

    assert told(at(found, T1), "ex_date") == [(FRI,)]
    assert told(at(found, T2), "ex_date") == [(NEXT_MON,)]


def test_an_event_moved_there_and_back_stands_where_it_was():
    moved = [split("s", 2), split("s", 2, known=T2, ex_date=NEXT_MON), split("s", 2, known=T3)]

    found = made(moved).rows

    assert told(at(found, T2), "ex_date") == [(NEXT_MON,)]
    assert told(at(found, T3), "ex_date") == [(FRI,)]


def test_an_event_moved_away_from_its_twin_leaves_the_twin_standing():
    found = made([split("s1", 2), split("s2", 2), split("s2", 2, known=T2, ex_date=FAR)]).rows

    assert told(at(found, T2), "ex_date", "shares_after") == [(FRI, 2), (FAR, 2)]


def test_a_split_and_a_dividend_with_one_event_id_are_different_events():
    found = made([split("e", 2)], [cash("e", 0.5, T2, ex_date=NEXT_MON)]).rows

    assert told(at(found, T2), "kind", "ex_date") == [("split", FRI), ("dividend", NEXT_MON)]


def test_an_event_of_an_unknown_ticker_gets_an_id_that_says_so():
    assert made([split("s", 2, ticker="ZZZ")]).rows["security_id"].to_list() == ["unknown:ZZZ"]
    assert made([split("s", 2)], securities=()).rows["security_id"].to_list() == ["unknown:AAA"]


@pytest.mark.parametrize(
    ("ex_date", "security_id"),
    [(date(2014, 5, 30), "unknown:AAA"), (MON, "old"), (TUE, "old"), (FRI, "new"), (NEXT_TUE, "new")],
    ids=["before the first listing", "its first day", "within", "the day it changes hands", "after"],
)
def test_a_reused_ticker_belongs_to_the_security_that_bore_it_on_the_ex_date(ex_date, security_id):
    holders = (security("old", "AAA", MON, FRI), security("new", "AAA", FRI))

    assert made([split("s", 2, ex_date=ex_date)], securities=holders).rows["security_id"].to_list() == [security_id]


def test_where_two_securities_claim_a_ticker_the_later_listing_counts():
    holders = (security("new", "AAA", TUE), security("old", "AAA", MON))

    assert made([split("s", 2)], securities=holders).rows["security_id"].to_list() == ["new"]


@pytest.mark.parametrize(
    ("bad", "found"),
    [((0, 1), "0 for 1"), ((2, -1), "2 for -1"), ((None, 1), "nothing for 1"), ((2, None), "2 for nothing")],
)
def test_a_split_without_a_positive_ratio_is_held(bad, found):
    held = made([split("s", *bad)])

    assert held.rows.is_empty()
    assert told(held.quarantine, "origin", "row_key", "rule", "found") == [("raw_splits", "s", "ratio_positive", found)]


@pytest.mark.parametrize(
    ("bad", "found"), [(0.0, "0.0"), (-0.5, "-0.5"), (None, "nothing"), (NAN, "NaN"), (float("inf"), "inf")]
)
def test_a_dividend_without_positive_cash_is_held(bad, found):
    held = made(dividends=[cash("d", bad)])

    assert held.rows.is_empty()
    assert told(held.quarantine, "origin", "row_key", "rule", "found") == [
        ("raw_dividends", "d", "cash_positive", found)
    ]


def test_an_unreadable_event_is_held_with_its_problem():
    held = made([split("s", None, None, problem="ratio: 'two' is not a ratio")])

    assert held.quarantine["rule"].to_list() == ["readable"]
    assert "ratio: 'two' is not a ratio" in held.quarantine["found"].to_list()


def test_a_bad_correction_leaves_the_good_version_standing():
    found = made([split("s", 2), split("s", 0, known=T2)])

    assert told(found.rows, "shares_after", "known_until") == [(2, None)]
    assert found.quarantine.height == 1


def test_no_events_give_two_empty_tables():
    found = made()

    assert found.rows.schema == CORPORATE_ACTIONS.schema
    assert found.quarantine.schema == QUARANTINE.schema
    assert found.rows.is_empty()


def test_the_order_of_raw_rows_does_not_matter():
    events = rows(RAW_DIVIDENDS, cash("d1", 0.5), cash("d2", 0.6), cash("d2", 0.6, T3, is_deleted=True))
    none, holders = RAW_SPLITS.empty(), rows(SECURITIES, AAA)

    one = corporate_actions(none, events, holders, SESSIONS).rows

    assert one.equals(corporate_actions(none, events.reverse(), holders, SESSIONS).rows)
    assert one.schema["cash_amount"] == pl.Float64


def test_a_security_learned_late_takes_the_action_over_when_it_is_known():
    securities = (security("F1", "AAA", ts_known=T2),)

    found = made([split("s", 2)], securities=securities).rows

    assert told(found, "security_id", "is_deleted", "ts_known") == [
        ("F1", False, T2),
        ("unknown:AAA", False, T1),
        ("unknown:AAA", True, T2),
    ]


def test_an_action_told_under_two_tickers_of_one_security_counts_once():
    renamed = (security("F1", "FB", valid_to=FRI), security("F1", "META", FRI))
    twice = [split("s1", 2, ticker="FB", ex_date=FRI), split("s2", 2, ticker="META", ex_date=FRI, known=T2)]

    found = made(twice, securities=renamed).rows

    assert told(found, "security_id", "ticker") == [("F1", "META"), ("unknown:FB", "FB")]
