"""VIX as a series, and the state of the market at each cut-off."""

from datetime import date, timedelta

import polars as pl
import pytest

from orion_assets.schemas import CLEAN_VIX, FEATURE_MARKET, RAW_COVERAGE
from orion_assets.transforms.market import asked, feature_market, instants
from orion_assets.transforms.vix import WINDOW, vix_series
from orion_assets_tests.pipeline import at
from orion_assets_tests.unit.transforms.rows import (
    FRI,
    HOUR,
    MON,
    NEXT_MON,
    NEXT_TUE,
    THU,
    TICK,
    TUE,
    WED,
    answered,
    both,
    close_cutoff,
    june,
    open_cutoff,
    rows,
    told,
    utc,
)

WEEK = (MON, TUE, WED, THU, FRI)
SATURDAY = date(2014, 6, 7)


def day(day: date, close: float, known=None, **more) -> dict:
    return {"date": day, "session": day, "close": close, "ts_known": known or close_cutoff(day), **more}


def market(days: list[dict], *sessions: date, known=None) -> pl.DataFrame:
    return over(days, answered("raw_vix", *both(*(sessions or WEEK)), known=known))


def over(days: list[dict], vix=None, bars=None, calendar=None) -> pl.DataFrame:
    calendar = june() if calendar is None else calendar
    cells, others = (
        asked(RAW_COVERAGE.empty() if cells is None else cells, calendar, MON, date(2014, 6, 30))
        for cells in (vix, bars)
    )
    return FEATURE_MARKET.conform(feature_market(rows(CLEAN_VIX, *days), cells, others, calendar))


def of(frame: pl.DataFrame, session: date, cutoff: str, *names: str) -> list[tuple]:
    return told(frame.filter((pl.col("session") == session) & (pl.col("cutoff") == cutoff)), *names)


def series(*days: dict) -> pl.DataFrame:
    return vix_series(rows(CLEAN_VIX, *days))


def plain() -> list[dict]:
    return [day(session, close) for session, close in zip(WEEK, (11.0, 12.0, 12.5, 11.5, 10.5), strict=True)]


def test_the_close_row_reads_the_sessions_own_vix_and_the_open_row_the_one_before():
    found = market(plain())

    names = ("vix_date", "vix_close", "vix_change", "vix_age_sessions", "ts_known")
    assert of(found, WED, "open", *names) == [(TUE, 12.0, 1.0, 0, open_cutoff(WED))]
    assert of(found, WED, "close", *names) == [(WED, 12.5, 0.5, 0, close_cutoff(WED))]


def test_the_open_row_never_reads_its_own_session_however_early_that_is_known():
    early = [day(TUE, 12.0), day(WED, 99.0, utc(WED, 10))]

    found = market(early)

    assert of(found, WED, "open", "vix_date", "vix_close") == [(TUE, 12.0)]


def test_before_any_vix_day_there_are_rows_of_nulls():
    found = market([day(WED, 12.0)])

    assert of(found, TUE, "close", *("vix_date", "vix_close", "vix_age_sessions")) == [(None, None, None)]
    assert of(found, WED, "open", *("vix_date", "vix_close", "vix_age_sessions")) == [(None, None, None)]
    assert of(found, WED, "close", "vix_date", "vix_change") == [(WED, None)]


def test_a_late_vix_day_leaves_the_older_one_standing_until_it_arrives():
    arrival = close_cutoff(WED) + HOUR

    found = market([day(TUE, 12.0), day(WED, 13.0, arrival)])

    assert of(found, WED, "close", "vix_date", "vix_age_sessions", "ts_known", "known_until") == [
        (TUE, 1, close_cutoff(WED), arrival),
        (WED, 0, arrival, None),
    ]
    # It was there by Thursday's open
    assert of(found, THU, "open", "vix_date", "ts_known") == [(WED, open_cutoff(THU))]


def test_a_vix_day_that_arrives_after_the_next_cut_off_changes_that_row_too():
    arrival = open_cutoff(THU) + TICK

    found = market([day(TUE, 12.0), day(WED, 13.0, arrival)])

    assert of(found, THU, "open", "vix_date", "vix_age_sessions", "ts_known") == [
        (TUE, 1, open_cutoff(THU)),
        (WED, 0, arrival),
    ]


def test_a_vix_day_known_exactly_at_the_cut_off_belongs():
    found = market([day(TUE, 12.0), day(WED, 13.0, open_cutoff(THU))])

    assert of(found, THU, "open", "vix_date", "ts_known") == [(WED, open_cutoff(THU))]


def test_a_missing_vix_day_ages_the_one_before():
    found = market([day(MON, 11.0), day(THU, 13.0)])

    assert of(found, TUE, "close", "vix_date", "vix_age_sessions") == [(MON, 1)]
    assert of(found, WED, "close", "vix_date", "vix_age_sessions") == [(MON, 2)]
    assert of(found, THU, "open", "vix_date", "vix_age_sessions") == [(MON, 2)]
    assert of(found, THU, "close", "vix_date", "vix_age_sessions", "vix_change") == [(THU, 0, 2.0)]


def test_a_withdrawn_vix_day_gives_way_to_the_one_before():
    gone = close_cutoff(THU) + HOUR

    found = market([*plain()[:3], day(WED, 12.5, gone, is_deleted=True)])

    assert of(found, WED, "close", "vix_date", "vix_age_sessions", "ts_known") == [
        (WED, 0, close_cutoff(WED)),
        (TUE, 1, gone),
    ]
    assert of(found, FRI, "open", "vix_date", "vix_age_sessions") == [(TUE, 2)]
    assert of(found, TUE, "close", "vix_date", "known_until") == [(TUE, None)]


def test_a_corrected_vix_day_changes_its_own_row_and_the_change_of_the_next():
    correction = close_cutoff(FRI) + HOUR

    found = market([*plain(), day(TUE, 13.0, correction)])

    assert of(found, TUE, "close", "vix_close", "vix_change", "ts_known") == [
        (12.0, 1.0, close_cutoff(TUE)),
        (13.0, 2.0, correction),
    ]
    assert of(found, WED, "close", "vix_close", "vix_change", "ts_known") == [
        (12.5, 0.5, close_cutoff(WED)),
        (12.5, -0.5, correction),
    ]
    assert of(found, THU, "close", "known_until") == [(None,)]
    before = at(found, correction - TICK).drop("known_until")
    assert before.equals(market(plain()).drop("known_until"))


def test_a_vix_day_on_which_the_exchange_is_closed_counts_from_the_session_before_it():
    found = market([day(FRI, 10.5), day(SATURDAY, 15.0, utc(SATURDAY, 21), session=NEXT_MON)], FRI, NEXT_MON, NEXT_TUE)

    assert of(found, FRI, "close", "vix_date", "known_until") == [(FRI, None)]
    # Monday's open may look up to Friday only, its close sees Saturday's, one session old
    assert of(found, NEXT_MON, "open", "vix_date", "vix_age_sessions") == [(FRI, 0)]
    assert of(found, NEXT_MON, "close", "vix_date", "vix_age_sessions") == [(SATURDAY, 1)]


def test_a_cut_off_that_was_not_asked_has_no_row():
    coverage = answered("raw_vix", (TUE, "open"))

    found = over([day(MON, 11.0)], coverage)

    assert told(found, "session", "cutoff") == [(TUE, "open")]


def test_where_bars_were_asked_and_vix_was_not_the_last_day_ages():
    bars = answered("raw_daily_bars", *both(MON, TUE, WED))

    found = over([day(TUE, 12.0)], answered("raw_vix", *both(TUE)), bars)

    assert told(found.sort("ts_event"), "session", "cutoff", "vix_date", "vix_age_sessions") == [
        (TUE, "open", None, None),
        (TUE, "close", TUE, 0),
        (WED, "open", TUE, 0),
        (WED, "close", TUE, 1),
    ]


def test_a_row_of_bars_alone_begins_when_the_first_day_is_known():
    late = close_cutoff(FRI) + HOUR

    found = over([day(TUE, 12.0, late)], None, answered("raw_daily_bars", *both(WED)))

    assert told(found, "session", "cutoff", "ts_known") == [(WED, "close", late), (WED, "open", late)]


def test_a_cut_off_that_was_asked_late_has_no_row_before_it_was():
    late = close_cutoff(MON) + 2 * HOUR

    found = over([day(MON, 11.0)], answered("raw_vix", (MON, "close"), known=late))

    assert told(found, "cutoff", "ts_known", "vix_close") == [("close", late, 11.0)]


def test_the_first_session_of_the_calendar_has_no_open_row():
    calendar = june().filter(pl.col("session") >= MON)

    found = over([day(MON, 11.0)], answered("raw_vix", *both(MON)), calendar=calendar)

    assert told(found, "session", "cutoff") == [(MON, "close")]


def test_no_vix_at_all_gives_rows_of_nulls_and_nothing_asked_no_rows():
    assert market([], MON).select(pl.col("vix_close").null_count()).item() == 2
    assert over([]).is_empty()
    assert over([], bars=answered("raw_daily_bars", *both(MON))).is_empty()
    assert over([day(MON, 1.0)]).is_empty()
    assert vix_series(CLEAN_VIX.empty()).columns == [
        *("date", "vix_close", "vix_change", "vix_percentile_252", "ts_known", "is_deleted", "known_until")
    ]


def test_a_range_gives_the_same_rows_as_the_whole():
    days = [*plain(), day(TUE, 13.0, close_cutoff(THU) + HOUR)]

    whole, part = market(days), market(days, WED, THU)

    assert part.equals(whole.filter(pl.col("session").is_between(WED, THU)))


def test_there_and_back_gives_three_versions():
    later = close_cutoff(WED)

    found = series(day(MON, 11.0), day(TUE, 12.0), day(TUE, 13.0, later), day(TUE, 12.0, later + HOUR))

    assert told(found.filter(pl.col("date") == TUE), "vix_close", "vix_change", "ts_known") == [
        (12.0, 1.0, close_cutoff(TUE)),
        (13.0, 2.0, later),
        (12.0, 1.0, later + HOUR),
    ]


def test_the_percentile_is_null_before_252_days_and_counts_the_day_itself():
    first = date(2014, 1, 1)
    rising = [day(first + timedelta(days=n), float(n + 1), session=MON) for n in range(WINDOW)]
    middle = day(first + timedelta(days=WINDOW), 127.0, session=MON)

    found = series(*rising, middle)["vix_percentile_252"].to_list()

    assert found[: WINDOW - 1] == [None] * (WINDOW - 1)
    assert found[WINDOW - 1] == 1.0
    # The 1.0 has left the window: at or below 127.0 are 2.0 to 127.0, 126 days, and the day itself
    assert found[WINDOW] == 127 / 252


def test_the_lowest_close_of_the_window_is_one_day_of_252():
    first = date(2014, 1, 1)
    falling = [day(first + timedelta(days=n), float(1000 - n), session=MON) for n in range(WINDOW)]

    assert series(*falling)["vix_percentile_252"][-1] == 1 / 252


@pytest.mark.parametrize("cutoff", ["open", "close"])
def test_instants_name_the_session_whose_bar_is_final(cutoff):
    found = instants(june()).filter((pl.col("session") == NEXT_MON) & (pl.col("cutoff") == cutoff))

    expected = {"open": (open_cutoff(NEXT_MON), FRI), "close": (close_cutoff(NEXT_MON), NEXT_MON)}
    assert told(found, "ts_cutoff", "bar_session") == [expected[cutoff]]


def test_instants_come_in_the_order_of_time():
    found = instants(june())

    assert found["ts_cutoff"].is_sorted()
    assert found["bar_session"][0] is None
    assert found["position"][1] == found["position"][2]


def test_asked_keeps_cells_inside_the_range_once():
    coverage = pl.concat(
        [answered("raw_vix", *both(MON, TUE, WED)), answered("raw_vix", (TUE, "open"), known=utc(FRI, 1))]
    )

    assert told(asked(coverage, june(), TUE, WED), "session", "cutoff") == [(TUE, "open"), (TUE, "close")]
