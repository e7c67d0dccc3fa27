"""What has to be done so that nothing followed stays unfilled, underived or without its files: one piece at a time.

The state database says what there is to do; Dagster's instance says what was tried.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, Final

import dagster as dg

from orion_assets.defs.partitions import DATE_FORMAT
from orion_assets.ingest.ledger import PUBLISHED, lost, near_one_another, stale_span, unasked
from orion_assets.schemas import DERIVED, RAW_DAILY_BARS
from orion_assets.store.state import State

KEEPS: Final = "orion/keeps"
RANGE: Final = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
# So many tickers' pasts, or files, in one run: the sensor comes again
AT_ONCE: Final = 100
# How long to wait after so many failures within a day; then somebody must look, and nobody else waits for it
_WAITS: Final = (timedelta(), timedelta(minutes=5), timedelta(hours=1))
_DAY: Final = timedelta(days=1)
_UNDER_WAY: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class Piece:
    """One run that should be made.

    Attributes:
        what: Names it, so that it is known again when it failed.
        job: The job to run.
        keys: First and last partition.
        assets: Which of the job's assets; none means all.
        only: Tickers to ask for; none means all followed.
    """

    what: str
    job: str
    keys: tuple[str, str]
    assets: Sequence[str] = ()
    only: Sequence[str] = ()

    def request(self, number: int) -> dg.RunRequest:
        """Ask for it as the nth run of its kind."""
        config: dict[str, Any] = {"universe": {"config": {"only": list(self.only)}}}
        return dg.RunRequest(
            job_name=self.job,
            run_key=f"{self.what} {number}",
            tags={**dict(zip(RANGE, self.keys, strict=True)), KEEPS: self.what},
            run_config={"resources": config} if self.only else {},
            asset_selection=[dg.AssetKey(name) for name in self.assets] or None,
        )


def pieces(state: State, keys: Sequence[str]) -> Iterator[Piece]:
    """Give what is to be done, what others wait for first.

    Args:
        state: The state database.
        keys: Tickers that have a partition, in the order of the instance.
    """
    for days in near_one_another(lost(state)):
        yield Piece(f"ask {days[0]} {days[-1]}", "daily", _named(days[0], days[-1]))
    due, lacking = state.histories_due(), set[str]()
    for at in range(0, len(due), AT_ONCE):
        missing = unasked(state, due[at : at + AT_ONCE])
        if missing:
            yield _fill(missing)
        lacking |= missing.keys()
    stale = stale_span(state)
    if stale:
        yield Piece(f"derive {stale[0]} {stale[1]}", "daily", _named(stale[0], stale[1] - _DAY), DERIVED)
    elif not state.count_sessions(["data"], dataset=PUBLISHED).is_empty():
        ready = set(due) - lacking
        for run in histories(keys, tuple(ready)):
            yield Piece(f"history {run[0]} {run[1]}", "history", run)


def histories(keys: Sequence[str], tickers: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Part tickers into runs of at most AT_ONCE that stand together in the instance: first and last of each.

    Args:
        keys: Tickers that have a partition, in the order of the instance.
        tickers: Those to write.
    """
    for is_asked, group in groupby(keys, key=set(tickers).__contains__):
        together = list(group) if is_asked else []
        for at in range(0, len(together), AT_ONCE):
            run = together[at : at + AT_ONCE]
            yield run[0], run[-1]


def choose(instance: dg.DagsterInstance, state: State, keys: Sequence[str], now: datetime) -> dg.RunRequest | str:
    """Choose the one run to make now, or say why none is made.

    Args:
        instance: Where runs are recorded.
        state: The state database.
        keys: Tickers that have a partition, in the order of the instance.
        now: The time, UTC.
    """
    # One that never ended, because its machine went away, blocks for a day
    busy = instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY, created_after=now - _DAY), limit=1)
    if busy:
        return f"run {busy[0].run_id[:8]} of {busy[0].job_name} is under way; what it leaves is looked after then"
    given_up: list[str] = []
    for piece in pieces(state, keys):
        tag = {KEEPS: piece.what}
        failed = dg.RunsFilter(tags=tag, statuses=[dg.DagsterRunStatus.FAILURE], created_after=now - _DAY)
        tried = instance.get_run_records(failed, limit=len(_WAITS))
        if len(tried) < len(_WAITS) and (not tried or now - tried[0].create_timestamp >= _WAITS[len(tried)]):
            return piece.request(instance.get_runs_count(dg.RunsFilter(tags=tag)))
        given_up.append(f"{piece.what} (failed {len(tried)} times, last as run {tried[0].dagster_run.run_id[:8]})")
    if given_up:
        return f"tried again later, {len(_WAITS)} times a day: {'; '.join(given_up[:10])}"
    return f"{len(state.universe())} tickers are followed, all is answered and derived, and each has its history"


def _fill(missing: Mapping[str, Sequence[date]]) -> Piece:
    """Ask for the bars that some tickers lack; the rest was asked of the whole market."""
    tickers = sorted(missing)
    first, last = min(days[0] for days in missing.values()), max(days[-1] for days in missing.values())
    what = f"fill {tickers[0]} {tickers[-1]} {first} {last}"
    return Piece(what, "daily", _named(first, last), [RAW_DAILY_BARS.name, *DERIVED], tickers)


def _named(first: date, last: date) -> tuple[str, str]:
    return first.strftime(DATE_FORMAT), last.strftime(DATE_FORMAT)
