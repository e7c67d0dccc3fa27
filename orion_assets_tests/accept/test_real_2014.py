"""The real year 2014, from the files through the command line to the store, against other vendors and brute force."""

import csv
import gzip
import json
import zipfile
from bisect import bisect_left
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
import talib
from dagster import DagsterInstance

from orion_assets.store.opening import open_store
from orion_assets_tests.accept_runs import DATA, MAPPING_2014, ROOT, deployment, figure, mapping_2014, needs_data

pytestmark = needs_data

NEW_YORK = ZoneInfo("America/New_York")
# NYSE's own list for 2014, written down here so that the calendar is not its own witness
HOLIDAYS = {
    date(2014, *day) for day in ((1, 1), (1, 20), (2, 17), (4, 18), (5, 26), (7, 4), (9, 1), (11, 27), (12, 25))
}
HALF_DAYS = {date(2014, 7, 3), date(2014, 11, 28), date(2014, 12, 24)}
SPANS = [
    pytest.param("2014-05-27", "2014-06-24", id="20 sessions"),
    pytest.param("2014-01-02", "2015-01-01", id="year", marks=pytest.mark.accept),
]


def _sessions() -> list[date]:
    days = (date(2014, 1, 1) + timedelta(days=n) for n in range(365))
    return [day for day in days if day.weekday() < 5 and day not in HOLIDAYS]


def _cutoff(session: date, kind: str) -> datetime:
    clock = time(9, 25) if kind == "open" else time(13, 30) if session in HALF_DAYS else time(16, 30)
    return datetime.combine(session, clock, NEW_YORK).astimezone(UTC)


def _yahoo() -> pl.DataFrame:
    rows = pl.read_csv(DATA / "daily/yahoo_stocknet/AAPL.csv", try_parse_dates=True)
    return rows.filter(pl.col("Date").dt.year() == 2014).sort("Date")


def _quandl() -> pl.DataFrame:
    with zipfile.ZipFile(DATA / "daily/quandl_wiki/QUANDL_ARCHIVE.zip") as archive:
        frames = [pl.read_csv(archive.read(name), try_parse_dates=True) for name in archive.namelist()]
    return pl.concat(frames).sort("ticker", "date")


def _bars(run, adjusted: str, *tickers: str) -> pl.DataFrame:
    with open_store(str(run.folder / "store.duckdb")) as store:
        return store.bars(list(tickers), adjusted=adjusted)


def test_the_year_holds_every_row_of_the_files(real_2014):
    outcome = json.loads((real_2014.folder / "outcome.json").read_text())

    assert outcome["is_done"]
    assert outcome["rows"]["raw_daily_bars"] == outcome["rows"]["clean_daily_bars"] == _quandl().height == 916
    assert real_2014.of_lake("quarantine").is_empty()
    suspected = [found for found in outcome["findings"] if found["check"] == "suspected_missing_split"]
    assert suspected == []


def test_split_adjusted_closes_equal_yahoos(real_2014):
    ours = _bars(real_2014, "split", "AAPL")
    both = ours.join(_yahoo(), left_on="session", right_on="Date", validate="1:1")

    apart = (both["close"] - both["Close"]).abs()
    figure(f"AAPL closes: {both.height} days, largest difference {apart.max():.6f}")

    assert both.height == ours.height == 252
    assert apart.max() < 0.006


def test_indicators_equal_talib_on_the_other_vendors_adjusted_series(real_2014):
    yahoo = _yahoo()
    high, low, close = (yahoo[name].to_numpy() for name in ("High", "Low", "Close"))
    upper, _, lower = talib.BBANDS(close, 20, 2, 2)
    k, d = talib.STOCHF(high, low, close, 14, 3)
    expected = {
        "rsi_14": (talib.RSI(close, 14), 0.05),
        **{f"roc_{n}": (talib.ROC(close, n), 0.01) for n in (1, 5, 20)},
        "bb_percent_b_20_2": ((close - lower) / (upper - lower), 0.001),
        "stoch_k_14": (k, 0.5),
        "stoch_d_14_3": (d, 0.5),
        "ret_log": (np.log(close / np.concatenate([[np.nan], close[:-1]])), 1e-4),
    }
    ours = real_2014.table("feature_indicators").filter(pl.col("ticker") == "AAPL").sort("session")
    assert ours["session"].to_list() == yahoo["Date"].to_list()

    apart = {name: np.abs(ours[name].to_numpy() - values) for name, (values, _) in expected.items()}
    first = {name: ours[name].is_not_null().arg_max() for name in expected}
    figure(f"against TA-Lib: { ({name: float(np.nanmax(values)) for name, values in apart.items()}) }")

    for name, (values, tolerance) in expected.items():
        start = int(np.argmax(~np.isnan(values)))
        assert first[name] == start, name
        assert np.nanmax(apart[name]) <= tolerance, name
        assert not np.isnan(apart[name][start:]).any(), name


def test_price_indicators_in_own_units_follow_the_adjusted_series(real_2014):
    yahoo = _yahoo()
    close = yahoo["Close"].to_numpy()
    macd, signal, hist = talib.MACD(close, 12, 26, 9)
    upper, middle, lower = talib.BBANDS(close, 20, 2, 2)
    expected = {
        **{f"sma_{n}": talib.SMA(close, n) for n in (5, 10, 20, 50, 200)},
        **{f"ema_{n}": talib.EMA(close, n) for n in (12, 26)},
    } | {
        "macd_12_26": macd,
        "macd_signal_12_26_9": signal,
        "macd_hist_12_26_9": hist,
        "bb_upper_20_2": upper,
        "bb_middle_20_2": middle,
        "bb_lower_20_2": lower,
    }
    ours = real_2014.table("feature_indicators").filter(pl.col("ticker") == "AAPL").sort("session")
    to_last_units = ours["split_factor"].to_numpy() / 7

    apart = {name: np.nanmax(np.abs(ours[name].to_numpy() * to_last_units - v)) for name, v in expected.items()}
    figure(f"in the units of the last session, USD: {apart}")

    assert max(apart.values()) < 0.006


def test_total_returns_equal_quandls_adjusted_returns(real_2014):
    tickers = ("AAPL", "MSFT", "BRK_A", "ZEN")
    ours = _bars(real_2014, "total_return", *tickers)
    both = ours.join(_quandl(), left_on=["ticker", "session"], right_on=["ticker", "date"], validate="1:1").sort(
        "ticker", "session"
    )
    prices = pl.col("close", "adj_close")
    returns = both.select("ticker", "session", (prices / prices.shift()).over("ticker"))

    apart = returns.select("ticker", "session", apart=(pl.col("close") - pl.col("adj_close")).abs()).drop_nulls()
    figure(f"total returns, largest differences: {apart.sort('apart').tail(3).rows()}")

    assert (both.height, apart.height) == (916, 912)
    assert apart["apart"].max() < 1e-9


def test_every_vix_close_equals_the_file(real_2014):
    with (DATA / "vix/vix-daily.csv").open() as lines:
        said = {row["DATE"]: float(row["CLOSE"]) for row in csv.DictReader(lines) if row["DATE"].startswith("2014")}
    market = real_2014.table("feature_market").filter(pl.col("cutoff") == "close")

    clean = {str(day): close for day, close in real_2014.table("clean_vix").select("date", "close").iter_rows()}
    shown = {str(day): close for day, close in market.select("session", "vix_close").iter_rows()}

    assert clean == said
    assert shown == said
    assert len(said) == 252


def test_every_text_lands_on_the_session_and_cutoff_of_the_rule(real_2014):
    sessions = _sessions()
    articles: dict[str, tuple[datetime, set[str]]] = {}
    for ticker in ("AAPL", "MSFT"):
        with gzip.open(DATA / f"news/stocknet_tweets/{ticker}.jsonl.gz", "rt") as lines:
            for row in map(json.loads, lines):
                published = datetime.strptime(row["created_at"], "%a %b %d %H:%M:%S %z %Y")
                tags = articles.setdefault(row["id"], (published, set()))[1]
                tags |= {ticker, *row["cashtags"]}
    # What was published by the close cut-off of New Year's Eve belongs to sessions of the year before
    begin = datetime.combine(date(2013, 12, 31), time(16, 30), NEW_YORK)
    expected: Counter[tuple[str, date, str]] = Counter()
    for published, tags in articles.values():
        if not begin < published <= _cutoff(sessions[-1], "close"):
            continue
        for kind in ("open", "close"):
            cutoffs = [_cutoff(session, kind) for session in sessions]
            position = bisect_left(cutoffs, published + timedelta(minutes=15))
            if position < len(sessions):
                expected.update((ticker, sessions[position], kind) for ticker in tags)

    mood = real_2014.table("feature_sentiment").filter(pl.col("ticker").is_in(["AAPL", "MSFT"]))
    found = {(t, s, c): n for t, s, c, n in mood.select("ticker", "session", "cutoff", "news_count").iter_rows()}
    cells = [(t, s, c) for t in ("AAPL", "MSFT") for s in sessions for c in ("open", "close")]
    wrong = [(cell, expected[cell], found.get(cell)) for cell in cells if found.get(cell) != float(expected[cell])]
    figure(
        f"{len(articles)} texts, {sum(expected[c] for c in cells)} entries in {len(cells)} cells, {len(wrong)} wrong"
    )

    assert wrong == []
    assert set(found) == set(cells)
    assert len(articles) == 23_628
    for telling in (date(2014, 6, 9), date(2014, 7, 3), date(2014, 7, 7), date(2014, 11, 28), date(2014, 3, 10)):
        assert expected["AAPL", telling, "open"] > 0, telling


@pytest.mark.parametrize(("start", "end"), SPANS)
def test_a_split_to_come_changes_no_byte_of_an_earlier_answer(tmp_path, start, end):
    is_year = start == "2014-01-02"
    runs = {}
    for split in ("stated", "withheld", "late"):
        runs[split] = deployment(tmp_path / split, mapping_2014(split=split, news=is_year), root=DATA, start=start)
        runs[split].backfill(start, end)

    answers = {split: run.features("AAPL", "--as-of", "2014-06-06") for split, run in runs.items()}
    versions = runs["late"].table("feature_indicators", versions=True).filter(pl.col("ticker") == "AAPL")
    gained = versions.group_by("session").len().filter(pl.col("len") > 1).sort("session")["session"].to_list()
    plain = {split: runs[split].table("feature_indicators", versions=True) for split in ("stated", "withheld")}

    assert len(set(answers.values())) == 1
    assert len(json.loads(answers["stated"])) == (108 if is_year else 9)
    assert gained == [date(2014, 6, 9), date(2014, 6, 10), date(2014, 6, 11)]
    known = versions.filter(pl.col("session").is_in(gained)).sort("session", "ts_known")["ts_known"].to_list()[1::2]
    assert known == [datetime(2014, 6, 12, 13, tzinfo=UTC)] * 3
    for frame in plain.values():
        assert frame["known_until"].null_count() == frame.height
    # Once it is known, the late store says what the one that always knew says
    assert runs["late"].features("--cutoff", "close", "--from", "2014-06-12") == runs["stated"].features(
        "--cutoff", "close", "--from", "2014-06-12"
    )
    before = runs["late"].features("AAPL", "--as-of", "2014-06-12T12:59:59Z")
    assert before == runs["withheld"].features("AAPL", "--as-of", "2014-06-12T12:59:59Z")


@pytest.mark.accept
def test_a_backfill_is_one_run_of_daily_after_one_of_reference(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    run = deployment(tmp_path / "run", MAPPING_2014, root=DATA, start="2014-01-02", DAGSTER_HOME=str(home))
    run.backfill("2014-01-02", "2015-01-01")

    with DagsterInstance.from_config(str(home)) as instance:
        records = sorted(instance.get_run_records(), key=lambda record: record.storage_id)

    tags = records[1].dagster_run.tags
    assert [record.dagster_run.job_name for record in records] == ["reference", "daily"]
    assert {record.dagster_run.status.value for record in records} == {"SUCCESS"}
    assert records[0].end_time <= records[1].start_time
    assert tags["dagster/asset_partition_range_start"] == "2014-01-02"
    assert tags["dagster/asset_partition_range_end"] == "2014-12-31"
