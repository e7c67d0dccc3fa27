"""Never more calls than allowed in any window of the vendor's clock, whoever asks, dies, restarts or sets the clock."""

import heapq
import random
from dataclasses import dataclass, field

import pytest

from orion_assets.sources.limiter import Entry, Limiter, Rate, Wait, budget_of, judge

LEASE_S = 60.0


@dataclass
class MemoryBucket:
    """The log in a list, stamped by a clock that can be set."""

    now: float = 0.0
    entries: dict[int, Entry] = field(default_factory=dict)
    closed_until: float = 0.0
    last: int = 0

    def take(self, key, rate, lease_s):
        verdict = judge(list(self.entries.values()), self.closed_until, self.now, rate, lease_s)
        self.closed_until = verdict.closed_until
        for slot in verdict.expired:
            del self.entries[slot]
        for slot in verdict.ahead:
            ended = self.entries[slot].ended
            self.entries[slot] = Entry(slot, self.now, None if ended is None else min(ended, self.now))
        if verdict.wait_s > 0:
            return Wait(verdict.wait_s)
        self.last += 1
        self.entries[self.last] = Entry(self.last, self.now, None)
        return self.last

    def end(self, key, slot):
        if slot in self.entries:
            self.entries[slot] = Entry(slot, self.entries[slot].taken, self.now)

    def close(self, key, seconds):
        self.closed_until = max(self.closed_until, self.now + seconds)


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


def lived(seed, requests, *, workers, rate, troubles):
    """Let workers spend a budget in virtual time; gives when the vendor counted each request, by its own clock."""
    chance = random.Random(seed)
    bucket, arrived, began, behind = MemoryBucket(), [], 0.0, 0.0
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
        bucket.now = (now - began) * (1 + troubles.drift) - behind
        if chance.random() < troubles.set_back:
            # No clock shows less than nothing: a machine that starts anew would set it forward
            back = min(600 * chance.random(), bucket.now)
            bucket.now, behind = bucket.now - back, behind + back
        order += 1
        if kind == "end":
            bucket.end("", slot)
            heapq.heappush(events, (now, order, "ask", 0))
            continue
        got = bucket.take("", rate, LEASE_S)
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


TROUBLES = {
    "none": Troubles(),
    "restarts and deaths": Troubles(restarts=0.002, deaths=0.05),
    "a clock that is set back and hurries": Troubles(set_back=0.002, drift=0.01),
    "a clock that lags": Troubles(drift=-0.01, deaths=0.05),
}


@pytest.mark.parametrize("workers", [1, 2, 5, 12])
@pytest.mark.parametrize("troubles", TROUBLES.values(), ids=TROUBLES)
def test_no_window_of_the_vendors_clock_holds_more_than_it_allows(workers, troubles):
    rate = Rate(5)

    arrived = lived(workers, 2000, workers=workers, rate=rate, troubles=troubles)

    assert most_in_any(arrived, rate.window_s) == 5


@pytest.mark.accept
@pytest.mark.parametrize("workers", range(1, 13))
def test_a_million_requests_of_one_to_twelve_workers_never_exceed_the_budget(workers):
    """84,000 requests each: 1,008,000 together."""
    rate = Rate(5)
    troubles = Troubles(restarts=0.001, deaths=0.01, set_back=0.001, drift=0.01 if workers % 2 else -0.01)

    arrived = lived(100 + workers, 84_000, workers=workers, rate=rate, troubles=troubles)

    assert most_in_any(arrived, rate.window_s) == 5


def test_a_clock_that_hurries_by_more_than_the_slack_would_exceed_it():
    """One second in sixty is what the test above leaves to the clock: without the slack it would fail."""
    rate = Rate(5)

    arrived = lived(1, 4000, workers=5, rate=rate, troubles=Troubles(drift=0.05))

    assert most_in_any(arrived, rate.window_s) > 5


def test_a_bare_log_of_when_calls_were_sent_would_exceed_it():
    """The rule that a slot is held until the answer has ended is what the test above tests."""
    rate, late = Rate(5), [0, 0, 0, 0, 0, 61, 61, 61, 61, 61]

    arrived = [at + (30 if at == 0 else 0) for at in late]

    assert most_in_any(late, rate.window_s) == 5
    assert most_in_any(arrived, rate.window_s) == 10


def test_calls_with_quick_answers_cost_a_window_and_a_second_for_each_five():
    bucket, rate, sent = MemoryBucket(), Rate(5), 0

    while sent < 60:
        got = bucket.take("", rate, LEASE_S)
        if isinstance(got, Wait):
            bucket.now += got.seconds
        else:
            bucket.end("", got)
            sent += 1

    assert bucket.now == pytest.approx(11 * 61)


def test_a_slot_whose_holder_died_is_free_a_window_after_his_lease():
    bucket, rate = MemoryBucket(), Rate(1)
    assert bucket.take("", rate, LEASE_S) == 1

    bucket.now = 120.9
    waits = bucket.take("", rate, LEASE_S)
    bucket.now += waits.seconds

    assert bucket.now == pytest.approx(121)
    assert bucket.take("", rate, LEASE_S) == 2


@pytest.mark.parametrize("taken", [1000.0, 5.0])
def test_a_clock_that_was_set_back_makes_what_lies_ahead_count_from_now(taken):
    bucket, rate = MemoryBucket(now=taken), Rate(1)
    bucket.end("", bucket.take("", rate, LEASE_S))

    bucket.now = 3.0
    first = bucket.take("", rate, LEASE_S)

    assert first == Wait(61.0)
    bucket.now = 64.0
    assert bucket.take("", rate, LEASE_S) == 2


def test_a_closure_of_a_clock_that_began_anew_does_not_last_for_ever():
    bucket, rate = MemoryBucket(now=500_000.0), Rate(5)
    bucket.close("", 120)

    bucket.now = 10.0
    waits = bucket.take("", rate, LEASE_S)
    bucket.now += waits.seconds

    assert waits == Wait(300.0)
    assert bucket.take("", rate, LEASE_S) == 1


def test_the_longer_of_two_closures_stands():
    bucket, rate = MemoryBucket(), Rate(5)

    bucket.close("", 100)
    bucket.close("", 5)

    assert bucket.take("", rate, LEASE_S) == Wait(100.0)


def test_an_answer_that_fails_gives_its_slot_back():
    bucket = MemoryBucket()
    limiter = Limiter(bucket, "a", Rate(1), lease_s=LEASE_S, pause=lambda seconds: None)

    def torn():
        with limiter.slot():
            bucket.now = 2.0
            raise OSError("torn")

    with pytest.raises(OSError, match="torn"):
        torn()

    assert bucket.entries[1] == Entry(1, 0.0, 2.0)


def test_a_budget_tells_keys_apart_and_tells_no_key():
    names = {budget_of("polygon", "secret"), budget_of("polygon", "other"), budget_of("alpaca", "secret")}

    assert len(names) == 3
    assert not any("secret" in name for name in names)


@pytest.mark.parametrize(("calls", "window"), [(0, 60), (5, 0), (5, float("nan"))])
def test_a_rate_that_allows_nothing_is_refused(calls, window):
    with pytest.raises(ValueError, match="must be positive"):
        Rate(calls, window)
