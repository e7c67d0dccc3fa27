from datetime import date
from pathlib import Path

import pytest

from orion_assets.clock import uptime
from orion_assets.errors import SettingsError
from orion_assets.schemas import RAW_DAILY_BARS, RAW_TICKERS
from orion_assets.settings import fixed
from orion_assets.sources.none import NoSource
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, listed_by, said_schema
from orion_assets.sources.registry import open_source, routes_of_plan
from orion_assets.store.call_log import SharedCallLog
from orion_assets_tests import files_worlds

TODAY = date(2026, 11, 20)


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
        listed_by(opened(polygon_api_key="secret"))


ALPACA = {"source": "alpaca", "alpaca_api_key": "PK1", "alpaca_secret_key": "hush"}
ALPHA = {"source": "alphavantage", "alphavantage_api_key": "hush"}


@pytest.mark.parametrize(
    ("told", "datasets"),
    [
        (ALPACA, {"raw_daily_bars", "raw_news", "raw_splits", "raw_dividends", "raw_vix"}),
        (ALPHA, {"raw_daily_bars", "raw_vix"}),
        ({"source": "yahoo"}, {"raw_vix"}),
    ],
    ids=lambda told: told["source"] if isinstance(told, dict) else "",
)
def test_other_vendors_are_opened_by_name_with_the_vix_of_those_who_have_it(opened, told, datasets):
    source = opened(**told)

    assert source.name == told["source"]
    assert source.datasets == datasets
    assert {route.dataset for route in source.routes(TODAY)} == datasets


def test_a_vendor_on_this_machine_is_not_told_the_vix_of_this_world(opened):
    assert "raw_vix" not in opened(**ALPACA, alpaca_base_url="http://127.0.0.1:8151").datasets


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"source": "alpaca"}, "ALPACA_API_KEY"),
        ({"source": "alpaca", "alpaca_api_key": "PK1"}, "ALPACA_SECRET_KEY"),
        ({"source": "alphavantage"}, "ALPHAVANTAGE_API_KEY"),
    ],
)
def test_a_vendor_without_its_key_names_the_setting(opened, told, named):
    with pytest.raises(SettingsError, match=f"no key is set; set {named}"):
        opened(**told)


@pytest.mark.parametrize(
    ("told", "calls", "window_s"),
    [
        ({"polygon_api_key": "a"}, 5, 60.0),
        ({"polygon_api_key": "a", "calls_per_minute": 3}, 3, 60.0),
        ({"polygon_api_key": "a", "calls_per_minute": "unlimited"}, 100, 1.0),
        (ALPACA, 200, 60.0),
        (ALPACA | {"alpaca_plan": "plus"}, 10_000, 60.0),
        (ALPACA | {"calls_per_minute": 150}, 150, 60.0),
        (ALPHA, 25, 86_400.0),
        (ALPHA | {"calls_per_minute": 75}, 75, 60.0),
    ],
)
def test_plans_are_made_with_the_rate_that_the_settings_state(opened, told, calls, window_s):
    (bars, *_) = [route for route in opened(**told).routes(TODAY) if route.dataset == "raw_daily_bars"]

    assert (bars.budget.rate.calls, bars.budget.rate.window_s) == (calls, window_s)


def test_the_stated_rate_is_that_of_the_plan_one_has_and_of_no_other():
    settings = fixed(polygon_plan="free", calls_per_minute=2)

    def rate(plan):
        (found,) = {r.budget.rate for r in routes_of_plan(settings, plan, TODAY) if r.budget.name == "polygon"}
        return found.calls, found.window_s

    assert (rate("free"), rate("starter")) == ((2, 60.0), (100, 1.0))


@pytest.mark.parametrize("name", ["alpaca_api_key", "alpaca_secret_key", "alphavantage_api_key"])
def test_keys_are_not_shown(name):
    assert "hush" not in repr(fixed(**{name: "hush"}))


@pytest.mark.parametrize("table", [RAW_DAILY_BARS, RAW_TICKERS], ids=lambda table: table.name)
def test_a_source_says_all_columns_but_those_that_landing_stamps_and_two_clocks(table):
    said = said_schema(table)

    assert list(said)[-2:] == [TS_ASSUMED, TS_STATED]
    assert set(table.names) - set(said) == {"ts_known", "ts_ingested", "availability"}
