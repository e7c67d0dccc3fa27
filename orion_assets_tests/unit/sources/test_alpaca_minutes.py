"""What Alpaca says of minutes is read as it is meant, or refused for a stated reason."""

from datetime import UTC, date, datetime

import pytest

from orion_assets.errors import AnswerDistrusted
from orion_assets.sources.alpaca.routes import FREE
from orion_assets.sources.alpaca.source import AlpacaSource
from orion_assets.sources.alpaca.words import judge
from orion_assets.sources.protocols import Ask
from orion_assets_tests.far_sides import transport_to
from orion_assets_tests.scripted_server import answer, scripted
from orion_assets_tests.unit.sources.test_alpaca import BAR, HEADERS, MONDAY, NOW, TUESDAY, page, query


@pytest.fixture
def server():
    with scripted() as running:
        yield running


@pytest.fixture
def source(server):
    with transport_to(server.url, "alpaca", judge, HEADERS) as transport:
        yield AlpacaSource(transport, FREE)


MINUTE = {**BAR, "t": "2025-11-24T14:30:00Z"}


def minutes(*tickers, start=MONDAY, end=TUESDAY) -> Ask:
    return Ask("raw_minute_bars", start, end, tickers, NOW)


def test_minutes_of_several_tickers_are_asked_for_at_once_page_by_page(server, source):
    server.say(
        answer(page({"AAPL": [MINUTE]}, "the-next")),
        answer(
            page({"AAPL": [{**MINUTE, "t": "2025-11-24T14:31:00Z"}], "IBM": [{**MINUTE, "t": "2025-11-25T00:59:00Z"}]})
        ),
    )

    told = source.read(minutes("AAPL", "IBM")).rows

    assert told.select("ticker", "ts_open", "session", "ts_event", "close", "vwap", "trade_count").rows() == [
        (ticker, datetime(2025, 11, day, hour, minute, tzinfo=UTC), MONDAY, end, 11.0, 10.25, 3.0)
        for ticker, day, hour, minute, end in (
            ("AAPL", 24, 14, 30, datetime(2025, 11, 24, 14, 31, tzinfo=UTC)),
            ("AAPL", 24, 14, 31, datetime(2025, 11, 24, 14, 32, tzinfo=UTC)),
            # 19:59 in New York: Monday's, though it is Tuesday in UTC
            ("IBM", 25, 0, 59, datetime(2025, 11, 25, 1, tzinfo=UTC)),
        )
    ]
    first, second = (query(head) for head in server.heads)
    assert (first["symbols"], first["timeframe"], first["adjustment"], first["feed"], first["limit"]) == (
        *("AAPL,IBM", "1Min", "raw"),
        *("sip", "10000"),
    )
    assert "page_token" not in first
    assert second == first | {"page_token": "the-next"}


@pytest.mark.parametrize(
    ("start", "end", "bounds"),
    [
        (MONDAY, TUESDAY, ("2025-11-24T05:00:00Z", "2025-11-25T04:59:00Z")),
        # Summer time ends in the night to Sunday, 2 November
        (date(2025, 10, 31), date(2025, 11, 4), ("2025-10-31T04:00:00Z", "2025-11-04T04:59:00Z")),
        (date(2025, 3, 7), date(2025, 3, 11), ("2025-03-07T05:00:00Z", "2025-03-11T03:59:00Z")),
    ],
)
def test_minutes_are_asked_for_by_new_yorks_dates(server, source, start, end, bounds):
    server.say(answer(page({})))

    source.read(minutes("AAPL", start=start, end=end))

    asked = query(server.heads[0])
    assert (asked["start"], asked["end"]) == bounds


@pytest.mark.parametrize(
    "stamp", ["2025-11-24T14:30:30Z", "2025-11-25T05:00:00Z", "2025-11-24T04:59:00Z", "2025-11-24", 1763994600, None]
)
def test_a_stamp_that_is_no_minute_of_the_range_is_not_believed(server, source, stamp):
    server.say(answer(page({"AAPL": [{**MINUTE, "t": stamp}]})))

    with pytest.raises(AnswerDistrusted, match=r"AAPL: .* is no full minute in \[2025-11-24T05:00"):
        source.read(minutes("AAPL"))


def test_a_minute_that_cannot_be_read_keeps_its_place_and_one_told_twice_is_refused(server, source):
    server.say(answer(page({"AAPL": [{**MINUTE, "v": None, "c": 1e9}]})))
    (row,) = source.read(minutes("AAPL")).rows.to_dicts()
    server.say(answer(page({"AAPL": [MINUTE, {**MINUTE, "c": 10.5}]})))

    assert row["problem"] == "v: is missing; close: 1000000000.0 is beyond any price"
    with pytest.raises(AnswerDistrusted, match=r"tell AAPL 2025-11-24 14:30:00.* differently"):
        source.read(minutes("AAPL"))


def test_one_feed_of_the_source_is_asked_for_minutes_too(server):
    server.say(answer(page({})))
    with transport_to(server.url, "alpaca", judge, HEADERS) as transport:
        AlpacaSource(transport, FREE, "iex").read(minutes("AAPL"))

    assert query(server.heads[0])["feed"] == "iex"
