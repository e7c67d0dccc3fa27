"""A circuit breaker: a vendor that is down is left alone, and one call asks whether it is back before the others do."""

import math
import threading
from collections.abc import Generator
from contextlib import contextmanager

from orion_assets.clock import Uptime
from orion_assets.errors import OrionError


class Breaker:
    """Counts failures in a row; safe for threads."""

    def __init__(self, uptime: Uptime, *, threshold: int = 8, first_s: float = 30.0, longest_s: float = 600.0) -> None:
        """Make a closed breaker.

        Args:
            uptime: A clock that nobody sets.
            threshold: Failures in a row that open it.
            first_s: Seconds that it stays open at first; twice as long after each probe that fails.
            longest_s: It never stays open longer.
        """
        self._uptime = uptime
        self._threshold = threshold
        self._first_s = first_s
        self._longest_s = longest_s
        self._failures = 0
        self._open_s = 0.0
        self._until: float | None = None
        self._opened = -math.inf
        self._lock = threading.Lock()

    def ask(self) -> float:
        """Give 0 where a call may be made, else the seconds after which one may; the caller's is then the probe."""
        with self._lock:
            if self._until is None:
                return 0.0
            left = self._until - self._uptime()
            if left > 0:
                return left
            # The others wait for the probe as long as they would for a failure
            self._until = self._uptime() + self._open_s
            return 0.0

    @contextmanager
    def watched(self, *failures: type[Exception]) -> Generator[None]:
        """Keep what comes of a call that `ask` let through: one of the failures, or an answer, whatever it says."""
        began = self._uptime()
        try:
            yield
        except failures:
            self.failed(began)
            raise
        except OrionError:
            self.succeeded()
            raise
        self.succeeded()

    def succeeded(self) -> None:
        """Say that the vendor answered, whatever it said."""
        with self._lock:
            self._failures, self._open_s, self._until = 0, 0.0, None

    def failed(self, began: float) -> None:
        """Say that no answer could be had to a call that began at `began`, by the clock of the breaker."""
        with self._lock:
            # What was under way when it opened tells of that moment once more, not of the vendor since
            if self._until is not None and began <= self._opened:
                return
            self._failures += 1
            if self._failures >= self._threshold:
                self._open_s = min(max(self._first_s, 2 * self._open_s), self._longest_s)
                self._opened = self._uptime()
                self._until = self._opened + self._open_s


def left_alone(name: str, left: float) -> str:
    """Say that a vendor is left alone for some seconds."""
    return f"{name}: it does not answer; the next try is due in {left:.0f} s"
