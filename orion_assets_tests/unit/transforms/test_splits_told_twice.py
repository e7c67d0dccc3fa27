from datetime import timedelta
from itertools import permutations

import polars as pl
import pytest

from orion_assets_tests.pipeline import at
from orion_assets_tests.unit.transforms.action_rows import FAR, LAST, LATER, T1, T2, T3, T4, cash, made, security, split
from orion_assets_tests.unit.transforms.rows import FRI, told


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
