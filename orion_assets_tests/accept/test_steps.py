"""What Dagster costs: a range of a year is one run, and no step takes much longer than the function it wraps."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from time import perf_counter

import polars as pl
import pytest
from dagster import DagsterInstance

from orion_assets import calendars, schemas
from orion_assets.cli.launch import RAW
from orion_assets.ingest.landing import Landing
from orion_assets.ingest.moment import Moment
from orion_assets.schemas import DERIVED
from orion_assets.sources.files.source import FilesSource
from orion_assets.sources.protocols import Ask
from orion_assets.transforms import actions, bars, daily, market, matrix, news, sentiment
from orion_assets_tests.accept_runs import (
    DATA,
    MAPPING_2014,
    ROOT,
    Deployment,
    clean_environment,
    deployment,
    figure,
    needs_data,
)

pytestmark = [needs_data, pytest.mark.accept]

START, END = date(2014, 1, 2), date(2015, 1, 1)
TICKERS = ("AAPL", "BRK_A", "MSFT", "ZEN")
MOST = 4.0


def _materialize(run: Deployment, home: Path, select: str, *more: str) -> None:
    location = ("-m", "orion_assets.definitions")
    done = subprocess.run(
        [Path(sys.executable).with_name("dagster"), "asset", "materialize", "--select", select, *more, *location],
        env=clean_environment() | run.settings | {"DAGSTER_HOME": str(home)},
        cwd=run.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def _timed(work: Callable[[], object]) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


def _pure_seconds(run: Deployment) -> dict[str, float]:
    """Time the functions behind the steps, with their inputs at hand."""
    calendar = calendars.sessions()
    source = FilesSource([MAPPING_2014], DATA)
    now = datetime(2026, 11, 21, tzinfo=UTC)
    following = calendars.sessions(START).head(calendars.sessions(START, END).height + 1)

    def landed(name: str) -> None:
        if name not in source.datasets:
            return
        table = schemas.TABLES[name]
        answer = source.read(Ask(name, START, END, TICKERS, now))
        landing = Landing(table, answer, following, Moment(now))
        landing.new_versions(table.empty(), schemas.RAW_COVERAGE.empty())
        landing.new_coverage(TICKERS, schemas.RAW_COVERAGE.empty(), table.empty())

    held = {table: run.of_lake(table) for table in (*schemas.TABLES,)}
    coverage = {name: held["raw_coverage"].filter(pl.col("dataset") == name) for name in RAW}
    cells, days = (market.asked(coverage[name], calendar, START, END) for name in ("raw_daily_bars", "raw_vix"))
    news.mood.cache_clear()
    work: dict[str, Callable[[], object]] = {
        **{name: (lambda name=name: landed(name)) for name in RAW},
        "clean_daily_bars": lambda: bars.clean_daily_bars(held["raw_daily_bars"], calendar),
        "clean_minute_bars": lambda: None,
        "clean_vix": lambda: bars.clean_vix(held["raw_vix"]),
        "clean_news": lambda: news.clean_news(held["raw_news"], calendar, START),
        "corporate_actions": lambda: actions.corporate_actions(
            held["raw_splits"], held["raw_dividends"], held["securities"], calendar
        ),
        "feature_indicators": lambda: daily.feature_indicators(
            held["clean_daily_bars"], held["corporate_actions"], held["securities"], START, END
        ),
        "feature_sentiment": lambda: sentiment.feature_sentiment(
            held["clean_news"], coverage["raw_news"], calendar, held["raw_universe"], (START, END)
        ),
        "feature_market": lambda: market.feature_market(held["clean_vix"], days, cells, calendar),
        "feature_matrix": lambda: matrix.feature_matrix(
            held["feature_indicators"], held["feature_sentiment"], held["feature_market"], cells
        ),
        "feature_store": lambda: None,
        "quality_report": lambda: None,
    }
    return {name: _timed(each) for name, each in work.items()}


def test_a_year_is_one_run_whose_steps_cost_little_more_than_their_functions(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    (home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    run = deployment(tmp_path / "run", MAPPING_2014, root=DATA, start=str(START))
    _materialize(run, home, "raw_tickers,securities")

    _materialize(run, home, ",".join((*RAW, *DERIVED)), "--partition-range", "2014-01-02...2014-12-31")

    with DagsterInstance.from_config(str(home)) as instance:
        records = sorted(instance.get_run_records(), key=lambda record: record.storage_id)
        spent = {
            stats.step_key: stats.end_time - stats.start_time
            for stats in instance.get_run_step_stats(records[-1].dagster_run.run_id)
        }
    pure = _pure_seconds(run)
    whole = records[-1].end_time - records[-1].start_time
    for name, seconds in spent.items():
        figure(f"{name:<20} step {seconds:6.2f} s  function {pure[name]:6.2f} s  more {seconds - pure[name]:6.2f} s")
    figure(f"{'run':<20}      {whole:6.2f} s, steps {sum(spent.values()):.2f} s")

    assert len(records) == 2
    assert set(spent) == {*RAW, *DERIVED}
    assert max(seconds - pure[name] for name, seconds in spent.items()) <= MOST
