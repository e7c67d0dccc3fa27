"""The engine: what it refuses, and what its answers must not depend on."""

import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from orion_assets.transforms.indicators import CORE, REGISTRY, compute
from orion_assets.transforms.indicators.registry import register
from orion_assets_tests.indicator_frames import bars_of, differences, market, planted, walk


@pytest.fixture(scope="module")
def bars():
    # Three blocks, with edges inside bytes of the null bitmap, and tickers of one to twenty bars
    small = [walk(1 + i % 20, ticker=f"S{i:04d}", seed=i) for i in range(120)]
    large = [walk(rows, ticker=f"T{rows}", seed=rows) for rows in (20001, 53333, 70005, 7003, 80011)]
    return pl.concat(small + sorted(large, key=lambda part: part["ticker"][0]))


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_values_do_not_depend_on_threads(bars, threads):
    assert differences(compute(bars, threads=1), compute(bars, threads=threads)) == []


def test_values_do_not_depend_on_chunks_or_alignment(bars):
    part = bars.head(5000)
    pieces = pl.concat([part.slice(i, 777) for i in range(0, 5000, 777)], rechunk=False)
    shifted = pl.concat((bars_of([1.0] * 3, ticker="A"), part), rechunk=True).slice(3)

    assert part["close"].n_chunks() != pieces["close"].n_chunks()
    assert differences(compute(part), compute(pieces)) == []
    assert differences(compute(part), compute(shifted)) == []


def test_each_ticker_is_as_it_is_alone(bars):
    frame = compute(bars)

    for ticker in ("S0000", "S0007", "S0119", "T53333", "T7003"):
        assert differences(frame.filter(ticker=ticker), compute(bars.filter(ticker=ticker))) == [], ticker


def test_input_is_left_alone(bars):
    before = bars.clone().with_columns(pl.all())
    copy = pl.DataFrame({name: bars[name].to_list() for name in bars.columns}, schema=bars.schema)

    compute(bars)

    assert bars.equals(copy)
    assert before.equals(copy)


def test_no_rows_give_no_rows():
    frame = compute(bars_of([]))

    assert frame.height == 0
    assert set(frame.schema.dtypes()[7:]) == {pl.Float64()}


def test_indicators_come_in_the_order_of_the_register():
    frame = compute(walk(30), [REGISTRY["obv"], REGISTRY["sma_5"]])

    assert frame.columns[-2:] == ["sma_5", "obv"]


@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
@pytest.mark.parametrize(("value", "text"), [(None, "null"), (float("nan"), "NaN"), (float("inf"), "inf")])
def test_a_value_that_is_no_number_is_refused_by_name(column, value, text):
    frame = market(tickers=2, rows=60)
    hole = (pl.col("ticker") == "T001") & (pl.int_range(pl.len()).over("ticker") == 7)
    frame = frame.with_columns(pl.when(hole).then(value).otherwise(pl.col(column)).alias(column))

    with pytest.raises(ValueError, match=rf"(?i){column} is {text} at T001 2020-01-08"):
        compute(frame)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param(lambda f: f.reverse(), "T000 comes after T001", id="reversed"),
        pytest.param(lambda f: pl.concat((f, f.head(1))), "T000 comes after T001", id="a ticker twice"),
        pytest.param(lambda f: pl.concat((f, f.tail(1))), "T001 comes after 2020-02-26", id="a session twice"),
        pytest.param(
            lambda f: f.sort("ticker", "session", descending=[False, True]), "comes after", id="sessions backwards"
        ),
        pytest.param(lambda f: f.drop("close"), "close is missing", id="no close"),
        pytest.param(lambda f: f.cast({"volume": pl.Int64}), "volume is Int64", id="integer volume"),
        pytest.param(lambda f: f.with_columns(session=pl.lit("x")), "session is String", id="text session"),
        pytest.param(lambda f: f.with_columns(ticker=pl.lit(None, pl.String)), "ticker is null", id="null ticker"),
        pytest.param(lambda f: f.with_columns(obv=1.0), "column obv exists already", id="column taken"),
    ],
)
def test_bars_of_another_shape_are_refused(change, text):
    with pytest.raises(ValueError, match=text):
        compute(change(market(tickers=2, rows=60)))


def test_an_indicator_asked_for_twice_is_refused():
    with pytest.raises(ValueError, match="obv exists already"):
        compute(walk(5), [REGISTRY["obv"], REGISTRY["obv"]])


def test_a_taken_name_cannot_be_registered():
    with pytest.raises(ValueError, match="sma_5"):
        register(REGISTRY["sma_5"])


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        ("sma_5", {"window": 0}),
        ("ema_12", {"window": 0}),
        ("rsi_14", {"window": 1}),
        ("macd_12_26_9", {"fast": 26, "slow": 12, "signal": 9}),
        ("bb_20_2", {"window": 20, "deviations": 0}),
        ("stoch_14_3", {"window": 14, "smooth": 0}),
    ],
)
def test_a_window_that_is_too_short_is_refused(function, parameters):
    entry = REGISTRY[function]
    other = type(entry)("other", entry.function, entry.outputs, 0, "", entry.inputs, parameters)

    with pytest.raises(ValueError, match="must be at least"):
        compute(walk(50), [other])


def test_bars_within_a_session_are_ordered_by_their_close():
    frame = walk(40).with_columns(
        session=pl.lit(walk(1)["session"][0]),
        ts_event=pl.from_epoch(pl.int_range(pl.len()) * 300 + 1_577_977_200, time_unit="s"),
    )

    assert compute(frame, clock="ts_event")["sma_5"].null_count() == 4
    with pytest.raises(ValueError, match="session 2020-01-01 of A comes after"):
        compute(frame)


def test_a_plant_runs_beside_the_register():
    frame = compute(walk(10), [planted(lambda close: close), REGISTRY["sma_5"]])

    assert frame.columns[-2:] == ["sma_5", "planted"]
    assert np.array_equal(frame["planted"].to_numpy(), frame["close"].to_numpy())


@pytest.mark.parametrize("entry", CORE, ids=lambda entry: entry.name)
def test_each_entry_documents_itself(entry):
    text = entry.function.__doc__

    assert all(part in text for part in ("Args:", "Returns:", "Source:"))
    assert all(output.description and output.unit for output in entry.outputs)


@pytest.mark.slow
def test_the_package_works_where_machine_code_cannot_be_kept():
    # A read-only image without a home: no directory that numba may write to
    program = """
import numba.core.caching as caching
def refuse(self): raise OSError("read-only")
for locator in caching.CacheImpl._locator_classes: locator.ensure_cache_path = refuse
from orion_assets.transforms.indicators import REGISTRY, compute, kernels
from orion_assets_tests.indicator_frames import walk
print(compute(walk(30), [REGISTRY["sma_5"]])["sma_5"][-1].hex())
assert type(kernels.window_mean._cache).__name__ == "NullCache"
"""

    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert answer.stderr == ""
    assert answer.stdout.strip() == compute(walk(30), [REGISTRY["sma_5"]])["sma_5"][-1].hex()
