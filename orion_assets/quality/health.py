"""Is this deployment fit: what is set, reachable, writable, how full and how fresh, and what to do about each finding.

Examinations fetch and derive nothing; what a deployment can be at fault for is a finding, not an error.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final, Literal
from uuid import uuid4

import polars as pl
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from orion_assets import calendars
from orion_assets.errors import OrionError
from orion_assets.ingest.freshness import awaiting, published
from orion_assets.ingest.ledger import PUBLISHED
from orion_assets.ingest.missing import holes, lost
from orion_assets.quality.quarantine import still_held
from orion_assets.schemas import FEATURE_MARKET, QUARANTINE, RAW_TICKERS
from orion_assets.settings import SYNTHETIC, Settings
from orion_assets.sources.protocols import Listing, Source, last_session_of
from orion_assets.store.lake import Lake
from orion_assets.store.opening import open_store
from orion_assets.store.state import STATES, State

Level = Literal["ok", "look", "fault"]
_LITTLE_SPACE: Final = 2 * 1024**3
_OLD_REFERENCE: Final = timedelta(days=14)


@dataclass(frozen=True)
class Finding:
    """What was found of one subject.

    Attributes:
        subject: What was looked at.
        level: `ok`, `look` (something to do, no harm yet) or `fault` (something cannot work).
        found: What was found.
        remedy: What to do; empty where nothing is.
    """

    subject: str
    level: Level
    found: str
    remedy: str = ""


def of_requirements(wanted: Iterable[str], found: Mapping[str, str]) -> Iterator[Finding]:
    """Tell of packages that are absent, or of a version that the code was not made for.

    Args:
        wanted: Requirements as a distribution states them; those of extras are left out.
        found: Versions of what is installed, by canonical name.
    """
    for each in map(Requirement, wanted):
        if each.marker and not each.marker.evaluate({"extra": ""}):
            continue
        version = found.get(canonicalize_name(each.name))
        if version is None or not each.specifier.contains(version, prereleases=True):
            told = f"{each.name} {version or 'is absent'}; wanted is {each.name}{each.specifier}"
            yield Finding("installation", "fault", told, "install what requirements.lock names; each make target does")


def of_names(unread: Mapping[str, str]) -> Iterator[Finding]:
    """Tell of names in the environment or `.env` that no setting has."""
    for name, near in unread.items():
        remedy = f"did you mean {near}?" if near else "leave it out"
        yield Finding("settings", "look", f"{name} is set and nothing reads it", remedy)


def of_source(settings: Settings, source: Source) -> Iterator[Finding]:
    """Tell what a source supplies, and how far; what it cannot read it raises."""
    bars = last_session_of(source, "raw_daily_bars")
    is_listing = isinstance(source, Listing)
    tickers = source.listed_tickers() if is_listing else settings.tickers
    missing = sorted({"raw_daily_bars", "raw_vix", "raw_news", "raw_splits", "raw_dividends"} - source.datasets)
    told = f"{source.name}, tickers: {len(tickers)}" + (f", bars up to {bars}" if bars else "")
    if settings.source == SYNTHETIC:
        remedy = "for real data: ORION_FILES_MAPPING=mapping.toml, as docs/reference/files-mapping.md says"
        yield Finding("source", "look", f"{told}; nothing of it is real", remedy)
    elif tickers:
        yield Finding("source", "ok", told)
    elif is_listing:
        yield Finding("source", "fault", told, "it has no bars: check its files")
    else:
        yield Finding("source", "look", told, "set ORION_TICKERS=AAPL,MSFT, or: orion tickers add AAPL")
    if missing:
        remedy = "their features are null; " + ("map files" if source.is_local else "another source may have them")
        yield Finding("source", "look", f"it does not supply {', '.join(missing)}", remedy)
    unknown = sorted(set(settings.equities) - set(tickers))
    if tickers and unknown:
        yield Finding("source", "look", f"it has no bars of {', '.join(unknown)}", "correct ORION_TICKERS")


def of_places(settings: Settings, s3: Callable[[], Any], little: int = _LITTLE_SPACE) -> Iterator[Finding]:
    """Write to every place that holds data, and take it back; of a database the folder of its file.

    Args:
        settings: Which name the places.
        s3: Gives a client of the object store; called where a place is a bucket.
        little: Free bytes below which a folder is told to be short of space.
    """
    urls = {
        "ORION_LAKE_URL": settings.lake_url,
        "ORION_ARCHIVE_URL": settings.archive_url,
        "ORION_FEATURES_URL": settings.features_url,
        "ORION_REPORT_FOLDER": str(settings.report_folder),
        "ORION_STORE_URL": settings.store_url,
        "ORION_STATE_URL": settings.state_url,
    }
    for name, url in urls.items():
        if url.startswith("s3://"):
            yield _of_bucket(name, url, s3)
        elif not url.startswith("postgres"):
            path = Path(url.partition(":///")[2] or url)
            yield _of_folder(name, path.parent if "_STORE_" in name or "_STATE_" in name else path, little)


def _of_folder(name: str, folder: Path, little: int) -> Finding:
    there = folder.absolute()
    try:
        while not there.exists():
            there = there.parent
        if not there.is_dir():
            return Finding(name, "fault", f"{there} is a file", "name a folder")
        with TemporaryFile(dir=there) as probe:
            probe.write(b"orion")
    except OSError as e:
        told = f"{there} cannot be written: {e.strerror or e}"
        return Finding(name, "fault", told, f"chown or chmod it, or set {name} elsewhere")
    free = shutil.disk_usage(there).free
    told = f"{folder}{'' if folder.exists() else ' (made on first use)'}, {free / 1024**3:,.1f} GiB free"
    if free < little:
        return Finding(name, "look", told, f"make room, or set {name} elsewhere")
    return Finding(name, "ok", told)


def _of_bucket(name: str, url: str, s3: Callable[[], Any]) -> Finding:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    key = f"{prefix.rstrip('/')}/.orion-doctor-{uuid4().hex}".lstrip("/")
    try:
        client = s3()
        client.put_object(Bucket=bucket, Key=key, Body=b"orion")
        client.delete_object(Bucket=bucket, Key=key)
    # boto3 raises what its data files describe, and the network's errors besides
    except Exception as e:  # noqa: BLE001
        said = " ".join(str(e).split())
        remedy = "check the bucket, ORION_S3_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION"
        return Finding(name, "fault", f"{url} cannot be written: {said}", remedy)
    return Finding(name, "ok", f"{url}, written and taken back")


def of_state(state: State, now: datetime, reach: date | None) -> Iterator[Finding]:
    """Tell how far the ledger says that things are filled, derived and published.

    Args:
        state: The state database.
        now: The time, UTC.
        reach: Last session that the source has anything to say of; None where it goes on.
    """
    try:
        asked = state.count_sessions(STATES)
        followed = state.universe()
        fresh, stale = published(state)["session"], awaiting(state).filter("is_answered")["session"]
        left = lost(state, now)
    except OrionError as e:
        yield Finding("state", "fault", str(e), "check ORION_STATE_URL")
        return
    if asked.is_empty():
        yield Finding("ledger", "look", "nothing was asked for yet", "orion backfill")
        return
    yield Finding("ledger", "ok", f"tickers followed: {len(followed)}, sessions published: {fresh.len()}")
    if left:
        yield Finding(
            "ledger", "look", f"{len(left)} sessions failed or were stepped over, first {left[0]}", "orion update"
        )
    if stale.len():
        yield Finding("ledger", "look", f"{stale.len()} sessions await derivation, first {stale[0]}", "orion update")
    first = asked.filter(pl.col("dataset") != PUBLISHED)["session"].min()
    closed = calendars.sessions().filter(pl.col("ts_close_cutoff") <= now)["session"]
    if fresh.is_empty() or first is None:
        yield Finding("freshness", "look", "nothing is published", "orion update")
        return
    behind = closed.filter(closed.is_between(fresh[-1], reach or closed[-1], closed="right")).len()
    wanting = holes(state, "raw_daily_bars", len(followed), (fresh[0], fresh[-1] + timedelta(days=1)))
    is_end = reach is not None and reach <= fresh[-1]
    told = f"published up to {fresh[-1]}, " + ("where the source ends" if is_end else f"{behind} sessions to go")
    yield Finding("freshness", "look" if behind else "ok", told, "orion update" if behind else "")
    if wanting:
        more = f"bars of some followed ticker are not answered in {len(wanting)} sessions, first {wanting[0]}"
        yield Finding("ledger", "look", more, "orion update; orion status says which")


def of_lake(lake: Lake, now: datetime) -> Iterator[Finding]:
    """Tell how old the reference is, and whether rows are held back."""
    try:
        listed = lake.read(RAW_TICKERS)
        held = still_held(lake, lake.read(QUARANTINE))
    except OrionError as e:
        yield Finding("lake", "fault", str(e), "")
        return
    if listed.is_empty():
        yield Finding("reference", "look", "no reference of tickers was landed yet", "orion backfill")
    else:
        last = listed.select(pl.col("ts_ingested").max()).item()
        is_old = now - last > _OLD_REFERENCE
        told = f"{listed['ticker'].n_unique()} tickers, last landed {last:%Y-%m-%d}"
        yield Finding("reference", "look" if is_old else "ok", told, "orion update asks again" if is_old else "")
    if held.height:
        told = f"{held.height} rows are held back, the last of session {held['session'].max()}"
        yield Finding("quarantine", "look", told, "orion quality quarantine shows them with their remedies")


def of_store(settings: Settings, state: State) -> Iterator[Finding]:
    """Open the feature store and hold it against what the ledger calls published."""
    try:
        if state.count_sessions(["data"], dataset=PUBLISHED).is_empty():
            return
        with open_store(settings.store_url) as store:
            last = store.table(FEATURE_MARKET.name).select(pl.col("session").max()).item()
    except OrionError as e:
        yield Finding("store", "fault", str(e), "orion store rebuild makes it again from the lake")
        return
    known = published(state)["session"]
    is_behind = last is None or (known.len() > 0 and last < known[-1])
    remedy = "orion store rebuild makes it again from the lake" if is_behind else ""
    yield Finding("store", "fault" if is_behind else "ok", f"features up to {last}", remedy)


def worst(findings: Sequence[Finding]) -> Level:
    """Give the worst level among findings."""
    levels = {each.level for each in findings}
    return "fault" if "fault" in levels else "look" if "look" in levels else "ok"
