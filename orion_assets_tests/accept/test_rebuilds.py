"""Same raw and same code give the same content hash, however the runs were batched, repeated or killed."""

import random
import shutil
import time
import warnings
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from orion_assets import calendars
from orion_assets import settings as environment
from orion_assets.cli.launch import RAW as RAW_STEPS
from orion_assets.cli.launch import Launch
from orion_assets.cli.run import execute, instance
from orion_assets_tests.accept_runs import SHORT, YEAR, Deployment, figure, late_2014, needs_data

pytestmark = needs_data

SPANS = [pytest.param(SHORT, id="20 sessions"), pytest.param(YEAR, id="year", marks=pytest.mark.accept)]
RAW = (*RAW_STEPS, "raw_tickers", "raw_universe", "raw_coverage")


def _middle(span: tuple[str, str]) -> str:
    sessions = calendars.sessions(*map(date.fromisoformat, span))["session"]
    return str(sessions[len(sessions) // 2])


@pytest.mark.parametrize("span", SPANS)
def test_the_same_range_twice_changes_nothing(whole, tmp_path, span):
    run = whole(span).copy(tmp_path / "again")
    before = run.hashes()

    again = run.backfill(*span)

    assert run.hashes() == before
    assert not again["changed_raw"]


@pytest.mark.parametrize("span", SPANS)
def test_the_second_half_first_gives_the_same_hash(whole, june, tmp_path, span):
    run = late_2014(tmp_path / "halves", span, june)
    run.backfill(_middle(span), span[1])
    run.backfill(span[0], _middle(span))

    assert run.hashes() == whole(span).hashes()


@pytest.mark.accept
@pytest.mark.parametrize("span", [SHORT, YEAR], ids=["20 sessions", "year"])
@pytest.mark.parametrize("seed", range(2))
def test_a_random_split_in_random_order_gives_the_same_hash(whole, june, tmp_path, span, seed):
    chance = random.Random(seed)
    sessions = calendars.sessions(*map(date.fromisoformat, span))["session"].to_list()
    cuts = [span[0], *map(str, sorted(chance.sample(sessions[1:], 3))), span[1]]
    parts = list(pairwise(cuts))
    chance.shuffle(parts)
    run = late_2014(tmp_path / "parts", span, june)
    for part in parts:
        run.backfill(*part)

    assert run.hashes() == whole(span).hashes(), parts


@pytest.mark.parametrize("span", SPANS)
def test_raw_copied_to_another_path_is_rebuilt_to_the_same_hash(whole, june, tmp_path, span):
    made = whole(span)
    run = late_2014(tmp_path / "elsewhere", span, june)
    for name in (name for name in RAW if (made.folder / "lake" / name).exists()):
        shutil.copytree(made.folder / "lake" / name, run.folder / "lake" / name)

    run.done("store", "rebuild", "--json")

    assert run.hashes() == made.hashes()


def _size(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file())


def _kill_when(run: Deployment, span: tuple[str, str], files: int) -> bool:
    """Start a backfill and kill -9 it once the folder holds that many files; says whether it was still at work."""
    process = run.start("backfill", "--from", span[0], "--to", span[1])
    while process.poll() is None and _size(run.folder) < files:
        time.sleep(0.001)
    is_alive = process.poll() is None
    process.kill()
    process.wait()
    return is_alive


@pytest.mark.accept
@pytest.mark.parametrize(("span", "kills"), [(SHORT, 10), (YEAR, 10)], ids=["20 sessions", "year"])
def test_a_backfill_killed_at_a_random_moment_and_run_again_gives_the_same_hash(whole, june, tmp_path, span, kills):
    made = whole(span)
    chance = random.Random(2014)
    for number in range(kills):
        run = late_2014(tmp_path / f"killed{number}", span, june)
        files = chance.randint(_size(run.folder) + 1, _size(made.folder) - 5)
        was_killed = _kill_when(run, span, files)
        left = sorted(path.name for path in (run.folder / "lake").iterdir()) if (run.folder / "lake").exists() else []
        run.backfill(*span)
        figure(f"killed at {files} files: {was_killed}, tables begun: {len(left)}")

        assert was_killed
        assert run.hashes() == made.hashes(), f"killed at {files} files, {left}"
        shutil.rmtree(run.folder)


def test_a_first_half_whose_run_died_after_raw_landed_heals_the_second_half_too(whole, june, tmp_path):
    run = late_2014(tmp_path / "halves", SHORT, june)
    run.backfill(_middle(SHORT), SHORT[1])
    settings = environment.load(run.env)
    with instance(settings) as on, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = Launch("daily", date.fromisoformat(SHORT[0]), date.fromisoformat(_middle(SHORT)), assets=RAW_STEPS)
        assert execute(settings, first, on, show=False).is_done

    run.backfill(SHORT[0], _middle(SHORT))

    assert run.hashes() == whole(SHORT).hashes()
