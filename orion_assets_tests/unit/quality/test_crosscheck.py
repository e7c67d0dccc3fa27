"""Two vendors' bars are held against one another in one basis; what rounding explains is no difference."""

from datetime import date, timedelta

import polars as pl
import pytest

from orion_assets.quality.crosscheck import Allowed, differences

START = date(2014, 6, 2)
DAYS = [START + timedelta(days=n) for n in range(5)]
PRICES = ("open", "high", "low", "close")


def bars(closes, *, ticker="ACME", days=DAYS, volume=1000.0) -> pl.DataFrame:
    """Give bars around their closes, each of which says which it is: open 1 less, high 2 more, low 3 less."""
    closes = pl.Series(closes, dtype=pl.Float64)
    return pl.DataFrame({
        "ticker": [ticker] * len(closes),
        "session": list(days)[: len(closes)],
        **{name: closes * (1 + more) for name, more in zip(PRICES, (-0.01, 0.02, -0.03, 0.0), strict=True)},
        "volume": [float(volume)] * len(closes),
    })  # fmt: skip


CLOSES = (100.0, 101.0, 99.0, 102.0, 103.0)


def found(own, other, *, traded=None, allowed=None, venue=""):
    return differences(own, own if traded is None else traded, other, allowed or Allowed(), venue)


def set_at(rows, n, **values):
    is_it = pl.col("session") == DAYS[n]
    return rows.with_columns(**{
        name: pl.when(is_it).then(pl.lit(value)).otherwise(pl.col(name)) for name, value in values.items()
    })  # fmt: skip


def test_the_same_bars_differ_in_nothing():
    assert found(bars(CLOSES), bars(CLOSES)).is_empty()


def test_a_difference_names_ticker_session_column_and_both_values():
    (told,) = found(bars(CLOSES), set_at(bars(CLOSES), 2, high=101.5)).to_dicts()

    assert (told["ticker"], told["session"], told["column"]) == ("ACME", DAYS[2], "high")
    assert (told["own_value"], told["other_value"]) == (pytest.approx(100.98), 101.5)
    assert told["difference_pct"] == pytest.approx(100 * (101.5 / 100.98 - 1))
    assert "a trade that one of the two does not count" in told["likely_cause"]


@pytest.mark.parametrize(
    ("own", "other", "is_told"),
    [
        # Both write cents: one is one too many
        (99.0, 99.01, True),
        # One writes four decimals, the other cents: half a cent is rounding
        (99.0049, 99.0, False),
        (99.0051, 99.0, True),
        # Single precision
        (99.0, 99.000005, False),
    ],
)
def test_what_the_coarser_of_two_vendors_rounds_is_no_difference(own, other, is_told):
    mine, theirs = set_at(bars(CLOSES), 2, close=own), set_at(bars(CLOSES), 2, close=other)

    assert bool(found(mine, theirs).height) is is_told


def test_a_tick_as_traded_is_smaller_after_a_split_and_is_still_a_difference():
    traded = bars([100.0, 100.01, 100.02, 100.03, 100.04]).with_columns(pl.col(PRICES).round(2))
    own = traded.with_columns(pl.col(PRICES) / 28)

    # 100.01 / 28 in the seven digits of single precision, and a tick beside it
    rounded = set_at(own, 1, close=3.5717857)
    beside = set_at(own, 1, close=100.02 / 28)

    assert found(own, rounded, traded=traded).is_empty()
    assert found(own, beside, traded=traded)["column"].to_list() == ["close"]


def test_a_missing_split_is_named_with_the_session_from_which_both_agree():
    # ACME splits 4 for 1 on the fourth day; the other side is in today's units, ours knows nothing of it
    own = bars([100.0, 101.0, 99.0, 25.5, 25.75])
    other = bars([25.0, 25.25, 24.75, 25.5, 25.75]).with_columns(
        volume=pl.when(pl.col("session") < DAYS[3]).then(4000.0).otherwise(1000.0)
    )

    told = found(own, other)

    assert set(told["likely_cause"]) == {
        f"a split that one of the two lacks: its prices are 0.25 times ours before {DAYS[3]}"
    }
    assert told["session"].unique().sort().to_list() == DAYS[:3]
    assert told.group_by("session").len()["len"].to_list() == [5, 5, 5]


def test_a_split_of_the_last_days_is_told_too():
    # Another ticker, whose sessions begin anew, and a later split of its own
    own = pl.concat([bars([100.0, 101.0]), bars([10.0, 11.0, 12.0], ticker="BOLT")])
    other = pl.concat([bars([200.0, 202.0]), bars([30.0, 33.0, 12.0], ticker="BOLT")])

    told = dict(found(own, other).select("ticker", "likely_cause").unique().iter_rows())

    assert told == {
        "ACME": "a split that one of the two lacks: its prices are 2.0 times ours up to the last session compared",
        "BOLT": f"a split that one of the two lacks: its prices are 3.0 times ours before {DAYS[2]}",
    }


def test_bars_filed_under_another_session_are_recognized():
    other = bars([CLOSES[0], CLOSES[0], CLOSES[1], CLOSES[2], CLOSES[4]])

    told = found(bars(CLOSES), other)

    causes = dict(told.select("session", "likely_cause").unique().iter_rows())
    assert causes == {
        DAYS[n]: f"another session: it is the bar held of {DAYS[n - 1]}" for n in (1, 2, 3)
    }  # fmt: skip


def test_a_payout_taken_out_of_the_prices_is_no_split():
    told = found(bars(CLOSES), bars([close * 0.985 for close in CLOSES[:3]] + list(CLOSES[3:])))

    assert set(told["likely_cause"]) == {"a payout that one of the two takes out: its prices are 0.985 times ours"}
    assert set(told["session"]) == set(DAYS[:3])


def test_a_feed_of_one_venue_explains_what_nothing_else_does():
    other = set_at(bars(CLOSES, volume=25.0), 1, close=100.9)

    told = found(bars(CLOSES), other, venue="the feed iex")

    assert set(told["likely_cause"]) == {"the feed iex"}
    assert told["column"].value_counts().sort("column").rows() == [("close", 1), ("volume", 5)]


def test_volumes_may_differ_by_what_is_allowed_and_one_that_is_not_told_is_not_compared():
    other = set_at(bars(CLOSES, volume=1005.0), 3, volume=None)

    assert found(bars(CLOSES), other).is_empty()
    assert found(bars(CLOSES), other, allowed=Allowed(volume_pct=0.1)).height == 4
    assert set(found(bars(CLOSES), bars(CLOSES, volume=2000.0))["column"]) == {"volume"}


def test_a_session_that_one_side_lacks_is_told_and_a_ticker_that_it_lacks_is_not():
    own = pl.concat([bars(CLOSES), bars(CLOSES, ticker="BOLT")])
    other = bars(CLOSES).filter(pl.col("session") != DAYS[1])

    told = found(own, other)
    turned = found(other, bars(CLOSES))

    assert told.select("ticker", "session", "column", "own_value", "other_value").rows() == [
        ("ACME", DAYS[1], "bar", 101.0, None)
    ]
    assert turned.select("own_value", "other_value").rows() == [(None, 101.0)]
    assert "the other vendor has no bar" in told["likely_cause"][0]
    assert "orion quality quarantine" in turned["likely_cause"][0]


def test_one_ticker_explains_nothing_of_another():
    own = pl.concat([bars([10.0, 11.0]), bars([40.0, 44.0], ticker="BOLT")])
    other = pl.concat([bars([10.0, 11.0]), bars([10.0, 44.0], ticker="BOLT")])

    told = found(own, other)

    assert set(told["ticker"]) == {"BOLT"}
    assert "0.25 times ours before 2014-06-03" in told["likely_cause"][0]


def test_more_may_be_allowed():
    other = bars([close * 1.0004 for close in CLOSES])

    assert found(bars(CLOSES), other).height
    assert found(bars(CLOSES), other, allowed=Allowed(price_bps=5)).is_empty()
