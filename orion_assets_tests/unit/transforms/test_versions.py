import duckdb
import polars as pl
import pytest

from orion_assets.store.reader import VISIBLE
from orion_assets.tables import UTC_US
from orion_assets.transforms.versions import Series, change_points, current, epochs, replay, visible
from orion_assets_tests.unit.transforms.rows import (
    FRI,
    HOUR,
    MON,
    THU,
    TICK,
    TUE,
    WED,
    close_cutoff,
)

SERIES = Series("ticker", "session")
POINT = {"ticker": pl.String, "session": pl.Date, "close": pl.Float64, "ts_known": UTC_US, "is_deleted": pl.Boolean}
NO_EPOCHS = pl.DataFrame(schema={"ticker": pl.String, "ts_known": UTC_US})
EVERY = pl.lit(value=True)
C1, C2, C3, C4, C5 = (close_cutoff(day) for day in (MON, TUE, WED, THU, FRI))


def point(session, close, known, *, ticker="AAA", is_deleted=False) -> tuple:
    return ticker, session, close, known, is_deleted


def points(*given: tuple) -> pl.DataFrame:
    return pl.DataFrame(list(given), schema=POINT, orient="row")


# TRUTH.md's worked example: closes known at their cut-offs, Tuesday's corrected an hour after Thursday's
FOUR = (point(MON, 10.0, C1), point(TUE, 11.0, C2), point(WED, 12.0, C3), point(THU, 13.0, C4))
CORRECTION = point(TUE, 14.0, C4 + HOUR)


def sma_3(shown: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
    close = pl.col("close")
    mean = (close + close.shift(1).over("ticker") + close.shift(2).over("ticker")) / 3
    return shown.select("ticker", "session", sma=mean)


def replayed(given: pl.DataFrame, wanted: pl.Expr = EVERY) -> pl.DataFrame:
    return replay(given, SERIES, NO_EPOCHS, sma_3, wanted)


def means(given: pl.DataFrame) -> list[tuple]:
    """Versions that hold a mean, in the order they became known."""
    found = replayed(given).filter(pl.col("sma").is_not_null()).sort("ts_known", "session")
    return found.select("session", "sma", "ts_known", "known_until").rows()


def test_the_worked_example_of_the_design_comes_out_row_by_row():
    assert means(points(*FOUR, CORRECTION)) == [
        (WED, 11.0, C3, C4 + HOUR),
        (THU, 12.0, C4, C4 + HOUR),
        (WED, 12.0, C4 + HOUR, None),
        (THU, 13.0, C4 + HOUR, None),
    ]


def test_rows_without_a_value_yet_are_versions_too_and_a_correction_does_not_repeat_them():
    found = replayed(points(*FOUR, CORRECTION)).filter(pl.col("sma").is_null())

    assert found.select("session", "ts_known", "known_until").rows() == [(MON, C1, None), (TUE, C2, None)]


def test_without_the_correction_the_store_holds_the_first_two_rows_alone():
    assert means(points(*FOUR)) == [(WED, 11.0, C3, None), (THU, 12.0, C4, None)]


def test_there_and_back_gives_three_versions():
    back = point(TUE, 11.0, C4 + 2 * HOUR)

    assert means(points(*FOUR, CORRECTION, back)) == [
        (WED, 11.0, C3, C4 + HOUR),
        (THU, 12.0, C4, C4 + HOUR),
        (WED, 12.0, C4 + HOUR, C4 + 2 * HOUR),
        (THU, 13.0, C4 + HOUR, C4 + 2 * HOUR),
        (WED, 11.0, C4 + 2 * HOUR, None),
        (THU, 12.0, C4 + 2 * HOUR, None),
    ]


def test_a_withdrawn_point_leaves_a_tombstone_and_its_return_ends_it():
    gone = point(TUE, 11.0, C4 + HOUR, is_deleted=True)
    back = point(TUE, 11.0, C4 + 2 * HOUR)

    found = replayed(points(*FOUR, gone, back))

    # Without Tuesday: Wednesday has two points only, Thursday (10 + 12 + 13) / 3
    assert found.select("session", "sma", "ts_known", "is_deleted").rows() == [
        (MON, None, C1, False),
        (TUE, None, C2, False),
        (TUE, None, C4 + HOUR, True),
        (TUE, None, C4 + 2 * HOUR, False),
        (WED, 11.0, C3, False),
        (WED, None, C4 + HOUR, False),
        (WED, 11.0, C4 + 2 * HOUR, False),
        (THU, 12.0, C4, False),
        (THU, 35 / 3, C4 + HOUR, False),
        (THU, 12.0, C4 + 2 * HOUR, False),
    ]


def test_a_late_point_restates_what_came_before_it():
    late = point(TUE, 11.0, C3 + HOUR)

    found = replayed(points(FOUR[0], FOUR[2], late, FOUR[3]))

    assert found.select("session", "sma", "ts_known", "known_until").rows() == [
        (MON, None, C1, None),
        (TUE, None, C3 + HOUR, None),
        (WED, None, C3, C3 + HOUR),
        (WED, 11.0, C3 + HOUR, None),
        (THU, 12.0, C4, None),
    ]


def test_an_epoch_at_the_instant_of_an_arrival_shows_both_at_once():
    at_once = point(TUE, 14.0, C4)

    assert means(points(*FOUR, at_once)) == [(WED, 11.0, C3, C4), (WED, 12.0, C4, None), (THU, 13.0, C4, None)]


def test_points_that_all_become_known_at_once_are_in_order():
    given = points(*(point(session, close, C5) for session, close in ((MON, 10.0), (TUE, 11.0), (WED, 12.0))))

    assert epochs(given, SERIES).is_empty()
    assert means(given) == [(WED, 11.0, C5, None)]


def test_an_epoch_of_one_ticker_leaves_another_alone():
    others = [(("BBB"), *row[1:]) for row in FOUR]

    found = replayed(points(*FOUR, CORRECTION, *others))

    alone = replayed(points(*others))
    assert found.filter(pl.col("ticker") == "BBB").equals(alone)
    assert found.filter(pl.col("ticker") == "AAA").equals(replayed(points(*FOUR, CORRECTION)))


def test_tickers_with_different_numbers_of_epochs_do_not_mix():
    twice = [("BBB", TUE, 20.0, C4 + HOUR, False), ("BBB", TUE, 11.0, C5, False)]
    others = [("BBB", *row[1:]) for row in FOUR]

    found = replayed(points(*FOUR, CORRECTION, *others, *twice))

    assert found.filter(pl.col("ticker") == "BBB").equals(replayed(points(*others, *twice)))


@pytest.mark.parametrize("session", [MON, TUE, WED, THU])
def test_a_narrower_range_gives_the_same_rows(session):
    given = points(*FOUR, CORRECTION, point(MON, 10.0, C5, is_deleted=True))

    found = replayed(given, pl.col("session") == session)

    assert found.equals(replayed(given).filter(pl.col("session") == session))


def test_a_correction_that_changes_nothing_makes_no_version():
    assert replayed(points(*FOUR, point(TUE, 11.0, C4 + HOUR))).equals(replayed(points(*FOUR)))


def test_a_point_withdrawn_at_first_sight_has_no_row():
    found = replayed(points(point(MON, 10.0, C1, is_deleted=True), point(TUE, 11.0, C2)))

    assert found.select("session", "is_deleted").rows() == [(TUE, False)]


def test_a_stated_epoch_restates_at_its_instant():
    late = pl.DataFrame([("AAA", C4 + HOUR)], schema=NO_EPOCHS.schema, orient="row")

    def doubled_once_known(shown: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
        before = limits["_before"][0]
        factor = 2.0 if before is None or before > C4 + HOUR else 1.0
        return shown.select("ticker", "session", value=pl.col("close") * factor)

    found = replay(points(FOUR[3], point(FRI, 14.0, C5)), SERIES, late, doubled_once_known, EVERY)

    assert found.select("session", "value", "ts_known").rows() == [
        (THU, 13.0, C4),
        (THU, 26.0, C4 + HOUR),
        (FRI, 28.0, C5),
    ]


def test_no_points_give_no_rows_and_the_columns_of_the_result():
    found = replayed(points())

    assert dict(found.schema) == {
        "ticker": pl.String,
        "session": pl.Date,
        "sma": pl.Float64,
        "ts_known": UTC_US,
        "is_deleted": pl.Boolean,
        "known_until": UTC_US,
    }
    assert found.is_empty()


def test_nothing_wanted_gives_no_rows():
    assert replayed(points(*FOUR), pl.col("session") > FRI).is_empty()


def test_epochs_are_second_versions_withdrawals_and_older_points():
    given = points(
        point(MON, 10.0, C1),
        point(WED, 12.0, C3),
        point(TUE, 11.0, C3 + HOUR),  # late
        point(WED, 12.5, C4),  # a second version
        point(THU, 13.0, C4 + HOUR),  # in order
        point(MON, 10.0, C5, is_deleted=True),
        ("BBB", MON, 1.0, C5, False),  # another ticker's first
    )

    assert epochs(given, SERIES).rows() == [("AAA", C3 + HOUR), ("AAA", C4), ("AAA", C5)]


def test_the_last_version_counts_and_then_the_withdrawn_fall_out():
    given = points(
        point(MON, 10.0, C1), point(MON, 11.0, C2), point(TUE, 5.0, C2), point(TUE, 5.0, C3, is_deleted=True)
    )

    assert visible(given, SERIES.key)["close"].to_list() == [11.0]
    assert visible(given, SERIES.key, at=C2)["close"].to_list() == [11.0, 5.0]
    assert visible(given, SERIES.key, at=C2 - TICK)["close"].to_list() == [10.0]
    assert visible(given, SERIES.key, at=C1 - TICK).is_empty()


def changes(*given: tuple) -> list[tuple]:
    found = change_points(points(*given), SERIES.key, ["close"])
    return found.select("session", "close", "ts_known", "known_until", "is_deleted").rows()


def test_a_value_said_again_is_no_change_and_a_return_to_an_earlier_one_is():
    given = (point(MON, 1.0, C1), point(MON, 1.0, C2), point(MON, 2.0, C3), point(MON, 1.0, C4))

    assert changes(*given) == [(MON, 1.0, C1, C3, False), (MON, 2.0, C3, C4, False), (MON, 1.0, C4, None, False)]


def test_a_withdrawal_of_what_was_not_there_is_dropped_wherever_it_stands():
    first = point(MON, 1.0, C1, is_deleted=True)
    of_another = point(TUE, 1.0, C1, is_deleted=True)
    again = point(TUE, 1.0, C4, is_deleted=True)

    assert changes(
        first, point(MON, 1.0, C2), of_another, point(TUE, 1.0, C2), point(TUE, 1.0, C3, is_deleted=True), again
    ) == [
        (MON, 1.0, C2, None, False),
        (TUE, 1.0, C2, C3, False),
        (TUE, 1.0, C3, None, True),
    ]


def test_a_return_after_a_withdrawal_is_a_change_even_with_the_same_value():
    given = (point(MON, 1.0, C1), point(MON, 1.0, C2, is_deleted=True), point(MON, 1.0, C3))

    assert [row[2] for row in changes(*given)] == [C1, C2, C3]


@pytest.mark.parametrize(
    ("one", "other", "is_change"),
    [(None, None, False), (None, 1.0, True), (float("nan"), float("nan"), False), (0.1 + 0.2, 0.3, True)],
    ids=["null and null", "null and a value", "NaN and NaN", "one bit apart"],
)
def test_values_are_compared_exactly(one, other, is_change):
    assert (len(changes(point(MON, one, C1), point(MON, other, C2))) == 2) is is_change


def test_the_same_value_of_the_next_key_is_not_the_same_row():
    assert len(changes(point(MON, 1.0, C1), point(TUE, 1.0, C2), ("BBB", TUE, 1.0, C3, False))) == 3


def test_the_order_of_candidates_does_not_matter():
    given = points(*FOUR, CORRECTION)

    assert change_points(given.reverse(), SERIES.key, ["close"]).equals(change_points(given, SERIES.key, ["close"]))
    assert replayed(given.reverse()).equals(replayed(given))


def intervals() -> pl.DataFrame:
    """A version, its correction, a withdrawal."""
    clocks = {"ts_known": [C1, C2, C3], "known_until": [C2, C3, None], "is_deleted": [False, False, True]}
    schema = {"ts_known": UTC_US, "known_until": UTC_US, "is_deleted": pl.Boolean}
    return pl.DataFrame({"close": [1.0, 2.0, 3.0], **clocks}, schema={"close": pl.Float64, **schema})


@pytest.mark.parametrize(
    ("instant", "shown"), [(C1 - TICK, []), (C1, [1.0]), (C2 - TICK, [1.0]), (C2, [2.0]), (C3 - TICK, [2.0]), (C3, [])]
)
def test_of_an_interval_table_one_version_is_current_and_none_that_was_withdrawn(instant, shown):
    assert intervals().filter(current(instant))["close"].to_list() == shown
    asked = intervals().with_columns(_at=pl.lit(instant, UTC_US))
    assert asked.filter(current(pl.col("_at")))["close"].to_list() == shown


@pytest.mark.parametrize("instant", [C1 - TICK, C1, C2, C3])
def test_it_is_what_the_store_says_of_the_same_rows(instant):
    rows = intervals()
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.register("rows", rows)
        told = con.sql(f"SELECT close FROM rows WHERE {VISIBLE.replace(':', '$')}", params={"as_of": instant}).pl()

    assert told["close"].to_list() == rows.filter(current(instant))["close"].to_list()
