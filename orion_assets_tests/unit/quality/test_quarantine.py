import pytest

from orion_assets.quality.quarantine import hold, hold_all, standing
from orion_assets.schemas import QUARANTINE, RAW_DAILY_BARS, RAW_TICKERS
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


def reference(key: str, session=MON, **more) -> dict:
    return held(key, session, origin="raw_tickers", **more)


def test_what_an_origin_no_longer_accuses_leaves_and_the_rest_stays(lake):
    hold(lake, rows(QUARANTINE, held("bar")), MON, WED)
    hold_all(lake, RAW_TICKERS, rows(QUARANTINE, reference("a"), reference("b", TUE)))

    added = hold_all(lake, RAW_TICKERS, rows(QUARANTINE, reference("b", TUE), reference("c", WED)))

    assert added == 1
    assert told(lake.read(QUARANTINE), "origin", "session", "row_key") == [
        ("raw_daily_bars", MON, "bar"),
        ("raw_tickers", TUE, "b"),
        ("raw_tickers", WED, "c"),
    ]


def test_the_last_row_of_an_origin_leaves_too(lake):
    hold_all(lake, RAW_TICKERS, rows(QUARANTINE, reference("a")))

    assert hold_all(lake, RAW_TICKERS, QUARANTINE.empty()) == 0
    assert lake.read(QUARANTINE).is_empty()


def test_holding_all_of_it_again_commits_nothing(lake):
    given = rows(QUARANTINE, reference("a"), reference("b", TUE))
    hold_all(lake, RAW_TICKERS, given)
    version = lake.version(QUARANTINE)

    assert hold_all(lake, RAW_TICKERS, given) == 0
    assert lake.version(QUARANTINE) == version


@pytest.mark.parametrize(
    ("later", "count"),
    [
        ({}, 1),
        ({"ts_known": close_cutoff(MON) + HOUR}, 0),
        ({"ts_known": close_cutoff(MON) + HOUR, "is_deleted": True}, 0),
    ],
    ids=["as it stands", "corrected", "withdrawn"],
)
def test_only_what_the_source_still_says_is_accused(later, count):
    bar = {"ticker": "AAA", "session": MON}
    raw = rows(RAW_DAILY_BARS, *([bar, {**bar, **later}] if later else [bar]))

    found = standing(rows(QUARANTINE, held("AAA 2014-06-02")), {RAW_DAILY_BARS: raw})

    assert found.height == count
