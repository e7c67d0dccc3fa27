"""What every engine of the feature store promises; an engine joins by a line in `ENGINES`."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets import schemas
from orion_assets.errors import SchemaMismatch
from orion_assets.schemas import STORED, TABLES
from orion_assets.store.content_hash import table_hash
from orion_assets.store.duckdb import DuckDBStore
from orion_assets_tests.contracts.store_writers import FIRST, cutoff_of, day, rows, span

ENGINES = {"duckdb": DuckDBStore}


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
                    "valid_from": FIRST + timedelta(1),
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

    def test_a_table_without_sessions_is_replaced_whole(self, store):
        one, other = (rows("securities", {"security_id": name, "ticker": name}) for name in ("A", "B"))
        store.publish({"securities": one}, **span(0), facts={})

        assert not store.publish({"securities": one}, **span(1), facts={}).is_changed
        assert store.publish({"securities": other}, **span(1), facts={}).is_changed
        assert store.table("securities")["security_id"].to_list() == ["B"]
        with pytest.raises(ValueError, match="securities: its rows belong to no session"):
            store.table("securities", start=FIRST)

    def test_adjusted_bars_follow_a_security_over_its_rename(self, store):
        ex_date = FIRST + timedelta(days=2)
        bars = [("OLD", FIRST, 40.0), ("OLD", FIRST + timedelta(days=1), 40.0), ("NEW", ex_date, 20.0)]
        named = {"security_id": "F1", "is_start_known": True, "valid_from": FIRST, "valid_to": ex_date}
        frames = {
            "clean_daily_bars": rows(
                "clean_daily_bars", *({"ticker": t, "session": s, "close": c} for t, s, c in bars)
            ),
            "securities": rows(
                "securities",
                {**named, "ticker": "OLD"},
                {**named, "ticker": "NEW", "valid_from": ex_date, "valid_to": None},
            ),
            "corporate_actions": rows(
                "corporate_actions",
                {"ticker": "NEW", "ex_date": ex_date, "session": ex_date, "kind": "split"}
                | {"shares_after": 2, "shares_before": 1},
            ),
        }
        store.publish(frames, start=FIRST, end=FIRST + timedelta(days=3), facts={})

        assert store.bars("OLD", adjusted="split")["close"].to_list() == [20.0, 20.0]
        assert store.bars("NEW", adjusted="split")["close"].to_list() == [20.0]
        assert store.bars(["NEW", "OLD"], adjusted="split", end=ex_date)["ticker"].to_list() == ["OLD", "OLD"]

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


class TestReaders:
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
