"""Squares of the heat map, by hand."""

import polars as pl

from orion_assets.quality.heat import LETTERS, MEANINGS, heat_map
from orion_assets.store.state import STATES


def counts(*rows: dict) -> pl.DataFrame:
    return pl.DataFrame([{**dict.fromkeys(STATES, 0), **row} for row in rows])


def test_a_square_tells_the_share_of_data_and_counts_the_other_states():
    made = heat_map(counts({"dataset": "raw_vix", "month": "2014-06", "data": 199, "failed": 1, "not_yet": 0}))

    (square,) = made.rows["raw_vix"]
    # Rounded down: a hundred are all of them
    assert (square.share, square.others) == (99, ["F1"])
    assert square.bar == [("data", 99.5), ("failed", 0.5)]
    assert square.words == "199 data, 1 failed"


def test_months_without_cells_are_left_blank_and_names_keep_their_order():
    rows = [
        {"dataset": "raw_daily_bars", "ticker": "ZZZ", "month": "2014-07", "not_entitled": 3},
        {"dataset": "raw_daily_bars", "ticker": "AAA", "month": "2014-05", "data": 21},
    ]

    made = heat_map(counts(*rows))

    assert made.months == ["2014-05", "2014-07"]
    assert list(made.rows) == ["ZZZ", "AAA"]
    assert [square and square.share for square in made.rows["ZZZ"]] == [None, 0]


def test_a_ticker_is_named_with_its_dataset_where_there_are_several():
    rows = [
        {"dataset": name, "ticker": "AAA", "month": "2014-05", "data": 1}
        for name in ("raw_daily_bars", "raw_minute_bars")
    ]

    assert list(heat_map(counts(*rows)).rows) == ["AAA raw_daily_bars", "AAA raw_minute_bars"]


def test_every_state_has_a_letter_of_its_own_and_a_meaning():
    assert set(LETTERS) == set(MEANINGS) == set(STATES)
    assert len(set(LETTERS.values())) == len(STATES)
