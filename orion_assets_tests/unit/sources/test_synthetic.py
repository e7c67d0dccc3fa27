"""The synthetic market: always the same, shaped like a real one, and every fault in it found by a check."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets import calendars, schemas
from orion_assets.ingest.moment import Moment
from orion_assets.quality.audit import Checked, audit
from orion_assets.quality.verdicts import OF_RUNS
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, Ask
from orion_assets.sources.synthetic import paths
from orion_assets.sources.synthetic.cast import CAST
from orion_assets.sources.synthetic.market import Market
from orion_assets.sources.synthetic.source import SyntheticSource
from orion_assets.tables import Table
from orion_assets.transforms import actions, bars, news, securities
from orion_assets.transforms.pipeline import derive
from orion_assets.transforms.versions import visible
from orion_assets_tests.contracts.source_contract import SourceContract
from orion_assets_tests.pipeline import World, universe_of

CALENDAR = calendars.sessions()


@pytest.fixture(scope="module")
def synthetic():
    return SyntheticSource()


@pytest.fixture(scope="module")
def market(synthetic):
    return synthetic.market


class TestContract(SourceContract):
    START, END = date(2024, 10, 1), date(2024, 12, 1)
    EARLIER = datetime(2024, 10, 31, 12, tzinfo=UTC)

    @pytest.fixture
    def source(self, synthetic):
        return synthetic


def moves(closes: pl.Series) -> np.ndarray:
    return np.diff(np.log(closes.to_numpy()))


def echo(values: np.ndarray, lag: int) -> float:
    return float(np.corrcoef(values[:-lag], values[lag:])[0, 1])


def kurtosis(values: np.ndarray) -> float:
    return float(((values - values.mean()) ** 4).mean() / values.var() ** 2)


def test_it_says_the_same_every_time(synthetic):
    again = SyntheticSource()

    for dataset in synthetic.datasets:
        assert_frame_equal(again.said(dataset), synthetic.said(dataset), check_exact=True)


def test_another_seed_is_another_market():
    assert (
        SyntheticSource(2).said("raw_daily_bars")["close"].to_list()
        != SyntheticSource(3).said("raw_daily_bars")["close"].to_list()
    )


def test_neither_more_sessions_nor_other_securities_change_a_path():
    traits = paths.random_traits(1, paths.BLOCK + 3)
    whole = list(paths.paths(1, traits, 300))

    short = list(paths.paths(1, traits, 200))
    alone = next(paths.paths(1, traits[:2], 300))

    for part, full in zip(short, whole, strict=True):
        np.testing.assert_array_equal(part.close, full.close[:200])
        np.testing.assert_array_equal(part.volume, full.volume[:200])
    np.testing.assert_array_equal(alone.high, whole[0].high[:, :2])


def test_the_market_has_fat_tails_and_calm_and_stormy_times(market):
    returns = market.returns

    assert 0.12 < returns.std() * 252**0.5 < 0.22
    assert kurtosis(returns) > 4
    assert abs(echo(returns, 1)) < 0.15
    assert all(echo(np.abs(returns), lag) > 0.05 for lag in (1, 2, 5, 10))


def test_volume_moves_with_the_range_and_the_index_of_fear_against_the_market(market):
    for ticker in ("BOLT", "PYRE", "MIRA"):
        rows = market.bars.filter(ticker=ticker)
        assert np.corrcoef((rows["high"] / rows["low"]).log(), rows["volume"].log())[0, 1] > 0.3
    assert np.corrcoef(moves(market.vix["close"]), market.returns[1:])[0, 1] < -0.5
    assert market.vix["close"].is_between(8, 90).all()


def test_companies_move_with_the_market_as_much_as_their_beta(market):
    fund = moves(market.bars.filter(ticker="MKTS")["close"])
    steel = moves(market.bars.filter(ticker="NOVA")["close"])

    assert np.cov(steel, fund)[0, 1] / fund.var() == pytest.approx(1.3, abs=0.25)


def test_prices_are_sound_and_as_traded(market):
    rows = market.bars
    assert rows.filter(
        (pl.col("high") < pl.max_horizontal("open", "close")) | (pl.col("low") > pl.min_horizontal("open", "close"))
    ).is_empty()
    assert (rows["volume"] >= 1).all()
    # 1 for 20: twenty times the price, a twentieth of the shares
    around = rows.filter(
        (pl.col("ticker") == "CRUX") & pl.col("session").is_between(date(2024, 10, 4), date(2024, 10, 7))
    )
    assert 15 < around["close"][1] / around["close"][0] < 26
    assert around["volume"][1] < around["volume"][0] / 5


def test_listings_say_who_bore_a_ticker_when(synthetic):
    told = synthetic.said("raw_tickers").sort("snapshot")

    assert told.filter(ticker="FLXA")["figi"].to_list() == told.filter(ticker="FLUX")["figi"].to_list()
    assert told.filter(ticker="GAIA")["figi"].n_unique() == 2
    assert set(synthetic.market.bars.filter(ticker="GAIA")["number"]) == {6, 7}
    assert not synthetic.market.bars.filter(
        (pl.col("ticker") == "GAIA") & pl.col("session").is_between(date(2023, 5, 12), date(2024, 8, 2))
    ).height


def test_news_is_in_the_mood_of_the_day_before_and_copied_at_times(synthetic, market):
    articles = synthetic.said("raw_news")
    titles = articles.filter(pl.col("article_id").str.starts_with("16-"))
    scores = titles.with_columns(mood=pl.Series([news.mood(title) for title in titles["title"]]))
    daily = scores.group_by("session").agg(pl.col("mood").mean())
    moved = pl.col("close").log().diff()
    shown = market.bars.filter(ticker="PYRE").select("session", move=moved, before=moved.shift())
    both = shown.join(daily, on="session").drop_nulls()

    assert np.corrcoef(both["before"], both["mood"])[0, 1] > 0.3
    # Nobody can foresee the day
    assert abs(np.corrcoef(both["move"], both["mood"])[0, 1]) < 0.15
    assert 0.05 < articles["article_id"].str.ends_with("-copy").mean() < 0.2
    weekend = articles.filter(pl.col("ts_event").dt.convert_time_zone("America/New_York").dt.weekday() > 5)
    assert weekend.height > 100


@pytest.mark.parametrize(
    ("now", "close"),
    [(datetime(2024, 11, 13, 11, 59, tzinfo=UTC), 50.81), (datetime(2024, 11, 13, 12, tzinfo=UTC), 50.16)],
    ids=["before the correction", "after it"],
)
def test_a_correction_comes_when_it_comes(synthetic, now, close):
    rows = synthetic.read(Ask("raw_daily_bars", date(2024, 11, 12), date(2024, 11, 13), ("DUNE",), now)).rows

    assert rows.sort(TS_STATED)["close"].to_list()[-1] == close


def test_a_late_split_is_told_three_sessions_after_its_ex_date(synthetic):
    split = synthetic.said("raw_splits").filter(ticker="LYNX")

    assert split[TS_STATED].item() == datetime(2024, 10, 24, 13, tzinfo=UTC)
    assert split[TS_ASSUMED].item() == datetime(2024, 10, 21, 13, 30, tzinfo=UTC)


# Checks that rows of three years cannot be asked, and why
OF_A_RUN = {
    ("clean_daily_bars", "crosscheck"): "nobody else tells of this market; unit/quality/test_crosscheck.py",
    ("feature_indicators", "reconciles"): "nobody else tells of this market; unit/quality/test_reconciliation.py",
    ("feature_matrix", "leaks"): "derives the past anew, which takes minutes; unit/quality/test_leaks.py",
    ("ticker_bars", "equals_sessions"): "judges files that a run writes; the demo",
    ("ticker_features", "equals_sessions"): "judges files that a run writes; the demo",
}
OF_MINUTES = dict.fromkeys(
    (
        ("raw_minute_bars", "complete"),
        *(("clean_minute_bars", name) for name in ("prices_in_order", "traded", "vwap_in_range", "no_minute_lost")),
        ("clean_minute_bars", "quarantine"),
    ),
    "the market has no minutes",
)
# Checks that nothing is planted for, which must leave the whole market in peace
WITHOUT_A_PLANT = {
    *((name, "complete") for name in ("raw_vix", "raw_news", "raw_splits", "raw_dividends")),
    *((name, "quarantine") for name in ("securities", "clean_vix", "clean_news", "corporate_actions")),
    *((f"feature_{name}", "sound") for name in ("indicators", "sentiment", "market", "matrix")),
    ("corporate_actions", "one_event"),
    ("feature_store", "bars_have_features"),
}


@pytest.fixture(scope="module")
def tables(synthetic) -> dict[str, pl.DataFrame]:
    """Every table of the whole market by name, landed and derived, when all of it is known."""
    days = synthetic.market.sessions["session"]
    span = days[0], days[-1] + timedelta(days=1)
    followed = synthetic.listed_tickers()
    world = World({name: synthetic.said(name) for name in synthetic.datasets}, followed, *span)
    world.land(Moment(datetime(2026, 1, 1, tzinfo=UTC)))
    raw = {
        **world.held,
        "raw_tickers": landed(synthetic, "raw_tickers"),
        "raw_coverage": pl.concat(world.coverage.values()),
        "raw_universe": universe_of(followed),
    }
    made = derive(raw, CALENDAR, *span)
    cleaned = (
        securities.securities(raw["raw_tickers"], CALENDAR),
        bars.clean_daily_bars(raw["raw_daily_bars"], CALENDAR),
        bars.clean_vix(raw["raw_vix"]),
        news.clean_news(raw["raw_news"], CALENDAR, CALENDAR["session"][0]),
        actions.corporate_actions(raw["raw_splits"], raw["raw_dividends"], made["securities"], CALENDAR),
    )
    return {**raw, **made, "quarantine": pl.concat(each.quarantine for each in cleaned)}


def audited(synthetic: SyntheticSource, tables: Mapping[str, pl.DataFrame]) -> list[Checked]:
    days = synthetic.market.sessions["session"]

    def read(table: Table, since: date | None, until: date | None = None, /) -> pl.DataFrame:
        return tables.get(table.name, table.empty())

    return audit(read, CALENDAR, (days[0], days[-1] + timedelta(days=1)), synthetic.listed_tickers())


def accusations(checked: Iterable[Checked]) -> set[tuple]:
    return {
        (each.asset, each.check, row.get("ticker"), row.get("session"))
        for each in checked
        for row in each.accused.iter_rows(named=True)
    }


def test_every_planted_fault_is_found_and_nobody_else_accused(synthetic, tables):
    planted = synthetic.planted()

    checked = audited(synthetic, tables)

    listed = list(planted.select("asset", "check", "ticker", "session").iter_rows())
    assert accusations(checked) == set(listed)
    assert len(listed) >= 30
    assert sum(each.accused.height for each in checked) == len(listed)


def test_every_check_there_is_has_judged_the_market_or_says_why_not(synthetic, tables):
    checked = audited(synthetic, tables)

    judged = {(each.asset, each.check) for each in checked if not each.is_idle}
    # unit/quality/test_report.py holds these to the graph's own
    every = {(each.asset, each.check) for each in (*checked, *OF_RUNS)}
    assert judged | OF_A_RUN.keys() | OF_MINUTES.keys() == every
    assert judged.isdisjoint(OF_A_RUN.keys() | OF_MINUTES.keys())
    planted = set(synthetic.planted().select("asset", "check").iter_rows())
    assert judged - planted == WITHOUT_A_PLANT


def test_checks_that_leave_the_market_in_peace_accuse_it_once_it_is_bent(synthetic, tables):
    bent = dict(tables)
    for name in ("raw_vix", "raw_news", "raw_splits", "raw_dividends"):
        bent[name] = pl.concat([tables[name], withdrawn(tables[name])])
    for name in ("raw_tickers", "raw_vix", "raw_news", "raw_dividends"):
        bent["quarantine"] = pl.concat([bent["quarantine"], held_back(tables, name)])
    for name in ("indicators", "sentiment", "market", "matrix"):
        rows = tables[f"feature_{name}"]
        early = rows.tail(1).with_columns(ts_known=pl.col("ts_event") - timedelta(microseconds=1))
        bent[f"feature_{name}"] = pl.concat([rows.head(-1), early])
    other = pl.col("cash_amount") * 2, pl.lit("another").alias("event_id")
    bent["raw_dividends"] = pl.concat([bent["raw_dividends"], tables["raw_dividends"].head(1).with_columns(*other)])
    is_lost = (pl.col("ticker") == "AURA") & (pl.col("session") == date(2023, 3, 1)) & (pl.col("cutoff") == "close")
    bent["feature_matrix"] = bent["feature_matrix"].filter(~is_lost)

    before, after = (
        {(each.asset, each.check): each.accused.height for each in audited(synthetic, rows)} for rows in (tables, bent)
    )

    assert {check: after[check] - count for check, count in before.items() if after[check] != count} == dict.fromkeys(
        WITHOUT_A_PLANT, 1
    )


def withdrawn(rows: pl.DataFrame) -> pl.DataFrame:
    last = rows.sort("ts_known").tail(1)
    return last.with_columns(is_deleted=pl.lit(value=True), ts_known=pl.col("ts_known") + timedelta(days=1))


def held_back(tables: Mapping[str, pl.DataFrame], name: str) -> pl.DataFrame:
    """Hold back the first row of a table that its source has not said otherwise since."""
    table = schemas.TABLES[name]
    first = visible(tables[name], table.key).head(1).with_columns(row_key=bars.key_text(table), origin=pl.lit(name))
    told = {"ticker": "*", "rule": "bent", "found": "", "remedy": ""}
    filled = first.with_columns(pl.lit(text).alias(column) for column, text in told.items())
    session = pl.lit(date(2022, 1, 3)) if "session" not in filled.columns else pl.col("session")
    return schemas.QUARANTINE.conform(filled.with_columns(session=session).select(schemas.QUARANTINE.names))


def landed(synthetic: SyntheticSource, name: str) -> pl.DataFrame:
    clocks = {"ts_known": pl.coalesce(TS_STATED, TS_ASSUMED), "ts_ingested": pl.col(TS_ASSUMED)}
    return (
        synthetic.said(name).with_columns(**clocks, availability=pl.lit("assumed")).select(schemas.TABLES[name].names)
    )


def test_the_cast_has_all_that_happens_to_real_companies():
    assert len(CAST) >= 12
    for story in ("splits", "dividends", "renamed", "until", "halted"):
        assert any(getattr(listed, story) for listed in CAST), story
    assert any(split.before > split.after for listed in CAST for split in listed.splits)
    assert any(split.known for listed in CAST for split in listed.splits)
    assert any(listed.trades_on < 1 for listed in CAST)
    assert Market().sessions["is_half_day"].sum() >= 5


def test_an_exchange_of_any_size_comes_block_by_block():
    sessions = calendars.sessions(date(2020, 1, 1), date(2020, 3, 1))["session"]
    names = [f"T{number:04d}" for number in range(paths.BLOCK + 5)]

    frames = list(paths.bars(1, names, paths.random_traits(1, len(names)), sessions))

    whole = pl.concat(frames)
    assert [frame["ticker"].n_unique() for frame in frames] == [paths.BLOCK, 5]
    assert whole.height == len(names) * len(sessions)
    assert whole["ticker"].unique(maintain_order=True).to_list() == names
    assert whole.filter(ticker="T0260")["session"].to_list() == sessions.to_list()
    assert (whole["low"] <= whole["vwap"]).all()
    assert (whole["vwap"] <= whole["high"]).all()


def test_time_stands_between_an_event_and_its_arrival(synthetic):
    for name in ("raw_daily_bars", "raw_vix", "raw_news"):
        rows = synthetic.said(name)
        assert (rows[TS_ASSUMED] - rows["ts_event"] == timedelta(minutes=15)).all()
