"""Fault 43, and what several processes do to one budget: real processes, real time, one fake vendor."""

import random

import pytest

from orion_assets.clock import SystemClock
from orion_assets.schemas import RAW_DAILY_BARS
from orion_assets.sources.limiter import Rate
from orion_assets.sources.synthetic.vendor.terms import Plan, Terms
from orion_assets_tests.faults.worker import Job, started
from orion_assets_tests.faults.world import assert_conserved, assert_no_op, assert_secret
from orion_assets_tests.servers import wait_until

SESSIONS = 12


def job_of(made, span=None, **more) -> Job:
    return Job(str(made.folder), made.vendor.base_url, made.table.name, made.ask.tickers, span or made.span, **more)


def quarters_of(made, truth) -> list:
    """Cut the range of a world in four."""
    days = [*truth.sessions["session"].tail(SESSIONS), made.span[1]]
    return [(days[at], days[at + 3]) for at in range(0, SESSIONS, 3)]


@pytest.mark.parametrize(
    ("kills", "seed", "in_flight"),
    [(20, 0, 1), (10, 1, 4), *(pytest.param(20, seed, 1, marks=pytest.mark.accept) for seed in range(1, 16))],
)
def test_a_backfill_that_is_killed_goes_on_where_it_was(worlds, faultless, kills, seed, in_flight):
    rng, killed = random.Random(seed), 0
    while killed < kills:
        made = worlds(RAW_DAILY_BARS, sessions=SESSIONS, terms=Terms())
        killed_here = 0
        while killed < kills:
            before = made.calls()
            process = started(job_of(made, in_flight=in_flight))
            wait_until(lambda: made.calls() > before or not process.is_alive(), "a call", deadline_s=300)  # noqa: B023
            # Anywhere between the question and two landings later
            process.join(rng.random() * 0.6)
            if not process.is_alive():
                break
            process.kill()
            process.join()
            killed, killed_here = killed + 1, killed_here + 1
        process = started(job_of(made))
        process.join()

        assert process.exitcode == 0
        # A kill costs what was under way
        assert made.calls() <= SESSIONS + in_flight * killed_here
        assert_conserved(made)
        assert made.rows().equals(faultless(made))
        assert set(made.states()) == {"data", "empty_confirmed"}
        assert_no_op(made)
        assert_secret(made, "")


def test_what_the_vendor_tells_one_process_all_of_them_heed(worlds, faultless, truth):
    made = worlds(RAW_DAILY_BARS, sessions=SESSIONS, terms=Terms(), vendor_clock=SystemClock())
    made.vendor.faults.add("too_many_requests", nth=[5], retry_after="3")

    processes = [started(job_of(made, span)) for span in quarters_of(made, truth)]
    for process in processes:
        process.join()

    entries = list(made.vendor.journal)
    (refused,) = [entry for entry in entries if entry.status == 429]
    later = sorted(entry.ts_start for entry in entries if entry.ts_start > refused.ts_end)
    # Those that had their slot before the refusal was heard are on the way for some milliseconds
    on_the_way = [at for at in later if at < refused.ts_end + 0.5]
    assert [process.exitcode for process in processes] == [0] * 4
    assert len(on_the_way) <= 3
    assert later[len(on_the_way)] >= refused.ts_end + 3.0
    assert made.calls() == SESSIONS + 1
    assert_conserved(made)
    assert made.rows().equals(faultless(made))


def test_four_processes_spend_one_budget(worlds, faultless, truth):
    rate = Rate(5, 1.0)
    terms = Terms(Plan(calls=rate.calls), window_s=rate.window_s)
    made = worlds(RAW_DAILY_BARS, sessions=SESSIONS, terms=terms, vendor_clock=SystemClock())

    processes = [started(job_of(made, span, rate=rate)) for span in quarters_of(made, truth)]
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0] * 4
    assert {entry.status for entry in made.vendor.journal} == {200}
    assert made.calls() == SESSIONS
    assert made.vendor.journal.most_in(rate.window_s) <= rate.calls
    assert_conserved(made)
    assert made.rows().equals(faultless(made))
