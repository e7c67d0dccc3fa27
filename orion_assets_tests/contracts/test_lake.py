from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets.errors import SchemaMismatch, SettingsError, StoreUnavailable
from orion_assets.schemas import CLEAN_DAILY_BARS, RAW_MINUTE_BARS, SECURITIES, TABLES
from orion_assets.store.delta import Change, Work, files_by_month
from orion_assets.store.lake import CROWDED, Lake
from orion_assets.tables import UTC_US, Column, Table
from orion_assets_tests.contracts import lake_writers
from orion_assets_tests.contracts.lake_writers import (
    INSTANT,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    bars,
    closes,
    put,
    rows_of,
)

JULY = date(2014, 7, 1)


class TestLake:
    @pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
    def test_a_table_comes_back_with_the_same_rows_and_dtypes(self, lake, table):
        frame = rows_of(table, [TUESDAY, MONDAY, JULY])

        if "session" in table.names:
            commit = lake.replace(table, frame.reverse(), start=MONDAY, end=date(2014, 8, 1))
        else:
            commit = lake.overwrite(table, frame.reverse())

        identity = [*table.key, "ts_known"] if table.has_versions else list(table.key)
        read = lake.read(table)
        assert read.schema == table.schema
        assert_frame_equal(read, frame.sort(identity), check_exact=True)
        assert (commit.rows, commit.is_changed, commit.version) == (15, True, lake.version(table))

    def test_an_absent_table_reads_as_no_rows(self, lake):
        assert lake.read(CLEAN_DAILY_BARS, start=MONDAY).equals(CLEAN_DAILY_BARS.empty())
        assert (lake.exists(CLEAN_DAILY_BARS), lake.version(CLEAN_DAILY_BARS)) == (False, None)
        assert lake.history(CLEAN_DAILY_BARS).is_empty()
        assert lake.compact(CLEAN_DAILY_BARS).version is None

    def test_a_range_excludes_its_end_and_may_be_open(self, lake):
        put(lake, pl.concat([bars(day, 1.0) for day in (MONDAY, TUESDAY, JULY)]), MONDAY, 60)

        def sessions(**bounds):
            return lake.read(CLEAN_DAILY_BARS, **bounds)["session"].unique().sort().to_list()

        assert sessions(start=MONDAY, end=TUESDAY) == [MONDAY]
        assert sessions(start=TUESDAY) == [TUESDAY, JULY]
        assert sessions(end=JULY) == [MONDAY, TUESDAY]

    def test_single_tickers_are_read_without_the_rest(self, lake):
        rows = pl.concat([bars(day, 1.0) for day in (MONDAY, TUESDAY, JULY)])
        put(lake, rows, MONDAY, 60)
        chosen = rows["ticker"].unique().sort()[:1].to_list()

        read = lake.read(CLEAN_DAILY_BARS, tickers=chosen, end=JULY)

        assert_frame_equal(read, lake.read(CLEAN_DAILY_BARS, end=JULY).filter(pl.col("ticker").is_in(chosen)))
        assert read.height == 2

    def test_the_same_rows_again_write_nothing(self, lake):
        frame = pl.concat([bars(TUESDAY, 1.0), bars(JULY, 2.0)])
        first = put(lake, frame, MONDAY, 60)

        again = put(lake, frame.reverse().select(reversed(frame.columns)), MONDAY, 60)

        assert (again.is_changed, again.rows, again.version) == (False, 0, first.version)

    def test_replacing_one_session_leaves_the_others_and_rewrites_its_month_only(self, lake):
        put(lake, pl.concat([bars(MONDAY, 1.0), bars(TUESDAY, 1.0), bars(JULY, 1.0)]), MONDAY, 60)
        before = files_by_month(lake._folder.open(CLEAN_DAILY_BARS))

        put(lake, bars(TUESDAY, 2.0), TUESDAY)

        after = files_by_month(lake._folder.open(CLEAN_DAILY_BARS))
        assert [closes(lake, day) for day in (MONDAY, TUESDAY, JULY)] == [{1.0}, {2.0}, {1.0}]
        assert after["2014-07"] == before["2014-07"]
        assert len(after["2014-06"]) == 1

    def test_replacing_with_no_rows_clears_the_range(self, lake):
        put(lake, pl.concat([bars(MONDAY, 1.0), bars(JULY, 1.0)]), MONDAY, 60)

        commit = put(lake, CLEAN_DAILY_BARS.empty(), JULY)

        assert commit.is_changed
        assert lake.read(CLEAN_DAILY_BARS)["session"].unique().to_list() == [MONDAY]

    def test_rows_outside_the_range_are_refused_before_writing(self, lake):
        with pytest.raises(ValueError, match=r"4 rows of clean_daily_bars are outside \[2014-06-02, 2014-06-03\)"):
            put(lake, bars(TUESDAY, 1.0), MONDAY)

        assert not lake.exists(CLEAN_DAILY_BARS)

    def test_a_frame_that_does_not_conform_is_refused_before_writing(self, lake):
        with pytest.raises(SchemaMismatch, match="missing close"):
            put(lake, bars(MONDAY, 1.0).drop("close"), MONDAY)

        assert not lake.exists(CLEAN_DAILY_BARS)

    def test_an_older_version_stays_readable_after_replace_and_compact(self, lake):
        first = put(lake, bars(MONDAY, 1.0), MONDAY)
        put(lake, bars(MONDAY, 2.0), MONDAY)
        lake.append(CLEAN_DAILY_BARS, lambda _: bars(TUESDAY, 3.0), start=TUESDAY, end=WEDNESDAY)

        compacted = lake.compact(CLEAN_DAILY_BARS)

        assert compacted.is_changed
        assert [len(files) for files in files_by_month(lake._folder.open(CLEAN_DAILY_BARS)).values()] == [1]
        assert (closes(lake, MONDAY), closes(lake, TUESDAY)) == ({2.0}, {3.0})
        assert lake.read(CLEAN_DAILY_BARS, version=first.version).equals(bars(MONDAY, 1.0))
        with pytest.raises(StoreUnavailable, match="clean_daily_bars at version 99"):
            lake.read(CLEAN_DAILY_BARS, version=99)

    def test_history_names_what_each_commit_did(self, lake):
        put(lake, bars(MONDAY, 1.0), MONDAY)
        lake.append(CLEAN_DAILY_BARS, lambda _: bars(TUESDAY, 3.0), start=TUESDAY, end=WEDNESDAY)

        history = lake.history(CLEAN_DAILY_BARS)

        assert history.select("version", "operation", "start", "end", "rows").rows() == [
            (2, "append", TUESDAY, WEDNESDAY, 4),
            (1, "replace", MONDAY, TUESDAY, 4),
            (0, "create", None, None, 0),
        ]

    def test_append_hands_over_the_rows_of_the_range_and_adds_the_answer(self, lake):
        put(lake, pl.concat([bars(MONDAY, 1.0), bars(TUESDAY, 2.0)]), MONDAY, 2)
        seen = []

        def decide(current):
            seen.append(set(current["close"]))
            return current.with_columns(ts_known=pl.col("ts_known") + timedelta(seconds=1), close=pl.lit(3.0))

        commit = lake.append(CLEAN_DAILY_BARS, decide, start=TUESDAY, end=WEDNESDAY)

        assert (commit.rows, seen) == (4, [{2.0}])
        assert closes(lake, TUESDAY) == {2.0, 3.0}

    def test_append_of_nothing_commits_nothing(self, lake):
        put(lake, bars(MONDAY, 1.0), MONDAY)

        commit = lake.append(CLEAN_DAILY_BARS, lambda rows: rows.clear(), start=MONDAY, end=TUESDAY)

        assert (commit.is_changed, commit.version) == (False, 1)

    def test_append_refuses_a_version_of_a_key_that_is_there(self, lake):
        put(lake, bars(MONDAY, 1.0), MONDAY)

        with pytest.raises(SchemaMismatch, match="rows share"):
            lake.append(CLEAN_DAILY_BARS, lambda rows: rows.with_columns(close=2.0), start=MONDAY, end=TUESDAY)

        assert closes(lake, MONDAY) == {1.0}

    def test_append_decides_again_when_another_writer_was_faster(self, lake):
        put(lake, bars(MONDAY, 1.0), MONDAY)
        seen = []

        def decide(current):
            seen.append(current.height)
            if len(seen) == 1:
                lake.append(CLEAN_DAILY_BARS, lambda _: bars(TUESDAY, 2.0), start=TUESDAY, end=WEDNESDAY)
            return bars(WEDNESDAY, float(current.height))

        lake.append(CLEAN_DAILY_BARS, decide, start=MONDAY, end=JULY)

        assert seen == [4, 8]
        assert closes(lake, WEDNESDAY) == {8.0}

    def test_append_does_not_wait_for_a_writer_of_another_month(self, lake):
        put(lake, bars(MONDAY, 1.0), MONDAY)
        seen = []

        def decide(current):
            seen.append(current.height)
            put(lake, bars(JULY, float(len(seen))), JULY)
            return bars(TUESDAY, 2.0)

        lake.append(CLEAN_DAILY_BARS, decide, start=MONDAY, end=WEDNESDAY)

        assert seen == [4]
        assert (closes(lake, TUESDAY), closes(lake, JULY)) == ({2.0}, {1.0})

    def test_a_writer_that_loses_every_time_gives_up_and_has_written_nothing(self, lake):
        put(lake, bars(MONDAY, 0.0), MONDAY)
        seen = []

        def plan(_snapshot):
            seen.append(put(lake, bars(MONDAY, len(seen) + 1.0), MONDAY).version)
            return Change(bars(TUESDAY, 2.0).with_columns(month=pl.lit("2014-06")), 4, ("2014-06",), is_append=True)

        with pytest.raises(StoreUnavailable, match="lost 3 times"):
            lake._folder.commit(Work("append", CLEAN_DAILY_BARS, plan, ("2014-06",), attempts=3))

        assert (closes(lake, MONDAY), closes(lake, TUESDAY), len(seen)) == ({3.0}, set(), 3)

    def test_a_month_of_many_appends_becomes_one_file(self, lake):
        for number in range(CROWDED + 1):
            lake.append(CLEAN_DAILY_BARS, lake_writers.next_number, start=TUESDAY, end=WEDNESDAY)
            most = max(map(len, files_by_month(lake._folder.open(CLEAN_DAILY_BARS)).values()))
            assert most == (number + 1 if number < CROWDED else 1)

        assert lake.read(CLEAN_DAILY_BARS)["close"].to_list() == [float(n) for n in range(CROWDED + 1)]

    def test_minutes_lie_in_days_and_a_change_rewrites_its_day_alone(self, lake):
        def minutes(day: date, close: float) -> pl.DataFrame:
            opens = pl.lit(datetime(day.year, day.month, day.day, 14, tzinfo=UTC), UTC_US)
            return rows_of(RAW_MINUTE_BARS, [day]).with_columns(close=pl.lit(close), ts_open=opens)

        whole = pl.concat([minutes(MONDAY, 1.0), minutes(TUESDAY, 1.0)])
        lake.replace(RAW_MINUTE_BARS, whole, start=MONDAY, end=date(2014, 8, 1))
        before = files_by_month(lake._folder.open(RAW_MINUTE_BARS))
        lake.replace(RAW_MINUTE_BARS, minutes(TUESDAY, 2.0), start=TUESDAY, end=WEDNESDAY)
        lake.append(RAW_MINUTE_BARS, lambda _: minutes(JULY, 3.0), start=JULY, end=date(2014, 7, 2))

        after = files_by_month(lake._folder.open(RAW_MINUTE_BARS))

        assert sorted(before) == [str(MONDAY), str(TUESDAY)]
        assert sorted(after) == [str(MONDAY), str(TUESDAY), str(JULY)]
        assert after[str(MONDAY)] == before[str(MONDAY)]
        assert lake.read(RAW_MINUTE_BARS, start=TUESDAY, end=JULY)["close"].unique().to_list() == [2.0]
        assert lake.read(RAW_MINUTE_BARS)["session"].n_unique() == 3

    def test_days_of_many_appends_become_one_file_each_when_compacted(self, lake):
        for known in range(3):
            day = rows_of(RAW_MINUTE_BARS, [MONDAY]).with_columns(pl.col("ts_known") + pl.duration(hours=known))
            lake.append(RAW_MINUTE_BARS, lambda _, day=day: day, start=MONDAY, end=TUESDAY)
        held = lake.read(RAW_MINUTE_BARS)

        lake.compact(RAW_MINUTE_BARS)

        assert [len(files) for files in files_by_month(lake._folder.open(RAW_MINUTE_BARS)).values()] == [1]
        assert_frame_equal(lake.read(RAW_MINUTE_BARS), held, check_exact=True)

    def test_overwrite_replaces_a_table_without_sessions(self, lake):
        old, new = rows_of(SECURITIES, [MONDAY]), rows_of(SECURITIES, [MONDAY, TUESDAY])

        commits = [lake.overwrite(SECURITIES, frame) for frame in (old, new, new)]

        assert [commit.is_changed for commit in commits] == [True, True, False]
        assert lake.read(SECURITIES).equals(new.sort(SECURITIES.key))

    def test_a_table_without_sessions_takes_no_range_and_one_with_sessions_needs_it(self, lake):
        with pytest.raises(ValueError, match="read whole"):
            lake.read(SECURITIES, start=MONDAY)
        with pytest.raises(ValueError, match="use overwrite"):
            lake.replace(SECURITIES, SECURITIES.empty(), start=MONDAY, end=TUESDAY)
        with pytest.raises(ValueError, match="leave start and end out"):
            lake.append(SECURITIES, lambda rows: rows, start=MONDAY, end=TUESDAY)
        with pytest.raises(ValueError, match="use replace"):
            lake.overwrite(CLEAN_DAILY_BARS, CLEAN_DAILY_BARS.empty())
        with pytest.raises(ValueError, match="needs start and end"):
            lake.append(CLEAN_DAILY_BARS, lambda rows: rows, start=MONDAY)
        with pytest.raises(ValueError, match="holds no session"):
            put(lake, CLEAN_DAILY_BARS.empty(), MONDAY, 0)
        with pytest.raises(ValueError, match="state a real range"):
            put(lake, CLEAN_DAILY_BARS.empty(), date(1, 1, 1), 365 * 2000)

    def test_a_column_declared_later_is_null_in_older_rows(self, lake):
        newer = replace(
            CLEAN_DAILY_BARS, columns=(*CLEAN_DAILY_BARS.columns, Column("spread", pl.Float64(), "", is_nullable=True))
        )
        put(lake, pl.concat([bars(MONDAY, 1.0), bars(JULY, 1.0)]), MONDAY, 60)
        before = lake.read(newer)["spread"].to_list()

        lake.replace(newer, bars(TUESDAY, 2.0).with_columns(spread=pl.lit(0.5)), start=TUESDAY, end=WEDNESDAY)

        assert before == [None] * 8
        assert lake.read(newer).group_by("session").agg(pl.col("spread").first()).sort("session").rows() == [
            (MONDAY, None),
            (TUESDAY, 0.5),
            (JULY, None),
        ]
        assert lake.read(CLEAN_DAILY_BARS).schema == CLEAN_DAILY_BARS.schema
        with pytest.raises(SchemaMismatch, match="does not know: spread"):
            put(lake, bars(MONDAY, 2.0), MONDAY)

    def test_a_column_of_another_dtype_is_refused_when_read(self, lake):
        put(lake, bars(MONDAY, 1.0), MONDAY)
        columns = [replace(c, dtype=pl.String()) if c.name == "close" else c for c in CLEAN_DAILY_BARS.columns]

        with pytest.raises(SchemaMismatch, match="cannot be read as declared"):
            lake.read(Table("clean_daily_bars", "", CLEAN_DAILY_BARS.key, tuple(columns)))


def test_a_url_of_another_kind_is_refused():
    for url in ("gs://bucket/lake", "", "/data/50%/lake"):
        with pytest.raises(SettingsError, match="lake"):
            Lake(url)


def test_a_file_url_is_the_folder(tmp_path):
    put(Lake(str(tmp_path)), bars(MONDAY, 1.0), MONDAY)

    assert closes(Lake(tmp_path.as_uri() + "/"), MONDAY) == {1.0}
    assert INSTANT in Lake(tmp_path.as_uri()).read(CLEAN_DAILY_BARS)["ts_known"].to_list()
