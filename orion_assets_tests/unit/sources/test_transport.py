"""Whatever the other side does, an answer is whole and believed, or an error says what, where and what next."""

# ruff: noqa: F811 - fixtures are imported by name

import gzip
import logging
import ssl
import time

import pytest
import trustme

from orion_assets.clock import FixedClock
from orion_assets.errors import (
    AnswerDistrusted,
    KeyRefused,
    NotEntitled,
    NotFound,
    RequestRejected,
    SettingsError,
    SourceUnavailable,
)
from orion_assets.sources.limiter import Limiter, Rate, Wait
from orion_assets.sources.transport import Policy, Transport, Vendor
from orion_assets_tests.scripted_server import answer, dripping, raw, reset, scripted, silent
from orion_assets_tests.unit.sources.wired import (  # noqa: F401
    GOOD,
    KEY,
    NOW,
    Open,
    body_of,
    bucket,
    is_json,
    pauses,
    server,
    transport,
    whole,
)


def test_an_answer_comes_unpacked_with_its_hash_and_the_key_in_the_header_alone(server, transport):
    server.say(answer(GOOD, is_packed=True, headers="Date: Sat, 21 Nov 2026 12:00:00 GMT\r\nSet-Cookie: a=b\r\n"))

    got = transport().get("/v2/bars/KIMpL", {"limit": "5", "cursor": "a=b&c"}, whole)

    assert (got.body, got.status, len(got.sha256)) == (GOOD, 200, 64)
    assert got.headers["date"].startswith("Sat")
    assert "set-cookie" not in got.headers
    assert server.heads[0].startswith("GET /v2/bars/KIMpL?limit=5&cursor=a%3Db%26c HTTP/1.1")
    assert f"authorization: bearer {KEY}" in server.heads[0].lower().replace(KEY.lower(), KEY)
    assert KEY not in got.url + repr(got) + repr(got.headers)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (reset(), "ReadError|RemoteProtocolError|disconnected"),
        (reset(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n" + GOOD[:10]), "ReadError|RemoteProtocolError"),
        (raw(GOOD, length=len(GOOD) + 50), "RemoteProtocolError"),
        (raw(GOOD, length=0), "not JSON"),
        (raw(gzip.compress(GOOD)[:-6], headers="Content-Encoding: gzip\r\n"), "ends before its trailer"),
        (raw(gzip.compress(GOOD)[:-8] + b"\0" * 8, headers="Content-Encoding: gzip\r\n"), "not gzip"),
        (raw(b"plain", headers="Content-Encoding: gzip\r\n"), "not gzip"),
        (raw(gzip.compress(GOOD) + b"more", headers="Content-Encoding: gzip\r\n"), "bytes follow"),
        (answer(b"<html>maintenance</html>"), "not JSON"),
        (answer(b""), "not JSON"),
        (answer(b"<html>504</html>", "504 Gateway Timeout"), "HTTP 504"),
        (answer(b"", "500 Internal Server Error"), "HTTP 500, an empty body"),
    ],
    ids=[
        "reset",
        "reset in mid-body",
        "too long a length",
        "too short a length",
        "cut gzip",
        "wrong trailer",
        "no gzip",
        "bytes after gzip",
        "page",
        "nothing",
        "504",
        "500",
    ],
)
def test_a_torn_or_passing_answer_is_asked_for_again_and_given_up_in_the_end(server, transport, bucket, fault, says):
    server.say(fault, answer(GOOD))
    assert transport().get("/a", {}, body_of) == GOOD
    assert (server.requests, bucket.taken, bucket.ended) == (2, 2, 2)

    server.say(fault)
    with pytest.raises(SourceUnavailable, match=says) as given_up:
        transport().get("/a", {}, body_of)

    assert server.requests == 5
    assert "acme: /a" in str(given_up.value)
    assert "asked 3 times" in str(given_up.value)


def test_a_deadline_holds_against_silence_and_against_a_drip(server, transport):
    for fault in (silent(server), dripping(server)):
        server.say(fault)
        begun = time.monotonic()

        with pytest.raises(SourceUnavailable, match=r"within 0\.4 s"):
            transport(deadline_s=0.4, attempts=1).get("/a", {}, body_of)

        assert 0.4 <= time.monotonic() - begun < 1.4


def test_a_refused_connection_is_tried_again_then_told(transport, server, pauses):
    server.say(answer(GOOD))
    asked = transport()
    asked._base = asked._base._replace(netloc="127.0.0.1:9")

    with pytest.raises(SourceUnavailable, match="ConnectError"):
        asked.get("/a", {}, body_of)

    assert len(pauses) == 2


def test_a_name_that_no_server_resolves_is_unavailable(bucket, pauses):
    limiter = Limiter(bucket, "a", Rate(5), lease_s=60, pause=pauses.append)
    vendor = Vendor("acme", "https://api.acme.invalid", is_json)

    with (
        Transport(vendor, limiter, Policy(attempts=2), FixedClock(NOW), pauses.append) as asked,
        pytest.raises(SourceUnavailable, match="asked 2 times"),
    ):
        asked.get("/a", {}, body_of)


def test_waits_between_attempts_grow_and_are_jittered(server, transport, pauses):
    server.say(answer(b"", "503 Service Unavailable"))

    with pytest.raises(SourceUnavailable):
        transport(attempts=7, first_wait_s=1, longest_wait_s=16).get("/a", {}, body_of)

    assert len(pauses) == 6
    assert all(0 <= wait <= most for wait, most in zip(pauses, [1, 2, 4, 8, 16, 16], strict=True))
    assert len(set(pauses)) == 6


def test_retry_after_of_a_503_is_honoured(server, transport, pauses):
    server.say(answer(b"", "503 Service Unavailable", headers="Retry-After: 120\r\n"), answer(GOOD))

    transport(longest_wait_s=2).get("/a", {}, body_of)

    assert 120 <= pauses[0] <= 122


@pytest.mark.parametrize(
    ("header", "closed"),
    [
        ("Retry-After: 7\r\n", 7),
        ("Retry-After: 0\r\n", 1),
        ("Retry-After: 1000000000\r\n", 300),
        ("Retry-After: soon\r\n", 61),
        ("Retry-After: -5\r\n", 61),
        ("", 61),
        ("Date: Sat, 21 Nov 2026 12:00:00 GMT\r\nRetry-After: Sat, 21 Nov 2026 12:00:30 GMT\r\n", 30),
        ("Retry-After: Sat, 21 Nov 2026 12:00:45 GMT\r\n", 45),
        ("Retry-After: Sat, 21 Nov 2026 12:00:45\r\n", 45),
        ("Retry-After: Sat, 21 Nov 2026 12:00:45 -0000\r\n", 45),
        ("Date: Sat, 21 Nov 2026 12:00:00\r\nRetry-After: Sat, 21 Nov 2026 12:00:30 GMT\r\n", 30),
    ],
)
def test_a_429_closes_the_budget_for_all_as_long_as_the_vendor_says(server, transport, bucket, header, closed):
    server.say(answer(b"", "429 Too Many Requests", headers=header), answer(GOOD))

    assert transport().get("/a", {}, body_of) == GOOD

    assert bucket.closed == [closed]


def test_a_storm_of_429_closes_for_longer_each_time_and_is_put_off(server, transport, bucket):
    server.say(answer(b"", "429 Too Many Requests"))

    with pytest.raises(SourceUnavailable, match="4 times in a row") as put_off:
        transport(refusals=4).get("/a", {}, body_of)

    assert bucket.closed == [61, 122, 244, 300]
    assert "ORION_CALLS_PER_MINUTE" in str(put_off.value)


@pytest.mark.parametrize(
    ("status", "error"),
    [("403 Forbidden", NotEntitled), ("404 Not Found", NotFound), ("400 Bad Request", RequestRejected)],
)
def test_what_the_vendor_refuses_for_good_is_asked_once(server, transport, status, error):
    server.say(answer(b'{"status":"ERROR","error":"to before from"}', status))

    with pytest.raises(error, match="to before from"):
        transport().get("/a", {}, body_of)

    assert server.requests == 1


def test_after_a_401_nothing_more_is_sent_with_the_key(server, transport):
    server.say(answer(f"Unknown API Key {KEY}".encode(), "401 Unauthorized"))
    asked = transport()

    for _ in range(3):
        with pytest.raises(KeyRefused) as refused:
            asked.get("/a", {}, body_of)

    assert server.requests == 1
    assert KEY not in str(refused.value)
    assert "Unknown API Key ***" in str(refused.value)


def test_a_redirect_is_not_followed(server, transport):
    with scripted() as other:
        other.say(answer(GOOD))
        server.say(answer(b"", "302 Found", headers=f"Location: {other.url}/a\r\n"))

        with pytest.raises(AnswerDistrusted, match="not followed"):
            transport().get("/a", {}, body_of)

        assert (server.requests, other.requests) == (1, 0)


def test_a_bomb_is_refused_before_it_is_held(server, transport):
    server.say(answer(b"\0" * 40_000_000, is_packed=True))

    with pytest.raises(AnswerDistrusted, match="larger than 1 MiB"):
        transport(most_bytes=1024**2).get("/a", {}, body_of)

    assert server.requests == 1


def test_an_answer_that_cannot_be_true_is_asked_for_once_more_and_then_refused(server, transport):
    def of_somebody_else(response):
        raise AnswerDistrusted("bars of BOLT", is_worth_asking=True)

    server.say(answer(GOOD))

    with pytest.raises(AnswerDistrusted, match=r"acme: /a: bars of BOLT\. Nothing of the answer is landed"):
        transport(attempts=5).get("/a", {}, of_somebody_else)

    assert server.requests == 2


def test_a_next_page_is_asked_of_the_base_and_of_nobody_else(server, transport):
    server.say(answer(GOOD))
    asked = transport()

    asked.follow("https://api.acme.test:443/v2/bars?cursor=bGltaXQ9NQ%3D%3D&empty=", body_of)

    assert server.heads[0].startswith("GET /v2/bars?cursor=bGltaXQ9NQ%3D%3D&empty= HTTP/1.1")
    for foreign in (
        "https://evil.test/v2/bars",
        "http://api.acme.test/v2/bars",
        "https://api.acme.test@evil.test/v2/bars",
        "https://api.acme.test:8443/v2/bars",
        "file:///etc/passwd",
    ):
        # Whether, and when, it is asked for again is the ledger's to say: a fetch has no next run
        with pytest.raises(AnswerDistrusted, match=r"not its own\. Nothing of the answer is landed; what another"):
            asked.follow(foreign, body_of)
    assert server.requests == 1


def test_a_slot_is_given_back_whatever_came_of_the_call(server, transport, bucket):
    server.say(reset(), answer(b"", "404 Not Found"))

    with pytest.raises(NotFound):
        transport().get("/a", {}, body_of)

    assert bucket.taken == bucket.ended == 2


@pytest.mark.parametrize("url", ["http://api.acme.test", "ftp://127.0.0.1", "api.acme.test", "http://10.0.0.1"])
def test_a_key_never_travels_in_the_clear(url, bucket):
    limiter = Limiter(bucket, "a", Rate(5), lease_s=60, pause=lambda seconds: None)

    with pytest.raises(SettingsError, match="in the clear"):
        Transport(Vendor("acme", url, is_json), limiter, Policy(), FixedClock(NOW), lambda seconds: None)


def test_a_server_that_cannot_prove_who_it_is_is_sent_nothing(server, bucket, pauses):
    mine = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(mine)
    server.tls = mine
    server.say(answer(GOOD))
    limiter = Limiter(bucket, "a", Rate(5), lease_s=60, pause=pauses.append)
    vendor = Vendor("acme", f"https://localhost:{server.port}", is_json, headers={"Authorization": f"Bearer {KEY}"})

    with (
        Transport(vendor, limiter, Policy(), FixedClock(NOW), pauses.append) as asked,
        pytest.raises(SettingsError, match="certificate is not trusted"),
    ):
        asked.get("/a", {}, body_of)

    assert (server.requests, pauses) == (0, [])


def test_the_key_is_in_no_log(server, transport, caplog):
    server.say(answer(f'{{"you sent": "{KEY}"}}'.encode(), "500 Oops"), answer(GOOD))

    with caplog.at_level(logging.DEBUG):
        transport().get("/a", {}, body_of)

    assert caplog.text
    assert KEY not in caplog.text


def test_a_limiter_that_says_wait_is_waited_for(server, pauses):
    class Twice(Open):
        def take(self, key, rate, lease_s):
            return Wait(12.5) if len(pauses) < 2 else super().take(key, rate, lease_s)

    server.say(answer(GOOD))
    limiter = Limiter(Twice(), "a", Rate(5), lease_s=60, pause=pauses.append)
    with Transport(Vendor("acme", server.url, is_json), limiter, Policy(), FixedClock(NOW), pauses.append) as asked:
        asked.get("/a", {}, body_of)

    assert pauses == [12.5, 12.5]
