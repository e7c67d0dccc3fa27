"""`orion fetch`: bars once, in any form, within the budget, and nothing of them stays; against the fake vendor."""

import io
import json
import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets.calendars import NEW_YORK
from orion_assets.clock import SystemClock
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.terms import PLANS, Terms
from orion_assets.sources.synthetic.vendor.truth import large_market
from orion_assets_tests.accept_runs import clean_environment, deployment, undisturbed

BAR = ["ticker", "session", "open", "high", "low", "close", "volume"]


@pytest.fixture
def today():
    return SystemClock().now().astimezone(NEW_YORK).date()


@pytest.fixture
def vendor(today):
    with undisturbed(), fake_vendor(large_market(14, 60, today - timedelta(days=1))) as running:
        yield running


def asking(vendor, folder, **more):
    told = {
        "ORION_SOURCE": "polygon",
        "ORION_FILES_MAPPING": "",
        "ORION_POLYGON_BASE_URL": vendor.base_url,
        "POLYGON_API_KEY": "sk-not-to-be-seen",
        "ORION_POLYGON_PLAN": "advanced",
    }
    return deployment(folder / "own", "", start="2025-01-02", **(told | more))


def truth(vendor, tickers, first, last) -> pl.DataFrame:
    bars = vendor.truth.daily_bars.filter(
        pl.col("ticker").is_in(tickers), pl.col("session").is_between(first, last, closed="left")
    )
    return bars.select(BAR).sort("ticker", "session")


def test_csv_on_stdout_is_what_the_vendor_has_and_nothing_else(vendor, tmp_path):
    sessions = vendor.truth.sessions["session"]
    made = asking(vendor, tmp_path)

    said = made.orion("fetch", "SAAA", "SAAB", "--from", sessions[-20], "--to", sessions[-5], "--format", "csv")

    assert said.code == 0, said.err
    rows = pl.read_csv(io.StringIO(said.out), try_parse_dates=True)
    assert_frame_equal(
        rows.select(BAR), truth(vendor, ["SAAA", "SAAB"], sessions[-20], sessions[-5]), check_dtypes=False
    )
    assert [entry.route for entry in vendor.journal.entries] == ["range", "range"]
    assert "2 calls for 30 cells" in said.err
    assert "sk-not-to-be-seen" not in said.out + said.err


def test_it_stores_nothing_but_that_it_called(vendor, tmp_path):
    made = asking(vendor, tmp_path)

    made.done("fetch", "SAAA", "--format", "json")

    left = sorted(path.name for path in made.folder.iterdir() if not path.name.startswith("state.db"))
    assert left == ["mapping.toml", "settings.env"]
    assert json.loads(made.done("status", "--json"))["cells"] == []


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_file_takes_its_form_from_its_name(vendor, tmp_path, form):
    sessions = vendor.truth.sessions["session"]
    made = asking(vendor, tmp_path)
    file = tmp_path / f"bars.{form}"

    said = made.orion("fetch", "SAAA", "--from", sessions[-9], "--to", sessions[-5], "--output", file)

    assert (said.code, said.out) == (0, ""), said.err
    read = {"csv": lambda: pl.read_csv(file, try_parse_dates=True), "parquet": lambda: pl.read_parquet(file)}
    rows = (
        read[form]()
        if form in read
        else pl.DataFrame(json.loads(file.read_text())).with_columns(pl.col("session").str.to_date())
    )
    assert_frame_equal(rows.select(BAR), truth(vendor, ["SAAA"], sessions[-9], sessions[-5]), check_dtypes=False)
    assert "4 bars written to" in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"bars.{form}", "own"]


def test_a_table_is_for_people(vendor, tmp_path):
    said = asking(vendor, tmp_path).orion("fetch", "SAAA")

    assert said.code == 0, said.err
    assert said.out.splitlines()[0].split()[:2] == ["ticker", "session"]
    assert said.out.splitlines()[2].startswith("SAAA")


def test_weeks_are_whole_ones_that_are_over(vendor, tmp_path):
    sessions = vendor.truth.sessions
    made = asking(vendor, tmp_path)

    rows = json.loads(
        made.done("fetch", "SAAA", "--timeframe", "1w", "--from", sessions["session"][-22], "--format", "json")
    )

    weeks = truth(vendor, ["SAAA"], sessions["session"][0], sessions["session"][-1] + timedelta(days=1)).with_columns(
        week=pl.col("session").dt.truncate("1w")
    )
    expected = weeks.group_by("week").agg(
        pl.col("session").max(), pl.col("close").sort_by("session").last(), pl.col("volume").sum()
    )
    told = {str(row["session"]): (row["close"], row["volume"]) for row in expected.to_dicts()}
    assert len(rows) >= 3
    for row in rows:
        close, volume = told[row["session"]]
        assert (row["close"], row["volume"]) == (close, pytest.approx(volume))
    assert rows[-1]["session"] <= str(SystemClock().now().date())


def test_what_takes_more_calls_than_allowed_asks_for_nothing(vendor, tmp_path):
    said = asking(vendor, tmp_path).orion("fetch", "SAAA", "SAAB", "--max-calls", 1)

    assert (said.code, said.out) == (3, "")
    assert "it takes 2 calls, and --max-calls is 1; nothing was asked" in said.err
    assert len(vendor.journal) == 0


def test_what_the_subscription_does_not_allow_exits_3(today, tmp_path):
    with undisturbed(), fake_vendor(large_market(14, 60, today), terms=Terms(PLANS["free"])) as vendor:
        made = asking(vendor, tmp_path, ORION_POLYGON_PLAN="free")

        said = made.orion("fetch", "SAAA", "--from", "2015-01-02", "--to", "2015-01-09")

    assert (said.code, said.out) == (3, "")
    assert "outside what the subscription allows" in said.err
    assert len(vendor.journal) == 0


def test_a_ticker_without_bars_is_named(vendor, tmp_path):
    said = asking(vendor, tmp_path).orion("fetch", "SAAA", "NOPE", "--format", "csv")

    assert said.code == 0
    assert "no bars of NOPE in " in said.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--from", "2025-01-03", "--to", "2025-01-03"), "empty"),
        (("--from", "2035-01-03", "--to", "2035-01-08"), "has closed"),
        (("X:SYNUSD",), "X:SYNUSD (crypto), SAAA (equities) are of several markets"),
        (("--output", "bars"), "Name it .csv, .json or .parquet"),
        (("--output", "gone/bars.csv"), "there is no folder"),
        (("--source", "yahoo"), "--adjusted split"),
        (("--source", "yahoo", "--timeframe", "5m"), "it tells no minutes"),
        (("--source", "alpaca"), "ALPACA_API_KEY"),
    ],
)
def test_a_wrong_call_exits_2_and_asks_nothing(vendor, tmp_path, arguments, named):
    said = asking(vendor, tmp_path).orion("fetch", "SAAA", *arguments)

    assert (said.code, said.out) == (2, "")
    assert named in said.err
    assert len(vendor.journal) == 0


def test_the_budget_is_the_same_one_that_a_backfill_draws_on(vendor, tmp_path):
    made = asking(vendor, tmp_path, ORION_CALLS_PER_MINUTE="3")
    for _ in range(3):
        made.done("fetch", "SAAA", "--format", "csv")

    with closing(sqlite3.connect(made.folder / "state.db")) as state:
        ((count,),) = state.execute("SELECT count(*) FROM calls").fetchall()
    assert count == 3


def test_any_source_will_do(tmp_path):
    with undisturbed():
        made = deployment(tmp_path / "own", "", start="2024-10-01", ORION_SOURCE="synthetic", ORION_FILES_MAPPING="")

        rows = json.loads(made.done("fetch", "AURA", "--from", "2024-11-01", "--to", "2024-11-08", "--format", "json"))

    assert [row["session"] for row in rows] == [f"2024-11-0{day}" for day in (1, 4, 5, 6, 7)]


def test_minutes_of_files_become_bars_of_any_length(tmp_path):
    stamps = [f"2014-06-16T{hour:02d}:{minute:02d}:00" for hour in (9, 10) for minute in range(60)]
    lines = [f"ACME,{at},{100 + n},{101 + n},{99 + n},{100.5 + n},10" for n, at in enumerate(stamps)]
    (tmp_path / "minutes.csv").write_text("\n".join(["ticker,at,open,high,low,close,volume", *lines]))
    mapping = (
        '[[minute_bars]]\nfiles = ["minutes.csv"]\nprice_basis = "as_traded"\nbar_label = "start"\n'
        'date_format = "%Y-%m-%dT%H:%M:%S"\nzone = "America/New_York"\n'
        'columns = { ticker = "ticker", stamp = "at", open = "open", high = "high", low = "low", close = "close", '
        'volume = "volume" }\n'
    )
    with undisturbed():
        made = deployment(tmp_path / "own", mapping, root=tmp_path, start="2014-06-16")

        rows = json.loads(
            made.done(
                *("fetch", "ACME", "--timeframe", "30m", "--from", "2014-06-16", "--to", "2014-06-17"),
                *("--format", "json"),
            )
        )

    # 09:30, 10:00 and 10:30 New York; before them half an hour before the open
    assert [row["ts_open"] for row in rows] == [f"2014-06-16T{at}:00Z" for at in ("13:00", "13:30", "14:00", "14:30")]
    assert [(row["open"], row["close"], row["volume"]) for row in rows] == [
        (100.0 + 30 * n, 129.5 + 30 * n, 300.0) for n in range(4)
    ]


def test_minutes_of_a_vendor_need_no_setting(vendor, tmp_path):
    day = vendor.truth.sessions["session"][-2]
    made = asking(vendor, tmp_path)

    said = made.orion(
        "fetch", "SAAA", "--timeframe", "5m", "--from", day, "--to", day + timedelta(days=1), "--format", "json"
    )

    assert said.code == 0, said.err
    bars = pl.DataFrame(json.loads(said.out))
    of_day = vendor.truth.minute_bars("SAAA", day, day + timedelta(days=1))
    assert (bars["high"].max(), bars["low"].min()) == (of_day["high"].max(), of_day["low"].min())
    assert bars["volume"].sum() == pytest.approx(of_day["volume"].sum())


def test_on_a_terminal_it_shows_what_is_under_way_and_stdout_stays_clean(vendor, tmp_path):
    vendor.faults.add("late", "range", seconds=0.5)
    made = asking(vendor, tmp_path, ORION_MAX_IN_FLIGHT="2")
    ours, theirs = pty.openpty()
    command = [Path(sys.executable).with_name("orion"), "--env-file", made.env, "fetch", "SAAA", "SAAB", "SAAC"]
    environment = {**clean_environment(), "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        [*command, "--format", "csv"], env=environment, stdout=subprocess.PIPE, stderr=theirs, text=True
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):
        # A terminal whose other end was closed answers with an error, not with an end of file
        while chunk := os.read(ours, 65536):
            shown += chunk
    os.close(ours)
    out, _ = process.communicate(timeout=60)

    assert process.returncode == 0, shown.decode()
    assert out.splitlines()[0].startswith("ticker,session,")
    assert b"2 asked: SAAA [" in shown
    assert b"of 3 calls" in shown
    assert b"\x1b" not in out.encode()
