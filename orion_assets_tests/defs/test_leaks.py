"""Every run looks for the future in what it derived, and a leak stays out of the store."""

import json
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import polars as pl
import pytest
import time_machine

from orion_assets.defs.assets.features import _leaked
from orion_assets.errors import StoreUnavailable
from orion_assets.quality.leaks import Spotted
from orion_assets.store.opening import open_store
from orion_assets.transforms import matrix
from orion_assets_tests.own_market import FOLLOWED, LAST, START

HONEST = matrix.feature_matrix
DAY_BEFORE, DAY = date(2014, 7, 17), date(2014, 7, 18)


def leaks_of(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (found,) = [each for each in result.get_asset_check_evaluations() if each.check_name == "leaks"]
    return found


def accused(check: dg.AssetCheckEvaluation) -> list[dict]:
    return [record.data for record in check.metadata["accused"].records]


def reading_the_close_at_the_open(*parts: pl.DataFrame) -> pl.DataFrame:
    rows = HONEST(*parts)
    at_close = pl.col("close").filter(pl.col("cutoff") == "close").last()
    return rows.with_columns(sma_5=at_close.over("ticker", "session"))


def test_a_leak_keeps_out_what_follows_it_until_it_is_mended_and_the_report_says_so(market, monkeypatch):
    assert market.materialize(START, DAY_BEFORE).success
    monkeypatch.setattr(matrix, "feature_matrix", reading_the_close_at_the_open)

    first, second = market.materialize(DAY, DAY), market.materialize(LAST, LAST)
    report = market.orion("quality", "report", "--json")
    monkeypatch.setattr(matrix, "feature_matrix", HONEST)
    honest_but_alone = market.materialize(LAST, LAST)
    mended = market.orion("update")
    after = market.orion("quality", "report", "--json")

    assert not first.success
    assert {row["feature"] for row in accused(leaks_of(first))} == {"sma_5"}
    for follows in (second, honest_but_alone):
        assert not follows.success
        check = leaks_of(follows)
        assert (check.passed, check.severity, check.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
        assert [row["session"] for row in accused(check)] == [str(DAY)]
        assert "refused" in accused(check)[0]["found"]
    assert report.code == 1
    (told,) = [each for each in json.loads(report.out)["checks"] if each["check"] == "leaks"]
    assert {(row["feature"], row["session"]) for row in told["accused"]} == {("sma_5", str(DAY))}
    assert mended.code == 0
    assert json.loads(after.out)["level"] != "broken"
    with open_store(market.settings().store_url) as store:
        assert store.features(["ACME"], start=DAY)["session"].unique().to_list() == [DAY, LAST]


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
    check = leaks_of(result)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "not judged" in check.metadata["note"].value
    assert [row["session"] for row in accused(check)] == [str(START)]


LISTED = """
[[tickers]]
files = ["listed.csv"]
columns = { ticker = "symbol", figi = "figi", list_date = "listed", delist_date = "ended" }
snapshot = 2014-06-01
"""


def test_a_reference_that_landed_and_was_not_derived_is_no_leak(market):
    mapping, listed = market.folder / "mapping.toml", market.folder / "listed.csv"
    mapping.write_text(mapping.read_text() + LISTED)

    def landed(acme_since: str, hour: datetime, **assets) -> None:
        given = [f"ACME,F1,{acme_since},", "BOLT,F2,2010-01-04,", "CROW,F3,2010-01-04,"]
        listed.write_text("\n".join(["symbol,figi,listed,ended", *given]) + "\n")
        with time_machine.travel(hour, tick=True):
            assert market.materialize(job="reference", **assets).success

    landed("2010-01-04", datetime(2014, 7, 18, 20, 30, tzinfo=UTC))
    with time_machine.travel(datetime(2014, 7, 18, 20, 40, tzinfo=UTC), tick=True):
        assert market.materialize(START, DAY).success
    landed("2014-07-10", datetime(2014, 7, 21, 18, tzinfo=UTC), assets=["raw_tickers"])

    with time_machine.travel(datetime(2014, 7, 21, 20, 40, tzinfo=UTC), tick=True):
        evening = market.materialize(LAST, LAST)

    assert evening.success
    check = leaks_of(evening)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    (row,) = accused(check)
    assert row["ticker"] == "ACME"
    assert "securities await derivation" in row["found"]
    assert row["remedy"].startswith("materialize reference")


def test_a_check_that_compared_nothing_says_that_it_did_not_judge():
    none = pl.DataFrame({"feature": []})

    nothing, some = (_leaked(Spotted(none, rows)) for rows in (0, 7))

    assert "not judged" in nothing.metadata["note"].value
    assert (some.passed, some.metadata["compared"].value, "note" in some.metadata) == (True, 7, False)
