"""Whom sources list: the fake vendor over its sockets, held against its truth, and sources that ask nobody."""

from datetime import UTC, date, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from polygon import RESTClient

from orion_assets.clock import FixedClock
from orion_assets.errors import AnswerDistrusted
from orion_assets.sources.discovery import FOUND, KINDS, ReferenceLister, Search
from orion_assets.sources.limiter import Rate
from orion_assets.sources.polygon.discovery import PolygonLister
from orion_assets.sources.polygon.words import judge
from orion_assets.sources.synthetic.source import SyntheticSource
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.terms import Terms
from orion_assets.sources.synthetic.vendor.truth import large_market
from orion_assets_tests import files_worlds
from orion_assets_tests.far_sides import transport_to

LAST = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 18, tzinfo=UTC)
MANY = 11_500


@pytest.fixture(scope="module")
def vendor():
    with fake_vendor(large_market(30, 140, LAST), clock=FixedClock(NOW)) as running:
        yield running


@pytest.fixture
def lister(vendor):
    vendor.faults.clear()
    with transport_to(vendor.base_url, "polygon", judge, {"Authorization": "Bearer k"}, aliases=ALIASES) as transport:
        yield PolygonLister(transport, Rate(5))


ALIASES = ("api.massive.com", "api.polygon.io")


def search(kind: str, as_of: date = LAST, **more) -> Search:
    return Search(KINDS[kind], as_of, **more)


def found(lister, *arguments, **more) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(schema=FOUND), *lister.discover(search(*arguments, **more))])


def listed(vendor, types: tuple[str, ...], on: date) -> list[tuple]:
    """Give who truly traded on a date."""
    mine = [each for each in vendor.truth.listings if each.type in types and each.is_active(on)]
    return sorted((each.ticker, each.name, each.type, each.figi) for each in mine)


def test_eleven_and_a_half_thousand_tickers_take_twelve_calls_of_a_thousand():
    with (
        fake_vendor(large_market(MANY, 20, LAST), clock=FixedClock(NOW)) as vendor,
        transport_to(vendor.base_url, "polygon", judge, {"Authorization": "Bearer k"}, aliases=ALIASES) as transport,
    ):
        lister = PolygonLister(transport, Rate(5))

        told = found(lister, "us_equities")

        entries = list(vendor.journal)
        assert len(entries) == lister.cost(search("us_equities")).calls == 12
        assert [entry.rows for entry in entries] == [1_000] * 11 + [len(active(vendor)) - 11_000]
        assert sorted(told.select("ticker", "name", "type", "figi").rows()) == listed(vendor, ("CS", "ADRC"), LAST)


def active(vendor) -> list:
    return [each for each in vendor.truth.listings if each.is_active(LAST)]


@pytest.mark.parametrize("kind", ["us_equities", "etf"])
def test_a_listing_is_that_of_its_day(lister, vendor, kind):
    sessions = vendor.truth.sessions["session"]
    for day in (sessions[1], sessions[70], sessions[-1]):
        told = found(lister, kind, day)

        assert sorted(told.select("ticker", "name", "type", "figi").rows()) == listed(vendor, KINDS[kind].types, day)
        assert told["delisted"].is_null().all()


def test_the_delisted_are_told_where_they_are_asked_for(lister, vendor):
    told = found(lister, "us_equities", has_delisted=True)

    ended = told.filter(pl.col("delisted").is_not_null()).select("ticker", "figi", "delisted").rows()
    assert sorted(ended) == sorted(
        (each.ticker, each.figi, each.until) for each in vendor.truth.listings if each.is_delisted
    )
    assert len(ended) == 2
    # A ticker that is used again stands for both companies
    assert told.filter(ticker="SAAI").height == 2


@pytest.mark.parametrize(
    ("kind", "ticker"), [("crypto", "X:BTCUSD"), ("fx", "C:EURUSD"), ("indices", "I:SPX"), ("otc", "TCEHY")]
)
def test_other_markets_are_listed_by_themselves(lister, kind, ticker):
    told = found(lister, kind)

    assert ticker in told["ticker"].to_list()
    assert not set(told["ticker"]) & set(found(lister, "us_equities")["ticker"])


def test_options_are_listed_by_what_they_are_written_on(lister, vendor):
    told = found(lister, "options", underlying="AAPL")
    ended = found(lister, "options", underlying="AAPL", has_delisted=True).filter(pl.col("delisted") <= LAST)

    # The third Fridays from 20 November 2026 on, within half a year, from a calendar on paper
    fridays = ["261120", "261218", "270115", "270219", "270319", "270416"]
    assert [text[6:12] for text in told["ticker"].unique().sort().to_list()] == sorted(fridays * 10)
    assert told.filter(ticker="O:AAPL270115C00050000").select("name", "type", "delisted").row(0) == (
        "AAPL 2027-01-15 call 50",
        "call",
        date(2027, 1, 16),
    )
    assert ended.height
    assert not set(ended["ticker"]) & set(told["ticker"])
    assert found(lister, "options", underlying="NOPE").is_empty()


def test_options_need_an_underlying_and_nothing_else_has_one(lister, vendor):
    before = len(vendor.journal)

    for wrong in (search("options"), search("crypto", underlying="AAPL")):
        with pytest.raises(ValueError, match="--underlying"):
            lister.cost(wrong)
        with pytest.raises(ValueError, match="--underlying"):
            list(lister.discover(wrong))
    assert len(vendor.journal) == before, "a wrong call is not sent"


def test_a_call_is_made_when_its_page_is_wanted_and_not_before():
    with (
        fake_vendor(large_market(30, 20, LAST), terms=Terms(page=7), clock=FixedClock(NOW)) as vendor,
        transport_to(vendor.base_url, "polygon", judge, {"Authorization": "Bearer k"}, aliases=ALIASES) as transport,
    ):
        pages = PolygonLister(transport, Rate(5)).discover(search("us_equities"))

        assert not len(vendor.journal)
        next(pages)
        assert len(vendor.journal) == 1
        next(pages)
        assert len(vendor.journal) == 2


@pytest.mark.parametrize(
    ("fault", "more"),
    [("next_url", {"kind": "self"}), ("next_url", {"kind": "cycle"}), ("next_url", {"kind": "foreign"})],
)
def test_pages_that_go_round_end_the_search(fault, more):
    with (
        fake_vendor(large_market(30, 20, LAST), terms=Terms(page=7), clock=FixedClock(NOW)) as vendor,
        transport_to(vendor.base_url, "polygon", judge, {"Authorization": "Bearer k"}, aliases=ALIASES) as transport,
    ):
        vendor.faults.add(fault, "tickers", **more)

        with pytest.raises(AnswerDistrusted):
            found(PolygonLister(transport, Rate(5)), "us_equities")
        assert len(vendor.journal) < 10


def test_the_listings_are_those_that_the_vendors_own_client_reads(lister, vendor):
    client = RESTClient("k", base=vendor.base_url, retries=0)
    day = vendor.truth.sessions["session"][70]
    for is_active in (True, False):
        theirs = [
            (
                each.ticker,
                each.name,
                each.type,
                each.primary_exchange,
                (each.delisted_utc or "")[:10],
                each.composite_figi,
            )
            for each in client.list_tickers(market="stocks", date=str(day), active=is_active, limit=1000)
            if each.type in KINDS["us_equities"].types
        ]
        ours = found(lister, "us_equities", day, has_delisted=True)
        mine = ours.filter(pl.col("delisted").is_null() == is_active).with_columns(
            pl.col("delisted").cast(pl.String).fill_null("")
        )

        assert mine.drop("listed").rows() == theirs
        assert theirs
    client.client.clear()


def test_the_synthetic_market_lists_its_cast_as_of_a_day():
    source = SyntheticSource()
    lister = ReferenceLister(source, NOW)

    early, late = (found(lister, "us_equities", day) for day in (date(2023, 6, 1), date(2024, 12, 30)))

    # From the cast: GAIA ended in May 2023 and begins anew in August 2024, FLUX became FLXA in September 2024
    assert {"GAIA", "FLXA", "HALO"} & set(early["ticker"]) == set()
    assert {"FLUX", "IRIS"} <= set(early["ticker"])
    assert {"FLUX", "IRIS"} & set(late["ticker"]) == set()
    assert {"GAIA", "FLXA", "HALO"} <= set(late["ticker"])
    # Two companies under one ticker are among the faults that it plants
    assert found(lister, "etf", date(2024, 12, 30))["ticker"].to_list() == ["MKTS", "ZETA", "ZETA"]
    both = found(lister, "us_equities", date(2024, 12, 30), has_delisted=True).filter(ticker="GAIA")
    assert both["name"].to_list() == ["Gaia Timber", "Gaia Robotics"]
    assert both["delisted"].to_list() == [date(2023, 5, 12), None]


def test_files_list_whom_they_have_bars_of(tmp_path):
    source = files_worlds.source(tmp_path, files_worlds.bars(), bars__csv=files_worlds.table(files_worlds.ROW))

    told = found(ReferenceLister(source, NOW), "us_equities")

    assert told["ticker"].to_list() == list(source.listed_tickers())
    assert_frame_equal(told, told.select(FOUND.keys()))


def test_a_source_of_its_own_exchange_has_no_other_market():
    with pytest.raises(ValueError, match=r"synthetic: it lists no crypto.*ORION_SOURCE=polygon"):
        found(ReferenceLister(SyntheticSource(), NOW), "crypto")


def test_what_a_search_takes_is_said_before_it_is_made(lister):
    assert lister.cost(search("us_equities")).calls == 12
    assert lister.cost(search("us_equities", has_delisted=True)).calls == 37
    # Three windows of five calls, each held a second longer
    assert lister.cost(search("us_equities")).seconds == 3 * 61
