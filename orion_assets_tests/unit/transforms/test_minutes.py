from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from orion_assets import calendars
from orion_assets.hours import Hours
from orion_assets.schemas import CLEAN_MINUTE_BARS, QUARANTINE, RAW_MINUTE_BARS
from orion_assets.transforms.bars import BAR_RULES
from orion_assets.transforms.minutes import RULES, clean_minute_bars
from orion_assets_tests.unit.transforms.rows import HOUR, MON, rows, told

HALF_DAY, HOLIDAY, SATURDAY = date(2014, 7, 3), date(2014, 7, 4), date(2014, 6, 7)
MINUTE = timedelta(minutes=1)
NEW_YORK = ZoneInfo("America/New_York")


def at(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=NEW_YORK)


def minute(opens: datetime, close: float = 10.0, known: datetime | None = None, **more) -> dict:
    """A flat bar of a minute, known a quarter of an hour after it."""
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    clocks = {"ts_open": opens, "ts_event": opens + MINUTE, "ts_known": known or opens + 16 * MINUTE}
    return {"ticker": "AAA", "session": opens.date(), "volume": 100.0, **clocks, **prices, **more}


def cleaned(*given: dict, hours: Hours = calendars.EXTENDED_HOURS):
    found = clean_minute_bars(rows(RAW_MINUTE_BARS, *given), calendars.traded(calendars.sessions(), hours))
    CLEAN_MINUTE_BARS.conform(found.rows)
    QUARANTINE.conform(found.quarantine)
    return found


@pytest.mark.parametrize(
    ("opens", "phase"),
    [
        (at(MON, 4), "pre"),
        (at(MON, 9, 29), "pre"),
        (at(MON, 9, 30), "regular"),
        (at(MON, 15, 59), "regular"),
        (at(MON, 16), "post"),
        (at(MON, 19, 59), "post"),
        (at(HALF_DAY, 12, 59), "regular"),
        (at(HALF_DAY, 13), "post"),
        (at(date(2014, 3, 7), 9, 29), "pre"),
        (at(date(2014, 3, 7), 9, 30), "regular"),
        (at(date(2014, 3, 10), 9, 29), "pre"),
        (at(date(2014, 3, 10), 9, 30), "regular"),
    ],
)
def test_the_phase_is_told_by_the_sessions_own_open_and_close(opens, phase):
    found = cleaned(minute(opens))

    assert found.quarantine.is_empty()
    assert told(found.rows, "ts_open", "session", "phase", "ts_event") == [(opens, opens.date(), phase, opens + MINUTE)]


@pytest.mark.parametrize(
    ("broken", "rule", "found"),
    [
        (minute(at(SATURDAY, 10)), "on_the_calendar", "2014-06-07 10:00:00 EDT is of 2014-06-07, which is not an XNYS"),
        (minute(at(HOLIDAY, 10)), "on_the_calendar", "2014-07-04 10:00:00 EDT is of 2014-07-04"),
        (minute(at(MON, 3, 59)), "within_hours", "2014-06-02 03:59:00 EDT is outside of the hours"),
        (minute(at(MON, 20)), "within_hours", "2014-06-02 20:00:00 EDT is outside of the hours"),
        (minute(at(MON, 10)) | {"session": date(2014, 6, 3)}, "within_hours", "in which 2014-06-03 is traded"),
        (
            minute(at(MON, 10, 0, 30)),
            "on_the_minute",
            "2014-06-02 10:00:30 EDT to 2014-06-02 10:01:30 EDT is not a minute",
        ),
        (minute(at(MON, 10)) | {"ts_event": at(MON, 10, 5)}, "on_the_minute", "is not a minute"),
        (minute(at(MON, 10), problem="volume: 'x' is not a number"), "readable", "volume: 'x' is not a number"),
        (minute(at(MON, 10), high=9.0), "high_not_below_low", "high 9.0, low 10.0"),
        (minute(at(MON, 10), -1.0), "prices_positive", "open -1.0"),
        (minute(at(MON, 10), volume=None), "volume_present", "volume nothing"),
    ],
)
def test_a_minute_that_breaks_a_rule_is_held_with_what_was_found_and_a_remedy(broken, rule, found):
    held = cleaned(broken | {"source_file": "minutes.csv", "source_row": 7})

    assert held.rows.is_empty()
    assert told(held.quarantine, "origin", "ticker", "rule", "source_file", "source_row") == [
        ("raw_minute_bars", "AAA", rule, "minutes.csv", 7)
    ]
    assert found in held.quarantine["found"][0]
    assert held.quarantine["remedy"][0]


def test_the_hard_rules_are_those_of_daily_bars_themselves():
    assert set(map(id, BAR_RULES)) <= set(map(id, RULES))


def test_by_parameter_monday_evening_is_tuesdays_pre_market():
    round_the_clock = Hours(opens=time(21), closes=time(20), rolls=time(20))
    tuesday = date(2014, 6, 3)

    found = cleaned(minute(at(MON, 21)) | {"session": tuesday}, hours=round_the_clock)
    pause = cleaned(minute(at(MON, 20, 30)) | {"session": tuesday}, hours=round_the_clock)

    assert told(found.rows, "session", "phase") == [(tuesday, "pre")]
    assert told(pause.quarantine, "rule") == [("within_hours",)]


def test_a_minute_without_trades_stays_without_a_row():
    found = cleaned(minute(at(MON, 10)), minute(at(MON, 10, 2)))

    assert found.rows.height == 2


def test_a_correction_is_a_version_and_a_bad_one_never_replaces_a_good_bar():
    opens = at(MON, 10)
    first, bad, second = (opens + 16 * MINUTE + n * HOUR for n in range(3))

    found = cleaned(minute(opens), minute(opens, -1.0, bad), minute(opens, 11.0, second))

    assert told(found.rows, "close", "ts_known", "known_until") == [(10.0, first, second), (11.0, second, None)]


def test_a_withdrawal_passes_and_said_again_is_no_version():
    opens = at(MON, 10)
    known = [opens + 16 * MINUTE + n * HOUR for n in range(3)]

    found = cleaned(minute(opens), minute(opens, 10.0, known[1]), minute(opens, 10.0, known[2], is_deleted=True))

    assert told(found.rows, "is_deleted", "ts_known") == [(False, known[0]), (True, known[2])]


def test_no_minutes_give_two_empty_tables():
    found = cleaned()

    assert (found.rows.schema, found.quarantine.schema) == (CLEAN_MINUTE_BARS.schema, QUARANTINE.schema)
