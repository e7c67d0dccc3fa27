"""The demo as a stranger runs it: from nothing, in a process of its own, with somebody's settings lying about."""

import re
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from orion_assets.clock import SystemClock
from orion_assets.schemas import TICKER_BARS, TICKER_FEATURES
from orion_assets.store.duckdb import DuckDBStore
from orion_assets.store.history import HistoryFiles
from orion_assets_tests.own_market import bare_environment, orion

STRANGERS = "ORION_SOURCE=files\nORION_FILES_MAPPING=mine.toml\nORION_LAKE_URL=./mine\nORION_TICKERS=MINE\n"
ORION = Path(sys.executable).parent / "orion"


def hash_of(text: str) -> str:
    return re.search(r"content hash ([0-9a-f]{64})", text).group(1)


def called(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run `orion` in a process of its own, as somebody whose environment steers it elsewhere."""
    return subprocess.run(
        [ORION, *arguments],
        cwd=cwd,
        env=bare_environment(**environment),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A demo run where somebody has settings of his own, in a folder whose name is no single word."""
    here = tmp_path_factory.mktemp("demo") / "some body's project"
    here.mkdir()
    (here / ".env").write_text(STRANGERS)
    mine = {"ORION_STORE_URL": "duckdb:///mine.duckdb", "DAGSTER_HOME": str(here / "mine_dagster")}
    return here, called("demo", cwd=here, **mine)


def test_it_succeeds_and_says_plainly_that_the_market_is_synthetic(demo):
    _, done = demo

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The market of this demo is synthetic: nothing of it is real.")
    assert len(done.stdout.splitlines()) <= 90
    assert "Traceback" not in done.stderr


def test_nothing_of_the_settings_leaks_in_and_nothing_is_written_elsewhere(demo):
    here, _ = demo

    assert sorted(path.name for path in here.iterdir()) == [".env", "data"]
    assert [path.name for path in (here / "data").iterdir()] == ["demo"]
    assert "MINE" not in (here / "data/demo/orion.env").read_text()


def test_every_planted_fault_is_found_and_nothing_else(demo):
    _, done = demo

    told = re.search(r"Planted faults: (\d+) of (\d+) accusations made, (\d+) of anything else", done.stdout)
    made, planted, others = map(int, told.groups())
    assert (made, others) == (planted, 0)
    assert planted >= 25


def test_it_shows_a_correction_with_its_clocks_and_a_leak_that_was_caught(demo):
    _, done = demo

    before, after = [line.split() for line in done.stdout.splitlines() if line.startswith("DUNE     2024-11-12")]
    assert (before[2], after[2]) == ("50.81", "50.16")
    assert before[6:8] == ["2024-11-13", "12:00Z"] == after[4:6]
    assert after[-1] == "-"
    assert re.search(r"^sma_20 +DUNE +2024-", done.stdout, re.MULTILINE)


def test_the_next_command_reads_what_was_built(demo):
    here, done = demo
    command = next(line.split("orion ", 1)[1].split() for line in done.stdout.splitlines() if "--env-file" in line)

    said = called(*command, cwd=here)

    assert said.returncode == 0, said.stderr
    assert "AURA" in said.stdout


@pytest.mark.parametrize("name", ["thesis.txt", "lake", "state.db"])
def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path, name):
    (tmp_path / name).write_text("years of work")

    said = orion("demo", "--folder", tmp_path)

    assert said.code == 2
    assert f"holds {name}, which no demo made; name an empty folder with --folder" in said.err
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_history_of_every_ticker_is_written(demo):
    here, _ = demo
    files = HistoryFiles(str(here / "data/demo/features"))

    assert files.read(TICKER_FEATURES, "FLXA")["session"].min() == date(2024, 9, 16)
    bars = files.read(TICKER_BARS, "LYNX").select("session", "close", "close_split").sort("session")
    before = bars.filter(session=date(2024, 10, 18)).row(0)
    assert before[2] == pytest.approx(before[1] / 3)


@pytest.mark.accept
def test_another_path_zone_locale_and_clock_give_the_same_bytes(demo, tmp_path, monkeypatch):
    _, first = demo
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Pacific/Kiritimati")
        elsewhere.setenv("LC_ALL", "de_DE.UTF-8")
        elsewhere.setattr(SystemClock, "now", lambda _: datetime(2031, 7, 4, 3, 2, 1, tzinfo=UTC))
        time.tzset()
        said = orion("demo", "--folder", tmp_path / "elsewhere")
    time.tzset()

    assert said.code == 0, said.err
    assert hash_of(said.out) == hash_of(first.stdout)
    with DuckDBStore(tmp_path / "elsewhere/store.duckdb") as store:
        assert store.content_hash() == hash_of(said.out)
