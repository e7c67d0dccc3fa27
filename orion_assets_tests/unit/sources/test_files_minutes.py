from datetime import UTC, date, datetime

import pytest

from orion_assets.errors import SettingsError, SourceRejected
from orion_assets_tests.files_worlds import ask, bars, source, table
from orion_assets_tests.unit.transforms.rows import told

HEADER = "ticker,time,open,high,low,close,volume"
START, END = 'bar_label = "start"\n', 'bar_label = "end"\n'
AUCTION = 'bar_label = "end"\nopening_bar = "auction"\n'
NEW_YORK = 'date_format = "%Y-%m-%d %H:%M"\nzone = "America/New_York"\n'


def mapping(options: str, *, more: str = "", files: str = "minutes.csv", ticker: str = 'ticker = "ticker", ') -> str:
    prices = 'open = "open", high = "high", low = "low", close = "close", volume = "volume"'
    return (
        f'[[minute_bars]]\nfiles = ["{files}"]\nprice_basis = "as_traded"\n'
        f'columns = {{ {ticker}stamp = "time", {prices}{more} }}\n{options}'
    )


def minutes(*rows: str, header: str = HEADER) -> str:
    return table(*rows, header=header)


def row(clock: str, values: str = "10,11,9,10.5,100", *, ticker: str = "AAPL", day: str = "2014-06-05") -> str:
    return f"{ticker},{day} {clock},{values}"


def read(folder, text: str, *tickers: str, **files: str):
    return source(folder, text, **files).read(ask("raw_minute_bars", *tickers))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(("label", "minute"), [(START, 30), (END, 29)])
def test_a_stamp_is_the_start_or_the_end_of_the_minute(tmp_path, label, minute):
    rows = read(tmp_path, mapping(label + NEW_YORK), minutes__csv=minutes(row("10:30"))).rows

    assert told(rows, "ts_open", "ts_event", "ts_assumed", "session") == [
        (
            utc(2014, 6, 5, 14, minute),
            utc(2014, 6, 5, 14, minute + 1),
            utc(2014, 6, 5, 14, minute + 16),
            date(2014, 6, 5),
        )
    ]


def test_a_minute_of_the_evening_is_filed_under_its_new_york_date(tmp_path):
    given = minutes("AAPL,2014-06-06T01:30:00Z,10,11,9,10.5,100")

    assert read(tmp_path, mapping(START), minutes__csv=given).rows["session"].to_list() == [date(2014, 6, 5)]


def test_a_minute_of_a_closed_day_keeps_its_date_for_the_clean_layer_to_hold(tmp_path):
    given = minutes(row("10:00", day="2014-07-04"), row("10:00", day="2014-07-03"))

    rows = read(tmp_path, mapping(START + NEW_YORK), minutes__csv=given).rows

    assert told(rows, "session", "problem") == [(date(2014, 7, 3), None), (date(2014, 7, 4), None)]


def test_the_opening_auction_becomes_part_of_the_first_minute(tmp_path):
    given = minutes(
        row("09:30", "20,21,19,20.5,1000,20.2,9"),
        row("09:31", "20.4,20.8,18,20.1,500,19.9,6"),
        row("09:32", "20.1,22,20,21,50,20.5,1"),
        header=HEADER + ",vw,n",
    )

    rows = read(tmp_path, mapping(AUCTION + NEW_YORK, more=', vwap = "vw", trade_count = "n"'), minutes__csv=given).rows

    assert told(rows, "ts_open", "open", "high", "low", "close", "volume", "trade_count", "source_row") == [
        (utc(2014, 6, 5, 13, 30), 20.0, 21.0, 18.0, 20.1, 1500.0, 15.0, 1),
        (utc(2014, 6, 5, 13, 31), 20.1, 22.0, 20.0, 21.0, 50.0, 1.0, 3),
    ]
    assert rows["vwap"].to_list() == pytest.approx([(20.2 * 1000 + 19.9 * 500) / 1500, 20.5])


def test_an_auction_whose_first_minute_has_no_bar_is_the_first_minute(tmp_path):
    given = minutes(row("09:30", "20,21,19,20.5,1000"), row("09:33"))

    rows = read(tmp_path, mapping(AUCTION + NEW_YORK), minutes__csv=given).rows

    assert told(rows, "ts_open", "ts_event", "ts_assumed", "volume") == [
        (utc(2014, 6, 5, 13, 30), utc(2014, 6, 5, 13, 31), utc(2014, 6, 5, 13, 46), 1000.0),
        (utc(2014, 6, 5, 13, 32), utc(2014, 6, 5, 13, 33), utc(2014, 6, 5, 13, 48), 100.0),
    ]


def test_without_being_told_the_bar_that_ends_at_the_open_is_the_minute_before_it(tmp_path):
    rows = read(tmp_path, mapping(END + NEW_YORK), minutes__csv=minutes(row("09:30"), row("09:31"))).rows

    assert rows["ts_open"].to_list() == [utc(2014, 6, 5, 13, 29), utc(2014, 6, 5, 13, 30)]


def test_a_first_minute_said_twice_is_not_taken_for_an_auction_and_a_minute(tmp_path):
    given = minutes(row("09:30"), row("09:31"), row("09:31", "10,12,9,10.5,100"))

    with pytest.raises(SourceRejected, match="both hold ticker AAPL, ts_open 2014-06-05 13:30"):
        read(tmp_path, mapping(AUCTION + NEW_YORK), minutes__csv=given)


def test_a_bad_number_keeps_its_row_with_a_problem_in_either_half_of_an_opening(tmp_path):
    given = minutes(row("09:30", "x,11,9,10,100"), row("09:31", "10,11,9,10,"))

    (problem,) = read(tmp_path, mapping(AUCTION + NEW_YORK), minutes__csv=given).rows["problem"]

    assert problem == "open: 'x' is not a number; volume: is empty"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", "bar_label: field required"),
        ('bar_label = "start"\nopening_bar = "auction"', "is for bars labelled with their end"),
        ('bar_label = "end"\ndate_format = "%Y-%m-%d"', "reads a date only; a minute needs its time of day"),
        ('bar_label = "end"\ndate_format = "%Y-%m-%d %H:%M"', "reads a time without a zone"),
        ('bar_label = "end"\nuse = "reconciliation"', "use is no option"),
    ],
)
def test_an_option_that_contradicts_itself_is_refused(tmp_path, options, said):
    with pytest.raises(SettingsError) as refused:
        source(tmp_path, mapping(options), minutes__csv=minutes(row("10:00")))

    assert said in str(refused.value)


def test_adjusted_minutes_are_refused(tmp_path):
    text = mapping(START).replace("as_traded", "split_adjusted")

    with pytest.raises(SettingsError, match="price_basis 'split_adjusted' is refused"):
        source(tmp_path, text)


def test_an_auction_beside_versions_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="whose versions would mix"):
        source(tmp_path, mapping(AUCTION, more=', ts_known = "seen"'))


def test_versions_of_a_minute_are_told_apart_by_when_they_became_known(tmp_path):
    given = minutes(
        row("10:00", "10,11,9,10.5,100,,"),
        row("10:00", "10,11,9,10.6,100,2014-06-06T12:00:00Z,"),
        row("10:00", "10,11,9,10.6,100,2014-06-07T12:00:00Z,true"),
        header=HEADER + ",seen,gone",
    )
    text = mapping(START + NEW_YORK, more=', ts_known = "seen", is_deleted = "gone"')

    rows = read(tmp_path, text, minutes__csv=given).rows

    assert told(rows, "close", "ts_stated", "is_deleted") == [
        (10.5, None, False),
        (10.6, utc(2014, 6, 6, 12), False),
        (10.6, utc(2014, 6, 7, 12), True),
    ]


def test_an_ask_reads_only_the_files_that_hold_its_sessions_and_tickers(tmp_path):
    files = {
        "a__csv": minutes(row("10:00", day="2014-06-05")),
        "b__csv": minutes(row("10:00", day="2014-06-06")),
        "c__csv": minutes(row("10:00", ticker="MSFT")),
    }
    reader = source(tmp_path, mapping(START + NEW_YORK, files="*.csv"), **files)

    one = reader.read(ask("raw_minute_bars", "AAPL", end=date(2014, 6, 6)))
    none = reader.read(ask("raw_minute_bars", start=date(2015, 1, 1)))

    assert [document.name for document in one.documents] == ["a.csv"]
    assert one.documents[0].content == files["a__csv"].encode()
    assert set(one.rows["source_hash"]) == {one.documents[0].sha256}
    assert (none.rows.height, len(none.documents)) == (0, 0)
    assert reader.listed_tickers() == ("AAPL", "MSFT")
    assert reader.last_session("raw_minute_bars") == date(2014, 6, 6)


def test_a_changed_file_is_read_again_and_one_that_changed_meanwhile_is_refused(tmp_path):
    reader = source(tmp_path, mapping(START + NEW_YORK), minutes__csv=minutes(row("10:00")))
    before = reader.read(ask("raw_minute_bars"))
    (tmp_path / "minutes.csv").write_text(minutes(row("10:00"), row("10:01")))

    after = reader.read(ask("raw_minute_bars"))

    assert (before.rows.height, after.rows.height) == (1, 2)
    assert before.evidence != after.evidence
    with pytest.raises(SourceRejected, match="changed while it was read; ask again"):
        before.documents[0]


def test_silence_after_the_last_minute_is_an_answer_up_to_the_date_that_says_so(tmp_path):
    text = mapping(START + NEW_YORK + "complete_through = 2014-06-30\n")

    assert read(tmp_path, text, minutes__csv=minutes(row("10:00"))).through == date(2014, 6, 30)


def test_a_ticker_whose_minutes_end_just_before_the_others_may_be_late(tmp_path):
    given = minutes(row("10:00"), row("10:00", ticker="MSFT", day="2014-06-09"))

    assert read(tmp_path, mapping(START + NEW_YORK), minutes__csv=given).ends == {"AAPL": date(2014, 6, 5)}


def test_tickers_limits_what_is_read_and_each_must_be_there(tmp_path):
    files = {"a__csv": minutes(row("10:00")), "b__csv": minutes(row("10:00", ticker="MSFT"))}
    text = mapping(START + NEW_YORK + 'tickers = ["MSFT"]\n', files="*.csv")

    assert read(tmp_path, text, **files).rows["ticker"].to_list() == ["MSFT"]
    with pytest.raises(SourceRejected, match="holds no row of 'MSTF', which tickers asks for; did you mean 'MSFT'"):
        read(tmp_path, text.replace("MSFT", "MSTF"), **files)


def test_a_row_to_skip_belongs_to_one_file(tmp_path):
    files = {"a__csv": minutes(row("10:00"), "total,,,,,,"), "b__csv": minutes(row("10:01"))}
    text = mapping(START + NEW_YORK + "skip_rows = [2]\n", files="*.csv")

    with pytest.raises(SourceRejected, match="the block reads 2"):
        read(tmp_path, text, **files)
    assert read(tmp_path, text.replace("*.csv", "a.csv")).rows.height == 1


def test_a_header_without_rows_and_a_stamp_that_is_none_are_refused(tmp_path):
    with pytest.raises(SourceRejected, match="has a header and no row"):
        read(tmp_path, mapping(START + NEW_YORK), minutes__csv=minutes())
    with pytest.raises(SourceRejected, match="row 1, column 'time': found '2014-06-05 noon'"):
        read(tmp_path, mapping(START + NEW_YORK), minutes__csv=minutes(row("noon")))


def test_a_mapping_without_minutes_supplies_none(tmp_path):
    reader = source(tmp_path, bars(), bars__csv=table("AAPL,2014-06-05,1,1,1,1,1"))

    assert "raw_minute_bars" not in reader.datasets
