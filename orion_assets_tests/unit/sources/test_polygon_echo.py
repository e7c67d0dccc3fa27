"""A page of bars says whose it is and that it is as traded, as the vendor documents; else nothing of it is landed."""

import json
from datetime import UTC, date, datetime

import pytest

from orion_assets.errors import AnswerDistrusted
from orion_assets.sources.polygon.routes import RIGHTS
from orion_assets.sources.polygon.source import PolygonSource, Reach
from orion_assets.sources.protocols import Ask
from orion_assets.sources.responses import Response

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAYS = date(2026, 11, 18), date(2026, 11, 20)
NEXT = "https://api.massive.com/v2/aggs/next"
DAILY, VIX = "raw_daily_bars", "raw_vix"


class Pages:
    """Answers with pages in turn; what a source asks of a transport."""

    def __init__(self, *pages):
        self.pages = list(pages)

    def get(self, path, params, read):
        return read(Response("https://api.massive.com/v2/aggs", 200, {}, json.dumps(self.pages.pop(0)).encode()))

    def follow(self, url, read):
        return self.get(url, {}, read)


def bar(day, zone_hours=5, **more):
    at = int(datetime(2026, 11, day, zone_hours, tzinfo=UTC).timestamp()) * 1000
    return {"o": 10.0, "h": 10.5, "l": 9.5, "c": 10.0, "v": 5.0, "t": at} | more


def page(*bars, drop=(), **more):
    told = {"status": "OK", "ticker": "AAA", "adjusted": False, "results": list(bars)} | more
    return {name: value for name, value in told.items() if name not in drop}


def read(*pages, dataset=DAILY, ticker="AAA", route=""):
    source = PolygonSource(Pages(*pages), RIGHTS["advanced"], Reach(markets=("crypto", "indices")))
    whom = (ticker,) if ticker else ()
    return source.read(Ask(dataset, *DAYS, whom, NOW, route=route)).rows


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"adjusted": True}, "its prices are adjusted"),
        ({"adjusted": "true"}, 'adjusted is "true"'),
        ({"adjusted": 1}, "adjusted is 1"),
        ({"drop": ("adjusted",)}, "adjusted is null"),
        ({"drop": ("ticker",)}, "it is about None, and AAA was asked for"),
        ({"ticker": "BBB"}, "it is about 'BBB'"),
    ],
)
def test_a_page_that_does_not_say_what_it_is_is_refused_the_second_as_the_first(wrong, says):
    assert read(page(bar(18), next_url=NEXT), page(bar(19))).height == 2

    with pytest.raises(AnswerDistrusted, match=says):
        read(page(bar(18), **wrong))
    with pytest.raises(AnswerDistrusted, match=says):
        read(page(bar(18), next_url=NEXT), page(bar(19), **wrong))


def test_a_market_day_names_no_ticker_and_is_as_traded():
    rows = [bar(18, 21, T="AAA")]

    assert read(page(*rows, drop=("ticker",)), ticker="", route="grouped").height == 1
    with pytest.raises(AnswerDistrusted, match="adjusted is null"):
        read(page(*rows, drop=("ticker", "adjusted")), ticker="", route="grouped")


@pytest.mark.parametrize(("dataset", "ticker"), [(VIX, "I:VIX"), ("raw_daily_bars_indices", "I:SPX")])
def test_nothing_adjusts_an_index(dataset, ticker):
    whole = page(bar(18, 6), ticker=ticker, drop=("adjusted",))

    assert read(whole, dataset=dataset, ticker=ticker if dataset != VIX else "").height == 1
    with pytest.raises(AnswerDistrusted, match="its prices are adjusted"):
        read(whole | {"adjusted": True}, dataset=dataset, ticker=ticker if dataset != VIX else "")


def test_a_coin_says_that_it_is_as_traded():
    with pytest.raises(AnswerDistrusted, match="adjusted is null"):
        read(
            page(bar(18, 0), ticker="X:BTCUSD", drop=("adjusted",)), dataset="raw_daily_bars_crypto", ticker="X:BTCUSD"
        )
