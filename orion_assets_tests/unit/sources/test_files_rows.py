from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from orion_assets.errors import SourceRejected
from orion_assets_tests.files_worlds import HEADER, NEXT, ROW, ask, bars, read, source, table

VERSIONS = ', ts_known = "known", is_deleted = "gone"'
VERSIONED = HEADER + ",known,gone"
VIX = '[[vix]]\nfiles = ["vix.csv"]\ncolumns = { date = "d", open = "o", high = "h", low = "l", close = "c" }\n'
NEWS = """[[news]]
files = ["*.csv"]
columns = { article_id = "id", published = "at", ticker = "of", title = "text"%s }
"""
SPLITS = '[[splits]]\nfiles = ["s.csv"]\ncolumns = { ticker = "t", ex_date = "d", ratio = "r" }\n'


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def test_a_bar_becomes_true_at_its_close_and_known_a_delay_later(tmp_path):
    half_day = ROW.replace("2014-06-05", "2014-07-03")

    rows = read(tmp_path, bars(options='delay = "20m"'), bars__csv=table(ROW, half_day)).rows

    assert rows["ts_event"].to_list() == [utc(2014, 6, 5, 20), utc(2014, 7, 3, 17)]
    assert rows["ts_assumed"].to_list() == [utc(2014, 6, 5, 20, 20), utc(2014, 7, 3, 17, 20)]
    assert rows["ts_stated"].to_list() == [None, None]


def test_a_bar_on_a_closed_day_keeps_its_date_with_a_problem(tmp_path):
    row = read(tmp_path, bars(), bars__csv=table(ROW.replace("06-05", "07-04"))).rows.row(0, named=True)

    assert (row["session"], row["ts_event"]) == (date(2014, 7, 4), utc(2014, 7, 4, 20))
    assert row["problem"] == "session: 2014-07-04 is not a trading session"


@pytest.mark.parametrize(
    ("cell", "value", "problem"),
    [
        ("abc", None, "close: 'abc' is not a number"),
        ("nan", None, "close: 'nan' is not a number"),
        ("inf", None, "close: 'inf' is not a number"),
        ("", None, "close: is empty"),
        ("-3", -3.0, "close: -3 is not positive"),
        ("0.00", 0.0, "close: 0.00 is not positive"),
        (" 6.5e2 ", 650.0, None),
    ],
)
def test_a_bad_price_keeps_its_row_with_a_problem(tmp_path, cell, value, problem):
    row = read(tmp_path, bars(), bars__csv=table(ROW.replace("647.35", cell))).rows.row(0, named=True)

    assert (row["close"], row["problem"], row["open"]) == (value, problem, 646.2)


def test_every_problem_of_a_row_is_named(tmp_path):
    rows = read(tmp_path, bars(), bars__csv=table("AAPL,2014-07-04,x,2,1,1.5,-7")).rows

    assert rows["problem"][0] == (
        "session: 2014-07-04 is not a trading session; open: 'x' is not a number; volume: -7 is negative"
    )


def test_a_column_that_need_not_be_there_may_be_empty(tmp_path):
    mapping = bars(more=', vwap = "vw", trade_count = "n"')

    row = read(tmp_path, mapping, bars__csv=table(ROW + ",,-1", header=HEADER + ",vw,n")).rows.row(0, named=True)

    assert (row["vwap"], row["trade_count"], row["problem"]) == (None, -1.0, "trade_count: -1 is negative")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (ROW.replace("2014-06-05", "11:34"), ["row 2, column 'date': found '11:34'", "skip_rows", "date_format"]),
        (ROW.replace("2014-06-05", ""), ["row 2, column 'date': found ''", "no date %Y-%m-%d"]),
        (ROW.replace("AAPL", "<b>"), ["row 2, column 'ticker': found '<b>'", "which is no ticker"]),
        (ROW.replace("AAPL", ""), ["column 'ticker': found ''"]),
        (ROW.replace("2014", "2036") + ",x,", ["column 'known': found 'x'", "no instant such as 2014-06-09T12:57:56Z"]),
        (ROW + ",2014-06-05,", ["column 'known': found '2014-06-05'"]),
        (ROW + ",2014-06-05T20:15:00,", ["which has no time zone", 'add zone = "America/New_York"']),
        (ROW + ",,perhaps", ["column 'gone': found 'perhaps'", "neither true nor false"]),
    ],
)
def test_a_key_or_clock_that_cannot_be_read_refuses_the_file(tmp_path, row, words):
    content = table(NEXT + ",,", row if row.count(",") == 8 else row + ",,", header=VERSIONED)

    with pytest.raises(SourceRejected) as caught:
        read(tmp_path, bars(more=VERSIONS), bars__csv=content)

    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
    assert (caught.value.file, caught.value.row) == ("bars.csv", 2)


def test_skipped_rows_keep_the_numbers_of_the_others(tmp_path):
    rows = read(tmp_path, bars(options="skip_rows = [1]"), bars__csv=table("junk,,,,,,", ROW)).rows

    assert rows["source_row"].to_list() == [2]


def test_a_row_to_skip_must_exist_and_in_one_file(tmp_path):
    with pytest.raises(SourceRejected, match=r"bars.csv: row 3: skip_rows leaves it out, but the file has 1 data rows"):
        read(tmp_path, bars(options="skip_rows = [3]"), bars__csv=table(ROW))
    with pytest.raises(SourceRejected, match=r"names rows of one file, but the block reads 2"):
        read(tmp_path, bars("*.csv", options="skip_rows = [1]"), a__csv=table(ROW), bars__csv=table(NEXT))


def test_only_the_tickers_named_are_read_and_each_must_be_there(tmp_path):
    other = ROW.replace("AAPL", "MSFT").replace("2014-06-05", "no date")

    assert read(tmp_path, bars(options='tickers = ["AAPL"]'), bars__csv=table(ROW, other)).rows.height == 1
    with pytest.raises(SourceRejected, match=r"no row of 'APPL', which tickers asks for; did you mean 'AAPL'"):
        read(tmp_path, bars(options='tickers = ["APPL"]'), bars__csv=table(ROW))


@pytest.mark.parametrize(
    ("label", "stamp", "session"),
    [
        ("start", "2014-06-05 00:00", date(2014, 6, 5)),
        ("start", "2014-06-05 09:30", date(2014, 6, 5)),
        ("end", "2014-06-05 16:00", date(2014, 6, 5)),
        ("end", "2014-06-06 00:00", date(2014, 6, 5)),
    ],
)
def test_a_stamp_goes_to_the_session_that_its_label_means(tmp_path, label, stamp, session):
    options = f'date_format = "%Y-%m-%d %H:%M"\nzone = "America/New_York"\nbar_label = "{label}"'

    rows = read(tmp_path, bars(options=options), bars__csv=table(ROW.replace("2014-06-05", stamp))).rows

    assert rows["session"].to_list() == [session]


@pytest.mark.parametrize("stamp", ["1401940800000", "1401998400000"])
def test_epoch_stamps_are_taken_to_new_york(tmp_path, stamp):
    options = 'date_format = "epoch_ms"\nbar_label = "start"'

    rows = read(tmp_path, bars(options=options), bars__csv=table(ROW.replace("2014-06-05", stamp))).rows

    assert rows["session"].to_list() == [date(2014, 6, 5)]


@pytest.mark.parametrize("dtype", [pl.Date(), pl.Datetime("ns"), pl.Datetime("us", "America/New_York")])
def test_parquet_dates_need_no_format(tmp_path, dtype):
    frame = pl.DataFrame({"ticker": ["A"], "date": [date(2014, 6, 5)], "open": [1.0], "high": [1.0], "low": [1.0]})
    day = pl.col("date").cast(pl.Datetime("us"))
    day = day.dt.replace_time_zone(dtype.time_zone) if getattr(dtype, "time_zone", None) else day.cast(dtype)
    frame.with_columns(day, close=pl.lit(float("nan")), volume=pl.lit(5)).write_parquet(tmp_path / "bars.parquet")
    options = 'bar_label = "start"' if getattr(dtype, "time_zone", None) else ""

    row = read(tmp_path, bars("bars.parquet", options=options)).rows.row(0, named=True)

    assert (row["session"], row["volume"], row["problem"]) == (date(2014, 6, 5), 5.0, "close: is empty")


def test_a_parquet_stamp_with_a_time_needs_its_label(tmp_path):
    frame = pl.DataFrame({name: [1.0] for name in HEADER.split(",")})
    frame = frame.with_columns(ticker=pl.lit("A"), date=pl.lit(utc(2014, 6, 5, 20)))
    frame.write_parquet(tmp_path / "bars.parquet")

    with pytest.raises(SourceRejected, match='say bar_label = "start" or "end"'):
        read(tmp_path, bars("bars.parquet"))


def test_versions_and_withdrawals_are_all_said_and_none_before_it_is_known(tmp_path):
    content = table(
        ROW + ",2014-06-05T16:15:00,",
        ROW.replace("647.35", "650") + ",2014-06-09T13:00:00Z,false",
        "AAPL,2014-06-05,,,,,,2014-06-10T09:00:00-04:00,TRUE",
        header=VERSIONED,
    )
    reader = source(tmp_path, bars(more=VERSIONS, options='zone = "America/New_York"'), bars__csv=content)

    rows = reader.read(ask("raw_daily_bars")).rows
    then = reader.read(ask("raw_daily_bars", now=utc(2014, 6, 9, 13))).rows

    assert rows["ts_stated"].to_list() == [utc(2014, 6, 5, 20, 15), utc(2014, 6, 9, 13), utc(2014, 6, 10, 13)]
    assert rows["is_deleted"].to_list() == [False, False, True]
    assert rows["problem"].null_count() == 3
    assert then["close"].to_list() == [647.35, 650.0]


def test_a_naive_instant_of_the_hour_that_comes_twice_is_the_later_one(tmp_path):
    content = table(ROW + ",2014-11-02 01:30:00,", header=VERSIONED)
    reader = source(tmp_path, bars(more=VERSIONS, options='zone = "America/New_York"'), bars__csv=content)
    in_new_york = datetime(2014, 11, 2, 1, 30, tzinfo=ZoneInfo("America/New_York"))

    rows = reader.read(ask("raw_daily_bars")).rows

    assert rows["ts_stated"].to_list() == [utc(2014, 11, 2, 6, 30)]
    assert reader.read(ask("raw_daily_bars", now=in_new_york)).rows.is_empty()
    assert reader.read(ask("raw_daily_bars", now=in_new_york.replace(fold=1))).rows.height == 1


def test_a_bar_known_before_its_close_is_a_problem(tmp_path):
    content = table(ROW + ",2014-06-05T15:00:00Z,", header=VERSIONED)

    assert "is before the row became true" in read(tmp_path, bars(more=VERSIONS), bars__csv=content).rows["problem"][0]


def test_two_rows_that_say_the_same_are_one_and_two_that_differ_are_refused(tmp_path):
    same = read(tmp_path, bars(), bars__csv=table(ROW, NEXT, ROW)).rows
    with pytest.raises(SourceRejected) as caught:
        read(tmp_path, bars("*.csv"), bars__csv=table(ROW), more__csv=table(NEXT, ROW.replace("647.35", "650")))

    assert same["source_row"].to_list() == [1, 2]
    for word in ("bars.csv: row 1 and more.csv: row 2", "ticker AAPL, session 2014-06-05", "close 647.35 and 650.0"):
        assert word in str(caught.value)
    assert (caught.value.file, caught.value.row, caught.value.column) == ("more.csv", 2, "close")
    assert "more" not in str(caught.value).replace("more.csv", "")


def test_of_several_keys_that_are_contradicted_one_is_shown_and_the_others_are_counted(tmp_path):
    other = [row.replace(",1", ",7") for row in (ROW, NEXT)]
    assert other != [ROW, NEXT]

    with pytest.raises(SourceRejected, match=r"differ: .*; 1 more keys likewise; leave one out"):
        read(tmp_path, bars("*.csv"), bars__csv=table(ROW, NEXT), more__csv=table(*other))


def test_vix_of_a_closed_day_is_filed_under_the_next_session(tmp_path):
    rows = read(tmp_path, VIX, "raw_vix", vix__csv="d,o,h,l,c\n2004-06-10,1,2,1,2\n2004-06-11,1,2,1,2\n").rows

    assert rows["date"].to_list() == [date(2004, 6, 10), date(2004, 6, 11)]
    assert rows["session"].to_list() == [date(2004, 6, 10), date(2004, 6, 14)]
    assert rows["ts_event"].to_list() == [utc(2004, 6, 10, 20, 15), utc(2004, 6, 11, 20, 15)]
    assert rows["ts_assumed"].to_list() == [utc(2004, 6, 10, 20, 30), utc(2004, 6, 11, 20, 30)]


@pytest.mark.parametrize(
    ("published", "session"),
    [
        ("2014-06-06T20:30:00Z", date(2014, 6, 6)),
        ("2014-06-06T20:30:00.000001Z", date(2014, 6, 9)),
        ("2014-06-07 12:00:00-04:00", date(2014, 6, 9)),
        ("2014-07-03T13:30:00-0400", date(2014, 7, 3)),
    ],
)
def test_an_article_belongs_to_the_session_whose_window_holds_it(tmp_path, published, session):
    rows = read(tmp_path, NEWS % "", "raw_news", n__csv=f"id,at,of,text\n1,{published},AAPL,x\n").rows

    assert rows["session"].to_list() == [session]


def test_an_article_in_several_rows_is_one_with_the_tickers_of_all(tmp_path):
    text = "id,at,of,text\n7,2014-06-06T12:00:00Z,%s,x\n"

    answer = source(tmp_path, NEWS % "", a__csv=text % "MSFT", b__csv=text % "AAPL").read(ask("raw_news", "AAPL", "KO"))

    assert answer.rows["tickers"].to_list() == [["AAPL", "MSFT"]]
    assert answer.rows["source_file"].to_list() == ["a.csv"]
    assert answer.tickers == ("AAPL",)


def test_an_article_of_one_id_with_two_texts_is_refused_unless_it_states_when(tmp_path):
    rows = "id,at,of,text,known\n7,2014-06-06T12:00:00Z,A,x,%s\n7,2014-06-06T12:00:00Z,A,y,%s\n"
    mapping = NEWS % ', ts_known = "known"'

    with pytest.raises(SourceRejected, match=r"n.csv: row 1 and n.csv: row 2 both hold article_id 7 .*'x' and 'y'"):
        read(tmp_path, mapping, "raw_news", n__csv=rows % ("", ""))
    edited = read(tmp_path, mapping, "raw_news", n__csv=rows % ("", "2014-06-06T15:00:00Z")).rows
    assert edited["title"].to_list() == ["x", "y"]


def test_an_article_without_an_id_is_refused_and_one_without_a_title_is_a_problem(tmp_path):
    with pytest.raises(SourceRejected, match=r"row 1, column 'id': found '', where an id must stand"):
        read(tmp_path, NEWS % "", "raw_news", n__csv="id,at,of,text\n,2014-06-06T12:00:00Z,A,x\n")
    rows = read(tmp_path, NEWS % "", "raw_news", n__csv="id,at,of,text\n1,2014-06-06T12:00:00Z,,\n").rows
    assert rows.select("title", "problem", "tickers").row(0) == ("", "title: is empty", [])


@pytest.mark.parametrize(
    ("text", "after", "before", "problem"),
    [
        ("2.0", 2, 1, None),
        ("0.05", 1, 20, None),
        ("1.5", 3, 2, None),
        ("0.142857", 1, 7, None),
        ("7:1", 7, 1, None),
        ("3/2", 3, 2, None),
        ("-2", None, None, "r: -2 is not positive"),
        ("x", None, None, "r: 'x' is not a ratio of shares"),
        ("1e-9", None, None, "r: 1e-9 is too small for a ratio of shares"),
    ],
)
def test_a_ratio_becomes_exact_integers(tmp_path, text, after, before, problem):
    rows = read(tmp_path, SPLITS, "raw_splits", s__csv=f"t,d,r\nA,2014-06-07,{text}\n").rows

    told = rows.select("shares_after", "shares_before").row(0)
    assert told == (after, before)
    assert rows["problem"].to_list() == [problem and problem.replace("r:", "ratio:")]
    assert rows["session"].to_list() == [date(2014, 6, 9)]
    assert rows["ts_event"].to_list() == rows["ts_assumed"].to_list() == [utc(2014, 6, 7, 13, 30)]


def test_rows_in_the_mapping_name_the_mapping(tmp_path):
    mapping = (
        '[[splits]]\nrows = [{ ticker = "A", ex_date = 2014-06-09, shares_after = 7,'
        " ts_known = 2014-04-23T20:30:00Z }]\n"
        '[[dividends]]\nrows = [{ ticker = "A", ex_date = 2014-08-07, cash_amount = 0.47 }]\n'
    )
    reader = source(tmp_path, mapping)

    split, dividend = (reader.read(ask(name)) for name in ("raw_splits", "raw_dividends"))

    row = split.rows.row(0, named=True)
    assert (row["event_id"], row["shares_after"], row["shares_before"]) == ("A:2014-06-09:split", 7, 1)
    assert (row["ts_stated"], row["source_file"], row["source_row"]) == (utc(2014, 4, 23, 20, 30), "mapping.toml", 1)
    assert [document.name for document in split.documents] == ["mapping.toml"]
    assert dividend.rows["cash_amount"].to_list() == [0.47]


def test_dividends_of_one_day_are_told_apart_by_their_type(tmp_path):
    mapping = (
        '[[dividends]]\nfiles = ["cash.csv"]\n'
        'columns = { ticker = "t", ex_date = "d", cash_amount = "c", dividend_type = "k", currency = "u" }\n'
    )
    cash = "t,d,c,k,u\nA,2014-08-07,0.47,Regular,\nA,2014-08-07,3.00,special,\nB,2014-08-07,0.10,,CAD\n"

    said = read(tmp_path, mapping, "raw_dividends", cash__csv=cash).rows

    assert said.select("event_id", "cash_amount", "dividend_type", "currency").rows() == [
        ("A:2014-08-07:dividend", 0.47, None, None),
        ("A:2014-08-07:dividend:special", 3.0, "special", None),
        ("B:2014-08-07:dividend", 0.1, None, "CAD"),
    ]


def test_a_column_of_splits_that_is_not_there_is_named_as_the_mapping_has_it(tmp_path):
    (tmp_path / "bars.csv").write_text("ticker,date,open,high,low,close,volume\nAAPL,2014-06-02,1,1,1,1,1\n")

    with pytest.raises(SourceRejected, match=r"Correct splits\.column \(or leave splits out\) in the mapping"):
        source(tmp_path, bars(options='splits = { column = "ratio" }')).read(ask("raw_daily_bars"))


def test_a_ratio_corrected_away_withdraws_the_split(tmp_path):
    rows = [f"{ROW.replace('647.35', '300')},{known},,{split}" for known, split in (("06-06", 2), ("06-09", 1))]
    rows = [row.replace(",06-", ",2014-06-").replace(",,", "T12:00:00Z,,") for row in rows]
    mapping = bars(more=VERSIONS, options='splits = { column = "split" }')

    rows.append(NEXT.replace("AAPL", "KO") + ",2014-06-10T12:00:00Z,,1")

    said = read(tmp_path, mapping, "raw_splits", bars__csv=table(*rows, header=VERSIONED + ",split")).rows

    assert said["ticker"].to_list() == ["AAPL", "AAPL"]
    assert said["is_deleted"].to_list() == [False, True]
    assert said["ts_stated"].to_list() == [utc(2014, 6, 6, 12), utc(2014, 6, 9, 12)]


def test_adjusted_prices_declared_as_traded_are_refused(tmp_path):
    mapping = bars(options='splits = { column = "split" }')
    after = "AAPL,2014-06-09,92.7,93.88,91.75,93.7,75415000,7"
    header = HEADER + ",split"

    traded = read(tmp_path, mapping, bars__csv=table(NEXT + ",1", after, header=header)).rows
    with pytest.raises(SourceRejected) as caught:
        read(tmp_path, mapping, bars__csv=table(NEXT.replace("645.57", "92.22") + ",1", after, header=header))

    assert traded.height == 2
    for word in (
        "bars.csv: AAPL",
        "ratio 7",
        "2014-06-09",
        "from 92.22",
        "to 93.7",
        "adjusted, not as traded",
        "remove",
    ):
        assert word in str(caught.value)


def test_a_split_says_nothing_across_a_long_gap_or_when_it_was_retracted(tmp_path):
    later = "AAPL,2014-08-11,642,643,641,642.5,100"
    split = '[[splits]]\nrows = [{ ticker = "AAPL", ex_date = 2014-06-06, shares_after = 7%s }%s]\n'
    gone = ', { ticker = "AAPL", ex_date = 2014-06-06, shares_after = 7, is_deleted = true,'
    gone += " ts_known = 2014-06-30T20:00:00Z }"

    assert read(tmp_path, bars() + split % ("", ""), bars__csv=table(ROW, later)).rows.height == 2
    assert read(tmp_path, bars() + split % ("", gone), bars__csv=table(ROW, NEXT)).rows.height == 2


def test_reconciliation_closes_are_given_and_are_no_bars(tmp_path):
    mapping = bars("y.csv").replace("as_traded", "split_adjusted") + 'use = "reconciliation"\n'
    reader = source(tmp_path, mapping, y__csv=table(ROW, NEXT))

    rows = reader.reconciliation(["AAPL"], date(2014, 6, 6), date(2014, 6, 7))

    assert rows.rows() == [("AAPL", date(2014, 6, 6), 645.57, "split_adjusted", "y.csv")]
    assert reader.datasets == {"raw_tickers"}
    assert reader.listed_tickers() == ()
