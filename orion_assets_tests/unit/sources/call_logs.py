"""Logs of calls by a clock that tests set: the real one on SQLite, a double of it in memory, and lives that spend them.

The double keeps what the tables keep and decides by `judge`; test_limiter.py holds it against the real one.
"""

import heapq
import random
from dataclasses import dataclass, field

import sqlalchemy as sa

from orion_assets.sources.limiter import Entry, Wait, judge
from orion_assets.store.call_log import SharedCallLog

LEASE_S = 60.0
_SECOND = 1_000_000


@dataclass
class Clock:
    """Seconds since a machine started, which tests set."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class MemoryLog:
    """The log without a database."""

    clock: Clock = field(default_factory=Clock)
    calls: dict[int, tuple[str, int, int | None]] = field(default_factory=dict)
    closures: dict[str, int] = field(default_factory=dict)
    last: int = 0

    @property
    def _micros(self) -> int:
        return round(self.clock() * _SECOND)

    def take(self, key, rate, lease_s):
        now, closed = self._micros, self.closures.get(key, 0)
        entries = [
            Entry(slot, taken / _SECOND, None if ended is None else ended / _SECOND)
            for slot, (budget, taken, ended) in self.calls.items()
            if budget == key
        ]
        verdict = judge(entries, closed / _SECOND, now / _SECOND, rate, lease_s)
        for slot in verdict.expired:
            del self.calls[slot]
        for slot in verdict.ahead:
            _, taken, ended = self.calls[slot]
            self.calls[slot] = (key, min(taken, now), None if ended is None else min(ended, now))
        if round(verdict.closed_until * _SECOND) < closed:
            self.closures[key] = round(verdict.closed_until * _SECOND)
        if verdict.wait_s > 0:
            return Wait(verdict.wait_s)
        self.last += 1
        self.calls[self.last] = (key, now, None)
        return self.last

    def end(self, key, slot):
        if slot in self.calls:
            self.calls[slot] = (*self.calls[slot][:2], self._micros)

    def close(self, key, seconds):
        until = self._micros + round(seconds * _SECOND)
        self.closures[key] = max(self.closures.get(key, until), until)


def sqlite_log(folder, clock):
    """Give the log of production on SQLite, which keeps one connection open: opening them is most of the time."""
    log, url = SharedCallLog(f"sqlite:///{folder}/state.db", clock), f"sqlite:///{folder}/state.db"
    # Made by production's own code, tables and all
    log.end("", 0)
    engine = sa.create_engine(url, poolclass=sa.StaticPool)
    sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    engine.dispose()
    log._database._engine = engine
    return log


def most_in_any(times, window):
    times = sorted(times)
    first = most = 0
    for last, at in enumerate(times):
        # Half-open: a call exactly a window later is in the next one
        while times[first] <= at - window:
            first += 1
        most = max(most, last - first + 1)
    return most


@dataclass(frozen=True)
class Troubles:
    """What happens at each step of a life, by chance, and how wrong the log's clock goes.

    Attributes:
        restarts: The machine starts anew: nobody lives, its clock begins at nothing.
        deaths: A worker dies while his request is on the way.
        set_back: The clock of the log is set back by up to ten minutes.
        drift: How much faster the log's clock runs than the vendor's, as a share.
    """

    restarts: float = 0.0
    deaths: float = 0.0
    set_back: float = 0.0
    drift: float = 0.0


def lived(seed, requests, *, workers, rate, troubles, log, clock):
    """Let workers spend a budget in virtual time; gives when the vendor counted each request, by its own clock.

    The log is stamped by `clock`, which is set before each step.
    """
    chance = random.Random(seed)
    arrived, began, behind = [], 0.0, 0.0
    events = [(chance.random(), number, "ask", 0) for number in range(workers)]
    heapq.heapify(events)
    order = workers
    while len(arrived) < requests:
        now, _, kind, slot = heapq.heappop(events)
        if chance.random() < troubles.restarts:
            # The log is still there
            began, behind = now, 0.0
            events = [(now + chance.random(), order + n, "ask", 0) for n in range(workers)]
            order += workers
            heapq.heapify(events)
            continue
        clock.now = (now - began) * (1 + troubles.drift) - behind
        if chance.random() < troubles.set_back:
            # No clock shows less than nothing: a machine that starts anew would set it forward
            back = min(600 * chance.random(), clock.now)
            clock.now, behind = clock.now - back, behind + back
        order += 1
        if kind == "end":
            log.end("", slot)
            heapq.heappush(events, (now, order, "ask", 0))
            continue
        got = log.take("", rate, LEASE_S)
        if isinstance(got, Wait):
            # By a clock that lags, a wait is over a little later than it was told; nobody asks without end in between
            heapq.heappush(events, (now + max(got.seconds, 1e-3), order, "ask", 0))
            continue
        travels, answers = (
            chance.choice([0.01, 1, 20]) * chance.random(),
            chance.choice([0.05, 5, 35]) * chance.random(),
        )
        arrived.append(now + travels)
        is_dead = chance.random() < troubles.deaths
        again = (now + LEASE_S + chance.random(), order, "ask", 0)
        heapq.heappush(events, again if is_dead else (now + travels + answers, order, "end", got))
    return arrived
