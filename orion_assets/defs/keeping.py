"""What has to be done so that nothing followed stays unfilled, underived or without its files: one piece at a time.

The state database says what there is to do; Dagster's instance says what was tried.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from itertools import groupby
from typing import Any, Final

import dagster as dg

from orion_assets.defs.partitions import DATE_FORMAT
from orion_assets.ingest.freshness import stale_span
from orion_assets.ingest.ledger import PUBLISHED
from orion_assets.ingest.missing import doubted_of, first_asked, lacking_past, lost_of, near_one_another, unasked
from orion_assets.ingest.reference_calls import unlisted
from orion_assets.schemas import DERIVED, RAW_DAILY_BARS, RAW_MINUTE_BARS, RAW_TICKERS
from orion_assets.store.state import State

KEEPS: Final = "orion/keeps"
RANGE: Final = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
# So many tickers' pasts, or files, in one run: the sensor comes again
AT_ONCE: Final = 100
# How long to wait after so many runs within a day that left a piece undone: nobody else waits for it, but the files of
# tickers for the derivation
_WAITS: Final = (timedelta(), timedelta(minutes=5), timedelta(hours=1), timedelta(hours=6))
_DAY: Final = timedelta(days=1)
_UNDER_WAY: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class Supply:
    """What the source is asked for.

    Attributes:
        named: Gives the raw tables, looked up only where something is left behind; None means whatever was asked for.
        is_vendor: Its reference is asked about who is followed, so who was added is yet to be asked about.
    """

    named: Callable[[], Collection[str] | None] = lambda: None
    is_vendor: bool = False

    def has(self, dataset: str) -> bool:
        """Say whether the source is asked for a raw table."""
        names = self.named()
        return names is None or dataset in names


ANYTHING: Final = Supply()


@dataclass(frozen=True)
class Piece:
    """One run that should be made.

    Attributes:
        what: Names it, so that it is known again when it failed.
        job: The job to run.
        keys: First and last partition; None where the job has none.
        assets: Which of the job's assets; none means all.
        only: Tickers to ask for; none means all followed.
    """

    what: str
    job: str
    keys: tuple[str, str] | None
    assets: Sequence[str] = ()
    only: Sequence[str] = ()

    def request(self, after: str) -> dg.RunRequest:
        """Ask for it as the run that follows another of its kind, by id."""
        config: dict[str, Any] = {"universe": {"config": {"only": list(self.only)}}}
        return dg.RunRequest(
            job_name=self.job,
            run_key=f"{self.what} after {after}",
            tags={**(dict(zip(RANGE, self.keys, strict=True)) if self.keys else {}), KEEPS: self.what},
            run_config={"resources": config} if self.only else {},
            asset_selection=[dg.AssetKey(name) for name in self.assets] or None,
        )


def pieces(
    state: State,
    keys: Sequence[str],
    first: date,
    now: datetime,
    supply: Supply = ANYTHING,
) -> Iterator[Piece]:
    """Give what is to be done, what others wait for first.

    Args:
        state: The state database.
        keys: Tickers that have a partition, in the order of the instance.
        first: First session of the axis; what lies before it cannot be asked for.
        now: The time, UTC.
        supply: What the source is asked for.
    """
    strangers = unlisted(state, now) if supply.is_vendor else []
    # Before anything was asked for, nobody waits for it; after that, it says from when on they have bars
    if strangers and first_asked(state) and supply.has(RAW_TICKERS.name):
        yield Piece(f"reference of {len(strangers)} {strangers[0]} {strangers[-1]}", "reference", None)
    yield from _asks(state, first, now, supply)
    lacking = lacking_past(state)
    for table in (RAW_DAILY_BARS, RAW_MINUTE_BARS):
        # Minutes of a week are not wanted for the years of daily bars
        missing = unasked(state, lacking_past(state, table.name)[:AT_ONCE], table.name)
        if missing and supply.has(table.name):
            yield _fill(table.name, missing, first)
    if stale := stale_span(state, since=first):
        yield Piece(f"derive {stale[0]} {stale[1]}", "daily", _named(stale[0], stale[1] - _DAY), DERIVED)
    elif stale_span(state) is None and not state.count_sessions(["data"], dataset=PUBLISHED).is_empty():
        # Files of what awaits derivation would be cut short, also where it lies before the axis and waits for good
        due = set(state.histories_due()) - set(lacking)
        for run in histories(keys, tuple(due)):
            yield Piece(f"history {run[0]} {run[1]}", "history", run)


def _asks(state: State, first: date, now: datetime, supply: Supply) -> Iterator[Piece]:
    """Give the runs that ask for what others left behind: each for the raw tables that lack something, and no other."""
    lost = lost_of(state, now)
    # A file says the same until somebody mends it, and an update looks for that
    doubted = doubted_of(state, now) if supply.is_vendor else {}
    both = {name: {*lost.get(name, ()), *doubted.get(name, ())} for name in sorted({*lost, *doubted})}
    left = {name: sorted(day for day in days if day >= first) for name, days in both.items()}
    wanted = {name: days for name, days in left.items() if days and supply.has(name)}
    firsts = first_asked(state).values()
    for days in near_one_another(sorted({day for each in wanted.values() for day in each}), firsts):
        names = [name for name, each in wanted.items() if set(days) & set(each)]
        yield Piece(f"ask {days[0]} {days[-1]}", "daily", _named(days[0], days[-1]), (*names, *DERIVED))


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


def choose(
    instance: dg.DagsterInstance,
    state: State,
    keys: Sequence[str],
    first: date,
    now: datetime,
    supply: Supply = ANYTHING,
) -> dg.RunRequest | str:
    """Choose the one run to make now, or say why none is made.

    Args:
        instance: Where runs are recorded.
        state: The state database.
        keys: Tickers that have a partition, in the order of the instance.
        first: First session of the axis.
        now: The time, UTC.
        supply: What the source is asked for.
    """
    # One that never ended, because its machine went away, blocks for a day
    busy = instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY, created_after=now - _DAY), limit=1)
    if busy:
        return f"run {busy[0].run_id[:8]} of {busy[0].job_name} is under way; what it leaves is looked after then"
    waiting: list[str] = []
    # Opened once a tick
    supply = replace(supply, named=cache(supply.named))
    for piece in pieces(state, keys, first, now, supply):
        # However a run of today ended: it left the piece to be done
        tried = instance.get_run_records(dg.RunsFilter(tags={KEEPS: piece.what}, created_after=now - _DAY))
        wait = _WAITS[min(len(tried), len(_WAITS) - 1)]
        if not tried or now - tried[0].create_timestamp >= wait:
            last = tried or instance.get_run_records(dg.RunsFilter(tags={KEEPS: piece.what}), limit=1)
            return piece.request(last[0].dagster_run.run_id if last else "none")
        run = tried[0].dagster_run
        ended = f"last as run {run.run_id[:8]}, {run.status.value.lower()}"
        waiting.append(f"{piece.what} ({len(tried)} times today, {ended})")
    if waiting:
        return f"still to be done, and tried again later: {'; '.join(waiting[:10])}"
    if stale := stale_span(state):
        return (
            f"sessions from {stale[0]} on await derivation, and the axis begins with {first}: no history is written"
            f" before. Set ORION_START to {stale[0]} or earlier, then: orion update"
        )
    return f"{len(state.universe())} tickers are followed, all is answered and derived, and each has its history"


def _fill(dataset: str, missing: Mapping[str, Sequence[date]], first: date) -> Piece:
    """Ask for the bars that some tickers lack; the rest was asked of the whole market, and deriving comes after."""
    tickers = sorted(missing)
    start, last = min(days[0] for days in missing.values()), max(days[-1] for days in missing.values())
    kind = "" if dataset == RAW_DAILY_BARS.name else "minutes of "
    what = f"fill {kind}{tickers[0]} {tickers[-1]} {start} {last}"
    return Piece(what, "daily", _named(max(start, first), last), [dataset], tickers)


def _named(first: date, last: date) -> tuple[str, str]:
    return first.strftime(DATE_FORMAT), last.strftime(DATE_FORMAT)
