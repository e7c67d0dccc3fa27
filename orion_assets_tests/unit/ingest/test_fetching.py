"""What somebody only looks at is planned as cheaply as what is landed, from whichever source tells it."""

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets import calendars
from orion_assets.errors import SourceUnavailable
from orion_assets.ingest.fetching import Fetch, Wanted, fetched, prepared
from orion_assets.schemas import RAW_DAILY_BARS, RAW_SPLITS
from orion_assets.sources import alphavantage, filing
from orion_assets.sources.alpaca.routes import FREE
from orion_assets.sources.alpaca.source import AlpacaSource
from orion_assets.sources.alpaca.words import judge
from orion_assets.sources.polygon import reference
from orion_assets.sources.polygon.routes import RIGHTS
from orion_assets.sources.polygon.source import PolygonSource, polygon_transport
from orion_assets.sources.protocols import Answer, Ask
from orion_assets.sources.responses import Response
from orion_assets.sources.synthetic.source import SyntheticSource
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.terms import ManualClock
from orion_assets.sources.yahoo.source import YahooSource
from orion_assets_tests.far_sides import KEY, limited, transport_to
from orion_assets_tests.raw_http import ask
from orion_assets_tests.scripted_server import answer, scripted

NOW = datetime(2024, 12, 31, 22, 30, tzinfo=UTC)
VALUES = ["open", "high", "low", "close", "volume", "vwap"]


def wanted(*tickers, start=date(2022, 7, 1), end=date(2024, 12, 20), timeframe="1d", basis="none") -> Wanted:
    return Wanted(tickers, start, end, timeframe, basis)


@pytest.fixture(scope="module")
def vendor():
    with fake_vendor(clock=ManualClock(NOW)) as running:
        yield running


@pytest.fixture
def polygon(vendor):
    rights = RIGHTS["advanced"]
    source = PolygonSource(polygon_transport(KEY, vendor.base_url, rights, limited, ManualClock(NOW)), rights)
    yield source
    source.close()


@pytest.mark.parametrize(
    ("ticker", "start", "last", "least"),
    [
        # Two for one in 2022, three for two in 2023
        ("BOLT", date(2022, 7, 1), date(2024, 12, 19), 500),
        # Four for one after the last bar
        ("AURA", date(2024, 8, 5), date(2024, 8, 20), 10),
    ],
)
def test_in_todays_units_prices_are_those_that_the_vendor_adjusts_itself(vendor, polygon, ticker, start, last, least):
    asked = wanted(ticker, start=start, end=last + timedelta(days=1), basis="split")
    bars = fetched(prepared(asked, polygon, NOW), polygon).rows

    target = f"/v2/aggs/ticker/{ticker}/range/1/day/{start}/{last}?adjusted=true&limit=50000&apiKey=k"
    told = json.loads(ask(vendor.port, target).body)["results"]
    assert bars.height == len(told) > least
    for short, name in zip("ohlcv", ("open", "high", "low", "close", "volume"), strict=True):
        # It rounds what it adjusts
        assert bars[name].to_list() == pytest.approx([row[short] for row in told], rel=1e-9, abs=1e-4), name


def test_a_split_counts_from_the_morning_of_its_date(polygon):
    noon = datetime(2024, 8, 26, 16, tzinfo=UTC)
    days = {"start": date(2024, 8, 19), "end": date(2024, 8, 24)}

    traded = fetched(prepared(wanted("AURA", **days), polygon, noon), polygon).rows
    today = fetched(prepared(wanted("AURA", **days, basis="split"), polygon, noon), polygon).rows

    assert today["close"].to_list() == pytest.approx([close / 4 for close in traded["close"]])


class Split:
    """Tells a bar a session of two tickers, and of one of them splits that a test says."""

    name = "splitting"
    datasets = frozenset({"raw_daily_bars", "raw_splits"})

    def __init__(self, *splits):
        self.splits = splits

    def routes(self, today):
        return ()

    def read(self, ask):
        if ask.dataset == "raw_splits":
            # By the vendor's own words, as Polygon's reader understands them
            found = reference.splits([{"ticker": "AAA", **split} for split in self.splits], (ask.start, ask.end))
            return self._answer(RAW_SPLITS, found)
        days = calendars.sessions(ask.start, ask.end).select("session")
        bars = days.join(pl.DataFrame({"ticker": ["AAA", "BBB"]}), how="cross").with_row_index("_row", 1)
        values = dict.fromkeys(("open", "high", "low", "close", "volume", "vwap", "trade_count"), pl.lit(100.0))
        return self._answer(RAW_DAILY_BARS, filing.bars(bars.with_columns(**values, problem=pl.lit(None, pl.String))))

    def _answer(self, table, rows):
        said = filing.said(table, rows, source="own", name="/a", sha256="0", delay=timedelta())
        return Answer(said, (), "0")


TEN = {"id": "E1", "execution_date": "2024-12-11", "split_from": 1, "split_to": 10}


@pytest.mark.parametrize(
    ("splits", "doubt"),
    [
        ([TEN, TEN | {"split_to": 4}], "told twice under one id, differently"),
        ([TEN, TEN | {"id": "E2", "split_to": 4}], "it is told with two ratios"),
        ([TEN | {"split_from": 0}], "split_from"),
        ([TEN, TEN | {"id": "E3", "execution_date": "2024-12-10", "split_to": None}], "split_to"),
    ],
    ids=["one id", "two ids", "no ratio", "an earlier one without a ratio"],
)
def test_prices_before_a_split_that_cannot_be_believed_are_left_out_and_said(splits, doubt):
    source = Split(*splits)
    asked = wanted("AAA", "BBB", start=date(2024, 12, 9), end=date(2024, 12, 13), basis="split")

    bars = fetched(prepared(asked, source, NOW), source)

    first = min(split["execution_date"] for split in splits) if len(splits) == 2 else "2024-12-11"
    told = [(row["ticker"], row["session"].isoformat()) for row in bars.rows.to_dicts() if row["ticker"] == "AAA"]
    assert told == [("AAA", day) for day in ("2024-12-10", "2024-12-11", "2024-12-12") if day >= first]
    assert bars.rows.filter(ticker="BBB")["close"].to_list() == [100.0] * 4
    assert bars.rows.filter(ticker="AAA", session=date(2024, 12, 12))["close"].to_list() == [100.0]
    assert set(bars.unreadable["ticker"]) == {"AAA"}
    assert bars.unreadable["session"].to_list() == [
        date(2024, 12, day) for day in (9, 10) if f"2024-12-{day:02d}" < first
    ]
    assert bars.unreadable["problem"].str.contains(doubt).all()


@pytest.mark.parametrize(("ticker", "market"), [("X:BTCUSD", "crypto"), ("I:VIX", "indices"), ("C:EURUSD", "fx")])
def test_a_market_that_the_source_does_not_supply_is_refused_before_anything_is_asked(vendor, polygon, ticker, market):
    before = len(vendor.journal)

    with pytest.raises(ValueError, match=f"polygon: it has no {market}"):
        prepared(wanted(ticker), polygon, NOW)
    with pytest.raises(ValueError, match="are of several markets"):
        prepared(wanted("AURA", ticker), polygon, NOW)

    assert len(vendor.journal) == before


def test_as_traded_prices_jump_where_the_shares_do(polygon):
    bars = fetched(prepared(wanted("AURA", start=date(2024, 8, 22), end=date(2024, 8, 29)), polygon, NOW), polygon).rows

    jump = dict(bars.select("session", pl.col("close") / pl.col("close").shift()).iter_rows())
    assert jump[date(2024, 8, 26)] == pytest.approx(0.25, rel=0.2)


def test_for_few_tickers_nobody_asks_for_the_whole_market(vendor, polygon):
    before = len(vendor.journal)

    fetched(prepared(wanted("AURA", start=date(2024, 12, 10), end=date(2024, 12, 11)), polygon, NOW), polygon)

    assert [entry.route for entry in vendor.journal.entries[before:]] == ["range"]


def test_the_calls_made_are_those_that_were_planned(vendor, polygon):
    work = prepared(wanted("AURA", "BOLT", basis="split"), polygon, NOW)
    before = len(vendor.journal)

    fetched(work, polygon)

    assert len(vendor.journal) - before == work.calls > 2


def test_what_has_not_closed_is_not_asked_for():
    early = datetime(2024, 12, 19, 20, tzinfo=UTC)
    source = SyntheticSource()

    bars = fetched(prepared(wanted("AURA", start=date(2024, 12, 16)), source, early), source).rows

    assert bars["session"].to_list() == [date(2024, 12, day) for day in (16, 17, 18)]


def test_weeks_reach_back_to_their_monday_and_one_under_way_is_left_out():
    source, thursday = SyntheticSource(), datetime(2024, 12, 19, 22, tzinfo=UTC)
    week = wanted("AURA", start=date(2024, 12, 11), end=date(2024, 12, 20), timeframe="1w")

    (bar,) = fetched(prepared(week, source, thursday), source).rows.to_dicts()

    days = source.market.bars.filter(
        pl.col("ticker") == "AURA", pl.col("session").is_between(date(2024, 12, 9), date(2024, 12, 13))
    )
    assert bar["session"] == date(2024, 12, 13)
    assert bar["open"] == days.sort("session")["open"][0]
    assert bar["volume"] == pytest.approx(days["volume"].sum())


def test_rows_that_cannot_be_read_are_told_and_left_out():
    source = SyntheticSource()
    whole = wanted(*source.listed_tickers(), start=date(2022, 1, 3), end=date(2025, 1, 1))

    bars = fetched(prepared(whole, source, NOW), source)

    assert bars.rows.select("ticker", "session").is_duplicated().any() is not True
    assert not bars.rows.join(bars.unreadable, on=["ticker", "session"], how="semi").height


def test_alpaca_tells_several_tickers_in_one_call():
    def reply(ticker):
        bar = {"t": "2025-11-24T05:00:00Z", "o": 1.0, "h": 2.0, "l": 0.5, "c": 1.5, "v": 10, "n": 3, "vw": 1.25}
        return [bar | {"c": 1.5 + len(ticker) / 10}]

    body = json.dumps({"bars": {name: reply(name) for name in ("AAPL", "IBM", "MSFT")}, "next_page_token": None})
    headers = {"APCA-API-KEY-ID": "PK1", "APCA-API-SECRET-KEY": KEY}
    with scripted() as server, transport_to(server.url, "alpaca", judge, headers) as transport:
        server.say(answer(body.encode()))
        source = AlpacaSource(transport, FREE)
        asked = wanted("AAPL", "IBM", "MSFT", start=date(2025, 11, 24), end=date(2025, 11, 25))

        work = prepared(asked, source, datetime(2025, 11, 26, 12, tzinfo=UTC))
        bars = fetched(work, source).rows

    assert (work.calls, server.requests) == (1, 1)
    assert bars.select("ticker", "close").rows() == [("AAPL", 1.9), ("IBM", 1.8), ("MSFT", 1.9)]


class Yahoo:
    """Answers every symbol with two days, the second one not told."""

    def __init__(self, currency="USD"):
        self.currency = currency

    def __call__(self, symbol, params):
        meta = {"symbol": symbol, "currency": self.currency, "exchangeTimezoneName": "America/New_York"}
        quote = {name: [10.0, None] for name in ("open", "high", "low", "close")}
        chart = {"meta": meta | {"dataGranularity": "1d"}, "timestamp": [1763994600, 1764081000]}
        body = json.dumps({"chart": {"result": [chart | {"indicators": {"quote": [quote]}}], "error": None}}).encode()
        return Response(f"https://query2.finance.yahoo.com/v8/{symbol}", 200, {}, body)


YAHOOS = wanted("AAPL", "MSFT", start=date(2025, 11, 24), end=date(2025, 11, 26), basis="split")


def test_yahoo_tells_adjusted_bars_to_look_at():
    source = YahooSource(Yahoo())

    work = prepared(YAHOOS, source, datetime(2025, 11, 27, tzinfo=UTC))
    bars = fetched(work, source)

    assert work.calls == 2
    assert bars.rows.select("ticker", "session", "close", "volume").rows() == [
        ("AAPL", date(2025, 11, 24), 10.0, None),
        ("MSFT", date(2025, 11, 24), 10.0, None),
    ]
    assert bars.unreadable["session"].to_list() == [date(2025, 11, 25)] * 2


def test_prices_in_another_currency_are_not_taken_for_dollars(caplog):
    source = YahooSource(Yahoo("EUR"))

    bars = fetched(prepared(YAHOOS, source, datetime(2025, 11, 27, tzinfo=UTC)), source)

    assert bars.rows.is_empty()
    assert [record.message for record in caplog.records if "in EUR there" in record.message] != []


def test_a_ticker_that_the_vendor_does_not_know_takes_nothing_from_the_others(caplog):
    class NotAll(Yahoo):
        def __call__(self, symbol, params):
            if symbol == "AAPL":
                body = b'{"chart": {"result": null, "error": {"code": "Not Found", "description": "gone"}}}'
                return Response("https://there/AAPL", 404, {}, body)
            return super().__call__(symbol, params)

    source = YahooSource(NotAll())

    bars = fetched(prepared(YAHOOS, source, datetime(2025, 11, 27, tzinfo=UTC)), source)

    assert bars.rows["ticker"].to_list() == ["MSFT"]
    assert "yahoo: Not Found: gone" in caplog.text


def test_a_ticker_that_alpha_vantage_calls_an_error_takes_nothing_from_the_others(caplog):
    bar = {"1. open": "300.50", "2. high": "302.25", "3. low": "299.00", "4. close": "301.75", "5. volume": "3500000"}
    known = {"Meta Data": {"2. Symbol": "IBM"}, "Time Series (Daily)": {"2025-11-25": bar}}
    unknown = {"Error Message": "Invalid API call. Please retry or visit the documentation"}
    asked = wanted("GONE", "IBM", start=date(2025, 11, 24), end=date(2025, 11, 26))

    with scripted() as server:

        def reply(connection):
            is_known = "symbol=IBM" in server.heads[-1]
            answer(json.dumps(known if is_known else unknown).encode())(connection)

        server.say(reply)
        with transport_to(server.url, "alphavantage", alphavantage.judge, {"X-RapidAPI-Key": KEY}) as transport:
            source = alphavantage.AlphaVantageSource(transport)
            bars = fetched(prepared(asked, source, datetime(2025, 11, 27, tzinfo=UTC)), source)

    assert bars.rows.select("ticker", "session", "close").rows() == [("IBM", date(2025, 11, 25), 301.75)]
    assert server.requests == 2
    assert "check how Alpha Vantage spells the ticker" in caplog.text


def test_what_it_costs_to_ask_a_ticker_at_a_time_is_said():
    work = prepared(YAHOOS, YahooSource(Yahoo()), datetime(2025, 11, 27, tzinfo=UTC))

    assert work.lines() == [
        "2 calls, one a ticker",
        "yahoo: 6 s at 20 calls in 1 min, 1 min with a second to spare each",
    ]


@pytest.mark.parametrize(
    ("source", "asked", "says"),
    [
        (YahooSource(Yahoo()), wanted("AAPL"), "no prices as traded; take them as they are with --adjusted split"),
        (YahooSource(Yahoo()), wanted("AAPL", timeframe="5m", basis="split"), "yahoo: it tells no minutes"),
        (SyntheticSource(), wanted("AURA", timeframe="1h"), "synthetic: it tells no minutes"),
    ],
)
def test_what_a_source_does_not_tell_is_refused_with_what_to_do(source, asked, says):
    with pytest.raises(ValueError, match=says):
        prepared(asked, source, NOW)


def test_repeated_looks_are_equal(polygon):
    looks = [fetched(prepared(wanted("DUNE", basis="split"), polygon, NOW), polygon).rows for _ in range(2)]

    assert_frame_equal(*looks, check_exact=True)


class Failing(SyntheticSource):
    """Tells what it is asked for, and fails from one question on."""

    def __init__(self, since):
        super().__init__()
        self.left = since

    def read(self, ask):
        self.left -= 1
        if self.left < 0:
            raise SourceUnavailable("it does not answer; ask again later")
        return super().read(ask)


def by_windows(timeframe="1d", datasets=(RAW_DAILY_BARS.name,)) -> Fetch:
    """Two tickers together, the newest of three windows first."""
    what = wanted("AURA", "BOLT", start=date(2024, 8, 5), end=date(2024, 8, 26), timeframe=timeframe)
    windows = [(date(2024, 8, 19), what.end), (date(2024, 8, 12), date(2024, 8, 19)), (what.start, date(2024, 8, 12))]
    asks = [Ask(name, *window, what.tickers, NOW, is_partial=True) for window in windows for name in datasets]
    return Fetch(what, what.closed(NOW), NOW, asks, None, len(asks))


def test_what_was_told_before_a_call_that_fails_is_kept_where_that_is_wanted():
    whole = fetched(by_windows(), SyntheticSource()).rows

    told = fetched(by_windows(), Failing(1), keeps=True)

    is_told = pl.col("session") >= date(2024, 8, 19)
    assert_frame_equal(told.rows, whole.filter(is_told))
    assert told.failure == "it does not answer; ask again later"
    lost = whole.filter(~is_told).select("ticker", "session")
    assert_frame_equal(told.unasked.sort("ticker", "session"), lost.sort("ticker", "session"))


@pytest.mark.parametrize(
    ("fetch", "since", "keeps"),
    [
        (by_windows(), 1, False),
        (by_windows(), 0, True),
        (by_windows("1w"), 1, True),
        (by_windows(datasets=(RAW_DAILY_BARS.name, RAW_SPLITS.name)), 2, True),
    ],
    ids=["nobody asked for less", "the first call", "weeks", "splits are lacking"],
)
def test_what_would_say_too_little_is_not_kept(fetch, since, keeps):
    with pytest.raises(SourceUnavailable, match="ask again later"):
        fetched(fetch, Failing(since), keeps=keeps)
