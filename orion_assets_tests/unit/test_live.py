"""What a display says is what was told: under way, done of how many, pace, time left."""

import logging

import pytest

from orion_assets.cli.live import Tally, board
from orion_assets.ingest.progress import LOG, Progress, tell
from orion_assets.sources.limiter import Rate

DATASET = "raw_daily_bars"


def told(what, label="", **more) -> Progress:
    return Progress(what, DATASET, label, **more)


class Watch:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


def test_it_counts_what_is_under_way_and_what_is_done():
    tally = Tally()
    tally.take(told("planned", calls=60, rate=Rate(5)), 0.0)
    for name in ("A", "B", "C", "D", "E"):
        tally.take(told("asked", name), 1.0)
    tally.take(told("answered", "B"), 2.0)
    tally.take(told("landed", "B", calls=2), 2.5)

    first, second = tally.lines(3.0)

    assert first.startswith("raw_daily_bars: 2 of 60 calls")
    assert second == "4 asked: A, C, D and 1 more"


@pytest.mark.parametrize(
    ("rate", "done_s", "left_s"),
    [
        # 58 calls at five a minute, whatever the pace of the first two
        (Rate(5), 1.0, 58 * 12.0),
        # The budget would let them all go at once; two took ten seconds
        (Rate(100, 1.0), 10.0, 58 * 5.0),
    ],
)
def test_the_time_left_is_that_of_the_budget_or_of_the_pace(rate, done_s, left_s):
    tally = Tally()
    tally.take(told("planned", calls=60, rate=rate), 0.0)
    tally.take(told("landed", calls=2), done_s)

    assert tally.left_s(done_s) == pytest.approx(left_s)


def test_the_pace_is_that_of_the_last_minute():
    tally = Tally()
    tally.take(told("planned", calls=60, rate=Rate(5)), 0.0)
    for second in (1.0, 2.0, 50.0, 100.0):
        tally.take(told("answered"), second)

    assert tally.per_minute(105.0) == 2.0
    assert tally.per_minute(200.0) == 0.0


def test_a_plan_that_ended_is_shown_no_more():
    tally = Tally()
    tally.take(told("planned", calls=1), 0.0)
    tally.take(told("asked", "A"), 0.0)
    tally.take(told("ended"), 1.0)

    assert tally.lines(2.0) == []


def test_where_nothing_can_be_drawn_a_line_is_printed_now_and_then(capsys):
    watch = Watch()
    with board(show=True, clock=watch):
        tell(told("planned", calls=4, rate=Rate(5)))
        for seconds in (1, 4, 6, 3):
            watch.now += seconds
            tell(told("landed", calls=1))

    lines = [line for line in capsys.readouterr().err.splitlines() if "calls" in line]
    # After eleven seconds, and not again three seconds later
    assert lines == ["raw_daily_bars: 3 of 4 calls, 0 a minute, about 12 s left"]


def test_it_says_nothing_where_it_is_told_to_and_leaves_the_log_as_it_was(capsys):
    watch, before = Watch(), (LOG.level, LOG.propagate, list(LOG.handlers))
    with board(show=False, clock=watch):
        tell(told("planned", calls=2))
        watch.now += 100
        tell(told("landed"))

    assert capsys.readouterr().err == ""
    assert (LOG.level, LOG.propagate, list(LOG.handlers)) == before


def test_progress_is_no_line_of_the_log(caplog):
    caplog.set_level(logging.INFO)

    tell(told("landed"))

    assert not caplog.records
