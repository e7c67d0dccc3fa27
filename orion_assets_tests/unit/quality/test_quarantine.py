import pytest

from orion_assets.quality.quarantine import hold
from orion_assets.schemas import QUARANTINE
from orion_assets.store.lake import Lake
from orion_assets_tests.unit.transforms.rows import HOUR, MON, TUE, WED, close_cutoff, rows, told


@pytest.fixture
def lake(tmp_path):
    return Lake(str(tmp_path / "lake"))


def held(key: str, session=MON, rule="readable", **more) -> dict:
    return {"origin": "raw_daily_bars", "session": session, "row_key": key, "rule": rule, **more}


def test_rows_are_held_once(lake):
    given = rows(QUARANTINE, held("a"), held("b"))

    assert hold(lake, given, MON, WED) == 2
    assert hold(lake, given, MON, WED) == 0
    assert told(lake.read(QUARANTINE), "row_key") == [("a",), ("b",)]


def test_a_row_that_breaks_another_rule_or_is_said_again_is_held_too(lake):
    hold(lake, rows(QUARANTINE, held("a")), MON, WED)

    later = close_cutoff(MON) + HOUR
    again = rows(QUARANTINE, held("a"), held("a", rule="ordered"), held("a", ts_known=later), held("a", TUE))

    assert hold(lake, again, MON, WED) == 3


def test_holding_nothing_touches_nothing(lake):
    assert hold(lake, QUARANTINE.empty(), MON, WED) == 0
    assert not lake.exists(QUARANTINE)
