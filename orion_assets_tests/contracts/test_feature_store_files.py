"""What only an engine of files promises: whole files, whoever writes, reads or is killed."""

from pathlib import Path
from uuid import uuid4

import duckdb
import polars as pl
import pytest
from filelock import FileLock

from orion_assets import schemas
from orion_assets.errors import SchemaMismatch, StoreUnavailable
from orion_assets.store.duckdb import DuckDBStore
from orion_assets.store.reader import Query
from orion_assets_tests.contracts.store_writers import compete, day, span, survive_kills


class TestReadersAndWriters:
    def test_writers_and_readers_in_processes_tear_and_lose_nothing(self, tmp_path):
        compete(tmp_path / "store.duckdb", writers=2, publications=3)

    @pytest.mark.accept
    def test_four_writers_and_two_readers_at_full_size(self, tmp_path):
        compete(tmp_path / "store.duckdb", writers=4, publications=20)

    def test_a_killed_writer_leaves_the_last_publication_whole(self, tmp_path):
        survive_kills(tmp_path / "store.duckdb", kills=3)

    @pytest.mark.accept
    def test_a_writer_killed_many_times_leaves_the_last_publication_whole(self, tmp_path):
        survive_kills(tmp_path / "store.duckdb", kills=30)

    def test_a_writer_that_waits_too_long_says_who_to_wait_for(self, tmp_path):
        path = tmp_path / "store.duckdb"
        with FileLock(f"{path}.lock"), pytest.raises(StoreUnavailable, match=r"another writer has held .*lock for 0 s"):
            DuckDBStore(path, lock_timeout_s=0).publish(day(0), **span(0), facts={})


class TestFiles:
    def test_what_a_dead_writer_left_is_swept(self, tmp_path):
        left = [tmp_path / f".store.duckdb.{uuid4().hex}.private{end}" for end in ("", ".wal")]
        for path in left:
            path.write_bytes(b"half")

        with DuckDBStore(tmp_path / "store.duckdb") as store:
            store.publish(day(0), **span(0), facts={})

        assert sorted(path.name for path in tmp_path.iterdir()) == ["store.duckdb", "store.duckdb.lock"]

    def test_what_a_writer_of_another_store_in_the_folder_is_writing_stays(self, tmp_path):
        other = tmp_path / f".store.duckdb.{uuid4().hex}.private"
        other.write_bytes(b"half")

        with DuckDBStore(tmp_path / "store") as store:
            store.publish(day(0), **span(0), facts={})

        assert other.exists()

    @pytest.mark.parametrize("damage", ["cut in half", "flipped"])
    def test_a_damaged_file_says_so_to_who_reads_and_to_who_publishes(self, tmp_path, damage):
        path = tmp_path / "store.duckdb"
        wide = pl.concat([day(0)["clean_daily_bars"]] * 5_000)
        bars = wide.with_columns(ticker=pl.Series([f"T{n:05d}" for n in range(wide.height)]))
        with DuckDBStore(path) as store:
            store.publish({"clean_daily_bars": bars}, **span(0), facts={})
        whole = path.read_bytes()
        middle = len(whole) // 2
        bent = bytes(255 - byte for byte in whole[20_000:middle])
        path.write_bytes(whole[:middle] if damage == "cut in half" else whole[:20_000] + bent + whole[middle:])
        told = r"cannot be read: .*Delete it, then: orion store rebuild"

        with pytest.raises(StoreUnavailable, match=told), DuckDBStore(path) as store:
            store.bars()
        with pytest.raises(StoreUnavailable, match=told), DuckDBStore(path) as store:
            store.publish({"clean_daily_bars": bars}, **span(0), facts={"turn": "2"})

        assert [each.name for each in tmp_path.iterdir() if "private" in each.name] == []

    def test_a_file_cut_in_half_is_told_from_a_place_that_cannot_be_written(self, tmp_path):
        path = tmp_path / "store.duckdb"
        tickers = [f"T{n:05d}" for n in range(20_000)]
        first = day(0)["feature_matrix"].head(1)
        with DuckDBStore(path) as store:
            wide = pl.concat([first] * len(tickers)).with_columns(ticker=pl.Series(tickers))
            store.publish({"feature_matrix": wide}, **span(0), facts={})
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

        # Nothing of the day that is published now lies in the file
        with pytest.raises(StoreUnavailable, match="cannot be read"):
            DuckDBStore(path).publish(day(1), **span(1), facts={})

    def test_a_column_declared_later_is_null_at_first_and_added_by_the_next_publication(self, tmp_path):
        path = tmp_path / "store.duckdb"
        with DuckDBStore(path) as store:
            store.publish(day(0), **span(0), facts={})
            expected = store.content_hash()
        as_written_before(path, "ALTER TABLE clean_daily_bars DROP COLUMN vwap")

        with DuckDBStore(path) as store:
            assert store.bars()["vwap"].to_list() == [None, None]
            assert store.content_hash() == expected
            store.publish(day(1, vwap=5.0), **span(1), facts={})
            assert store.bars("A")["vwap"].to_list() == [None, 5.0]

    def test_a_table_declared_later_is_empty_at_first(self, tmp_path):
        path = tmp_path / "store.duckdb"
        with DuckDBStore(path) as store:
            store.publish(day(0), **span(0), facts={})
        as_written_before(path, "DROP TABLE feature_matrix")

        with DuckDBStore(path) as store:
            assert store.features().is_empty()
            assert store.features().schema == {
                name: schemas.FEATURE_MATRIX.schema[name] for name in store.features().columns
            }
            assert store.publish(day(0), **span(0), facts={}).changed == ("feature_matrix",)
            assert store.features().height == 2

    @pytest.mark.parametrize(
        ("ddl", "finding"),
        [
            ("ALTER TABLE clean_daily_bars ALTER volume TYPE BIGINT", r"volume BIGINT \(declared DOUBLE\)"),
            ("ALTER TABLE clean_daily_bars DROP COLUMN availability", r"availability absent \(declared VARCHAR\)"),
        ],
    )
    def test_a_file_with_other_columns_is_refused_with_the_remedy(self, tmp_path, ddl, finding):
        path = tmp_path / "store.duckdb"
        with DuckDBStore(path) as store:
            store.publish(day(0), **span(0), facts={})
        as_written_before(path, ddl)

        with pytest.raises(SchemaMismatch, match=f"{finding}.*Delete the store file"):
            DuckDBStore(path).bars()
        with pytest.raises(SchemaMismatch, match=finding):
            DuckDBStore(path).publish(day(1), **span(1), facts={})

    def test_rows_that_came_out_of_order_are_put_in_order_when_they_are_many(self, tmp_path):
        tickers = [f"T{n:05d}" for n in range(70_000)]
        with DuckDBStore(tmp_path / "store.duckdb") as store:
            for offset in range(3):
                bars = day(offset, tickers=tickers[:1])["clean_daily_bars"]
                wide = pl.concat([bars] * len(tickers)).with_columns(ticker=pl.Series(tickers))
                store.publish({"clean_daily_bars": wide}, **span(offset), facts={"turn": str(offset)})

            stored = store.rows(Query("SELECT ticker FROM clean_daily_bars", {}))["ticker"]

            assert stored.to_list() == [ticker for ticker in tickers for _ in range(3)]
            assert store.facts() == {"turn": "2"}

    def test_a_file_that_is_no_store_says_so(self, tmp_path):
        (tmp_path / "store.duckdb").write_bytes(b"something else" * 1000)

        with pytest.raises(StoreUnavailable, match=r"cannot be read: .*Delete it, then: orion store rebuild"):
            DuckDBStore(tmp_path / "store.duckdb").bars()

    def test_a_folder_that_cannot_be_made_says_so(self, tmp_path):
        (tmp_path / "folder").write_text("a file")

        with pytest.raises(StoreUnavailable, match="could not be published to, what it holds is whole"):
            DuckDBStore(tmp_path / "folder" / "store.duckdb").publish(day(0), **span(0), facts={})

    def test_an_open_reader_holds_no_lock_on_the_published_name(self, tmp_path):
        path = tmp_path / "store.duckdb"
        with DuckDBStore(path) as store:
            store.publish(day(0), **span(0), facts={})
            store.bars()
            with duckdb.connect(":memory:") as other:
                other.execute("ATTACH $path AS s (READ_ONLY)", {"path": str(path)})
                assert other.sql("SELECT count(*) FROM s.clean_daily_bars").fetchall() == [(2,)]


def as_written_before(path: Path, ddl: str) -> None:
    """Turn a store into one that an earlier Orion, with other schemas, would have written."""
    with duckdb.connect(path) as con:
        con.execute(ddl)
