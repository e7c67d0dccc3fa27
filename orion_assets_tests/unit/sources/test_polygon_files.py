"""A flat file is believed when it is whole, of its day and tells every window once."""

import gzip
from datetime import UTC, date, datetime

import pytest

from orion_assets.errors import AnswerDistrusted
from orion_assets.sources.polygon.flatfiles import read_object

DAY = date(2026, 11, 18)
HEADER = "ticker,volume,open,close,high,low,window_start,transactions\n"
AT = int(datetime(2026, 11, 18, 14, 30, tzinfo=UTC).timestamp()) * 10**9
MINUTE = 60 * 10**9


def line(ticker="AAPL", at=AT, volume="100", close="69.86160000000000"):
    return f"{ticker},{volume},69.5,{close},70,69,{at},7\n"


def packed(*lines, header=HEADER):
    return gzip.compress((header + "".join(lines)).encode())


def test_rows_come_as_they_stand_and_tickers_named_na_and_true_are_tickers():
    told = read_object("o", packed(line("NA"), line("TRUE", volume="0.5"), line("TRUE", AT + MINUTE)), DAY)

    assert told.select("ticker", "volume", "close", "trade_count").rows() == [
        ("NA", 100.0, 69.8616, 7.0),
        ("TRUE", 0.5, 69.8616, 7.0),
        ("TRUE", 100.0, 69.8616, 7.0),
    ]
    assert told["ts_open"][0] == datetime(2026, 11, 18, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (packed(line())[:-9], "does not end where the object does"),
        (packed(line())[:-8] + b"\0" * 8, "damaged"),
        (b"ticker,volume", "not gzip"),
        (packed(line()) + b"more", "does not end"),
        (packed(line(), header="ticker,open\n"), "its header is"),
        (packed(line(close="abc")), "could not parse|cannot"),
        (packed(line(close="")), "values that are missing"),
        (packed(line(close="inf")), "not finite"),
        (packed(line(at=AT - 86_400 * 10**9)), "not of 2026-11-18"),
        (packed(line(at=AT // 1000)), "not of 2026-11-18"),
        (packed(line(), line()), "windows told twice"),
        (packed(line(), line("B"), line()), "windows told twice"),
    ],
    ids=[
        "cut",
        "bad trailer",
        "no gzip",
        "more",
        "header",
        "text",
        "empty",
        "infinite",
        "day",
        "unit",
        "twice",
        "apart",
    ],
)
def test_what_is_not_whole_or_not_of_its_day_is_refused(content, says):
    with pytest.raises(AnswerDistrusted, match=says):
        read_object("us_stocks_sip/2026-11-18.csv.gz", content, DAY)


def test_half_a_market_is_not_the_market():
    with pytest.raises(AnswerDistrusted, match="2 tickers, too few to be the whole"):
        read_object("o", packed(line("A"), line("B")), DAY, least_tickers=8_000)
