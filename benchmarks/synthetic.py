"""The synthetic exchange beside a bare random walk in Polars with the same columns.

11,500 tickers x 2,520 sessions (2,000 tickers with --quick), a block of 256 tickers at a time, which is what bounds the
memory of both. Rounds interleave the contestants; medians. The walk has no clustering, no market, no range that moves
with the day, and rounds nothing: it is what the same columns cost when nobody asks what they look like.
"""

import argparse
import json
import resource
import sys
import time
from datetime import date
from statistics import median

import numpy as np
import polars as pl

from orion_assets import calendars
from orion_assets.sources.synthetic import paths

SEED = 7
COLUMNS = ["ticker", "session", "open", "high", "low", "close", "volume", "vwap", "trade_count"]


def exchange(names, traits, sessions):
    """Orion's market, block by block; rows and the sum of the closes."""
    return told(paths.bars(SEED, names, traits, sessions))


def random_walk(names, sessions):
    """The peer: one walk a ticker in Polars expressions, block by block."""

    def blocks():
        draw = np.random.default_rng(SEED)
        for first in range(0, len(names), paths.BLOCK):
            here = names[first : first + paths.BLOCK]
            count = len(here) * len(sessions)
            close = (100 * pl.col("_step").cum_sum().over("ticker").exp()).alias("close")
            yield (
                pl.DataFrame({"ticker": here})
                .join(pl.DataFrame({"session": sessions}), how="cross")
                .with_columns(
                    _step=pl.Series(draw.normal(0, 0.015, count)),
                    _up=pl.Series(draw.random(count) * 0.01),
                    _down=pl.Series(draw.random(count) * 0.01),
                    volume=pl.Series(draw.integers(1_000, 1_000_000, count)).cast(pl.Float64),
                )
                .with_columns(close)
                .with_columns(open=pl.col("close").shift(1, fill_value=100.0).over("ticker"))
                .with_columns(
                    high=pl.max_horizontal("open", "close") * (1 + pl.col("_up")),
                    low=pl.min_horizontal("open", "close") * (1 - pl.col("_down")),
                )
                .with_columns(
                    vwap=pl.mean_horizontal("open", "high", "low", "close"),
                    trade_count=(pl.col("volume") / 140).ceil(),
                )
                .select(COLUMNS)
            )

    return told(blocks())


def told(blocks):
    """Use every block, then forget it: rows, tickers, and whether each bar is a bar."""
    rows, tickers, sound = 0, 0, True
    for block in blocks:
        rows += block.height
        tickers += block["ticker"].n_unique()
        checked = block.select(
            (pl.col("low") <= pl.min_horizontal("open", "close", "vwap")).all()
            & (pl.col("high") >= pl.max_horizontal("open", "close")).all()
        )
        sound &= block.columns == COLUMNS and checked.item()
    return rows, tickers, sound


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 tickers and two rounds: within 50 s")
    quick = parser.parse_args().quick
    count, rounds = (2_000, 2) if quick else (11_500, 3)
    sessions = calendars.sessions(date(2014, 1, 2)).head(2_520)["session"]
    names = [f"T{number:05d}" for number in range(count)]
    traits = paths.random_traits(SEED, count)
    contestants = {"orion": lambda: exchange(names, traits, sessions), "walk": lambda: random_walk(names, sessions)}
    seconds, found = {name: [] for name in contestants}, {}
    for _ in range(rounds):
        for name, run in contestants.items():
            began = time.perf_counter()
            found[name] = run()
            seconds[name].append(time.perf_counter() - began)
    agree = found["orion"] == found["walk"] == (count * len(sessions), count, True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    orion, walk = median(seconds["orion"]), median(seconds["walk"])
    print(f"{count:,} tickers x {len(sessions):,} sessions, {rounds} rounds, peak memory {peak:.2f} GiB")
    print(f"  orion        {orion:8.2f} s   {count * len(sessions) / orion / 1e6:6.1f} million rows a second")
    print(f"  random walk  {walk:8.2f} s   {count * len(sessions) / walk / 1e6:6.1f} million rows a second")
    if not agree:
        print(f"the results disagree: {found}", file=sys.stderr)
    print(json.dumps({"name": "synthetic", "ratios": {"synthetic/polars_random_walk": round(orion / walk, 3)}}))
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
