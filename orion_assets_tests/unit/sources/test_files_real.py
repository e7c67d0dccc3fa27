import math
import os
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.errors import SourceRejected
from orion_assets.schemas import RAW_MINUTE_BARS
from orion_assets.sources.files.source import FilesSource
from orion_assets.transforms.minutes import clean_minute_bars
from orion_assets_tests.files_worlds import ask, bars

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("EXAMPLE_DATA", ROOT.parent / "shared" / "data"))
EXAMPLES = ROOT / "examples"
WORLD = (
    bars(more=', ts_known = "ts_known", is_deleted = "is_deleted"').replace('"date"', '"session"')
    + """
[[splits]]
files = ["splits.csv"]
[splits.columns]
ticker = "ticker"
ex_date = "ex_date"
shares_after = "shares_after"
shares_before = "shares_before"
ts_known = "ts_known"
is_deleted = "is_deleted"
"""
)
TESLA = bars("daily/plotly/tesla-stock-price.csv", ticker="", options='ticker = "TSLA"\ndate_format = "%Y/%m/%d"\n')
MINUTES = """[[minute_bars]]
files = ["minute/react_stockcharts/AAPL_INTRA_DAY.tsv"]
ticker = "AAPL"
price_basis = "as_traded"
columns = { stamp = "date", open = "open", high = "high", low = "low", close = "close", volume = "volume" }
date_format = "epoch_ms"
bar_label = "end"
opening_bar = "auction"
"""
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no example data at {DATA}; set EXAMPLE_DATA")


def mapped(tmp_path: Path, text: str, root: Path = DATA) -> FilesSource:
    (tmp_path / "m.toml").write_text(text)
    return FilesSource([tmp_path / "m.toml"], root)


@needs_data
@pytest.mark.slow
def test_2014_loads_whole_with_its_split_and_dividends():
    reader = FilesSource([EXAMPLES / "real_2014" / "mapping.toml"], DATA)
    answers = {name: reader.read(ask(name)).rows for name in reader.datasets}

    assert reader.listed_tickers() == ("AAPL", "BRK_A", "MSFT", "ZEN")
    assert answers["raw_daily_bars"].height == 916
    assert answers["raw_splits"].select("ticker", "ex_date", "shares_after", "shares_before").rows() == [
        ("AAPL", date(2014, 6, 9), 7, 1)
    ]
    assert answers["raw_dividends"]["cash_amount"].to_list() == [3.05, 0.28, 3.29, 0.28, 0.47, 0.28, 0.47, 0.31]
    assert all(rows["problem"].null_count() == rows.height for rows in answers.values())


@needs_data
def test_2014_agrees_with_the_other_vendor_once_the_split_is_taken_out():
    reader = FilesSource([EXAMPLES / "real_2014" / "mapping.toml"], DATA)
    traded = reader.read(ask("raw_daily_bars", "AAPL")).rows.select("session", "close")
    factor = pl.when(pl.col("session") < date(2014, 6, 9)).then(7.0).otherwise(1.0)

    other = reader.reconciliation(["AAPL"], date(2014, 1, 1), date(2015, 1, 1))

    apart = traded.join(other, on="session", validate="1:1").select(
        (pl.col("close") / factor - pl.col("close_right")).abs()
    )
    assert (other.height, set(other["basis"])) == (252, {"split_adjusted"})
    assert apart.to_series().max() < 0.006


@needs_data
def test_every_vix_row_of_a_closed_day_is_filed_under_the_next_session():
    rows = FilesSource([EXAMPLES / "real_2000_2013" / "vix.toml"], DATA).read(ask("raw_vix")).rows

    assert rows.height == rows["date"].n_unique() == 9_235
    assert rows.filter(pl.col("date") != pl.col("session")).height == 33
    assert rows["session"].n_unique() < rows.height


@needs_data
def test_minutes_labelled_at_their_end_make_the_daily_open_high_and_low_of_another_vendor_on_every_day(tmp_path):
    rows = mapped(tmp_path, MINUTES).read(ask("raw_minute_bars")).rows
    landed = rows.rename({"ts_assumed": "ts_known"}).with_columns(
        ts_ingested=pl.col("ts_known"), availability=pl.lit("assumed")
    )

    clean = clean_minute_bars(landed.select(RAW_MINUTE_BARS.names), calendars.traded(calendars.sessions()))

    regular = clean.rows.filter(pl.col("phase") == "regular").sort("ts_open")
    resampled = regular.group_by("session").agg(pl.first("open"), pl.max("high"), pl.min("low"), pl.last("close"))
    daily = pl.read_csv(DATA / "daily/plotly/dash-stock-ticker-demo.csv").filter(pl.col("Stock") == "AAPL")
    both = resampled.join(daily.with_columns(session=pl.col("Date").str.to_date()), on="session")
    equal = {name: (both[name] == both[name.title()]).sum() for name in ("open", "high", "low", "close")}
    assert clean.quarantine.is_empty()
    assert (regular.height, both.height) == (21 * 390, 21)
    # The close of two days differs by one to three cents between the two vendors
    assert equal == {"open": 21, "high": 21, "low": 21, "close": 19}


@needs_data
@pytest.mark.slow
def test_tweets_of_two_files_are_one_article_an_id_and_none_is_lost():
    reader = FilesSource([EXAMPLES / "real_2014" / "mapping.toml"], DATA)
    raw = [pl.read_ndjson(DATA / "news" / "stocknet_tweets" / f"{name}.jsonl.gz") for name in ("AAPL", "MSFT")]
    ids = pl.concat(frame.select("id") for frame in raw)["id"]

    answer = reader.read(ask("raw_news"))

    assert set(answer.rows["article_id"]) == set(ids)
    assert answer.rows.height == ids.n_unique() == 23_628
    assert answer.tickers == ("AAPL", "MSFT")
    both = set(raw[0]["id"]) & set(raw[1]["id"])
    shared = answer.rows.filter(pl.col("article_id").is_in(sorted(both)))
    assert shared["tickers"].list.set_intersection(["AAPL", "MSFT"]).list.len().to_list() == [2] * len(both)


@needs_data
@pytest.mark.parametrize("world", range(1, 13))
def test_a_world_of_truth_is_said_whole_and_never_early(tmp_path, world):
    folder = DATA / "truth" / f"world_{world:03d}"
    reader = mapped(tmp_path, WORLD, folder)

    for file, dataset in (("bars.csv", "raw_daily_bars"), ("splits.csv", "raw_splits")):
        sent = pl.read_csv(folder / file, infer_schema=False)
        known = sent["ts_known"].str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")
        for now in (datetime(2014, 6, 12, 21, tzinfo=UTC), datetime(2014, 12, 1, tzinfo=UTC)):
            rows = reader.read(ask(dataset, now=now)).rows
            assert rows.height == (known <= now).sum()
            assert rows["problem"].null_count() == rows.height
        assert rows["is_deleted"].sum() == (sent["is_deleted"] == "true").sum()


@needs_data
def test_a_dirty_first_row_is_refused_until_it_is_skipped(tmp_path):
    with pytest.raises(SourceRejected, match=r"tesla-stock-price.csv: row 1, column 'date': found '11:34'.*skip_rows"):
        mapped(tmp_path, TESLA).read(ask("raw_daily_bars"))
    rows = mapped(tmp_path, TESLA + "skip_rows = [1]\n").read(ask("raw_daily_bars")).rows
    assert (rows.height, rows["source_row"].min(), rows["problem"].null_count()) == (756, 2, 756)


@needs_data
def test_a_long_file_of_several_tickers_loads(tmp_path):
    prices = "open = 'Open', high = 'High', low = 'Low', close = 'Close', volume = 'Volume'"
    mapping = (
        "[[daily_bars]]\nfiles = ['daily/plotly/dash-stock-ticker-demo.csv']\nprice_basis = 'as_traded'\n"
        f"columns = {{ ticker = 'Stock', session = 'Date', {prices} }}\n"
    )
    rows = mapped(tmp_path, mapping + "splits = { column = 'SplitRatio' }").read(ask("raw_daily_bars")).rows

    assert dict(rows["ticker"].value_counts().iter_rows()) == {
        "AAPL": 753,
        "TSLA": 754,
        "COKE": 754,
        "YHOO": 619,
        "GOOGL": 754,
    }


@needs_data
def test_split_adjusted_prices_that_still_carry_their_ratio_are_refused(tmp_path):
    mapping = bars(
        "daily/yahoo_csvdir/AAPL.csv.gz", ticker="", options='ticker_from = "stem"\nsplits = { column = "split" }'
    )

    with pytest.raises(SourceRejected) as caught:
        mapped(tmp_path, mapping).read(ask("raw_daily_bars"))

    for word in ("daily/yahoo_csvdir/AAPL.csv.gz: AAPL", "2014-06-09", "92.224289", "93.699997", "ratio 7"):
        assert word in str(caught.value)


def test_the_packaged_years_load_and_the_real_crash_is_no_split():
    pytest.importorskip("bokeh_sampledata", reason="the extra [examples] is not installed")
    reader = FilesSource([EXAMPLES / "real_2000_2013" / "mapping.toml"])

    rows = reader.read(ask("raw_daily_bars")).rows
    apple = rows.filter(pl.col("ticker") == "AAPL").sort("session")
    crash = apple.with_columns(move=pl.col("close").log().diff()).filter(pl.col("session") == date(2000, 9, 29))

    assert (rows.height, rows["problem"].null_count()) == (12_154, 12_154)
    assert reader.listed_tickers() == ("AAPL", "FB", "GOOG", "IBM", "MSFT")
    assert set(rows["source_file"]) == {"package:bokeh_sampledata/_data/stocks.csv.gz"}
    assert math.exp(crash["move"][0]) == pytest.approx(0.481, abs=0.001)
    assert reader.read(ask("raw_splits")).rows.height == 3
