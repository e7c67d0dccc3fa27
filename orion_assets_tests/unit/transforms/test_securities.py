from datetime import date, timedelta

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.schemas import QUARANTINE, RAW_TICKERS, SECURITIES
from orion_assets.transforms.bars import Cleaned
from orion_assets.transforms.identity import identified
from orion_assets.transforms.securities import _related, _telling, securities
from orion_assets.transforms.versions import visible
from orion_assets_tests.unit.transforms.rows import HOUR, rows, told, utc

MAY, JUNE, JULY = date(2014, 5, 1), date(2014, 6, 2), date(2014, 7, 1)


def ticker(ticker: str, snapshot: date, figi: str | None = None, **more) -> dict:
    return {"ticker": ticker, "snapshot": snapshot, "figi": figi, "source": "files", **more}


def cleaned(*given: dict) -> Cleaned:
    return securities(rows(RAW_TICKERS, *given), calendars.sessions())


def versions(*given: dict) -> pl.DataFrame:
    return SECURITIES.conform(cleaned(*given).rows)


def made(*given: dict) -> pl.DataFrame:
    """The securities as they stand in the end."""
    return visible(versions(*given), SECURITIES.key)


def held(*given: dict) -> pl.DataFrame:
    return QUARANTINE.conform(cleaned(*given).quarantine)


def test_the_id_is_the_figi_and_else_says_who_listed_the_ticker():
    found = made(ticker("AAPL", JUNE, "BBG000B9XRY4"), ticker("ZZZ", JUNE))

    assert told(found, "security_id", "ticker") == [("BBG000B9XRY4", "AAPL"), ("files:ZZZ", "ZZZ")]


def test_the_interval_runs_from_the_listing_to_the_delisting():
    found = made(ticker("AAA", JUNE, list_date=date(1999, 1, 4), delist_date=date(2014, 6, 20)))

    assert told(found, "valid_from", "valid_to") == [(date(1999, 1, 4), date(2014, 6, 20))]


def test_without_a_listing_date_the_first_snapshot_begins_the_interval():
    found = made(ticker("AAA", JULY), ticker("AAA", MAY), ticker("AAA", JUNE))

    assert told(found, "valid_from", "valid_to") == [(MAY, None)]


def test_a_listing_date_named_once_holds_for_later_snapshots():
    found = made(ticker("AAA", MAY, list_date=date(1999, 1, 4)), ticker("AAA", JUNE))

    assert found["valid_from"].to_list() == [date(1999, 1, 4)]


def test_names_are_those_of_the_last_snapshot():
    found = made(
        ticker("AAA", JUNE, name="New", type="ETF", exchange="ARCX"),
        ticker("AAA", MAY, name="Old", type="CS", exchange="XNYS"),
    )

    assert told(found, "name", "type", "exchange") == [("New", "ETF", "ARCX")]


def test_a_delisting_that_a_later_snapshot_no_longer_shows_is_taken_back():
    assert made(ticker("AAA", MAY, delist_date=JUNE), ticker("AAA", JULY))["valid_to"].to_list() == [None]


def test_a_ticker_listed_and_then_delisted_ends():
    assert made(ticker("AAA", MAY), ticker("AAA", JULY, delist_date=JUNE))["valid_to"].to_list() == [JUNE]


def test_the_last_version_of_a_snapshot_counts_and_a_withdrawn_one_does_not():
    first, later = utc(JUNE, 12), utc(JUNE, 12) + HOUR

    found = made(
        ticker("AAA", JUNE, name="Wrong", ts_known=first),
        ticker("AAA", JUNE, name="Right", ts_known=later),
        ticker("BBB", JUNE, ts_known=first),
        ticker("BBB", JUNE, ts_known=later, is_deleted=True),
    )

    assert told(found, "ticker", "name") == [("AAA", "Right")]


def test_a_reused_ticker_is_two_securities():
    found = made(
        ticker("AAA", MAY, "F1", list_date=date(1999, 1, 4), delist_date=JUNE),
        ticker("AAA", JULY, "F2", list_date=JULY),
    )

    assert told(found, "security_id", "valid_from", "valid_to") == [
        ("F1", date(1999, 1, 4), JUNE),
        ("F2", JULY, None),
    ]


def test_a_rename_is_one_security_with_two_intervals_that_meet():
    listed = date(2012, 5, 18)

    found = made(ticker("FB", MAY, "F1", list_date=listed), ticker("META", JULY, "F1", list_date=listed))

    assert told(found, "security_id", "ticker", "valid_from", "valid_to") == [
        ("F1", "FB", listed, JULY),
        ("F1", "META", JULY, None),
    ]


def test_no_snapshots_give_no_securities():
    assert made().is_empty()


BAD = {"problem": "list_date: '31.2.1999' is not a date"}


def test_a_row_that_cannot_be_read_is_held_and_makes_no_security():
    saturday = date(2014, 6, 7)
    given = (ticker("AAA", JUNE), ticker("BBB", saturday, source_file="t.csv", source_row=7, **BAD))

    assert told(made(*given), "ticker") == [("AAA",)]
    assert told(
        held(*given), "origin", "session", "ticker", "row_key", "rule", "found", "source_file", "source_row"
    ) == [("raw_tickers", date(2014, 6, 9), "BBB", "BBB 2014-06-07", "readable", BAD["problem"], "t.csv", 7)]


def test_a_row_that_cannot_be_read_leaves_the_version_before_it_standing_and_is_held():
    given = (ticker("AAA", JUNE, name="Right"), ticker("AAA", JUNE, name="Torn", ts_known=utc(JULY, 12), **BAD))

    assert told(made(*given), "ticker", "name") == [("AAA", "Right")]
    assert told(held(*given), "ticker", "ts_known") == [("AAA", utc(JULY, 12))]


@pytest.mark.parametrize("healed", [{}, {"is_deleted": True}], ids=["corrected", "withdrawn"])
def test_a_row_that_no_longer_stands_is_held_no_longer(healed):
    assert held(ticker("AAA", JUNE, **BAD), ticker("AAA", JUNE, ts_known=utc(JULY, 12), **healed)).is_empty()


def test_two_tickers_of_one_figi_in_one_snapshot_are_held_since_nothing_tells_them_apart():
    given = (ticker("AAA", JUNE, "F1"), ticker("BBB", JUNE, "F1"), ticker("CCC", JUNE), ticker("DDD", JUNE))

    assert told(made(*given), "ticker") == [("CCC",), ("DDD",)]
    assert told(held(*given), "ticker", "rule") == [("AAA", "figi_of_one_ticker"), ("BBB", "figi_of_one_ticker")]
    assert "F1" in held(*given)["found"][0]


def test_a_figi_that_was_shared_until_a_row_was_corrected_holds_nothing():
    corrected = ticker("BBB", JUNE, "F2", ts_known=utc(JULY, 12))

    assert held(ticker("AAA", JUNE, "F1"), ticker("BBB", JUNE, "F1"), corrected).is_empty()


def test_a_rename_ends_the_first_interval_when_it_is_seen_and_not_before():
    seen, renamed = utc(MAY, 12), utc(JULY, 12)

    found = versions(ticker("FB", MAY, "F1", ts_known=seen), ticker("META", JULY, "F1", ts_known=renamed))

    assert told(found, "ticker", "valid_from", "valid_to", "is_start_known", "ts_known", "known_until") == [
        ("FB", MAY, None, False, seen, renamed),
        ("FB", MAY, JULY, False, renamed, None),
        ("META", JULY, None, True, renamed, None),
    ]


def test_snapshots_that_say_the_same_make_one_version():
    assert versions(*(ticker("AAA", day, "F1", name="A") for day in (MAY, JUNE, JULY))).height == 1


def test_a_rename_there_and_back_is_three_intervals():
    found = made(ticker("FB", MAY, "F1"), ticker("META", JUNE, "F1"), ticker("FB", JULY, "F1"))

    assert told(found, "ticker", "valid_from", "valid_to") == [
        ("FB", MAY, JUNE),
        ("META", JUNE, JULY),
        ("FB", JULY, None),
    ]


def test_a_figi_that_appears_later_names_the_security_from_the_first():
    found = versions(ticker("AAA", MAY, ts_known=utc(MAY, 12)), ticker("AAA", JULY, "F1", ts_known=utc(JULY, 12)))

    assert told(found, "security_id", "valid_from", "is_deleted", "ts_known") == [
        ("F1", MAY, False, utc(JULY, 12)),
        ("files:AAA", MAY, False, utc(MAY, 12)),
        ("files:AAA", MAY, True, utc(JULY, 12)),
    ]


def test_a_ticker_listed_anew_after_its_end_is_another_security_without_any_figi():
    found = made(ticker("AAA", MAY), ticker("AAA", JUNE, delist_date=JUNE), ticker("AAA", JULY, list_date=JULY))

    assert told(found, "security_id", "valid_from", "valid_to") == [
        ("files:AAA", MAY, JUNE),
        ("files:AAA@2014-07-01", JULY, None),
    ]


def test_a_correction_takes_back_the_interval_it_replaces():
    first, later = utc(JUNE, 12), utc(JUNE, 12) + HOUR

    found = versions(ticker("AAA", JUNE, "F1", ts_known=first), ticker("AAA", JUNE, "F2", ts_known=later))

    assert told(found, "security_id", "is_deleted", "ts_known") == [
        ("F1", False, first),
        ("F1", True, later),
        ("F2", False, later),
    ]


def test_a_snapshot_may_list_the_old_ticker_as_ended_beside_the_new_one():
    given = (
        ticker("FB", MAY, "F1"),
        ticker("FB", JULY, "F1", delist_date=date(2014, 6, 9)),
        ticker("META", JULY, "F1"),
    )

    assert told(made(*given), "ticker", "valid_from", "valid_to") == [
        ("FB", MAY, date(2014, 6, 9)),
        ("META", JULY, None),
    ]
    assert held(*given).is_empty()


def test_a_ticker_that_was_only_ever_seen_ended_had_a_life():
    listed = made(ticker("OLD", JULY, "F1", list_date=date(1999, 1, 4), delist_date=JUNE))
    unlisted = made(ticker("OLD", JULY, "F1", delist_date=JUNE))

    assert told(listed, "valid_from", "valid_to", "is_start_known") == [(date(1999, 1, 4), JUNE, True)]
    assert told(unlisted, "valid_from", "valid_to", "is_start_known") == [(date(2014, 6, 1), JUNE, False)]


def test_a_withdrawal_says_nothing_that_came_to_be_known_later():
    june, july = utc(JUNE, 12), utc(JULY, 12)
    given = (
        ticker("BBB", MAY, "F1", ts_known=utc(MAY, 12)),
        ticker("BBB", MAY, "F1", ts_known=june, is_deleted=True),
        ticker("DDD", MAY, "F1", ts_known=july),
    )

    then, now = versions(*given[:2]), versions(*given)

    assert (
        told(now.filter(pl.col("ts_known") <= june), "ticker", "is_deleted", "ts_known")
        == told(then, "ticker", "is_deleted", "ts_known")
        == [("BBB", False, utc(MAY, 12)), ("BBB", True, june)]
    )


def test_a_listing_date_after_the_rename_does_not_turn_the_intervals_round():
    given = (ticker("AAA", MAY, "F1", list_date=date(2014, 6, 20)), ticker("BBB", JUNE, "F1"))

    assert told(made(*given), "ticker", "valid_from", "valid_to") == [("AAA", MAY, JUNE), ("BBB", JUNE, None)]


def test_ten_years_of_snapshots_of_a_renamed_security_cost_little():
    weeks = pl.date_range(date(2010, 1, 4), date(2019, 12, 30), "1w", eager=True).to_list()
    given = [
        ticker("FB" if day < MAY else "META", day, "F1", ts_known=utc(day, 12)) for day in weeks
    ] + [ticker("FB", day, "F1", delist_date=MAY, ts_known=utc(day, 12)) for day in weeks if day >= MAY]  # fmt: skip

    kept = _telling(_related(rows(RAW_TICKERS, *given)))

    assert kept.height <= 4
    assert told(made(*given), "ticker", "valid_from", "valid_to") == [
        ("FB", weeks[0], MAY),
        ("META", next(day for day in weeks if day >= MAY), None),
    ]


WEEKS = [date(2014, 1, 4) + timedelta(weeks=number) for number in range(10)]
LISTED = date(2010, 1, 4)


def weekly(name: str, number: int, figi: str | None = None, **more) -> dict:
    return ticker(name, WEEKS[number], figi, ts_known=utc(WEEKS[number], 12), **more)


def owner(given: list[dict], name: str, on: date, known: date) -> str:
    """Who bore a ticker on a date, as one saw it at noon of another."""
    seen = visible(versions(*given), SECURITIES.key, utc(known, 12))
    asked = pl.DataFrame({"ticker": [name], "session": [on]})
    return identified(asked, seen, "session")["security_id"][0]


def test_a_ticker_keeps_its_security_when_another_is_told_late_as_ended():
    late = weekly("CCC", 3, "F1", list_date=LISTED, delist_date=WEEKS[1] - timedelta(days=1))
    given = [*(weekly("AAA", number, "F1") for number in range(10)), late]

    assert owner(given, "AAA", date(2014, 3, 8), known=WEEKS[9]) == "F1"


@pytest.mark.parametrize("lingering", [1, 2])
def test_a_renamed_ticker_keeps_its_security_when_the_old_one_lingers_without_a_figi(lingering):
    given = [
        *(weekly("BBB", number, "F1" if number < 3 else None, list_date=LISTED) for number in range(3 + lingering)),
        *(weekly("AAA", number, "F1", list_date=LISTED) for number in range(3, 10)),
    ]

    assert owner(given, "AAA", date(2014, 3, 8), known=WEEKS[9]) == "F1"


def test_a_later_snapshot_without_a_figi_does_not_change_who_was_known_to_bear_the_ticker():
    late = weekly("CCC", 3, "F1", list_date=LISTED, delist_date=WEEKS[1] - timedelta(days=1))
    then = [*(weekly("AAA", number, "F1") for number in range(5)), late]

    assert (
        versions(*then)
        .filter(pl.col("ts_known") <= utc(WEEKS[3], 12))
        .drop("known_until")
        .equals(versions(*then, weekly("AAA", 6)).filter(pl.col("ts_known") <= utc(WEEKS[3], 12)).drop("known_until"))
    )
