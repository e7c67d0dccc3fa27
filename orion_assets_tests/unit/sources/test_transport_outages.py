"""A vendor that is down is left alone, one that was down for a moment is waited for, and whatever it says counts."""

# ruff: noqa: F811 - fixtures are imported by name

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from orion_assets.clock import FixedClock
from orion_assets.errors import AnswerDistrusted, NotEntitled, NotYet, SourceUnavailable
from orion_assets.sources.limiter import Limiter, Rate
from orion_assets.sources.transport import Policy, Transport, Vendor
from orion_assets_tests.scripted_server import answer
from orion_assets_tests.unit.sources.wired import (  # noqa: F401
    GOOD,
    NOW,
    Ticking,
    body_of,
    bucket,
    is_json,
    pauses,
    server,
    transport,
)


def test_a_vendor_that_is_down_is_left_alone_after_some_failures(server, transport):
    server.say(answer(b"", "500 Internal Server Error"))
    asked = transport(attempts=3)

    for _ in range(3):
        with pytest.raises(SourceUnavailable):
            asked.get("/a", {}, body_of)
    before = server.requests
    with pytest.raises(SourceUnavailable, match="the next try is due in") as alone:
        asked.get("/a", {}, body_of)

    assert server.requests == before == 8
    assert 0 < alone.value.retry_after_s <= 30


def test_an_outage_of_a_moment_costs_calls_side_by_side_a_wait_and_no_answer(server, bucket):
    clock, lock, all_failed, paused = Ticking(), threading.Lock(), threading.Barrier(16, timeout=20), threading.local()

    def pause(seconds):
        # Nobody asks again before all have failed
        if not hasattr(paused, "before"):
            paused.before = True
            all_failed.wait()
        with lock:
            clock.now += seconds

    server.say(*[answer(b"<html>502</html>", "502 Bad Gateway")] * 16, answer(GOOD))
    limiter = Limiter(bucket, "acme:1", Rate(1_000), lease_s=60, pause=pause)
    vendor = Vendor("acme", server.url, is_json)

    with (
        Transport(vendor, limiter, Policy(), FixedClock(NOW), pause, uptime=clock) as asked,
        ThreadPoolExecutor(16) as threads,
    ):
        heard = list(threads.map(lambda _: asked.get("/a", {}, body_of), range(16)))

    assert heard == [GOOD] * 16


def test_a_breaker_that_is_open_for_long_is_not_waited_for(server, bucket):
    clock = Ticking()

    def pause(seconds):
        clock.now += seconds

    server.say(answer(b"", "503 Service Unavailable"))
    limiter = Limiter(bucket, "acme:1", Rate(1_000), lease_s=60, pause=pause)
    with Transport(
        Vendor("acme", server.url, is_json), limiter, Policy(), FixedClock(NOW), pause, uptime=clock
    ) as asked:
        for _ in range(3):
            with pytest.raises(SourceUnavailable):
                asked.get("/a", {}, body_of)
        began, requests = clock.now, server.requests

        with pytest.raises(SourceUnavailable, match="the next try is due in"):
            asked.get("/a", {}, body_of)

    assert (clock.now, server.requests) == (began, requests)


@pytest.mark.parametrize(
    ("back", "error"),
    [
        (NotEntitled("acme: not in the plan"), NotEntitled),
        (NotYet("acme: before end of day"), NotYet),
        (AnswerDistrusted("rows of BOLT"), AnswerDistrusted),
        (SourceUnavailable("acme: the budget of the day is spent"), SourceUnavailable),
    ],
    ids=["not entitled", "not yet", "distrusted", "unavailable"],
)
def test_whatever_a_vendor_says_it_answers(server, bucket, back, error):
    clock, said = Ticking(), []

    def judge(response):
        if response.status == 403:
            raise back

    vendor = Vendor("acme", server.url, judge)
    limiter = Limiter(bucket, "acme:1", Rate(1_000), lease_s=60, pause=said.append)
    policy = Policy(attempts=1, failures=2)
    with Transport(vendor, limiter, policy, FixedClock(NOW), said.append, uptime=clock) as asked:
        server.say(*[answer(b"", "503 Service Unavailable")] * 2, answer(b"{}", "403 Forbidden"), answer(GOOD))
        for _ in range(2):
            with pytest.raises(SourceUnavailable):
                asked.get("/a", {}, body_of)
        clock.now += 31
        with pytest.raises(error):
            asked.get("/a", {}, body_of)

        assert asked.get("/a", {}, body_of) == GOOD
