"""What a fill says at its end: what was done, what the checks found, which command comes next."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final, Protocol

import polars as pl

from orion_assets import calendars
from orion_assets.cli.context import Call
from orion_assets.cli.launch import RAW, REFERENCE, Finding, Launch, Outcome
from orion_assets.cli.output import ERR, OUT, called, counted, document, frame
from orion_assets.ingest.missing import never_asked
from orion_assets.schemas import CLEAN_MINUTE_BARS, DERIVED, RAW_MINUTE_BARS

_LAYERS: Final[Mapping[str, str]] = {"raw": "raw", "feature": "features", "feature_store": "store"}


class OfMarket(Protocol):
    """What came of a run of another market."""

    @property
    def outcome(self) -> Outcome:
        """What came of it."""
        ...

    def as_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        ...

    def show(self) -> None:
        """Print it for people."""
        ...


@dataclass(frozen=True)
class Report:
    """What was asked of a run and what came of it.

    Attributes:
        call: The call.
        launch: What was asked of it; of several runs, from the first session to the last.
        outcome: What came of it.
        others: What came of markets beside equities.
        spans: The sessions [start, end) of each run, where there were several.
    """

    call: Call
    launch: Launch
    outcome: Outcome
    others: Sequence[OfMarket] = ()
    spans: Sequence[tuple[date, date]] = ()

    @property
    def filled(self) -> Sequence[tuple[date, date]]:
        """The sessions [start, end) that the runs were for."""
        start, end = self.launch.start, self.launch.end
        return self.spans or ([] if start is None or end is None else [(start, end)])

    @property
    def sessions(self) -> int:
        """How many sessions the runs were for."""
        return sum(calendars.sessions(*span).height for span in self.filled)

    @property
    def next_commands(self) -> list[str]:
        """What to call now, with a ticker that is followed."""
        orion = called() if self.call.env_file is None else f"{called()} --env-file {self.call.env_file}"
        followed = self.launch.only or self.call.state().universe()
        span = f" --from {self.launch.start} --to {self.launch.end}" if self.launch.start else ""
        features = [f"{orion} features {followed[0]}{span}"] if followed else []
        return [*features, f"{orion} status"]

    def document(self) -> None:
        """Print all of it as JSON."""
        found = sorted(self.outcome.findings, key=lambda each: (each.asset, each.check))
        told = {**asdict(self.outcome), "findings": [asdict(each) for each in found]}
        span = [self.launch.start, self.launch.end]
        others = {"markets": [each.as_json() for each in self.others]} if self.others else {}
        ranges = {"ranges": [list(each) for each in self.spans]} if len(self.spans) > 1 else {}
        document({**told, **ranges, "range": span, "sessions": self.sessions, "next": self.next_commands, **others})

    def show(self) -> None:
        """Print a screen for people; what the checks found goes to stderr."""
        where = ", ".join(f"[{start}, {end})" for start, end in self.filled)
        asked = [name for name in self.launch.assets if name in RAW]
        verb = "filled" if asked or not self.launch.assets else "derived anew"
        OUT.print(f"{verb} {counted(self.sessions, 'session')}, {where}")
        OUT.print()
        frame(self._rows(), as_json=False)
        if again := self.outcome.derived_again:
            OUT.print(f"derived [{again[0]}, {again[1]}) anew, for what changed before it")
        for finding in self.outcome.findings:
            ERR.print(line(finding))
        if not self.outcome.findings:
            OUT.print("every check passed")
        if gap := never_asked(self.call.state()):
            ERR.print(f"  {gap_told(gap)}")
        for position, command in enumerate(self.next_commands):
            OUT.print(f"{'      ' if position else 'next: '}{command}")

    def _rows(self) -> pl.DataFrame:
        # A page has no rows; few sources tell of minutes
        hidden = {"quality_report"}
        if not self.call.lake().exists(RAW_MINUTE_BARS):
            hidden |= {RAW_MINUTE_BARS.name, CLEAN_MINUTE_BARS.name}
        names = [n for n in (*REFERENCE, *RAW, *DERIVED) if n in self.outcome.rows and n not in hidden]
        return pl.DataFrame(
            {
                "layer": [_layer(name) for name in names],
                "table": names,
                "rows": [self.outcome.rows[name] for name in names],
                "counted": ["new or changed" if name.startswith("raw_") else "in the range" for name in names],
            }
        ).sort(pl.col("layer").replace_strict({"raw": 0, "clean": 1, "features": 2, "store": 3}), maintain_order=True)


def _layer(table: str) -> str:
    return _LAYERS.get(table, _LAYERS.get(table.partition("_")[0], "clean"))


def line(finding: Finding) -> str:
    """Write a finding for people, with the first row it accuses."""
    first = dict(finding.accused[0]) if finding.accused else {}
    where = ", ".join(
        f"{name} {first[name]}" for name in ("ticker", "session", "date", "row_key", "found") if first.get(name)
    )
    more = f", first: {where}" if where else ""
    if state := first.get("state"):
        more = f" asked for in vain{more}, {str(state).replace('_', ' ')}: {first['detail']}"
    is_gone = finding.check == "complete" and finding.accused and not state
    gone = " withdrawn, the source no longer has them" if is_gone else ""
    return f"  check {finding.asset}.{finding.check.replace('_', ' ')}: {counted(finding.rows, 'row')}{gone}{more}"


def gap_told(gap: list[date]) -> str:
    """Say which sessions nobody asked for, what follows and what to do."""
    where = str(gap[0]) if len(gap) == 1 else f"{gap[0]} to {gap[-1]}"
    return (
        f"{counted(len(gap), 'session')} never asked for, {where}: features after them step over it; {called()} update"
    )
