"""What Alpaca says is read as it is meant, or refused for a stated reason."""

import json
import os
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from orion_assets.errors import (
    AnswerDistrusted,
    KeyRefused,
    NotEntitled,
    NotYet,
    OrionError,
    RequestRejected,
    SettingsError,
    SourceUnavailable,
)
from orion_assets.sources.alpaca import requests, rows
from orion_assets.sources.alpaca.routes import FREE
from orion_assets.sources.alpaca.source import AlpacaSource, open_alpaca
from orion_assets.sources.alpaca.words import judge
from orion_assets.sources.bodies import loaded, object_of
from orion_assets.sources.limiter import Rate
from orion_assets.sources.protocols import Ask, listed_by
from orion_assets.sources.responses import Passing
from orion_assets.sources.routes import Budget
from orion_assets_tests.far_sides import CLOCK, KEY, limited, transport_to
from orion_assets_tests.scripted_server import answer, scripted

DATA = (
    Path(os.environ.get("EXAMPLE_DATA", Path(__file__).parents[4] / "shared" / "data")) / "alpaca" / "alpaca_py_tests"
)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HEADERS = {"APCA-API-KEY-ID": "PK1", "APCA-API-SECRET-KEY": KEY}
BAR = {"t": "2025-11-24T05:00:00Z", "o": 10, "h": 12, "l": 9, "c": 11, "v": 10.5, "n": 3, "vw": 10.25}
MONDAY, TUESDAY, FRIDAY = date(2025, 11, 24), date(2025, 11, 25), date(2025, 11, 28)
STOCK = "historical_stock_data_L{}.json"


@pytest.fixture
def server():
    with scripted() as running:
        yield running


@pytest.fixture
def source(server):
    with transport_to(server.url, "alpaca", judge, HEADERS) as transport:
        yield AlpacaSource(transport, FREE)


def bars(*tickers, start=MONDAY, end=TUESDAY, now=NOW) -> Ask:
    return Ask("raw_daily_bars", start, end, tickers, now)


def page(found, token=None) -> bytes:
    return json.dumps({"bars": found, "next_page_token": token}).encode()


def query(head: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(head.split(" ")[1]).query).items()}


def recorded(name: str) -> dict:
    if not DATA.is_dir():
        pytest.skip(f"no example data at {DATA}; set EXAMPLE_DATA")
    return object_of(loaded((DATA / name).read_bytes()))


@pytest.mark.parametrize(
    ("name", "tickers", "span", "closes"),
    [
        (STOCK.format(34), {"AAPL"}, (date(2022, 2, 1), date(2022, 2, 3)), [174.61, 175.84]),
        (STOCK.format(91), {"TSLA"}, (date(2023, 9, 25), date(2023, 9, 28)), [240.5, 244.12, 246.99]),
        (STOCK.format(165), {"AAPL", "TSLA"}, (date(2022, 3, 9), date(2022, 3, 10)), [162.95, 858.97]),
        (STOCK.format(225), {"AAPL"}, (date(2022, 3, 9), date(2022, 3, 10)), []),
        (STOCK.format(258), {"AAPL"}, (date(2022, 3, 9), date(2022, 3, 10)), []),
    ],
)
def test_the_vendors_own_pages_of_daily_bars_are_read(name, tickers, span, closes):
    told = recorded(name)

    found = rows.bars(told, tickers, span)

    assert found["close"].to_list() == closes
    assert found["problem"].is_null().all()
    assert rows.token_of(told) == told["next_page_token"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        *(
            (line, "bars is null, not an object")
            for line in (292, 356, 424, 456, 523, 592, 619, 661, 715, 738, 784, 808)
        ),
        # The latest bars: one object a ticker in place of a list
        *((line, "the bars of SPY is .*, not a list") for line in (917, 955)),
    ],
)
def test_the_vendors_own_pages_of_anything_else_are_refused_as_bars(line, says):
    with pytest.raises(Passing, match=says):
        rows.bars(recorded(STOCK.format(line)), {"AAPL", "SPY", "TSLA"}, (date(2022, 1, 1), date(2023, 1, 1)))


@pytest.mark.parametrize("name", ["screener_L11.json", "screener_L152.json"])
def test_the_vendors_own_screens_are_no_dataset(name):
    told, span = recorded(name), (date(2023, 6, 23), date(2023, 6, 24))
    window = (datetime(2023, 6, 22, tzinfo=UTC), NOW)

    for read in (
        lambda: rows.bars(told, {"BOIL"}, span),
        lambda: rows.news(told, window),
        lambda: rows.splits(told, requests.SPLITS, span),
    ):
        with pytest.raises(Passing, match="is null"):
            read()


def test_the_vendors_own_articles_are_read():
    window = (datetime(2024, 8, 1, tzinfo=UTC), datetime(2024, 11, 8, tzinfo=UTC))

    first, second = (rows.news(recorded(f"historical_news_data_L{line}.json"), window) for line in (22, 62))

    # A Sunday belongs to Monday
    assert first.select("article_id", "session", "tickers").row(0) == ("40432158", date(2024, 8, 19), ["AAPL", "QCOM"])
    assert second.select("article_id", "session", "publisher", "description").row(0) == (
        *("41799100", date(2024, 11, 7), "benzinga", None),
    )


def test_the_vendors_own_corporate_actions_are_read_and_only_of_the_kinds_asked_for():
    told, one = recorded("corporate_actions_L41.json"), recorded("corporate_actions_L222.json")
    kinds = {name: told["corporate_actions"][name] for name in (*requests.SPLITS, *requests.DIVIDENDS)}
    parts = {name: {"corporate_actions": {name: found}} for name, found in kinds.items()}
    span = (date(2023, 1, 1), date(2025, 1, 1))

    forward = rows.splits(parts["forward_splits"], requests.SPLITS, span).select(
        "ticker", "shares_after", "shares_before"
    )
    reverse = rows.splits(parts["reverse_splits"], requests.SPLITS, span).select(
        "ticker", "shares_after", "shares_before"
    )
    paid = [rows.dividends(found, requests.DIVIDENDS, span) for found in (parts["cash_dividends"], one)]

    assert (forward.rows(), reverse.rows()) == ([("SRE", 2, 1)], [("MNTS", 1, 50)])
    assert [each.select("ticker", "ex_date", "cash_amount", "dividend_type").row(0) for each in paid] == [
        ("FCF", date(2023, 5, 4), 0.125, None),
        ("ZMTBY", date(2024, 8, 7), 0.086928, None),
    ]
    with pytest.raises(AnswerDistrusted, match="'cash_dividends', not asked for"):
        rows.splits(told, requests.SPLITS, span)


def test_a_ticker_absent_from_the_first_page_has_its_bars_on_the_second(server, source):
    server.say(answer(page({"AAPL": [BAR]}, "QQ==")), answer(page({"MSFT": [BAR]})))

    told = source.read(bars("AAPL", "MSFT", "ZZZ"))

    assert told.rows["ticker"].to_list() == ["AAPL", "MSFT"]
    assert told.tickers == ("AAPL", "MSFT", "ZZZ")
    assert query(server.heads[1])["page_token"] == "QQ=="
    assert len(told.documents) == 2


def test_a_page_that_does_not_say_whether_more_follow_is_not_believed(server, source):
    server.say(answer(json.dumps({"bars": {"AAPL": [BAR]}}).encode()))

    with pytest.raises(SourceUnavailable, match="whether more pages follow"):
        source.read(bars("AAPL"))


def test_bars_are_asked_as_traded_each_under_the_ticker_of_its_time(server, source):
    server.say(answer(page({})))

    source.read(bars("META", start=date(2022, 6, 1), end=date(2022, 6, 30)))

    asked = query(server.heads[0])
    assert (asked["asof"], asked["adjustment"], asked["feed"], asked["timeframe"]) == ("-", "raw", "sip", "1Day")
    # Both ends are included; the end is the last bar's own stamp, in summer time
    assert (asked["start"], asked["end"]) == ("2022-06-01T04:00:00Z", "2022-06-29T04:00:00Z")
    assert {f"{name.lower()}: {value}" for name, value in HEADERS.items()} <= {
        line.partition(": ")[0].lower() + ": " + line.partition(": ")[2] for line in server.heads[0].splitlines()
    }


def test_a_ticker_that_alpaca_spells_otherwise_is_neither_asked_for_nor_spoken_of(server, source):
    server.say(answer(page({"AAPL": [BAR]})))

    told = source.read(bars("AAPL", "KIMpL"))

    assert query(server.heads[0])["symbols"] == "AAPL"
    assert told.tickers == ("AAPL",)
    assert told.ends == {"KIMpL": date(2025, 11, 23)}


@pytest.mark.parametrize("changed", [{"c": "11"}, {"c": None}, {"h": float("nan")}, {"v": True}, {"o": 1e12}])
def test_a_value_that_cannot_be_read_keeps_its_row_with_a_problem(changed):
    told = loaded(page({"AAPL": [BAR | changed]}))

    row = rows.bars(told, {"AAPL"}, (MONDAY, TUESDAY)).row(0, named=True)

    assert row["problem"].startswith(next(iter(changed)) if "o" not in changed else "open: 1000000000000")


def test_missing_vwap_and_trade_count_are_no_problem():
    told = loaded(page({"AAPL": [{name: value for name, value in BAR.items() if name not in {"n", "vw"}}]}))

    row = rows.bars(told, {"AAPL"}, (MONDAY, TUESDAY)).row(0, named=True)

    assert (row["vwap"], row["trade_count"], row["problem"]) == (None, None, None)


@pytest.mark.parametrize(
    "at", ["2025-11-24T06:00:00Z", "2025-11-24", "2025-11-25T05:00:00Z", "2024-11-24T05:00:00Z", 1_764_000_000, None]
)
def test_a_stamp_that_is_no_midnight_of_the_days_asked_for_makes_the_page_untrusted(at):
    with pytest.raises(AnswerDistrusted, match="no midnight"):
        rows.bars(loaded(page({"AAPL": [BAR | {"t": at}]})), {"AAPL"}, (MONDAY, TUESDAY))


def test_a_day_told_twice_differently_is_not_landed(server, source):
    server.say(answer(page({"AAPL": [BAR]}, "b")), answer(page({"AAPL": [BAR | {"c": 10}]})))

    with pytest.raises(AnswerDistrusted, match="AAPL 2025-11-24 differently"):
        source.read(bars("AAPL"))


def test_a_bar_on_a_closed_day_keeps_its_row_with_a_problem():
    thanksgiving = BAR | {"t": "2025-11-27T05:00:00Z"}

    row = rows.bars(loaded(page({"AAPL": [thanksgiving]})), {"AAPL"}, (MONDAY, FRIDAY)).row(0, named=True)

    assert row["problem"] == "session: 2025-11-27 is not a trading session"


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        ("403 Forbidden", "subscription does not permit querying recent SIP data", NotYet),
        ("403 Forbidden", "subscription does not permit querying OTC data", NotEntitled),
        ("403 Forbidden", "forbidden.", KeyRefused),
        ("401 Unauthorized", "unauthorized.", KeyRefused),
        ("400 Bad Request", "invalid symbol: ???", RequestRejected),
        ("422 Unprocessable Entity", "invalid adjustment", RequestRejected),
    ],
)
def test_every_refusal_says_what_to_make_of_it_after_one_call(server, source, status, message, error):
    server.say(answer(json.dumps({"message": message}).encode(), status))

    with pytest.raises(error, match=message.partition("?")[0]):
        source.read(bars("AAPL"))

    assert server.requests == 1


def test_an_unknown_key_is_sent_no_more_though_the_vendor_says_403(server, source):
    server.say(answer(b'{"message": "forbidden."}', "403 Forbidden"))

    for _ in range(2):
        with pytest.raises(KeyRefused) as caught:
            source.read(bars("AAPL"))
        assert KEY not in str(caught.value)

    assert server.requests == 1


def test_an_article_counts_from_its_last_change_since_nobody_has_its_first_text(server, source):
    article = {"id": 7, "headline": "h", "symbols": ["IBM"], "created_at": "2025-11-24T15:00:00Z"}
    body = {"news": [article | {"updated_at": "2025-11-26T15:00:00Z"}], "next_page_token": None}
    server.say(answer(json.dumps(body).encode()))

    later = source.read(Ask("raw_news", date(2025, 11, 26), FRIDAY, (), NOW)).rows.row(0, named=True)
    first = source.read(Ask("raw_news", MONDAY, TUESDAY, (), NOW)).rows.row(0, named=True)
    before = source.read(Ask("raw_news", MONDAY, TUESDAY, (), datetime(2025, 11, 26, 15, tzinfo=UTC))).rows

    # Asked for by the change it is filed there, by the making there; known it is from the change on, either way
    assert (later["session"], first["session"]) == (date(2025, 11, 26), MONDAY)
    assert later["ts_assumed"] == first["ts_assumed"] == datetime(2025, 11, 26, 15, 15, tzinfo=UTC)
    assert before.is_empty()


def test_an_article_that_changes_while_its_pages_are_read_stands_once_as_it_reads_now(server, source):
    article = {"id": 7, "headline": "old", "symbols": [], "created_at": "2025-11-24T15:00:00Z"}
    pages = [
        {"news": [article | {"updated_at": "2025-11-24T15:00:00Z"}], "next_page_token": "b"},
        {"news": [article | {"headline": "new", "updated_at": "2025-11-24T16:00:00Z"}], "next_page_token": None},
    ]
    server.say(*(answer(json.dumps(each).encode()) for each in pages))

    told = source.read(Ask("raw_news", MONDAY, TUESDAY, (), NOW)).rows

    assert told.select("article_id", "title").rows() == [("7", "new")]


def test_dividends_are_looked_for_until_they_are_surely_paid(server, source):
    server.say(answer(b'{"corporate_actions": {}, "next_page_token": null}'))

    source.read(Ask("raw_dividends", MONDAY, TUESDAY, (), NOW))
    source.read(Ask("raw_splits", MONDAY, TUESDAY, (), NOW))

    # From Saturday on: an ex-date on a closed day is filed under Monday
    first, second = (query(head) for head in server.heads)
    assert (first["types"], first["start"], first["end"]) == ("cash_dividend", "2025-11-22", "2026-03-24")
    assert (second["types"], second["end"]) == ("forward_split,reverse_split", "2025-11-24")


@pytest.mark.parametrize(("rate", "after", "says"), [(0, None, "no ratio"), ("2", None, "no ratio"), (1.5, 3, None)])
def test_a_split_without_a_ratio_keeps_its_row_with_a_problem(rate, after, says):
    action = {"id": "a", "symbol": "IBM", "ex_date": "2025-11-24", "new_rate": rate, "old_rate": 1}

    row = rows.splits({"corporate_actions": {"forward_splits": [action]}}, requests.SPLITS, (MONDAY, TUESDAY)).row(
        0, named=True
    )

    assert row["shares_after"] == after
    assert (row["problem"] is None) if says is None else (says in row["problem"])


@pytest.mark.parametrize("changed", [{"id": None}, {"symbol": ""}, {"ex_date": None}, {"ex_date": "24 Nov"}])
def test_an_action_that_cannot_be_placed_makes_its_page_untrusted(changed):
    action = {"id": "a", "symbol": "IBM", "ex_date": "2025-11-24", "rate": 0.5} | changed

    with pytest.raises(AnswerDistrusted, match="without an id, a symbol or an ex_date"):
        rows.dividends({"corporate_actions": {"cash_dividends": [action]}}, requests.DIVIDENDS, (MONDAY, TUESDAY))


def test_what_it_does_not_supply_is_a_wrong_call(source):
    for asked in (bars(), Ask("raw_vix", MONDAY, TUESDAY, (), NOW)):
        with pytest.raises(ValueError, match="alpaca"):
            source.read(asked)
    with pytest.raises(SettingsError, match=r"alpaca: .*ORION_TICKERS"):
        listed_by(source)


def test_an_unknown_feed_is_refused_before_anything_is_sent():
    with pytest.raises(SettingsError, match="unknown"):
        open_alpaca(("PK1", KEY), limited, CLOCK, feed="nasdaq")

    plus = Budget("alpaca", Rate(10_000))
    opened = open_alpaca(("PK1", KEY), limited, CLOCK, budget=plus, feed="iex")
    assert {route.budget.rate.calls for route in opened.routes(MONDAY)} == {10_000}
    assert {route.dataset for route in opened.routes(MONDAY)} == opened.datasets


def test_errors_never_show_the_key_that_a_vendor_says_back(server, source):
    server.say(answer(json.dumps({"message": f"no such key {KEY}"}).encode(), "403 Forbidden"))

    with pytest.raises(OrionError) as caught:
        source.read(bars("AAPL"))

    assert KEY not in str(caught.value)
