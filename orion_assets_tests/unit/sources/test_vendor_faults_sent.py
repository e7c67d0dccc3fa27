"""Faults of the fake vendor between its answer and the socket: connections, lengths, streams."""

import gzip
import json
import re
import socket
import time
import zlib
from email.utils import parsedate_to_datetime

import pytest

from orion_assets.sources.synthetic.vendor import faults_sent
from orion_assets.sources.synthetic.vendor.faults import FaultPlan, Rule
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets_tests.raw_http import ask
from orion_assets_tests.unit.sources.erring import GROUPED, NOW, Seen

SEEN = Seen()


@SEEN.of("closed_on_accept")
def test_a_connection_is_closed_when_it_is_made(vendor):
    vendor.faults.add("closed_on_accept", nth=[1])
    before = len(vendor.journal)

    with socket.create_connection(("127.0.0.1", vendor.port), 2) as peer:
        assert peer.recv(1) == b""

    assert ask(vendor.port, GROUPED).status == 200
    assert len(vendor.journal) == before + 1


def test_a_host_that_is_down_refuses_and_comes_back_on_the_same_port(vendor):
    port = vendor.port
    with vendor.down(), pytest.raises(ConnectionRefusedError):
        ask(port, GROUPED)

    assert ask(port, GROUPED).status == 200


@SEEN.of("hang_up")
def test_a_request_is_read_and_the_connection_closed(vendor, around):
    _, got = around(GROUPED, "hang_up")

    assert (got.status, got.body, got.ending) == (0, b"", "closed")
    assert (vendor.journal.entries[-1].status, vendor.journal.entries[-1].faults) == (0, ("hang_up",))


@SEEN.of("silence")
def test_a_request_is_read_and_nothing_comes(around):
    _, got = around(GROUPED, "silence")

    assert (got.status, got.ending) == (0, "silent")


def test_a_silence_may_end(around):
    _, got = around(GROUPED, "silence", seconds=0.01)

    assert (got.status, got.ending) == (0, "closed")


@SEEN.of("late")
def test_the_answer_is_whole_and_late(around):
    begun = time.monotonic()
    healthy, got = around(GROUPED, "late", seconds=0.2)

    assert (got.status, len(got.body)) == (200, len(healthy.body))
    assert time.monotonic() - begun >= 0.2


@SEEN.of("drip")
def test_the_body_comes_drop_by_drop(around):
    healthy, got = around(GROUPED, "drip", bytes_at_once=10, every_s=0.05)

    assert got.ending == "silent"
    assert 10 <= len(got.body) < len(healthy.body) / 2
    assert got.body[:20] == healthy.body[:20]


@SEEN.of("reset")
def test_the_connection_is_reset_in_mid_body(around):
    healthy, got = around(GROUPED, "reset", share=0.5)

    assert got.ending == "reset"
    assert int(got.headers["Content-Length"]) == len(healthy.body) > len(got.body)


@SEEN.of("content_length")
@pytest.mark.parametrize(("by", "ending"), [(10, "closed"), (-10, "whole")])
def test_the_length_is_a_lie(around, by, ending):
    healthy, got = around(GROUPED, "content_length", by=by)

    assert int(got.headers["Content-Length"]) == len(healthy.body) + by
    assert got.ending == ending


@SEEN.of("truncated_gzip")
@pytest.mark.parametrize("at", ["half", "row", "trailer"])
def test_the_compressed_stream_ends_too_early(around, at):
    healthy, got = around(GROUPED, "truncated_gzip", at=at)

    assert got.ending == "whole"
    with pytest.raises(EOFError):
        gzip.decompress(got.body)
    text = zlib.decompressobj(31).decompress(got.body)
    without_ids = re.sub(rb'"request_id":"\w+"', b"", text)
    assert re.sub(rb'"request_id":"\w+"', b"", healthy.body).startswith(without_ids)
    if at == "row":
        assert text.endswith(b"}")
        assert len(json.loads(text + b"]}")["results"]) < len(healthy.rows)
    if at == "trailer":
        assert json.loads(text)["results"] == healthy.rows


@SEEN.of("gzip_bomb")
def test_a_small_body_unpacks_to_a_large_one(around):
    healthy, got = around(GROUPED, "gzip_bomb", mib=20)

    unpacked = gzip.decompress(got.body)
    assert len(got.body) < 100_000
    assert len(unpacked) > 20 * 2**20
    assert json.loads(unpacked)["results"] == healthy.rows


@SEEN.of("large_body")
def test_the_body_goes_on_and_on(around):
    _, got = around(GROUPED, "large_body", mib=5)

    assert int(got.headers["Content-Length"]) > 5 * 2**20
    assert got.body.endswith(b" " * 1000)


@SEEN.of("skewed_date")
def test_the_date_is_another(around):
    _, got = around(GROUPED, "skewed_date", seconds=-600)

    assert (parsedate_to_datetime(got.headers["Date"]) - NOW).total_seconds() == -600


def test_the_vendor_stops_while_requests_are_under_way(market):
    with fake_vendor(market, faults=FaultPlan([Rule("silence")])) as vendor:
        peer = socket.create_connection(("127.0.0.1", vendor.port), 5)
        peer.sendall(b"GET /v1/marketstatus/now HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\r\n")
        while not len(vendor.journal):
            pass

    with peer:
        assert peer.recv(1) == b""
    assert vendor.journal.entries[0].ts_end is not None


def test_every_fault_there_is_is_seen_by_a_test():
    SEEN.assert_all(faults_sent.FAULTS)
