"""Yahoo's charts are read by our own parser; its prices are compared with, never landed as bars."""

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from orion_assets.errors import AnswerDistrusted, NotFound, SettingsError, SourceUnavailable
from orion_assets.sources.protocols import Ask, listed_by
from orion_assets.sources.responses import Passing, Response
from orion_assets.sources.yahoo.chart import parse
from orion_assets.sources.yahoo.source import YahooSource, open_yahoo
from orion_assets_tests.far_sides import limited

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("EXAMPLE_DATA", ROOT.parent / "shared" / "data")) / "yahoo_chart"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
# 09:30 New York of 24 and 25 November 2025
STAMPS = [1763994600, 1764081000]


def recorded(name: str) -> bytes:
    if not DATA.is_dir():
        pytest.skip(f"no example data at {DATA}; set EXAMPLE_DATA")
    return json.dumps(json.loads((DATA / name).read_bytes())["response"]["bodyJson"]).encode()


def chart(symbol="AAPL", stamps=STAMPS, closes=(10.0, 11.0), *, meta=None, **result) -> bytes:
    quote = {name: list(closes) for name in ("open", "high", "low", "close")} | {"volume": [1] * len(closes)}
    told = {"symbol": symbol, "currency": "USD", "exchangeTimezoneName": "America/New_York", "dataGranularity": "1d"}
    whole = {"meta": told | (meta or {}), "timestamp": list(stamps), "indicators": {"quote": [quote]}} | result
    return json.dumps({"chart": {"result": [whole], "error": None}}).encode()


class Wire:
    """Answers with a body a symbol, and remembers what it was asked."""

    def __init__(self, **bodies: bytes):
        self.bodies = bodies
        self.asked = []

    def __call__(self, symbol, params):
        self.asked.append((symbol, dict(params)))
        body = self.bodies[symbol.removeprefix("^")]
        return Response(f"https://query2.finance.yahoo.com/v8/finance/chart/{symbol}", 200, {}, body)


@pytest.mark.parametrize(
    ("name", "currency", "zone", "days", "last"),
    [
        ("chart-AAPL-2020-01-01-to-2020-01-03.json", "USD", "America/New_York", [date(2020, 1, 2)], 75.0875),
        ("chart-WSU.DE-2023-08-04-to-2023-08-09.json", "EUR", "Europe/Berlin",
         [date(2023, 8, 4), date(2023, 8, 7), date(2023, 8, 8)], None),
    ],
)  # fmt: skip
def test_recorded_charts_of_days_are_read(name, currency, zone, days, last):
    told = parse(recorded(name))

    assert (told.currency, told.zone, told.days["date"].to_list()) == (currency, zone, days)
    assert told.days["problem"].is_null().all()
    assert last is None or told.days["close"].to_list() == [last]


def test_a_recorded_chart_beyond_the_end_of_summer_time_has_every_session_once():
    days = parse(recorded("chart-AAPL-2020-08-31-to-2020-11-07.json")).days

    # 1 November 2020 is the switch; 7 September was Labor Day
    assert (days.height, days["date"].n_unique()) == (49, 49)
    assert (days["date"].min(), days["date"].max()) == (date(2020, 8, 31), date(2020, 11, 6))
    assert date(2020, 9, 7) not in days["date"].to_list()


def test_a_recorded_chart_across_a_split_shows_no_jump_which_is_why_it_is_no_bar():
    days = parse(recorded("historical-via-chart-NVDA-split-2021-02-01-to-2022-01-31.csv.json")).days

    # NVDA split 4 for 1 on 20 July 2021: as traded it closed at 751.19 the day before, and 10 for 1 in 2024
    before, after = (days.filter(date=date(2021, 7, day))["close"].item() for day in (19, 20))
    assert before == pytest.approx(751.19 / 40, rel=1e-4)
    assert after / before == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("chart-AAPL-2025-02-01-to-2025-02-02-includePrePost-false-interval-1m.json", AnswerDistrusted, "'1m'"),
        ("chart-notimestamp-quotes-length.fake.json", AnswerDistrusted, "0 timestamps stand beside"),
        ("insights-AAPL.json", Passing, "chart is null"),
        ("search-AAPL.json", Passing, "chart is null"),
    ],
)
def test_recorded_answers_of_another_kind_are_refused(name, error, says):
    with pytest.raises(error, match=says):
        parse(recorded(name))


def test_a_chart_without_days_is_an_answer():
    empty = {"timestamp": [], "indicators": {"quote": [{}]}}

    assert parse(chart(**empty)).days.is_empty()


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        (
            b'{"chart": {"result": null, "error": {"code": "Not Found", "description": "delisted"}}}',
            NotFound,
            "delisted",
        ),
        (b'{"chart": {"result": null, "error": {"code": "Unauthorized", "description": "crumb"}}}', Passing, "crumb"),
        (b'{"chart": {"result": [], "error": null}}', Passing, "0 results"),
        (b"<html>", Passing, "not JSON"),
        (chart()[:-9], Passing, "not JSON"),
        (chart(closes=(1.0, 2.0, 3.0)), AnswerDistrusted, "2 timestamps stand beside"),
        (chart(stamps=[at * 1000 for at in STAMPS]), AnswerDistrusted, "not seconds"),
        (chart(meta={"exchangeTimezoneName": "Mars/Olympus"}), AnswerDistrusted, "unknown"),
    ],
)
def test_what_is_no_chart_is_refused(body, error, says):
    with pytest.raises(error, match=says):
        parse(body)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (17.420000076293945, 17.42),
        (75.0875015258789, 75.0875),
        (17.42, 17.42),
        (10.0, 10.0),
        (1e300, 1e300),
        (0.1, 0.1),
    ],
)
def test_prices_widened_from_single_precision_are_read_as_they_were_meant(said, meant):
    assert parse(chart(closes=(said, 1.0))).days["close"][0] == meant


@pytest.mark.parametrize("value", [None, "11", float("nan"), float("inf"), True])
def test_what_is_no_number_keeps_its_day_with_a_problem(value):
    days = parse(chart(closes=(10.0, value))).days

    assert days["close"].to_list() == [10.0, None]
    assert "close:" in days["problem"][1]


def test_a_day_told_again_by_the_live_quote_keeps_no_value():
    days = parse(chart(stamps=[*STAMPS, STAMPS[1] + 23_400], closes=(10.0, 11.0, 11.5))).days

    assert days["close"].to_list() == [10.0, None]
    assert days["problem"].to_list() == [None, "told twice in one answer, differently"]


def test_the_vix_is_landed_with_its_day_in_chicago():
    meta = {"exchangeTimezoneName": "America/Chicago"}
    # 02:15 Chicago on both days
    wire = Wire(VIX=chart("^VIX", [1763972100, 1764058500], (20.5, 18.5), meta=meta))
    source = YahooSource(wire)

    told = source.read(Ask("raw_vix", date(2025, 11, 24), date(2025, 11, 26), (), NOW))

    assert told.rows.select("date", "session", "close", "source").rows() == [
        (date(2025, 11, 24), date(2025, 11, 24), 20.5, "yahoo"),
        (date(2025, 11, 25), date(2025, 11, 25), 18.5, "yahoo"),
    ]
    assert told.documents[0].sha256 == told.evidence
    symbol, params = wire.asked[0]
    # From Saturday on, since a closed day is filed under the session after; the end is not included
    assert (symbol, params["period1"], params["period2"]) == ("^VIX", "1763787600", "1764133200")


def test_a_value_of_the_session_under_way_is_not_told():
    wire = Wire(
        VIX=chart("^VIX", [1763972100, 1764058500], (20.5, 18.5), meta={"exchangeTimezoneName": "America/Chicago"})
    )
    now = datetime(2025, 11, 25, 20, tzinfo=UTC)

    told = YahooSource(wire).read(Ask("raw_vix", date(2025, 11, 24), date(2025, 11, 26), (), now))

    assert told.rows["date"].to_list() == [date(2025, 11, 24)]


def test_bars_are_refused_with_the_reason():
    wire = Wire()

    with pytest.raises(ValueError, match="adjusted for every split up to now"):
        YahooSource(wire).read(Ask("raw_daily_bars", date(2025, 11, 24), date(2025, 11, 26), ("AAPL",), NOW))

    assert not wire.asked


def adjusted(wire, ticker):
    ask = Ask("raw_daily_bars", date(2025, 11, 24), date(2025, 11, 26), (ticker,), NOW)
    return YahooSource(wire).read_adjusted(ask).rows


def test_bars_to_compare_with_have_volumes_and_a_day_without_prices_says_so():
    wire = Wire(AAPL=chart("AAPL"), MSFT=chart("MSFT", closes=(None, 400.0)))

    told = pl.concat([adjusted(wire, "AAPL"), adjusted(wire, "MSFT")])

    assert told.select("ticker", "session", "close", "volume").rows() == [
        ("AAPL", date(2025, 11, 24), 10.0, 1.0),
        ("AAPL", date(2025, 11, 25), 11.0, 1.0),
        ("MSFT", date(2025, 11, 24), None, 1.0),
        ("MSFT", date(2025, 11, 25), 400.0, 1.0),
    ]
    assert told["problem"].is_null().to_list() == [True, True, False, True]
    assert told["source_file"].str.starts_with("v8/finance/chart/").all()


def test_volumes_are_adjusted_for_splits_as_the_prices_are():
    days = parse(recorded("historical-via-chart-NVDA-split-2021-02-01-to-2022-01-31.csv.json")).days

    # As traded they come in lots of 100; before the splits by 4 and by 10 each share is 40
    before = days.filter(pl.col("date") < date(2021, 7, 20))["volume"]
    assert before.len() > 100
    assert (before % 4_000 == 0).all()


def test_a_chart_without_volumes_and_a_day_without_one_are_sound():
    quote = {name: [10.0, 11.0] for name in ("open", "high", "low", "close")}
    bare = parse(chart(indicators={"quote": [quote]})).days
    holed = parse(chart(indicators={"quote": [quote | {"volume": [None, 5]}]})).days

    assert bare["volume"].to_list() == [None, None]
    assert holed["volume"].to_list() == [None, 5.0]
    assert bare["problem"].is_null().all()
    assert holed["problem"].is_null().all()


@pytest.mark.parametrize(
    ("ticker", "says", "asked"),
    [
        ("AAA.WS", "how it is spelled there is not known", []),
        ("AAA.U", "how it is spelled there is not known", []),
        ("AAPL", "in EUR there, not in US dollars", ["AAPL"]),
    ],
)
def test_whom_yahoo_does_not_tell_in_dollars_is_not_there(ticker, says, asked):
    wire = Wire(AAPL=chart("AAPL", meta={"currency": "EUR"}))

    with pytest.raises(NotFound, match=says):
        adjusted(wire, ticker)

    assert [symbol for symbol, _ in wire.asked] == asked


def test_a_class_and_a_preferred_share_are_asked_for_as_yahoo_spells_them_and_told_as_orion_does():
    wire = Wire(**{"BRK-B": chart("BRK-B"), "KIM-PL": chart("KIM-PL")})

    told = [adjusted(wire, ticker)["ticker"].unique().item() for ticker in ("BRK.B", "KIMpL")]

    assert [symbol for symbol, _ in wire.asked] == ["BRK-B", "KIM-PL"]
    assert told == ["BRK.B", "KIMpL"]


@pytest.mark.parametrize(
    ("body", "says"),
    [(chart("MSFT"), "about 'MSFT'"), (chart("AAPL", [at - 864_000 for at in STAMPS]), "outside of")],
)
def test_another_symbol_or_another_time_is_not_believed(body, says):
    with pytest.raises(AnswerDistrusted, match=says):
        adjusted(Wire(AAPL=body), "AAPL")


def test_what_is_no_chart_makes_yahoo_unavailable():
    with pytest.raises(SourceUnavailable, match="not JSON"):
        YahooSource(Wire(VIX=b"<html>")).read(Ask("raw_vix", date(2025, 11, 24), date(2025, 11, 26), (), NOW))


def test_without_the_extra_it_says_what_to_install(tmp_path):
    # Before the installed one, a yfinance that is not there
    (tmp_path / "yfinance").mkdir()
    (tmp_path / "yfinance" / "__init__.py").write_text("raise ModuleNotFoundError('absent', name='yfinance')")
    script = (
        "from datetime import UTC, date, datetime\n"
        "from orion_assets.sources.protocols import Ask\n"
        "from orion_assets.sources.yahoo.source import open_yahoo\n"
        "from orion_assets_tests.far_sides import limited\n"
        "day, now = date(2025, 11, 24), datetime(2026, 1, 1, tzinfo=UTC)\n"
        "ask = Ask('raw_daily_bars', day, date(2025, 11, 26), ('AAPL',), now)\n"
        "open_yahoo(limited).read_adjusted(ask)\n"
    )
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])

    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert (
        "SettingsError: yahoo: yfinance is not installed; install the extra: pip install 'orion-assets[yahoo]'"
        in ended.stderr
    )


def test_opening_it_loads_nothing_and_lists_nothing():
    source = open_yahoo(limited)

    assert {route.dataset for route in source.routes(date(2026, 11, 20))} == source.datasets == {"raw_vix"}
    with pytest.raises(SettingsError, match=r"yahoo: .*ORION_TICKERS"):
        listed_by(source)
