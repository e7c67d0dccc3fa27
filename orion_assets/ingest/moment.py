"""When a run takes place: what it may ask for, and what instant its rows are stamped with."""

from dataclasses import dataclass
from datetime import datetime

from orion_assets.clock import Clock


@dataclass(frozen=True)
class Moment:
    """The clock of one run.

    Attributes:
        now: When it began to ask, UTC: a cut-off that has come by then can be answered.
        is_replay: The run builds as if it were `now`: its clocks are those of a backfill made later, none is observed.
        clock: Tells the time, in a replay too; None stands still at `now`.
        run: Id of the run: what it lands it derives from.
        started: When the run began, which is before `now` where each step of it is a process; None means `now`.
        takes_back: An answer may take back most of what was landed.
    """

    now: datetime
    is_replay: bool = False
    clock: Clock | None = None
    run: str = ""
    started: datetime | None = None
    takes_back: bool = False

    def landing(self) -> datetime:
        """Give the instant to stamp what is committed now; fetching a long range takes hours, after all."""
        return self.now if self.is_replay else max(self.now, self.real())

    def real(self) -> datetime:
        """Give the time it is, whatever instant a replay builds for."""
        return self.now if self.clock is None else self.clock.now()
