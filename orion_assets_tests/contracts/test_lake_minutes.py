"""Minutes that come ticker by ticker: what an append is handed, and that small files do not stay many."""

from datetime import date, timedelta

import polars as pl
import pytest

from orion_assets.schemas import RAW_MINUTE_BARS
from orion_assets.store.delta import files_by_month
from orion_assets.store.lake import CROWDED
from orion_assets_tests.contracts.lake_writers import MONDAY, TUESDAY, WEDNESDAY, rows_of

SPAN = {"start": MONDAY, "end": WEDNESDAY}


def minutes(ticker: str, days=(MONDAY, TUESDAY)) -> pl.DataFrame:
    frames = [rows_of(RAW_MINUTE_BARS, [day]).head(1).with_columns(ticker=pl.lit(ticker)) for day in days]
    return pl.concat(frames).with_columns(
        ts_open=pl.col("session").cast(pl.Datetime("us", "UTC")) + timedelta(hours=14)
    )


def append(lake, ticker: str, seen: list | None = None, days=(MONDAY, TUESDAY)) -> None:
    def decide(held: pl.DataFrame) -> pl.DataFrame:
        if seen is not None:
            seen.append(held["ticker"].unique().to_list())
        return minutes(ticker, days)

    lake.append(RAW_MINUTE_BARS, decide, **SPAN, tickers=[ticker])


def files(lake) -> dict[str, int]:
    return {day: len(names) for day, names in files_by_month(lake._folder.open(RAW_MINUTE_BARS)).items()}


def test_an_append_of_a_ticker_is_handed_its_own_rows_alone(lake):
    append(lake, "AAA")
    append(lake, "BBB")
    seen = []

    with pytest.raises(Exception, match="share"):
        append(lake, "BBB", seen)

    assert seen == [["BBB"]]
    assert lake.read(RAW_MINUTE_BARS)["ticker"].to_list() == ["AAA", "AAA", "BBB", "BBB"]


def test_rows_of_a_ticker_that_was_not_handed_over_are_refused(lake):
    append(lake, "AAA")

    with pytest.raises(ValueError, match="of tickers that were not handed over, the first CCC"):
        lake.append(RAW_MINUTE_BARS, lambda _: minutes("CCC"), **SPAN, tickers=["BBB"])

    assert lake.read(RAW_MINUTE_BARS)["ticker"].unique().to_list() == ["AAA"]


def test_small_files_of_a_day_are_joined_and_no_row_is_lost(lake):
    names = [f"T{number:02d}" for number in range(CROWDED + 3)]
    for name in names:
        append(lake, name, days=(MONDAY,) if name == "T00" else (MONDAY, TUESDAY))

    assert max(files(lake).values()) < CROWDED
    read = lake.read(RAW_MINUTE_BARS)
    assert read.filter(session=MONDAY)["ticker"].to_list() == names
    assert read.filter(session=TUESDAY)["ticker"].to_list() == names[1:]
    assert lake.read(RAW_MINUTE_BARS, start=date(2014, 6, 1), tickers=["T07"]).height == 2


def test_the_rows_of_an_older_version_stay_readable_after_files_were_joined(lake):
    for number in range(CROWDED - 1):
        append(lake, f"T{number:02d}")
    version, before = lake.version(RAW_MINUTE_BARS), lake.read(RAW_MINUTE_BARS)

    append(lake, "T99")

    assert max(files(lake).values()) == 1
    assert lake.read(RAW_MINUTE_BARS, version=version).equals(before)
