"""A vendor that is down is left alone, and one call finds out whether it is back."""

from orion_assets.sources.breaker import Breaker


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def opened(clock):
    breaker = Breaker(clock, threshold=3, first_s=30, longest_s=100)
    for _ in range(3):
        breaker.failed(clock.now)
    return breaker


def test_failures_in_a_row_open_it_and_an_answer_in_between_does_not_let_them():
    clock = Clock()
    breaker = Breaker(clock, threshold=3)

    for _ in range(4):
        breaker.failed(clock.now)
        breaker.failed(clock.now)
        assert breaker.ask() == 0
        breaker.succeeded()


def test_when_its_time_has_come_one_call_is_let_through_and_the_others_wait():
    clock = Clock()
    breaker = opened(clock)
    assert breaker.ask() == 30

    clock.now = 30.0
    asked = [breaker.ask() for _ in range(3)]

    assert asked == [0, 30, 30]


def test_a_probe_that_fails_keeps_it_open_twice_as_long_up_to_a_bound():
    clock = Clock()
    breaker, waits = opened(clock), []

    for _ in range(3):
        clock.now += breaker.ask()
        assert breaker.ask() == 0
        breaker.failed(clock.now)
        waits.append(breaker.ask())

    assert waits == [60, 100, 100]


def test_a_probe_that_succeeds_closes_it_for_all():
    clock = Clock()
    breaker = opened(clock)
    clock.now = 30.0
    assert breaker.ask() == 0

    breaker.succeeded()

    assert [breaker.ask() for _ in range(3)] == [0, 0, 0]


def test_calls_that_were_under_way_when_it_opened_do_not_keep_it_open_longer():
    clock = Clock()
    breaker = opened(clock)
    clock.now = 2.0

    for _ in range(20):
        breaker.failed(0.0)

    assert breaker.ask() == 28
