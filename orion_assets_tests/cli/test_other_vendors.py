"""Alpaca and Alpha Vantage by setting, the whole way from their wire to `orion bars`; servers here answer."""

import json
from datetime import UTC, date, datetime, time
from socket import socket
from urllib.parse import parse_qsl, urlsplit

import pytest

from orion_assets import calendars
from orion_assets.calendars import NEW_YORK
from orion_assets_tests.accept_runs import deployment, undisturbed
from orion_assets_tests.scripted_server import answer, scripted

KEY = "sk-not-to-be-seen"
START, END = date(2025, 11, 10), date(2025, 11, 15)
SESSIONS = calendars.sessions(START, END)["session"].to_list()
CLOSES = {(name, day): 100.0 * number + day.day for number, name in enumerate(("AAPL", "IBM"), 1) for day in SESSIONS}


def alpaca(path: str, query: dict[str, str]) -> dict:
    if path != "/v2/stocks/bars":
        name = "news" if path.endswith("news") else "corporate_actions"
        return {name: [] if name == "news" else {}, "next_page_token": None}
    if query["timeframe"] == "1Min":
        return minutes(query)
    bars = {}
    for ticker in query["symbols"].split(","):
        for day in SESSIONS:
            at = datetime.combine(day, time(), NEW_YORK).astimezone().isoformat()
            if (
                datetime.fromisoformat(query["start"])
                <= datetime.fromisoformat(at)
                <= datetime.fromisoformat(query["end"])
            ):
                close = CLOSES[ticker, day]
                bar = {"t": at, "o": close, "h": close + 1, "l": close - 1, "c": close, "v": 10.0, "n": 2, "vw": close}
                bars.setdefault(ticker, []).append(bar)
    return {"bars": bars, "next_page_token": None}


def minutes(query: dict[str, str]) -> dict:
    """Answer with the minutes of 09:30 and 15:59 of every session, three bars a page."""
    start, end = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
    bars = [
        (ticker, datetime.combine(day, clock, NEW_YORK), CLOSES[ticker, day])
        for ticker in query["symbols"].split(",")
        for day in SESSIONS
        for clock in (time(9, 30), time(15, 59))
    ]
    asked, at = [bar for bar in bars if start <= bar[1] <= end], int(query.get("page_token", 0))
    told: dict[str, list[dict]] = {}
    for ticker, when, close in asked[at : at + 3]:
        bar = {"t": when.isoformat(), "o": close, "h": close + 1, "l": close - 1, "c": close, "v": 5.0, "n": 2}
        told.setdefault(ticker, []).append(bar)
    return {"bars": told, "next_page_token": str(at + 3) if at + 3 < len(asked) else None}


def alphavantage(_: str, query: dict[str, str]) -> dict:
    ticker = query["symbol"]
    names = ("1. open", "2. high", "3. low", "4. close", "5. volume")
    series = {
        str(day): dict(zip(names, (f"{CLOSES[ticker, day] + more:.4f}" for more in (0, 1, -1, 0, 900)), strict=True))
        for day in reversed(SESSIONS)
    }
    return {"Meta Data": {"2. Symbol": ticker}, "Time Series (Daily)": series}


VENDORS = {
    "alpaca": (alpaca, {"ALPACA_API_KEY": "PK1", "ALPACA_SECRET_KEY": KEY}, "ORION_ALPACA_BASE_URL", 1),
    "alphavantage": (
        alphavantage,
        {"ALPHAVANTAGE_API_KEY": KEY, "ORION_ALPHAVANTAGE_FULL": "true"},
        "ORION_ALPHAVANTAGE_BASE_URL",
        2,
    ),
}


@pytest.fixture(params=VENDORS)
def vendor(request, tmp_path):
    """Run a vendor's server; gives its deployment, the server, and the calls that a backfill takes."""
    reply, keys, url, calls = VENDORS[request.param]
    with undisturbed(), scripted() as server:

        def say(connection: socket) -> None:
            parts = urlsplit(server.heads[-1].split(" ")[1])
            answer(json.dumps(reply(parts.path, dict(parse_qsl(parts.query)))).encode())(connection)

        server.say(say)
        made = deployment(
            tmp_path / "own",
            "",
            start=str(START),
            ORION_SOURCE=request.param,
            ORION_FILES_MAPPING="",
            ORION_TICKERS="AAPL,IBM",
            ORION_FEATURES_URL=str(tmp_path / "features"),
            ORION_REPORT_FOLDER=str(tmp_path / "quality"),
            **{url: server.url, **keys},
        )
        yield made, server, calls


def test_a_backfill_makes_the_planned_calls_and_bars_and_features_are_there(vendor):
    made, server, calls = vendor
    plan = json.loads(made.done("plan", "--to", END, "--json"))

    said = made.orion("backfill", "--to", END)
    again = made.orion("backfill", "--to", END)

    assert (said.code, again.code) == (0, 0), said.err + again.err
    of_bars = [head for head in server.heads if "/v2/stocks/bars" in head or "/query" in head]
    # Of news the plan counts the pages that it expects; nobody wrote any
    assert len(of_bars) == calls
    assert calls <= server.requests <= plan["calls"]
    bars = json.loads(made.done("bars", "--json"))
    assert {(row["ticker"], date.fromisoformat(row["session"])): row["close"] for row in bars} == CLOSES
    features = json.loads(made.done("features", "--json"))
    assert {row["ticker"] for row in features} == {"AAPL", "IBM"}
    assert all(KEY not in text for text in (said.out, said.err, again.err))
    assert all(KEY not in head.partition("\r\n")[0] for head in server.heads)


def test_the_doctor_says_what_the_vendor_does_not_supply(vendor):
    made, _, _ = vendor

    told = json.loads(made.orion("doctor", "--json").out)

    found = [each["found"] for each in told["findings"] if each["subject"] == "source"]
    assert any(text.startswith("it does not supply ") and "raw_vix" in text for text in found)


def test_fetch_asks_it_too(vendor):
    made, server, _ = vendor

    rows = json.loads(made.done("fetch", "IBM", "--from", START, "--to", END, "--format", "json"))

    assert [row["close"] for row in rows] == [CLOSES["IBM", day] for day in SESSIONS]
    assert server.requests == 1


@pytest.mark.parametrize("vendor", ["alpaca"], indirect=True)
def test_minutes_that_are_asked_for_by_name_are_landed_and_read_as_they_were_told(vendor):
    made, server, _ = vendor

    said = made.orion("backfill", "--to", END, "--datasets", "daily,minute")
    before = server.requests
    again = made.orion("backfill", "--to", END, "--datasets", "daily,minute")

    assert (said.code, again.code) == (0, 0), said.err + again.err
    assert server.requests == before
    bars = json.loads(made.done("bars", "--timeframe", "1m", "--json"))
    assert {(row["ticker"], row["ts_open"], row["close"]) for row in bars} == {
        (ticker, datetime.combine(day, clock, NEW_YORK).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), close)
        for (ticker, day), close in CLOSES.items()
        for clock in (time(9, 30), time(15, 59))
    }
    fives = json.loads(made.done("fetch", "IBM", "--timeframe", "5m", "--from", START, "--to", END, "--format", "json"))
    assert len(fives) == 2 * len(SESSIONS)
