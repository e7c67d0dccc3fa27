from datetime import date

import polars as pl
import pytest

from orion_assets.schemas import SECURITIES
from orion_assets.transforms.identity import identified, linked
from orion_assets_tests.unit.transforms.rows import rows

EARLY, MAY, JUNE, JULY = (date(2014, month, 2) for month in (1, 5, 6, 7))


def interval(security_id: str, ticker: str, valid_from: date, valid_to: date | None = None, *, known: bool = True):
    told = {"security_id": security_id, "ticker": ticker, "valid_from": valid_from, "valid_to": valid_to}
    return {**told, "is_start_known": known}


def bearer(day: date, *intervals: dict, ticker: str = "AAA") -> str:
    points = pl.DataFrame({"ticker": [ticker], "session": [day]})
    return identified(points, rows(SECURITIES, *intervals), "session")["security_id"].item()


@pytest.mark.parametrize(
    ("day", "security"), [(MAY, "OLD"), (date(2014, 6, 1), "OLD"), (JUNE, "NEW"), (JULY, "NEW"), (EARLY, "unknown:AAA")]
)
def test_a_date_belongs_to_who_bore_the_ticker_then(day, security):
    assert bearer(day, interval("OLD", "AAA", MAY, JUNE), interval("NEW", "AAA", JUNE)) == security


def test_a_date_after_the_end_belongs_to_nobody_known():
    assert bearer(JULY, interval("OLD", "AAA", MAY, JUNE)) == "unknown:AAA"


def test_a_first_snapshot_is_no_start_so_earlier_dates_are_its_own_too():
    assert bearer(EARLY, interval("F1", "AAA", MAY, known=False)) == "F1"
    assert bearer(EARLY, interval("F1", "AAA", MAY, known=True)) == "unknown:AAA"


def test_a_ticker_that_nobody_listed_is_a_series_of_its_own():
    assert bearer(MAY, interval("F1", "BBB", MAY)) == "unknown:AAA"


def test_points_keep_their_order_and_columns():
    points = pl.DataFrame({"ticker": ["B", "A", "B"], "session": [JULY, MAY, EARLY], "close": [1.0, 2.0, 3.0]})

    found = identified(points, rows(SECURITIES, interval("F", "B", MAY, known=False)), "session")

    assert found.drop("security_id").equals(points)
    assert found["security_id"].to_list() == ["F", "unknown:A", "F"]


def test_tickers_are_linked_over_any_number_of_securities():
    pairs = [("A", "1"), ("B", "1"), ("B", "2"), ("C", "2"), ("D", "3"), ("E", "4"), ("D", "4")]

    found = linked(pl.DataFrame(pairs, schema=["ticker", "security_id"], orient="row"))

    assert dict(found.iter_rows()) == {"A": "A", "B": "A", "C": "A", "D": "D", "E": "D"}


@pytest.mark.parametrize(("day", "security"), [(MAY, "A"), (date(2014, 6, 20), "B"), (JULY, "A")])
def test_an_interval_within_another_gives_the_ticker_back(day, security):
    around, within = interval("A", "AAA", EARLY), interval("B", "AAA", JUNE, JULY)

    assert bearer(day, around, within) == security


def test_an_interval_that_ends_before_it_begins_holds_nothing():
    assert bearer(JULY, interval("A", "AAA", EARLY), interval("B", "AAA", JUNE, MAY)) == "A"
