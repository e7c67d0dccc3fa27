"""Changes of ticker as Polygon's documents tell them, and what cannot be true of them."""

from datetime import UTC, date, datetime

import pytest

from orion_assets.errors import AnswerDistrusted
from orion_assets.sources.polygon import reference, requests

FIGI = "BBG000MM2P62"


def change(day: str | None, ticker: str | None) -> dict:
    return {"type": "ticker_change", "date": day, "ticker_change": {"ticker": ticker}}


# As the vendor's documents show it: newest first
META = {"name": "Meta Platforms, Inc. Class A Common Stock", "composite_figi": FIGI, "cik": "0001326801",
        "events": [change("2022-06-09", "META"), change("2012-05-18", "FB")]}  # fmt: skip


def told(result: dict, asked: str = FIGI) -> list[tuple]:
    rows = reference.events(result, asked)
    return rows.select("ticker", "figi", "snapshot", "list_date", "name").rows()


def test_a_rename_is_a_snapshot_of_each_first_date_and_the_first_of_them_the_listing():
    assert told(META) == [
        ("FB", FIGI, date(2012, 5, 18), date(2012, 5, 18), None),
        ("META", FIGI, date(2022, 6, 9), None, None),
    ]


def test_each_became_true_at_midnight_in_new_york():
    assert reference.events(META, "META")["ts_event"].to_list() == [
        datetime(2012, 5, 18, 4, tzinfo=UTC),
        datetime(2022, 6, 9, 4, tzinfo=UTC),
    ]


def test_where_the_history_of_the_vendor_begins_is_no_listing():
    apple = {"composite_figi": "BBG000B9XRY4", "events": [change("2003-09-10", "AAPL")]}

    assert told(apple, "AAPL") == [("AAPL", "BBG000B9XRY4", date(2003, 9, 10), None, None)]


def test_events_of_another_type_are_no_change_of_ticker():
    assert told(META | {"events": [*META["events"], {"type": "something_new", "date": "2023-01-03"}]}) == told(META)


@pytest.mark.parametrize("result", [{"events": META["events"]}, META | {"events": None}, META | {"events": []}])
def test_without_a_figi_or_an_event_there_is_nothing_to_say(result):
    assert told(result) == []


@pytest.mark.parametrize(
    ("result", "asked", "says"),
    [
        (META, "BBG000B9XRY4", "it is about BBG000MM2P62, and BBG000B9XRY4 was asked for"),
        (META | {"events": [change(None, "META")]}, FIGI, "without a date or a ticker"),
        (META | {"events": [change("2022-06-09", None)]}, FIGI, "without a date or a ticker"),
        (META | {"events": [{"type": "ticker_change", "date": "2022-06-09"}]}, FIGI, "without a date or a ticker"),
        (META | {"events": [change("2022-06-09", "A"), change("2022-06-09", "B")]}, FIGI, "two tickers on one date"),
    ],
)
def test_what_cannot_be_true_is_refused(result, asked, says):
    with pytest.raises(AnswerDistrusted, match=says):
        reference.events(result, asked)


def test_a_delisted_ticker_is_a_snapshot_of_its_last_date_that_was_known_when_it_had_ended():
    row = {"ticker": "AABA", "composite_figi": "BBG000KB2D74", "delisted_utc": "2019-10-07T04:00:00Z"}

    (found,) = reference.listings([row], date(2026, 11, 21)).iter_rows(named=True)

    assert (found["snapshot"], found["delist_date"]) == (date(2019, 10, 6), date(2019, 10, 7))
    assert found["ts_event"] == datetime(2019, 10, 7, 4, tzinfo=UTC)


def test_an_identifier_is_one_part_of_the_path():
    assert requests.events("BRK/B").path == "/vX/reference/tickers/BRK%2FB/events"
    assert requests.events(FIGI).params == {"types": "ticker_change"}
