"""A flat file is believed when it is whole, of its day and tells every window once."""

import gzip
from datetime import UTC, date, datetime

import polars as pl
import pytest

from orion_assets.errors import AnswerDistrusted
from orion_assets.sources.polygon import rows
from orion_assets.sources.polygon.flatfiles import SETS, read_object

DAY = date(2026, 11, 18)
STOCKS = SETS["stocks_minute"]
HEADER = "ticker,volume,open,close,high,low,window_start,transactions\n"
AT = int(datetime(2026, 11, 18, 14, 30, tzinfo=UTC).timestamp()) * 10**9
MINUTE = 60 * 10**9


def line(ticker="AAPL", at=AT, volume="100", close="69.86160000000000"):
    return f"{ticker},{volume},69.5,{close},70,69,{at},7\n"


def packed(*lines, header=HEADER):
    return gzip.compress((header + "".join(lines)).encode())


MANY = [line(f"T{n:02d}") for n in range(30)]


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (line("X", volume=""), "volume: is missing, or no number"),
        (line("X", close="abc"), "close: is missing, or no number"),
        (line("X", close="NaN", volume="inf"), "close: is missing, or no number; volume: is missing, or no number"),
    ],
)
def test_a_row_that_cannot_be_read_is_held_back_and_the_others_are_told(bad, problem):
    told = read_object(STOCKS, DAY, packed(*MANY, bad))

    assert told["ticker"].to_list() == [*(f"T{n:02d}" for n in range(30)), "X"]
    assert told.head(30)["problem"].null_count() == 30
    assert set(told["problem"][30].split("; ")) == set(problem.split("; "))
    assert told.head(30)["close"].to_list() == [69.8616] * 30


def test_a_ticker_of_garbage_bytes_is_its_rows_problem():
    content = gzip.compress(
        (HEADER + "".join(MANY)).encode() + line("GARBAGE").encode().replace(b"GARBAGE", b"\xff\xfeB")
    )

    told = rows.of_file(read_object(STOCKS, DAY, content))

    assert told.filter(pl.col("problem").is_not_null()).select("problem").rows() == [("ticker: is not a ticker",)]
    assert told["problem"].null_count() == 30


def test_a_count_may_be_written_with_a_point():
    told = read_object(STOCKS, DAY, packed(line().replace(",7\n", ",7.0\n")))

    assert told["trade_count"].to_list() == [7.0]


def test_members_of_gzip_one_after_the_other_are_one_object():
    content = packed(line()) + gzip.compress(line("BOLT").encode())

    assert read_object(STOCKS, DAY, content)["ticker"].to_list() == ["AAPL", "BOLT"]


def test_rows_come_as_they_stand_and_tickers_named_na_and_true_are_tickers():
    told = read_object(STOCKS, DAY, packed(line("NA"), line("TRUE", volume="0.5"), line("TRUE", AT + MINUTE)))

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
        (packed(line()) + packed(line())[:-9], "does not end where the object does"),
        (packed(line(), header="ticker,open\n"), "its header is"),
        (packed(line(close="abc")), "1 rows that cannot be read"),
        (packed(*MANY, line("X", close=""), line("Y", close="")), "2 rows that cannot be read"),
        (packed(line(close="inf")), "1 rows that cannot be read"),
        (packed(*MANY, line("X", at="soon")), "1 rows that are not of"),
        (packed(*MANY, line("X", at="")), "1 rows that are not of"),
        (packed(line(at=AT - 86_400 * 10**9)), "not of 2026-11-18"),
        (packed(line(at=AT // 1000)), "not of 2026-11-18"),
        (packed(line(at=AT + 10**9)), "begin within a minute"),
        (packed(), "no row"),
        (packed(line(), line()), "windows told twice"),
        (packed(line(), line("B"), line()), "windows told twice"),
    ],
    ids=[
        "cut",
        "bad trailer",
        "no gzip",
        "more",
        "cut again",
        "header",
        "text",
        "empty",
        "infinite",
        "no time",
        "empty time",
        "day",
        "unit",
        "ragged",
        "nothing",
        "twice",
        "apart",
    ],
)
def test_what_is_not_whole_or_not_of_its_day_is_refused(content, says):
    with pytest.raises(AnswerDistrusted, match=says):
        read_object(STOCKS, DAY, content)


def test_half_a_market_is_not_the_market():
    with pytest.raises(AnswerDistrusted, match="2 tickers, too few to be the whole"):
        read_object(STOCKS, DAY, packed(line("A"), line("B")), least_tickers=8_000)


def test_columns_may_stand_in_another_order():
    header = "window_start,ticker,open,high,low,close,volume,transactions\n"

    told = read_object(STOCKS, DAY, packed(f"{AT},AAPL,1,4,0.5,2,100,7\n", header=header))

    assert told.select("ticker", "open", "high", "low", "close", "volume").row(0) == ("AAPL", 1.0, 4.0, 0.5, 2.0, 100.0)


def test_an_index_has_neither_volume_nor_trades():
    header = "ticker,open,close,high,low,window_start\n"

    told = read_object(SETS["indices_day"], DAY, packed(f"I:VIX,17.5,18,18.5,17,{AT}\n", header=header))

    assert told.select("ticker", "close", "volume", "trade_count").rows() == [("I:VIX", 18.0, None, None)]
    with pytest.raises(AnswerDistrusted, match="its header is"):
        read_object(STOCKS, DAY, packed(f"I:VIX,17.5,18,18.5,17,{AT}\n", header=header))


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("stocks_day", "us_stocks_sip/day_aggs_v1/2026/11/2026-11-18.csv.gz"),
        ("stocks_minute", "us_stocks_sip/minute_aggs_v1/2026/11/2026-11-18.csv.gz"),
        ("indices_minute", "us_indices/minute_aggs_v1/2026/11/2026-11-18.csv.gz"),
        ("crypto_day", "global_crypto/day_aggs_v1/2026/11/2026-11-18.csv.gz"),
        ("forex_minute", "global_forex/minute_aggs_v1/2026/11/2026-11-18.csv.gz"),
    ],
)
def test_objects_lie_by_market_length_and_day(name, key):
    assert SETS[name].key(DAY) == key


def test_a_day_of_crypto_is_a_day_of_utc_and_one_of_stocks_new_yorks():
    midnight = int(datetime(2026, 11, 18, tzinfo=UTC).timestamp()) * 10**9
    content = packed(line("X:BTCUSD", at=midnight))

    assert read_object(SETS["crypto_minute"], DAY, content).height == 1
    with pytest.raises(AnswerDistrusted, match="not of 2026-11-18"):
        read_object(STOCKS, DAY, content)
