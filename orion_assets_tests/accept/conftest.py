import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from filelock import FileLock

from orion_assets_tests.accept_runs import DATA, MAPPING_2014, Deployment, deployment, late_2014, undisturbed

TWEETS = "news/stocknet_tweets"


@pytest.fixture(autouse=True, scope="session")
def _undisturbed():
    with undisturbed():
        yield


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Make a folder once for all of pytest's workers."""
    shared = tmp_path_factory.getbasetemp()
    if shared.name.startswith("popen-gw"):
        shared = shared.parent

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        folder = shared / f"orion-{name}"
        with FileLock(shared / f"orion-{name}.lock"):
            if not (folder / "done").exists():
                folder.mkdir()
                fill(folder)
                (folder / "done").touch()
        return folder

    return make


@pytest.fixture(scope="session")
def real_2014(once) -> Deployment:
    """The year 2014 of the example; read only."""

    def fill(folder: Path) -> None:
        made = deployment(folder, MAPPING_2014, root=DATA, start="2014-01-02")
        outcome = made.backfill("2014-01-02", "2015-01-01")
        (folder / "outcome.json").write_text(json.dumps(outcome))

    return Deployment(once("real_2014", fill))


@pytest.fixture(scope="session")
def june(once) -> Path:
    """The example's files with the texts of 20 sessions around the split only, for builds that must be quick."""

    def fill(folder: Path) -> None:
        for name in ("daily", "vix"):
            (folder / name).symlink_to(DATA / name)
        (folder / TWEETS).mkdir(parents=True)
        first, last = datetime(2014, 5, 24, tzinfo=UTC), datetime(2014, 6, 26, tzinfo=UTC)
        for ticker in ("AAPL", "MSFT"):
            with gzip.open(DATA / TWEETS / f"{ticker}.jsonl.gz", "rt") as lines:
                kept = [line for line in lines if first <= _published(json.loads(line)) < last]
            with gzip.open(folder / TWEETS / f"{ticker}.jsonl.gz", "wt") as out:
                out.writelines(kept)

    return once("june", fill)


@pytest.fixture(scope="session")
def whole(once, june) -> Callable[[tuple[str, str]], Deployment]:
    """Give a range made in one go, with the split that is learned late, for each span once; read only."""

    def make(span: tuple[str, str]) -> Deployment:
        return Deployment(once(f"whole-{span[0]}", lambda folder: late_2014(folder, span, june).backfill(*span)))

    return make


def _published(row: dict) -> datetime:
    return datetime.strptime(row["created_at"], "%a %b %d %H:%M:%S %z %Y")
