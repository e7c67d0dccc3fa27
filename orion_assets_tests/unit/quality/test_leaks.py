"""The gate against look-ahead: silent on honest features, loud on each way to cheat that people fall for."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.ingest.moment import Moment
from orion_assets.quality.leaks import ROW, Scope, leaks, probes, sample, spot_check
from orion_assets.schemas import (
    FEATURE_INDICATORS,
    FEATURE_MARKET,
    FEATURE_MATRIX,
    FEATURE_SENTIMENT,
    RAW_TICKERS,
    RAW_UNIVERSE,
)
from orion_assets.sources.synthetic.source import SyntheticSource
from orion_assets.transforms import bars, daily, news
from orion_assets.transforms.pipeline import derive, kin
from orion_assets_tests.accept_runs import Deployment, synthetic, undisturbed
from orion_assets_tests.pipeline import World, at, universe_of

CALENDAR = calendars.sessions()
SPAN = (date(2024, 10, 1), date(2024, 11, 23))
TICKERS = ("DUNE", "IRIS", "LYNX", "NOVA")
SCOPE = Scope(TICKERS, *SPAN)
KEY = ["ticker", "session", "cutoff"]
# What is honest is looked at as closely as what cheats
PROBES = 20


@pytest.fixture(scope="module")
def raw() -> dict[str, pl.DataFrame]:
    """Raw tables of some tickers, as a backfill years later lands them."""
    source = SyntheticSource()
    world = World({name: source.said(name) for name in source.datasets}, TICKERS, date(2024, 9, 3), SPAN[1])
    world.land(Moment(datetime(2026, 1, 1, tzinfo=UTC)))
    listed = source.said("raw_tickers").with_columns(
        ts_known="ts_assumed", ts_ingested="ts_assumed", availability=pl.lit("assumed")
    )
    tables = {**world.held, "raw_tickers": listed.drop("ts_assumed", "ts_stated")}
    covered = {"raw_coverage": pl.concat(world.coverage.values()), RAW_UNIVERSE.name: universe_of(TICKERS)}
    names = kin(tables["raw_tickers"], TICKERS)
    whole = tables | covered
    return {
        name: rows.filter(pl.col("ticker").is_in(names)) if "ticker" in rows.columns else rows
        for name, rows in whole.items()
    }


def found(raw, how=derive, count=PROBES) -> pl.DataFrame:
    """What the gate says of a store that was filled in this way."""
    filled = how(raw, CALENDAR, *SPAN)[FEATURE_MATRIX.name]
    return leaks(raw, lambda instant: at(filled, instant), CALENDAR, probes(raw, CALENDAR, SCOPE, count), SCOPE, how)


def test_honest_features_do_not_leak(raw):
    assert found(raw).is_empty()


def test_probes_are_cut_offs_and_instants_before_what_came_late(raw):
    instants = probes(raw, CALENDAR, SCOPE, 12)
    cutoffs = {*CALENDAR["ts_open_cutoff"], *CALENDAR["ts_close_cutoff"]}

    assert 10 <= len(instants) <= 14
    assert instants == sorted(instants)
    assert 0 < len(cutoffs & set(instants)) < 12
    assert all(datetime(2024, 10, 1, tzinfo=UTC) < instant < datetime(2024, 11, 23, tzinfo=UTC) for instant in instants)


def cheating(change):
    """Derive honestly, then let the matrix see what `change` shows it."""

    def how(raw, sessions, start, end):
        made = dict(derive(raw, sessions, start, end))
        made[FEATURE_MATRIX.name] = change(made[FEATURE_MATRIX.name].sort(*KEY, "ts_known"), made)
        return made

    return how


def over_sessions(value: pl.Expr):
    """Replace an indicator by something computed over the sessions of a ticker and cut-off."""
    return cheating(lambda rows, _: rows.with_columns(sma_5=value.over("ticker", "cutoff")))


def by_equality(rows: pl.DataFrame, made) -> pl.DataFrame:
    last = made["clean_vix"].filter(pl.col("known_until").is_null()).select("session", _close="close")
    return rows.join(last, on="session", how="left").with_columns(vix_close="_close").drop("_close")


def same_session(rows: pl.DataFrame, _) -> pl.DataFrame:
    is_close, value = pl.col("cutoff") == "close", pl.col("close")
    return rows.with_columns(sma_5=value.filter(is_close).last().over("ticker", "session"))


def only_survivors(rows: pl.DataFrame, _) -> pl.DataFrame:
    last = rows["session"].max()
    return rows.join(rows.filter(session=last).select("ticker").unique(), on="ticker", how="semi")


# What the search must name, and where it first stands
Accused = Mapping[tuple[str, date], frozenset[str]]


def everywhere(feature: str, session: date = SPAN[0]) -> Accused:
    return {(ticker, session): frozenset({feature}) for ticker in TICKERS}


CHEATS: dict[str, tuple[Callable, Accused]] = {
    # A centred window of five has its first value on the third session
    "centred window": (
        over_sessions(pl.col("close").rolling_mean(5, center=True)),
        everywhere("sma_5", date(2024, 10, 3)),
    ),
    "shift(-1)": (over_sessions(pl.col("close").shift(-1)), everywhere("sma_5")),
    "full-sample scaling": (over_sessions(pl.col("close") / pl.col("close").mean()), everywhere("sma_5")),
    "same-session close in the open row": (cheating(same_session), everywhere("sma_5")),
    # IRIS is delisted on 2024-11-15
    "future universe member": (cheating(only_survivors), {("IRIS", SPAN[0]): frozenset({ROW})}),
    "VIX joined by equality": (cheating(by_equality), everywhere("vix_close")),
}


def accused(told: pl.DataFrame) -> Accused:
    where = told.group_by("ticker", "session").agg("feature").iter_rows()
    return {(ticker, session): frozenset(features) for ticker, session, features in where}


@pytest.mark.parametrize("name", CHEATS)
def test_what_is_made_of_the_whole_sample_is_caught_and_nothing_else(raw, name):
    cheat, expected = CHEATS[name]

    assert accused(found(raw, cheat)) == expected


def unlimited(versions, limits):
    return versions.join(limits, on="lineage").drop("_before")


def by_publication(rows, sessions):
    return news_sessions(rows.with_columns(ts_known="ts_event"), sessions).with_columns(ts_known=rows["ts_known"])


def before_the_close(raw, sessions):
    cleaned = clean(raw, sessions)
    early = cleaned.rows.with_columns(ts_known=pl.col("ts_known") - timedelta(hours=7))
    return cleaned._replace(rows=early)


def restated(raw, sessions):
    cleaned = clean(raw, sessions)
    last = cleaned.rows.sort("ts_known").unique(["ticker", "session"], keep="last")
    first = cleaned.rows.group_by("ticker", "session").agg(pl.col("ts_known").min())
    rows = last.drop("ts_known").join(first, on=["ticker", "session"]).select(cleaned.rows.columns)
    return cleaned._replace(rows=rows.sort("ticker", "session"))


news_sessions, clean = news._with_sessions, bars.clean_daily_bars


MOOD = frozenset(
    {
        *("news_count", "story_count", "sentiment", "sentiment_decayed"),
        *("sentiment_positive_ratio", "sentiment_negative_ratio"),
    }
)
# What the close and the high of a bar enter, of those that stand on a short history
RELATIVE = frozenset(
    {
        *("ret_simple", "ret_log", "roc_1", "roc_5", "roc_20", "realized_vol_20"),
        *("sma_5", "sma_10", "sma_20", "ema_12", "ema_26", "macd_12_26", "macd_signal_12_26_9", "macd_hist_12_26_9"),
        *("bb_lower_20_2", "bb_middle_20_2", "bb_upper_20_2", "bb_width_20_2", "bb_percent_b_20_2"),
        *("rsi_14", "stoch_k_14", "stoch_d_14_3", "atr_14", "vwap_20"),
    }
)
OF_PRICES = RELATIVE | {"close", "sma_50"}
OF_VOLUME = frozenset({"obv", "vwap_20"})
# Corrections of the synthetic market: a volume after a week, a close and a high the next morning
NOVA, DUNE = ("NOVA", date(2024, 10, 28)), ("DUNE", date(2024, 11, 12))


@dataclass(frozen=True)
class Plant:
    """A cheat in place of a function, and what the search must name of it."""

    module: Any
    name: str
    cheat: Callable
    expected: Accused


PLANTS = {
    # Too short a history for fifty sessions; the close is as traded
    "future split": Plant(
        daily, "_before", unlimited, {("LYNX", date(2024, 10, 21)): RELATIVE | {"split_factor", "obv"}}
    ),
    "news by publication": Plant(
        news, "_with_sessions", by_publication, {(ticker, SPAN[0]): MOOD for ticker in TICKERS}
    ),
    "unfinished bar": Plant(
        bars, "clean_daily_bars", before_the_close, {NOVA: OF_VOLUME | {ROW}, DUNE: OF_PRICES | {ROW}}
    ),
    "restated value": Plant(bars, "clean_daily_bars", restated, {NOVA: OF_VOLUME, DUNE: OF_PRICES}),
}


@pytest.mark.parametrize("name", PLANTS)
def test_what_was_not_known_yet_is_caught_and_nothing_else(raw, monkeypatch, name):
    plant = PLANTS[name]
    monkeypatch.setattr(plant.module, plant.name, plant.cheat)

    assert accused(found(raw)) == plant.expected


def test_it_names_the_first_bad_row_and_both_values(raw):
    told = found(raw, CHEATS["shift(-1)"][0], count=4).sort("as_of").row(0, named=True)

    assert told["cutoff"] in {"open", "close"}
    assert told["stored"] != told["rebuilt"]
    assert told["as_of"].date() >= told["session"]


def test_days_in_a_row_look_at_every_ticker():
    tickers = [f"T{number:02}" for number in range(35)]

    chosen = [sample(tickers, number, 5) for number in range(8700, 8707)]

    assert {len(each) for each in chosen} == {5}
    assert {ticker for each in chosen for ticker in each} == set(tickers)
    assert sample(["B", "A"], 8700, 5) == ["A", "B"]
    assert sample([], 8700, 5) == []


def test_a_store_that_lacks_a_row_is_told(raw):
    filled = derive(raw, CALENDAR, *SPAN)[FEATURE_MATRIX.name]
    cut = filled.filter(~((pl.col("ticker") == "NOVA") & (pl.col("session") == date(2024, 11, 1))))
    instant = datetime(2024, 11, 20, tzinfo=UTC)

    told = leaks(raw, lambda now: at(cut, now), CALENDAR, [instant], SCOPE)

    assert told.select("feature", "ticker", "session", "stored").rows() == [(ROW, "NOVA", date(2024, 11, 1), None)]


@pytest.fixture(scope="module")
def evening() -> tuple[datetime, dict[str, pl.DataFrame]]:
    """Raw as a run lands it five minutes after the close cut-off, the history having been filled the day before."""
    source, day = SyntheticSource(), date(2024, 11, 13)
    after = day + timedelta(days=1)
    run = CALENDAR.filter(session=day)["ts_close_cutoff"].item() + timedelta(minutes=5)
    said = {name: source.said(name) for name in source.datasets}
    world = World(said, TICKERS, date(2024, 9, 3), after, has_clocks=False)
    world.land(Moment(run - timedelta(days=1)), end=day)
    world.land(Moment(run), start=day)
    covered = {"raw_coverage": pl.concat(world.coverage.values()), RAW_UNIVERSE.name: universe_of(TICKERS)}
    return run, {"raw_tickers": RAW_TICKERS.empty(), **world.held, **covered}


def spotted(evening, change):
    run, raw = evening
    scope = Scope(TICKERS, run.date(), run.date() + timedelta(days=1))
    made = derive(raw, CALENDAR, scope.start, scope.end)[FEATURE_MATRIX.name]
    assert made["ts_known"].min() > CALENDAR.filter(session=scope.start)["ts_close_cutoff"].item()
    return spot_check(lambda _: raw, change(made), CALENDAR, scope, run)


def test_a_run_of_today_judges_the_rows_it_has_just_made_known(evening):
    honest = spotted(evening, lambda rows: rows)
    bent = spotted(evening, lambda rows: rows.with_columns(sma_5=pl.col("sma_5") + 1))

    assert (honest.found.height, honest.rows) == (0, 2 * len(TICKERS))
    assert set(bent.found["feature"]) == {"sma_5"}
    assert set(bent.found["ticker"]) == set(TICKERS)


def test_a_row_that_claims_to_have_been_known_before_its_landing_is_told(evening):
    early = spotted(evening, lambda rows: rows.with_columns(ts_known=pl.col("ts_known") - timedelta(minutes=10)))

    assert ROW in set(early.found["feature"])


def test_where_nothing_is_known_yet_no_row_is_said_to_be_compared(evening):
    run, raw = evening
    scope = Scope(TICKERS, run.date(), run.date() + timedelta(days=1))

    assert spot_check(lambda _: raw, FEATURE_MATRIX.empty(), CALENDAR, scope, run - timedelta(hours=8)).rows == 0


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """Two tickers of the synthetic market, filled by the command; who bends the store bends it back."""
    with undisturbed():
        made = synthetic(tmp_path_factory.mktemp("leaks") / "deployed", ("DUNE", "LYNX"))
        made.backfill("2024-11-11", "2024-11-15")
        yield made


def searched(deployed: Deployment) -> tuple[int, dict]:
    said = deployed.orion("quality", "leaks", "--instants", 4, "--json")
    return said.code, json.loads(said.out)


def test_the_command_compares_every_feature_of_an_honest_store_and_finds_nothing(deployed):
    clocks = {*KEY, "bar_session", "ts_event", "ts_known", "known_until", "is_deleted"}
    registered = {
        column for table in (FEATURE_INDICATORS, FEATURE_SENTIMENT, FEATURE_MARKET) for column in table.names
    } - clocks

    code, told = searched(deployed)

    assert (code, told["leaks"], told["tickers"]) == (0, [], ["DUNE", "LYNX"])
    assert told["features"] == len(registered)
    # Four sessions of two tickers at two cut-offs, less the open of the first, as the newest instant shows them
    assert told["rows"] >= 14


def test_the_command_names_what_was_bent_in_the_published_store(deployed):
    def bend(by: float) -> None:
        with duckdb.connect(deployed.folder / "store.duckdb") as store:
            where = "ticker = 'LYNX' AND session = '2024-11-13' AND cutoff = 'close'"
            store.execute(f"UPDATE feature_matrix SET vix_close = vix_close + {by} WHERE {where}")

    bend(0.5)
    code, told = searched(deployed)
    bend(-0.5)

    (leak,) = told["leaks"]
    assert (code, leak["feature"], leak["ticker"]) == (1, "vix_close", "LYNX")
    assert (leak["session"], leak["cutoff"]) == ("2024-11-13", "close")
    assert float(leak["stored"]) - float(leak["rebuilt"]) == pytest.approx(0.5)
    assert searched(deployed)[0] == 0
