"""Every fault of the fake vendor as a client sees it on the socket, and the rules that say when it happens."""

import gzip
import json
import re
import socket
import time
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

import pytest

from orion_assets.clock import FixedClock
from orion_assets.sources.synthetic.vendor.faults import FAULTS, FaultPlan, Rule, load_plan
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.terms import ManualClock
from orion_assets.sources.synthetic.vendor.truth import large_market
from orion_assets_tests.raw_http import Raw, ask

LAST = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 18, tzinfo=UTC)
GROUPED = f"/v2/aggs/grouped/locale/us/market/stocks/{LAST}?adjusted=false"
DAILY = f"/v2/aggs/ticker/SAAA/range/1/day/2026-09-01/{LAST}?adjusted=false&limit=20"
MINUTES = f"/v2/aggs/ticker/SAAA/range/1/minute/{LAST}/{LAST}?limit=50000"
NEWS, SPLITS, TICKERS = "/v2/reference/news", "/v3/reference/splits", "/v3/reference/tickers"
HOST = "https://api.massive.com:443"
SEEN: dict[str, Callable] = {}


@pytest.fixture(scope="module")
def market():
    return large_market(20, 90, LAST)


@pytest.fixture(scope="module")
def running(market):
    with fake_vendor(market, clock=FixedClock(NOW)) as vendor:
        yield vendor


@pytest.fixture
def vendor(running):
    yield running
    running.faults.clear()


class Around:
    """Asks without a fault, then with it."""

    def __init__(self, vendor):
        self.vendor = vendor

    def __call__(self, target: str, fault: str, times: int = 1, **more) -> tuple[Raw, Raw]:
        healthy = ask(self.vendor.port, target)
        self.vendor.faults.add(fault, **more)
        headers = {"Accept_Encoding": "gzip"} if "gzip" in fault else {}
        return healthy, ask(self.vendor.port, target, timeout_s=0.5, **headers)

    def pages(self, fault: str, **more) -> tuple[list[Raw], list[Raw]]:
        """Follow the daily bars to the end, without and with the fault."""
        healthy = self.follow(DAILY)
        self.vendor.faults.add(fault, **more)
        return healthy, self.follow(DAILY)

    def follow(self, target: str) -> list[Raw]:
        pages = []
        while target and len(pages) < 6:
            pages.append(ask(self.vendor.port, target))
            target = pages[-1].json.get("next_url", "").removeprefix(HOST) if pages[-1].status == 200 else ""
        return pages


@pytest.fixture
def around(vendor):
    return Around(vendor)


def of(*names: str):
    """Mark which faults a test sees."""

    def mark(test):
        SEEN.update(dict.fromkeys(names, test))
        return test

    return mark


@of("closed_on_accept")
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


@of("hang_up")
def test_a_request_is_read_and_the_connection_closed(vendor, around):
    _, got = around(GROUPED, "hang_up")

    assert (got.status, got.body, got.ending) == (0, b"", "closed")
    assert (vendor.journal.entries[-1].status, vendor.journal.entries[-1].faults) == (0, ("hang_up",))


@of("silence")
def test_a_request_is_read_and_nothing_comes(around):
    _, got = around(GROUPED, "silence")

    assert (got.status, got.ending) == (0, "silent")


def test_a_silence_may_end(around):
    _, got = around(GROUPED, "silence", seconds=0.01)

    assert (got.status, got.ending) == (0, "closed")


@of("late")
def test_the_answer_is_whole_and_late(around):
    begun = time.monotonic()
    healthy, got = around(GROUPED, "late", seconds=0.2)

    assert (got.status, len(got.body)) == (200, len(healthy.body))
    assert time.monotonic() - begun >= 0.2


@of("drip")
def test_the_body_comes_drop_by_drop(around):
    healthy, got = around(GROUPED, "drip", bytes_at_once=10, every_s=0.05)

    assert got.ending == "silent"
    assert 10 <= len(got.body) < len(healthy.body) / 2
    assert got.body[:20] == healthy.body[:20]


@of("reset")
def test_the_connection_is_reset_in_mid_body(around):
    healthy, got = around(GROUPED, "reset", share=0.5)

    assert got.ending == "reset"
    assert int(got.headers["Content-Length"]) == len(healthy.body) > len(got.body)


@of("content_length")
@pytest.mark.parametrize(("by", "ending"), [(10, "closed"), (-10, "whole")])
def test_the_length_is_a_lie(around, by, ending):
    healthy, got = around(GROUPED, "content_length", by=by)

    assert int(got.headers["Content-Length"]) == len(healthy.body) + by
    assert got.ending == ending


@of("truncated_gzip")
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


@of("gzip_bomb")
def test_a_small_body_unpacks_to_a_large_one(around):
    healthy, got = around(GROUPED, "gzip_bomb", mib=20)

    unpacked = gzip.decompress(got.body)
    assert len(got.body) < 100_000
    assert len(unpacked) > 20 * 2**20
    assert json.loads(unpacked)["results"] == healthy.rows


@of("large_body")
def test_the_body_goes_on_and_on(around):
    _, got = around(GROUPED, "large_body", mib=5)

    assert int(got.headers["Content-Length"]) > 5 * 2**20
    assert got.body.endswith(b" " * 1000)


@of("skewed_date")
def test_the_date_is_another(around):
    _, got = around(GROUPED, "skewed_date", seconds=-600)

    assert (parsedate_to_datetime(got.headers["Date"]) - NOW).total_seconds() == -600


@of("too_many_requests")
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


@of("server_error")
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_is_a_page_of_html(around, status):
    _, got = around(GROUPED, "server_error", status=status)

    assert (got.status, got.headers["Content-Type"]) == (status, "text/html")
    assert got.body.startswith(b"<html>")


@of("html")
def test_a_page_of_maintenance_comes_with_200(around):
    _, got = around(GROUPED, "html")

    assert (got.status, got.body[:6]) == (200, b"<html>")


@of("body")
@pytest.mark.parametrize("text", ["", "{}", "null", "[]", '"x"'])
def test_the_body_is_none_of_data(around, text):
    _, got = around(GROUPED, "body", text=text)

    assert (got.status, got.body) == (200, text.encode())


@of("status_error")
def test_an_error_comes_with_200(around):
    _, got = around(GROUPED, "status_error")

    assert (got.status, got.json["status"]) == (200, "ERROR")
    assert "results" not in got.json


@of("redirect")
def test_a_redirect_leads_to_another_host_without_the_key(vendor):
    vendor.faults.add("redirect", to="http://127.0.0.1:9", status=307)

    got = ask(vendor.port, f"{GROUPED}&apiKey=hush", key=None)

    assert (got.status, got.headers["Location"]) == (307, f"http://127.0.0.1:9{GROUPED}")


@of("unknown_key")
def test_a_key_is_revoked_in_the_middle(vendor):
    vendor.faults.add("unknown_key", since=3)

    assert [ask(vendor.port, GROUPED).status for _ in range(4)] == [200, 200, 401, 401]
    vendor.faults.add("unknown_key", as_html=True)
    assert ask(vendor.port, GROUPED).body.startswith(b"<html>")


@of("forbidden")
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


@of("wrong_envelope", "wrong_ticker")
def test_another_ticker_stands_in_the_envelope_or_in_rows(around):
    _, envelope = around(DAILY, "wrong_envelope")
    healthy, rows = around(GROUPED, "wrong_ticker", rows=2)

    assert envelope.json["ticker"] == "WRONG"
    assert [row["T"] for row in rows.rows[:3]] == ["WRONG", "WRONG", healthy.rows[2]["T"]]


@of("out_of_range")
def test_rows_of_another_year_come_along(around):
    healthy, got = around(DAILY, "out_of_range", days=-365)

    assert healthy.rows[0]["t"] - got.rows[0]["t"] == 365 * 86_400_000
    assert got.rows[1:] == healthy.rows[1:]


@of("page_repeated")
def test_a_page_comes_again_and_the_list_goes_on(around):
    healthy, got = around.pages("page_repeated", nth=[2])

    assert [page.rows for page in got] == [healthy[0].rows, healthy[0].rows, healthy[2].rows]


@of("next_url")
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


@of("page_missing")
def test_a_page_is_left_out(around):
    healthy, got = around.pages("page_missing", nth=[1])

    assert [page.rows for page in got] == [healthy[0].rows, healthy[2].rows]


@of("adjusted_lost")
def test_the_next_page_forgets_what_was_asked(around):
    healthy, got = around.pages("adjusted_lost")

    assert [page.json["adjusted"] for page in healthy] == [False, False, False]
    assert [page.json["adjusted"] for page in got] == [False, True, True]


@of("results_null", "empty")
def test_a_false_emptiness_comes_once(vendor):
    vendor.faults.add("results_null", nth=[1])
    vendor.faults.add("empty", nth=[2])

    null, nothing, whole = (ask(vendor.port, GROUPED) for _ in range(3))

    assert (null.json["results"], null.json["resultsCount"]) == (None, 0)
    assert (nothing.json["resultsCount"], "results" in nothing.json) == (0, False)
    assert len(whole.rows) > 10


@of("delayed")
def test_delayed_is_good_data(around):
    healthy, got = around(GROUPED, "delayed")

    assert got.json["status"] == "DELAYED"
    assert got.rows == healthy.rows


@of("out_of_order")
def test_rows_come_shuffled_and_the_same_way_each_time(market, around):
    healthy, got = around(DAILY, "out_of_order")

    with fake_vendor(market, clock=FixedClock(NOW), faults=FaultPlan([Rule("out_of_order")])) as other:
        again = ask(other.port, DAILY).rows
    assert got.rows != healthy.rows
    assert sorted(got.rows, key=lambda row: row["t"]) == healthy.rows
    assert again == got.rows


@of("overlap")
def test_a_page_starts_with_the_end_of_the_one_before(around):
    healthy, got = around.pages("overlap", rows=3)

    assert got[1].rows == healthy[0].rows[-3:] + healthy[1].rows


@of("duplicate_row")
@pytest.mark.parametrize(("factor", "differs"), [(1.01, True), (1, False)])
def test_a_ticker_comes_twice(around, factor, differs):
    healthy, got = around(GROUPED, "duplicate_row", row=2, factor=factor)

    assert got.rows[:-1] == healthy.rows
    assert got.rows[-1]["T"] == healthy.rows[2]["T"]
    assert (got.rows[-1]["c"] != healthy.rows[2]["c"]) == differs
    assert got.json["resultsCount"] == len(healthy.rows) + 1


@of("bad_number")
@pytest.mark.parametrize("value", ["NaN", "Infinity", "null", '"12.5"', "1e400"])
def test_a_number_is_none(around, value):
    healthy, got = around(GROUPED, "bad_number", value=value, member="c", row=1)

    assert f'"c":{value},'.encode() in got.body
    others = [row for place, row in enumerate(got.rows) if place != 1]
    assert others == [row for place, row in enumerate(healthy.rows) if place != 1]


@of("impossible")
@pytest.mark.parametrize(
    ("kind", "is_wrong"),
    [
        ("negative_price", lambda row: row["c"] < 0),
        ("zero_price", lambda row: row["o"] == row["h"] == row["l"] == row["c"] == 0),
        ("negative_volume", lambda row: row["v"] < 0),
        ("high_below_low", lambda row: row["h"] < row["l"]),
        ("vw_outside", lambda row: row["vw"] > row["h"]),
    ],
)
def test_a_bar_cannot_be(around, kind, is_wrong):
    healthy, got = around(GROUPED, "impossible", kind=kind)

    assert [is_wrong(row) for row in got.rows[:2]] == [True, False]
    assert not is_wrong(healthy.rows[0])


@of("huge", "garbage_ticker")
def test_a_row_is_rubbish(around, vendor):
    _, huge = around(GROUPED, "huge")
    vendor.faults.clear()
    _, garbage = around(GROUPED, "garbage_ticker")

    assert huge.rows[0]["h"] == 1e13
    with pytest.raises(UnicodeDecodeError):
        garbage.body.decode()


@of("epoch")
@pytest.mark.parametrize(("unit", "scale"), [("s", 1e-3), ("us", 1e3), ("ns", 1e6)])
def test_times_are_of_another_unit(around, unit, scale):
    healthy, got = around(GROUPED, "epoch", unit=unit)

    assert [row["t"] for row in got.rows] == [int(row["t"] * scale) for row in healthy.rows]


@of("missing")
def test_half_of_the_tickers_are_missing(around):
    healthy, got = around(GROUPED, "missing", share=0.5)

    assert 2 < len(got.rows) < len(healthy.rows) - 2
    assert got.json["resultsCount"] == len(got.rows)
    assert [row for row in healthy.rows if row in got.rows] == got.rows


@of("restated")
def test_a_bar_is_restated_on_every_route(around, vendor):
    day = date(2026, 11, 19)
    grouped = f"/v2/aggs/grouped/locale/us/market/stocks/{day}?adjusted=false"
    before = {row["T"]: row["c"] for row in ask(vendor.port, grouped).rows}
    daily, after = around(DAILY.replace("limit=20", "limit=500"), "restated", ticker="SAAA", session=day, factor=1.5)

    told = {row["T"]: row["c"] for row in ask(vendor.port, grouped).rows}
    assert told == before | {"SAAA": pytest.approx(before["SAAA"] * 1.5)}
    changed = [(old["c"], new["c"]) for old, new in zip(daily.rows, after.rows, strict=True) if old != new]
    assert changed == [(before["SAAA"], pytest.approx(before["SAAA"] * 1.5))]


@of("duplicate_split", "cancelled_split")
def test_splits_come_twice_or_no_longer(around, vendor):
    healthy, twice = around(SPLITS, "duplicate_split")
    vendor.faults.clear()
    _, fewer = around(SPLITS, "cancelled_split", ticker="SAAB")

    assert len(twice.rows) == 2 * len(healthy.rows)
    assert len({row["id"] for row in twice.rows}) == len(twice.rows)
    assert len({(row["ticker"], row["split_to"]) for row in twice.rows}) < len(twice.rows)
    assert fewer.rows == [row for row in healthy.rows if row["ticker"] != "SAAB"] != healthy.rows


@of("doubled_volumes")
def test_volumes_are_doubled(around):
    healthy, got = around(GROUPED, "doubled_volumes")

    assert [row["v"] for row in got.rows] == pytest.approx([2 * row["v"] for row in healthy.rows])


@of("minute_hole")
def test_a_minute_is_missing_for_everybody(around):
    healthy, got = around(MINUTES, "minute_hole", at="10:31", minutes=2)

    lost = [row["t"] for row in healthy.rows if row not in got.rows]
    clocks = [datetime.fromtimestamp(t / 1000, ZoneInfo("America/New_York")).strftime("%H:%M") for t in lost]
    assert clocks == ["10:31", "10:32"]


@of("news_edited", "news_backdated", "news_midnight", "news_same_id")
def test_news_is_edited_backdated_dated_only_or_told_twice(around, vendor):
    got = {}
    for fault in ("news_edited", "news_backdated", "news_midnight", "news_same_id"):
        vendor.faults.clear()
        healthy, answer = around(NEWS, fault)
        got[fault] = answer.rows
        assert [row["id"] for row in answer.rows[:10]] == [row["id"] for row in healthy.rows]

    first = healthy.rows[0]
    assert got["news_edited"][0]["title"] == "CORRECTED: " + first["title"]
    at = datetime.fromisoformat(first["published_utc"])
    assert (at - datetime.fromisoformat(got["news_backdated"][0]["published_utc"])).days == 2
    assert got["news_midnight"][0]["published_utc"] == f"{at:%Y-%m-%d}T00:00:00Z"
    assert got["news_same_id"][-1]["id"] == first["id"]
    assert got["news_same_id"][-1]["title"] != first["title"]


def test_every_fault_there_is_is_seen_by_a_test():
    assert set(SEEN) == set(FAULTS)


def test_no_parameter_of_a_fault_is_a_condition_too():
    conditions = set(Rule.__dataclass_fields__) - {"parameters"}

    assert {name for fault in FAULTS.values() for name in fault.parameters if name in conditions} == set()


def test_every_fault_says_what_it_does():
    assert [name for name, fault in FAULTS.items() if not re.fullmatch(r".+\.", fault.what)] == []


def seen(rule: Rule, requests: int = 8, seed: int = 0, market=None, step: float = 0.0) -> list[int]:
    """Give which of some requests went wrong, 1 for the first."""
    clock = ManualClock(NOW)
    with fake_vendor(market, clock=clock, faults=FaultPlan([rule], seed)) as vendor:
        statuses = []
        for _ in range(requests):
            statuses.append(ask(vendor.port, "/v1/marketstatus/now").status)
            clock.advance(step)
    return [place for place, status in enumerate(statuses, 1) if status != 200]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"nth": [2, 5]}, [2, 5]),
        ({"every": 3}, [3, 6]),
        ({"since": 6}, [6, 7, 8]),
        ({"times": 2}, [1, 2]),
        ({"since": 2, "every": 2, "times": 2}, [2, 4]),
        ({"route": "status_now", "nth": [1]}, [1]),
        ({"route": "grouped"}, []),
        ({"match": "marketstatus"}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"match": "grouped"}, []),
    ],
)
def test_a_rule_says_which_requests_go_wrong(market, conditions, expected):
    assert seen(Rule("server_error", **conditions), market=market) == expected


def test_a_storm_ends_by_the_servers_clock(market):
    assert seen(Rule("too_many_requests", since=2, for_s=200), market=market, step=60) == [2, 3, 4, 5]


def test_chance_is_drawn_from_the_seed(market):
    rule = Rule("server_error", probability=0.5)

    drawn = [seen(rule, 40, seed, market) for seed in (1, 1, 2)]

    assert drawn[0] == drawn[1] != drawn[2]
    assert 8 < len(drawn[0]) < 32


def test_faults_compose_and_the_journal_names_them(vendor):
    vendor.faults.add("doubled_volumes", "grouped")
    vendor.faults.add("bad_number", "grouped", value="NaN")
    vendor.faults.add("skewed_date")
    before = dict(vendor.faults.hits)

    got = ask(vendor.port, GROUPED)

    assert b'"c":NaN' in got.body
    assert vendor.journal.entries[-1].faults == ("doubled_volumes", "bad_number", "skewed_date")
    assert vendor.faults.hits["bad_number"] == before.get("bad_number", 0) + 1


def test_a_fault_that_changes_nothing_is_not_told(vendor):
    vendor.faults.add("doubled_volumes")

    ask(vendor.port, TICKERS)

    assert vendor.journal.entries[-1].faults == ()


PLAN = """
seed = 7
[[fault]]
name = "too_many_requests"
route = "status_now"
nth = [2]
retry_after = 30
[[fault]]
name = "html"
since = 4
"""


def test_a_plan_is_read_from_toml(market, tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)

    with fake_vendor(market, faults=load_plan(tmp_path / "plan.toml")) as vendor:
        got = [ask(vendor.port, "/v1/marketstatus/now") for _ in range(4)]

    assert [each.status for each in got] == [200, 429, 200, 200]
    assert got[1].headers["Retry-After"] == "30"
    assert got[3].body.startswith(b"<html>")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[fault]]\nname = "html5"', "fault 'html5' does not exist; html was meant?"),
        ('[[fault]]\nname = "html"\nroute = "grouped_day"', "route 'grouped_day' does not exist; grouped was meant?"),
        ('[[fault]]\nname = "reset"\nshar = 0.1', "parameter of reset 'shar' does not exist; share was meant?"),
        ("[[fault]]\nnth = [1]", "a rule without a fault"),
        ("[[faults]]\n", "faults means nothing"),
        ("seed = ", "mend the file"),
    ],
)
def test_a_plan_that_means_nothing_is_refused(tmp_path, text, says):
    file = tmp_path / "plan.toml"
    file.write_text(text)

    with pytest.raises(ValueError, match=re.escape(says)) as refused:
        load_plan(file)

    assert str(file) in str(refused.value)


def test_the_vendor_stops_while_requests_are_under_way(market):
    with fake_vendor(market, faults=FaultPlan([Rule("silence")])) as vendor:
        peer = socket.create_connection(("127.0.0.1", vendor.port), 5)
        peer.sendall(b"GET /v1/marketstatus/now HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\r\n")
        while not len(vendor.journal):
            pass

    with peer:
        assert peer.recv(1) == b""
    assert vendor.journal.entries[0].ts_end is not None
