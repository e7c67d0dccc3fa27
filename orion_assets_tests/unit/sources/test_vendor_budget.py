"""The vendor's budget in virtual time, and the journal that proves who kept to it."""

import json
import random
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import pytest

from orion_assets.clock import FixedClock
from orion_assets.sources.synthetic.vendor.budget import Budget
from orion_assets.sources.synthetic.vendor.journal import Journal
from orion_assets.sources.synthetic.vendor.server import HOST, fake_vendor
from orion_assets.sources.synthetic.vendor.terms import ManualClock, Plan, Terms
from orion_assets.sources.synthetic.vendor.truth import large_market
from orion_assets_tests.raw_http import ask

PREV = "/v2/aggs/ticker/SAAA/prev"
NOW = datetime(2026, 11, 21, 18, tzinfo=UTC)


@pytest.fixture(scope="module")
def market():
    return large_market(14, 20, date(2026, 11, 20))


def allowed(budget: Budget, instants: list[float]) -> list[float]:
    return [at for at in instants if budget.wait("key", at) == 0]


def test_a_sliding_window_lets_a_call_in_when_the_first_has_left_it():
    budget = Budget(5, 60.0)

    assert allowed(budget, [0, 1, 2, 3, 4, 5, 59.9, 60, 60.5, 61]) == [0, 1, 2, 3, 4, 60, 61]


def test_a_fixed_window_lets_twice_as_many_through_around_its_edge():
    budget = Budget(5, 60.0, "fixed")

    assert allowed(budget, [55, 56, 57, 58, 59, 59.5, 60, 61, 62, 63, 64, 65]) == [
        55,
        56,
        57,
        58,
        59,
        60,
        61,
        62,
        63,
        64,
    ]


def test_refused_calls_count_where_the_terms_say_so():
    lenient, strict = Budget(1, 60.0), Budget(1, 60.0, counts_refused=True)
    instants = [0.0, 30.0, 60.0, 90.0, 120.0]

    assert allowed(lenient, instants) == [0.0, 60.0, 120.0]
    assert allowed(strict, instants) == [0.0]


def test_each_key_has_its_own_budget():
    budget = Budget(1)

    assert [budget.wait(key, 0.0) for key in "aba"] == [0.0, 0.0, 60.0]


def test_a_refusal_says_how_long_to_wait():
    sliding, fixed = Budget(2, 60.0), Budget(2, 60.0, "fixed")
    for at in (10.0, 20.0):
        sliding.wait("key", at), fixed.wait("key", at)

    assert (sliding.wait("key", 25.0), fixed.wait("key", 25.0)) == (45.0, 35.0)


@pytest.mark.parametrize("seed", range(20))
def test_no_window_ever_holds_more_than_a_sliding_budget_lets_through(seed):
    rng = random.Random(seed)
    instants = sorted(rng.uniform(0, 600) for _ in range(300))

    passed = allowed(Budget(5, 60.0), instants)

    assert max(sum(at <= other < at + 60 for other in passed) for at in passed) == 5


def test_the_journal_counts_windows_as_brute_force_does():
    rng = random.Random(7)
    for _ in range(50):
        journal, starts = Journal(), [round(rng.uniform(0, 100), 1) for _ in range(rng.randrange(1, 40))]
        for at in starts:
            journal.begin(at, "key", "GET", "/")
        window = rng.choice([0.1, 1.0, 7.5, 60.0])

        assert journal.most_in(window) == max(sum(at <= other < at + window for other in starts) for at in starts)


def test_an_empty_journal_has_no_window():
    assert Journal().most_in(60.0) == 0
    assert Journal().frame().is_empty()


def test_the_budget_runs_on_the_vendors_own_clock(market):
    clock = ManualClock(NOW)
    with fake_vendor(market, terms=Terms(Plan(calls=2)), clock=clock) as vendor:
        statuses = []
        for step in (0, 1, 1, 57.5, 0.5):
            clock.advance(step)
            statuses.append(ask(vendor.port, PREV).status)

        assert statuses == [200, 200, 429, 429, 200]
        assert vendor.journal.most_in(60.0, status=200) == 2


@pytest.mark.parametrize(
    ("terms", "header", "body"),
    [
        (Terms(Plan(calls=1)), None, b"You've exceeded the maximum requests per minute"),
        (Terms(Plan(calls=1), retry_after="seconds"), "61", b"exceeded"),
        (Terms(Plan(calls=1), retry_after="date"), "Sat, 21 Nov 2026 18:01:01 GMT", b"exceeded"),
        (Terms(Plan(calls=1), refusal_body="empty"), None, b""),
    ],
    ids=["text", "seconds", "date", "empty"],
)
def test_a_refusal_looks_as_the_terms_say(market, terms, header, body):
    with fake_vendor(market, terms=terms, clock=ManualClock(NOW)) as vendor:
        ask(vendor.port, PREV)
        refused = ask(vendor.port, PREV)

    assert (refused.status, refused.headers.get("Retry-After")) == (429, header)
    assert body in refused.body
    assert bool(refused.body) == bool(body)


def test_the_journal_tells_everything_but_the_key(market, tmp_path):
    file = tmp_path / "journal.jsonl"
    with fake_vendor(market, journal=file) as vendor:
        ask(vendor.port, f"{PREV}?adjusted=false&apiKey=hush-hush", key=None)
        ask(vendor.port, "/v2/aggs/grouped/locale/us/market/stocks/2026-11-20", key="hush-hush")
        one, two = vendor.journal.entries
        frame = vendor.journal.frame()

    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert (one.number, one.route, one.status, one.rows) == (1, "prev", 200, 1)
    assert one.path == f"{PREV}?adjusted=false&apiKey=REDACTED"
    assert (two.route, two.key) == ("grouped", one.key)
    assert two.rows > 10
    assert [line["sha256"] for line in lines] == [one.sha256, two.sha256]
    assert one.ts_end >= one.ts_start
    assert frame.select("route", "rows").rows() == [("prev", 1), ("grouped", two.rows)]
    assert "hush-hush" not in file.read_text() + repr(vendor.journal.entries)


def test_clients_at_once_share_one_budget(market):
    with fake_vendor(market, terms=Terms(Plan(calls=5)), clock=FixedClock(NOW)) as vendor:
        with ThreadPoolExecutor(12) as clients:
            statuses = list(clients.map(lambda _: ask(vendor.port, PREV).status, range(60)))

        assert sorted(statuses) == [200] * 5 + [429] * 55
        assert sorted(entry.number for entry in vendor.journal) == list(range(1, 61))


def test_requests_may_follow_each_other_on_one_connection(market):
    request = f"GET {PREV} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\r\n".encode()
    last = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with fake_vendor(market, clock=FixedClock(NOW)) as vendor, socket.create_connection((HOST, vendor.port), 5) as peer:
        peer.sendall(request + request[:30])
        peer.sendall(request[30:] + last)
        received = b"".join(iter(lambda: peer.recv(65536), b""))

    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert [entry.status for entry in vendor.journal] == [200, 200, 200]


def test_what_is_no_http_is_not_answered(market):
    with fake_vendor(market) as vendor:
        with socket.create_connection((HOST, vendor.port), 5) as peer:
            peer.sendall(b"\x16\x03\x01 hello\r\n\r\n")
            assert peer.recv(1) == b""

        assert ask(vendor.port, PREV).status == 200
