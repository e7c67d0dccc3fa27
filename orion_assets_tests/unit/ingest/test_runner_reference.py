"""How the reference of tickers lands: its clocks, and what is no change."""

# ruff: noqa: F811 - fixtures are imported by name

from orion_assets.ingest.moment import Moment
from orion_assets.ingest.reference import land_tickers
from orion_assets.schemas import RAW_TICKERS
from orion_assets_tests.unit.ingest.landing_desk import (
    YEARS_LATER,
    Teller,
    desk,  # noqa: F401
    reference,
)
from orion_assets_tests.unit.transforms.rows import HOUR, MON, TUE, told, utc


def test_the_reference_is_landed_with_its_assumed_clock(desk):
    landed = land_tickers(desk, Teller([reference("AAA", "Old"), reference("BBB")]), Moment(YEARS_LATER))

    assert (landed.table, landed.rows) == (RAW_TICKERS, 2)
    assert told(desk.lake.read(RAW_TICKERS), "ticker", "name", "ts_known", "availability") == [
        ("AAA", "Old", utc(MON, 4), "assumed"),
        ("BBB", None, utc(MON, 4), "assumed"),
    ]


def test_a_stated_reference_keeps_its_clock(desk):
    land_tickers(desk, Teller([reference("AAA", stated=utc(TUE, 9))]), Moment(YEARS_LATER))

    assert told(desk.lake.read(RAW_TICKERS), "ts_known", "availability") == [(utc(TUE, 9), "observed")]


def test_a_repeated_reference_adds_nothing(desk):
    versions = (reference("AAA", "Old", stated=utc(MON, 9)), reference("AAA", "New", stated=utc(TUE, 9)))
    source = Teller([*versions, reference("BBB")])
    land_tickers(desk, source, Moment(YEARS_LATER))

    assert land_tickers(desk, source, Moment(YEARS_LATER + HOUR)).rows == 0


def test_a_reference_of_other_bytes_that_says_the_same_adds_nothing(desk):
    land_tickers(desk, Teller([reference("AAA", "Old")]), Moment(YEARS_LATER))

    again = Teller([{**reference("AAA", "Old"), "source_hash": "1" * 64, "source_row": 9, "source_file": "b.csv"}])

    assert land_tickers(desk, again, Moment(YEARS_LATER + HOUR)).rows == 0


def test_a_version_of_a_reference_stated_later_keeps_its_clock(desk):
    first, second = reference("AAA", "Old", stated=utc(MON, 9)), reference("AAA", "New", stated=utc(TUE, 9))
    land_tickers(desk, Teller([first]), Moment(YEARS_LATER))

    land_tickers(desk, Teller([first, second]), Moment(YEARS_LATER + HOUR))

    assert told(desk.lake.read(RAW_TICKERS), "name", "ts_known") == [("Old", utc(MON, 9)), ("New", utc(TUE, 9))]


def test_a_changed_reference_is_known_when_it_lands_and_a_return_is_a_change_too(desk):
    for hours, name in enumerate(("Old", "New", "Old")):
        land_tickers(desk, Teller([reference("AAA", name)]), Moment(YEARS_LATER + hours * HOUR))

    assert told(desk.lake.read(RAW_TICKERS), "name", "ts_known") == [
        ("Old", utc(MON, 4)),
        ("New", YEARS_LATER + HOUR),
        ("Old", YEARS_LATER + 2 * HOUR),
    ]
