"""Closed days belong to the session after them, whoever tells of them, and no range loses or doubles one."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest

from orion_assets.sources import filing

# Thanksgiving 2025 is the 27th; the 28th is a half day
WEDNESDAY, THANKSGIVING, FRIDAY, MONDAY = date(2025, 11, 26), date(2025, 11, 27), date(2025, 11, 28), date(2025, 12, 1)


@pytest.mark.parametrize(
    ("start", "end", "dates"),
    [
        (WEDNESDAY, THANKSGIVING, (WEDNESDAY, THANKSGIVING)),
        (WEDNESDAY, FRIDAY, (WEDNESDAY, THANKSGIVING)),
        (FRIDAY, MONDAY, (THANKSGIVING, date(2025, 11, 29))),
        (MONDAY, date(2025, 12, 2), (date(2025, 11, 29), date(2025, 12, 2))),
        (date(1990, 1, 1), date(1990, 1, 3), (date(1990, 1, 1), date(1990, 1, 3))),
    ],
)
def test_a_range_of_sessions_is_a_range_of_dates_with_the_closed_days_before_each(start, end, dates):
    assert filing.days(start, end) == dates


def test_ranges_put_together_have_every_date_once():
    cuts = [date(2025, 11, 20) + timedelta(days=each) for each in range(20)]

    spans = [filing.days(*pair) for pair in pairwise(cuts)]

    told = [first + timedelta(days=each) for first, last in spans for each in range((last - first).days)]
    assert told == [cuts[0] + timedelta(days=each) for each in range(len(told))]


def test_a_value_of_a_closed_day_is_filed_under_the_session_after_and_true_at_its_own_time():
    rows = filing.vix(pl.DataFrame({"date": [FRIDAY, THANKSGIVING, WEDNESDAY]}))

    assert rows.rows() == [
        (FRIDAY, FRIDAY, datetime(2025, 11, 28, 18, 15, tzinfo=UTC)),
        (THANKSGIVING, FRIDAY, datetime(2025, 11, 27, 21, 15, tzinfo=UTC)),
        (WEDNESDAY, WEDNESDAY, datetime(2025, 11, 26, 21, 15, tzinfo=UTC)),
    ]


def test_an_action_of_a_closed_day_is_true_from_the_next_open_on():
    rows = filing.actions(pl.DataFrame({"ex_date": [FRIDAY, THANKSGIVING]}))

    opened = datetime(2025, 11, 28, 14, 30, tzinfo=UTC)
    assert rows.select("ex_date", "session", "ts_event").rows() == [
        (FRIDAY, FRIDAY, opened),
        (THANKSGIVING, FRIDAY, opened),
    ]


def test_an_article_belongs_to_the_first_close_cutoff_at_or_after_it():
    at = [datetime(2025, 11, 28, 18, 30, tzinfo=UTC), datetime(2025, 11, 28, 18, 30, 1, tzinfo=UTC)]

    rows = filing.articles(pl.DataFrame({"ts_event": at}, schema={"ts_event": pl.Datetime("us", "UTC")}))

    assert rows["session"].to_list() == [FRIDAY, MONDAY]


def test_the_window_of_articles_lies_between_the_cutoffs():
    cutoffs = (datetime(2025, 11, 26, 21, 30, tzinfo=UTC), datetime(2025, 11, 28, 18, 30, tzinfo=UTC))

    assert filing.window(FRIDAY, date(2025, 11, 29)) == cutoffs
    assert filing.window(THANKSGIVING, FRIDAY) == (cutoffs[0], cutoffs[0])
