"""A backfill from a vendor that is killed at any moment and begun again holds the same, for a call more a kill."""

import random
from contextlib import contextmanager, suppress
from subprocess import TimeoutExpired
from time import perf_counter

import pytest

from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.terms import PLANS, Terms
from orion_assets_tests.accept_runs import figure, on_vendor, recent_market

SESSIONS, KILLS = 20, 12
# Long past, so that nothing is due for another look
AGO = 40


@pytest.fixture(scope="module")
def market():
    return recent_market(14, SESSIONS + AGO + 20)


@contextmanager
def deployed(folder, market):
    """Give a deployment that reads from a vendor of its own, that vendor, and the command that fills the range."""
    days = market.sessions["session"].to_list()
    with fake_vendor(market, terms=Terms(PLANS["advanced"])) as vendor:
        # A kill costs what is under way
        made = on_vendor(folder, vendor, ("SAAA", "SAAB", "SAAC"), days[0], ORION_MAX_IN_FLIGHT="1")
        yield made, vendor, ("backfill", "--from", days[-AGO - SESSIONS], "--to", days[-AGO])


@pytest.fixture(scope="module")
def whole(market, tmp_path_factory):
    """Give the hashes of a backfill that nobody killed, the number of its calls, and the seconds it took."""
    with deployed(tmp_path_factory.mktemp("whole"), market) as (made, vendor, command):
        begun = perf_counter()
        made.done(*command)
        return made.hashes(), len(vendor.journal.entries), perf_counter() - begun


@pytest.mark.accept
def test_what_was_killed_and_begun_again_holds_the_same(whole, market, tmp_path):
    rng = random.Random(1)
    hashes, calls, seconds = whole
    with deployed(tmp_path, market) as (made, vendor, command):
        killed, asked = 0, []
        for number in range(KILLS):
            before = len(vendor.journal.entries)
            # Amid its calls while it has any, and at any time of its work; the last ones may have nothing to do
            few, after = (rng.randint(1, 4), 0.6) if number % 2 else (calls + 1, rng.uniform(0.2, 0.6))
            process, end = made.start(*command), perf_counter() + seconds * after
            while process.poll() is None and perf_counter() < end and len(vendor.journal.entries) < before + few:
                with suppress(TimeoutExpired):
                    process.wait(0.01)
            if process.poll() is None:
                killed += 1
                asked.append(len(vendor.journal.entries) - before)
            process.kill()
            process.wait()
        made.done(*command)

        made_calls = len(vendor.journal.entries)
        figure(f"{killed} kills, calls before each {asked}, {made_calls} calls of {calls}, {seconds:.1f} s whole")
        assert killed >= KILLS / 2
        assert sum(0 < sum(asked[:number]) < calls for number in range(1, killed + 1)) >= 3, "hardly one amid the calls"
        assert made_calls <= calls + killed
        assert made.hashes() == hashes
