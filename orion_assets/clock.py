"""The only place that may ask for the time. Everything else takes an instant as an argument."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Whoever can say what time it is."""

    def now(self) -> datetime:
        """Return the instant, aware, in UTC."""
        ...


@dataclass(frozen=True)
class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True)
class FixedClock:
    """A clock that stands still: `--until T`, tests, replays."""

    instant: datetime

    def __post_init__(self) -> None:
        if self.instant.tzinfo is None:
            raise ValueError(f"clock: the instant needs a time zone, was {self.instant.isoformat()}")

    def now(self) -> datetime:
        """Return the instant it was given, in UTC."""
        return self.instant.astimezone(UTC)


class Uptime(Protocol):
    """Whoever can say how long the machine has been running."""

    def __call__(self) -> float:
        """Return seconds that nobody can set, the same for every process of the machine."""
        ...


def uptime() -> float:
    """Return the seconds since the machine started, those in which it slept included where it counts them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
