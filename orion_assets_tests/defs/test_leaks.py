"""Every run looks for the future in what it derived, and a leak stays out of the store."""

from datetime import timedelta

import dagster as dg
import polars as pl
import pytest

from orion_assets.defs.assets.features import _leaked
from orion_assets.errors import StoreUnavailable
from orion_assets.quality.leaks import Spotted
from orion_assets.store.opening import open_store
from orion_assets.transforms import matrix
from orion_assets_tests.own_market import FOLLOWED, LAST, START


def test_a_feature_that_reads_the_next_session_blocks_its_publication(market, monkeypatch):
    honest = matrix.feature_matrix

    def cheating(*parts: pl.DataFrame) -> pl.DataFrame:
        rows = honest(*parts).sort("ticker", "session", "cutoff", "ts_known")
        return rows.with_columns(sma_5=pl.col("sma_5").shift(-1).over("ticker", "cutoff"))

    monkeypatch.setattr(matrix, "feature_matrix", cheating)

    result = market.materialize()

    assert not result.success
    (found,) = [each for each in result.get_asset_check_evaluations() if not each.passed and each.blocking]
    assert (found.check_name, found.severity) == ("leaks", dg.AssetCheckSeverity.ERROR)
    told = [record.data for record in found.metadata["accused"].records]
    assert {row["feature"] for row in told} == {"sma_5"}
    assert {row["ticker"] for row in told} == set(FOLLOWED)
    with pytest.raises(StoreUnavailable, match="does not exist"):
        open_store(market.settings().store_url)


def test_what_landed_beside_a_run_is_no_leak_and_the_check_says_that_it_did_not_judge(market):
    assert market.materialize(LAST, LAST).success
    assert market.materialize(START, LAST - timedelta(days=3), assets=["raw_daily_bars"]).success

    result = market.materialize(LAST, LAST)

    assert result.success
    (check,) = [each for each in result.get_asset_check_evaluations() if each.check_name == "leaks"]
    assert check.passed
    assert "not judged" in check.metadata["note"].value


def test_a_check_that_compared_nothing_says_that_it_did_not_judge():
    none = pl.DataFrame({"feature": []})

    nothing, some = (_leaked(Spotted(none, rows), is_undisturbed=True) for rows in (0, 7))

    assert "not judged" in nothing.metadata["note"].value
    assert (some.passed, some.metadata["compared"].value, "note" in some.metadata) == (True, 7, False)
