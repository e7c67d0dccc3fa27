from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest

from orion_assets import calendars


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def clocks(session: date) -> dict:
    return calendars.sessions(session, session + timedelta(days=1)).row(0, named=True)


def test_a_summer_session_opens_at_half_past_nine_new_york():
    found = clocks(date(2014, 6, 6))

    assert found["ts_open"] == at(2014, 6, 6, 13, 30)
    assert found["ts_close"] == at(2014, 6, 6, 20)
    assert found["ts_open_cutoff"] == at(2014, 6, 6, 13, 25)
    assert found["ts_close_cutoff"] == at(2014, 6, 6, 20, 30)
    assert not found["is_half_day"]


@pytest.mark.parametrize(
    ("friday", "monday", "open_friday", "open_monday"),
    [
        (date(2014, 3, 7), date(2014, 3, 10), at(2014, 3, 7, 14, 25), at(2014, 3, 10, 13, 25)),
        (date(2014, 10, 31), date(2014, 11, 3), at(2014, 10, 31, 13, 25), at(2014, 11, 3, 14, 25)),
    ],
    ids=["clocks go forward: 71 h", "clocks go back: 73 h"],
)
def test_cut_offs_follow_new_york_through_the_change_of_clocks(friday, monday, open_friday, open_monday):
    found = calendars.sessions(friday, monday + timedelta(days=1))

    assert found["session"].to_list() == [friday, monday]
    assert found["ts_open_cutoff"].to_list() == [open_friday, open_monday]


@pytest.mark.parametrize(
    ("half_day", "close"),
    [
        (date(2014, 7, 3), at(2014, 7, 3, 17)),
        (date(2014, 11, 28), at(2014, 11, 28, 18)),
        (date(2014, 12, 24), at(2014, 12, 24, 18)),
    ],
)
def test_a_half_day_closes_at_one_and_is_decided_at_half_past(half_day, close):
    found = clocks(half_day)

    assert found["is_half_day"]
    assert found["ts_close"] == close
    assert found["ts_close_cutoff"] == close + timedelta(minutes=30)


def test_2014_had_three_half_days():
    year = calendars.sessions(date(2014, 1, 1), date(2015, 1, 1))

    assert year.height == 252
    assert year["is_half_day"].sum() == 3


def test_the_exchange_was_shut_after_the_eleventh_of_september():
    found = calendars.sessions(date(2001, 9, 10), date(2001, 9, 18))["session"].to_list()

    assert found == [date(2001, 9, 10), date(2001, 9, 17)]
    assert not calendars.is_session(date(2001, 9, 11))
    assert calendars.is_session(date(2001, 9, 10))


def test_positions_count_sessions_whatever_lies_between_them():
    found = calendars.sessions(date(2014, 7, 2), date(2014, 7, 9))

    assert found["session"].to_list() == [date(2014, 7, day) for day in (2, 3, 7, 8)]
    assert (found["position"] - found["position"][0]).to_list() == [0, 1, 2, 3]
    assert found.schema["position"] == pl.Int32


def test_the_calendar_begins_with_the_first_session_of_1990():
    assert calendars.sessions().row(0, named=True)["session"] == date(1990, 1, 2)
    assert calendars.sessions()["position"][0] == 0


def test_no_column_of_the_calendar_holds_a_null():
    assert calendars.sessions().null_count().row(0) == (0,) * 7


def test_the_end_of_a_range_is_not_in_it():
    assert calendars.sessions(date(2014, 6, 6), date(2014, 6, 6)).is_empty()
    assert calendars.sessions(end=date(1990, 1, 3))["session"].to_list() == [date(1990, 1, 2)]


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((date(1989, 12, 31), None), "start 1989-12-31 is outside the calendar, 1990-01-01 to 2036-12-31"),
        ((None, date(2037, 1, 2)), "end 2037-01-02 is outside the calendar, 1990-01-01 to 2036-12-31"),
    ],
)
def test_a_range_beyond_the_calendar_is_refused(bounds, message):
    with pytest.raises(ValueError, match=message):
        calendars.sessions(*bounds)


def test_the_day_after_the_horizon_may_end_a_range():
    assert calendars.sessions(date(2036, 12, 31), date(2037, 1, 1))["session"].to_list() == [date(2036, 12, 31)]


@pytest.mark.parametrize(
    ("day", "session"),
    [
        (date(2014, 7, 3), date(2014, 7, 3)),
        (date(2014, 7, 4), date(2014, 7, 7)),
        (date(2001, 9, 11), date(2001, 9, 17)),
        (date(2036, 12, 20), date(2036, 12, 22)),
    ],
    ids=["a session", "a long weekend", "the longest gap", "close to the horizon"],
)
def test_the_session_at_or_after_a_date(day, session):
    assert calendars.session_at_or_after(day) == session


@pytest.mark.parametrize(
    ("instant", "session"),
    [
        (at(2014, 6, 6, 20, 30), date(2014, 6, 6)),
        (at(2014, 6, 6, 20, 30) + timedelta(microseconds=1), date(2014, 6, 9)),
        (at(2014, 6, 6, 4), date(2014, 6, 6)),
        (at(2014, 6, 8, 12), date(2014, 6, 9)),
        (at(2014, 7, 3, 17, 31), date(2014, 7, 7)),
        (datetime(2014, 6, 6, 16, 31, tzinfo=timezone(timedelta(hours=-4))), date(2014, 6, 9)),
    ],
    ids=["exactly at the cut-off", "a tick later", "in the night", "Sunday", "after a half-day", "another zone"],
)
def test_the_session_under_way_ends_with_its_close_cut_off(instant, session):
    assert calendars.session_under_way(instant) == session


def test_an_instant_after_the_calendars_end_is_refused():
    with pytest.raises(ValueError, match=r"2037-01-01T00:00:00\+00:00 is outside the calendar, 1990-01-01 to 2036"):
        calendars.session_under_way(at(2037, 1, 1))


def test_closed_dates_are_weekdays_without_trading():
    assert calendars.closed_dates(date(2014, 7, 1), date(2014, 9, 2)) == [date(2014, 7, 4), date(2014, 9, 1)]
    assert calendars.closed_dates(date(2001, 9, 8), date(2001, 9, 17)) == [date(2001, 9, day) for day in range(11, 15)]
    assert calendars.closed_dates(date(2014, 7, 4), date(2014, 7, 4)) == []


@pytest.mark.parametrize(
    ("as_of", "instant"),
    [
        ("2014-06-06", at(2014, 6, 7, 3, 59, 59, 999999)),
        (date(2014, 1, 6), at(2014, 1, 7, 4, 59, 59, 999999)),
        ("2014-03-09", at(2014, 3, 10, 3, 59, 59, 999999)),
        ("2014-11-02", at(2014, 11, 3, 4, 59, 59, 999999)),
        ("2014-06-06T13:25:00Z", at(2014, 6, 6, 13, 25)),
        ("2014-06-06T09:25:00-04:00", at(2014, 6, 6, 13, 25)),
        (at(2014, 6, 6, 13, 25), at(2014, 6, 6, 13, 25)),
    ],
    ids=["summer date", "winter date", "day of 23 h", "day of 25 h", "zulu", "offset", "aware instant"],
)
def test_a_date_means_the_end_of_that_new_york_day_and_an_instant_itself(as_of, instant):
    found = calendars.instant(as_of)

    assert found == instant
    assert found.tzinfo is UTC


@pytest.mark.parametrize("as_of", ["2014-06-06T13:25:00", "2014-06-06 13:25", datetime(2014, 6, 6, 13, 25)])  # noqa: DTZ001
def test_an_instant_without_a_zone_is_refused(as_of):
    with pytest.raises(ValueError, match="as_of: 2014-06-06T13:25:00 has no time zone; write 2014-06-06T13:25:00Z"):
        calendars.instant(as_of)


@pytest.mark.parametrize("as_of", ["yesterday", "2014-13-01", "06/06/2014", ""])
def test_a_text_that_is_no_instant_is_refused_with_an_example(as_of):
    with pytest.raises(ValueError, match=r"is neither a date \(2014-06-06\) nor an instant"):
        calendars.instant(as_of)


@pytest.mark.parametrize("as_of", ["9999-12-31", date(9999, 12, 31), "9999-12-31T23:59:59-05:00"])
def test_the_end_of_time_is_refused_in_words(as_of):
    with pytest.raises(ValueError, match="end of time"):
        calendars.instant(as_of)
