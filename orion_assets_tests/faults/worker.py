"""A backfill in a process of its own, to be killed, or to share a budget with others."""

import multiprocessing
import time
from dataclasses import dataclass
from datetime import date
from multiprocessing.process import BaseProcess
from pathlib import Path

from orion_assets.clock import FixedClock, uptime
from orion_assets.ingest.execution import fill
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.runner import Desk
from orion_assets.sources.limiter import Limiter, Rate, budget_of
from orion_assets.sources.polygon.source import PolygonSource
from orion_assets.sources.polygon.words import judge
from orion_assets.sources.protocols import Ask
from orion_assets.sources.routes import Rights
from orion_assets.sources.transport import Policy, Transport, Vendor
from orion_assets.store.archive import FolderArchive
from orion_assets.store.call_log import SharedCallLog
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets_tests.faults.world import KEY, NOW, TABLES

UNLIMITED = Rate(1000, 0.001)


@dataclass(frozen=True)
class Job:
    """What a process fills, and from where."""

    folder: str
    base_url: str
    dataset: str
    tickers: tuple[str, ...]
    span: tuple[date, date]
    rate: Rate = UNLIMITED
    in_flight: int = 1


def started(job: Job) -> BaseProcess:
    """Start a backfill; its modules were loaded once, so that it asks within some hundredths of a second."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_run, args=(job,))
    process.start()
    return process


def _run(job: Job) -> None:
    vendor = Vendor("polygon", job.base_url, judge, headers={"Authorization": f"Bearer {KEY}"})
    log = SharedCallLog(f"sqlite:///{job.folder}/state.db", uptime)
    limiter = Limiter(log, budget_of("polygon", KEY), job.rate, lease_s=65, pause=time.sleep)
    clock = FixedClock(NOW)
    desk = Desk(
        Lake(f"{job.folder}/lake"),
        FolderArchive(Path(job.folder) / "archive"),
        State(f"sqlite:///{job.folder}/state.db"),
    )
    rights = Rights(job.rate, years=None, has_flat_files=False, has_today=True, in_flight=job.in_flight)
    with Transport(vendor, limiter, Policy(), clock, time.sleep) as transport:
        ask = Ask(job.dataset, *job.span, job.tickers, NOW)
        list(fill(desk, PolygonSource(transport, rights), ask, TABLES[job.dataset], Moment(NOW)))
