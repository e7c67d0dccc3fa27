"""The connections to a vendor end with whoever holds them, and nobody waits for that."""

import gc
import importlib._bootstrap
import threading

import httpx
import pytest

from orion_assets.sources.wire import Unreachable, Wire
from orion_assets_tests.scripted_server import answer, scripted, silent
from orion_assets_tests.servers import wait_until


@pytest.fixture
def server():
    with scripted() as running:
        yield running


def opened(deadline_s: float = 30.0) -> Wire:
    return Wire({}, deadline_s=deadline_s, most_bytes=1_000)


def loops() -> set[threading.Thread]:
    gc.collect()
    return {thread for thread in threading.enumerate() if thread.name == "wire"}


@pytest.mark.timeout(30)
def test_who_lets_go_of_connections_does_not_wait_for_them(server):
    before = loops()
    server.say(answer(b"{}"))
    wire = opened()
    assert wire.get(httpx.URL(server.url)).body == b"{}"
    (mine,) = loops() - before

    # What a collector does that runs during an import, which the loop needs as well to end
    with importlib._bootstrap._ImportLockContext():
        del wire

    wait_until(lambda: mine not in loops(), "the end of the loop")


def test_what_was_closed_opens_anew(server):
    before = loops()
    wire = opened()
    for _ in range(2):
        server.say(answer(b"{}"))
        assert wire.get(httpx.URL(server.url)).status == 200
        wire.close()
        wire.close()
        assert not loops() - before


def test_a_request_under_way_ends_when_the_connections_are_closed(server):
    server.say(silent(server))
    wire, told = opened(), []

    def ask() -> None:
        with pytest.raises(Unreachable) as refused:
            wire.get(httpx.URL(server.url))
        told.append(str(refused.value))

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(lambda: server.requests == 1, "the request")
    wire.close()
    asking.join(10)

    assert told == ["the connections were closed meanwhile"]
