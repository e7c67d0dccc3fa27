"""A file a ticker, in a folder and on a real S3 server."""

import pytest
from polars.testing import assert_frame_equal

from orion_assets.errors import SchemaMismatch, StoreUnavailable
from orion_assets.schemas import TICKER_FEATURES
from orion_assets.store.history import HistoryFiles
from orion_assets_tests.contracts.lake_writers import MONDAY, TUESDAY, rows_of


@pytest.fixture
def files(lake_place) -> HistoryFiles:
    return HistoryFiles(lake_place.url, lake_place.options)


ONE, OTHER = rows_of(TICKER_FEATURES, [MONDAY]), rows_of(TICKER_FEATURES, [MONDAY, TUESDAY], salt=3)


@pytest.mark.parametrize("ticker", ["AAPL", "BRK.B", "KIMpL", "BF/B", "NA", "a ticker*"])
def test_what_is_written_is_read(files, ticker):
    files.write(TICKER_FEATURES, ticker, ONE)

    assert_frame_equal(files.read(TICKER_FEATURES, ticker), ONE, check_exact=True)


def test_a_file_is_replaced_whole_and_its_neighbour_stays(files):
    files.write(TICKER_FEATURES, "A", ONE)
    files.write(TICKER_FEATURES, "B", ONE)

    place = files.write(TICKER_FEATURES, "A", OTHER)

    assert place.endswith("ticker_features/1d/A.parquet")
    assert files.read(TICKER_FEATURES, "A").height == OTHER.height
    assert files.read(TICKER_FEATURES, "B").height == ONE.height


def test_rows_that_are_not_the_tables_are_refused_and_the_file_stays(files):
    files.write(TICKER_FEATURES, "A", ONE)

    with pytest.raises(SchemaMismatch, match="ticker_features: missing cutoff"):
        files.write(TICKER_FEATURES, "A", ONE.drop("cutoff"))

    assert files.read(TICKER_FEATURES, "A").height == ONE.height


def test_a_file_that_is_not_there_says_how_to_make_it(files):
    with pytest.raises(StoreUnavailable, match="orion history ZZZ"):
        files.read(TICKER_FEATURES, "ZZZ")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "in the way").write_text("")

    with pytest.raises(StoreUnavailable, match=r"in the way.*Check ORION_FEATURES_URL"):
        HistoryFiles(str(tmp_path / "in the way")).write(TICKER_FEATURES, "A", ONE)
