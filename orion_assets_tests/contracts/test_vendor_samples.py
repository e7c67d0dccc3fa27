"""Every file that vendors publish as a sample of their answers: read through the source, or refused, saying why.

The samples stay outside the project; EXAMPLE_DATA names their folder.
"""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from orion_assets.errors import KeyRefused, NotEntitled, NotFound, OrionError, SourceUnavailable
from orion_assets.sources import bodies
from orion_assets.sources.alpaca.routes import FREE
from orion_assets.sources.alpaca.source import AlpacaSource
from orion_assets.sources.alpaca.words import judge as alpaca_judge
from orion_assets.sources.polygon.routes import RIGHTS
from orion_assets.sources.polygon.source import PolygonSource
from orion_assets.sources.polygon.words import judge as polygon_judge
from orion_assets.sources.protocols import Ask
from orion_assets.sources.responses import Passing, Response
from orion_assets.sources.yahoo.chart import parse
from orion_assets_tests.accept_runs import DATA, needs_data
from orion_assets_tests.far_sides import KEY, transport_to
from orion_assets_tests.scripted_server import answer, scripted

pytestmark = needs_data
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EVER = ("1990-01-03", "2035-12-28")
BARS, VIX, NEWS = "raw_daily_bars", "raw_vix", "raw_news"
SPLITS, DIVIDENDS, TICKERS = "raw_splits", "raw_dividends", "raw_tickers"
MOCK, SPEC = "client_python_mocks", "openapi_examples"
_RANGE = f"{MOCK}/v2/aggs/ticker/AAPL/range/1/day"
_GROUPED = f"{MOCK}/v2/aggs/grouped/locale/us/market/stocks/2005-04-04&adjusted=true.json"
_SPEC_RANGE = f"{SPEC}/v2_aggs_ticker_stocksTicker_range_multiplier_timespan_from_to_.200.json"
_SPEC_GROUPED = f"{SPEC}/v2_aggs_grouped_locale_us_market_stocks_date_.200.json"
_SPEC_INDEX = f"{SPEC}/v2_aggs_ticker_indicesTicker_range_multiplier_timespan_from_to_.200.json"
_LISTING = f"{MOCK}/v3/reference/tickers"


class Recorded:
    """Answers the first page with a body, and says then that nothing follows; what a source asks of a transport."""

    def __init__(self, judge, body: bytes, last: bytes):
        self.judge, self.body, self.last = judge, body, last

    def get(self, path, params, read):
        return self._read(self.last if "page_token" in params else self.body, read)

    def follow(self, url, read):
        return self._read(self.last, read)

    def _read(self, body, read):
        told = Response("https://vendor.test/sample", 200, {}, body)
        self.judge(told)
        return read(told)


def asked(dataset, start=EVER[0], end=EVER[1], *tickers, route="") -> Ask:
    return Ask(dataset, date.fromisoformat(start), date.fromisoformat(end), tickers, NOW, route=route)


def outcome(source, ask) -> int | str:
    """Give how many rows without a problem are landed, or why nothing is."""
    try:
        rows = source.read(ask).rows
    except (Passing, OrionError) as e:
        return str(e)
    return int(rows["problem"].is_null().sum())


def polygon(body: bytes) -> PolygonSource:
    # What the first page says of itself, the last one says too
    try:
        told = json.loads(body)
    except ValueError:
        told = {}
    echo = {name: told[name] for name in ("ticker", "adjusted") if isinstance(told, dict) and name in told}
    last = json.dumps(echo | {"status": "OK", "resultsCount": 0}).encode()
    return PolygonSource(Recorded(polygon_judge, body, last), RIGHTS["advanced"])


def alpaca(body: bytes) -> AlpacaSource:
    last = b'{"bars": {}, "news": [], "next_page_token": null}'
    return AlpacaSource(Recorded(alpaca_judge, body, last), FREE)


def as_traded(body: bytes) -> bytes:
    """Give the same answer of who was asked for prices as traded, which are all that Orion asks for."""
    return json.dumps(json.loads(body) | {"adjusted": False}).encode()


def files(folder: str) -> Iterator[str]:
    root = DATA / folder
    return (str(path.relative_to(root)) for path in sorted(root.rglob("*")) if path.is_file())


GROUPED_DAY = {"start": "2020-10-14", "end": "2020-10-15", "route": "grouped"}
# Answers to what Orion asks: the ask, and how many rows it makes, or what it is refused for
POLYGON = [
    (f"{_RANGE}/2005-04-01/2005-04-04.json", asked(BARS, "2005-04-01", "2005-04-05", "AAPL"), 2),
    (f"{_RANGE}/2005-04-01/2005-04-04.json", asked(BARS, "2005-04-01", "2005-04-05", "MSFT"), "it is about 'AAPL'"),
    # The mock of this range tells the day before it too
    (f"{_RANGE}/2005-04-02/2005-04-04.json", asked(BARS, "2005-04-02", "2005-04-05", "AAPL"), "a day outside"),
    (_SPEC_RANGE, asked(BARS, "2020-01-02", "2020-01-11", "AAPL"), 2),
    # Its file name says 2005, its stamp 2020
    (_GROUPED, asked(BARS, "2005-04-04", "2005-04-05", route="grouped"), "a stamp that is not of 2005-04-04"),
    (_GROUPED, asked(BARS, **GROUPED_DAY), 1),
    (_SPEC_GROUPED, asked(BARS, **GROUPED_DAY), 3),
    # Index bars of another index
    (_SPEC_INDEX, asked(VIX, "2023-03-09", "2023-03-11"), "it is about 'I:NDX', and I:VIX was asked for"),
    # The day before is stamped at four, and never taken for a day of a range
    (f"{MOCK}/v2/aggs/ticker/AAPL/prev.json", asked(BARS, *EVER, "AAPL"), "not midnight in America/New_York"),
    (f"{SPEC}/v2_aggs_ticker_stocksTicker_prev.200.json", asked(BARS, *EVER, "AAPL"), "not midnight in America"),
    (f"{SPEC}/v2_aggs_ticker_indicesTicker_prev.200.json", asked(VIX), "it is about 'I:NDX'"),
    # The mock was cut to one article by hand, and still counts its ten
    (f"{MOCK}/v2/reference/news&ticker=NFLX.json", asked(NEWS), "holds 10 results, and holds 1"),
    (f"{SPEC}/v2_reference_news.200.json", asked(NEWS), 1),
    # Another product of the vendor's, with names of its own
    (f"{SPEC}/benzinga_v2_news.200.json", asked(NEWS), "an article without an id"),
    (f"{_LISTING}.json", asked(TICKERS), 2),
    (f"{SPEC}/v3_reference_tickers.200.json", asked(TICKERS), 1),
    (f"{MOCK}/v3/reference/splits.json", asked(SPLITS), 10),
    # It says that more follows, is asked on from its newest date, and stands as the answer to that as well
    (f"{SPEC}/v3_reference_splits.200.json", asked(SPLITS), "it repeats what the pages before it told"),
    (f"{SPEC}/stocks_v1_splits.200.json", asked(SPLITS), 1),
    (f"{MOCK}/v3/reference/dividends.json", asked(DIVIDENDS), 10),
    (f"{SPEC}/stocks_v1_dividends.200.json", asked(DIVIDENDS), 1),
]
_ADJUSTED = [(name, ask) for name, ask, expected in POLYGON if ask.dataset == BARS and expected != "it is about 'AAPL'"]


@pytest.mark.parametrize(("name", "ask", "expected"), POLYGON)
def test_polygons_answers_to_what_is_asked_are_read_or_refused(name, ask, expected):
    found = outcome(polygon(as_traded((DATA / "polygon" / name).read_bytes())), ask)

    assert found == expected if isinstance(expected, int) else expected in str(found)


def test_polygons_sample_of_splits_is_read_where_nothing_follows_it():
    told = json.loads((DATA / "polygon" / SPEC / "v3_reference_splits.200.json").read_bytes())
    del told["next_url"]

    assert outcome(polygon(json.dumps(told).encode()), asked(SPLITS)) == 2


@pytest.mark.parametrize(("name", "ask"), _ADJUSTED)
def test_polygons_samples_of_bars_are_adjusted_and_as_they_stand_refused_for_that(name, ask):
    found = outcome(polygon((DATA / "polygon" / name).read_bytes()), ask)

    assert "its prices are adjusted, and as traded were asked for" in str(found)


def test_a_page_of_the_listing_that_a_cursor_led_to_is_read():
    (name,) = [name for name in files("polygon") if name.startswith(f"{_LISTING}&cursor=")]

    assert outcome(polygon((DATA / "polygon" / name).read_bytes()), asked(TICKERS)) == 2


def test_no_answer_to_what_orion_does_not_ask_of_polygon_becomes_a_row():
    asks = [
        *(asked(dataset) for dataset in (VIX, NEWS, SPLITS, DIVIDENDS)),
        *(asked(BARS, *EVER, "AAPL"), asked(BARS, **GROUPED_DAY)),
    ]
    own = {name for name, _, _ in POLYGON}
    others = [name for name in files("polygon") if name not in own and not name.startswith(_LISTING)]

    taken = {
        (name, ask.dataset): found
        for name in others
        for ask in asks
        if isinstance(found := outcome(polygon((DATA / "polygon" / name).read_bytes()), ask), int) and found
    }

    assert taken == {}
    assert len(others) > 60


REFUSALS = {401: KeyRefused, 403: NotEntitled, 404: NotFound, 429: SourceUnavailable}


@pytest.mark.parametrize("case", range(7))
def test_polygons_error_bodies_mean_what_their_status_says(case):
    told = json.loads((DATA / "polygon" / "error_bodies.json").read_text())[case]
    headers = {"Authorization": f"Bearer {KEY}"}
    with scripted() as server, transport_to(server.url, "polygon", polygon_judge, headers) as transport:
        server.say(answer(json.dumps(told["body"]).encode(), f"{told['http']} Told"))

        with pytest.raises(REFUSALS[told["http"]]) as caught:
            transport.get("/v2/aggs", {}, lambda response: None)

    assert type(caught.value) is REFUSALS[told["http"]]


STOCK = "historical_stock_data_L{}.json"
ALPACA = [
    (STOCK.format(34), asked(BARS, "2022-02-01", "2022-02-03", "AAPL"), 2),
    (STOCK.format(91), asked(BARS, "2023-09-25", "2023-09-28", "TSLA"), 3),
    (STOCK.format(165), asked(BARS, "2022-03-09", "2022-03-10", "AAPL", "TSLA"), 2),
    (STOCK.format(165), asked(BARS, "2022-03-09", "2022-03-10", "AAPL"), "TSLA"),
    (STOCK.format(225), asked(BARS, "2022-03-09", "2022-03-10", "AAPL"), 0),
    (STOCK.format(258), asked(BARS, "2022-03-09", "2022-03-10", "AAPL"), 0),
    # The latest bars: another route, which has no pages
    (STOCK.format(917), asked(BARS, "2022-07-26", "2022-07-27", "SPY"), "whether more pages follow"),
    (STOCK.format(955), asked(BARS, "2022-07-26", "2022-07-27", "SPY", "TSLA"), "whether more pages follow"),
    ("historical_news_data_L22.json", asked(NEWS), 1),
    ("historical_news_data_L62.json", asked(NEWS), 1),
    ("corporate_actions_L222.json", asked(DIVIDENDS), 1),
    ("corporate_actions_L222.json", asked(SPLITS), "'cash_dividends', not asked for"),
    # All kinds there are in one answer, and no ask is for all of them
    ("corporate_actions_L41.json", asked(SPLITS), "not asked for"),
    ("corporate_actions_L41.json", asked(DIVIDENDS), "not asked for"),
]


@pytest.mark.parametrize(("name", "ask", "expected"), ALPACA)
def test_alpacas_answers_to_what_is_asked_are_read_or_refused(name, ask, expected):
    found = outcome(alpaca((DATA / "alpaca" / "alpaca_py_tests" / name).read_bytes()), ask)

    assert found == expected if isinstance(expected, int) else expected in str(found)


def test_all_else_that_alpaca_shows_is_refused_whatever_it_is_read_as():
    own = {name for name, _, _ in ALPACA}
    others = [name for name in files("alpaca/alpaca_py_tests") if name not in own]
    asks = [*(asked(dataset) for dataset in (NEWS, SPLITS, DIVIDENDS)), asked(BARS, *EVER, "AAPL", "SPY", "TSLA")]

    found = {
        (name, ask.dataset): outcome(alpaca((DATA / "alpaca" / "alpaca_py_tests" / name).read_bytes()), ask)
        for name in others
        for ask in asks
    }

    assert {key: told for key, told in found.items() if not isinstance(told, str)} == {}
    assert len(others) == 14


YAHOO = {
    "chart-AAPL-2020-01-01-to-2020-01-03.json": 1,
    "chart-AAPL-2020-08-31-to-2020-11-07.json": 49,
    "chart-WSU.DE-2023-08-04-to-2023-08-09.json": 3,
    "historical-via-chart-NVDA-split-2021-02-01-to-2022-01-31.csv.json": 252,
    "chart-AAPL-2025-02-01-to-2025-02-02-includePrePost-false-interval-1m.json": "a chart of '1m'",
    "chart-notimestamp-quotes-length.fake.json": "0 timestamps stand beside",
    "insights-AAPL.json": "chart is null",
    "search-AAPL.json": "chart is null",
}


def test_every_recorded_answer_of_yahoo_is_read_or_refused():
    found = {name: charted(DATA / "yahoo_chart" / name) for name in files("yahoo_chart")}

    assert set(found) == set(YAHOO)
    for name, expected in YAHOO.items():
        assert found[name] == expected if isinstance(expected, int) else expected in str(found[name]), name


def charted(path: Path) -> int | str:
    told = bodies.loaded(path.read_bytes())["response"]["bodyJson"]
    try:
        return int(parse(json.dumps(told).encode()).days["problem"].is_null().sum())
    except (Passing, OrionError) as e:
        return str(e)
