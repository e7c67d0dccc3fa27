"""Thirteen real years with a split withheld, a crash that is none, and a VIX file full of contradictions."""

import csv
import json
import math
import warnings
from dataclasses import asdict
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets import settings as environment
from orion_assets.cli.launch import Launch
from orion_assets.cli.run import execute, instance
from orion_assets.schemas import TABLES
from orion_assets_tests.accept_runs import DATA, ROOT, deployment, figure, needs_data

HERE = ROOT / "examples" / "real_2000_2013"
WITHHELD = '  { ticker = "AAPL", ex_date = 2005-02-28, shares_after = 2, shares_before = 1 },\n'
pytest.importorskip("bokeh_sampledata", reason="the extra [examples] is not installed")


def _findings(outcome: dict, asset: str, check: str) -> list[dict]:
    return [found for found in outcome["findings"] if (found["asset"], found["check"]) == (asset, check)]


def _withheld() -> str:
    text = (HERE / "mapping.toml").read_text()
    assert WITHHELD in text
    return text.replace(WITHHELD, "")


def _vix() -> list[dict[str, float | date]]:
    with (DATA / "vix/vix-daily.csv").open() as lines:
        return [
            {"date": date.fromisoformat(row["DATE"])}
            | {name.lower(): float(row[name]) for name in ("OPEN", "HIGH", "LOW", "CLOSE")}
            for row in csv.DictReader(lines)
        ]


def _contradicts(row: dict) -> bool:
    prices = [row[name] for name in ("open", "high", "low", "close")]
    return max(prices) > row["high"] or min(prices) < row["low"]


def test_a_withheld_split_is_suspected_and_a_crash_is_not(tmp_path):
    mapping = _withheld()
    split = deployment(tmp_path / "split", mapping, start="2005-02-14")
    crash = deployment(tmp_path / "crash", mapping, start="2000-09-14")

    around_split = split.orion("backfill", "--from", "2005-02-14", "--to", "2005-03-05")
    around_crash = crash.backfill("2000-09-14", "2000-10-05")

    said = [line.strip() for line in around_split.err.splitlines() if "suspected" in line]
    assert said[0].endswith("suspected missing split: 1 row, first: ticker AAPL, session 2005-02-28")
    assert len(said) == 1
    assert _findings(around_crash, "feature_indicators", "suspected_missing_split") == []
    assert crash.of_lake("quarantine").is_empty()
    fell = crash.table("feature_indicators").filter(
        (pl.col("ticker") == "AAPL") & (pl.col("session") == date(2000, 9, 29))
    )
    assert math.exp(fell["ret_log"][0]) == pytest.approx(0.481, abs=0.001)


@pytest.mark.accept
def test_thirteen_years_accuse_the_withheld_split_alone_and_report_vix(tmp_path):
    (tmp_path / "withheld.toml").write_text(_withheld())
    mappings = f"{tmp_path / 'withheld.toml'},{HERE / 'vix.toml'}"
    run = deployment(tmp_path / "run", Path(mappings), root=DATA, start="2000-03-01")

    outcome = run.backfill("2000-03-01", "2013-03-02")

    [suspected] = _findings(outcome, "feature_indicators", "suspected_missing_split")
    accused = [(row["ticker"], row["session"], row["ratio"]) for row in suspected["accused"]]
    figure(f"{ ({found['asset'] + '.' + found['check']: found['rows'] for found in outcome['findings']}) }, {accused}")
    assert accused == [("AAPL", "2005-02-28", 2.0)]
    assert outcome["rows"]["clean_daily_bars"] == 12_154
    assert run.of_lake("quarantine").is_empty()
    in_range = [row for row in _vix() if date(2000, 3, 1) <= row["date"] < date(2013, 3, 2)]
    [contradictions] = _findings(outcome, "clean_vix", "prices_in_order")
    assert contradictions["rows"] == sum(map(_contradicts, in_range)) > 0
    assert run.of_lake("clean_vix").height == len(in_range)


@needs_data
@pytest.mark.accept
def test_the_whole_vix_file_is_reported_and_makes_no_session(tmp_path):
    run = deployment(tmp_path / "run", HERE / "vix.toml", root=DATA, start="1990-01-02")

    settings = environment.load(run.env)
    # Two assets of the daily job: all sixteen over nine thousand sessions take a quarter of an hour
    launch = Launch("daily", date(1990, 1, 2), date(2026, 10, 1), assets=("raw_vix", "clean_vix"))
    with instance(settings) as on, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome = asdict(execute(settings, launch, on, show=False))
    assert outcome["is_done"], outcome["failure"]

    said = _vix()
    sessions = set(calendars.sessions()["session"])
    clean = run.of_lake("clean_vix")
    found = {check: _findings(outcome, "clean_vix", check) for check in ("prices_in_order", "on_exchange_days")}
    figure(
        f"{ ({found['asset'] + '.' + found['check']: found['rows'] for found in outcome['findings']}) }, {clean.height}"
    )
    assert [one["rows"] for one in found["prices_in_order"]] == [47] == [sum(map(_contradicts, said))]
    assert [one["rows"] for one in found["on_exchange_days"]] == [33]
    assert clean.height == len(said) == 9_235
    assert run.of_lake("quarantine").is_empty()
    for table in TABLES.values():
        if "session" in table.names:
            assert set(run.of_lake(table.name)["session"]) <= sessions, table.name
    assert {str(row["date"]): row["close"] for row in said} == {
        str(day): close for day, close in clean.select("date", "close").iter_rows()
    }


@needs_data
def test_vix_rows_of_closed_days_and_contradictions_are_kept_and_reported(tmp_path):
    run = deployment(tmp_path / "run", HERE / "vix.toml", root=DATA, start="2004-06-07")

    outcome = run.backfill("2004-06-07", "2004-06-17")

    said = [row for row in _vix() if date(2004, 6, 7) <= row["date"] < date(2004, 6, 17)]
    [closed] = _findings(outcome, "clean_vix", "on_exchange_days")
    assert [row["date"] for row in closed["accused"]] == ["2004-06-11"]
    contradictions = _findings(outcome, "clean_vix", "prices_in_order")
    assert sum(found["rows"] for found in contradictions) == sum(map(_contradicts, said))
    assert run.of_lake("clean_vix").height == len(said)
    shown = json.loads(run.done("status", "--json"))
    assert next(cell for cell in shown["cells"] if cell["dataset"] == "raw_vix")["data"] == len(said) - 1
