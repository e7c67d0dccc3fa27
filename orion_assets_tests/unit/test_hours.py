"""When a session is traded at all: New York clock times, by parameter."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from orion_assets.calendars import EXTENDED_HOURS, sessions, traded, trading_dates
from orion_assets.hours import Hours

NEW_YORK = ZoneInfo("America/New_York")
# SIPs from December 2026 on: Sunday 21:00 to Friday 20:00, the date changes at 20:00
ROUND_THE_CLOCK = Hours(opens=time(21), closes=time(20), rolls=time(20))


def new_york(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=NEW_YORK)


def dated(instant: datetime, hours: Hours = EXTENDED_HOURS) -> date:
    frame = pl.DataFrame({"at": [instant.astimezone(UTC)]}, schema={"at": pl.Datetime("us", "UTC")})
    return frame.select(trading_dates(pl.col("at"), hours)).item()


def bounds(day: date, hours: Hours = EXTENDED_HOURS) -> tuple[datetime, datetime]:
    (row,) = traded(sessions(day, day + timedelta(days=1)), hours).select("ts_first", "ts_last").rows()
    return row


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        (date(2014, 3, 7), 9, 25),
        (date(2014, 3, 10), 8, 24),
        (date(2014, 10, 31), 8, 24),
        (date(2014, 11, 3), 9, 25),
    ],
)
def test_the_hours_follow_new_yorks_summer_time(day, first, last):
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)

    assert bounds(day) == (midnight + timedelta(hours=first), midnight + timedelta(hours=last))


def test_a_session_has_960_minutes_by_default_and_1380_round_the_clock():
    day = date(2014, 6, 5)

    lengths = [(last - first) / timedelta(minutes=1) for first, last in (bounds(day), bounds(day, ROUND_THE_CLOCK))]

    assert lengths == [960, 1380]


def test_a_minute_belongs_to_its_new_york_date_not_to_that_of_utc():
    assert dated(new_york(date(2014, 6, 5), 19, 59)) == date(2014, 6, 5)
    assert dated(datetime(2014, 6, 6, 0, 0, tzinfo=UTC)) == date(2014, 6, 5)


@pytest.mark.parametrize(
    ("evening", "expected"),
    [
        (new_york(date(2027, 1, 4), 19, 59), date(2027, 1, 4)),
        (new_york(date(2027, 1, 4), 21), date(2027, 1, 5)),
        (new_york(date(2027, 1, 5), 0), date(2027, 1, 5)),
        (new_york(date(2027, 1, 3), 21), date(2027, 1, 4)),
        (new_york(date(2027, 1, 8), 21), date(2027, 1, 9)),
    ],
    ids=["before the roll", "Monday evening is Tuesday's", "after midnight", "Sunday evening is Monday's", "Friday's"],
)
def test_where_the_date_rolls_in_the_evening_what_follows_is_the_next_dates(evening, expected):
    assert dated(evening, ROUND_THE_CLOCK) == expected


def test_overnight_hours_begin_on_the_evening_before():
    first, last = bounds(date(2027, 1, 5), ROUND_THE_CLOCK)

    assert (first, last) == (new_york(date(2027, 1, 4), 21), new_york(date(2027, 1, 5), 20))


def test_overnight_hours_are_an_hour_shorter_on_the_night_that_has_one_less():
    first, last = bounds(date(2027, 3, 15), ROUND_THE_CLOCK)

    assert (first, last) == (new_york(date(2027, 3, 14), 21), new_york(date(2027, 3, 15), 20))
    assert last - first == timedelta(hours=23)


@pytest.mark.parametrize(
    "wrong",
    [
        {"opens": time(20), "closes": time(4)},
        {"opens": time(4), "closes": time(4)},
        {"opens": time(4), "closes": time(21), "rolls": time(20)},
        {"opens": time(9, 30, 15)},
        {"opens": time(9, tzinfo=UTC)},
    ],
)
def test_hours_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="hours Hours"):
        Hours(**wrong)


@pytest.mark.parametrize("hours", [EXTENDED_HOURS, ROUND_THE_CLOCK, Hours(time(18), time(17), time(17, 30))])
def test_the_dates_of_many_minutes_are_those_of_each_alone(hours):
    spring, autumn = datetime(2014, 3, 8, 12, tzinfo=UTC), datetime(2014, 11, 1, 12, tzinfo=UTC)
    minutes = [begins + timedelta(minutes=n) for begins in (spring, autumn) for n in range(0, 2 * 24 * 60, 7)]
    frame = pl.DataFrame({"at": [*reversed(minutes), None]}, schema={"at": pl.Datetime("us", "UTC")})

    turned = [(at.astimezone(NEW_YORK).replace(tzinfo=None) + hours.shift).date() for at in reversed(minutes)]

    assert frame.select(trading_dates(pl.col("at"), hours))["at"].to_list() == [*turned, None]
    assert frame.clear().select(trading_dates(pl.col("at"), hours)).schema == {"at": pl.Date()}
