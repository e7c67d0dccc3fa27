"""The end of a run: what the store says it was asked for, what its checks miss, and what another vendor disputes."""

import re
from datetime import date, timedelta

import dagster as dg
import polars as pl
import pytest

from orion_assets import schemas
from orion_assets.clock import SystemClock
from orion_assets.defs.io import LakeIOManager
from orion_assets.ingest.freshness import mark_stale, stale_span
from orion_assets.ingest.moment import Moment
from orion_assets.store.facts import asked_sessions
from orion_assets.store.opening import open_store
from orion_assets.store.state import State
from orion_assets_tests.own_market import LAST, MAPPING, START

JUNE_END, JULY_START, JULY_END = date(2014, 6, 20), date(2014, 7, 1), date(2014, 7, 3)


def accused(result: dg.ExecuteInProcessResult, asset: str = "feature_store") -> dict[str, list[dict]]:
    """The rows that each failed check of an asset accuses; a run succeeds whatever they say."""
    assert result.success
    failed = [each for each in result.get_asset_check_evaluations() if not each.passed]
    assert {each.severity for each in failed} <= {dg.AssetCheckSeverity.WARN}
    mine = [each for each in failed if each.asset_key.path[-1] == asset]
    return {each.check_name: [record.data for record in each.metadata["accused"].records] for each in mine}


def facts(market) -> dict[str, str]:
    with open_store(market.settings().store_url) as store:
        return store.facts()


def dividends(market) -> list[date]:
    return asked_sessions(facts(market), "raw_dividends")["session"].to_list()


def total_return(market, **bounds) -> pl.DataFrame:
    with open_store(market.settings().store_url) as store:
        return store.bars("BOLT", adjusted="total_return", **bounds)


def test_the_store_says_for_which_sessions_a_source_was_asked(market):
    market.materialize(START, JUNE_END)
    market.materialize(JULY_START, JULY_END)

    of_bars = market.read(schemas.CLEAN_DAILY_BARS)["session"].unique().sort().to_list()
    assert dividends(market) == of_bars
    assert sorted(facts(market)) == ["asked 2014-06", "asked 2014-07"]


def test_whichever_range_is_published_last_the_store_says_the_same(market):
    spans = [(START, date(2014, 6, 18)), (date(2014, 6, 19), JUNE_END), (JULY_START, JULY_END)]
    for span in spans:
        market.materialize(*span)
    in_order = facts(market)
    (market.folder / "data" / "store.duckdb").unlink()

    for span in reversed(spans):
        market.materialize(*span)

    assert facts(market) == in_order


def test_a_later_range_without_dividends_refuses_total_return_for_itself_alone(market):
    market.materialize(START, JUNE_END)
    (market.folder / "mapping.toml").write_text(re.sub(r"\[\[dividends\]\]\n.*\n", "", MAPPING))
    market.materialize(date(2014, 6, 23), date(2014, 6, 24))

    assert total_return(market, end=date(2014, 6, 21)).height == 5
    with pytest.raises(ValueError, match="raw_dividends to this store for 2 of the 7 sessions, 2014-06-23 to"):
        total_return(market)


class Losing(LakeIOManager):
    """Loses the features of one ticker between the lake and the store."""

    def load_input(self, context):
        rows = super().load_input(context)
        is_lost = context.asset_key.path[-1] == "feature_matrix"
        return rows.filter(pl.col("ticker") != "BOLT") if is_lost else rows


def test_bars_without_features_are_told(market):
    found = accused(market.materialize(START, START, overrides={"lake_io": Losing(market.lake)}))

    assert [(row["ticker"], row["session"]) for row in found["bars_have_features"]] == [("BOLT", str(START))]
    assert set(found) == {"bars_have_features"}


def test_a_followed_ticker_whose_bars_ended_is_told(market):
    path = market.folder / "bars.csv"
    path.write_text(re.sub(r"BOLT,2014-07-(18|21),.*\n", "", path.read_text()))

    found = accused(market.materialize(date(2014, 7, 16), LAST))

    assert found == {"followed_up_to_date": [{"ticker": "BOLT", "session": "2014-07-21", "last_bar": "2014-07-17"}]}


OTHER = """
[[daily_bars]]
files = ["other.csv"]
use = "reconciliation"
price_basis = "split_adjusted"
columns = { ticker = "ticker", session = "date", close = "close" }
"""


def test_one_session_that_another_vendor_disputes_is_told_by_a_run_over_it_alone(market):
    path = market.folder
    mapping = path / "mapping.toml"
    bars = pl.read_csv(path / "bars.csv").filter(pl.col("ticker") == "CROW").select("ticker", "date", "close")
    wrong = pl.when(pl.col("date") == "2014-06-18").then(pl.col("close") * 1.1).otherwise("close")
    bars.with_columns(close=wrong / 7).write_csv(path / "other.csv")
    mapping.write_text(mapping.read_text() + OTHER)
    settings = {"tickers": ("ACME", "BOLT", "CROW")}
    assert accused(market.materialize(START, date(2014, 6, 17), **settings), "feature_indicators") == {}

    found = accused(market.materialize(date(2014, 6, 18), date(2014, 6, 18), **settings), "feature_indicators")

    (row,) = found["reconciles"]
    assert (row["ticker"], row["session"], row["difference_ratio"]) == ("CROW", "2014-06-18", pytest.approx(0.1))


def derived(market) -> tuple[date, date] | None:
    """The span that awaits derivation."""
    return stale_span(State(market.settings().state_url))


def test_publishing_alone_makes_nothing_fresh(market):
    market.materialize(START, JUNE_END)
    mark_stale(State(market.settings().state_url), START, Moment(SystemClock().now(), run="beside"))
    before = derived(market)

    alone = market.materialize(START, JUNE_END, assets=("feature_store",))
    after = derived(market)
    market.materialize(START, JUNE_END)

    assert alone.success
    assert before == after == (START, JUNE_END + timedelta(days=1))
    assert derived(market) is None
