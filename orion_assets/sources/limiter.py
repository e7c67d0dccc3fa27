"""The budget of a key: never more calls than its vendor allows in any window, over all threads, processes and machines.

A sliding log. A call takes a slot before it is sent and keeps it until a window after its answer has ended: when on the
way the vendor counted it, nobody outside can tell. Where the log is kept, store/call_log.py says.
"""

import hashlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

# Clocks of two machines do not run alike, and a request travels
SLACK_S: Final = 1.0
# No vendor's Retry-After is believed beyond this
LONGEST_CLOSE_S: Final = 300.0


@dataclass(frozen=True)
class Rate:
    """How many calls a vendor allows in any window.

    Attributes:
        calls: Calls a window, at least 1.
        window_s: Seconds.
    """

    calls: int
    window_s: float = 60.0

    def __post_init__(self) -> None:
        if self.calls < 1 or not self.window_s > 0:
            raise ValueError(f"rate: {self.calls} calls in {self.window_s} s; both must be positive")

    @property
    def hold_s(self) -> float:
        """Seconds for which a slot stays taken after its answer ended."""
        return self.window_s + SLACK_S


@dataclass(frozen=True)
class Entry:
    """A slot of the log, in seconds of the log's own clock; `ended` is None while its answer is awaited."""

    slot: int
    taken: float
    ended: float | None


@dataclass(frozen=True)
class Verdict:
    """What to do with a log when a call is wanted.

    Attributes:
        wait_s: Seconds until it is worth asking again; 0 where a slot may be taken.
        closed_until: Until when no call is wanted, as far as that can be true.
        expired: Slots that are free again.
        ahead: Slots stamped later than now: the clock was set back, or the machine started anew. What they say of later
            is to say now.
    """

    wait_s: float
    closed_until: float
    expired: tuple[int, ...]
    ahead: tuple[int, ...]


def judge(entries: Sequence[Entry], closed_until: float, now: float, rate: Rate, lease_s: float) -> Verdict:
    """Decide whether one more call may be sent.

    Args:
        entries: The log of a key.
        closed_until: Until when the vendor wants no call at all.
        now: The time by the clock that stamped the log.
        rate: What the vendor allows.
        lease_s: Seconds after which a slot whose holder died has certainly ended.
    """
    expired: list[int] = []
    ahead: list[int] = []
    waits: list[float] = []
    for entry in entries:
        taken = min(entry.taken, now)
        # Whoever still waits for an answer gets it now at the earliest, unless he died
        ended = min(now, taken + lease_s if entry.ended is None else entry.ended)
        until = rate.hold_s + ended
        if until <= now:
            expired.append(entry.slot)
            continue
        waits.append(until - now)
        if max(entry.taken, entry.ended or 0.0) > now:
            ahead.append(entry.slot)
    # Longer than any closure lasts: the clock began anew since
    closed_until = min(closed_until, now + LONGEST_CLOSE_S)
    surplus = len(waits) - rate.calls + 1
    wait = max(0.0, closed_until - now, sorted(waits)[surplus - 1] if surplus > 0 else 0.0)
    return Verdict(wait, closed_until, tuple(expired), tuple(ahead))


@dataclass(frozen=True)
class Wait:
    """No slot is free for so many seconds."""

    seconds: float


class CallLog(Protocol):
    """Where the log of every key is kept, and the clock that stamps it; one for all who share a budget."""

    def take(self, key: str, rate: Rate, lease_s: float) -> int | Wait:
        """Take a slot if the log allows it, and give it, or tell how long to wait."""
        ...

    def end(self, key: str, slot: int) -> None:
        """Say that the answer to the call of a slot has ended, well or ill."""
        ...

    def close(self, key: str, seconds: float) -> None:
        """Let nobody take a slot for some seconds from now on; a longer closure stands."""
        ...


class Pause(Protocol):
    """Whoever can wait."""

    def __call__(self, seconds: float, /) -> None:
        """Return after that many seconds."""
        ...


class Limiter:
    """The budget of one key at one vendor; safe for threads."""

    def __init__(self, log: CallLog, budget: str, rate: Rate, *, lease_s: float, pause: Pause) -> None:
        """Make a limiter.

        Args:
            log: Where the log is kept.
            budget: Whose calls count together, as `budget_of` gives it.
            rate: What the vendor allows.
            lease_s: Seconds within which every call has certainly ended.
            pause: Waits.
        """
        self._log = log
        self._budget = budget
        self._rate = rate
        self._lease_s = lease_s
        self._pause = pause

    @contextmanager
    def slot(self) -> Generator[None]:
        """Hold a slot for one call, waiting for it as long as it takes."""
        while True:
            got = self._log.take(self._budget, self._rate, self._lease_s)
            if not isinstance(got, Wait):
                break
            self._pause(got.seconds)
        try:
            yield
        finally:
            self._log.end(self._budget, got)

    @contextmanager
    def whole(self) -> Generator[None]:
        """Hold the whole budget: nobody else calls while the block runs, in the window before it, or in that after it.

        Its calls take no slot, and it must end within a lease and a window: whoever dies in it keeps other calls out no
        longer. To begin takes a lease and a window, since calls may be under way. Who wants the whole budget too waits
        until a window after its end, or, if its holder dies, for two leases and three windows from his beginning.
        """
        quiet_s = self._lease_s + self._rate.hold_s
        # A closure keeps out whoever takes slots. Two holders take none of them, so that they need one of their own
        whole, once = f"{self._budget}:whole", Rate(1, self._rate.window_s)
        with Limiter(self._log, whole, once, lease_s=2 * quiet_s, pause=self._pause).slot():
            # Beyond the pause, so that nobody calls between its end and the next closure
            self._log.close(self._budget, min(quiet_s + self._rate.hold_s, LONGEST_CLOSE_S))
            self._pause(quiet_s)
            self._log.close(self._budget, min(quiet_s, LONGEST_CLOSE_S))
            try:
                yield
            finally:
                self._log.close(self._budget, self._rate.hold_s)

    def refused(self, seconds: float | None, times: int = 0) -> None:
        """Stop everybody who shares the budget: the vendor said that it is spent.

        Args:
            seconds: How long the vendor wants to be left alone; None where he does not say: a whole window.
            times: How often he said so before, in a row; each doubles the wait.
        """
        asked = self._rate.hold_s * 2**times if seconds is None else seconds
        self._log.close(self._budget, min(max(asked, 1.0), LONGEST_CLOSE_S))


def budget_of(vendor: str, key: str) -> str:
    """Name the budget of a key without telling the key."""
    return f"{vendor}:{hashlib.sha256(f'{vendor}:{key}'.encode()).hexdigest()[:16]}"
