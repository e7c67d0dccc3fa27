"""Faults of the fake vendor in what an answer says of itself: statuses, bodies, envelopes, pages."""

import pytest

from orion_assets.sources.synthetic.vendor import faults_reply
from orion_assets_tests.raw_http import ask
from orion_assets_tests.unit.sources.erring import DAILY, GROUPED, HOST, Seen

SEEN = Seen()


@SEEN.of("too_many_requests")
@pytest.mark.parametrize(
    ("given", "header"),
    [
        ("", None),
        (7, "7"),
        (0, "0"),
        (10**9, "1000000000"),
        ("soon", "soon"),
        ("date:30", "Sat, 21 Nov 2026 18:00:30 GMT"),
    ],
)
def test_too_many_requests_say_when_to_come_again(around, given, header):
    _, got = around(GROUPED, "too_many_requests", retry_after=given)

    assert (got.status, got.headers.get("Retry-After")) == (429, header)
    assert b"exceeded the maximum requests" in got.body


def test_too_many_requests_may_have_nothing_to_say(around):
    _, got = around(GROUPED, "too_many_requests", body="empty")

    assert (got.status, got.body) == (429, b"")


@SEEN.of("server_error")
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_is_a_page_of_html(around, status):
    _, got = around(GROUPED, "server_error", status=status)

    assert (got.status, got.headers["Content-Type"]) == (status, "text/html")
    assert got.body.startswith(b"<html>")


@SEEN.of("html")
def test_a_page_of_maintenance_comes_with_200(around):
    _, got = around(GROUPED, "html")

    assert (got.status, got.body[:6]) == (200, b"<html>")


@SEEN.of("body")
@pytest.mark.parametrize("text", ["", "{}", "null", "[]", '"x"'])
def test_the_body_is_none_of_data(around, text):
    _, got = around(GROUPED, "body", text=text)

    assert (got.status, got.body) == (200, text.encode())


@SEEN.of("status_error")
def test_an_error_comes_with_200(around):
    _, got = around(GROUPED, "status_error")

    assert (got.status, got.json["status"]) == (200, "ERROR")
    assert "results" not in got.json


@SEEN.of("redirect")
def test_a_redirect_leads_to_another_host_without_the_key(vendor):
    vendor.faults.add("redirect", to="http://127.0.0.1:9", status=307)

    got = ask(vendor.port, f"{GROUPED}&apiKey=hush", key=None)

    assert (got.status, got.headers["Location"]) == (307, f"http://127.0.0.1:9{GROUPED}")


@SEEN.of("unknown_key")
def test_a_key_is_revoked_in_the_middle(vendor):
    vendor.faults.add("unknown_key", since=3)

    assert [ask(vendor.port, GROUPED).status for _ in range(4)] == [200, 200, 401, 401]
    vendor.faults.add("unknown_key", as_html=True)
    assert ask(vendor.port, GROUPED).body.startswith(b"<html>")


@SEEN.of("forbidden")
@pytest.mark.parametrize(
    ("kind", "status", "says"),
    [
        ("endpoint", "NOT_AUTHORIZED", "not entitled"),
        ("timeframe", "NOT_AUTHORIZED", "timeframe"),
        ("today", "NOT_AUTHORIZED", "before end of day"),
        ("error", "ERROR", "not entitled"),
    ],
)
def test_there_are_four_kinds_of_forbidden(around, kind, status, says):
    _, got = around(GROUPED, "forbidden", kind=kind)

    assert (got.status, got.json["status"]) == (403, status)
    assert says in got.json["message"]


@SEEN.of("page_repeated")
def test_a_page_comes_again_and_the_list_goes_on(around):
    healthy, got = around.pages("page_repeated", nth=[2])

    assert [page.rows for page in got] == [healthy[0].rows, healthy[0].rows, healthy[2].rows]


@SEEN.of("next_url")
@pytest.mark.parametrize("kind", ["self", "cycle", "foreign", "bad"])
def test_a_next_page_leads_nowhere(around, kind):
    healthy, got = around.pages("next_url", kind=kind, since=2)

    first, second = healthy[0].json["next_url"], got[1].json["next_url"]
    if kind == "self":
        assert second == first
        assert len(got) == 6
    if kind == "cycle":
        assert second == HOST + DAILY
        assert [page.rows for page in got[:4]] == [healthy[0].rows, healthy[1].rows] * 2
    if kind == "foreign":
        assert second.startswith("https://elsewhere.example/v2/aggs/ticker/SAAA/")
    if kind == "bad":
        assert [page.status for page in got] == [200, 200, 200, 400]
        assert "next_url" not in healthy[2].json


@SEEN.of("next_url")
def test_a_full_page_names_no_next_one(around):
    healthy, got = around.pages("next_url", kind="lost", nth=[2])

    assert [page.rows for page in got] == [page.rows for page in healthy[:2]]


@SEEN.of("page_missing")
def test_a_page_is_left_out(around):
    healthy, got = around.pages("page_missing", nth=[1])

    assert [page.rows for page in got] == [healthy[0].rows, healthy[2].rows]


@SEEN.of("adjusted_lost")
def test_the_next_page_forgets_what_was_asked(around):
    healthy, got = around.pages("adjusted_lost")

    assert [page.json["adjusted"] for page in healthy] == [False, False, False]
    assert [page.json["adjusted"] for page in got] == [False, True, True]


@SEEN.of("results_null", "empty")
def test_a_false_emptiness_comes_once(vendor):
    vendor.faults.add("results_null", nth=[1])
    vendor.faults.add("empty", nth=[2])

    null, nothing, whole = (ask(vendor.port, GROUPED) for _ in range(3))

    assert (null.json["results"], null.json["resultsCount"]) == (None, 0)
    assert (nothing.json["resultsCount"], "results" in nothing.json) == (0, False)
    assert len(whole.rows) > 10


@SEEN.of("delayed")
def test_delayed_is_good_data(around):
    healthy, got = around(GROUPED, "delayed")

    assert got.json["status"] == "DELAYED"
    assert got.rows == healthy.rows


@SEEN.of("wrong_envelope")
def test_another_ticker_stands_in_the_envelope(around):
    _, got = around(DAILY, "wrong_envelope")

    assert got.json["ticker"] == "WRONG"


def test_every_fault_there_is_is_seen_by_a_test():
    SEEN.assert_all(faults_reply.FAULTS)
