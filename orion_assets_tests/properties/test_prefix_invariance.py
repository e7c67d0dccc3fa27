"""Law L1 over the whole pure pipeline: what was built knowing T is what the full store shows as of T."""

from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets import calendars
from orion_assets.ingest.moment import Moment
from orion_assets.schemas import TABLES
from orion_assets.transforms.news import bearing
from orion_assets_tests.pipeline import at
from orion_assets_tests.worlds import END, START, answers_given, instants, live_world, random_world

LATER = Moment(datetime(2026, 1, 1, tzinfo=UTC))
WORLDS = 200
BATCH = 20


@pytest.mark.parametrize(
    "batch", [pytest.param(each, marks=[pytest.mark.accept] * (each > 2)) for each in range(WORLDS // BATCH)]
)
def test_a_store_built_until_t_equals_the_full_store_as_of_t(batch):
    _hold_the_law(range(batch * BATCH, (batch + 1) * BATCH), count=1)


@pytest.mark.accept
@pytest.mark.parametrize("batch", range(WORLDS // BATCH))
def test_it_does_so_at_many_instants_of_many_worlds(batch):
    _hold_the_law(range(10_000 + batch * BATCH, 10_000 + (batch + 1) * BATCH), count=3)


def _hold_the_law(seeds, *, count):
    for seed in seeds:
        full = random_world(seed)
        full.land(LATER)
        tables = full.derive()
        for instant in instants(seed, full, count=count):
            then = random_world(seed)
            then.land(Moment(instant, is_replay=True))
            for name, frame in then.derive().items():
                # Withdrawals too: they must not say what came to be known later
                told = tables[name].filter(pl.col("ts_known") <= instant)
                _assert_same_view(frame, told, f"seed {seed} at {instant} {name}")


@pytest.mark.parametrize("batch", range(2))
def test_what_was_lived_through_shows_at_t_what_was_landed_by_then(batch):
    _hold_the_live_law(range(batch * 4, (batch + 1) * 4))


@pytest.mark.accept
@pytest.mark.parametrize("batch", range(WORLDS // BATCH))
def test_it_does_so_in_many_worlds_that_were_lived_through(batch):
    _hold_the_live_law(range(20_000 + batch * BATCH, 20_000 + (batch + 1) * BATCH))


@pytest.mark.parametrize("batch", range(2))
def test_an_answer_given_live_stays_as_it_was_given(batch):
    _hold_to_the_answers(range(batch * 2, (batch + 1) * 2))


@pytest.mark.accept
@pytest.mark.parametrize("batch", range(10))
def test_many_answers_given_live_stay_as_they_were_given(batch):
    _hold_to_the_answers(range(30_000 + batch * 10, 30_000 + (batch + 1) * 10))


def _hold_to_the_answers(seeds):
    for seed in seeds:
        world, given = answers_given(seed, after=(5, 14, 21))
        tables = world.derive()
        for now, then in given:
            for name, frame in then.items():
                _assert_same_view(at(frame, now), at(tables[name], now), f"seed {seed} at {now} {name}")


def _hold_the_live_law(seeds):
    for seed in seeds:
        world = live_world(seed)
        tables = world.derive()
        for instant in instants(seed, world, count=1):
            for name, frame in world.cut(instant).derive().items():
                _assert_same_view(at(frame, instant), at(tables[name], instant), f"seed {seed} at {instant} {name}")


@pytest.mark.parametrize("batch", range(2))
def test_the_bytes_do_not_depend_on_how_the_range_was_split(batch):
    middle = calendars.sessions(START, END)["session"][7]
    for seed in range(1000 + batch * 5, 1005 + batch * 5):
        world = random_world(seed)
        world.land(LATER)
        whole, first, second = world.derive(), world.derive(START, middle), world.derive(middle, END)
        for name, frame in whole.items():
            if "session" not in frame.columns:
                continue
            _assert_same_view(pl.concat([first[name], second[name]]), frame, f"seed {seed} {name}")


def test_the_news_that_bears_upon_a_ticker_makes_its_features_alone():
    for seed in range(2000, 2004):
        whole, part = random_world(seed), random_world(seed)
        whole.land(LATER)
        part.land(LATER)
        part.held["raw_news"] = bearing(part.held["raw_news"], ["AAA"])
        assert 0 < part.held["raw_news"].height < whole.held["raw_news"].height
        mine, of_all = (world.derive()["feature_matrix"].filter(ticker="AAA") for world in (part, whole))
        assert_frame_equal(mine, of_all, check_exact=True)


def _assert_same_view(one: pl.DataFrame, other: pl.DataFrame, where: str) -> None:
    name = where.rsplit(" ", 1)[1]
    order = [*TABLES[name].key, "ts_known"]
    try:
        assert_frame_equal(one.drop("known_until").sort(order), other.drop("known_until").sort(order), check_exact=True)
    except AssertionError as e:
        raise AssertionError(f"{where}: {e}") from e
