"""Faults 1 to 9 and 13 to 16: the way to the vendor, and answers that are none.

Each happens on the first, the middle and the last call of a backfill, once, or until somebody mends it.
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator

import pytest
import trustme

from orion_assets.errors import SettingsError, SourceUnavailable
from orion_assets.ingest.runner import Landed
from orion_assets.schemas import RAW_DAILY_BARS
from orion_assets.sources.transport import Policy
from orion_assets_tests.faults.world import (
    PATIENCE,
    PLACES,
    archived,
    assert_cells,
    assert_one_line,
    assert_secret,
    in_threes,
)
from orion_assets_tests.scripted_server import answer, scripted

SHORT = Policy(deadline_s=0.5, attempts=3, refusals=3, most_bytes=8 * 1024**2)
FAULTS = {
    "02 silence": ("silence", {}),
    "03 drip": ("drip", {}),
    "04 reset": ("reset", {}),
    "04 hang up": ("hang_up", {}),
    "05 length too large": ("content_length", {"by": 10}),
    "05 length too small": ("content_length", {"by": -10}),
    "06 gzip cut in half": ("truncated_gzip", {"at": "half"}),
    "06 gzip cut after a row": ("truncated_gzip", {"at": "row"}),
    "06 gzip without its trailer": ("truncated_gzip", {"at": "trailer"}),
    "13 500": ("server_error", {"status": 500}),
    "13 502": ("server_error", {"status": 502}),
    "13 503": ("server_error", {"status": 503}),
    "13 504": ("server_error", {"status": 504}),
    "14 a page of HTML": ("html", {}),
    "15 nothing": ("body", {"text": ""}),
    "15 an empty object": ("body", {"text": "{}"}),
    "15 null": ("body", {"text": "null"}),
    "15 an empty list": ("body", {"text": "[]"}),
    "15 a text": ("body", {"text": '"x"'}),
    "16 status ERROR": ("status_error", {}),
    "31 results null": ("results_null", {}),
}


def patience(*faults: str) -> Policy:
    """Give a short deadline where a fault lasts until then; else one that a busy machine keeps."""
    return SHORT if {"02 silence", "03 drip"} & set(faults) else PATIENCE


# One of each kind; the others with `accept`
KINDS = ("03 drip", "04 reset", "06 gzip cut after a row", "13 503", "14 a page of HTML", "15 null", "16 status ERROR")


@pytest.mark.parametrize(
    ("fault", "place"),
    [
        pytest.param(
            fault, place, marks=() if fault in KINDS and KINDS.index(fault) % 3 == turn else pytest.mark.accept
        )
        for fault in FAULTS
        for turn, place in enumerate(PLACES)
    ],
)
def test_a_call_that_stays_broken_fails_alone_and_heals(worlds, whole, truth, fault, place):
    name, more = FAULTS[fault]
    made = worlds(RAW_DAILY_BARS, policy=patience(fault))
    session = truth.sessions["session"][PLACES[place]]
    made.vendor.faults.add(name, "grouped", match=str(session), **more)
    began = time.monotonic()

    error = made.run()

    cells, took = made.cells(), time.monotonic() - began
    assert isinstance(error, SourceUnavailable)
    assert_one_line([str(error), *cells.filter(state="failed")["detail"].unique()])
    assert cells.filter(session=session)["state"].unique().to_list() == ["failed"]
    assert set(cells.filter(cells["session"] != session)["state"]) <= {"data", "empty_confirmed"}
    assert session not in set(made.rows()["session"])
    assert made.calls() == 2 + made.policy.attempts
    # Each attempt ends at its deadline, though bytes may still come
    assert took < made.calls() * (made.policy.deadline_s + 1)
    # Of the attempts that failed nothing is kept
    assert archived(made) == 2
    assert_cells(made)
    assert isinstance(made.heal(), Landed)
    whole(made, at_most=2 + made.policy.attempts + 1)


@pytest.mark.parametrize("three", in_threes(FAULTS))
def test_faults_that_pass_leave_nothing_behind(worlds, whole, three):
    made = worlds(RAW_DAILY_BARS, policy=patience(*three))
    # Each of the three calls fails once, by a fault of its own, and comes through when it is asked again
    for number, fault in enumerate(three):
        name, more = FAULTS[fault]
        made.vendor.faults.add(name, "grouped", nth=[1 + 2 * number], **more)

    outcome = made.run()

    assert isinstance(outcome, Landed)
    assert sum(made.vendor.faults.hits.values()) == 3
    whole(made, at_most=6)


@pytest.mark.parametrize("fault", ["gzip_bomb", "large_body"])
def test_a_body_that_is_too_large_is_not_taken_in(worlds, whole, truth, fault):
    made = worlds(RAW_DAILY_BARS)
    session = truth.sessions["session"][-2]
    made.vendor.faults.add(fault, "grouped", match=str(session), mib=64)

    outcome = made.run()

    assert isinstance(outcome, Landed)
    assert made.cells().filter(session=session)["state"].unique().to_list() == ["quarantined"]
    assert_one_line(made.details(), "larger than 8 MiB")
    made.heal()
    whole(made)


def test_a_vendor_that_is_down_is_left_alone_until_it_is_back(worlds, whole):
    made = worlds(RAW_DAILY_BARS)
    began = made.uptime()

    with made.vendor.down():
        error = made.run()

    waited = made.uptime() - began
    assert isinstance(error, SourceUnavailable)
    assert waited < 2 * 3 * made.policy.longest_wait_s
    assert made.states() == {"failed": 3 * len(made.tickers)}
    assert_one_line([str(error), *made.details()])
    made.run()
    whole(made, at_most=3)


@contextlib.contextmanager
def nobody_let_in() -> Iterator[str]:
    """Give the URL of a host that takes no connection and refuses none: its queue is full."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        # One more than the queue holds, so that it is full before the first request
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(host.getsockname())
        yield f"http://127.0.0.1:{host.getsockname()[1]}"


def test_a_host_that_lets_nobody_in_is_given_up_at_the_deadline(worlds, whole):
    made = worlds(RAW_DAILY_BARS, policy=SHORT)
    with nobody_let_in() as made.base_url:
        began = time.monotonic()

        error = made.run()

        took = time.monotonic() - began
    assert isinstance(error, SourceUnavailable)
    # Two calls are made before the third is put off
    assert 2 * SHORT.attempts * SHORT.deadline_s <= took < 2 * SHORT.attempts * (SHORT.deadline_s + 1)
    assert_one_line([str(error), *made.details()])
    assert archived(made) == 0
    made.base_url = ""
    made.clock.advance(3600)
    made.run()
    whole(made, at_most=3)


def test_a_name_that_cannot_be_resolved_is_a_vendor_that_is_down(worlds, whole):
    made = worlds(RAW_DAILY_BARS, base_url="https://vendor.invalid", policy=Policy(deadline_s=2.0, attempts=2))

    error = made.run()

    assert isinstance(error, SourceUnavailable)
    assert made.states() == {"failed": 3 * len(made.tickers)}
    assert_one_line([str(error)])
    made.base_url = ""
    made.run()
    whole(made, at_most=3)


def test_a_server_that_cannot_prove_who_it_is_is_sent_nothing(worlds, whole):
    made = worlds(RAW_DAILY_BARS)
    with scripted() as server:
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("localhost").configure_cert(server.tls)
        server.say(answer(b"{}"))
        made.base_url = f"https://localhost:{server.port}"

        error = made.run()

        assert isinstance(error, SettingsError)
        assert server.requests == 0
    assert "its certificate is not trusted" in str(error)
    assert "Check clock, network and SSL_CERT_FILE" in str(error)
    assert made.states() == {"failed": 3 * len(made.tickers)}
    made.base_url = ""
    made.run()
    whole(made, at_most=3)


def test_a_storm_opens_the_breaker_and_loses_no_cell(worlds, whole):
    made = worlds(RAW_DAILY_BARS, sessions=6)
    made.vendor.faults.add("server_error", status=503)

    error = made.run()

    assert isinstance(error, SourceUnavailable)
    assert made.calls() <= 8
    assert made.states() == {"failed": 6 * len(made.tickers)}
    assert_cells(made)
    assert_one_line([str(error), *made.details()])
    made.heal()
    whole(made, at_most=8 + 6)


def test_what_a_failing_run_leaves_behind_does_not_hold_the_key(worlds, caplog):
    made = worlds(RAW_DAILY_BARS)
    made.vendor.faults.add("server_error", nth=[1, 2])
    made.vendor.faults.add("unknown_key", since=4)
    caplog.set_level(0)

    made.run()

    assert made.told
    assert_secret(made, caplog.text)
