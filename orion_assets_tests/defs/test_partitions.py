from datetime import date, datetime

import pytest
from dagster import PartitionKeyRange

from orion_assets import calendars
from orion_assets.defs.partitions import look_back, sessions, span_of

AXIS = sessions(date(2014, 6, 28))


def last_key(*instant: int) -> str:
    return AXIS.get_partition_keys(current_time=datetime(*instant, tzinfo=calendars.NEW_YORK))[-1]


def test_keys_are_the_sessions_of_the_exchange():
    keys = AXIS.get_partition_keys(current_time=datetime(2015, 1, 3, 12, tzinfo=calendars.NEW_YORK))

    expected = calendars.sessions(date(2014, 6, 28), date(2015, 1, 6))["session"]
    assert keys == [session.isoformat() for session in expected]


@pytest.mark.parametrize(
    ("instant", "last"),
    [
        ((2014, 7, 2, 0, 1), "2014-07-02"),
        ((2014, 7, 2, 9, 25), "2014-07-02"),
        ((2014, 7, 2, 23, 59), "2014-07-02"),
    ],
)
def test_the_session_under_way_exists_from_midnight_to_midnight(instant, last):
    assert last_key(*instant) == last


@pytest.mark.parametrize("instant", [(2014, 7, 4, 12), (2014, 7, 5, 0, 1), (2014, 7, 6, 23, 59)])
def test_on_a_closed_day_the_next_session_exists(instant):
    assert last_key(*instant) == "2014-07-07"


def test_the_axis_of_a_market_that_ended_ends_with_it():
    ended = sessions(date(2024, 12, 20), date(2025, 1, 1))

    assert ended.get_partition_keys()[-1] == "2024-12-31"
    assert not ended.has_partition_key("2025-01-02")


def test_the_axis_begins_at_the_first_session_of_a_closed_start():
    assert AXIS.get_first_partition_key() == "2014-06-30"


def test_a_range_of_keys_is_a_half_open_range_of_sessions():
    assert span_of(PartitionKeyRange("2014-06-30", "2014-07-03")) == (date(2014, 6, 30), date(2014, 7, 4))


def test_a_look_back_counts_sessions_and_stops_where_the_axis_begins():
    subset = AXIS.empty_subset().with_partition_keys(["2014-07-07"])

    reached = look_back(2).get_upstream_mapped_partitions_result_for_partitions(subset, AXIS, AXIS)
    beyond = look_back().get_upstream_mapped_partitions_result_for_partitions(subset, AXIS, AXIS)

    assert sorted(reached.partitions_subset.get_partition_keys()) == ["2014-07-02", "2014-07-03", "2014-07-07"]
    assert min(beyond.partitions_subset.get_partition_keys()) == "2014-06-30"
    assert list(beyond.required_but_nonexistent_subset.get_partition_keys()) == []
