"""What a run of a job is asked for and what came of it; plain data, so that light commands need not load Dagster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from orion_assets.schemas import DERIVED

REFERENCE = ("raw_tickers", "securities")
RAW = ("raw_daily_bars", "raw_minute_bars", "raw_vix", "raw_news", "raw_splits", "raw_dividends")


@dataclass(frozen=True)
class Launch:
    """One run of a job to make: the sessions [start, end), the instant to build for, what to limit it to.

    `keys` are the first and the last ticker of a run of `history`, in the order of the instance. `max_calls` limits the
    calls by raw table.
    """

    job: str
    start: date | None = None
    end: date | None = None
    until: str = ""
    only: Sequence[str] = ()
    assets: Sequence[str] = ()
    takes_back: bool = False
    keys: tuple[str, str] | None = None
    max_calls: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def steps(self) -> int:
        """How many assets the run makes."""
        # The files of a ticker are made by one step
        everything = {"reference": len(REFERENCE), "history": 1, "daily": len(DERIVED) + len(RAW)}
        # Of another market: raw and clean, daily and minute
        return len(self.assets) or everything.get(self.job, 4)

    def run_config(self) -> dict[str, Any]:
        """Give the resources' configuration that this run overrides; Dagster keeps it with the run."""
        clock = {"until": self.until} | ({"takes_back": True} if self.takes_back else {})
        moment = {"moment": {"config": clock}} if self.until or self.takes_back else {}
        universe = {"universe": {"config": {"only": list(self.only)}}} if self.only else {}
        allowance = {"allowance": {"config": {"calls": dict(self.max_calls)}}} if self.max_calls else {}
        told = {**moment, **universe, **allowance}
        return {"resources": told} if told else {}


@dataclass(frozen=True)
class Finding:
    """A check that did not pass."""

    asset: str
    check: str
    rows: int
    accused: tuple[Mapping[str, Any], ...] = ()


@dataclass
class Outcome:
    """What came of a run of a job.

    Attributes:
        is_done: Whether it ended well.
        failure: Why it did not.
        findings: Checks that did not pass.
        rows: By table; of a raw one those that are new or changed.
        changed_raw: Whether any raw row is new or changed.
        derived_again: Sessions [start, end) outside the run's own that had to be derived anew for it.
    """

    is_done: bool
    failure: str = ""
    findings: list[Finding] = field(default_factory=list[Finding])
    rows: dict[str, int] = field(default_factory=dict[str, int])
    changed_raw: bool = False
    derived_again: tuple[date, date] | None = None


def merged(outcomes: Sequence[Outcome]) -> Outcome:
    """Give the outcome of several runs as one: rows added up, every finding once, the first failure."""
    whole = Outcome(is_done=all(each.is_done for each in outcomes))
    for each in outcomes:
        whole.failure = whole.failure or each.failure
        whole.findings += [finding for finding in each.findings if finding not in whole.findings]
        whole.changed_raw |= each.changed_raw
        whole.derived_again = each.derived_again or whole.derived_again
        for name, count in each.rows.items():
            whole.rows[name] = whole.rows.get(name, 0) + count
    return whole
