"""The only place that may ask for the time. Everything else takes an instant as an argument."""

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
