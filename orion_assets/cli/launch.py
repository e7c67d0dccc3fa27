"""What a run of a job is asked for and what came of it; plain data, so that light commands need not load Dagster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from orion_assets.schemas import STORED
from orion_assets.settings import Settings

RAW = ("raw_daily_bars", "raw_vix", "raw_news", "raw_splits", "raw_dividends")
DERIVED = (*(table.name for table in STORED), "feature_store")


@dataclass(frozen=True)
class Launch:
    """One run of a job to make: the sessions [start, end), the instant to build for, what to limit it to."""

    job: str
    start: date | None = None
    end: date | None = None
    until: str = ""
    only: Sequence[str] = ()
    assets: Sequence[str] = ()

    @property
    def steps(self) -> int:
        """How many assets the run makes."""
        everything = 2 if self.job == "reference" else len(DERIVED) + len(RAW)
        return len(self.assets) or everything

    def run_config(self, settings: Settings) -> dict[str, Any]:
        """Give the resources' configuration that this run overrides; it replaces a resource's settings whole."""
        moment = {"moment": {"config": {"until": self.until}}} if self.until else {}
        followed = {"state_url": settings.state_url, "tickers": list(settings.tickers), "only": list(self.only)}
        universe = {"universe": {"config": followed}} if self.only else {}
        return {"resources": {**moment, **universe}} if moment or universe else {}


@dataclass(frozen=True)
class Finding:
    """A check that did not pass."""

    asset: str
    check: str
    rows: int
    accused: tuple[Mapping[str, Any], ...] = ()


@dataclass
class Outcome:
    """What came of a run of a job."""

    is_done: bool
    failure: str = ""
    findings: list[Finding] = field(default_factory=list[Finding])
    rows: dict[str, int] = field(default_factory=dict[str, int])
    changed_raw: bool = False
