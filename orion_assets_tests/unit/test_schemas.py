from datetime import UTC, datetime

import polars as pl
import pytest

from orion_assets import schemas
from orion_assets.errors import SchemaMismatch
from orion_assets.schemas import TABLES
from orion_assets.tables import DTYPE_NAMES, UTC_US, Column, Table
from orion_assets.transforms.indicators import CORE

KNOWN = datetime(2014, 6, 6, 20, 15, tzinfo=UTC)
PRICES = Table(
    "prices",
    "A small table.",
    ("ticker",),
    (
        Column("ticker", pl.String(), "Who"),
        Column("close", pl.Float64(), "How much", "USD", is_nullable=True),
        Column("ts_known", UTC_US, "Since when", "UTC"),
    ),
)
VENUES = Table("venues", "No versions.", ("mic",), (Column("mic", pl.String(), "Where"),))


def frame(**columns) -> pl.DataFrame:
    given = {"ticker": ["A", "B"], "close": [1.0, None], "ts_known": [KNOWN, KNOWN], **columns}
    return pl.DataFrame({name: values for name, values in given.items() if values is not None}).with_columns(
        pl.col(pl.Datetime).cast(UTC_US)
    )


def refusal(bad: pl.DataFrame, table: Table = PRICES) -> str:
    with pytest.raises(SchemaMismatch) as raised:
        table.conform(bad)
    assert raised.value.table == table.name
    return str(raised.value)


def test_a_frame_that_conforms_comes_back_in_the_declared_order():
    given = frame().select("ts_known", "close", "ticker")

    found = PRICES.conform(given)

    assert found.equals(frame())
    assert found.columns == ["ticker", "close", "ts_known"]


def test_a_frame_of_no_rows_conforms():
    assert PRICES.conform(PRICES.empty()).shape == (0, 3)
    assert dict(PRICES.empty().schema) == dict(PRICES.schema)


def test_every_problem_of_the_shape_is_named_at_once():
    bad = frame(close=None, when=[1, 2]).with_columns(ticker=pl.lit(1, pl.Int32))

    assert refusal(bad) == (
        "prices: missing close; unexpected when; wrong type ticker Int32 (declared String)."
        " Fix the transform that made the frame, or change PRICES in schemas.py"
    )


def test_milliseconds_are_not_microseconds():
    bad = frame().with_columns(pl.col("ts_known").dt.cast_time_unit("ms"))

    assert "wrong type ts_known Datetime(time_unit='ms', time_zone='UTC')" in refusal(bad)


def test_a_null_in_a_required_column_is_refused_and_one_in_a_nullable_passes():
    assert refusal(frame(ticker=["A", None])).startswith("prices: 1 nulls in ticker. Fix")
    assert PRICES.conform(frame(close=[None, None]).with_columns(pl.col("close").cast(pl.Float64))).height == 2


def test_two_rows_of_one_version_are_refused_with_the_first_of_them():
    assert refusal(frame(ticker=["A", "A"])).startswith(
        f"prices: 2 rows share (ticker, ts_known), the first ticker A, ts_known {KNOWN}."
    )


def test_two_versions_of_one_key_conform():
    later = KNOWN.replace(minute=16)

    assert PRICES.conform(frame(ticker=["A", "A"], ts_known=[KNOWN, later])).height == 2


def test_a_table_without_versions_has_one_row_a_key():
    twice = pl.DataFrame({"mic": ["XNYS", "XNYS"]})

    assert refusal(twice, VENUES).startswith("venues: 2 rows share (mic), the first mic XNYS.")
    assert not VENUES.has_versions
    assert PRICES.has_versions


def test_a_table_of_nullable_columns_only_has_nothing_required():
    loose = Table("loose", "All may be null.", ("name",), (Column("name", pl.String(), "Any", is_nullable=True),))

    assert loose.conform(pl.DataFrame({"name": ["a", None]})).height == 2


def test_the_indicator_columns_are_exactly_what_the_core_indicators_give():
    clocks = {"ts_event", "ts_known", "known_until", "is_deleted"}
    stored = set(schemas.FEATURE_INDICATORS.names) - clocks - {"ticker", "session", "close", "split_factor"}

    assert stored == {output.name for indicator in CORE for output in indicator.outputs}


def test_the_matrix_holds_every_value_of_the_features_it_joins():
    clocks = {"ts_event", "ts_known", "known_until", "is_deleted"}
    joined = (schemas.FEATURE_INDICATORS, schemas.FEATURE_SENTIMENT, schemas.FEATURE_MARKET)
    values = {name for table in joined for name in table.names} - clocks

    assert values | clocks | {"bar_session"} == set(schemas.FEATURE_MATRIX.names)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_table_declares_its_key_its_units_and_each_column_once(table):
    assert len(set(table.names)) == len(table.names)
    assert set(table.key) <= set(table.names)
    assert all(column.dtype in DTYPE_NAMES for column in table.columns)
    assert all(column.unit == "UTC" for column in table.columns if column.name.startswith("ts_"))
    assert not any(column.is_nullable for column in table.columns if column.name in table.key)


def test_what_is_stored_are_the_tables_with_intervals():
    assert {table.name for table in schemas.STORED} == {
        *("securities", "corporate_actions", "clean_daily_bars", "clean_vix", "clean_news"),
        *("feature_indicators", "feature_sentiment", "feature_market", "feature_matrix"),
    }


def test_a_table_is_found_by_its_name():
    assert all(name == table.name for name, table in TABLES.items())
    assert TABLES["raw_vix"].conform(TABLES["raw_vix"].empty()).is_empty()
