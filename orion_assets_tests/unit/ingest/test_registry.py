from pathlib import Path

import pytest

from orion_assets.clock import uptime
from orion_assets.errors import SettingsError
from orion_assets.schemas import RAW_DAILY_BARS, RAW_TICKERS
from orion_assets.settings import fixed
from orion_assets.sources.none import NoSource
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, said_schema
from orion_assets.sources.registry import open_source
from orion_assets.store.call_log import SharedCallLog
from orion_assets_tests import files_worlds


@pytest.fixture
def opened(tmp_path):
    calls = SharedCallLog(f"sqlite:///{tmp_path}/state.db", uptime)
    return lambda **told: open_source(fixed(**told), calls)


def test_the_files_source_wants_a_mapping(opened):
    with pytest.raises(SettingsError, match="source files: no mapping is named; set ORION_FILES_MAPPING="):
        opened(source="files")


def test_a_mapping_that_is_not_there_is_refused(opened):
    with pytest.raises(SettingsError, match=r"gone\.toml"):
        opened(source="files", files_mapping=(Path("gone.toml"),))


def test_the_files_source_is_opened_on_its_mapping(tmp_path, opened):
    files_worlds.source(tmp_path, files_worlds.bars(), bars__csv=files_worlds.table(files_worlds.ROW))

    source = opened(files_mapping=(tmp_path / "mapping.toml",))

    assert source.name == "files"
    assert source.listed_tickers() == ("AAPL",)


def test_the_synthetic_market_needs_nothing(opened):
    assert "AURA" in opened().listed_tickers()


def test_no_source_is_a_source_too(opened):
    assert isinstance(opened(source="none"), NoSource)


def test_a_vendor_wants_a_key_and_a_key_names_its_vendor(opened):
    with pytest.raises(SettingsError, match="set POLYGON_API_KEY or MASSIVE_API_KEY"):
        opened(source="polygon")

    assert opened(polygon_api_key="secret").name == "polygon"


def test_a_vendor_follows_nobody_unasked(opened):
    with pytest.raises(SettingsError, match="Set ORION_TICKERS"):
        opened(polygon_api_key="secret").listed_tickers()


@pytest.mark.parametrize("table", [RAW_DAILY_BARS, RAW_TICKERS], ids=lambda table: table.name)
def test_a_source_says_all_columns_but_those_that_landing_stamps_and_two_clocks(table):
    said = said_schema(table)

    assert list(said)[-2:] == [TS_ASSUMED, TS_STATED]
    assert set(table.names) - set(said) == {"ts_known", "ts_ingested", "availability"}
