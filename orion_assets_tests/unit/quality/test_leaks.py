"""The gate against look-ahead: silent on honest features, loud on each way to cheat that people fall for."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.ingest.moment import Moment
from orion_assets.quality.leaks import ROW, Scope, leaks, probes, sample, spot_check
from orion_assets.schemas import FEATURE_MATRIX, RAW_TICKERS, RAW_UNIVERSE
from orion_assets.sources.synthetic.source import SyntheticSource
from orion_assets.transforms import bars, daily, news
from orion_assets.transforms.pipeline import derive, kin
from orion_assets_tests.pipeline import World, at, universe_of

CALENDAR = calendars.sessions()
SPAN = (date(2024, 10, 1), date(2024, 11, 23))
TICKERS = ("DUNE", "IRIS", "LYNX", "NOVA")
SCOPE = Scope(TICKERS, *SPAN)
KEY = ["ticker", "session", "cutoff"]


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


def found(raw, how=derive, count=6) -> pl.DataFrame:
    """What the gate says of a store that was filled in this way."""
    filled = how(raw, CALENDAR, *SPAN)[FEATURE_MATRIX.name]
    return leaks(raw, lambda instant: at(filled, instant), CALENDAR, probes(raw, CALENDAR, SCOPE, count), SCOPE, how)


def test_honest_features_do_not_leak(raw):
    assert found(raw, count=8).is_empty()


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


CHEATS = {
    "centred window": over_sessions(pl.col("close").rolling_mean(5, center=True)),
    "shift(-1)": over_sessions(pl.col("close").shift(-1)),
    "full-sample scaling": over_sessions(pl.col("close") / pl.col("close").mean()),
    "same-session close in the open row": cheating(same_session),
    "future universe member": cheating(only_survivors),
    "VIX joined by equality": cheating(by_equality),
}


@pytest.mark.parametrize("name", CHEATS)
def test_what_is_made_of_the_whole_sample_is_caught(raw, name):
    told = found(raw, CHEATS[name])

    assert not told.is_empty()
    feature = {"future universe member": ROW, "VIX joined by equality": "vix_close"}.get(name, "sma_5")
    assert set(told["feature"]) == {feature}
    assert told["session"].is_between(*SPAN).all()


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


@pytest.mark.parametrize(
    ("module", "name", "cheat"),
    [
        (daily, "_before", unlimited),
        (news, "_with_sessions", by_publication),
        (bars, "clean_daily_bars", before_the_close),
        (bars, "clean_daily_bars", restated),
    ],
    ids=["future split", "news by publication", "unfinished bar", "restated value"],
)
def test_what_was_not_known_yet_is_caught(raw, monkeypatch, module, name, cheat):
    monkeypatch.setattr(module, name, cheat)

    told = found(raw, count=20)

    assert not told.is_empty()
    assert set(told["ticker"]) <= set(TICKERS)


def test_it_names_the_first_bad_row_and_both_values(raw):
    told = found(raw, CHEATS["shift(-1)"], count=4).sort("as_of").row(0, named=True)

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
