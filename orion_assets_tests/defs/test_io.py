from datetime import date

import dagster as dg
import polars as pl
import pytest

from orion_assets import schemas
from orion_assets.defs.io import READS, LakeIOManager
from orion_assets.defs.partitions import sessions
from orion_assets.store.lake import Lake
from orion_assets_tests.own_market import END, START

AXIS = sessions(START)
SPAN = ("2014-07-01", "2014-07-03")


@pytest.fixture(scope="module")
def io(filled):
    return LakeIOManager(filled.market.lake)


def asked(table: str, span: tuple[str, str] | None = SPAN, reads: str | None = None) -> dg.InputContext:
    return dg.build_input_context(
        asset_key=table,
        asset_partitions_def=AXIS if span else None,
        asset_partition_key_range=dg.PartitionKeyRange(*span) if span else None,
        definition_metadata={READS: reads} if reads else {},
    )


def spanned(rows: pl.DataFrame) -> tuple[date, date]:
    return rows["session"].min(), rows["session"].max()


def test_a_range_is_what_is_read_of_a_table(io):
    rows = io.load_input(asked("clean_daily_bars"))

    assert spanned(rows) == (date(2014, 7, 1), date(2014, 7, 3))
    assert rows.schema == schemas.CLEAN_DAILY_BARS.schema


def test_one_session_is_a_range_of_one(io):
    assert spanned(io.load_input(asked("clean_daily_bars", ("2014-07-02", "2014-07-02")))) == (date(2014, 7, 2),) * 2


def test_history_is_read_from_the_first_session_to_the_last_of_the_run(io):
    assert spanned(io.load_input(asked("clean_daily_bars", reads="history"))) == (START, date(2014, 7, 3))


def test_all_is_read_beyond_the_run(io, filled):
    assert io.load_input(asked("clean_daily_bars", reads="all")).equals(filled.market.read(schemas.CLEAN_DAILY_BARS))


def test_coverage_stands_in_for_the_rows_of_a_table(io):
    rows = io.load_input(asked("raw_vix", reads="coverage"))

    assert rows.schema == schemas.RAW_COVERAGE.schema
    assert set(rows["dataset"]) == {"raw_vix"}
    assert spanned(rows) == (date(2014, 7, 1), date(2014, 7, 3))


def test_a_table_without_sessions_is_read_whole(io, filled):
    assert io.load_input(asked("securities", None)).equals(filled.market.read(schemas.SECURITIES))


def test_a_table_that_was_never_written_is_read_as_no_rows(tmp_path):
    rows = LakeIOManager(Lake(str(tmp_path))).load_input(asked("clean_vix"))

    assert rows.is_empty()
    assert rows.schema == schemas.CLEAN_VIX.schema


def test_writing_a_range_leaves_what_stands_outside_it(tmp_path, filled):
    lake = Lake(str(tmp_path))
    rows = filled.market.read(schemas.CLEAN_DAILY_BARS)
    lake.replace(schemas.CLEAN_DAILY_BARS, rows, start=START, end=END)
    context = dg.build_output_context(
        asset_key="clean_daily_bars",
        asset_partitions_def=AXIS,
        asset_partition_key_range=dg.PartitionKeyRange(*SPAN),
    )
    inside = pl.col("session").is_between(date(2014, 7, 1), date(2014, 7, 3))

    LakeIOManager(lake).handle_output(context, rows.filter(inside & (pl.col("ticker") == "BOLT")))

    kept = lake.read(schemas.CLEAN_DAILY_BARS)
    assert kept.equals(rows.filter(~inside | (pl.col("ticker") == "BOLT")))
    shown = context.consume_logged_metadata()
    assert shown["lake_version"].value == lake.version(schemas.CLEAN_DAILY_BARS)
    assert shown["changed"].value is True


def test_a_row_outside_the_range_is_refused_and_nothing_is_written(tmp_path, filled):
    lake = Lake(str(tmp_path))
    context = dg.build_output_context(
        asset_key="clean_daily_bars",
        asset_partitions_def=AXIS,
        asset_partition_key_range=dg.PartitionKeyRange(*SPAN),
    )

    with pytest.raises(ValueError, match="outside"):
        LakeIOManager(lake).handle_output(context, filled.market.read(schemas.CLEAN_DAILY_BARS))

    assert lake.read(schemas.CLEAN_DAILY_BARS).is_empty()
