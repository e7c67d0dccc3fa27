"""`orion demo`: the whole of Orion on the synthetic market, in a folder of its own, with a look at what came of it."""

import re
import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import polars as pl
import typer

from orion_assets import calendars
from orion_assets.cli import showing
from orion_assets.cli.context import DEMO_SETTINGS, Call
from orion_assets.cli.filling import fill
from orion_assets.cli.history import write
from orion_assets.cli.home import make_home
from orion_assets.cli.launch import Launch, Outcome
from orion_assets.cli.output import OUT, Exit, called, frame, refuse
from orion_assets.quality.leaks import Scope, leaks, probes, visible_at
from orion_assets.schemas import FEATURE_MATRIX
from orion_assets.settings import SYNTHETIC, Settings, fixed
from orion_assets.sources.synthetic.source import SyntheticSource
from orion_assets.store.lake import Lake
from orion_assets.store.opening import open_store
from orion_assets.store.protocols import FeatureReader
from orion_assets.store.raw import raw_of
from orion_assets.transforms.pipeline import derive

SESSIONS: Final = 120
FOLDER: Final = DEMO_SETTINGS.parent
SETTINGS_FILE: Final = DEMO_SETTINGS.name
_OWN: Final = re.compile(
    r"lake|archive|features|quality|\.?quality\.html(\..*\.part)?|dagster|orion\.env|\.?(store\.duckdb|state\.db)([.-].*)?"
)
_CORRECTED: Final = ("DUNE", date(2024, 11, 12))
_MARK: Final = "# Written by `orion demo`, which empties this folder each time"

Folder = Annotated[
    Path, typer.Option("--folder", metavar="DIR", help="Where to build it; what a demo left there goes first.")
]


def demo(folder: Folder = FOLDER) -> None:
    """Build the whole graph on 120 sessions of a synthetic market and show what came of it; no key, no settings.

    Nothing of it is real. It reads none of your settings, and all it writes lies in its folder.
    """
    source = SyntheticSource()
    days = source.market.sessions["session"].tail(SESSIONS).to_list()
    settings = _prepared(folder.resolve(), days[0])
    OUT.print(
        f"The market of this demo is synthetic: nothing of it is real. {SESSIONS} sessions, {days[0]} to {days[-1]},"
        f" into {folder}\n"
    )
    call = Call(fixed=settings)
    outcome = fill(call, settings, Launch("daily", days[0], days[-1] + timedelta(days=1)), show=True)
    written = write(settings, source.listed_tickers(), show=True) if outcome.is_done else outcome
    if not written.is_done:
        refuse(f"demo: {written.failure}", Exit.FAILED)
    showing.layers(settings)
    with open_store(settings.store_url) as store:
        _features(store)
        _correction(store)
        is_caught = _leak(call.lake(), days)
        is_complete = _planted(source.planted(), outcome, days)
        OUT.print(f"content hash {store.content_hash()}; build it anywhere again and compare\n")
    if not (is_caught and is_complete):
        refuse(
            "demo: what was planted was not found, or something else was accused; this is a fault of Orion", Exit.FAILED
        )
    showing.page(settings)
    _next(folder)


def _prepared(folder: Path, start: date) -> Settings:
    """Empty the demo's part of a folder and give the settings that point into it, also as a file."""
    _clear(folder)
    told: Mapping[str, Any] = {
        "source": SYNTHETIC,
        "start": start,
        "lake_url": str(folder / "lake"),
        "archive_url": str(folder / "archive"),
        "features_url": str(folder / "features"),
        "report_folder": str(folder / "quality"),
        "store_url": f"duckdb:///{folder / 'store.duckdb'}",
        "state_url": f"sqlite:///{folder / 'state.db'}",
    }
    home = folder / "dagster"
    named = {f"ORION_{name.upper()}": value for name, value in told.items()} | {"DAGSTER_HOME": home}
    lines = [f'{name}="{value}"' for name, value in named.items()]
    # First of all: it says whose folder this is
    (folder / SETTINGS_FILE).write_text("\n".join([_MARK, *lines]) + "\n")
    make_home(home)
    return fixed(**told, dagster_home=home)


def _clear(folder: Path) -> None:
    """Empty a folder that an earlier demo made; refuse one that holds anything else."""
    if found := set(str(folder)) & set('"$`\\\n'):
        refuse(
            f"demo: the path {folder} holds {min(found)}, which settings files and shells read in ways of their own;"
            " name another folder with --folder"
        )
    if folder.exists() and not folder.is_dir():
        refuse(f"demo: {folder} is a file; name a folder with --folder")
    folder.mkdir(parents=True, exist_ok=True)
    # The settings say whose folder it is, so they go last
    left = sorted(folder.iterdir(), key=lambda each: (each.name == SETTINGS_FILE, each.name))
    settings = folder / SETTINGS_FILE
    is_ours = settings.is_file() and settings.read_text().startswith(_MARK)
    strangers = [each.name for each in left if not (is_ours and _OWN.fullmatch(each.name))]
    if strangers:
        refuse(f"demo: {folder} holds {strangers[0]}, which no demo made; name an empty folder with --folder")
    for each in left:
        shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()


def _features(store: FeatureReader) -> None:
    day = date(2024, 11, 13)
    columns = ["close", "sma_20", "rsi_14", "news_count", "sentiment", "vix_close"]
    rows = store.features(["AURA", "DUNE", "LYNX"], start=day, end=day + timedelta(days=1), columns=columns, as_of=day)
    frame(rows.drop("cutoff"), as_json=False, title=f"feature_matrix at the close of {day}, as it was known that day")


def _correction(store: FeatureReader) -> None:
    ticker, day = _CORRECTED
    rows = store.table(FEATURE_MATRIX.name, tickers=ticker, start=day, end=day + timedelta(days=1), versions=True)
    at_close = rows.filter(pl.col("cutoff") == "close")
    shown = at_close.select("ticker", "session", "cutoff", "close", "rsi_14", "ts_known", "known_until")
    frame(shown, as_json=False, title="One row before and after a correction: both stay, each says when it was known")


def _leak(lake: Lake, days: list[date]) -> bool:
    """Plant a centred window into a feature of one ticker and say whether the gate found it, and it alone."""
    scope = Scope([_CORRECTED[0]], days[0], days[-1] + timedelta(days=1))
    raw = raw_of(lake, scope.tickers)
    calendar = calendars.sessions()
    cheated = _centred(raw, calendar, scope.start, scope.end)[FEATURE_MATRIX.name]

    def stored(instant: datetime) -> pl.DataFrame:
        return visible_at(cheated.filter(pl.col("ticker") == _CORRECTED[0]), instant)

    when = [instant.astimezone(UTC) for instant in probes(raw, calendar, scope, 3)]
    found = leaks(raw, stored, calendar, when, scope, _centred)
    is_caught = set(found["feature"]) == {"sma_20"}
    verdict = "caught by the search that gates every publication" if is_caught else "NOT CAUGHT"
    frame(found, as_json=False, title=f"A planted leak, sma_20 with a centred window: {verdict}")
    return is_caught


def _centred(
    raw: Mapping[str, pl.DataFrame], calendar: pl.DataFrame, start: date, end: date
) -> Mapping[str, pl.DataFrame]:
    made = derive(raw, calendar, start, end)
    rows = made[FEATURE_MATRIX.name].sort(*FEATURE_MATRIX.key, "ts_known")
    window = pl.col("close").rolling_mean(20, center=True).over("ticker", "cutoff")
    return {**made, FEATURE_MATRIX.name: rows.with_columns(sma_20=window)}


def _planted(planted: pl.DataFrame, outcome: Outcome, days: list[date]) -> bool:
    """Hold what the checks found against what was planted in these sessions; say whether it is all of it, and alone."""
    due = planted.filter(pl.col("session").is_null() | pl.col("session").is_between(days[0], days[-1]))
    accused = {
        (found.asset, found.check, row.get("ticker"), row.get("session"))
        for found in outcome.findings
        for row in found.accused
    }
    listed = due.select("kind", "asset", "check", "ticker", pl.col("session").cast(pl.String)).rows()
    missed = [row for row in listed if row[1:] not in accused]
    others = accused - {row[1:] for row in listed}
    check = pl.concat_str("asset", pl.lit("."), "check").unique(maintain_order=True)
    kinds = due.group_by("kind", maintain_order=True).agg(check.alias("found by"), pl.len().alias("times"))
    title = (
        f"Planted faults: {len(listed) - len(missed)} of {len(listed)} accusations made, {len(others)} of anything else"
    )
    frame(kinds.rename({"kind": "planted"}), as_json=False, title=title)
    for told, rows in (("not found", missed), ("accused and not planted", sorted(others, key=str))):
        for row in rows:
            OUT.print(f"  {told}: {' '.join(str(part) for part in row if part)}")
    return not missed and not others


def _next(folder: Path) -> None:
    env = folder / SETTINGS_FILE
    OUT.print(f"next: {called()} --env-file {env} features AURA --as-of 2024-11-13")
    OUT.print(f"      {called()} --env-file {env} dev")
    OUT.print("      which opens Dagster's UI on what was built;")
    OUT.print("      make real, the same on real prices; your own files: ORION_FILES_MAPPING, as")
    OUT.print("      docs/reference/files-mapping.md says")
