"""Every asset materialized for real: over the whole range by one run, and over single sessions."""

from datetime import UTC, date, datetime

import dagster as dg
import polars as pl
import pytest

from orion_assets import schemas
from orion_assets.definitions import build_definitions
from orion_assets.defs.io import LakeIOManager
from orion_assets.ingest.moment import Moment
from orion_assets.store.opening import open_store
from orion_assets_tests.own_market import BAD_ROW, CONTRADICTION, FOLLOWED, LAST, LISTED, START, VIX_CONTRADICTION

RAW = ("raw_daily_bars", "raw_vix", "raw_news", "raw_splits", "raw_dividends")
SESSIONS = 25
ROWS = {
    "raw_daily_bars": SESSIONS * len(FOLLOWED),
    "raw_vix": SESSIONS + 1,
    "raw_news": 8,
    "raw_splits": 1,
    "raw_dividends": 1,
    "clean_daily_bars": SESSIONS * len(FOLLOWED) - 1,
    "clean_vix": SESSIONS + 1,
    "clean_news": 8,
    "corporate_actions": 2,
    "feature_indicators": SESSIONS * len(FOLLOWED) - 1,
    "feature_sentiment": SESSIONS * len(FOLLOWED) * 2,
    "feature_market": SESSIONS * 2,
}


def said(rows: pl.DataFrame) -> pl.DataFrame:
    """Leave out when the rows were landed."""
    return rows.drop("ts_ingested", strict=False)


def metadata(result: dg.ExecuteInProcessResult, name: str) -> dict:
    (made,) = result.asset_materializations_for_node(name)[:1]
    return {key: value.value for key, value in made.metadata.items()}


def check(result: dg.ExecuteInProcessResult, asset: str, name: str) -> dg.AssetCheckEvaluation:
    (found,) = [
        each
        for each in result.get_asset_check_evaluations()
        if each.asset_key.path[-1] == asset and each.check_name == name
    ]
    return found


def accused(result: dg.ExecuteInProcessResult, asset: str, name: str) -> list[dict]:
    return [record.data for record in check(result, asset, name).metadata["accused"].records]


def test_one_run_fills_every_table(filled):
    heights = {name: filled.market.read(schemas.TABLES[name]).height for name in ROWS}

    assert filled.daily.success
    assert heights == ROWS


def test_the_reference_run_lists_every_ticker_and_one_security_each(filled):
    tickers, securities = (filled.market.read(t) for t in (schemas.RAW_TICKERS, schemas.SECURITIES))

    assert tuple(tickers["ticker"]) == LISTED
    assert securities.select("security_id", "ticker").rows() == [(f"files:{name}", name) for name in LISTED]


def test_each_session_says_what_it_holds_for_the_ui_to_plot(filled):
    made = {
        event.partition: {name: value.value for name, value in event.metadata.items()}
        for event in filled.daily.asset_materializations_for_node("clean_daily_bars")
    }
    stored = filled.market.read(schemas.CLEAN_DAILY_BARS)

    rows = {day: told["dagster/partition_row_count"] for day, told in made.items()}
    assert rows == {str(day): count for day, count in stored.group_by("session").len().iter_rows()}
    assert made[str(BAD_ROW)]["tickers"] == 1
    assert 0 < made[str(START)]["filled_share"] <= 1


def test_a_run_of_one_session_as_the_schedule_asks_for_it_says_the_same(market):
    job = build_definitions(market.settings()).resolve_job_def("daily")
    with dg.DagsterInstance.ephemeral() as on:
        result = job.execute_in_process(instance=on, partition_key=str(START))

    assert metadata(result, "clean_daily_bars")["dagster/partition_row_count"] == len(FOLLOWED)
    assert metadata(result, "raw_daily_bars")["versions_landed"] == len(FOLLOWED)


@pytest.mark.parametrize("name", ROWS)
def test_an_asset_shows_the_rows_it_made(filled, name):
    assert metadata(filled.daily, name)["dagster/row_count"] == ROWS[name]


@pytest.mark.parametrize("name", [name for name in ROWS if name not in RAW])
def test_a_derived_asset_shows_what_its_rows_span(filled, name):
    rows = filled.market.read(schemas.TABLES[name])

    shown = metadata(filled.daily, name)

    assert shown["first_session"] == str(rows["session"].min())
    assert shown["last_session"] == str(rows["session"].max())
    assert shown["sessions"] == rows["session"].n_unique()
    assert shown.get("superseded_versions", 0) == 0


@pytest.mark.parametrize("name", [name for name in (*ROWS, "feature_matrix") if name not in RAW])
def test_a_range_is_one_commit_a_table(filled, name):
    commits = filled.market.lake.history(schemas.TABLES[name]).filter(pl.col("operation") == "replace")

    assert commits.height == 1
    assert metadata(filled.daily, name)["lake_version"] == commits["version"][0]


def test_the_publication_says_what_it_wrote(filled):
    shown = metadata(filled.daily, "feature_store")

    assert shown["changed"] is True
    assert {name: shown[f"rows_{name}"] for name in ROWS if name not in RAW} == {
        name: rows for name, rows in ROWS.items() if name not in RAW
    }
    with open_store(filled.market.settings().store_url) as store:
        assert store.features(cutoff="both").height == shown["rows_feature_matrix"]


def test_a_bad_row_is_in_quarantine_with_its_reason_and_the_check_names_it(filled):
    held = filled.market.read(schemas.QUARANTINE).filter(pl.col("origin") == "raw_daily_bars")

    shown = accused(filled.daily, "clean_daily_bars", "quarantine")

    assert set(held["ticker"]) == {"BOLT"}
    assert set(held["session"]) == {BAD_ROW}
    assert set(held["source_file"]) == {"bars.csv"}
    assert set(held["source_row"]) == {SESSIONS + 8}
    assert "close: -81.0 is not positive" in set(held["found"])
    assert {(row["ticker"], row["session"]) for row in shown} == {("BOLT", str(BAD_ROW))}
    assert all(row["remedy"] for row in shown)
    assert check(filled.daily, "clean_daily_bars", "quarantine").severity is dg.AssetCheckSeverity.WARN


@pytest.mark.parametrize(("asset", "session"), [("clean_daily_bars", CONTRADICTION), ("clean_vix", VIX_CONTRADICTION)])
def test_a_contradiction_is_reported_and_kept(filled, asset, session):
    rows = filled.market.read(schemas.TABLES[asset])

    shown = accused(filled.daily, asset, "prices_in_order")

    assert [row["session"] for row in shown] == [str(session)]
    assert rows.filter(pl.col("session") == session).height == (2 if asset == "clean_daily_bars" else 1)


def test_a_vix_row_of_a_closed_day_stands_in_the_next_session_and_makes_none(filled):
    assert [(row["date"], row["session"]) for row in accused(filled.daily, "clean_vix", "on_exchange_days")] == [
        ("2014-07-04", "2014-07-07")
    ]
    assert date(2014, 7, 4) not in set(filled.market.read(schemas.FEATURE_MARKET)["session"])


def test_every_declared_check_was_evaluated_and_those_without_findings_passed(filled):
    found = {
        (each.asset_key.path[-1], each.check_name): each.passed for each in filled.daily.get_asset_check_evaluations()
    }

    failed = {name for name, passed in found.items() if not passed}
    assert failed == {
        ("clean_daily_bars", "quarantine"),
        ("clean_daily_bars", "prices_in_order"),
        ("clean_vix", "prices_in_order"),
        ("clean_vix", "on_exchange_days"),
    }
    assert {("feature_matrix", "sound"), ("feature_indicators", "suspected_missing_split")} <= set(found)


def test_session_by_session_gives_the_rows_of_the_range(filled, market):
    last = date(2014, 6, 18)
    for day in (16, 17, 18):
        assert market.materialize(date(2014, 6, day), date(2014, 6, day)).success

    for name in (*ROWS, "feature_matrix"):
        table = schemas.TABLES[name]
        whole = filled.market.read(table).filter(pl.col("session") <= last)
        assert market.read(table).drop("ts_ingested", strict=False).equals(whole.drop("ts_ingested", strict=False)), (
            name
        )


def test_one_session_reads_the_session_before_for_its_open_row(filled):
    row = {"ticker": "ACME", "session": date(2014, 7, 8), "cutoff": "open"}

    (found,) = filled.market.read(schemas.FEATURE_MATRIX).filter(**row).select("bar_session", "close").rows()

    assert found == (date(2014, 7, 7), 32.0)


def test_a_session_that_is_not_due_lands_nothing_and_the_check_says_so(market):
    under_way = datetime(2014, 6, 18, 15, 0, tzinfo=UTC)

    result = market.materialize(START, date(2014, 6, 18), overrides={"moment": Moment(under_way, is_replay=True)})

    assert result.success
    for name in ("raw_daily_bars", "clean_daily_bars", "feature_indicators"):
        assert market.read(schemas.TABLES[name])["session"].max() == date(2014, 6, 17)
    found = check(result, "raw_daily_bars", "complete")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.metadata["not_yet"].value == ["2014-06-18"]


def test_a_session_of_the_future_alone_writes_nothing(market):
    dawn = datetime(2014, 6, 16, 6, 0, tzinfo=UTC)

    result = market.materialize(START, START, overrides={"moment": Moment(dawn, is_replay=True)})

    assert result.success
    assert {name: market.read(schemas.TABLES[name]).height for name in (*ROWS, "feature_matrix")} == dict.fromkeys(
        (*ROWS, "feature_matrix"), 0
    )
    assert not any(check(result, name, "complete").passed for name in RAW)


class Planting(LakeIOManager):
    """Hands an infinite VIX to whoever reads it."""

    def load_input(self, context):
        rows = super().load_input(context)
        is_vix = context.asset_key.path[-1] == "clean_vix"
        return rows.with_columns(close=pl.lit(float("inf"))) if is_vix else rows


def test_an_infinite_feature_blocks_what_is_downstream(market):
    last = date(2014, 6, 18)

    result = market.materialize(START, last, overrides={"lake_io": Planting(market.lake)})

    assert not result.success
    found = check(result, "feature_market", "sound")
    assert (found.passed, found.blocking, found.severity) == (False, True, dg.AssetCheckSeverity.ERROR)
    assert found.metadata["rows"].value == 5
    assert accused(result, "feature_market", "sound")[0]["session"] == str(START)
    assert market.read(schemas.FEATURE_INDICATORS).height == 6
    assert market.read(schemas.FEATURE_MATRIX).is_empty()
    assert not (market.folder / "data" / "store.duckdb").exists()


def test_a_repeated_run_changes_no_table(market):
    market.materialize(START, date(2014, 6, 18))
    tables = [schemas.TABLES[name] for name in (*ROWS, "feature_matrix", "quarantine", "raw_coverage")]
    before = {table.name: market.lake.version(table) for table in tables}

    again = market.materialize(START, date(2014, 6, 18))

    assert {table.name: market.lake.version(table) for table in tables} == before
    assert metadata(again, "raw_daily_bars")["dagster/row_count"] == 0
    assert metadata(again, "feature_matrix")["changed"] is False
    assert metadata(again, "feature_store")["changed"] is False


def test_a_run_without_a_source_fails_and_names_the_setting(tmp_path, filled):
    result = filled.market.materialize(
        START, START, source="none", state_url=f"sqlite:///{tmp_path / 's.db'}", lake_url=str(tmp_path / "lake")
    )

    assert not result.success
    reasons = [str(getattr(e.event_specific_data, "error", "")) for e in result.all_events if e.is_failure]
    assert any("ORION_SOURCE=files" in reason for reason in reasons)


def test_the_derived_assets_alone_are_made_again_from_raw(filled):
    version = filled.market.lake.version(schemas.FEATURE_INDICATORS)

    result = filled.market.materialize(START, LAST, assets=("clean_daily_bars", "feature_indicators"))

    assert result.success
    assert filled.market.lake.version(schemas.FEATURE_INDICATORS) == version
