from datetime import date
from fractions import Fraction

import polars as pl
import pytest

from orion_assets.schemas import CLEAN_DAILY_BARS, CORPORATE_ACTIONS
from orion_assets.transforms.adjust import (
    back_adjusted,
    forward,
    split_factors,
    total_return_factors,
)
from orion_assets_tests.unit.transforms.rows import (
    FRI,
    MON,
    NEXT_MON,
    THU,
    TUE,
    WED,
    bar,
    dividend,
    rows,
    split,
    told,
    utc,
)

KNOWN = utc(MON, 12)
NO_ACTIONS = CORPORATE_ACTIONS.empty()


def bars(*closes: float, ticker: str = "AAA") -> pl.DataFrame:
    sessions = (MON, TUE, WED, THU, FRI, NEXT_MON)
    given = [bar(session, close, ticker=ticker) for session, close in zip(sessions, closes, strict=False)]
    return rows(CLEAN_DAILY_BARS, *given).with_columns(security_id=pl.lit("files:") + pl.col("ticker"))


def actions(*given: dict) -> pl.DataFrame:
    return rows(CORPORATE_ACTIONS, *given)


def factors(given: pl.DataFrame, *splits: dict) -> list[float]:
    return split_factors(given, actions(*splits))["split_factor"].to_list()


def test_factors_are_products_of_exact_fractions():
    splits = (split(TUE, 3, 2, KNOWN), split(WED, 1, 20, KNOWN), split(FRI, 7, 1, KNOWN))

    found = factors(bars(1.0, 1.0, 1.0, 1.0, 1.0, 1.0), *splits)

    # 3/2, then 3/40, then 21/40
    assert found == [1.0, 1.5, 0.075, 0.075, 0.525, 0.525]
    assert found[-1] == float(Fraction(3, 2) * Fraction(1, 20) * Fraction(7, 1))


def test_the_bits_of_a_factor_do_not_depend_on_rounding_in_between():
    # In floats 1/3 * 1/7 * 21 is 0.9999999999999999
    splits = (split(TUE, 1, 3, KNOWN), split(WED, 1, 7, KNOWN), split(THU, 21, 1, KNOWN))

    assert factors(bars(1.0, 1.0, 1.0, 1.0), *splits)[-1] == 1.0


@pytest.mark.parametrize("ex_date", [date(2014, 5, 30), MON], ids=["before the first bar", "on the first bar"])
def test_a_split_on_or_before_the_first_bar_changes_nothing(ex_date):
    assert factors(bars(1.0, 1.0), split(ex_date, 2, 1, KNOWN)) == [1.0, 1.0]


def test_a_split_on_a_day_without_a_session_counts_from_the_next_one():
    given = bars(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)

    assert factors(given, split(date(2014, 6, 7), 2, 1, KNOWN)) == [1.0, 1.0, 1.0, 1.0, 1.0, 2.0]


def test_a_split_after_the_last_bar_changes_nothing_yet():
    assert factors(bars(1.0, 1.0), split(WED, 2, 1, KNOWN)) == [1.0, 1.0]


def test_splits_of_another_ticker_do_not_count():
    two = pl.concat([bars(1.0, 1.0), bars(1.0, 1.0, ticker="BBB")])

    assert factors(two, split(TUE, 2, 1, KNOWN, ticker="BBB")) == [1.0, 1.0, 1.0, 2.0]


def test_a_dividend_is_no_split():
    assert factors(bars(1.0, 1.0), dividend(TUE, 0.5)) == [1.0, 1.0]


def test_the_factor_of_a_reverse_split_is_below_one():
    assert factors(bars(0.5, 10.0), split(TUE, 1, 20, KNOWN)) == [1.0, 0.05]


def test_total_return_reinvests_a_dividend_at_the_close_of_its_ex_date():
    found = total_return_factors(bars(100.0, 98.0, 99.0), actions(dividend(TUE, 2.0)))

    grown = 1 + 2.0 / 98.0
    assert found["total_return_factor"].to_list() == [1.0, grown, grown]
    assert found["split_factor"].to_list() == [1.0, 1.0, 1.0]


def test_total_return_with_a_dividend_on_the_day_of_a_split():
    # 100, then 2:1 with 0.50 a new share: 49.5 + 0.5 on two shares is 100 again
    found = total_return_factors(bars(100.0, 49.5), actions(split(TUE, 2, 1, KNOWN), dividend(TUE, 0.5)))

    assert found["total_return_factor"].to_list() == [1.0, 2 * (1 + 0.5 / 49.5)]
    returned = found["close"] * found["total_return_factor"]
    assert returned.to_list() == pytest.approx([100.0, 100.0], rel=1e-15)


def test_dividends_compound():
    found = total_return_factors(bars(10.0, 10.0, 10.0), actions(dividend(TUE, 1.0), dividend(WED, 1.0)))

    assert found["total_return_factor"].to_list() == pytest.approx([1.0, 1.1, 1.21], rel=1e-15)


def test_a_dividend_on_a_closed_day_is_reinvested_at_the_next_close():
    given = bars(10.0, 10.0, 10.0, 10.0, 10.0, 20.0)

    found = total_return_factors(given, actions(dividend(date(2014, 6, 7), 1.0)))

    assert found["total_return_factor"].to_list() == [1.0, 1.0, 1.0, 1.0, 1.0, 1.05]


@pytest.mark.parametrize("ex_date", [date(2014, 5, 30), MON, FRI], ids=["before", "on the first bar", "after the last"])
def test_a_dividend_outside_the_bars_changes_nothing(ex_date):
    found = total_return_factors(bars(10.0, 10.0), actions(dividend(ex_date, 1.0)))

    assert found["total_return_factor"].to_list() == [1.0, 1.0]


def test_forward_multiplies_prices_and_divides_volume():
    found = forward(split_factors(bars(100.0, 50.0), actions(split(TUE, 2, 1, KNOWN))))

    assert found["close"].to_list() == [100.0, 100.0]
    assert found["high"].to_list() == [100.0, 100.0]
    assert found["volume"].to_list() == [100.0, 50.0]


def test_back_adjusted_for_splits_is_in_units_of_the_last_session():
    given = bars(100.0, 50.0, 50.0).with_columns(vwap=pl.col("close"))

    found = back_adjusted(given, actions(split(TUE, 2, 1, KNOWN), dividend(WED, 1.0)), "split")

    assert found["close"].to_list() == [50.0, 50.0, 50.0]
    assert found["vwap"].to_list() == [50.0, 50.0, 50.0]
    assert found["volume"].to_list() == [200.0, 100.0, 100.0]
    assert found.columns == given.columns


def test_on_the_morning_of_an_ex_date_the_split_counts_before_any_bar_in_the_new_units():
    known = actions(split(TUE, 2, 1, KNOWN), split(WED, 5, 1, KNOWN))

    found = back_adjusted(bars(100.0), known, "split", TUE)

    assert found["close"].to_list() == [50.0]
    assert found["volume"].to_list() == [200.0]
    assert back_adjusted(bars(100.0), known, "split")["close"].to_list() == [100.0]
    assert back_adjusted(bars(100.0), known, "total_return", TUE)["close"].to_list() == [50.0]


def test_back_adjusted_for_total_return_moves_prices_by_both_and_volume_by_splits_alone():
    found = back_adjusted(
        bars(100.0, 50.0, 40.0), actions(split(TUE, 2, 1, KNOWN), dividend(WED, 10.0)), "total_return"
    )

    # R = 1, 2, 2 * (1 + 10/40) = 2.5
    assert found["close"].to_list() == pytest.approx([40.0, 40.0, 40.0], rel=1e-15)
    assert found["volume"].to_list() == [200.0, 100.0, 100.0]


def test_back_adjusted_takes_bars_in_any_order_and_each_ticker_by_itself():
    given = pl.concat([bars(8.0, 4.0, ticker="BBB"), bars(100.0, 50.0)]).reverse()

    found = back_adjusted(given, actions(split(TUE, 2, 1, KNOWN)), "split")

    assert told(found, "ticker", "session", "close") == [
        ("AAA", MON, 50.0),
        ("AAA", TUE, 50.0),
        ("BBB", MON, 8.0),
        ("BBB", TUE, 4.0),
    ]


@pytest.mark.parametrize("events", [NO_ACTIONS, rows(CORPORATE_ACTIONS, split(TUE, 2, 1, KNOWN), dividend(TUE, 1.0))])
def test_no_bars_give_no_rows_and_the_columns(events):
    none = bars()

    assert split_factors(none, events).schema == {**none.schema, "split_factor": pl.Float64}
    assert total_return_factors(none, events).schema["total_return_factor"] == pl.Float64
    assert back_adjusted(none, events, "total_return").schema == none.schema
