"""What providers say is landed: cells of what they spoke of, and none of what they could not."""

import json
from datetime import UTC, date, datetime

import polars as pl
import pytest

from orion_assets.ingest.moment import Moment
from orion_assets.ingest.runner import Desk, land
from orion_assets.schemas import RAW_COVERAGE, RAW_DAILY_BARS, RAW_VIX
from orion_assets.sources import cboe
from orion_assets.sources.alpaca.routes import FREE
from orion_assets.sources.alpaca.source import AlpacaSource
from orion_assets.sources.alpaca.words import judge
from orion_assets.sources.cboe import CboeSource
from orion_assets.sources.protocols import Ask
from orion_assets.store.archive import FolderArchive
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets_tests.far_sides import transport_to
from orion_assets_tests.scripted_server import answer, scripted

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MONDAY, WEDNESDAY, THANKSGIVING, FRIDAY = (date(2025, 11, day) for day in (24, 26, 27, 28))
BAR = {"t": "2025-11-24T05:00:00Z", "o": 10, "h": 12, "l": 9, "c": 11, "v": 10.5, "n": 3, "vw": 10.25}
FILE = b"""DATE,OPEN,HIGH,LOW,CLOSE
11/26/2025,18.500000,18.600000,17.000000,17.190000
11/27/2025,17.300000,17.600000,17.100000,17.210000
11/28/2025,17.300000,17.900000,16.200000,16.350000
"""


@pytest.fixture
def desk(tmp_path):
    made = Desk(Lake(str(tmp_path / "lake")), FolderArchive(tmp_path / "archive"), State(f"sqlite:///{tmp_path}/s.db"))
    yield made
    made.state.close()


@pytest.fixture
def server():
    with scripted() as running:
        yield running


def cells(desk, ticker) -> list[tuple]:
    held = desk.lake.read(RAW_COVERAGE).filter(ticker=ticker, cutoff="close").sort("session")
    return held.select("session", "state").rows()


def test_a_ticker_that_alpaca_spells_otherwise_is_not_confirmed_empty(desk, server):
    server.say(answer(json.dumps({"bars": {"AAPL": [BAR]}, "next_page_token": None}).encode()))
    ask = Ask("raw_daily_bars", MONDAY, WEDNESDAY, ("AAPL", "KIMpL", "MSFT"), NOW)
    with transport_to(server.url, "alpaca", judge, {}) as transport:
        landed = land(desk, AlpacaSource(transport, FREE), ask, RAW_DAILY_BARS, Moment(NOW))

    assert landed.rows == 1
    assert cells(desk, "AAPL") == [(MONDAY, "data"), (date(2025, 11, 25), "empty_confirmed")]
    assert cells(desk, "MSFT") == [(MONDAY, "empty_confirmed"), (date(2025, 11, 25), "empty_confirmed")]
    assert cells(desk, "KIMpL") == []


def test_the_vix_of_thanksgiving_is_landed_once_however_the_range_is_cut_and_the_file_is_archived(desk, server):
    server.say(answer(FILE))
    spans = [
        (WEDNESDAY, THANKSGIVING),
        (WEDNESDAY, FRIDAY),
        (FRIDAY, date(2025, 12, 3)),
        (WEDNESDAY, date(2025, 12, 3)),
    ]
    with transport_to(server.url, "cboe", cboe.judge, {}) as transport:
        asks = [Ask("raw_vix", *span, (), NOW) for span in spans]
        rows = [land(desk, CboeSource(transport), ask, RAW_VIX, Moment(NOW)).rows for ask in asks]

    held = desk.lake.read(RAW_VIX)
    assert rows == [1, 0, 2, 0]
    assert held.sort("date").select("date", "session", "is_deleted").rows() == [
        (WEDNESDAY, WEDNESDAY, False),
        (THANKSGIVING, FRIDAY, False),
        (FRIDAY, FRIDAY, False),
    ]
    assert desk.archive.get(held["source_hash"][0]) == FILE
    # The file ends on Friday: it says nothing of the week after
    assert cells(desk, "*") == [(WEDNESDAY, "data"), (FRIDAY, "data")]
    assert held.select(pl.col("source").unique()).item() == "cboe"
