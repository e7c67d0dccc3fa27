from datetime import date

import polars as pl
import pytest

from orion_assets.schemas import CLEAN_DAILY_BARS, CLEAN_VIX, QUARANTINE, RAW_DAILY_BARS, RAW_VIX
from orion_assets.transforms.bars import BAR_RULES, VIX_RULES, clean_daily_bars, clean_vix
from orion_assets_tests.unit.transforms.rows import (
    HOUR,
    MON,
    NEXT_MON,
    TUE,
    bar,
    close_cutoff,
    june,
    rows,
    told,
)

C1 = close_cutoff(MON)
SATURDAY = date(2014, 6, 7)
NAN, INFINITY = float("nan"), float("inf")


def cleaned(*given: dict):
    found = clean_daily_bars(rows(RAW_DAILY_BARS, *given), june())
    CLEAN_DAILY_BARS.conform(found.rows)
    QUARANTINE.conform(found.quarantine)
    return found


def vix(day: date, close: float | None, known=C1, **more) -> dict:
    return {"date": day, "session": day, "close": close, "ts_known": known, **more}


def test_a_good_bar_passes_as_it_is():
    found = cleaned(bar(MON, 10.0, vwap=10.1, trade_count=7.0))

    assert found.quarantine.is_empty()
    assert told(found.rows, "ticker", "session", "close", "vwap", "trade_count", "known_until") == [
        ("AAA", MON, 10.0, 10.1, 7.0, None)
    ]


@pytest.mark.parametrize(
    ("broken", "rule", "found"),
    [
        ({"problem": "close: 'n/a' is not a number", "volume": 1.0}, "readable", "close: 'n/a' is not a number"),
        ({"close": None}, "prices_present", "open 10.0, high 10.0, low 10.0, close nothing"),
        ({"open": NAN}, "prices_present", "open NaN, high 10.0, low 10.0, close 10.0"),
        ({"high": INFINITY}, "prices_present", "open 10.0, high inf, low 10.0, close 10.0"),
        ({"low": 0.0}, "prices_positive", "open 10.0, high 10.0, low 0.0, close 10.0"),
        ({"close": -1.0}, "prices_positive", "open 10.0, high 10.0, low 10.0, close -1.0"),
        ({"high": 9.0}, "high_not_below_low", "high 9.0, low 10.0"),
        ({"volume": None}, "volume_present", "volume nothing"),
        ({"volume": NAN}, "volume_present", "volume NaN"),
        ({"volume": INFINITY}, "volume_present", "volume inf"),
        ({"volume": -1.0}, "volume_not_negative", "volume -1.0"),
        ({"session": SATURDAY}, "on_the_calendar", "2014-06-07 is not an XNYS session"),
    ],
)
def test_a_bar_that_breaks_a_rule_is_held_with_what_was_found(broken, rule, found):
    held = cleaned(bar(MON, 10.0, C1) | {"source_file": "bars.csv", "source_row": 7} | broken)

    assert held.rows.is_empty()
    assert told(held.quarantine, "origin", "ticker", "rule", "found", "source_file", "source_row", "ts_known") == [
        ("raw_daily_bars", "AAA", rule, found, "bars.csv", 7, C1)
    ]
    assert held.quarantine["row_key"][0] == f"AAA {broken.get('session', MON)}"
    assert held.quarantine["remedy"][0]


def test_every_rule_a_bar_breaks_is_named():
    held = cleaned(bar(SATURDAY, -1.0, C1, volume=None)).quarantine

    assert held["rule"].to_list() == ["on_the_calendar", "prices_positive", "volume_present"]


def test_a_bar_without_trades_is_no_broken_bar():
    assert cleaned(bar(MON, 10.0, volume=0.0)).quarantine.is_empty()


def test_prices_a_rounding_apart_from_their_range_are_left_to_the_checks():
    assert cleaned(bar(MON, 10.0) | {"high": 9.99, "low": 9.98}).rows.height == 1


def test_a_bad_correction_never_replaces_a_good_bar():
    found = cleaned(bar(MON, 10.0), bar(MON, -1.0, C1 + HOUR), bar(MON, 11.0, C1 + 2 * HOUR))

    assert told(found.rows, "close", "ts_known", "known_until") == [
        (10.0, C1, C1 + 2 * HOUR),
        (11.0, C1 + 2 * HOUR, None),
    ]
    assert told(found.quarantine, "rule", "ts_known") == [("prices_positive", C1 + HOUR)]


def test_a_good_correction_of_a_bad_bar_is_its_first_version():
    found = cleaned(bar(MON, -1.0), bar(MON, 10.0, C1 + HOUR))

    assert told(found.rows, "close", "ts_known") == [(10.0, C1 + HOUR)]


def test_a_withdrawal_passes_whatever_its_values_are():
    empty = dict.fromkeys(("open", "high", "low", "close", "volume"), None)

    found = cleaned(bar(MON, 10.0), bar(MON, 0.0, C1 + HOUR, is_deleted=True) | empty)

    assert found.quarantine.is_empty()
    assert told(found.rows, "is_deleted", "ts_known", "known_until") == [
        (False, C1, C1 + HOUR),
        (True, C1 + HOUR, None),
    ]


def test_a_bar_said_again_with_other_provenance_is_no_version():
    found = cleaned(bar(MON, 10.0), bar(MON, 10.0, C1 + HOUR, source_file="other.csv", source_hash="1"))

    assert told(found.rows, "ts_known", "known_until") == [(C1, None)]


def test_a_changed_trade_count_is_a_version():
    assert cleaned(bar(MON, 10.0, trade_count=1.0), bar(MON, 10.0, C1 + HOUR, trade_count=2.0)).rows.height == 2


def test_no_bars_give_two_empty_tables():
    found = cleaned()

    assert found.rows.schema == CLEAN_DAILY_BARS.schema
    assert found.quarantine.schema == QUARANTINE.schema
    assert found.rows.is_empty()
    assert found.quarantine.is_empty()


def test_a_vix_day_needs_a_close_and_nothing_else():
    found = clean_vix(rows(RAW_VIX, vix(MON, 12.5)))

    CLEAN_VIX.conform(found.rows)
    assert told(found.rows, "date", "close", "open") == [(MON, 12.5, None)]
    assert found.quarantine.is_empty()


def test_a_vix_day_whose_prices_contradict_each_other_passes():
    assert clean_vix(rows(RAW_VIX, vix(MON, 12.5, open=13.0, high=12.0, low=14.0))).rows.height == 1


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        ({"problem": "close: 'x' is not a number"}, "readable"),
        ({"close": None}, "close_present"),
        ({"close": NAN}, "close_present"),
        ({"close": INFINITY}, "close_present"),
        ({"close": 0.0}, "close_positive"),
    ],
)
def test_a_vix_day_without_a_usable_close_is_held(broken, rule):
    found = clean_vix(rows(RAW_VIX, vix(MON, 12.5) | broken))

    assert found.rows.is_empty()
    assert told(found.quarantine, "origin", "ticker", "row_key", "rule") == [("raw_vix", "*", "2014-06-02", rule)]


def test_vix_versions_go_there_and_back():
    found = clean_vix(rows(RAW_VIX, vix(MON, 12.0), vix(MON, 13.0, C1 + HOUR), vix(MON, 12.0, C1 + 2 * HOUR)))

    assert told(found.rows, "close", "ts_known") == [(12.0, C1), (13.0, C1 + HOUR), (12.0, C1 + 2 * HOUR)]


def test_a_vix_day_of_a_closed_day_stands_in_the_next_session():
    found = clean_vix(rows(RAW_VIX, vix(SATURDAY, 12.0) | {"session": NEXT_MON}, vix(TUE, 12.0)))

    assert told(found.rows, "date", "session") == [(TUE, TUE), (SATURDAY, NEXT_MON)]


def test_no_vix_days_give_two_empty_tables():
    found = clean_vix(RAW_VIX.empty())

    assert (found.rows.schema, found.quarantine.schema) == (CLEAN_VIX.schema, QUARANTINE.schema)


@pytest.mark.parametrize("rules", [BAR_RULES, VIX_RULES], ids=["bars", "vix"])
def test_no_two_rules_of_a_table_share_a_name(rules):
    names = [rule.name for rule in rules]

    assert len(set(names)) == len(names)


def test_the_order_of_raw_rows_does_not_matter():
    given = rows(RAW_DAILY_BARS, bar(MON, 10.0), bar(TUE, -1.0), bar(MON, 11.0, C1 + HOUR))

    one, other = clean_daily_bars(given, june()), clean_daily_bars(given.reverse(), june())

    assert one.rows.equals(other.rows)
    assert one.quarantine.equals(other.quarantine)
    assert one.rows.schema["ts_known"] == pl.Datetime("us", "UTC")
