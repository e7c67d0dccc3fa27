"""One log of calls for all who spend a budget, on both databases."""

import multiprocessing

import pytest
import sqlalchemy as sa

from orion_assets.clock import uptime
from orion_assets.sources.limiter import Rate, Wait
from orion_assets.store.call_log import SharedCallLog
from orion_assets_tests.unit.store.budget_spenders import spend

RATE = Rate(3)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path) -> str:
    return request.getfixturevalue("database") if request.param == "postgres" else f"sqlite:///{tmp_path}/state.db"


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def budget(url, clock):
    return SharedCallLog(url, clock)


def test_as_many_slots_as_the_rate_allows_are_given_and_no_more(budget):
    taken = [budget.take("a", RATE, 60.0) for _ in range(3)]
    fourth, other = budget.take("a", RATE, 60.0), budget.take("b", RATE, 60.0)

    assert len(set(taken)) == 3
    assert not any(isinstance(slot, Wait) for slot in (*taken, other))
    assert isinstance(fourth, Wait)
    assert fourth.seconds == pytest.approx(61, abs=2)


def test_a_new_connection_finds_the_log_of_before(url, clock, budget):
    for _ in range(3):
        budget.end("a", budget.take("a", RATE, 60.0))

    assert isinstance(SharedCallLog(url, clock).take("a", RATE, 60.0), Wait)


def test_a_closure_holds_for_all_who_share_the_budget(url, clock, budget):
    budget.close("a", 200)
    budget.close("a", 100)

    waits = SharedCallLog(url, clock).take("a", RATE, 60.0)

    assert isinstance(waits, Wait)
    assert waits.seconds == pytest.approx(200, abs=2)
    assert not isinstance(budget.take("b", RATE, 60.0), Wait)


class TestOnSqlite:
    @pytest.fixture
    def url(self, tmp_path):
        return f"sqlite:///{tmp_path}/state.db"

    def test_a_slot_is_free_a_window_and_a_second_after_its_answer_ended(self, budget, clock):
        slots = [budget.take("a", RATE, 60.0) for _ in range(3)]
        clock.now += 10
        budget.end("a", slots[1])

        clock.now += 60.9
        assert budget.take("a", RATE, 60.0) == Wait(pytest.approx(0.1))
        clock.now += 0.1
        assert not isinstance(budget.take("a", RATE, 60.0), Wait)
        assert isinstance(budget.take("a", RATE, 60.0), Wait)

    def test_a_machine_that_started_anew_counts_what_was_sent_before(self, budget, clock):
        clock.now = 90_000.0
        for _ in range(3):
            budget.end("a", budget.take("a", RATE, 60.0))
        budget.close("a", 120)

        clock.now = 5.0
        assert budget.take("a", RATE, 60.0) == Wait(300.0)
        clock.now = 305.0
        assert not isinstance(budget.take("a", RATE, 60.0), Wait)

    def test_the_log_does_not_grow(self, budget, clock, url):
        for _ in range(200):
            clock.now += 30
            budget.end("a", budget.take("a", RATE, 60.0))

        with sa.create_engine(url).connect() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM calls")) <= 3


def test_processes_that_begin_at_once_never_exceed_the_rate_together(url, tmp_path):
    rate, several = Rate(6, window_s=0.5), multiprocessing.get_context("spawn")
    begin = several.Barrier(4)
    logs = [tmp_path / f"{number}.log" for number in range(4)]
    processes = [several.Process(target=spend, args=(url, "a", rate, 6, begin, log)) for log in logs]

    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    made = sorted(float(line) for log in logs for line in log.read_text().splitlines())
    assert len(made) == 24
    assert all(later - first > rate.window_s for first, later in zip(made, made[6:], strict=False))


def test_the_clock_of_the_machine_goes_on():
    first, second = uptime(), uptime()

    assert 0 < first <= second
