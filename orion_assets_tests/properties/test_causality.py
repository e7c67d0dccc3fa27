"""The law of the house: a value never changes when the future arrives, and forgets what left its window."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orion_assets.transforms.indicators import REGISTRY
from orion_assets_tests.indicator_frames import bars_of, differences, features, lookahead, planted, walk

ENTRIES = list(REGISTRY.values())
WINDOWED = [
    entry for entry in ENTRIES if entry.name.split("_")[0] in {"sma", "bb", "vwap", "stoch", "roc", "ret", "realized"}
]

prices = st.floats(min_value=0.01, max_value=1e5, allow_subnormal=False)
bars = st.lists(st.tuples(prices, st.floats(0, 0.2), st.integers(0, 10**9)), min_size=1, max_size=80)


def _frame(drawn, *, after=0):
    closes, spreads, volumes = zip(*drawn, strict=True)
    frame = bars_of([1.0] * after + list(closes), volumes=[0] * after + list(volumes))
    spread = pl.Series([0.0] * after + list(spreads))
    return frame.with_columns(high=pl.col("close") * (1 + spread), low=pl.col("close") * (1 - spread)).slice(after)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
@settings(deadline=None, max_examples=25)
@given(past=bars, future=bars)
def test_a_value_does_not_change_when_the_future_arrives(entry, past, future):
    then = _frame(past)

    changed = lookahead(entry, then, _frame(future, after=then.height))

    assert changed == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
@pytest.mark.parametrize("cut", [1, 14, 26, 199, 1023, 1024, 1043, 1500])
def test_a_long_history_is_the_same_wherever_it_ends(entry, cut):
    series = walk(2200, seed=3)

    changed = lookahead(entry, series.head(cut), series.slice(cut))

    assert changed == []


@pytest.mark.parametrize(
    "cheat",
    [
        pytest.param(lambda close: np.append(close[1:], np.nan), id="shift(-1)"),
        pytest.param(lambda close: np.convolve(close, np.ones(3) / 3, mode="same"), id="centred window"),
        pytest.param(lambda close: np.full(close.size, close.mean()), id="full-sample mean"),
    ],
)
def test_the_law_catches_an_indicator_that_looks_ahead(cheat):
    series = walk(60)

    changed = lookahead(planted(cheat), series.head(40), series.slice(40))

    assert changed == ["planted"]


def test_the_law_passes_an_honest_plant():
    series = walk(60)

    assert lookahead(planted(lambda close: close * 2), series.head(40), series.slice(40)) == []


@pytest.mark.parametrize("entry", WINDOWED, ids=lambda entry: entry.name)
@pytest.mark.parametrize("row", [0, 300, 1023, 1024, 1700])
def test_a_changed_bar_is_forgotten_when_it_leaves_the_window(entry, row):
    series = walk(2200, seed=5)
    factor = pl.when(pl.int_range(pl.len()) == row).then(1.37).otherwise(1.0)
    other = series.with_columns(pl.col("open", "high", "low", "close") * factor, volume=pl.col("volume") * factor)

    was, now = features(series, entry), features(other, entry)

    beyond = row + entry.warm_up + 1
    assert differences(was.slice(beyond), now.slice(beyond)) == []
    assert differences(was.head(row), now.head(row)) == []
    if row >= entry.warm_up:
        assert differences(was, now) == was.columns
