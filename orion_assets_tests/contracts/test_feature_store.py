"""What every engine of the feature store promises; an engine joins by a line in `ENGINES`.

Worker functions stand at module level, so that a spawned process finds them.
"""

import json
import os
import random
import signal
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import duckdb
import polars as pl
import pytest
from filelock import FileLock
from polars.testing import assert_frame_equal

from orion_assets import schemas
from orion_assets.errors import SchemaMismatch, StoreUnavailable
from orion_assets.schemas import STORED, TABLES
from orion_assets.store.content_hash import table_hash
from orion_assets.store.duckdb import DuckDBStore
from orion_assets.store.reader import Query

SPAWN = get_context("spawn")
ENGINES = {"duckdb": DuckDBStore}
FIRST = date(2014, 6, 2)
FILLERS: Mapping[pl.DataType, object] = {
    pl.String(): "x",
    pl.Date(): FIRST,
    schemas.UTC_US: datetime(2014, 6, 2, 20, 30, tzinfo=UTC),
    pl.Float64(): 1.0,
    pl.Int64(): 1,
    pl.Int32(): 1,
    pl.Boolean(): False,
    pl.List(pl.String()): ["x"],
}


def cutoff_of(session: date) -> datetime:
    return datetime(session.year, session.month, session.day, 20, 30, tzinfo=UTC)


def rows(table: str, *given: Mapping[str, object]) -> pl.DataFrame:
    """Frames from the few values a test is about; the rest is null where it may be, else a filler."""
    declared = TABLES[table]
    full = [
        {
            column.name: row.get(column.name, None if column.is_nullable else FILLERS[column.dtype])
            for column in declared.columns
        }
        for row in given
    ]
    return pl.DataFrame(full, schema=dict(declared.schema), orient="row")


def day(offset: int, tickers=("A", "B"), close: float = 1.0, **more) -> dict[str, pl.DataFrame]:
    """One session of two tables that carry the same stamp."""
    session = FIRST + timedelta(days=offset)
    keys = [
        {"ticker": ticker, "session": session, "close": close, "ts_known": cutoff_of(session)} for ticker in tickers
    ]
    return {
        "clean_daily_bars": rows("clean_daily_bars", *(key | more for key in keys)),
        "feature_matrix": rows("feature_matrix", *(key | more | {"cutoff": "close"} for key in keys)),
    }


def span(offset: int, length: int = 1) -> dict[str, date]:
    return {"start": FIRST + timedelta(days=offset), "end": FIRST + timedelta(days=offset + length)}


@pytest.fixture(params=ENGINES)
def place(request, tmp_path):
    """Where a store may be made, and how: call it for one more handle on the same store."""
    engine = ENGINES[request.param]
    handles = []

    def opened():
        handles.append(engine(tmp_path / "store.duckdb"))
        return handles[-1]

    yield opened
    for handle in handles:
        handle.close()


@pytest.fixture
def store(place):
    return place()


class TestPublishing:
    def test_every_table_comes_back_as_it_was_given(self, store):
        frames = {
            table.name: rows(
                table.name,
                {"ticker": "A"},
                {name: f"other {name}" for name in table.key if name == "article_id"}
                | {
                    "ticker": "B",
                    "date": FIRST + timedelta(1),
                    "ex_date": FIRST + timedelta(1),
                    "cutoff": "open",
                },
            )
            for table in STORED
        }
        frames["clean_news"] = frames["clean_news"].with_columns(
            tickers=pl.Series([["A", "B"], []]), title=pl.Series(['it\'s :as_of $1 "ü"', ""])
        )

        store.publish(frames, **span(0), facts={})

        for name, frame in frames.items():
            declared = TABLES[name]
            assert_frame_equal(store.table(name, versions=True), frame.sort(declared.key), check_exact=True)

    def test_a_range_is_replaced_and_its_neighbours_stay(self, store):
        for offset in range(3):
            store.publish(day(offset), **span(offset), facts={})

        store.publish(day(1, tickers=("B", "C"), close=2.0), **span(1), facts={})

        found = store.bars().sort("session", "ticker")
        assert found["session"].to_list() == [FIRST + timedelta(days=n) for n in (0, 0, 1, 1, 2, 2)]
        assert found["ticker"].to_list() == ["A", "B", "B", "C", "A", "B"]
        assert found["close"].to_list() == [1.0, 1.0, 2.0, 2.0, 1.0, 1.0]

    def test_an_empty_frame_empties_its_range(self, store):
        store.publish(day(0), **span(0), facts={})

        published = store.publish({"clean_daily_bars": schemas.CLEAN_DAILY_BARS.empty()}, **span(0), facts={})

        assert published.is_changed
        assert published.rows == {"clean_daily_bars": 0}
        assert store.bars().is_empty()
        assert store.features().height == 2

    def test_the_same_again_writes_nothing(self, store):
        store.publish(day(0), **span(0), facts={"datasets": "raw_daily_bars"})
        before = store.content_hash()

        again = store.publish(
            {name: frame.reverse() for name, frame in day(0).items()}, **span(0), facts={"datasets": "raw_daily_bars"}
        )

        assert not again.is_changed
        assert again.changed == ()
        assert again.rows == {"clean_daily_bars": 2, "feature_matrix": 2}
        assert store.content_hash() == before

    def test_only_the_tables_that_differ_are_written(self, store):
        store.publish(day(0), **span(0), facts={})

        published = store.publish(
            day(0) | {"clean_daily_bars": day(0, close=3.0)["clean_daily_bars"]}, **span(0), facts={}
        )

        assert published.changed == ("clean_daily_bars",)

    def test_the_order_and_batches_of_publications_do_not_show_in_the_hash(self, place, tmp_path):
        in_days = place()
        for offset in (2, 0, 1):
            in_days.publish(day(offset, close=9.0), **span(offset), facts={})
            in_days.publish(day(offset), **span(offset), facts={})
        at_once = DuckDBStore(tmp_path / "other.duckdb")
        whole = {name: pl.concat([day(n)[name] for n in range(3)]) for name in day(0)}

        at_once.publish(whole, **span(0, 3), facts={})

        assert in_days.content_hash() == at_once.content_hash()
        assert in_days.content_hash("feature_matrix") == table_hash(schemas.FEATURE_MATRIX, whole["feature_matrix"])
        at_once.close()

    def test_known_until_is_kept_but_not_hashed(self, place):
        store = place()
        store.publish(day(0), **span(0), facts={})
        before = store.content_hash()

        published = store.publish(day(0, known_until=datetime(2015, 1, 1, tzinfo=UTC)), **span(0), facts={})

        assert published.is_changed
        assert store.content_hash() == before
        assert store.bars().is_empty()

    def test_facts_are_kept_until_one_of_the_same_name_comes(self, store):
        store.publish(day(0), **span(0), facts={"datasets": "raw_daily_bars", "code": "1"})

        published = store.publish({}, **span(0), facts={"code": "it's 2"})

        assert published.is_changed
        assert store.facts() == {"datasets": "raw_daily_bars", "code": "it's 2"}

    def test_a_row_outside_the_range_is_refused_and_nothing_written(self, store):
        store.publish(day(0), **span(0), facts={})
        before = store.content_hash()

        with pytest.raises(ValueError, match=r"2 rows of feature_matrix stand outside \[2014-06-03, 2014-06-04\)"):
            store.publish(
                {"clean_daily_bars": day(1)["clean_daily_bars"], "feature_matrix": day(2)["feature_matrix"]},
                **span(1),
                facts={},
            )

        assert store.content_hash() == before

    def test_an_empty_range_and_a_table_of_the_lake_are_refused(self, store):
        with pytest.raises(ValueError, match="holds no session"):
            store.publish(day(0), **span(0, 0), facts={})
        with pytest.raises(ValueError, match="raw_daily_bars is not in the store; near: clean_daily_bars"):
            store.publish({"raw_daily_bars": schemas.RAW_DAILY_BARS.empty()}, **span(0), facts={})

    def test_two_current_versions_of_a_row_are_refused(self, store):
        late = rows(
            "clean_daily_bars", {"ticker": "A"}, {"ticker": "A", "ts_known": cutoff_of(FIRST) + timedelta(hours=1)}
        )

        with pytest.raises(SchemaMismatch, match="1 versions are still current when the next of their key is known"):
            store.publish({"clean_daily_bars": late}, **span(0), facts={})

    def test_an_article_current_in_two_sessions_is_refused_whole(self, store):
        article = {"article_id": "n1", "session": FIRST}
        store.publish({"clean_news": rows("clean_news", article)}, **span(0), facts={})
        moved = rows(
            "clean_news", article | {"session": FIRST + timedelta(1), "ts_known": cutoff_of(FIRST + timedelta(1))}
        )

        with pytest.raises(SchemaMismatch, match="clean_news: 1 versions are still current"):
            store.publish(day(1) | {"clean_news": moved}, **span(1), facts={})

        assert store.news().height == 1
        assert store.bars().is_empty()


class TestWorkedExample:
    """TRUTH.md: SMA 3 of closes 10, 11, 12, 13; at c4 + 1 h the close of session 2 becomes 14."""

    c3, c4 = cutoff_of(FIRST + timedelta(2)), cutoff_of(FIRST + timedelta(3))
    corrected = c4 + timedelta(hours=1)

    @pytest.fixture
    def example(self, store):
        third = {"ticker": "A", "session": FIRST + timedelta(2), "cutoff": "close"}
        fourth = third | {"session": FIRST + timedelta(3)}
        frame = rows(
            "feature_matrix",
            third | {"sma_5": 11.0, "ts_known": self.c3, "known_until": self.corrected},
            fourth | {"sma_5": 12.0, "ts_known": self.c4, "known_until": self.corrected},
            third | {"sma_5": 12.0, "ts_known": self.corrected},
            fourth | {"sma_5": 13.0, "ts_known": self.corrected},
        )
        store.publish({"feature_matrix": frame}, **span(0, 7), facts={})
        return store

    def test_a_correction_is_invisible_until_it_is_known(self, example):
        just_before = self.corrected - timedelta(microseconds=1)

        assert example.features("A", as_of=self.c4)["sma_5"].to_list() == [11.0, 12.0]
        assert example.features("A", as_of=just_before)["sma_5"].to_list() == [11.0, 12.0]
        assert example.features("A", as_of=self.corrected)["sma_5"].to_list() == [12.0, 13.0]
        assert example.features("A")["sma_5"].to_list() == [12.0, 13.0]

    def test_before_a_row_is_known_there_is_none(self, example):
        assert example.features("A", as_of=self.c3 - timedelta(microseconds=1)).is_empty()
        assert example.features("A", as_of=self.c3)["sma_5"].to_list() == [11.0]
        assert example.features("A", as_of="2014-06-04")["sma_5"].to_list() == [11.0]

    def test_the_latest_row_is_the_latest_as_of(self, example):
        assert example.latest("A", as_of=self.c3, columns=["sma_5"])["sma_5"].to_list() == [11.0]
        assert example.latest(as_of=self.c4, columns=["sma_5"])["sma_5"].to_list() == [12.0]
        assert example.latest(columns=["sma_5"])["sma_5"].to_list() == [13.0]

    def test_versions_as_of_an_instant_are_those_of_a_store_built_until_then(self, example):
        then = example.table("feature_matrix", versions=True, as_of=self.c4)

        assert then["sma_5"].to_list() == [11.0, 12.0]
        assert then["known_until"].to_list() == [None, None]
        assert example.table("feature_matrix", versions=True)["known_until"].null_count() == 2

    def test_a_withdrawn_row_is_gone_from_then_on(self, store):
        bar = {"ticker": "A", "ts_known": self.c3}
        store.publish(
            {
                "clean_daily_bars": rows(
                    "clean_daily_bars",
                    bar | {"known_until": self.c4},
                    bar | {"ts_known": self.c4, "is_deleted": True},
                )
            },
            **span(0),
            facts={},
        )

        assert store.bars("A", as_of=self.c3).height == 1
        assert store.bars("A", as_of=self.c4).is_empty()
        assert store.table("clean_daily_bars", versions=True)["is_deleted"].to_list() == [False, True]


class TestReadersAndWriters:
    def test_a_reader_keeps_its_view_and_a_new_one_sees_the_newest(self, place):
        writer, earlier = place(), place()
        writer.publish(day(0), **span(0), facts={"turn": "0"})
        earlier.refresh()
        open_all_day = []

        for turn in range(1, 4):
            writer.publish(day(0, close=float(turn)), **span(0), facts={"turn": str(turn)})
            newest = place()
            open_all_day.append(newest)
            assert newest.bars()["close"].to_list() == [float(turn)] * 2
            assert writer.facts() == {"turn": str(turn)}

        assert earlier.bars()["close"].to_list() == [1.0, 1.0]
        assert earlier.facts() == {"turn": "0"}
        assert [reader.facts()["turn"] for reader in open_all_day] == ["1", "2", "3"]
        earlier.refresh()
        assert earlier.facts() == {"turn": "3"}

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
    """What only an engine of files promises."""

    def test_what_a_dead_writer_left_is_swept(self, tmp_path):
        left = [tmp_path / f".store.duckdb.{n}.private{end}" for n, end in ((1, ""), (2, ".wal"))]
        for path in left:
            path.write_bytes(b"half")

        with DuckDBStore(tmp_path / "store.duckdb") as store:
            store.publish(day(0), **span(0), facts={})

        assert sorted(path.name for path in tmp_path.iterdir()) == ["store.duckdb", "store.duckdb.lock"]

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

        with pytest.raises(StoreUnavailable, match="is not a store that can be read"):
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


def compete(path: Path, *, writers: int, publications: int) -> None:
    """Writers publish sessions of their own and restamp a shared one; readers look for pages that do not agree."""
    with DuckDBStore(path) as store:
        store.publish(day(0), **span(0), facts={"stamp": "1.0"})
    results, stop, ready = SPAWN.Queue(), SPAWN.Event(), SPAWN.Barrier(writers + 2)
    readers = [SPAWN.Process(target=keep_reading, args=(path, ready, stop, results)) for _ in range(2)]
    crew = [SPAWN.Process(target=keep_writing, args=(path, ready, n, publications)) for n in range(writers)]
    for process in (*readers, *crew):
        process.start()
    for process in crew:
        process.join()
    stop.set()
    for process in readers:
        process.join()

    assert [process.exitcode for process in (*crew, *readers)] == [0] * (writers + 2)
    found = [json.loads(results.get(timeout=120)) for _ in readers]
    assert [report["problems"] for report in found] == [[], []]
    assert all(report["reads"] for report in found)
    with DuckDBStore(path) as store:
        expected = 2 * (1 + writers * publications)
        assert store.bars().height == store.features().height == expected
        assert store.bars().n_unique(["ticker", "session"]) == expected


def keep_writing(path: Path, ready, number: int, publications: int) -> None:
    ready.wait(timeout=120)
    store = DuckDBStore(path)
    for turn in range(publications):
        offset = 1 + number * publications + turn
        stamp = float(offset + 1)
        own, shared = day(offset, close=stamp), day(0, close=stamp)
        store.publish(own, **span(offset), facts={})
        store.publish(shared, **span(0), facts={"stamp": str(stamp)})
    store.close()


def keep_reading(path: Path, ready, stop, results) -> None:
    ready.wait(timeout=120)
    problems, reads, seen = [], 0, 0
    earlier = DuckDBStore(path)
    first = page(earlier)
    while not stop.is_set():
        newest = DuckDBStore(path)
        found = page(newest)
        reads += 1
        if found["stamps"] != [found["fact"]] or found["uneven"] or found["rows"] < seen:
            problems.append(found)
        if page(earlier)["rows"] > found["rows"]:
            problems.append("an earlier reader sees more than a newer one")
        seen = found["rows"]
        newest.close()
    if page(earlier) != first:
        problems.append("the view of an open reader changed")
    earlier.close()
    results.put(json.dumps({"problems": problems, "reads": reads}, default=str))


def page(store: DuckDBStore) -> dict:
    """What one reader sees: the shared stamp of both tables and of the facts, and sessions that do not agree."""
    bars, matrix = store.bars(), store.features(columns=["close"])
    both = pl.concat([bars.select("session", "close"), matrix.select("session", "close")])
    by_session = both.group_by("session").agg(rows=pl.len(), stamps=pl.col("close").n_unique())
    shared = both.filter(pl.col("session") == FIRST)["close"].unique().to_list()
    return {
        "stamps": shared,
        "fact": float(store.facts()["stamp"]),
        "uneven": by_session.filter((pl.col("rows") != 4) | (pl.col("stamps") != 1)).height,
        "rows": both.height,
    }


def survive_kills(path: Path, *, kills: int) -> None:
    """Kill a writer at random moments; what is there stays whole, and publishing the whole again gives the same."""
    chance = random.Random(7)
    whole = {name: pl.concat([day(n)[name] for n in range(3)]) for name in day(0)}
    with DuckDBStore(path) as store:
        store.publish(whole, **span(0, 3), facts={"stamp": "1.0"})
        expected = store.content_hash()
    for _ in range(kills):
        started = SPAWN.Event()
        writer = SPAWN.Process(target=write_for_ever, args=(path, started))
        writer.start()
        assert started.wait(60)
        writer.join(timeout=chance.uniform(0.0, 0.3))
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()

        with DuckDBStore(path) as store:
            found = page(store)
            assert found["stamps"] == [found["fact"]]
            assert found["uneven"] == 0
            store.publish(whole, **span(0, 3), facts={"stamp": "1.0"})
            assert store.content_hash() == expected
            assert store.facts() == {"stamp": "1.0"}
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, f"{path.name}.lock"]


def write_for_ever(path: Path, started) -> None:
    store = DuckDBStore(path)
    stamp = 1.0
    while True:
        stamp += 1.0
        frames = {name: pl.concat([day(n, close=stamp)[name] for n in range(3)]) for name in day(0)}
        store.publish(frames, **span(0, 3), facts={"stamp": str(stamp)})
        started.set()
