from datetime import UTC, date, datetime

import pytest

from orion_assets.sources.protocols import ObjectRead
from orion_assets.store.state import State

MONDAY, TUESDAY, WEDNESDAY = date(2014, 6, 2), date(2014, 6, 3), date(2014, 6, 4)
NOW = datetime(2014, 6, 5, tzinfo=UTC)
ONE, TWO = ObjectRead("etag-1 100 2014-06-03T15:00:00Z", 11_000), ObjectRead("etag-2 99 2014-06-09T15:00:00Z", 10_999)


@pytest.fixture(params=["sqlite", "postgres"])
def state(request, tmp_path):
    url = request.getfixturevalue("database") if request.param == "postgres" else f"sqlite:///{tmp_path}/state.db"
    made = State(url)
    yield made
    made.close()


def test_objects_are_remembered_by_dataset_and_session(state):
    state.objects.record("raw_minute_bars", {TUESDAY: TWO, MONDAY: ONE}, NOW)
    state.objects.record("raw_daily_bars", {MONDAY: TWO}, NOW)

    assert state.objects.between("raw_minute_bars", MONDAY, WEDNESDAY) == {MONDAY: ONE, TUESDAY: TWO}
    assert state.objects.between("raw_minute_bars", MONDAY, TUESDAY) == {MONDAY: ONE}
    assert state.objects.between("raw_daily_bars", MONDAY, WEDNESDAY) == {MONDAY: TWO}


def test_the_last_word_on_a_session_counts_and_nothing_at_all_may_be_said(state):
    state.objects.record("raw_minute_bars", {MONDAY: ONE}, NOW)
    state.objects.record("raw_minute_bars", {MONDAY: TWO}, NOW)
    state.objects.record("raw_minute_bars", {}, NOW)

    assert state.objects.between("raw_minute_bars", MONDAY, TUESDAY) == {MONDAY: TWO}


def test_forgetting_the_ledger_forgets_no_object(state):
    state.objects.record("raw_minute_bars", {MONDAY: ONE}, NOW)

    state.clear()

    assert state.objects.between("raw_minute_bars", MONDAY, TUESDAY) == {MONDAY: ONE}
