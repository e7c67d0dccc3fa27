"""Values worked out on paper, nulls, and what happens at the edges."""

import math
import statistics

import polars as pl
import pytest

from orion_assets.transforms.indicators import REGISTRY, compute
from orion_assets_tests.indicator_frames import bars_of, differences, features, market, walk

FIRST_ROW = (
    {"sma_5": 4, "sma_10": 9, "sma_20": 19, "sma_50": 49, "sma_200": 199, "ema_12": 11, "ema_26": 25}
    | {"macd_12_26": 33, "macd_signal_12_26_9": 33, "macd_hist_12_26_9": 33, "rsi_14": 14}
    | {"stoch_k_14": 15, "stoch_d_14_3": 15, "roc_1": 1, "roc_5": 5, "roc_20": 20}
    | {"bb_upper_20_2": 19, "bb_middle_20_2": 19, "bb_lower_20_2": 19, "bb_percent_b_20_2": 19, "bb_width_20_2": 19}
    | {"atr_14": 14, "realized_vol_20": 20, "obv": 0, "vwap_20": 19, "ret_simple": 1, "ret_log": 1}
)


def of(name, bars):
    entry = next(entry for entry in REGISTRY.values() if name in {output.name for output in entry.outputs})
    return features(bars, entry)[name].to_list()


def test_each_column_starts_on_its_row_and_stays():
    bars = walk(300).with_columns(volume=1.0)
    frame = compute(bars).drop(bars.columns)

    starts = {name: frame[name].is_not_null().arg_max() for name in frame.columns}

    assert starts == FIRST_ROW
    assert {name: 300 - frame[name].null_count() for name in frame.columns} == {k: 300 - v for k, v in starts.items()}
    assert all(frame[name].is_nan().sum() == 0 for name in frame.columns)


def test_sma_and_roc_of_a_few_closes():
    bars = bars_of([1, 2, 3, 4, 5, 16])

    assert of("sma_5", bars) == [None, None, None, None, 3.0, 6.0]
    assert of("roc_5", bars) == [None, None, None, None, None, 1500.0]
    assert of("ret_simple", bars)[:3] == [None, 1.0, 0.5]
    assert of("ret_log", bars)[1] == math.log(2)


def test_ema_starts_at_the_mean_of_its_window():
    values = of("ema_12", bars_of([*range(1, 13), 19.5]))

    assert values[:12] == [None] * 11 + [6.5]
    assert values[12] == pytest.approx(6.5 + 2 / 13 * 13, rel=1e-15)


def test_macd_of_a_straight_line_is_half_the_difference_of_its_windows():
    # On a line of slope 1 an average of n rows lags by (n - 1) / 2, from its start on: 12.5 - 5.5
    values = of("macd_12_26", bars_of(range(1, 60)))

    assert values[32] is None
    assert values[33:] == pytest.approx([7.0] * 26, rel=1e-12)
    assert of("macd_hist_12_26_9", bars_of(range(1, 60)))[33:] == pytest.approx([0.0] * 26, abs=1e-12)


def test_rsi_of_three_rising_closes_to_one_falling():
    changes = [3.0, -1.0] * 7 + [7.0]
    closes = [100.0]
    for change in changes:
        closes.append(closes[-1] + change)

    values = of("rsi_14", bars_of(closes))

    assert values[14] == 75.0
    assert values[15] == pytest.approx(100 * (1.5 * 13 + 7) / (1.5 * 13 + 7 + 0.5 * 13), rel=1e-14)


def test_rsi_is_null_while_the_price_has_never_moved():
    values = of("rsi_14", bars_of([10.0] * 20 + [11.0] + [11.0] * 5))

    assert values[:20] == [None] * 20
    assert values[20:] == [100.0] * 6


def test_rounding_dust_of_an_adjustment_does_not_move_the_price():
    dust = [10.0, 10.0 * (1 + 2e-15)] * 12
    bars = bars_of(dust, volumes=range(1, 25))

    assert of("rsi_14", bars) == [None] * 24
    assert of("obv", bars) == [1.0] * 24
    assert of("stoch_k_14", bars) == [None] * 24
    assert of("bb_percent_b_20_2", bars) == [None] * 24


def test_obv_starts_with_the_first_volume():
    assert of("obv", bars_of([1, 2, 2, 1, 3], volumes=[10, 20, 30, 40, 50])) == [10.0, 30.0, 30.0, -10.0, 40.0]


def test_bands_of_a_window_of_two_prices():
    bars = bars_of([9.0, 11.0] * 10 + [13.0])

    assert of("bb_middle_20_2", bars)[19] == 10.0
    assert of("bb_upper_20_2", bars)[19] == pytest.approx(12.0, rel=1e-15)
    assert of("bb_lower_20_2", bars)[19] == pytest.approx(8.0, rel=1e-15)
    assert of("bb_percent_b_20_2", bars)[19] == pytest.approx(0.75, rel=1e-15)
    assert of("bb_width_20_2", bars)[19] == pytest.approx(0.4, rel=1e-15)


def test_bands_of_a_flat_window_have_no_width_and_no_place():
    bars = bars_of([1 / 3] * 25)

    assert of("bb_width_20_2", bars)[19:] == [0.0] * 6
    assert of("bb_percent_b_20_2", bars) == [None] * 25
    assert of("realized_vol_20", bars)[20:] == [0.0] * 5


def test_bands_of_a_calm_and_dear_price_keep_their_digits():
    closes = [1e6 + (i * 7919 % 100) * 1e-3 for i in range(20)]

    (half,) = [upper - 1e6 for upper in of("bb_upper_20_2", bars_of(closes)) if upper]

    exact = statistics.pstdev(closes) * 2 + statistics.mean(closes) - 1e6
    assert half == pytest.approx(exact, abs=3e-10)
    assert of("bb_width_20_2", bars_of(closes))[19] == pytest.approx(4 * statistics.pstdev(closes) / 1e6, rel=1e-8)


def test_atr_skips_the_first_range():
    # Range 2 on each bar, and one gap of 30: the bars after the first lie 28 to 30 above its close of 100
    bars = bars_of([100.0] + [129.0] * 14).with_columns(high=bars_of([900.0] + [130.0] * 14)["close"])
    bars = bars.with_columns(low=bars_of([1.0] + [128.0] * 14)["close"])

    assert of("atr_14", bars)[13:] == [None, pytest.approx((30 + 13 * 2) / 14, rel=1e-15)]


def test_vwap_weighs_by_volume_and_is_null_without():
    bars = bars_of([10.0] * 20 + [40.0] + [7.0] * 20, volumes=[0.0] * 19 + [1.0, 2.0] + [0.0] * 20)

    values = of("vwap_20", bars)

    assert values[18:21] == [None, 10.0, 30.0]
    assert values[38:] == [30.0, 40.0, None]


def test_the_stochastic_is_null_where_the_range_is_empty():
    bars = bars_of([10.0] * 16 + [11.0, 10.5])

    assert of("stoch_k_14", bars)[15:] == [None, 100.0, 50.0]
    assert of("stoch_d_14_3", bars) == [None] * 18


def test_realized_volatility_of_alternating_returns():
    bars = bars_of([1.0, 2.0] * 10 + [1.0])

    assert of("realized_vol_20", bars)[20] == pytest.approx(math.log(2) * math.sqrt(20 / 19), rel=1e-14)


@pytest.mark.parametrize("price", [0.0, -5.0])
def test_prices_not_above_zero_give_nulls_and_no_error(price):
    frame = compute(bars_of([price] * 60))

    for name in ("ret_simple", "ret_log", "roc_20", "realized_vol_20", "rsi_14", "stoch_k_14", "bb_percent_b_20_2"):
        assert frame[name].null_count() == 60, name
    assert frame["sma_20"].drop_nulls().to_list() == [price] * 41


def test_two_histories_agree_after_the_warm_up():
    for seed in range(12):
        series = walk(1400, seed=100 + seed)
        long, short = compute(series).slice(252), compute(series.slice(252))

        for entry in REGISTRY.values():
            for output in entry.outputs:
                left, right = (frame[output.name].slice(entry.warm_up) for frame in (long, short))
                if output.is_cumulative:
                    left, right = left.diff().drop_nulls(), right.diff().drop_nulls()
                assert left.is_null().to_list() == right.is_null().to_list(), output.name
                gap = ((left - right).abs() / right.abs()).fill_nan(0.0).drop_nulls().max()
                # MACD crosses zero, where it is all rounding; there, relative to a thousandth of the price
                if output.name.startswith("macd"):
                    price = short["close"].slice(entry.warm_up) * 1e-3
                    gap = ((left - right).abs() / right.abs().clip(lower_bound=price)).max()
                assert gap <= 1e-9, f"{output.name}: {gap} after {entry.warm_up} rows, seed {seed}"


def test_a_ticker_does_not_see_another():
    bars = market(tickers=3, rows=400)
    middle = bars.filter(ticker="T001")

    together = compute(bars).filter(ticker="T001")

    assert differences(together, compute(middle)) == []


def test_rows_and_other_columns_pass_through():
    bars = market(tickers=3, rows=60).with_row_index("mark").with_columns(note=pl.lit("x"))

    frame = compute(bars)

    assert frame.select(bars.columns).equals(bars)
    assert frame.columns[len(bars.columns) :] == [o.name for entry in REGISTRY.values() for o in entry.outputs]
