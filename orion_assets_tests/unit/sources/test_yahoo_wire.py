"""yfinance itself, spoken to over TLS on loopback: bodies come as they were sent, and refusals are told."""

import select
import socket
import ssl
from datetime import UTC, date, datetime

import pytest
import trustme
import yfinance
from curl_cffi import requests as curl
from yfinance.data import YfData

from orion_assets.errors import AnswerDistrusted, NotFound, SourceUnavailable
from orion_assets.sources.limiter import Limiter, Rate
from orion_assets.sources.protocols import Ask
from orion_assets.sources.yahoo.source import YahooSource
from orion_assets.sources.yahoo.wire import MOST_BYTES, YfinanceWire
from orion_assets_tests.scripted_server import answer, scripted
from orion_assets_tests.unit.sources.test_yahoo import chart
from orion_assets_tests.unit.sources.wired import Open, Ticking

HOSTS = ("query1.finance.yahoo.com", "query2.finance.yahoo.com", "fc.yahoo.com", "finance.yahoo.com")
PARAMS = {"interval": "1d", "period1": "1763960400", "period2": "1764133200"}


class Yahoo:
    """Gives cookies and crumbs to whoever asks, and to charts what the test says."""

    def __init__(self, server):
        self.server = server
        self.step = answer(chart())
        server.say(self.answer)

    def answer(self, connection):
        head = self.server.heads[-1]
        if "/v8/finance/chart/" in head:
            self.step(connection)
        elif "/getcrumb" in head:
            answer(b"a-crumb")(connection)
        else:
            answer(b"", headers="Set-Cookie: A3=a-cookie; Domain=.yahoo.com; Path=/; Max-Age=31536000\r\n")(connection)

    @property
    def charts(self):
        return [head for head in self.server.heads if "/v8/finance/chart/" in head]


@pytest.fixture
def yahoo(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*HOSTS).configure_cert(context)
    yfinance.set_tz_cache_location(str(tmp_path / "cache"))
    with scripted() as server, scripted() as proxy:
        server.tls = context
        # Whatever the name, the tunnel leads here; the certificates are checked
        proxy.say(lambda connection: tunnel(connection, server.port))
        session = curl.Session(
            impersonate="chrome", verify=str(tmp_path / "ca.pem"), proxies={"https": f"http://127.0.0.1:{proxy.port}"}
        )
        YfData(session=session)
        yield Yahoo(server)
        session.close()
        YfData(session=curl.Session(impersonate="chrome"))


def tunnel(connection, port):
    """Carry bytes to a port and back until one side closes."""
    with socket.create_connection(("127.0.0.1", port)) as there:
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        ways = {connection: there, there: connection}
        while True:
            for ready in select.select(list(ways), [], [])[0]:
                got = ready.recv(65_536)
                if not got:
                    return
                ways[ready].sendall(got)


@pytest.fixture
def bucket():
    return Open()


@pytest.fixture
def wire(bucket):
    return YfinanceWire(Limiter(bucket, "yahoo", Rate(20), lease_s=240, pause=lambda _: None))


def test_the_body_comes_as_it_was_sent_and_the_crumb_stays_out_of_the_name(yahoo, wire, bucket):
    got = wire("^VIX", PARAMS)

    assert (got.status, got.body) == (200, chart())
    assert (
        got.url
        == "https://query2.finance.yahoo.com/v8/finance/chart/%5EVIX?interval=1d&period1=1763960400&period2=1764133200"
    )
    assert "/v8/finance/chart/%5EVIX?" in yahoo.charts[0]
    assert (bucket.taken, bucket.ended) == (1, 1)


def test_nothing_is_remembered_from_one_ask_to_the_next(yahoo, wire):
    wire("AAPL", PARAMS)
    yahoo.step = answer(chart(closes=(10.0, 12.0)))

    assert wire("AAPL", PARAMS).body == chart(closes=(10.0, 12.0))


def test_being_told_to_wait_closes_the_budget_for_everybody(yahoo, wire, bucket):
    yahoo.step = answer(b"Too Many Requests", "429 Too Many Requests")

    with pytest.raises(SourceUnavailable, match="left alone"):
        wire("AAPL", PARAMS)

    assert bucket.closed == [61.0]
    assert bucket.taken == bucket.ended


def test_what_fails_is_unavailable_and_not_an_empty_frame(yahoo, wire):
    yahoo.step = answer(b"<html>", "502 Bad Gateway")
    with pytest.raises(SourceUnavailable, match="HTTP 502"):
        wire("AAPL", PARAMS)

    yahoo.step = answer(chart()[:40], length=4_000)
    with pytest.raises(SourceUnavailable, match="AAPL"):
        wire("AAPL", PARAMS)


def test_when_yahoo_is_down_it_is_left_alone_and_one_ask_finds_out_whether_it_is_back(yahoo, bucket):
    clock = Ticking()
    wire = YfinanceWire(Limiter(bucket, "yahoo", Rate(20), lease_s=240, pause=lambda _: None), uptime=clock)
    yahoo.step = answer(b"<html>", "502 Bad Gateway")

    for _ in range(8):
        with pytest.raises(SourceUnavailable, match="HTTP 502"):
            wire("AAPL", PARAMS)
    before = yahoo.server.requests
    with pytest.raises(SourceUnavailable, match=r"next try is due in 30 s\. The next run asks again") as alone:
        wire("AAPL", PARAMS)
    assert (yahoo.server.requests, bucket.taken, alone.value.retry_after_s) == (before, 8, 30)
    clock.now += 30
    yahoo.step = answer(chart())

    assert wire("AAPL", PARAMS).body == chart()
    assert wire("AAPL", PARAMS).body == chart()


def test_being_told_to_wait_is_an_answer(yahoo, bucket):
    wire = YfinanceWire(Limiter(bucket, "yahoo", Rate(20), lease_s=240, pause=lambda _: None), uptime=Ticking())
    yahoo.step = answer(b"Too Many Requests", "429 Too Many Requests")

    for _ in range(9):
        with pytest.raises(SourceUnavailable, match="left alone"):
            wire("AAPL", PARAMS)

    assert bucket.taken == 9


def test_a_body_that_no_chart_has_goes_no_further(yahoo, wire):
    yahoo.step = answer(b" " * (MOST_BYTES + 1), is_packed=True)

    with pytest.raises(AnswerDistrusted, match="AAPL: an answer of 33,554,433 bytes"):
        wire("AAPL", PARAMS)


def test_an_unknown_symbol_is_an_answer(yahoo, wire):
    body = b'{"chart": {"result": null, "error": {"code": "Not Found", "description": "No data found"}}}'
    yahoo.step = answer(body, "404 Not Found")

    ask = Ask("raw_daily_bars", date(2025, 11, 24), date(2025, 11, 26), ("ZZZZ",), datetime(2026, 1, 1, tzinfo=UTC))

    with pytest.raises(NotFound, match="No data found"):
        YahooSource(wire).read_adjusted(ask)

    assert yahoo.charts
