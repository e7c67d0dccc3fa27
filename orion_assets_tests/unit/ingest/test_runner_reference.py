"""How the reference of tickers lands: its clocks, and what is no change."""

# ruff: noqa: F811 - fixtures are imported by name

from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import polars as pl
import pytest

from orion_assets.errors import NotEntitled, RequestRejected
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.reference import land_tickers
from orion_assets.ingest.reference_calls import due, unlisted
from orion_assets.schemas import RAW_TICKERS
from orion_assets.sources.protocols import LISTED, Answer, Ask
from orion_assets.sources.routes import Route
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


@dataclass
class Refusing(Teller):
    """A vendor that is asked by name, and will not list some."""

    refused: dict[str, Exception] = field(default_factory=dict)
    heard: list[tuple] = field(default_factory=list)

    def routes(self, today: date) -> tuple[Route, ...]:
        return (object(),)

    def read(self, ask: Ask) -> Answer:
        self.heard.append((ask.route, *ask.tickers))
        if ask.route == LISTED and ask.tickers[0] in self.refused:
            raise self.refused[ask.tickers[0]]
        return replace(super().read(ask), rows=super().read(ask).rows.filter(pl.col("ticker").is_in(ask.tickers)))


def test_a_ticker_whose_listing_is_refused_is_told_when_all_others_were_asked_about(desk):
    vendor = Refusing([reference("AAA"), reference("CCC")], refused={"BBB": RequestRejected("BBB: no")})
    desk.state.add_tickers(["AAA", "BBB", "CCC"], ts_added=YEARS_LATER)

    with pytest.raises(RequestRejected, match="BBB"):
        land_tickers(desk, vendor, Moment(YEARS_LATER), ["AAA", "BBB", "CCC"])

    assert [asked for asked in vendor.heard if asked[0] == LISTED] == [(LISTED, each) for each in ("AAA", "BBB", "CCC")]
    assert desk.lake.read(RAW_TICKERS)["ticker"].sort().to_list() == ["AAA", "CCC"]
    # The sensor leaves it alone for a week; whoever asks for a reference asks again
    assert unlisted(desk.state, YEARS_LATER) == []
    assert unlisted(desk.state, YEARS_LATER + timedelta(days=8)) == ["BBB"]
    assert due(desk.lake.read(RAW_TICKERS), desk.state, ["AAA", "BBB", "CCC"], YEARS_LATER).listed == ("BBB",)


def test_a_plan_without_listings_is_asked_once(desk):
    vendor = Refusing(refused={each: NotEntitled(each) for each in ("AAA", "BBB")})

    with pytest.raises(NotEntitled):
        land_tickers(desk, vendor, Moment(YEARS_LATER), ["AAA", "BBB"])

    assert vendor.heard == [(LISTED, "AAA")]
