"""What a fill is doing, shown while it does it: calls under way, done of how many, pace, when it will be over.

On a terminal a few lines that are drawn anew, elsewhere a plain line now and then; all of it on stderr.
"""

import logging
import threading
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from rich.console import RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from orion_assets.cli.output import ERR
from orion_assets.clock import Uptime, uptime
from orion_assets.ingest import progress as source_of_progress
from orion_assets.ingest.plan import duration
from orion_assets.ingest.progress import ATTRIBUTE, Progress

_SHOWN: Final = 3
_MINUTE_S: Final = 60.0
# Where nothing can be drawn anew, a line so often
_LINE_EVERY_S: Final = 10.0


@dataclass
class Tally:
    """What was told of one plan so far; instants are seconds of a clock that nobody sets.

    Attributes:
        plan: The plan; None before there is one, and after its end.
        begun: When it began.
        done: Calls landed, or given up.
        under_way: Labels of the calls that are under way, the oldest first.
        workers: Steps of the run that are at work.
    """

    plan: Progress | None = None
    begun: float = 0.0
    done: int = 0
    under_way: dict[str, None] = field(default_factory=dict[str, None])
    workers: dict[str, None] = field(default_factory=dict[str, None])
    _answers: deque[float] = field(default_factory=deque[float])

    def take(self, told: Progress, now: float) -> None:
        """Count one step."""
        if told.what == "planned":
            self.plan, self.begun, self.done = told, now, 0
            self.under_way.clear()
            self._answers.clear()
        elif told.what == "ended":
            self.plan = None
            self.under_way.clear()
        elif told.what == "asked":
            self.under_way[told.label] = None
        elif told.what == "answered":
            self.under_way.pop(told.label, None)
            self._answers.append(now)
        else:
            self.done += told.calls

    def per_minute(self, now: float) -> float:
        """Give the calls answered in the last minute; where it is not over, as many as it would be by its end."""
        while self._answers and self._answers[0] <= now - _MINUTE_S:
            self._answers.popleft()
        elapsed = min(now - self.begun, _MINUTE_S)
        return len(self._answers) * _MINUTE_S / elapsed if elapsed > 0 else 0.0

    def left_s(self, now: float) -> float | None:
        """Give the seconds until all is done: what the budget takes, or the pace so far where that is slower."""
        if self.plan is None:
            return None
        left = max(self.plan.calls - self.done, 0)
        by_budget = left * self.plan.rate.window_s / self.plan.rate.calls if self.plan.rate else 0.0
        by_pace = left * (now - self.begun) / self.done if self.done else 0.0
        return max(by_budget, by_pace) if self.plan.rate or self.done else None

    def lines(self, now: float) -> list[str]:
        """Say all that in lines for people; none where nothing is under way."""
        told: list[str] = []
        if self.plan is not None and self.plan.calls:
            left = self.left_s(now)
            told.append(
                f"{self.plan.dataset}: {self.done:,} of {self.plan.calls:,} calls, {self.per_minute(now):,.0f} a minute"
                + (f", about {duration(left)} left" if left else "")
            )
        if self.under_way:
            names = list(self.under_way)
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            told.append(f"{len(names)} asked: {', '.join(names[:_SHOWN])}{more}")
        if self.workers:
            told.append(f"at work: {', '.join(self.workers)}")
        return told


class Board(Bars):
    """Rich's progress bars, and below them what is under way."""

    def __init__(self, tally: Tally, clock: Uptime, *, show: bool) -> None:
        """Prepare; nothing is drawn before it is entered."""
        self._tally = tally
        self._clock = clock
        super().__init__(
            TextColumn("{task.fields[job]:<9}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.description:<18}"),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=ERR,
            disable=not show,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """Give what is drawn."""
        if self.tasks:
            yield self.make_tasks_table(self.tasks)
        if ERR.is_terminal:
            for line in self._tally.lines(self._clock()):
                yield Text(f"  {line}", "dim", no_wrap=True, overflow="ellipsis")


class _Listener(logging.Handler):
    """Counts what is told, from whatever thread; where nothing can be drawn, it prints a line now and then."""

    def __init__(self, tally: Tally, clock: Uptime, *, prints: bool) -> None:
        super().__init__(logging.DEBUG)
        self._tally = tally
        self._clock = clock
        self._prints = prints
        self._last = clock()
        self._one = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Count, and print where it is time to."""
        told = getattr(record, ATTRIBUTE, None)
        if not isinstance(told, Progress):
            return
        with self._one:
            now = self._clock()
            self._tally.take(told, now)
            if self._prints and told.what == "landed" and now - self._last >= _LINE_EVERY_S:
                self._last = now
                ERR.print("; ".join(self._tally.lines(now)))


@contextmanager
def board(*, show: bool, clock: Uptime = uptime) -> Generator[tuple[Board, Tally]]:
    """Show what is under way while the block runs.

    Args:
        show: Whether to show anything.
        clock: Seconds that nobody sets.

    Yields:
        The bars, to which tasks may be added, and the tally.
    """
    tally = Tally()
    listener = _Listener(tally, clock, prints=show and not ERR.is_terminal)
    log = source_of_progress.LOG
    before = log.level, log.propagate
    log.addHandler(listener)
    log.setLevel(logging.DEBUG)
    # A record for a display is no line of the log
    log.propagate = False
    try:
        with Board(tally, clock, show=show) as bars:
            yield bars, tally
    finally:
        log.removeHandler(listener)
        log.setLevel(before[0])
        log.propagate = before[1]
