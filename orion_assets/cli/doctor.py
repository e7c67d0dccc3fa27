"""`orion doctor`: what is installed, set, reachable, writable and fresh, and what to do about each finding."""

import platform
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import distributions, requires, version
from pathlib import Path
from typing import Any

import polars as pl
import typer
from packaging.utils import canonicalize_name

from orion_assets import settings as environment
from orion_assets.cli.context import Call, now
from orion_assets.cli.options import Json
from orion_assets.cli.output import OUT, Exit, document, frame
from orion_assets.clock import uptime
from orion_assets.errors import OrionError, SettingsError
from orion_assets.quality.health import (
    Finding,
    of_lake,
    of_names,
    of_places,
    of_requirements,
    of_source,
    of_state,
    of_store,
    worst,
)
from orion_assets.settings import Settings
from orion_assets.sources.protocols import last_session_of
from orion_assets.sources.registry import open_source
from orion_assets.store.call_log import SharedCallLog

_PARTS = ("dagster", "polars", "duckdb", "deltalake")
_DAEMONS = ("SCHEDULER", "SENSOR", "QUEUED_RUN_COORDINATOR")
_VERDICT = {
    "ok": "All is well.",
    "look": "It works; what says look has something to do.",
    "fault": "What says fault cannot work.",
}


def doctor(ctx: typer.Context, json: Json = False) -> None:
    """Examine this deployment: installation, settings, source, places, ledger, store, automation.

    Fetches and derives nothing. Exits 1 where something cannot work.
    """
    call: Call = ctx.obj
    findings = [*_of_installation(), *of_names(environment.unread(call.env_file))]
    try:
        found = call.settings
    except SettingsError as e:
        findings.append(Finding("settings", "fault", str(e), "correct it, then: orion doctor"))
    else:
        findings += _examined(call, found)
    level = worst(findings)
    if json:
        document({"level": level, "findings": [asdict(each) for each in findings]})
    else:
        rows = [{"": each.level, "subject": each.subject, "found": each.found} for each in findings]
        frame(pl.DataFrame(rows), as_json=False)
        for each in findings:
            if each.remedy:
                OUT.print(f"  {each.subject}: {each.remedy}")
        OUT.print(_VERDICT[level])
    if level == "fault":
        raise typer.Exit(Exit.FAILED)


def _of_installation() -> Iterator[Finding]:
    found = {str(canonicalize_name(each.name)): each.version for each in distributions()}
    parts = ", ".join(f"{name} {found[name]}" for name in _PARTS if name in found)
    told = f"orion {version('orion-assets')} on Python {platform.python_version()}, {parts}"
    yield Finding("installation", "ok", told)
    yield from of_requirements(requires("orion-assets") or (), found)


def _examined(call: Call, settings: Settings) -> Iterator[Finding]:
    where = call.env_file or (Path(".env") if Path(".env").is_file() else None)
    yield Finding("settings", "ok", f"read from the environment{f' and {where}' if where else ''}, else defaults")
    reach = None
    try:
        source = open_source(settings, SharedCallLog(settings.state_url, uptime))
        yield from of_source(settings, source)
        reach = last_session_of(source, "raw_daily_bars")
    except OrionError as e:
        yield Finding("source", "fault", str(e), "correct it, then: orion doctor")
    yield from of_places(settings, lambda: _s3_client(settings))
    state = call.state()
    if not settings.state_url.startswith("sqlite") or Path(settings.state_url.partition(":///")[2]).is_file():
        yield from of_state(state, now(), reach)
        yield from of_lake(call.lake(), now())
        yield from of_store(settings, state)
    else:
        yield Finding("ledger", "look", "nothing was asked for yet", "orion backfill")
    yield from _of_automation(settings)


def _s3_client(settings: Settings) -> Any:  # noqa: ANN401 - boto3 makes its clients' methods at run time
    from orion_assets.defs.resources import s3_client  # noqa: PLC0415 - Dagster takes seconds to load

    return s3_client(settings)


def _of_automation(settings: Settings) -> Iterator[Finding]:
    """Tell which schedules and sensors are switched on, and whether a daemon looks after them."""
    if settings.dagster_home is None:
        told = "no DAGSTER_HOME, and no .dagster here: runs of the command line are forgotten, their data is not"
        yield Finding("automation", "ok", told)
        return
    if not (settings.dagster_home / "dagster.yaml").is_file():
        yield Finding("automation", "ok", f"nothing was run yet that {settings.dagster_home} would remember")
        return
    from orion_assets.cli.run import instance  # noqa: PLC0415 - Dagster takes seconds to load

    with instance(settings) as on:
        running = sorted(each.instigator_name for each in on.all_instigator_state() if each.is_running)
        told = on.get_daemon_statuses()
        dead = sorted(kind for kind in _DAEMONS if kind not in told or not told[kind].healthy)
    if not running:
        yield Finding("automation", "ok", "no schedule and no sensor is on; switch them on under Automation in the UI")
    elif not dead:
        yield Finding("automation", "ok", f"on: {', '.join(running)}; the daemon is alive")
    else:
        yield Finding(
            "automation",
            "fault",
            f"on: {', '.join(running)}, and no daemon does {', '.join(dead).lower()}",
            "orion dev, or make up",
        )
