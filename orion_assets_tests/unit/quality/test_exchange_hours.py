"""What a vendor says otherwise of the exchange's days to come is named, each day once; what agrees is not."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from orion_assets.quality.exchange_hours import compared_through, differences
from orion_assets.sources.protocols import UPCOMING, ExchangeStatus

# Saturday 21 November; Thanksgiving is the 26th, the 27th is a half-day, so is Christmas Eve
SATURDAY = datetime(2026, 11, 21, 18, tzinfo=UTC)


def utc(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


def shut(day: date, name: str, exchange: str = "NYSE"):
    return (day, exchange, name, True, None, None)


def early(day: date, hour: int = 18, exchange: str = "NYSE"):
    return (day, exchange, "", False, utc(day, 14, 30), utc(day, hour))


THANKSGIVING = shut(date(2026, 11, 26), "Thanksgiving")
FRIDAY, EVE = early(date(2026, 11, 27)), early(date(2026, 12, 24))
CHRISTMAS = shut(date(2026, 12, 25), "Christmas")
OF_NYSE = (THANKSGIVING, FRIDAY, EVE, CHRISTMAS)
OF_NASDAQ = tuple((day, "NASDAQ", *rest) for day, _, *rest in OF_NYSE)
ALL = (*OF_NYSE, *OF_NASDAQ)


def said(*rows, at: datetime = SATURDAY, is_open: bool = False) -> ExchangeStatus:
    return ExchangeStatus(at, is_open, pl.DataFrame(list(rows), UPCOMING, orient="row"))


def test_who_says_the_same_differs_in_nothing():
    assert differences(said(*ALL)) == []
    assert compared_through(said(*ALL)) == date(2026, 12, 25)


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (
            (THANKSGIVING, FRIDAY, EVE, CHRISTMAS, shut(date(2026, 12, 28), "A Day of Mourning")),
            "2026-12-28 NYSE: the vendor says closed (A Day of Mourning), Orion's calendar has a session from"
            " 14:30Z to 21:00Z",
        ),
        (
            (THANKSGIVING, FRIDAY, CHRISTMAS),
            "2026-12-24 NYSE: the vendor names a later day and not this one, Orion's calendar has a session from"
            " 14:30Z to 18:00Z",
        ),
        (
            (FRIDAY, EVE, CHRISTMAS),
            "2026-11-26 NYSE: the vendor names a later day and not this one, Orion's calendar has no session",
        ),
        (
            (THANKSGIVING, early(date(2026, 11, 27), 19), EVE, CHRISTMAS),
            "2026-11-27 NYSE: the vendor says from 14:30Z to 19:00Z, Orion's calendar has a session from"
            " 14:30Z to 18:00Z",
        ),
        (
            (early(date(2026, 11, 26)), FRIDAY, EVE, CHRISTMAS),
            "2026-11-26 NYSE: the vendor says from 14:30Z to 18:00Z, Orion's calendar has no session",
        ),
    ],
    ids=["a holiday more", "an early close less", "a holiday less", "another close", "an early close for a holiday"],
)
def test_each_difference_is_a_line(rows, line):
    assert differences(said(*rows, *OF_NASDAQ)) == [line]


def test_of_days_after_the_last_one_that_it_names_nothing_is_said():
    assert differences(said(*OF_NYSE[:2], *OF_NASDAQ[:2])) == []


def test_a_weekend_is_no_holiday_and_other_exchanges_are_left_out():
    saturday, otc = shut(date(2026, 11, 28), ""), shut(date(2026, 12, 1), "", exchange="OTC")

    assert differences(said(*ALL, saturday, otc)) == []


def test_each_exchange_is_held_against_the_calendar_by_itself():
    other = shut(date(2026, 12, 25), "Christmas", exchange="NASDAQ")

    (first, *_) = found = differences(said(*OF_NYSE, other))

    assert first.startswith("2026-11-26 NASDAQ: the vendor names a later day and not this one")
    assert len(found) == 3


def test_they_agree_no_further_than_each_exchange_is_told():
    told = said(*OF_NYSE, *OF_NASDAQ[:2])

    assert differences(told) == []
    assert compared_through(told) == date(2026, 11, 27)


def test_an_exchange_without_a_day_was_not_compared():
    told = said(*OF_NYSE)

    assert differences(told) == ["the vendor names no holiday of NASDAQ to come: it was not compared"]
    assert compared_through(told) is None


def test_two_words_on_one_day_are_named():
    told = said(*ALL, early(date(2026, 11, 26)), THANKSGIVING)

    assert differences(told) == [
        "2026-11-26 NYSE: the vendor names it twice: closed (Thanksgiving), and from 14:30Z to 18:00Z",
        "2026-11-26 NYSE: the vendor says from 14:30Z to 18:00Z, Orion's calendar has no session",
    ]


def test_a_vendor_that_names_nothing_was_not_compared():
    assert differences(said()) == ["the vendor names no holiday of NYSE or NASDAQ to come: nothing was compared"]
    assert compared_through(said()) is None


@pytest.mark.parametrize(
    ("at", "is_open", "count"),
    [
        (utc(date(2026, 11, 20), 15), True, 0),
        (utc(date(2026, 11, 20), 15), False, 1),
        (SATURDAY, True, 1),
        # On the minute either word may be late
        (utc(date(2026, 11, 20), 21), True, 0),
        (utc(date(2026, 11, 20), 21), False, 0),
    ],
)
def test_whether_it_is_open_now_is_compared_by_the_vendors_clock(at, is_open, count):
    found = differences(said(*ALL, at=at, is_open=is_open))

    assert len(found) == count
    assert all("Orion's calendar that it is" in line for line in found)
