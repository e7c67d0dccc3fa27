"""Writers of the lake side by side, cut off and killed: every commit is whole, and none is lost."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest

from orion_assets.errors import StoreUnavailable
from orion_assets.schemas import CLEAN_DAILY_BARS, RAW_TICKERS
from orion_assets.store.lake import Lake
from orion_assets_tests.contracts import lake_writers
from orion_assets_tests.contracts.lake_writers import MONDAY, TUESDAY, WEDNESDAY, Place, bars, closes, put
from orion_assets_tests.servers import cutting_proxy, wait_until

WRITERS = 4
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(scope="module")
def writers() -> Iterator[ProcessPoolExecutor]:
    barrier = SPAWN.Barrier(WRITERS)
    with ProcessPoolExecutor(WRITERS, SPAWN, lake_writers.meet_at, (barrier,)) as pool:
        yield pool


class TestConcurrentWriters:
    @pytest.mark.parametrize("days", [1, 31], ids=["same month", "other months"])
    def test_writers_of_different_sessions_all_land(self, lake_place, writers, days):
        sessions = [[date(2014, 1, 6) + timedelta(days * i)] for i in range(WRITERS)]

        jobs = [
            writers.submit(lake_writers.replace_sessions, lake_place, sessions[i], i + 1.0, 4) for i in range(WRITERS)
        ]
        commits = [commit for job in jobs for commit in job.result(120)]

        assert [closes(lake_place.lake(), days[0]) for days in sessions] == [{i + 301.0} for i in range(WRITERS)]
        assert all(commit.is_changed for commit in commits)
        assert len({commit.version for commit in commits}) == len(commits)

    def test_writers_of_one_session_come_one_after_another_and_a_reader_never_sees_a_mix(self, lake_place, writers):
        lake = lake_place.lake()
        put(lake, bars(MONDAY, 0.0), MONDAY)

        jobs = [writers.submit(lake_writers.replace_sessions, lake_place, [MONDAY], i + 1.0, 4) for i in range(WRITERS)]
        seen = []
        while not all(job.done() for job in jobs):
            rows = lake.read(CLEAN_DAILY_BARS)
            seen.append((rows.height, rows["close"].n_unique()))

        commits = [commit for job in jobs for commit in job.result(120)]
        last = max(commits, key=lambda commit: commit.version)
        assert set(seen) == {(4, 1)}
        assert sorted(commit.version for commit in commits) == list(range(2, 2 + 4 * WRITERS))
        assert closes(lake, MONDAY) == closes_at(lake, last.version)

    def test_concurrent_appends_never_decide_on_the_same_rows(self, lake_place, writers):
        jobs = [writers.submit(lake_writers.count_on, lake_place, TUESDAY, 5) for _ in range(WRITERS)]
        for job in jobs:
            job.result(120)

        read = lake_place.lake().read(CLEAN_DAILY_BARS)
        assert read["close"].to_list() == [float(n) for n in range(5 * WRITERS)]

    def test_concurrent_appends_to_a_table_without_sessions_never_decide_on_the_same_rows(self, lake_place, writers):
        jobs = [writers.submit(lake_writers.count_tickers, lake_place, 3) for _ in range(WRITERS)]
        for job in jobs:
            job.result(120)

        assert lake_place.lake().read(RAW_TICKERS)["ticker"].to_list() == [f"T{n:03d}" for n in range(3 * WRITERS)]

    @pytest.mark.accept
    def test_two_hundred_interleaved_appends_are_all_there(self, lake_place, writers):
        jobs = [writers.submit(lake_writers.count_on, lake_place, TUESDAY, 50) for _ in range(WRITERS)]
        for job in jobs:
            job.result(600)

        read = lake_place.lake().read(CLEAN_DAILY_BARS)
        assert read["close"].to_list() == [float(n) for n in range(50 * WRITERS)]


def closes_at(lake: Lake, version: int) -> set[float]:
    return set(lake.read(CLEAN_DAILY_BARS, version=version)["close"])


class TestBrokenWrites:
    @pytest.mark.parametrize("match", [b".parquet", b"_delta_log/"], ids=["data", "commit"])
    def test_a_put_cut_half_way_leaves_the_last_version_and_a_retry_converges(self, s3_server, match):
        url = f"s3://{s3_server.new_bucket()}/lake"
        direct = Lake(url, s3_server.storage_options)
        put(direct, bars(MONDAY, 1.0), MONDAY)
        with cutting_proxy(s3_server.port) as proxy:
            options = s3_server.through(proxy.port).storage_options
            lake = Lake(url, {**options, "max_retries": "1", "backoff_config.init_backoff": "10ms"})
            proxy.cut(match, after="request", times=1000)

            with pytest.raises(StoreUnavailable, match="the table is as it was"):
                put(lake, bars(MONDAY, 2.0), MONDAY)

            cuts, between = proxy.mend(), closes(direct, MONDAY)
            commit = put(lake, bars(MONDAY, 2.0), MONDAY)

        assert (cuts > 0, between) == (True, {1.0})
        assert commit.is_changed
        assert closes(direct, MONDAY) == {2.0}

    @pytest.mark.parametrize("operation", ["replace", "append"])
    def test_a_commit_whose_answer_is_lost_counts_once(self, s3_server, operation):
        url = f"s3://{s3_server.new_bucket()}/lake"
        direct = Lake(url, s3_server.storage_options)
        put(direct, bars(MONDAY, 1.0), MONDAY)
        with cutting_proxy(s3_server.port) as proxy:
            lake = Lake(url, s3_server.through(proxy.port).storage_options)
            proxy.cut(b"_delta_log/", after="response", times=1)

            if operation == "replace":
                commit = put(lake, bars(TUESDAY, 2.0), TUESDAY)
            else:
                commit = lake.append(CLEAN_DAILY_BARS, lambda _: bars(TUESDAY, 2.0), start=TUESDAY, end=WEDNESDAY)
            cuts = proxy.mend()

        assert cuts == 1
        assert (commit.is_changed, commit.rows, commit.version) == (True, 4, 2)
        assert direct.version(CLEAN_DAILY_BARS) == 2
        assert direct.read(CLEAN_DAILY_BARS, start=TUESDAY).height == 4

    def test_a_killed_writer_leaves_a_whole_version(self, tmp_path):
        kill_writers(Place(str(tmp_path)), rounds=3)

    @pytest.mark.accept
    def test_thirty_killed_writers_leave_a_whole_version(self, tmp_path):
        kill_writers(Place(str(tmp_path)), rounds=30)

    def test_a_server_that_is_gone_says_so(self, s3_server):
        lake = Lake("s3://no-such-bucket/lake", {**s3_server.storage_options, "max_retries": "0"})

        with pytest.raises(StoreUnavailable, match="cannot be opened"):
            lake.read(CLEAN_DAILY_BARS)


def kill_writers(place: Place, rounds: int) -> None:
    """Kill a writer at once when a new file of it appears, between its data and its commit or right after."""
    lake = place.lake()
    put(lake, bars(MONDAY, 0.0), MONDAY)
    folder, is_over, seen = Path(place.url), threading.Event(), []

    def read() -> None:
        while not is_over.is_set():
            rows = lake.read(CLEAN_DAILY_BARS)
            seen.append((rows.height, rows["close"].n_unique()))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(rounds):
        files = len([*folder.rglob("*.parquet")])
        process = SPAWN.Process(target=lake_writers.replace_for_ever, args=(place, MONDAY, number * 100_000))
        process.start()
        wait_until(lambda: len([*folder.rglob("*.parquet")]) > files + number % 5, "a file of the writer")  # noqa: B023
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        process.close()

        commit = put(lake, bars(MONDAY, -1.0 - number), MONDAY)
        assert commit.is_changed
        assert closes(lake, MONDAY) == {-1.0 - number}
    is_over.set()
    reader.join()
    assert set(seen) == {(4, 1)}
