import gzip
import io
import os
import tracemalloc

import polars as pl
import pytest

from orion_assets.errors import SourceRejected
from orion_assets.sources.files.reading import frames
from orion_assets_tests.files_worlds import HEADER, NEXT, ROW, ask, bars, gzipped, read, source, table, zipped

CELLS = ROW.split(",")
JSON = (
    '{"ticker": "AAPL", "date": "2014-06-05", "open": 646.2, "high": 649.37, "low": 642.61, "close": 647.35,'
    ' "volume": 10850100}\n'
)


def parquet() -> bytes:
    buffer = io.BytesIO()
    pl.read_csv(io.StringIO(table(ROW)), try_parse_dates=True).write_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bars.csv", table(ROW)),
        ("bars.csv", table(ROW).replace("\n", "\r\n")),
        ("bars.csv", "\ufeff" + table(ROW).rstrip("\n")),
        ("bars.csv", table('"' + '","'.join(CELLS) + '"')),
        ("bars.csv", table(ROW) + "\n\n"),
        ("bars.tsv", table(ROW).replace(",", "\t")),
        ("bars.csv.gz", gzipped(table(ROW))),
        ("bars.zip", zipped(a__csv=table(ROW))),
        ("bars.jsonl", JSON),
        ("bars.ndjson.gz", gzipped(JSON + "\n")),
        ("bars.parquet", parquet()),
    ],
)
def test_every_form_says_the_same(tmp_path, name, content):
    row = read(tmp_path, bars("bars.*"), **{name: content}).rows.row(0, named=True)

    told = [row["ticker"], str(row["session"]), *(row[c] for c in ("open", "high", "low", "close", "volume"))]
    assert told == ["AAPL", "2014-06-05", 646.2, 649.37, 642.61, 647.35, 10850100.0]
    assert row["source_file"] == (f"{name}/a.csv" if name.endswith("zip") else name)
    assert row["source_row"] == 1
    assert row["problem"] is None


BROKEN = (
    ("bars.csv", "", ["bars.csv: is empty", "fetch the file again"]),
    ("bars.csv", " \n", ["bars.csv: is empty"]),
    ("bars.csv", HEADER + "\n", ["has a header and no row"]),
    ("bars.csv", "<!DOCTYPE html><html>429</html>", ["is an HTML page", "why it came instead"]),
    ("bars.csv", b"ticker\n\xff\xfe", ["is not UTF-8: byte 0xff in line 2", "save it as UTF-8"]),
    ("bars.csv", table(ROW) + "\0\0", ["holds a zero byte in line 3"]),
    ("bars.csv", table(ROW, "AAPL,2014-06-06,1,2"), ["row 2: has 4 cells where the header has 7 (line 3)"]),
    ("bars.csv", table(ROW, NEXT + ",9"), ["row 2: has 8 cells where the header has 7", "mend that line"]),
    ("bars.csv", table(ROW, '"AAPL,2014'), ["row 2: is not CSV (line 3)", "quotes"]),
    ("bars.csv", table(ROW, header=HEADER.replace("open", "close")), ["column 'close' more than once"]),
    ("bars.csv", table(ROW, header=HEADER.replace("close", "Close")), ["has no column 'close'", "mean 'Close'?"]),
    ("bars.csv", table(ROW, header="a,b,c,d,e,f,g"), ["no column 'ticker'", "'f', 'g'. Correct columns.ticker in"]),
    ("bars.csv.gz", gzipped(table(ROW))[:-6], ["is not a whole gzip file", "fetch the file again"]),
    ("bars.csv.gz", gzipped(table(ROW))[:-8] + b"\0" * 8, ["is not a whole gzip file", "CRC"]),
    ("bars.csv.gz", table(ROW), ["is not a whole gzip file"]),
    ("bars.zip", zipped(a__csv=table(ROW))[:60], ["is not a whole, open zip file"]),
    ("bars.zip", zipped(a__csv=table(ROW), b__pdf="x"), ["holds b.pdf", "bars.zip/*.csv"]),
    ("bars.zip", zipped(), ["has no member '*', it holds nothing"]),
    ("bars.zip", zipped(a__csv=""), ["bars.zip/a.csv: is empty"]),
    ("bars.parquet", parquet()[:40], ["is not a whole Parquet file"]),
    ("bars.jsonl", JSON + '{"ticker"\n', ["row 2: is not JSON (line 2"]),
    ("bars.jsonl", JSON + "[1]\n", ["row 2: is not a JSON object (line 2)"]),
    ("bars.xlsx", "x", ["unknown suffix '.xlsx'", "CSV, TSV, Parquet or JSON lines"]),
)


# Numbered: the bytes of a zip hold the time at which it was made, and workers must agree on a test's name
@pytest.mark.parametrize(("name", "content", "words"), BROKEN, ids=[str(i) for i in range(len(BROKEN))])
def test_a_broken_file_is_refused_with_its_place_and_remedy(tmp_path, name, content, words):
    with pytest.raises(SourceRejected) as caught:
        read(tmp_path, bars("bars.*"), **{name: content})

    assert str(caught.value).startswith(name)
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


def test_no_type_is_guessed(tmp_path):
    rows = [ROW.replace("AAPL", ticker) for ticker in ("NA", "TRUE", "NULL", "007", "1e5")]

    assert source(tmp_path, bars(), bars__csv=table(*rows)).listed_tickers() == ("007", "1e5", "NA", "NULL", "TRUE")


def test_a_zip_member_is_named_alone(tmp_path):
    archive = zipped(a__csv=table(ROW), notes__pdf="x")

    answer = read(tmp_path, bars("bars.zip/*.csv"), bars__zip=archive)

    assert answer.rows["source_file"].to_list() == ["bars.zip/a.csv"]
    assert [(d.name, d.content) for d in answer.documents] == [("bars.zip", archive)]


def test_the_stem_is_the_ticker_and_a_file_is_read_once_for_two_patterns(tmp_path):
    mapping = bars('d/*.csv", "d/**/*.csv*', ticker="", options='ticker_from = "stem"')
    (tmp_path / "d").mkdir()
    bare = table(ROW.removeprefix("AAPL,"), header=HEADER.removeprefix("ticker,"))

    answer = read(tmp_path, mapping, **{"d/BRK.B.csv.gz": gzipped(bare), "d/T.csv": bare})

    assert answer.rows["ticker"].to_list() == ["BRK.B", "T"]
    assert sorted(answer.rows["source_file"]) == ["d/BRK.B.csv.gz", "d/T.csv"]


def test_a_stem_that_is_no_ticker_is_refused(tmp_path):
    with pytest.raises(SourceRejected, match=r"finds 'my bars', which is no ticker"):
        read(tmp_path, bars("*.csv", ticker="", options='ticker_from = "stem"'), **{"my bars.csv": table(ROW)})


def test_a_file_outside_the_folder_keeps_the_name_the_user_wrote(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "bars.csv").write_text(table(ROW))

    assert read(tmp_path / "m", bars("../bars.csv")).rows["source_file"].to_list() == ["../bars.csv"]


def test_a_file_is_read_again_only_when_it_changed(tmp_path):
    reader = source(tmp_path, bars(), bars__csv=table(ROW))
    path = tmp_path / "bars.csv"
    before = reader.read(ask("raw_daily_bars"))
    kept = path.stat()
    path.write_text(table(ROW.replace("647.35", "648.35")))
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))

    # Same size, same time: what was read is given again, so twenty asks are one parse
    assert reader.read(ask("raw_daily_bars")).rows.equals(before.rows)
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns + 1))
    assert reader.read(ask("raw_daily_bars")).rows["close"].to_list() == [648.35]


def test_the_bytes_of_a_file_are_not_kept_and_are_told_as_they_were_read_or_not_at_all(tmp_path):
    content = table(*[ROW] * 50_000).encode()
    reader = source(tmp_path, bars(), bars__csv=content)
    tracemalloc.start()

    answer = reader.read(ask("raw_daily_bars"))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < len(content) / 4
    (document,) = answer.documents
    assert (document.name, document.content) == ("bars.csv", content)
    (tmp_path / "bars.csv").write_bytes(content[:-1])
    with pytest.raises(SourceRejected, match=r"bars\.csv: changed while it was read; ask again"):
        list(answer.documents)


@pytest.mark.parametrize(
    ("name", "named", "content"),
    [
        ("bars.csv.gz", "bars.csv.gz", gzipped(table(*[ROW] * 100))),
        ("bars.zip", "bars.zip/a.csv", zipped(a__csv=table(*[ROW] * 100))),
    ],
    ids=["gzip", "zip"],
)
def test_a_file_is_unpacked_to_a_bound_and_no_further(name, named, content):
    size = len(table(*[ROW] * 100))

    ((_, frame),) = frames(name, content, most_bytes=size)
    assert frame.height == 100
    with pytest.raises(SourceRejected, match=f"{named}: is larger than 0 MiB, unpacked; part it") as refused:
        list(frames(name, content, most_bytes=size - 1))

    assert refused.value.file == named


def test_gzip_members_are_read_to_the_end(tmp_path):
    joined = gzip.compress(table(ROW).encode()) + gzip.compress((NEXT + "\n").encode())

    assert read(tmp_path, bars("bars.csv.gz"), bars__csv__gz=joined).rows.height == 2
