"""Rows whose file says when they became known: kept, inserted, rewritten."""

import logging

import polars as pl

from orion_assets_tests.unit.ingest.landing_rows import VERSION, YEARS_LATER, Raw, bar
from orion_assets_tests.unit.transforms.rows import HOUR, MON, THU, TUE, WED, told, utc


def test_a_stated_clock_is_kept_and_counts_as_observed():
    news, _ = Raw().land(YEARS_LATER, bar(MON, stated=utc(WED, 9)))

    assert told(news, "ts_known", "availability") == [(utc(WED, 9), "observed")]


def test_several_versions_of_one_key_in_one_answer_are_all_landed():
    versions = (
        bar(MON, 10.0, utc(MON, 21)),
        bar(MON, 11.0, utc(TUE, 21)),
        bar(MON, 11.0, utc(WED, 21), is_deleted=True),
        bar(MON, 10.0, utc(THU, 21)),
    )
    raw = Raw()

    news, cells = raw.land(YEARS_LATER, *versions)

    assert told(news, *VERSION) == [
        (10.0, utc(MON, 21), "observed", False),
        (11.0, utc(TUE, 21), "observed", False),
        (11.0, utc(WED, 21), "observed", True),
        (10.0, utc(THU, 21), "observed", False),
    ]
    assert cells.filter((pl.col("ticker") == "AAA") & (pl.col("session") == MON))["rows"].to_list() == [1]
    assert raw.land(YEARS_LATER + HOUR, *versions)[0].is_empty()


def test_a_version_stated_between_two_that_are_held_is_inserted():
    first, last = bar(MON, 10.0, utc(MON, 21)), bar(MON, 12.0, utc(WED, 21))
    between = bar(MON, 11.0, utc(TUE, 21))
    raw = Raw()
    raw.land(YEARS_LATER, first, last)

    news, _ = raw.land(YEARS_LATER + HOUR, first, between, last)

    assert told(news, *VERSION) == [(11.0, utc(TUE, 21), "observed", False)]


def test_a_last_version_rewritten_under_its_own_clock_is_a_version_of_its_landing(caplog):
    raw = Raw()
    raw.land(YEARS_LATER, bar(MON, 10.0, utc(MON, 21)))

    news, _ = raw.land(YEARS_LATER + HOUR, bar(MON, 10.5, utc(MON, 21)))

    assert told(news, *VERSION) == [(10.5, YEARS_LATER + HOUR, "observed", False)]
    with caplog.at_level(logging.WARNING):
        assert raw.land(YEARS_LATER + 2 * HOUR, bar(MON, 10.5, utc(MON, 21)))[0].is_empty()


def test_a_rewritten_version_that_is_rewritten_again_is_landed_again():
    raw = Raw()
    for hours, close in enumerate((10.0, 10.5, 11.0, 10.0)):
        raw.land(YEARS_LATER + hours * HOUR, bar(MON, close, utc(MON, 21)))

    assert raw.held.sort("ts_known")["close"].to_list() == [10.0, 10.5, 11.0, 10.0]


def test_a_row_with_a_stated_clock_that_was_gone_returns():
    raw = Raw()
    stated = bar(MON, 10.0, utc(MON, 21))
    raw.land(YEARS_LATER, stated)
    raw.land(YEARS_LATER + HOUR)

    news, _ = raw.land(YEARS_LATER + 2 * HOUR, stated)

    assert told(news, *VERSION) == [(10.0, YEARS_LATER + 2 * HOUR, "observed", False)]
    assert raw.land(YEARS_LATER + 3 * HOUR, stated)[0].is_empty()


def test_a_last_version_that_the_source_takes_back_gives_way_to_the_one_before():
    first, last = bar(MON, 10.0, utc(MON, 21)), bar(MON, 12.0, utc(WED, 21))
    raw = Raw()
    raw.land(YEARS_LATER, first, last)

    news, _ = raw.land(YEARS_LATER + HOUR, first)

    assert told(news, *VERSION) == [(10.0, YEARS_LATER + HOUR, "observed", False)]
    assert raw.land(YEARS_LATER + 2 * HOUR, first)[0].is_empty()


def test_the_last_version_stated_with_an_older_clock_than_what_is_held_is_landed_once():
    raw = Raw()
    raw.land(YEARS_LATER, bar(MON, 12.0, utc(WED, 21)))
    older = bar(MON, 10.0, utc(TUE, 21))

    news, _ = raw.land(YEARS_LATER + HOUR, older)

    assert told(news, *VERSION) == [(10.0, YEARS_LATER + HOUR, "observed", False)]
    assert raw.land(YEARS_LATER + 2 * HOUR, older)[0].is_empty()


def test_a_version_stated_before_all_that_are_held_is_inserted_and_the_last_stays():
    last = bar(MON, 12.0, utc(WED, 21))
    raw = Raw()
    raw.land(YEARS_LATER, last)

    news, _ = raw.land(YEARS_LATER + HOUR, bar(MON, 10.0, utc(TUE, 21)), last)

    assert told(news, *VERSION) == [(10.0, utc(TUE, 21), "observed", False)]


def test_an_older_version_rewritten_stays_as_it_was_landed_and_is_warned_of(caplog):
    last = bar(MON, 12.0, utc(WED, 21))
    raw = Raw()
    raw.land(YEARS_LATER, bar(MON, 10.0, utc(MON, 21)), last)

    with caplog.at_level(logging.WARNING):
        news, _ = raw.land(YEARS_LATER + HOUR, bar(MON, 10.5, utc(MON, 21)), last)

    assert news.is_empty()
    assert caplog.messages == [
        "raw_daily_bars: the source rewrote 1 versions that are older than the last; they stay as landed"
    ]


def test_a_correction_beside_a_row_without_a_clock_stays_when_the_file_is_filled_again():
    raw = Raw()
    given = (bar(MON), bar(MON, 11.0, utc(TUE, 14)))

    first, _ = raw.land(YEARS_LATER, *given)
    again, _ = raw.land(YEARS_LATER + HOUR, *given)

    assert told(first, *VERSION) == [
        (10.0, utc(MON, 20, 15), "assumed", False),
        (11.0, utc(TUE, 14), "observed", False),
    ]
    assert again.is_empty()
