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


def test_of_a_ticker_only_the_files_that_may_hold_it_are_opened(lake):
    for name in ("AAA", "CCC", "EEE"):
        append(lake, name)
    wide = pl.concat([minutes("BBB", [MONDAY]), minutes("DDD", [MONDAY])])
    lake.append(RAW_MINUTE_BARS, lambda _: wide, **SPAN, tickers=["BBB", "DDD"])

    def opened(*tickers: str) -> dict[str, int]:
        snapshot = lake._folder.open(RAW_MINUTE_BARS)
        return {day: len(names) for day, names in files_by_month(snapshot, tickers).items()}

    monday, tuesday = str(MONDAY), str(TUESDAY)
    assert opened("AAA") == {monday: 1, tuesday: 1}
    assert opened("CCC") == {monday: 2, tuesday: 1}
    assert opened("DDD") == {monday: 1}
    assert opened("AAA", "EEE") == {monday: 2, tuesday: 2}
    assert opened("A", "AAAA", "ZZZ") == {}
    for asked in (["AAA"], ["CCC"], ["BBB"], ["AAA", "DDD"], ["B", "EEE"], ["ZZZ"], []):
        whole = lake.read(RAW_MINUTE_BARS).filter(pl.col("ticker").is_in(asked))
        assert lake.read(RAW_MINUTE_BARS, tickers=asked).equals(whole)


def test_files_that_do_not_tell_their_tickers_are_opened_for_all(lake):
    def tell(columns: str) -> None:
        snapshot = lake._folder.open(RAW_MINUTE_BARS)
        snapshot.alter.set_table_properties({"delta.dataSkippingStatsColumns": columns})

    def opened() -> list[int]:
        snapshot = lake._folder.open(RAW_MINUTE_BARS)
        return [len(files_by_month(snapshot, [name]).get(str(MONDAY), ())) for name in ("AAA", "BBB", "CCC")]

    append(lake, "AAA")
    # As tables of before had it
    tell("session")
    append(lake, "BBB")
    of_before = opened()
    tell("session,ticker")

    assert [lake.read(RAW_MINUTE_BARS, tickers=[name]).height for name in ("AAA", "BBB", "CCC")] == [2, 2, 0]
    assert (of_before, opened()) == ([2, 2, 2], [2, 1, 1])
