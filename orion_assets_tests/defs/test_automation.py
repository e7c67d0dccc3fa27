"""What starts runs: the schedule through a year of its own clock, and the sensor from a ticker added to its history."""

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl
import pytest
from dagster._utils.schedules import cron_string_iterator

from orion_assets import calendars
from orion_assets.cli.run import write_history
from orion_assets.clock import SystemClock
from orion_assets.definitions import build_definitions
from orion_assets.defs.automation import end_of_day_on
from orion_assets.defs.keeping import KEEPS, RANGE, choose, histories, pieces
from orion_assets.defs.partitions import sessions
from orion_assets.ingest.missing import lost
from orion_assets.schemas import FEATURE_MATRIX
from orion_assets.store.state import LEDGER_SCHEMA, State
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
    assert isinstance(said, list | dg.RunRequest) or said.skip_message
    return said if isinstance(said, list) else [said] if isinstance(said, dg.RunRequest) else []


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


def landed(state: State, session: date, asked_on: date, dataset: str = "raw_vix") -> None:
    """Say that a session was answered on the evening of a day."""
    at = datetime(asked_on.year, asked_on.month, asked_on.day, 21, tzinfo=UTC)
    cell = {"dataset": dataset, "ticker": "*", "session": session, "state": "data", "rows": 1, "ts_updated": at}
    state.record(pl.DataFrame([{**dict.fromkeys(LEDGER_SCHEMA), **cell}], LEDGER_SCHEMA))


def test_the_run_of_an_evening_begins_with_the_session_whose_turn_it_is_to_be_asked_for_again(tmp_path):
    state = State(f"sqlite:///{tmp_path}/state.db")
    days = calendars.sessions(date(2024, 3, 4), date(2024, 3, 13))["session"].to_list()
    for day in days[:6]:
        landed(state, day, day)
    # Asked for again on the evening after, all but the last one
    for day, after in pairwise(days[:6]):
        landed(state, day, after)
    # The first one on the fifth session after, too
    landed(state, days[0], days[5])
    tick = datetime(2024, 3, 12, 16, 35, tzinfo=NEW_YORK)
    schedule = end_of_day_on(sessions(date(2024, 1, 2)), state)

    (request,) = asked(tick, schedule)
    for day in days[:6]:
        landed(state, day, days[6])
    (alone,) = asked(tick, schedule)

    # The fifth session before, and the one before
    assert [request.tags[name] for name in RANGE] == ["2024-03-05", "2024-03-12"]
    assert request.run_key == "end-of-day 2024-03-12"
    assert alone.partition_key == "2024-03-12"


def test_an_audit_is_a_run_of_its_own_that_lands_only(tmp_path):
    state = State(f"sqlite:///{tmp_path}/state.db")
    landed(state, date(2024, 1, 3), date(2024, 1, 3))
    schedule = end_of_day_on(sessions(date(2024, 1, 2)), state, audits=2)
    tick = datetime(2024, 7, 9, 16, 35, tzinfo=NEW_YORK)

    today, *audits = asked(tick, schedule)

    assert today.partition_key == "2024-07-09"
    assert [[key.path for key in each.asset_selection] for each in audits] == [[["raw_vix"]]] * 2
    assert all(date(2024, 1, 3) <= date.fromisoformat(each.partition_key) < date(2024, 6, 9) for each in audits)
    assert {each.run_key for each in audits} == {each.run_key for each in asked(tick, schedule)[1:]}


@pytest.mark.accept
def test_as_it_is_deployed_a_year_has_one_run_a_session_beside_its_audits(tmp_path):
    state = State(f"sqlite:///{tmp_path}/state.db")
    schedule, held, ended, audited = end_of_day_on(sessions(date(2024, 1, 2)), state, audits=1), [], [], []
    for tick in ticks(*YEAR):
        for request in asked(tick, schedule):
            first = last = request.partition_key
            if request.asset_selection:
                audited.append((tick.date(), date.fromisoformat(first)))
                continue
            first, last = (first, last) if first else [request.tags[name] for name in RANGE]
            ended.append(last)
            held = [*held[-9:], date.fromisoformat(last)]
            for day in held[held.index(date.fromisoformat(first)) :]:
                landed(state, day, tick.date())

    expected = calendars.sessions(*YEAR)["session"].to_list()
    assert ended == [session.isoformat() for session in expected]
    # The first sessions are too young; from then on one a session
    assert [day for day, _ in audited] == [day for day in expected if day > date(2024, 1, 2) + timedelta(days=30)]
    assert all(then < day - timedelta(days=29) for day, then in audited)


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
    assert "all is answered and derived, and each has its history" in result.skip_reason.skip_message


def test_a_ticker_added_is_filled_then_what_came_meanwhile_derived_then_its_history_written(filled):
    market, on = filled
    added = next(ticker for ticker in LISTED if ticker not in FOLLOWED)
    State(market.settings().state_url).add_tickers([added], ts_added=SystemClock().now())
    # A run of the last session asks for the new ticker there before its past is filled
    assert market.materialize(LAST, LAST).success
    before = LAST - timedelta(days=3)

    first = evaluated(market, on)

    (fill,) = first.run_requests
    assert fill.job_name == "daily"
    assert (fill.tags[RANGE[0]], fill.tags[RANGE[1]]) == (START.isoformat(), before.isoformat())
    assert fill.run_config == {"resources": {"universe": {"config": {"only": [added]}}}}
    # Of minutes nobody has any
    assert {key.path[-1] for key in fill.asset_selection} == {"raw_daily_bars"}
    (request,) = first.dynamic_partitions_requests
    on.add_dynamic_partitions("tickers", request.partition_keys)
    run(market, on, fill)

    (derive,) = evaluated(market, on).run_requests
    assert (derive.job_name, derive.tags[RANGE[0]], derive.tags[RANGE[1]]) == ("daily", str(START), str(LAST))
    run(market, on, derive)

    (history,) = evaluated(market, on).run_requests
    assert (history.job_name, history.tags[RANGE[0]], history.tags[RANGE[1]]) == ("history", added, added)
    run(market, on, history)

    assert not evaluated(market, on).run_requests
    last = market.read(FEATURE_MATRIX).filter(ticker=added, session=LAST, cutoff="close")
    assert last["sma_5"].null_count() == 0


def test_a_ticker_followed_again_is_filled_again_though_its_file_was_written(filled):
    market, on = filled
    state = State(market.settings().state_url)
    added = next(ticker for ticker in LISTED if ticker not in FOLLOWED)
    now = SystemClock().now()
    state.remove_tickers([added], ts_removed=now)
    assert added not in state.histories_due()

    state.add_tickers([added], ts_added=now + timedelta(seconds=1))

    assert state.histories_due() == (added,)
    (piece,) = pieces(state, on.get_dynamic_partitions("tickers"), START, now)
    assert (piece.job, piece.keys) == ("history", (added, added))
    run(market, on, piece.request("none"))


def test_whoever_lacks_some_of_its_past_is_not_called_written(filled):
    market, on = filled
    state, now = State(market.settings().state_url), SystemClock().now()
    state.add_tickers(["DOVE"], ts_added=now)

    assert write_history(market.settings(), ["DOVE"], on, show=False).is_done

    assert "DOVE" in state.histories_due()
    (fill,) = evaluated(market, on).run_requests
    assert fill.run_config["resources"]["universe"]["config"]["only"] == ["DOVE"]
    state.remove_tickers(["DOVE"], ts_removed=now + timedelta(seconds=1))


def test_nothing_is_asked_for_before_anything_was_published(tmp_path):
    market = own_market.write(tmp_path)
    State(market.settings().state_url).add_tickers(FOLLOWED, ts_added=SystemClock().now())

    with dg.DagsterInstance.ephemeral() as on:
        on.add_dynamic_partitions("tickers", FOLLOWED)
        assert not evaluated(market, on).run_requests


def test_a_correction_asks_for_the_files_of_its_ticker_alone(filled):
    market, on = filled
    path = market.folder / "bars.csv"
    told = path.read_text()
    path.write_text(re.sub(r"(BOLT,2014-07-15,.*),\d+\n", r"\1,4242\n", told))
    assert market.materialize(date(2014, 7, 15), date(2014, 7, 15)).success

    (derive,) = evaluated(market, on).run_requests
    run(market, on, derive)
    (history,) = evaluated(market, on).run_requests

    assert (derive.job_name, derive.tags[RANGE[0]]) == ("daily", "2014-07-16")
    assert (history.job_name, history.tags[RANGE[0]], history.tags[RANGE[1]]) == ("history", "BOLT", "BOLT")
    run(market, on, history)
    assert not evaluated(market, on).run_requests


def ended(on, tag: str, status: dg.DagsterRunStatus = dg.DagsterRunStatus.FAILURE) -> str:
    job = dg.GraphDefinition(name="daily").to_job()
    return on.create_run_for_job(job, tags={KEEPS: tag}, status=status).run_id


@pytest.mark.parametrize("status", ["FAILURE", "CANCELED", "SUCCESS"])
def test_what_a_run_left_undone_is_asked_for_again_later_and_less_and_less(filled, status):
    market, _ = filled
    state, now = State(market.settings().state_url), SystemClock().now()
    state.log_landing("elsewhere", LAST, now)
    what = f"derive {LAST} {LAST + timedelta(days=1)}"

    with dg.DagsterInstance.ephemeral() as on:

        def asked_after(**wait: int) -> dg.RunRequest | str:
            return choose(on, state, FOLLOWED, START, now + timedelta(**wait))

        assert asked_after().run_key == f"{what} after none"
        last = ended(on, what, dg.DagsterRunStatus[status])
        at_once, later = asked_after(), asked_after(minutes=6)
        for _ in range(3):
            newest = ended(on, what, dg.DagsterRunStatus[status])
        rests, evening = asked_after(hours=2), asked_after(hours=7)
    state.log_landing("elsewhere", LAST, datetime(2014, 1, 1, tzinfo=NEW_YORK))

    assert f"{what} (1 times today" in at_once
    assert later.run_key == f"{what} after {last}"
    assert f"{what} (4 times today, last as run {newest[:8]}, {status.lower()})" in rests
    assert evening.run_key == f"{what} after {newest}"


def test_a_session_that_was_not_there_yet_is_asked_for_again_and_an_old_one_is_not(filled):
    market, _ = filled
    state = State(market.settings().state_url)
    days = calendars.sessions(START, LAST + timedelta(days=1))["session"].to_list()
    before = state.cells(dataset="raw_vix", start=days[0], end=days[-1] + timedelta(days=1)).drop("attempts")
    waits = before.filter(pl.col("session").is_in([days[3], days[-2]])).with_columns(state=pl.lit("not_yet"))

    state.record(waits)
    found = lost(state, SystemClock().now())
    closed_before = lost(state, datetime(days[-2].year, days[-2].month, days[-2].day, 18, tzinfo=UTC))
    state.record(before)

    assert found == [days[-2]]
    assert days[-2] not in closed_before
    assert lost(state, SystemClock().now()) == []


def test_what_failed_of_somebody_no_longer_followed_is_nobodys_work(filled):
    market, _ = filled
    state, now = State(market.settings().state_url), SystemClock().now()
    cell = state.cells(dataset="raw_daily_bars", tickers=[FOLLOWED[0]], start=LAST).drop("attempts")

    state.record(cell.with_columns(ticker=pl.lit("GONE"), state=pl.lit("failed")))

    assert lost(state, now) == []


def test_nothing_is_started_beside_a_run_under_way(filled):
    market, _ = filled
    state, now = State(market.settings().state_url), SystemClock().now()

    with dg.DagsterInstance.ephemeral() as on:
        going = on.create_run_for_job(dg.GraphDefinition(name="daily").to_job(), status=dg.DagsterRunStatus.STARTED)
        said = choose(on, state, FOLLOWED, START, now)

    assert said.startswith(f"run {going.run_id[:8]} of daily is under way")


def run(market, on, request: dg.RunRequest) -> None:
    job = build_definitions(market.settings()).resolve_job_def(request.job_name)
    result = job.execute_in_process(
        instance=on, tags=request.tags, run_config=request.run_config, asset_selection=request.asset_selection
    )
    assert result.success


def test_the_weekly_history_takes_every_followed_ticker_in_runs_of_a_hundred():
    keys = [f"T{number:03}" for number in range(250)]

    assert list(histories(keys, keys)) == [("T000", "T099"), ("T100", "T199"), ("T200", "T249")]
    assert list(histories(keys, [*keys[:3], "T007"])) == [("T000", "T002"), ("T007", "T007")]
    assert list(histories([], ["AAA"])) == []
