from datetime import date, timedelta
from itertools import permutations

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.schemas import CORPORATE_ACTIONS, QUARANTINE, RAW_DIVIDENDS, RAW_SPLITS, SECURITIES
from orion_assets.transforms.actions import corporate_actions
from orion_assets_tests.pipeline import at
from orion_assets_tests.unit.transforms.rows import FRI, HOUR, MON, NEXT_MON, NEXT_TUE, TUE, rows, told, utc

T1 = utc(MON, 12)
T2, T3, T4 = T1 + HOUR, T1 + 2 * HOUR, T1 + 3 * HOUR
NAN = float("nan")
SESSIONS = calendars.sessions(MON, date(2014, 7, 1))
# More than 14 days after FRI, which is the 6th
LATER, LAST, FAR = date(2014, 6, 16), date(2014, 6, 26), date(2014, 6, 23)


def split(event: str, after: int | None, before: int | None = 1, known=T1, *, ticker="AAA", ex_date=FRI, **more):
    return {
        "event_id": event,
        "ticker": ticker,
        "session": ex_date,
        "ex_date": ex_date,
        "shares_after": after,
        "shares_before": before,
        "ts_known": known,
        **more,
    }


def cash(event: str, amount: float | None, known=T1, *, ticker="AAA", ex_date=FRI, **more):
    return {
        "event_id": event,
        "ticker": ticker,
        "session": ex_date,
        "ex_date": ex_date,
        "cash_amount": amount,
        "ts_known": known,
        **more,
    }


def security(security_id: str, ticker: str, valid_from=date(1990, 1, 1), valid_to=None, **more) -> dict:
    known = {"ts_known": utc(date(1990, 1, 2), 12), "is_start_known": True, **more}
    return {"security_id": security_id, "ticker": ticker, "valid_from": valid_from, "valid_to": valid_to, **known}


AAA = security("files:AAA", "AAA")


def made(splits=(), dividends=(), securities=(AAA,)):
    found = corporate_actions(
        rows(RAW_SPLITS, *splits), rows(RAW_DIVIDENDS, *dividends), rows(SECURITIES, *securities), SESSIONS
    )
    CORPORATE_ACTIONS.conform(found.rows)
    QUARANTINE.conform(found.quarantine)
    return found


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
            cash("d1", 0.5, dividend_type="regular"),
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


def test_a_dividend_of_which_no_type_is_told_is_a_regular_one():
    found = made(dividends=[cash("d1", 0.5), cash("d2", 0.6, T2, dividend_type="regular")]).rows

    assert told(found, "cash_amount", "ts_known") == [(0.5, T1), (0.6, T2)]


def test_a_dividend_whose_type_is_corrected_is_not_paid_twice():
    found = made(
        dividends=[
            cash("d1", 0.5, dividend_type="regular"),
            cash("d2", 0.6, T2),
            cash("d2", 0.6, T3, dividend_type="special"),
        ]
    ).rows

    assert told(found, "cash_amount", "ts_known") == [(0.5, T1), (0.6, T2), (1.1, T3)]


def test_when_all_dividends_of_a_day_are_withdrawn_the_action_is_gone():
    both = [cash("d1", 0.5, dividend_type="regular"), cash("d2", 2.0, dividend_type="special")]
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


def versions(*splits, **more) -> list[tuple]:
    return told(made(splits, **more).rows, "ex_date", "is_deleted", "ts_known", "known_until")


def test_a_split_told_for_two_dates_at_once_stands_on_the_later_and_never_stood_on_the_earlier():
    assert versions(split("a", 10), split("b", 10, ex_date=LATER)) == [(LATER, False, T1, None)]
    assert versions(split("b", 10), split("a", 10, ex_date=LATER)) == [(LATER, False, T1, None)]


@pytest.mark.parametrize(("first", "second"), [(FRI, LATER), (LATER, FRI)], ids=["a later date", "an earlier date"])
def test_a_split_told_again_for_another_date_stands_there_from_the_instant_at_which_that_was_known(first, second):
    found = versions(split("a", 10, ex_date=first), split("b", 10, known=T2, ex_date=second))

    assert set(found) == {(first, False, T1, T2), (first, True, T2, None), (second, False, T2, None)}


def test_a_split_stands_again_where_it_was_when_its_second_telling_is_withdrawn():
    again = {"ex_date": LATER}

    assert versions(
        split("a", 10), split("b", 10, known=T2, **again), split("b", 10, known=T3, is_deleted=True, **again)
    ) == [
        (FRI, False, T1, T2),
        (FRI, True, T2, T3),
        (FRI, False, T3, None),
        (LATER, False, T2, T3),
        (LATER, True, T3, None),
    ]


def test_a_split_that_gave_way_from_the_start_stands_first_when_the_other_is_withdrawn():
    again = {"ex_date": LATER}

    assert versions(split("a", 10), split("b", 10, **again), split("b", 10, known=T2, is_deleted=True, **again)) == [
        (FRI, False, T2, None),
        (LATER, False, T1, T2),
        (LATER, True, T2, None),
    ]


@pytest.mark.parametrize(("more", "where"), [({"ex_date": FAR}, FAR), ({"after": 5, "ex_date": LATER}, LATER)])
def test_a_split_stands_again_when_the_other_moves_away_or_turns_out_to_be_another_one(more, where):
    moved = split("b", **{"after": 10, "known": T3, **more})

    found = made([split("a", 10), split("b", 10, known=T2, ex_date=LATER), moved]).rows

    assert told(at(found, T2), "ex_date") == [(LATER,)]
    assert told(at(found, T3), "ex_date", "shares_after") == [(FRI, 10), (where, moved["shares_after"])]


def test_a_split_told_again_after_its_withdrawal_is_the_one_told_last():
    events = [split("a", 10), split("b", 10, ex_date=LATER), split("a", 10, known=T2, is_deleted=True)]

    found = made([*events, split("a", 10, known=T3)]).rows

    assert told(at(found, T2), "ex_date") == [(LATER,)]
    assert told(at(found, T3), "ex_date") == [(FRI,)]


def test_of_three_dates_in_a_chain_the_last_stands_though_the_first_is_far_from_it():
    chain = [split("a", 10), split("b", 10, ex_date=LATER), split("c", 10, ex_date=LAST)]

    assert versions(*chain) == [(LAST, False, T1, None)]


def test_a_chain_that_grows_is_decided_anew_at_each_instant_by_what_was_told_by_then():
    chain = [split("a", 10), split("b", 10, known=T2, ex_date=LATER), split("c", 10, known=T3, ex_date=LAST)]
    gone = split("b", 10, known=T4, ex_date=LATER, is_deleted=True)

    # Without the one in the middle the first and the last are two
    assert versions(*chain, gone) == [
        (FRI, False, T1, T2),
        (FRI, True, T2, T4),
        (FRI, False, T4, None),
        (LATER, False, T2, T3),
        (LATER, True, T3, None),
        (LAST, False, T3, None),
    ]


def test_a_split_between_two_that_were_told_after_it_gives_way_while_one_of_them_stands():
    both = [split("a", 10, known=T2), split("c", 10, known=T2, ex_date=LAST)]
    gone = [split("a", 10, known=T3, is_deleted=True), split("c", 10, known=T4, ex_date=LAST, is_deleted=True)]

    found = [row for row in versions(split("b", 10, ex_date=LATER), *both, *gone) if row[0] == LATER]

    assert found == [(LATER, False, T1, T2), (LATER, True, T2, T4), (LATER, False, T4, None)]


@pytest.mark.parametrize(
    "other",
    [
        split("b", 5, ex_date=LATER),
        split("b", 1, 10, ex_date=LATER),
        split("b", 10, ex_date=FRI + timedelta(days=15)),
        split("b", 10, ex_date=LATER, ticker="BBB"),
    ],
    ids=["another ratio", "its reversal", "15 days apart", "another security"],
)
def test_what_is_not_the_same_split_stands_beside_it(other):
    assert told(made([split("a", 10), other]).rows, "ts_known", "is_deleted") == [(T1, False)] * 2


def test_a_split_told_again_is_one_for_up_to_14_days_in_whatever_terms_and_under_whichever_ticker():
    fortnight = FRI + timedelta(days=14)
    renamed = (security("F1", "FB", valid_to=LATER), security("F1", "META", LATER))
    two_names = [split("a", 10, ticker="FB"), split("b", 10, ticker="META", ex_date=LATER)]

    assert versions(split("a", 10), split("b", 10, ex_date=fortnight)) == [(fortnight, False, T1, None)]
    assert versions(split("a", 1, 20), split("b", 2, 40, ex_date=LATER)) == [(LATER, False, T1, None)]
    assert versions(*two_names, securities=renamed) == [(LATER, False, T1, None)]


def test_who_bears_the_ticker_learned_late_does_not_change_which_telling_was_last():
    learned = (security("F1", "AAA", ts_known=T3),)

    found = made([split("b", 10, ex_date=LATER), split("a", 10, known=T2)], securities=learned).rows

    assert told(at(found, T2), "security_id", "ex_date") == [("unknown:AAA", FRI)]
    assert told(at(found, T3), "security_id", "ex_date") == [("F1", FRI)]


def test_equal_dividends_of_two_dates_are_two():
    found = made(dividends=[cash("a", 0.5), cash("b", 0.5, T2, ex_date=LATER)]).rows

    assert told(found, "ex_date", "is_deleted") == [(FRI, False), (LATER, False)]


def test_the_order_in_which_the_tellings_of_a_split_lie_does_not_matter():
    again = split("b", 10, known=T2, ex_date=LATER)
    events = [
        split("a", 10),
        again,
        again | {"ts_known": T4, "is_deleted": True},
        split("c", 10, known=T3, ex_date=LAST),
    ]

    one, *others = (made(order).rows for order in permutations(events))

    assert one.height == 6
    assert all(one.equals(other) for other in others)


def test_what_stands_at_an_instant_follows_from_what_was_known_by_then():
    again, gone = split("b", 10, known=T2, ex_date=LATER), split("b", 10, known=T4, ex_date=LATER, is_deleted=True)
    events = [split("a", 10), again, split("c", 10, known=T3, ex_date=LAST), gone]
    full = made(events).rows.drop("known_until")

    for instant in (T1, T2, T3, T4):
        then = made([event for event in events if event["ts_known"] <= instant]).rows.drop("known_until")
        assert then.equals(full.filter(pl.col("ts_known") <= instant))
