"""The examples as their users run them, from a folder of their own, beside settings that are none of theirs."""

import shutil
import subprocess

import pytest

from orion_assets_tests.accept_runs import DATA, needs_data
from orion_assets_tests.dagster_servers import BIN, ROOT
from orion_assets_tests.own_market import bare_environment

LONG = [pytest.mark.accept, needs_data]


@pytest.mark.parametrize(
    ("example", "arguments", "shown"),
    [
        pytest.param("real_2000_2013", (), ["AAPL around its split", "2005-02-28"], id="half a year"),
        pytest.param("real_2000_2013", ("--all",), ["AAPL around its split", "vix_close"], id="13 years", marks=LONG),
        pytest.param("real_2014", (), ["AAPL, dividends reinvested", "2014-12-31"], id="2014", marks=LONG),
    ],
)
def test_an_example_shows_its_market_and_touches_nothing_of_its_users(example, arguments, shown, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    mine = {
        "ORION_LAKE_URL": str(tmp_path / "mine"),
        "ORION_STORE_URL": f"duckdb:///{tmp_path / 'mine.duckdb'}",
        "ORION_TICKERS": "ZZZZ",
        "ORION_START": "2025-01-02",
        "DAGSTER_HOME": str(tmp_path / "my_home"),
        "POLYGON_API_KEY": "a-key",
    }
    data = {"EXAMPLE_DATA": str(DATA)} if arguments or example == "real_2014" else {}

    done = subprocess.run(
        [BIN / "python", "-m", f"examples.{example}.run", *arguments],
        cwd=tmp_path,
        env=bare_environment(**mine, **data, PYTHONPATH=""),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    for each in shown:
        assert each in done.stdout, done.stdout
    assert "Next: .venv/bin/orion --env-file" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {".dagster", "data", "examples"}
    assert [path.name for path in (tmp_path / "data").iterdir()] == [example]
