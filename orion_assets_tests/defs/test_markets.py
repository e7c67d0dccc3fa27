"""Other markets in the graph: only those that are wanted, each by its own sessions."""

from datetime import UTC, date, datetime

import dagster as dg
import polars as pl
import pytest

from orion_assets.definitions import build_definitions
from orion_assets.defs.keeping import RANGE
from orion_assets.defs.market_jobs import end_of_day_of
from orion_assets.defs.partitions import sessions_axis
from orion_assets.markets import MARKETS
from orion_assets.settings import fixed
from orion_assets.store.state import LEDGER_SCHEMA, State

START = date(2024, 1, 2)
LAYERS = ("raw_daily_bars", "raw_minute_bars", "clean_daily_bars", "clean_minute_bars")


def names(**settings) -> tuple[set[str], set[str], set[str]]:
    made = build_definitions(fixed(source="none", start=START, **settings))
    dg.Definitions.validate_loadable(made)
    assets = {key.path[-1] for key in made.resolve_asset_graph().get_all_asset_keys()}
    jobs, schedules = ({each.name for each in found or ()} for found in (made.jobs, made.schedules))
    return assets, jobs, schedules


EQUITIES_ALONE = names()


def test_nobody_who_follows_equities_alone_sees_another_market():
    assets, jobs, schedules = EQUITIES_ALONE

    assert not [name for name in (*assets, *jobs, *schedules) if name.rpartition("_")[2] in MARKETS]
    assert names(markets=("otc",)) == EQUITIES_ALONE


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"markets": ("crypto",)}, {"crypto"}),
        ({"tickers": ("AAPL", "C:EURUSD", "I:SPX")}, {"fx", "indices"}),
        ({"markets": ("options",), "tickers": ("X:BTCUSD",)}, {"options", "crypto"}),
    ],
)
def test_a_market_that_is_wanted_has_four_assets_a_job_and_a_schedule(settings, expected):
    assets, jobs, schedules = names(**settings)

    more = [found - before for found, before in zip((assets, jobs, schedules), EQUITIES_ALONE, strict=True)]
    assert more == [
        {f"{layer}_{name}" for layer in LAYERS for name in expected},
        {f"daily_{name}" for name in expected},
        {f"end_of_day_{name}" for name in expected},
    ]


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        # Thursday before Good Friday to Easter Monday
        ("crypto", ["2024-03-28", "2024-03-29", "2024-03-30", "2024-03-31", "2024-04-01"]),
        ("fx", ["2024-03-28", "2024-03-29", "2024-04-01"]),
        ("indices", ["2024-03-28", "2024-04-01"]),
        ("options", ["2024-03-28", "2024-04-01"]),
    ],
)
def test_partitions_are_the_market_s_own_sessions(name, keys):
    axis = sessions_axis(MARKETS[name], START)

    found = axis.get_partition_keys_in_range(dg.PartitionKeyRange("2024-03-28", "2024-04-01"))

    assert list(found) == keys


@pytest.mark.parametrize(
    ("name", "tick", "expected"),
    [
        ("crypto", datetime(2024, 3, 31, 0, 35, tzinfo=UTC), "2024-03-30"),
        # 17:35 New York, in winter and in summer
        ("fx", datetime(2024, 3, 8, 22, 35, tzinfo=UTC), "2024-03-08"),
        ("fx", datetime(2024, 3, 11, 21, 35, tzinfo=UTC), "2024-03-11"),
        ("indices", datetime(2024, 3, 28, 20, 50, tzinfo=UTC), "2024-03-28"),
        # A half-day, at both of its ticks
        ("indices", datetime(2024, 7, 3, 17, 50, tzinfo=UTC), "2024-07-03"),
        ("indices", datetime(2024, 7, 3, 20, 50, tzinfo=UTC), None),
        ("options", datetime(2024, 3, 28, 20, 35, tzinfo=UTC), "2024-03-28"),
        # Good Friday
        ("options", datetime(2024, 3, 29, 20, 35, tzinfo=UTC), None),
        ("options", datetime(2023, 12, 28, 21, 35, tzinfo=UTC), None),
    ],
)
def test_the_schedule_fills_the_session_that_has_just_closed(name, tick, expected):
    schedule = end_of_day_of(MARKETS[name], sessions_axis(MARKETS[name], START))

    asked = schedule(dg.build_schedule_context(scheduled_execution_time=tick))

    assert (asked.partition_key if isinstance(asked, dg.RunRequest) else None) == expected


def test_the_run_of_a_market_begins_with_its_session_whose_turn_it_is_to_be_asked_for_again(tmp_path):
    state = State(f"sqlite:///{tmp_path}/state.db")
    state.add_tickers(["X:BTCUSD"], ts_added=datetime(2024, 3, 1, tzinfo=UTC))
    # Good Friday, answered when it closed
    closed = datetime(2024, 3, 30, 0, 35, tzinfo=UTC)
    cell = {"dataset": "raw_daily_bars_crypto", "ticker": "X:BTCUSD", "session": date(2024, 3, 29), "state": "data"}
    told = {**dict.fromkeys(LEDGER_SCHEMA), **cell, "rows": 1, "ts_updated": closed}
    state.record(pl.DataFrame([told], LEDGER_SCHEMA))
    schedule = end_of_day_of(MARKETS["crypto"], sessions_axis(MARKETS["crypto"], START), state)

    ticks = [datetime(2024, 3, day, 0, 35, tzinfo=UTC) for day in (30, 31)]
    alone, both = (schedule(dg.build_schedule_context(scheduled_execution_time=tick)) for tick in ticks)

    assert alone.partition_key == "2024-03-29"
    assert [both.tags[name] for name in RANGE] == ["2024-03-29", "2024-03-30"]
