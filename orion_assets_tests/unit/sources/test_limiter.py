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


def lived(seed, requests, *, workers, rate, restarts=0.0, deaths=0.0):
    """Let workers spend a budget in virtual time; gives when the vendor counted each request, by its own clock."""
    chance = random.Random(seed)
    bucket, arrived, began = MemoryBucket(), [], 0.0
    events = [(chance.random(), number, "ask", 0) for number in range(workers)]
    heapq.heapify(events)
    order = workers
    while len(arrived) < requests:
        now, _, kind, slot = heapq.heappop(events)
        if chance.random() < restarts:
            # The machine starts anew: nobody lives, its clock begins at nothing; the log is still there
            began, events = now, [(now + chance.random(), order + n, "ask", 0) for n in range(workers)]
            order += workers
            heapq.heapify(events)
            continue
        bucket.now = now - began
        order += 1
        if kind == "end":
            bucket.end("", slot)
            heapq.heappush(events, (now, order, "ask", 0))
            continue
        got = bucket.take("", rate, LEASE_S)
        if isinstance(got, Wait):
            heapq.heappush(events, (now + got.seconds, order, "ask", 0))
            continue
        travels, answers = (
            chance.choice([0.01, 1, 20]) * chance.random(),
            chance.choice([0.05, 5, 35]) * chance.random(),
        )
        arrived.append(now + travels)
        is_dead = chance.random() < deaths
        again = (now + LEASE_S + chance.random(), order, "ask", 0)
        heapq.heappush(events, again if is_dead else (now + travels + answers, order, "end", got))
    return arrived


@pytest.mark.parametrize("workers", [1, 2, 5, 12])
@pytest.mark.parametrize(("restarts", "deaths"), [(0.0, 0.0), (0.002, 0.05)])
def test_no_window_of_the_vendors_clock_holds_more_than_it_allows(workers, restarts, deaths):
    rate = Rate(5)

    arrived = lived(workers, 4000, workers=workers, rate=rate, restarts=restarts, deaths=deaths)

    assert most_in_any(arrived, rate.window_s) == 5


@pytest.mark.accept
def test_a_million_requests_of_one_to_twelve_workers_never_exceed_the_budget():
    rate, most = Rate(5), 0

    for workers in range(1, 13):
        arrived = lived(100 + workers, 84_000, workers=workers, rate=rate, restarts=0.001, deaths=0.01)
        most = max(most, most_in_any(arrived, rate.window_s))

    assert most == 5


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
