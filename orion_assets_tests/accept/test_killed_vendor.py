"""A backfill from a vendor that is killed at any moment and begun again holds the same, for a call more a kill."""

import random
from contextlib import contextmanager
from subprocess import TimeoutExpired

import pytest

from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.terms import PLANS, Terms
from orion_assets_tests.accept_runs import figure, on_vendor, recent_market
from orion_assets_tests.servers import wait_until

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
    """Give the hashes and the number of calls of a backfill that nobody killed."""
    with deployed(tmp_path_factory.mktemp("whole"), market) as (made, vendor, command):
        made.done(*command)
        return made.hashes(), len(vendor.journal.entries)


@pytest.mark.accept
def test_what_was_killed_and_begun_again_holds_the_same(whole, market, tmp_path):
    rng = random.Random(1)
    hashes, calls = whole
    with deployed(tmp_path, market) as (made, vendor, command):
        killed = 0
        for _ in range(KILLS):
            before = len(vendor.journal.entries)
            process = made.start(*command)
            # Until it asks, or is at work on what it has: the last ones ask for nothing more
            wait_until(
                lambda: len(vendor.journal.entries) > before or process.poll() is not None,  # noqa: B023
                "a call, or the end",
                deadline_s=120,
            )
            try:
                process.wait(rng.random() * 1.5)
            except TimeoutExpired:
                killed += 1
            process.kill()
            process.wait()
        made.done(*command)

        figure(f"{killed} kills, {len(vendor.journal.entries)} calls of {calls}")
        assert killed >= KILLS / 2
        assert len(vendor.journal.entries) <= calls + killed
        assert made.hashes() == hashes
