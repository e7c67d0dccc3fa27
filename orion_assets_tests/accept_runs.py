"""Orion as a user runs it: settings in a file, commands through `orion`'s own main, everything in one folder."""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from orion_assets.calendars import NEW_YORK
from orion_assets.cli.app import main
from orion_assets.clock import SystemClock
from orion_assets.schemas import TABLES
from orion_assets.sources.synthetic.market import Market
from orion_assets.sources.synthetic.vendor.server import FakeVendor
from orion_assets.sources.synthetic.vendor.truth import large_market
from orion_assets.store.lake import Lake
from orion_assets.store.opening import open_store

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("EXAMPLE_DATA", ROOT.parent / "shared" / "data")).resolve()
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no example data at {DATA}; set EXAMPLE_DATA")
MAPPING_2014 = ROOT / "examples" / "real_2014" / "mapping.toml"
SHORT = ("2014-05-27", "2014-06-24")
YEAR = ("2014-01-02", "2015-01-01")
LATE_SPLIT = """
[[splits]]
rows = [{ ticker = "AAPL", ex_date = 2014-06-09, shares_after = 7, shares_before = 1, \
ts_known = 2014-06-12T09:00:00-04:00 }]
"""
_SPLIT_LINE = 'splits = { column = "split_ratio" }'


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def complaints(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("orion:")]


@dataclass(frozen=True)
class Deployment:
    """A folder with its settings, lake, store and state."""

    folder: Path

    @property
    def env(self) -> Path:
        return self.folder / "settings.env"

    @property
    def settings(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.env.read_text().splitlines())

    @property
    def lake(self) -> Lake:
        return Lake(str(self.folder / "lake"))

    def orion(self, *arguments: object) -> Said:
        """Run one command in this process, as the console script does."""
        out, err = io.StringIO(), io.StringIO()
        before = sys.argv
        sys.argv = ["orion", "--env-file", str(self.env), *map(str, arguments)]
        code: object = 0
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
                # Dagster warns of its own calls; a user's process shows warnings, it does not raise them
                warnings.simplefilter("ignore")
                main()
        except SystemExit as e:
            code = e.code or 0
        finally:
            sys.argv = before
        return Said(int(str(code)), out.getvalue(), err.getvalue())

    def done(self, *arguments: object) -> str:
        """Run one command that must succeed."""
        said = self.orion(*arguments)
        assert said.code == 0, f"orion {arguments}: {said.err}"
        return said.out

    def backfill(self, start: object, end: object, *more: object) -> dict:
        return json.loads(self.done("backfill", "--from", start, "--to", end, *more, "--json"))

    def features(self, *arguments: object) -> str:
        return self.done("features", *arguments, "--json")

    def content_hash(self) -> str:
        return json.loads(self.done("store", "hash", "--json"))["content_hash"]

    def hashes(self) -> dict[str, str]:
        return json.loads(self.done("store", "hash", "--json"))["tables"]

    def table(self, name: str, *, versions: bool = False) -> pl.DataFrame:
        with open_store(str(self.folder / "store.duckdb")) as store:
            return store.table(name, versions=versions)

    def of_lake(self, name: str) -> pl.DataFrame:
        return self.lake.read(TABLES[name])

    def start(self, *arguments: object) -> subprocess.Popen[bytes]:
        """Start one command in a process of its own, to be killed."""
        command = [Path(sys.executable).with_name("orion"), "--env-file", self.env, *map(str, arguments)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment())

    def copy(self, folder: Path) -> "Deployment":
        """Give the same data in another folder."""
        shutil.copytree(self.folder, folder)
        other = Deployment(folder)
        other.env.write_text(other.env.read_text().replace(str(self.folder), str(folder)))
        return other


def deployment(folder: Path, mapping: Path | str, *, root: Path | None = None, start: str, **more: str) -> Deployment:
    """Write the settings of a deployment into a new folder; a mapping given as text is written beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(mapping, str):
        (folder / "mapping.toml").write_text(mapping)
        mapping = folder / "mapping.toml"
    settings = {
        "ORION_SOURCE": "files",
        "ORION_FILES_MAPPING": str(mapping),
        "ORION_FILES_ROOT": str(root or ""),
        "ORION_START": start,
        "ORION_LAKE_URL": str(folder / "lake"),
        "ORION_ARCHIVE_URL": str(folder / "archive"),
        "ORION_STORE_URL": f"duckdb:///{folder / 'store.duckdb'}",
        "ORION_STATE_URL": f"sqlite:///{folder / 'state.db'}",
        "ORION_FEATURES_URL": str(folder / "features"),
        "ORION_REPORT_FOLDER": str(folder / "quality"),
        # Runs are forgotten, whatever stands where the tests are run
        "DAGSTER_HOME": "",
        **more,
    }
    made = Deployment(folder)
    made.env.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return made


def mapping_2014(*, split: str = "stated", news: bool = True) -> str:
    """Give the example's mapping with its split stated, withheld, or learned on 2014-06-12 at 09:00 New York."""
    text = MAPPING_2014.read_text()
    assert _SPLIT_LINE in text
    if split != "stated":
        text = "\n".join(line for line in text.splitlines() if not line.startswith(_SPLIT_LINE)) + "\n"
    if not news:
        text = text.partition("[[news]]")[0]
    return text + (LATE_SPLIT if split == "late" else "")


def late_2014(folder: Path, span: tuple[str, str], june: Path) -> Deployment:
    """Give a deployment for a span of 2014 in which the split is learned late; the short span reads the short files."""
    return deployment(folder, mapping_2014(split="late"), root=june if span == SHORT else DATA, start=span[0])


def figure(text: str) -> None:
    """Say a measured figure; `pytest -s` shows it."""
    sys.stdout.write(f"  {text}\n")


def clean_environment() -> dict[str, str]:
    """Give this process's environment less what would reach into a deployment."""
    return {
        name: value for name, value in os.environ.items() if name != "DAGSTER_HOME" and not name.startswith("ORION_")
    }


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Hide the settings of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - set(clean_environment()):
            patch.delenv(name)
        yield


def recent_market(tickers: int, sessions: int) -> Market:
    """Give a market of a vendor that ends with yesterday: what is due for another look goes by the clock of today."""
    return large_market(tickers, sessions, SystemClock().now().astimezone(NEW_YORK).date() - timedelta(days=1))


def on_vendor(folder: Path, vendor: FakeVendor, tickers: Iterable[str], start: object, **more: str) -> Deployment:
    """Give a deployment that asks a fake vendor, as fast as it answers, and keeps all that it makes in one folder."""
    own = {
        "ORION_SOURCE": "polygon",
        "ORION_FILES_MAPPING": "",
        "ORION_TICKERS": ",".join(tickers),
        "ORION_POLYGON_BASE_URL": vendor.base_url,
        "POLYGON_API_KEY": "a-key",
        "ORION_POLYGON_PLAN": "advanced",
        "ORION_CALLS_PER_MINUTE": "unlimited",
    }
    return deployment(folder, "", start=str(start), **(own | more))


def synthetic(folder: Path, tickers: tuple[str, ...]) -> Deployment:
    """Give a deployment on three months of the synthetic market."""
    more = {"ORION_SOURCE": "synthetic", "ORION_TICKERS": ",".join(tickers), "ORION_FILES_MAPPING": ""}
    return deployment(folder, "", start="2024-10-01", **more)
