"""Never more calls than allowed in any window of the vendor's clock, whoever asks, dies, restarts or sets the clock."""

import random

import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orion_assets.sources.limiter import Limiter, Rate, Wait, budget_of
from orion_assets_tests.unit.sources.call_logs import (
    LEASE_S,
    Clock,
    MemoryLog,
    Troubles,
    lived,
    most_in_any,
    sqlite_log,
)


def in_memory(seed, requests, **more):
    clock = Clock()
    return lived(seed, requests, log=MemoryLog(clock), clock=clock, **more)


def on_sqlite(folder, seed, requests, **more):
    clock = Clock()
    return lived(seed, requests, log=sqlite_log(folder, clock), clock=clock, **more)


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

    arrived = in_memory(workers, 2000, workers=workers, rate=rate, troubles=troubles)

    assert most_in_any(arrived, rate.window_s) == 5


@pytest.mark.parametrize("troubles", TROUBLES.values(), ids=TROUBLES)
def test_the_log_of_production_lives_as_its_double_does(tmp_path, troubles):
    rate = Rate(5)

    real = on_sqlite(tmp_path, 7, 150, workers=4, rate=rate, troubles=troubles)

    assert most_in_any(real, rate.window_s) == 5
    assert real == in_memory(7, 150, workers=4, rate=rate, troubles=troubles)


def accepted(workers):
    return Troubles(restarts=0.001, deaths=0.01, set_back=0.001, drift=0.01 if workers % 2 else -0.01)


@pytest.mark.accept
@pytest.mark.parametrize("workers", range(1, 13))
def test_a_million_requests_of_one_to_twelve_workers_never_exceed_the_budget(workers):
    """84,000 requests each: 1,008,000 together, by the double of the log that the tests beside hold to the real one."""
    rate = Rate(5)

    arrived = in_memory(100 + workers, 84_000, workers=workers, rate=rate, troubles=accepted(workers))

    assert most_in_any(arrived, rate.window_s) == 5


# Of more workers more ask in vain: each share takes about as many transactions
SHARES = {1: 20_000, 2: 15_000, 3: 11_500, 4: 9_500, 5: 8_000, 6: 7_000,
          7: 6_000, 8: 5_500, 9: 5_000, 10: 4_500, 11: 4_000, 12: 4_000}  # fmt: skip


@pytest.mark.accept
@pytest.mark.parametrize(("workers", "requests"), SHARES.items())
def test_a_hundred_thousand_of_them_are_taken_from_the_log_of_production(tmp_path, workers, requests):
    """The same lives on SharedCallLog and a real SQLite file, request by request those of the double."""
    rate, troubles = Rate(5), accepted(workers)

    real = on_sqlite(tmp_path, 100 + workers, requests, workers=workers, rate=rate, troubles=troubles)

    assert most_in_any(real, rate.window_s) == 5
    assert real == in_memory(100 + workers, requests, workers=workers, rate=rate, troubles=troubles)


BUDGETS = st.sampled_from(["a", "b"])
STEPS = st.one_of(
    st.tuples(st.just("take"), BUDGETS),
    st.tuples(st.just("end"), BUDGETS, st.integers(1, 12)),
    st.tuples(st.just("close"), BUDGETS, st.floats(0, 400)),
    st.tuples(st.just("go"), st.sampled_from([0.0, 1e-7, 0.3, 12.0, 60.9, 61.0, 121.0, 500.0])),
    st.tuples(st.just("set"), st.sampled_from([0.0, 5.0, 80.0, 1e6])),
)
SET_BACK = [
    ("go", 500.0),
    ("take", "a"),
    ("take", "a"),
    ("end", "a", 1),
    ("close", "a", 400.0),
    ("set", 5.0),
    ("take", "a"),
]


@settings(max_examples=60, deadline=None)
@example(steps=SET_BACK, calls=2)
@example(steps=[("take", "a"), ("go", 121.0), ("take", "a"), ("end", "a", 1), ("take", "a")], calls=1)
@given(steps=st.lists(STEPS, max_size=40), calls=st.integers(1, 3))
def test_the_double_answers_and_keeps_what_the_log_of_production_does(tmp_path_factory, steps, calls):
    clock, rate = Clock(), Rate(calls)
    double, real = MemoryLog(clock), sqlite_log(tmp_path_factory.mktemp("log"), clock)

    for kind, *step in steps:
        if kind in ("go", "set"):
            clock.now = step[0] + (clock.now if kind == "go" else 0.0)
        elif kind == "take":
            assert double.take(step[0], rate, LEASE_S) == real.take(step[0], rate, LEASE_S)
        else:
            getattr(double, kind)(*step)
            getattr(real, kind)(*step)

    with real._database.begin() as connection:
        calls = connection.execute(sa.text("SELECT slot, budget, ts_taken, ts_ended FROM calls ORDER BY slot")).all()
        closures = connection.execute(sa.text("SELECT budget, ts_until FROM closures")).all()
    assert [(slot, *call) for slot, call in sorted(double.calls.items())] == [tuple(row) for row in calls]
    assert double.closures == dict(map(tuple, closures))


def test_a_clock_that_hurries_by_more_than_the_slack_would_exceed_it():
    """One second in sixty is what the test above leaves to the clock: without the slack it would fail."""
    rate = Rate(5)

    arrived = in_memory(1, 4000, workers=5, rate=rate, troubles=Troubles(drift=0.05))

    assert most_in_any(arrived, rate.window_s) > 5


def test_a_bare_log_of_when_calls_were_sent_would_exceed_it():
    """The rule that a slot is held until the answer has ended is what the test above tests."""
    rate, late = Rate(5), [0, 0, 0, 0, 0, 61, 61, 61, 61, 61]

    arrived = [at + (30 if at == 0 else 0) for at in late]

    assert most_in_any(late, rate.window_s) == 5
    assert most_in_any(arrived, rate.window_s) == 10


def test_calls_with_quick_answers_cost_a_window_and_a_second_for_each_five():
    bucket, rate, sent = MemoryLog(), Rate(5), 0

    while sent < 60:
        got = bucket.take("", rate, LEASE_S)
        if isinstance(got, Wait):
            bucket.clock.now += got.seconds
        else:
            bucket.end("", got)
            sent += 1

    assert bucket.clock.now == pytest.approx(11 * 61)


def test_a_slot_whose_holder_died_is_free_a_window_after_his_lease():
    bucket, rate = MemoryLog(), Rate(1)
    assert bucket.take("", rate, LEASE_S) == 1

    bucket.clock.now = 120.9
    waits = bucket.take("", rate, LEASE_S)
    bucket.clock.now += waits.seconds

    assert bucket.clock.now == pytest.approx(121)
    assert bucket.take("", rate, LEASE_S) == 2


@pytest.mark.parametrize("taken", [1000.0, 5.0])
def test_a_clock_that_was_set_back_makes_what_lies_ahead_count_from_now(taken):
    bucket, rate = MemoryLog(Clock(taken)), Rate(1)
    bucket.end("", bucket.take("", rate, LEASE_S))

    bucket.clock.now = 3.0
    first = bucket.take("", rate, LEASE_S)

    assert first == Wait(61.0)
    bucket.clock.now = 64.0
    assert bucket.take("", rate, LEASE_S) == 2


def test_a_closure_of_a_clock_that_began_anew_does_not_last_for_ever():
    bucket, rate = MemoryLog(Clock(500_000.0)), Rate(5)
    bucket.close("", 120)

    bucket.clock.now = 10.0
    waits = bucket.take("", rate, LEASE_S)
    bucket.clock.now += waits.seconds

    assert waits == Wait(300.0)
    assert bucket.take("", rate, LEASE_S) == 1


def test_the_longer_of_two_closures_stands():
    bucket, rate = MemoryLog(), Rate(5)

    bucket.close("", 100)
    bucket.close("", 5)

    assert bucket.take("", rate, LEASE_S) == Wait(100.0)


def test_an_answer_that_fails_gives_its_slot_back():
    bucket = MemoryLog()
    limiter = Limiter(bucket, "a", Rate(1), lease_s=LEASE_S, pause=lambda seconds: None)

    def torn():
        with limiter.slot():
            bucket.clock.now = 2.0
            raise OSError("torn")

    with pytest.raises(OSError, match="torn"):
        torn()

    assert bucket.calls[1] == ("a", 0, 2_000_000)


@pytest.mark.parametrize("seed", range(4))
def test_who_holds_the_whole_budget_of_a_busy_key_is_alone_from_a_window_before_to_one_after(seed):
    clock, rate, chance, asked, under_way = Clock(), Rate(5), random.Random(seed), [], []
    bucket = MemoryLog(clock)

    def others():
        for ends, slot in [each for each in under_way if each[0] <= clock.now]:
            bucket.end("a", slot)
            under_way.remove((ends, slot))
            asked.append(clock.now)
        while chance.random() < 0.8 and not isinstance(got := bucket.take("a", rate, LEASE_S), Wait):
            under_way.append((clock.now + chance.choice([1, 7, 59]), got))

    def pause(seconds):
        until = clock.now + seconds
        while clock.now < until:
            clock.now = min(clock.now + 1, until)
            others()

    pause(300)
    with Limiter(bucket, "a", rate, lease_s=LEASE_S, pause=pause).whole():
        began = clock.now
        pause(rate.hold_s)
        ended = clock.now
    pause(300)

    assert not [at for at in asked if began - rate.window_s < at < ended + rate.window_s]
    assert [at for at in asked if at < began]
    assert [at for at in asked if at > ended]


def test_who_dies_with_the_whole_budget_keeps_nobody_out_for_longer_than_a_lease_and_a_window():
    clock, rate = Clock(), Rate(5)
    bucket = MemoryLog(clock)
    limiter = Limiter(bucket, "a", rate, lease_s=LEASE_S, pause=lambda seconds: setattr(clock, "now", seconds))

    # Not left: the process is gone
    held = limiter.whole()
    held.__enter__()
    waits = bucket.take("a", rate, LEASE_S)

    assert waits == Wait(LEASE_S + rate.hold_s)
    clock.now += waits.seconds
    assert not isinstance(bucket.take("a", rate, LEASE_S), Wait)


def test_two_that_want_the_whole_budget_have_it_one_after_the_other():
    clock, rate, ended = Clock(), Rate(5), []
    bucket = MemoryLog(clock)

    def pause(seconds):
        clock.now += seconds

    def meanwhile(seconds):
        until = clock.now + seconds
        if not ended:
            clock.now += LEASE_S + rate.hold_s
            first.__exit__(None, None, None)
            ended.append(clock.now)
        clock.now = max(until, clock.now)

    first = Limiter(bucket, "a", rate, lease_s=LEASE_S, pause=pause).whole()
    first.__enter__()
    with Limiter(bucket, "a", rate, lease_s=LEASE_S, pause=meanwhile).whole():
        assert clock.now >= ended[0] + rate.hold_s


def test_who_dies_with_the_whole_budget_keeps_out_who_wants_it_for_as_long_as_it_may_take():
    clock, rate = Clock(), Rate(5)
    limiter = Limiter(
        MemoryLog(clock), "a", rate, lease_s=LEASE_S, pause=lambda seconds: setattr(clock, "now", clock.now + seconds)
    )

    held = limiter.whole()
    held.__enter__()
    began = clock.now
    with limiter.whole():
        assert clock.now - began <= 3 * (LEASE_S + rate.hold_s)


def test_a_budget_tells_keys_apart_and_tells_no_key():
    names = {budget_of("polygon", "secret"), budget_of("polygon", "other"), budget_of("alpaca", "secret")}

    assert len(names) == 3
    assert not any("secret" in name for name in names)


@pytest.mark.parametrize(("calls", "window"), [(0, 60), (5, 0), (5, float("nan"))])
def test_a_rate_that_allows_nothing_is_refused(calls, window):
    with pytest.raises(ValueError, match="must be positive"):
        Rate(calls, window)
