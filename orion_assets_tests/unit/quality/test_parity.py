import polars as pl
import pytest

from orion_assets.quality.parity import unequal
from orion_assets.schemas import FEATURE_MATRIX
from orion_assets_tests.unit.transforms.rows import HOUR, MON, TUE, close_cutoff, rows


def row(session=MON, **more) -> dict:
    return {"ticker": "AAA", "session": session, "cutoff": "close", "bar_session": session, "sma_5": 0.1 + 0.2, **more}


SAME = rows(FEATURE_MATRIX, row(), row(TUE, sma_5=None))


def differing(rebuilt: pl.DataFrame, stored: pl.DataFrame) -> list[tuple]:
    return unequal(rebuilt, stored, FEATURE_MATRIX).select("session", "differs").rows()


def test_the_same_rows_in_any_order_are_equal():
    assert differing(SAME, SAME.reverse()) == []


@pytest.mark.parametrize("value", [0.3, None], ids=["the last bit", "null"])
def test_one_bit_is_a_difference(value):
    assert differing(SAME, rows(FEATURE_MATRIX, row(sma_5=value), row(TUE, sma_5=None))) == [(MON, "sma_5")]


def test_rows_of_one_side_alone_are_told():
    assert differing(SAME, SAME.head(1)) == [(TUE, "rebuilt only")]
    assert differing(SAME.head(1), SAME) == [(TUE, "stored only")]


def test_a_version_more_and_an_interval_that_ends_otherwise_are_differences():
    later = close_cutoff(MON) + HOUR
    ended = rows(FEATURE_MATRIX, row(known_until=later), row(ts_known=later, sma_5=1.0))

    assert differing(SAME.head(1), ended) == [(MON, "known_until"), (MON, "stored only")]


def test_nothing_equals_nothing():
    assert differing(FEATURE_MATRIX.empty(), FEATURE_MATRIX.empty()) == []
