"""Every network source keeps the contract: Polygon against the fake vendor, the others against scripted ones."""

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.clock import FixedClock
from orion_assets.sources import alphavantage, cboe
from orion_assets.sources.alpaca.routes import FREE
from orion_assets.sources.alpaca.source import AlpacaSource
from orion_assets.sources.alpaca.words import judge as alpaca_judge
from orion_assets.sources.alphavantage import AlphaVantageSource
from orion_assets.sources.cboe import CboeSource
from orion_assets.sources.polygon.routes import RIGHTS
from orion_assets.sources.polygon.source import PolygonSource
from orion_assets.sources.polygon.words import judge as polygon_judge
from orion_assets.sources.synthetic.vendor.server import fake_vendor
from orion_assets.sources.synthetic.vendor.truth import large_market
from orion_assets_tests.contracts.network_contract import NetworkSourceContract
from orion_assets_tests.far_sides import KEY, PolygonFar, json_spoiler, scripted_far, transport_to

# Thanksgiving, on which Cboe has a value, and the half day after it lie between
START, END = date(2025, 11, 24), date(2025, 12, 2)
DAYS = calendars.sessions(START, END)["session"].to_list()
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PRICES = ("open", "high", "low", "close")


def zulu(day: date, hour: int = 5) -> str:
    return f"{day}T{hour:02d}:00:00Z"


class TestCboe(NetworkSourceContract):
    START, END, NOW = START, END, NOW
    EARLIER = datetime(2025, 11, 26, 22, tzinfo=UTC)
    NOT_OWED: ClassVar = {
        "an unknown key": "it takes no key",
        "another ticker": "the file is of one index and names none",
        "days nobody asked for": "the file holds every day, whatever is asked",
        "pages that go round": "the file is one page",
        "no rows": "a file without a row is no answer",
    }
    # The 27th is Thanksgiving: filed under the 28th
    ROWS: ClassVar = [
        ("11/21/2025", 23.9, 25.1, 21.6, 23.43, None),
        ("11/24/2025", 22.4, 22.9, 20.2, 20.52, date(2025, 11, 24)),
        ("11/25/2025", 20.6, 21.4, 18.4, 18.56, date(2025, 11, 25)),
        ("11/26/2025", 18.5, 18.6, 17.0, 17.19, date(2025, 11, 26)),
        ("11/27/2025", 17.3, 17.6, 17.1, 17.21, date(2025, 11, 28)),
        ("11/28/2025", 17.3, 17.9, 16.2, 16.35, date(2025, 11, 28)),
        ("12/01/2025", 18.1, 18.3, 16.9, 17.24, date(2025, 12, 1)),
        ("12/02/2025", 17.1, 17.5, 16.4, 16.59, None),
    ]

    @pytest.fixture
    def far(self):
        lines = [",".join((row[0], *(f"{value:.6f}" for value in row[1:5]))) for row in self.ROWS]
        body = "\r\n".join(["DATE,OPEN,HIGH,LOW,CLOSE", *lines, ""]).encode()
        truth = pl.DataFrame(self.ROWS, schema=["date", *PRICES, "session"], orient="row").drop_nulls("session")
        truth = truth.with_columns(pl.col("date").str.to_date("%m/%d/%Y"))
        more = {"routes": {"raw_vix": "vix_file"}, "truths": {"raw_vix": truth}}
        with scripted_far(
            CboeSource, "cboe", cboe.judge, {}, reply=lambda *_: body, spoil=lambda _, body: body, **more
        ) as running:
            yield running


class TestAlphaVantage(NetworkSourceContract):
    START, END, NOW = START, END, NOW
    EARLIER = datetime(2025, 11, 26, 22, tzinfo=UTC)
    TICKERS = ("IBM",)
    NOT_OWED: ClassVar = {
        "days nobody asked for": "it tells the last 100 sessions, whatever is asked",
        "pages that go round": "there is one page",
    }

    @pytest.fixture
    def far(self):
        days = calendars.sessions(END - timedelta(days=40), END + timedelta(days=5))["session"].to_list()
        bars = {
            day: (100.5 + at, 102.25 + at, 99.125 + at, 101.0 + at, 3_000_000.0 + at) for at, day in enumerate(days)
        }

        def reply(path, query):
            assert (path, query["function"], query["symbol"]) == ("/query", "TIME_SERIES_DAILY", "IBM")
            names = ("1. open", "2. high", "3. low", "4. close", "5. volume")
            series = {
                str(day): {name: f"{value:.4f}" for name, value in zip(names, bar, strict=True)}
                for day, bar in reversed(bars.items())
            }
            meta = {"1. Information": "Daily Prices", "2. Symbol": "IBM", "5. Time Zone": "US/Eastern"}
            return json.dumps({"Meta Data": meta, "Time Series (Daily)": series}).encode()

        def spoil(fault, told):
            if fault == "no rows":
                told["Time Series (Daily)"] = {}
            else:
                told["Meta Data"]["2. Symbol"] = "WRONG"

        rows = [("IBM", day, *bar) for day, bar in bars.items() if START <= day < END]
        truth = pl.DataFrame(rows, schema=["ticker", "session", *PRICES, "volume"], orient="row")
        more = {"routes": {"raw_daily_bars": "alphavantage_daily"}, "truths": {"raw_daily_bars": truth}}
        headers = {"X-RapidAPI-Key": KEY}
        with scripted_far(
            AlphaVantageSource,
            "alphavantage",
            alphavantage.judge,
            headers,
            reply=reply,
            spoil=json_spoiler(spoil),
            **more,
        ) as running:
            yield running


class TestAlpaca(NetworkSourceContract):
    START, END, NOW = START, END, NOW
    EARLIER = datetime(2025, 11, 26, 22, tzinfo=UTC)
    TICKERS = ("AAPL", "BRK.B", "IBM")
    NOT_OWED: ClassVar = {
        **{f"another ticker: raw_{name}": "it is asked of all tickers" for name in ("news", "splits", "dividends")},
        **{
            f"days nobody asked for: raw_{name}": "it is asked by the date of processing, and ex-dates lie outside"
            for name in ("splits", "dividends")
        },
    }

    @pytest.fixture
    def far(self):
        vendor = Alpaca()
        headers = {"APCA-API-KEY-ID": "PK1", "APCA-API-SECRET-KEY": KEY}
        routes = {
            **dict.fromkeys(("raw_daily_bars", "raw_minute_bars"), "alpaca_multi"),
            **{f"raw_{name}": f"alpaca_{name}" for name in ("news", "splits", "dividends")},
        }
        with scripted_far(
            lambda transport: AlpacaSource(transport, FREE),
            "alpaca",
            alpaca_judge,
            headers,
            routes=routes,
            truths=vendor.truths(),
            reply=vendor.reply,
            spoil=json_spoiler(vendor.spoil),
        ) as running:
            running.most_requests = 24
            yield running


class Alpaca:
    """Alpaca in a few lines: bars ticker by ticker, four rows a page, articles by last change, actions by process."""

    PAGE = 4
    # id, made, changed, headline, symbols; the close cut-off of a full day is 21:30 UTC, of the half day 18:30
    ARTICLES = (
        (1, "2025-11-21T21:30:00Z", "2025-11-21T21:30:00Z", "at the cut-off before", ["IBM"]),
        (2, "2025-11-21T22:00:00Z", "2025-11-21T22:00:00Z", "on Friday night", ["IBM", "AAPL"]),
        (3, "2025-11-24T15:00:00Z", "2025-11-25T15:00:00Z", "changed a day later", []),
        (4, "2025-11-26T21:30:00Z", "2025-11-26T21:30:00Z", "at a cut-off", ["AAPL"]),
        (5, "2025-11-27T15:00:00Z", "2025-11-27T15:00:00Z", "on Thanksgiving", ["BRK.B"]),
        (6, "2025-11-28T19:00:00Z", "2025-11-28T19:00:00Z", "after the half day", ["IBM"]),
        (7, "2025-12-01T22:00:00Z", "2025-12-01T22:00:00Z", "after the last cut-off", ["IBM"]),
    )
    FILED = ((2, 24), (3, 25), (4, 26), (5, 28))
    # kind, id, symbol, ex-date, processed, rates
    ACTIONS = (
        ("forward_splits", "f1", "AAPL", "2025-11-25", "2025-11-25", {"new_rate": 4, "old_rate": 1}),
        ("reverse_splits", "r1", "BRK.B", "2025-11-27", "2025-11-27", {"new_rate": 1, "old_rate": 50}),
        ("forward_splits", "f2", "IBM", "2025-12-02", "2025-12-02", {"new_rate": 1.5, "old_rate": 1}),
        ("cash_dividends", "d0", "IBM", "2025-11-10", "2025-11-26", {"rate": 0.5}),
        ("cash_dividends", "d1", "IBM", "2025-11-26", "2026-01-15", {"rate": 1.68}),
        ("cash_dividends", "d2", "AAPL", "2025-12-01", "2025-12-18", {"rate": 0.26}),
    )

    def bars(self, ticker):
        base = {"AAPL": 270.0, "BRK.B": 505.0, "IBM": 300.0}[ticker]
        # IBM did not trade on the 26th
        rest = {"h": base + 99, "l": base - 1, "c": base, "n": 7, "vw": base + 0.125}
        return [
            {"t": zulu(day), "o": base + n, "v": 10.5 + n, **rest}
            for n, day in enumerate(calendars.sessions(date(2025, 11, 3), date(2025, 12, 20))["session"])
            if not (ticker == "IBM" and day == date(2025, 11, 26))
        ]  # fmt: skip

    def minutes(self, ticker):
        # The first and the last that anybody trades, and the last of the regular session
        base = 100.0 + len(ticker)
        at = [
            (day, clock)
            for day in calendars.sessions(date(2025, 11, 20), date(2025, 12, 5))["session"]
            for clock in (time(4), time(15, 59), time(19, 59))
        ]
        return [
            {
                "t": datetime.combine(day, clock, calendars.NEW_YORK).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "o": base + n,
                "h": base + n + 2,
                "l": base - 1,
                "c": base + n + 1,
                "v": 3.5 + n,
                "n": 2,
                "vw": base + 0.5,
            }
            for n, (day, clock) in enumerate(at)
        ]

    def reply(self, path, query):
        at = int(query.get("page_token", 0))
        name, rows = {"/v2/stocks/bars": self._bars, "/v1beta1/news": self._news}.get(path, self._actions)(query)
        page, more = rows[at : at + self.PAGE], len(rows) > at + self.PAGE
        told = [row for _, row in page]
        if name != "news":
            told = {}
            for group, row in page:
                told.setdefault(group, []).append(row)
        return json.dumps({name: told, "next_page_token": str(at + self.PAGE) if more else None}).encode()

    def _bars(self, query):
        assert (query["adjustment"], query["asof"], query["limit"]) == ("raw", "-", "10000")
        held = {"1Day": self.bars, "1Min": self.minutes}[query["timeframe"]]
        rows = [(ticker, bar) for ticker in query["symbols"].split(",") for bar in held(ticker)]
        return "bars", [(ticker, bar) for ticker, bar in rows if query["start"] <= bar["t"] <= query["end"]]

    def _news(self, query):
        names = ("id", "created_at", "updated_at", "headline", "symbols")
        rows = [dict(zip(names, each, strict=True)) | {"summary": "", "source": "benzinga"} for each in self.ARTICLES]
        inside = [row for row in rows if query["start"] <= row["updated_at"] <= query["end"]]
        return "news", [("", row) for row in sorted(inside, key=lambda row: row["updated_at"])]

    def _actions(self, query):
        kinds = [f"{kind}s" for kind in query["types"].split(",")]
        return "corporate_actions", [
            (kind, {"id": name, "symbol": ticker, "ex_date": ex_date, "process_date": processed, **rates})
            for kind, name, ticker, ex_date, processed, rates in self.ACTIONS
            if kind in kinds and query["start"] <= processed <= query["end"]
        ]

    def spoil(self, fault, told):
        if fault == "pages that go round":
            told["next_page_token"] = "0"
        elif fault == "no rows":
            empty = {"bars": {}, "news": [], "corporate_actions": {}}
            told.update({name: value for name, value in empty.items() if name in told}, next_page_token=None)
        elif fault == "another ticker":
            told["bars"]["WRONG"] = [bar for bar in self.bars("IBM") if bar["t"] == zulu(DAYS[0])]
        elif "bars" in told:
            told["bars"]["AAPL"] = [{**self.bars("AAPL")[0], "t": "2024-11-25T05:00:00Z"}]
        else:
            old = {"created_at": "2020-11-25T15:00:00Z", "updated_at": "2020-11-25T15:00:00Z"}
            told["news"] = [{"id": 9, "headline": "old", "symbols": [], **old}]

    def truths(self):
        names = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume", "vw": "vwap", "n": "trade_count"}
        bars = [
            {"ticker": ticker, "session": date.fromisoformat(bar["t"][:10])} | {names[k]: bar[k] for k in names}
            for ticker in TestAlpaca.TICKERS
            for bar in self.bars(ticker)
        ]  # fmt: skip
        minutes = [
            {
                "ticker": ticker,
                "ts_open": at,
                "session": at.astimezone(calendars.NEW_YORK).date(),
                "ts_event": at + timedelta(minutes=1),
            }
            | {names[k]: bar[k] for k in names}
            for ticker in TestAlpaca.TICKERS
            for bar in self.minutes(ticker)
            if (at := datetime.fromisoformat(bar["t"]))
        ]
        articles = {each[0]: each for each in self.ARTICLES}
        news = [
            {
                "article_id": str(number),
                "session": date(2025, 11, day),
                "title": articles[number][3],
                "tickers": sorted(articles[number][4]),
                "ts_event": datetime.fromisoformat(articles[number][2]),
                "ts_assumed": datetime.fromisoformat(articles[number][2]) + timedelta(minutes=15),
            }
            for number, day in self.FILED
        ]
        # After the half day: Monday's
        news.append({**news[0], "article_id": "6", "session": date(2025, 12, 1), "title": "after the half day",
                     "tickers": ["IBM"], "ts_event": datetime(2025, 11, 28, 19, tzinfo=UTC),
                     "ts_assumed": datetime(2025, 11, 28, 19, 15, tzinfo=UTC)})  # fmt: skip
        splits = [
            ("f1", "AAPL", date(2025, 11, 25), date(2025, 11, 25), 4, 1),
            ("r1", "BRK.B", date(2025, 11, 28), date(2025, 11, 27), 1, 50),
        ]
        dividends = [
            ("d1", "IBM", date(2025, 11, 26), date(2025, 11, 26), 1.68, None),
            ("d2", "AAPL", date(2025, 12, 1), date(2025, 12, 1), 0.26, None),
        ]
        action = ["event_id", "ticker", "session", "ex_date"]
        return {
            "raw_daily_bars": pl.DataFrame(bars).filter(pl.col("session").is_between(START, END, closed="left")),
            "raw_minute_bars": pl.DataFrame(minutes).filter(pl.col("session").is_between(START, END, closed="left")),
            "raw_news": pl.DataFrame(news),
            "raw_splits": pl.DataFrame(splits, schema=[*action, "shares_after", "shares_before"], orient="row"),
            "raw_dividends": pl.DataFrame(
                dividends, schema=[*action, "cash_amount", ("dividend_type", pl.String)], orient="row"
            ),
        }


@pytest.fixture(scope="module")
def vendor():
    with fake_vendor(large_market(20, 70, date(2026, 11, 20)), clock=FixedClock(TestPolygon.NOW)) as running:
        yield running


class TestPolygon(NetworkSourceContract):
    # Labor Day, a split and dividends lie between
    START, END = date(2026, 9, 3), date(2026, 9, 30)
    NOW = datetime(2026, 11, 21, 18, tzinfo=UTC)
    EARLIER = datetime(2026, 9, 15, 12, tzinfo=UTC)
    TICKERS = ("SAAB",)
    NOT_OWED: ClassVar = {
        **{f"another ticker: raw_{name}": "it is asked of all tickers" for name in ("news", "splits", "dividends")},
        **{f"days nobody asked for: raw_{name}": "the fake vendor cannot do it" for name in ("splits", "dividends")},
        "closing": "its transport is closed by whoever opened it",
        "an empty range": "no plan has one, and the vendor calls it an error",
    }

    @pytest.fixture
    def far(self, vendor):
        truth, actions = vendor.truth, ("event_id", "ticker", "ex_date")
        truths = {
            "raw_daily_bars": self.inside(truth.daily_bars.filter(ticker="SAAB").drop("number"), "session"),
            "raw_minute_bars": truth.minute_bars("SAAB", self.START, self.END).drop("number"),
            "raw_vix": self.inside(truth.vix, "date").select("date", *PRICES),
            "raw_news": self.inside(truth.news, "session").select(
                "article_id", "session", "ts_event", "title", "tickers"
            ),
            "raw_splits": self.inside(truth.splits, "ex_date").select(*actions, "shares_after", "shares_before"),
            "raw_dividends": self.inside(truth.dividends, "ex_date").select(*actions, "cash_amount", "dividend_type"),
        }
        vendor.faults.clear()
        headers, hosts = {"Authorization": f"Bearer {KEY}"}, ("api.massive.com", "api.polygon.io")
        with transport_to(vendor.base_url, "polygon", polygon_judge, headers, aliases=hosts) as transport:
            source = PolygonSource(transport, RIGHTS["advanced"])
            yield PolygonFar(vendor, source, truths, since=len(vendor.journal))

    def inside(self, rows, day):
        return rows.filter(pl.col(day).is_between(self.START, self.END, closed="left"))
