"""What starts runs: the schedule through a year of its own clock, and the sensor from a ticker added to its history."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import cron_string_iterator

from orion_assets import calendars
from orion_assets.cli.run import write_history
from orion_assets.clock import SystemClock
from orion_assets.definitions import build_definitions
from orion_assets.defs.automation import end_of_day_on, whole_axis
from orion_assets.defs.partitions import sessions
from orion_assets.store.state import State
from orion_assets_tests import own_market
from orion_assets_tests.own_market import FOLLOWED, LAST, LISTED, START

NEW_YORK = ZoneInfo("America/New_York")
YEAR = (date(2024, 1, 1), date(2025, 1, 1))
SCHEDULE = end_of_day_on(sessions(date(2024, 1, 2)))


def ticks(first: date, last: date):
    """Every tick of the schedule's own cron line."""
    start = datetime(first.year, first.month, first.day, tzinfo=NEW_YORK).timestamp()
    for tick in cron_string_iterator(start, SCHEDULE.cron_schedule, SCHEDULE.execution_timezone):
        if tick.date() >= last:
            return
        yield tick


def asked(tick: datetime, schedule: dg.ScheduleDefinition = SCHEDULE) -> list[dg.RunRequest]:
    said = schedule(dg.build_schedule_context(scheduled_execution_time=tick))
    assert isinstance(said, dg.RunRequest) or said.skip_message
    return [said] if isinstance(said, dg.RunRequest) else []


@pytest.fixture(scope="module")
def runs():
    """The session of every run of a year, and the tick that asked for it."""
    return [(request.partition_key, tick) for tick in ticks(*YEAR) for request in asked(tick)]


def test_a_year_has_exactly_one_run_a_session_and_none_on_closed_days(runs):
    sessions = calendars.sessions(*YEAR)["session"].to_list()

    assert [key for key, _ in runs] == [session.isoformat() for session in sessions]
    assert len(sessions) == 252


def test_it_comes_five_minutes_after_the_close_cut_off_on_half_days_and_over_both_clock_changes(runs):
    cutoffs = dict(calendars.sessions(*YEAR).select("session", "ts_close_cutoff").iter_rows())

    for key, tick in runs:
        assert tick - cutoffs[date.fromisoformat(key)] == timedelta(minutes=5)
    local = {key: tick.astimezone(NEW_YORK).strftime("%H:%M") for key, tick in runs}
    assert {local[key] for key in ("2024-07-03", "2024-11-29", "2024-12-24")} == {"13:35"}
    # The Fridays and Mondays around 10 March and 3 November
    assert {local[key] for key in ("2024-03-08", "2024-03-11", "2024-11-01", "2024-11-04")} == {"16:35"}
    utc = {key: tick.astimezone(ZoneInfo("UTC")).hour for key, tick in runs}
    assert (utc["2024-03-08"], utc["2024-03-11"], utc["2024-11-01"], utc["2024-11-04"]) == (21, 20, 20, 21)


def test_a_run_is_asked_for_once_whatever_the_daemon_repeats(runs):
    tick = runs[0][1]

    assert asked(tick)[0].run_key == asked(tick)[0].run_key == f"end-of-day {runs[0][0]}"


def test_nothing_is_asked_of_a_market_that_has_ended():
    ended = end_of_day_on(sessions(date(2024, 1, 2), date(2024, 7, 2)))

    days = [
        request.partition_key for tick in ticks(date(2024, 6, 27), date(2024, 7, 9)) for request in asked(tick, ended)
    ]

    assert days == ["2024-06-27", "2024-06-28", "2024-07-01"]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    market = own_market.write(tmp_path_factory.mktemp("automation"))
    assert market.materialize(job="reference").success
    assert market.materialize().success
    with dg.DagsterInstance.ephemeral() as on:
        assert write_history(market.settings(), FOLLOWED, on, show=False).is_done
        yield market, on


def evaluated(market, on) -> dg.SensorResult:
    definitions = build_definitions(market.settings())
    context = dg.build_sensor_context(
        instance=on, definitions=definitions, resources={"state": State(market.settings().state_url)}
    )
    return definitions.resolve_sensor_def("universe")(context)


def test_the_sensor_rests_while_everybody_has_a_history(filled):
    result = evaluated(*filled)

    assert not result.run_requests
    assert "each has its history" in result.skip_reason.skip_message


def test_a_ticker_added_is_filled_first_and_gets_its_history_then(filled):
    market, on = filled
    added = next(ticker for ticker in LISTED if ticker not in FOLLOWED)
    State(market.settings().state_url).add_tickers([added], ts_added=SystemClock().now())

    first = evaluated(market, on)

    (fill,) = first.run_requests
    assert fill.job_name == "daily"
    assert fill.tags == {
        "dagster/asset_partition_range_start": START.isoformat(),
        "dagster/asset_partition_range_end": LAST.isoformat(),
    }
    assert fill.run_config == {"resources": {"universe": {"config": {"only": [added]}}}}
    (request,) = first.dynamic_partitions_requests
    on.add_dynamic_partitions("tickers", request.partition_keys)
    run(market, on, fill)

    (history,) = evaluated(market, on).run_requests
    assert (history.job_name, history.partition_key) == ("history", added)
    run(market, on, history)

    assert not evaluated(market, on).run_requests


def run(market, on, request: dg.RunRequest) -> None:
    job = build_definitions(market.settings()).resolve_job_def(request.job_name)
    result = job.execute_in_process(
        instance=on, tags=request.tags, run_config=request.run_config, partition_key=request.partition_key
    )
    assert result.success


def test_the_weekly_history_takes_every_ticker_in_one_run():
    assert list(whole_axis(["AAA", "BBB", "CCC"]).tags.values()) == ["AAA", "CCC"]
    assert whole_axis([]).skip_message == "no ticker has a history yet"
