"""Alpha Vantage says its limits with HTTP 200; each text is told from data, and from the others."""

import json
from datetime import UTC, date, datetime

import pytest

from orion_assets import calendars
from orion_assets.errors import AnswerDistrusted, KeyRefused, NotEntitled, NotFound, SourceUnavailable
from orion_assets.sources.alphavantage import AlphaVantageSource, judge, open_alphavantage, parse
from orion_assets.sources.protocols import Ask
from orion_assets_tests.far_sides import CLOCK, KEY, limited, transport_to
from orion_assets_tests.scripted_server import answer, scripted

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BAR = {"1. open": "300.50", "2. high": "302.25", "3. low": "299.00", "4. close": "301.75", "5. volume": "3500000"}
RATE_LIMIT = "We have detected your API key as *** and our standard API rate limit is 25 requests per day."


def body(series, symbol="IBM") -> bytes:
    return json.dumps({"Meta Data": {"2. Symbol": symbol}, "Time Series (Daily)": series}).encode()


def ask(start=date(2025, 11, 24), end=date(2025, 11, 26), *tickers) -> Ask:
    return Ask("raw_daily_bars", start, end, tickers or ("IBM",), NOW)


@pytest.fixture
def server():
    with scripted() as running:
        yield running


@pytest.fixture
def source(server):
    with transport_to(server.url, "alphavantage", judge, {"X-RapidAPI-Key": KEY}) as transport:
        yield AlphaVantageSource(transport)


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ({"Information": RATE_LIMIT}, SourceUnavailable),
        ({"Information": f"{RATE_LIMIT} Subscribe to any of the premium plans"}, SourceUnavailable),
        ({"Note": "Our standard API call frequency is 5 calls per minute and 500 calls per day."}, SourceUnavailable),
        ({"Information": "outputsize=full is a premium feature for this endpoint."}, NotEntitled),
        ({"Error Message": "Invalid API call. Please retry or visit the documentation"}, NotFound),
        ({"Error Message": "the parameter apikey is invalid or missing."}, KeyRefused),
    ],
)
def test_a_text_in_place_of_the_series_is_understood_after_one_call(server, source, told, error):
    server.say(answer(json.dumps(told).encode()))

    with pytest.raises(error, match="alphavantage"):
        source.read(ask())

    assert server.requests == 1


@pytest.mark.parametrize("told", [{}, {"Meta Data": {"2. Symbol": "IBM"}}, []])
def test_no_series_and_no_text_is_asked_for_again(server, source, told):
    server.say(answer(json.dumps(told).encode()))

    with pytest.raises(SourceUnavailable):
        source.read(ask())

    assert server.requests == 2


def test_numbers_come_as_texts_and_days_of_other_ranges_are_left_out(server, source):
    server.say(answer(body({"2025-11-25": BAR | {"4. close": "302"}, "2025-11-24": BAR, "2025-11-21": BAR})))

    rows = source.read(ask()).rows

    assert rows.select("session", "close", "volume", "vwap", "source_row").rows() == [
        (date(2025, 11, 24), 301.75, 3_500_000.0, None, 2),
        (date(2025, 11, 25), 302.0, 3_500_000.0, None, 1),
    ]


@pytest.mark.parametrize("value", ["", "n/a", "-1", "NaN", None, 301.75])
def test_what_is_no_number_keeps_its_row_with_a_problem(value):
    row = parse(body({"2025-11-24": BAR | {"4. close": value}}), "IBM").row(0, named=True)

    assert row["close"] is None
    assert row["problem"].startswith("4. close: ")


@pytest.mark.parametrize("day", ["2025-11-24 16:00:00", "24/11/2025", "2025-11-31"])
def test_a_date_that_is_none_makes_the_answer_untrusted(day):
    with pytest.raises(AnswerDistrusted, match="no date"):
        parse(body({day: BAR}), "IBM")


def test_sessions_beyond_the_reach_of_a_call_are_not_taken_for_empty(server, source):
    days = calendars.sessions(date(2025, 1, 2), date(2025, 11, 26))["session"].tail(100).to_list()
    server.say(answer(body({str(day): BAR for day in reversed(days)})))

    with pytest.raises(AnswerDistrusted, match=f"reaches back to {days[0]} only"):
        source.read(ask(start=date(2025, 1, 2)))

    assert source.read(ask(start=days[0])).rows.height == 100


def test_a_ticker_that_may_be_spelled_otherwise_is_not_asked_for(server, source):
    told = source.read(ask(date(2025, 11, 24), date(2025, 11, 26), "BRK.B"))

    assert not server.requests
    assert told.ends == {"BRK.B": date(2025, 11, 23)}
    assert told.tickers == ()


def test_its_route_reaches_as_far_as_a_call_does_and_not_to_today():
    today = date(2026, 11, 20)
    (free,) = open_alphavantage(KEY, limited, CLOCK).routes(today)
    (paid,) = open_alphavantage(KEY, limited, CLOCK, is_full=True).routes(today)

    first = calendars.sessions(end=today)["session"][-100]
    assert [free.refusal(day) for day in (today, first, date(2025, 1, 2))] == ["not_yet", None, "not_entitled"]
    assert paid.refusal(date(1999, 1, 4)) is None
    assert (free.budget.rate.calls, free.budget.rate.window_s) == (25, 86_400.0)


def test_one_ticker_a_call_and_bars_alone(source):
    for asked in (
        ask(date(2025, 11, 24), date(2025, 11, 26), "IBM", "AAPL"),
        Ask("raw_vix", NOW.date(), NOW.date(), (), NOW),
    ):
        with pytest.raises(ValueError, match="of one"):
            source.read(asked)
