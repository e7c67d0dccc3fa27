"""Ticker reference from files: what dates it, and when a delisting becomes known."""

from datetime import UTC, date, datetime

from orion_assets_tests.files_worlds import HEADER, NEXT, ROW, bars, read, table

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


def test_tickers_without_reference_are_dated_by_their_first_bar(tmp_path):
    mapping = bars() + '[[tickers]]\nfiles = ["t.csv"]\ncolumns = { ticker = "s", name = "n", list_date = "l" }\n'
    content = table(NEXT, ROW, ROW.replace("AAPL", "KO"))

    rows = read(tmp_path, mapping, "raw_tickers", bars__csv=content, t__csv="s,n,l\nAAPL,Apple,x\n").rows

    assert rows.select("ticker", "snapshot", "name", "problem", "source_file").rows() == [
        ("AAPL", date(2014, 6, 5), "Apple", "list_date: 'x' is not a date", "t.csv"),
        ("KO", date(2014, 6, 5), None, None, "bars.csv"),
    ]
    assert rows["ts_assumed"].to_list() == [utc(2014, 6, 5, 4)] * 2


def test_a_delisting_is_known_on_its_day_and_a_ticker_used_again_is_listed_again(tmp_path):
    mapping = bars() + (
        '[[tickers]]\nfiles = ["t.csv"]\ncolumns = { ticker = "s", figi = "f", list_date = "l", delist_date = "d" }\n'
    )
    told = "s,f,l,d\nAAPL,F1,2014-06-02,2014-06-06\nAAPL,F2,2014-07-01,\n"

    rows = read(tmp_path, mapping, "raw_tickers", bars__csv=table(ROW), t__csv=told).rows

    assert rows.select("figi", "snapshot", "list_date", "delist_date", "ts_assumed").rows() == [
        ("F1", date(2014, 6, 5), date(2014, 6, 2), None, utc(2014, 6, 5, 4)),
        ("F1", date(2014, 6, 6), date(2014, 6, 2), date(2014, 6, 6), utc(2014, 6, 6, 4)),
        ("F2", date(2014, 7, 1), date(2014, 7, 1), None, utc(2014, 7, 1, 4)),
    ]


def test_a_delisting_that_several_snapshots_name_comes_once_and_not_where_the_file_speaks_of_its_day(tmp_path):
    columns = '{ ticker = "s", snapshot = "at", name = "n", delist_date = "d" }'
    mapping = bars() + f'[[tickers]]\nfiles = ["t.csv"]\ncolumns = {columns}\n'
    told = "s,at,n,d\nAAPL,2014-06-02,Old,2014-06-06\nAAPL,2014-06-03,New,2014-06-06\n"

    once = read(tmp_path, mapping, "raw_tickers", bars__csv=table(ROW), t__csv=told).rows
    itself = read(
        tmp_path, mapping, "raw_tickers", bars__csv=table(ROW), t__csv=told + "AAPL,2014-06-06,Own,2014-06-06\n"
    ).rows

    assert once.select("snapshot", "name", "delist_date").rows() == [
        (date(2014, 6, 2), "Old", None),
        (date(2014, 6, 3), "New", None),
        (date(2014, 6, 6), "New", date(2014, 6, 6)),
    ]
    assert itself.filter(snapshot=date(2014, 6, 6))["name"].to_list() == ["Own"]
