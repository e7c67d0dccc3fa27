"""The twelve worlds with a known answer, from their files through the command line, at each instant."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from orion_assets.store.opening import open_store
from orion_assets_tests.accept_runs import DATA, Deployment, deployment, figure, needs_data

pytestmark = needs_data

TRUTH = DATA / "truth"
WORLDS = range(1, 13)
START, END = "2014-05-01", "2014-07-19"
COLUMNS = ("close", "split_factor", "sma_5", "ema_12", "rsi_14", "ret_simple", "obv")
MAPPING = """[[daily_bars]]
files = ["bars.csv"]
price_basis = "as_traded"
columns = { ticker = "ticker", session = "session", open = "open", high = "high", low = "low", close = "close", \
volume = "volume", ts_known = "ts_known", is_deleted = "is_deleted" }

[[splits]]
files = ["splits.csv"]
columns = { ticker = "ticker", ex_date = "ex_date", shares_after = "shares_after", shares_before = "shares_before", \
ts_known = "ts_known", is_deleted = "is_deleted" }
"""


def _texts(world: int, name: str) -> pl.DataFrame:
    return pl.read_csv(TRUTH / f"world_{world:03d}" / name, infer_schema=False)


def _mistakes(read: Callable[[str], list[dict]], expected: pl.DataFrame) -> tuple[int, float, list[str]]:
    """Compare every answer; gives the number compared, the largest relative difference and what is wrong."""
    compared, largest, wrong = 0, 0.0, []
    for (as_of,), rows in expected.group_by("as_of", maintain_order=True):
        found = {(row["ticker"], str(row["session"])): row for row in read(as_of)}
        truth = {(row["ticker"], row["session"]): row for row in rows.to_dicts()}
        if found.keys() != truth.keys():
            wrong.append(f"{as_of}: rows {sorted(found.keys() ^ truth.keys())[:4]} on one side only")
        for key in found.keys() & truth.keys():
            for name in COLUMNS:
                ours, theirs = found[key][name], truth[key][name]
                compared += 1
                if ours is None or theirs is None:
                    if (ours is None) != (theirs is None):
                        wrong.append(f"{as_of} {key} {name}: {ours} for {theirs}")
                    continue
                apart = abs(ours - float(theirs)) / max(abs(float(theirs)), 1e-300)
                largest = max(largest, apart if float(theirs) else 0.0)
                if not math.isclose(ours, float(theirs), rel_tol=1e-9, abs_tol=1e-12):
                    wrong.append(f"{as_of} {key} {name}: {ours} for {theirs}")
    return compared, largest, wrong


def _loaded(folder: Path, root: Path) -> Deployment:
    run = deployment(folder, MAPPING, root=root, start=START)
    run.backfill(START, END)
    return run


def test_the_twelve_worlds_in_one_store_answer_as_the_truth_does(tmp_path):
    root = tmp_path / "files"
    root.mkdir()
    name = pl.format("W{}_{}", "world", "ticker").alias("ticker")
    for file in ("bars.csv", "splits.csv", "expected.csv"):
        texts = pl.concat(_texts(world, file).with_columns(world=pl.lit(world)) for world in WORLDS)
        texts.with_columns(name).drop("world").write_csv(root / file)
    run = _loaded(tmp_path / "run", root)

    compared, largest, wrong = 0, 0.0, []
    with open_store(str(run.folder / "store.duckdb")) as store:
        for world in WORLDS:
            tickers = [f"W{world}_AAA", f"W{world}_BBB"]
            expected = _texts(world, "expected.csv").with_columns(world=pl.lit(world)).with_columns(name).drop("world")

            def read(as_of: str, tickers: list[str] = tickers) -> list[dict]:
                return store.features(tickers, columns=COLUMNS, as_of=as_of).to_dicts()

            count, apart, mistakes = _mistakes(read, expected)
            compared, largest, wrong = compared + count, max(largest, apart), [*wrong, *mistakes]
    figure(f"{compared} values, largest relative difference {largest:.2e}, {len(wrong)} wrong")

    assert wrong == []
    assert compared == 58_009
    assert run.of_lake("quarantine").is_empty()


@pytest.mark.accept
@pytest.mark.parametrize("world", WORLDS)
def test_a_world_of_its_own_answers_as_the_truth_does(tmp_path, world):
    run = _loaded(tmp_path / "run", TRUTH / f"world_{world:03d}")

    def read(as_of: str) -> list[dict]:
        return json.loads(run.features("--as-of", as_of, "--columns", ",".join(COLUMNS)))

    compared, largest, wrong = _mistakes(read, _texts(world, "expected.csv"))
    figure(f"world {world}: {compared} values, largest relative difference {largest:.2e}, {len(wrong)} wrong")

    assert wrong == []
    assert compared == _texts(world, "expected.csv").height * len(COLUMNS)
    assert run.of_lake("quarantine").is_empty()
