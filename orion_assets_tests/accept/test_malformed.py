"""Files that are wrong: one line with file, row and remedy, or a quarantine row; the last good store stays."""

import gzip
import json
from pathlib import Path

import pytest

from orion_assets_tests.accept_runs import Deployment, deployment, undisturbed

MAPPING = """[[daily_bars]]
files = ["{name}"]
price_basis = "as_traded"
columns = {{ ticker = "ticker", session = "date", open = "open", high = "high", low = "low", close = "close", \
volume = "volume" }}
"""
SPLIT = '\n[[splits]]\nrows = [{ ticker = "AAPL", ex_date = 2014-06-06, shares_after = 7, shares_before = 1 }]\n'
GOOD = """ticker,date,open,high,low,close,volume
AAPL,2014-06-05,646.20,649.37,642.61,647.35,10850100
AAPL,2014-06-06,649.90,651.26,644.47,645.57,12497800
MSFT,2014-06-05,40.59,41.25,40.40,41.21,31865200
MSFT,2014-06-06,41.48,41.66,41.24,41.48,24060500
"""
TWICE = b"AAPL,2014-06-06,649.90,651.26,644.47,645.58,12497800\n"
SPAN = ("2014-06-05", "2014-06-07")


def _changed(old: str, new: str) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new).encode()


def _gz(text: str | bytes) -> bytes:
    return gzip.compress(text.encode() if isinstance(text, str) else text, mtime=0)


REFUSED = {
    "missing column": (_changed("open,high,low", "open,height,low"), "", ("high", "height")),
    "duplicate keys": (GOOD.encode() + TWICE, "", ("row 2", "row 5", "close", "skip_rows")),
    "HTML instead of CSV": (b"<!DOCTYPE html>\n<html><head><title>429</title></head></html>\n", "", ("HTML",)),
    "an unreadable date": (_changed("AAPL,2014-06-06", "AAPL,06/06/2014"), "", ("row 2", "date", "06/06/2014")),
    "adjusted declared as traded": (GOOD.encode(), SPLIT, ("AAPL", "2014-06-06", "ratio 7", "reconciliation")),
}  # fmt: skip
HELD = {
    "wrong type": ("649.90,651.26", "abc,651.26", "readable", "abc"),
    "negative price": ("649.90,651.26", "-649.90,651.26", "readable", "-649.9"),
    "NaN": ("649.90,651.26", "NaN,651.26", "readable", "NaN"),
    "high below low": ("649.90,651.26,644.47", "649.90,644.47,651.26", "high_not_below_low", "644.47"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Deployment:
    folder = tmp_path_factory.mktemp("good")
    (folder / "bars.csv.gz").write_bytes(_gz(GOOD))
    with undisturbed():
        run = deployment(folder, MAPPING.format(name="bars.csv.gz"), start=SPAN[0])
        run.backfill(*SPAN)
    return run


def _assert_unharmed(run: Deployment, good: Deployment) -> None:
    assert run.content_hash() == good.content_hash()
    assert run.features("--cutoff", "both") == good.features("--cutoff", "both")


def _broken(good: Deployment, folder: Path, content: bytes, more: str = "") -> Deployment:
    run = good.copy(folder)
    (folder / "bars.csv.gz").write_bytes(content)
    (folder / "mapping.toml").write_text(MAPPING.format(name="bars.csv.gz") + more)
    return run


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_cannot_be_read_is_one_line_and_the_last_store_stays(good, tmp_path, case):
    content, more, words = REFUSED[case]
    run = _broken(good, tmp_path / "run", _gz(content), more)

    said = run.orion("backfill", "--from", SPAN[0], "--to", SPAN[1])

    assert said.code == 1, said.err
    assert len(said.complaints) == 1
    assert "Traceback" not in said.err
    for word in ("bars.csv.gz", *words):
        assert word in said.complaints[0], said.err
    _assert_unharmed(run, good)


def test_a_truncated_gzip_is_one_line_and_the_last_store_stays(good, tmp_path):
    run = _broken(good, tmp_path / "run", _gz(GOOD)[:-20])

    said = run.orion("backfill", "--from", SPAN[0], "--to", SPAN[1])

    assert said.code == 1
    assert len(said.complaints) == 1
    assert "bars.csv.gz" in said.complaints[0]
    assert "gzip" in said.complaints[0]
    _assert_unharmed(run, good)


@pytest.mark.parametrize("case", HELD)
def test_a_bad_row_is_held_back_and_the_good_version_stays(good, tmp_path, case):
    old, new, rule, found = HELD[case]
    run = _broken(good, tmp_path / "run", _gz(_changed(old, new)))

    said = run.orion("backfill", "--from", SPAN[0], "--to", SPAN[1])

    assert said.code == 0, said.err
    held = run.of_lake("quarantine").to_dicts()
    assert held, case
    assert {(row["row_key"], row["source_row"]) for row in held} == {("AAPL 2014-06-06", 2)}
    assert {row["source_file"] for row in held} == {"bars.csv.gz"}
    [named] = [row for row in held if row["rule"] == rule]
    assert found in named["found"]
    assert all(row["remedy"] for row in held)
    assert "clean_daily_bars.quarantine" in said.err
    assert held[0]["row_key"] in said.err
    _assert_unharmed(run, good)


def test_a_bad_row_of_a_first_build_is_no_feature_and_a_cell_of_the_ledger(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "bars.csv").write_bytes(_changed("649.90,651.26", "-649.90,651.26"))
    run = deployment(folder, MAPPING.format(name="bars.csv"), start=SPAN[0])
    run.backfill(*SPAN)

    shown = {(row["ticker"], row["session"]) for row in json.loads(run.features())}
    attention = json.loads(run.done("status", "--json"))["attention"]

    assert shown == {("AAPL", "2014-06-05"), ("MSFT", "2014-06-05"), ("MSFT", "2014-06-06")}
    assert [(cell["ticker"], cell["session"], cell["state"]) for cell in attention] == [
        ("AAPL", "2014-06-06", "quarantined")
    ]


def test_the_tickers_na_and_true_are_tickers(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "bars.csv").write_text(GOOD.replace("AAPL", "NA").replace("MSFT", "TRUE"))
    run = deployment(folder, MAPPING.format(name="bars.csv"), start=SPAN[0])
    run.backfill(*SPAN)

    shown = [(row["ticker"], row["close"]) for row in json.loads(run.features("NA", "TRUE", "--from", "2014-06-06"))]

    assert shown == [("NA", 645.57), ("TRUE", 41.48)]
    assert run.of_lake("quarantine").is_empty()


def test_a_message_that_holds_brackets_is_printed_whole(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "bars[v1].csv").write_bytes(_changed("open,high,low", "open,height,low"))
    run = deployment(folder, MAPPING.format(name="bars?v1].csv"), start=SPAN[0])

    said = run.orion("backfill", "--from", SPAN[0], "--to", SPAN[1])

    assert said.code == 1
    assert "bars[v1].csv" in said.err
