"""Minutes through the lake in pieces: seconds and peak memory of landing, cleaning and reading, beside bare Parquet.

50 tickers x 504 sessions x 960 minutes = 24 M rows (with --quick 5 x 21; --tickers and --sessions choose otherwise).
A source makes the minutes of the sessions it is asked for and forgets them. The peer writes the same rows as one
Parquet file a session and reads them back, which nobody can do with less. Each phase is a process of its own, whose
peak resident memory the kernel tells.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl

from orion_assets import calendars
from orion_assets.defs.assets.minutes import cleaned
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.runner import Desk, land_all
from orion_assets.schemas import CLEAN_MINUTE_BARS, RAW_MINUTE_BARS
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, Answer, Ask, said_schema
from orion_assets.store.archive import FolderArchive
from orion_assets.store.lake import Lake
from orion_assets.store.minutes import LakeMinutes
from orion_assets.store.state import State

START = date(2023, 1, 3)
NOW = datetime(2026, 1, 5, tzinfo=UTC)
LIMIT_MB = 2048
SHA = "0" * 64


class Made:
    """A source whose minutes are a random walk, the same for a session whoever asks."""

    name = "made"

    def __init__(self, tickers):
        self.tickers = tickers

    def read(self, ask):
        rows = [self.session(day) for day in calendars.sessions(ask.start, ask.end)["session"]]
        schema = said_schema(RAW_MINUTE_BARS)
        frame = pl.concat(rows) if rows else pl.DataFrame(schema=schema)
        return Answer(frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items()), (), SHA, ask.tickers)

    def session(self, day):
        """Every minute of a session for every ticker."""
        hours = calendars.traded(calendars.sessions(day, day + timedelta(days=1)))
        first, last = hours["ts_first"][0], hours["ts_last"][0]
        opens = pl.datetime_range(first, last, "1m", closed="left", eager=True)
        count = len(opens) * len(self.tickers)
        draw = np.random.default_rng(day.toordinal())
        close = np.round(100 * np.exp(np.cumsum(draw.normal(0, 1e-4, count))), 4)
        return pl.DataFrame(
            {
                "ticker": np.repeat(self.tickers, len(opens)),
                "ts_open": pl.concat([opens] * len(self.tickers)),
                "close": close,
                "open": close,
                "high": close * 1.001,
                "low": close * 0.999,
                "volume": draw.integers(1, 10_000, count).astype(float),
                "source_row": np.arange(1, count + 1),
            }
        ).with_columns(
            session=pl.lit(day),
            vwap=pl.col("close"),
            trade_count=pl.col("volume") // 10 + 1,
            ts_event=pl.col("ts_open") + pl.duration(minutes=1),
            is_deleted=pl.lit(value=False),
            problem=pl.lit(None, pl.String),
            source=pl.lit("made"),
            source_file=pl.lit(f"{day}.csv.gz"),
            source_hash=pl.lit(SHA),
            **{
                TS_ASSUMED: pl.col("ts_open") + pl.duration(minutes=16),
                TS_STATED: pl.lit(None, pl.Datetime("us", "UTC")),
            },
        )


def land(folder, tickers, end):
    desk = Desk(lake_of(folder), FolderArchive(folder / "archive"), State(f"sqlite:///{folder / 'state.db'}"))
    ask = Ask(RAW_MINUTE_BARS.name, START, end, tuple(tickers), NOW)
    return sum(landed.rows for landed in land_all(desk, Made(tickers), ask, RAW_MINUTE_BARS, Moment(NOW)))


def clean(folder, tickers, end):
    lake, rows = lake_of(folder), 0
    for _, made, (first, after) in cleaned(lake, len(tickers), START, end):
        rows += lake.replace(CLEAN_MINUTE_BARS, made.rows, start=first, end=after).rows
    return rows


def read_one(folder, tickers, _):
    return LakeMinutes(lambda: lake_of(folder)).rows(tickers[:1], None, None, NOW).height * len(tickers)


def peer_write(folder, tickers, end):
    (folder / "peer").mkdir()
    rows = 0
    for day in calendars.sessions(START, end)["session"]:
        frame = Made(tickers).session(day)
        frame.write_parquet(folder / "peer" / f"{day}.parquet", compression_level=1)
        rows += frame.height
    return rows


def peer_read(folder, tickers, _):
    one = pl.scan_parquet(folder / "peer" / "*.parquet").filter(pl.col("ticker") == tickers[0]).collect()
    return one.height * len(tickers)


def lake_of(folder):
    return Lake(str(folder / "lake"))


PHASES = {"land": land, "clean": clean, "read": read_one, "peer_write": peer_write, "peer_read": peer_read}


def measured(name, folder, tickers, end, answers):
    """Run a phase in this process and tell rows, seconds and peak memory."""
    begun = time.perf_counter()
    rows = PHASES[name](folder, tickers, end)
    seconds = time.perf_counter() - begun
    answers.put((rows, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5 tickers x 21 sessions")
    parser.add_argument("--tickers", type=int, default=50)
    parser.add_argument("--sessions", type=int, default=504)
    given = parser.parse_args()
    tickers = [f"T{number:03d}" for number in range(5 if given.quick else given.tickers)]
    days = calendars.sessions(START)["session"][: 21 if given.quick else given.sessions]
    end, spawn = days[-1] + timedelta(days=1), get_context("spawn")
    found = {}
    with tempfile.TemporaryDirectory() as name:
        for phase in PHASES:
            answers = spawn.Queue()
            process = spawn.Process(target=measured, args=(phase, Path(name), tickers, end, answers))
            process.start()
            found[phase] = answers.get()
            process.join()
            rows, seconds, peak = found[phase]
            print(f"{phase:<11} {rows:>11,} rows {seconds:>8.2f} s {peak:>8.0f} MB at most")
        sizes = {
            each: size_mb(Path(name) / each) for each in ("lake/raw_minute_bars", "lake/clean_minute_bars", "peer")
        }
    print(", ".join(f"{each} {size:.1f} MB" for each, size in sizes.items()))
    agrees = len({rows for rows, _, _ in found.values()}) == 1
    most = max(peak for phase, (_, _, peak) in found.items() if not phase.startswith("peer"))
    ratios = {
        "minutes/write_over_parquet": (found["land"][1] + found["clean"][1]) / found["peer_write"][1],
        "minutes/read_one_ticker_over_parquet": found["read"][1] / found["peer_read"][1],
        "minutes/peak_over_2_GiB": most / LIMIT_MB,
    }
    print(json.dumps({"name": "minutes", "ratios": {name: round(value, 3) for name, value in ratios.items()}}))
    return 0 if agrees and most < LIMIT_MB else 1


def size_mb(folder):
    return sum(file.stat().st_size for file in folder.rglob("*.parquet")) / 1e6


if __name__ == "__main__":
    sys.exit(main())
