from pathlib import Path

import pytest

from orion_assets.errors import SettingsError
from orion_assets.schemas import RAW_DAILY_BARS, RAW_TICKERS
from orion_assets.sources.none import NoSource
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, said_schema
from orion_assets.sources.registry import open_source
from orion_assets_tests import files_worlds


def test_an_unknown_source_is_refused_with_those_there_are():
    with pytest.raises(
        SettingsError, match="source 'bloomberg' is unknown; set ORION_SOURCE to one of none, files, synthetic"
    ):
        open_source("bloomberg", [], None)


def test_the_files_source_wants_a_mapping():
    with pytest.raises(SettingsError, match="source files: no mapping is named; set ORION_FILES_MAPPING="):
        open_source("files", [], None)


def test_a_mapping_that_is_not_there_is_refused():
    with pytest.raises(SettingsError, match=r"gone\.toml"):
        open_source("files", [Path("gone.toml")], None)


def test_the_files_source_is_opened_on_its_mapping(tmp_path):
    files_worlds.source(tmp_path, files_worlds.bars(), bars__csv=files_worlds.table(files_worlds.ROW))

    source = open_source("files", [tmp_path / "mapping.toml"], None)

    assert source.name == "files"
    assert source.listed_tickers() == ("AAPL",)


def test_the_synthetic_market_needs_nothing():
    assert "AURA" in open_source("synthetic", [], None).listed_tickers()


def test_no_source_is_a_source_too():
    assert isinstance(open_source("none", [], None), NoSource)


@pytest.mark.parametrize("table", [RAW_DAILY_BARS, RAW_TICKERS], ids=lambda table: table.name)
def test_a_source_says_all_columns_but_those_that_landing_stamps_and_two_clocks(table):
    said = said_schema(table)

    assert list(said)[-2:] == [TS_ASSUMED, TS_STATED]
    assert set(table.names) - set(said) == {"ts_known", "ts_ingested", "availability"}
