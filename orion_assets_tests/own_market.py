"""A tiny market of files, as a user would bring it: three tickers, 25 sessions of 2014, and everything that bites.

ACME splits 2:1 on 2014-07-07. BOLT pays a dividend on 2014-07-09 and holds one bad row (a negative close) and one
contradiction (a high below its close). CROW is listed, but not followed at first. 2014-07-03 is a half-day. VIX has a
row of the closed 4 July and one contradiction. Articles fall on a Friday evening, a weekend, a holiday and after the
close cut-off of the half-day.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from orion_assets import calendars
from orion_assets.cli.app import main
from orion_assets.definitions import build_definitions
from orion_assets.defs.event_log import forgetful_instance
from orion_assets.settings import Settings
from orion_assets.store.lake import Lake
from orion_assets.tables import Table

START, LAST, END = date(2014, 6, 16), date(2014, 7, 21), date(2014, 7, 22)
SPLIT, DIVIDEND = date(2014, 7, 7), date(2014, 7, 9)
BAD_ROW, CONTRADICTION, VIX_CONTRADICTION = date(2014, 6, 25), date(2014, 7, 1), date(2014, 6, 18)
FOLLOWED = ("ACME", "BOLT")
LISTED = ("ACME", "BOLT", "CROW")

MAPPING = """
[[daily_bars]]
files = ["bars.csv"]
price_basis = "as_traded"
columns = { ticker = "ticker", session = "date", open = "open", high = "high", low = "low", close = "close", \
volume = "volume" }

[[splits]]
rows = [{ ticker = "ACME", ex_date = 2014-07-07, shares_after = 2, shares_before = 1 }]

[[dividends]]
rows = [{ ticker = "BOLT", ex_date = 2014-07-09, cash_amount = 0.5 }]

[[vix]]
files = ["vix.csv"]
columns = { date = "date", open = "open", high = "high", low = "low", close = "close" }

[[news]]
files = ["news.csv"]
tickers_separator = "|"
columns = { article_id = "id", published = "at", tickers = "of", title = "text" }
"""

NEWS = """id,at,of,text
n1,2014-06-17T13:00:00Z,ACME,ACME wins a great contract
n2,2014-06-20T21:30:00Z,ACME|BOLT,Friday evening: a terrible accident at BOLT
n3,2014-06-21T12:00:00Z,BOLT,Weekend: BOLT recovers well
n4,2014-07-03T17:20:00Z,ACME,Half-day: ACME disappoints badly
n5,2014-07-04T14:00:00Z,ACME,Holiday: ACME celebrates
n6,2014-07-14T13:20:00Z,CROW,CROW is happy
n7,2014-07-15T20:14:00Z,BOLT,BOLT fails to impress
n8,2014-07-21T12:00:00Z,ACME,ACME opens its last week
"""


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class OwnMarket:
    """The files of the market and where Orion keeps what it makes of them."""

    folder: Path

    def settings(self, **more: Any) -> Settings:
        """Give settings that name every place, so that nothing of the machine's own environment shows."""
        data = self.folder / "data"
        values = {
            "source": "files",
            "files_mapping": (self.folder / "mapping.toml",),
            "files_root": None,
            "tickers": FOLLOWED,
            "start": START,
            "lake_url": str(data / "lake"),
            "archive_url": str(data / "archive"),
            "features_url": str(data / "features"),
            "report_folder": data / "quality",
            "store_url": f"duckdb:///{data / 'store.duckdb'}",
            "state_url": f"sqlite:///{data / 'state.db'}",
            "dagster_home": None,
        }
        return Settings(**{**values, **more})

    def env_file(self, name: str = "orion.env", **more: str) -> Path:
        """Write the same settings as a file; a value in `more` replaces or adds NAME=value."""
        found = self.settings()
        lines = {
            "ORION_SOURCE": "files",
            "ORION_FILES_MAPPING": str(self.folder / "mapping.toml"),
            "ORION_TICKERS": ",".join(FOLLOWED),
            "ORION_START": START.isoformat(),
            "ORION_LAKE_URL": found.lake_url,
            "ORION_ARCHIVE_URL": found.archive_url,
            "ORION_STORE_URL": found.store_url,
            "ORION_STATE_URL": found.state_url,
            "ORION_FEATURES_URL": found.features_url,
            "ORION_REPORT_FOLDER": str(found.report_folder),
        } | more
        path = self.folder / name
        path.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        return path

    def materialize(
        self,
        first: date | None = None,
        last: date | None = None,
        *,
        job: str = "daily",
        assets: Sequence[str] = (),
        overrides: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> dg.ExecuteInProcessResult:
        """Run a job over the sessions from first to last, both included, as the UI would; nothing of it is kept."""
        definitions = build_definitions(self.settings(**more), overrides=overrides)
        span = {
            "dagster/asset_partition_range_start": (first or START).isoformat(),
            "dagster/asset_partition_range_end": (last or LAST).isoformat(),
        }
        with forgetful_instance() as instance:
            return definitions.resolve_job_def(job).execute_in_process(
                instance=instance,
                raise_on_error=False,
                tags=span if job == "daily" else {},
                asset_selection=[dg.AssetKey(name) for name in assets] or None,
            )

    def read(self, table: Table) -> pl.DataFrame:
        """Read a table of the lake."""
        return self.lake.read(table)

    @property
    def lake(self) -> Lake:
        """The market's lake."""
        return Lake(self.settings().lake_url)

    def orion(self, *arguments: object, **more: str) -> Said:
        """Run a command in this process, with the market's settings."""
        return orion("--env-file", self.env_file(**more), *arguments)

    def run(self, *arguments: object, **more: str) -> Said:
        """Run a command in a process of its own, as a user would."""
        return run("--env-file", self.env_file(**more), *arguments, cwd=self.folder)


def write(folder: Path) -> OwnMarket:
    """Write the market's files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    days = calendars.sessions(START, END)["session"].to_list()
    (folder / "mapping.toml").write_text(MAPPING)
    (folder / "news.csv").write_text(NEWS)
    bars = ["ticker,date,open,high,low,close,volume"]
    bars += [row for at, ticker in enumerate(LISTED) for row in _bars(ticker, at, days)]
    (folder / "bars.csv").write_text("\n".join(bars) + "\n")
    (folder / "vix.csv").write_text("\n".join(["date,open,high,low,close", *_vix(days)]) + "\n")
    return OwnMarket(folder)


def orion(*arguments: object) -> Said:
    """Run a command in this process."""
    out, err = StringIO(), StringIO()
    code = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as left:
            code = int(left.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


def run(*arguments: object, cwd: Path, stdin: str = "") -> Said:
    """Run a command in a process of its own, away from the settings of this one; stdout and stderr are pipes."""
    done = subprocess.run(
        [Path(sys.executable).parent / "orion", *(str(argument) for argument in arguments)],
        cwd=cwd,
        env=bare_environment(),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def bare_environment(**more: str) -> dict[str, str]:
    """Give this process's environment without what steers Orion or Dagster, and with the repository on the path."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ORION_", "DAGSTER_", "AWS_", "COV_", "PYTEST"))}
    return kept | {"PYTHONPATH": str(Path(__file__).parents[1])} | more


def _bars(ticker: str, at: int, days: list[date]) -> list[str]:
    rows = []
    before = 64.0 + 16 * at
    for n, day in enumerate(days):
        after = before + ((n * 7 + at * 3) % 11 - 5) / 4
        share = 0.5 if ticker == "ACME" and day >= SPLIT else 1.0
        low, high = min(before, after) - 0.5, max(before, after) + 0.5
        prices = [before * share, high * share, low * share, after * share]
        if ticker == "BOLT" and day == BAD_ROW:
            prices[3] = -prices[3]
        if ticker == "BOLT" and day == CONTRADICTION:
            prices[1] = prices[3] - 0.25
        rows.append(f"{ticker},{day},{','.join(str(price) for price in prices)},{int((1000 + 100 * n) / share)}")
        before = after
    return rows


def _vix(days: list[date]) -> list[str]:
    rows = []
    for n, day in enumerate(sorted([*days, date(2014, 7, 4)])):
        close = 11 + (n * 5 % 7) / 4
        top = close - 0.25 if day == VIX_CONTRADICTION else close + 0.5
        rows.append(f"{day},{close + 0.25},{top},{close - 0.5},{close}")
    return rows
