"""What the feature store's contract tests publish, and what they run in other processes."""

import json
import os
import random
import signal
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import polars as pl

from orion_assets.schemas import TABLES
from orion_assets.store.duckdb import DuckDBStore
from orion_assets.tables import UTC_US

SPAWN = get_context("spawn")
FIRST = date(2014, 6, 2)
FILLERS: Mapping[pl.DataType, object] = {
    pl.String(): "x",
    pl.Date(): FIRST,
    UTC_US: datetime(2014, 6, 2, 20, 30, tzinfo=UTC),
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
