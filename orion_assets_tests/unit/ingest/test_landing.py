"""When versions are stamped: first answers, later ones, replays; June 2014, asked Monday to Friday."""

from datetime import date

import pytest

from orion_assets.errors import KnowledgeAhead
from orion_assets.schemas import RAW_NEWS
from orion_assets.sources.protocols import TS_ASSUMED
from orion_assets_tests.unit.ingest.landing_rows import SATURDAY, VERSION, YEARS_LATER, Raw, article, bar
from orion_assets_tests.unit.transforms.rows import FRI, HOUR, MON, THU, TICK, TUE, WED, open_cutoff, told, utc


def test_a_backfill_is_stamped_with_the_assumed_clock():
    news, _ = Raw().land(YEARS_LATER, bar(MON), bar(TUE, 11.0))

    assert told(news, "session", *VERSION) == [
        (MON, 10.0, utc(MON, 20, 15), "assumed", False),
        (TUE, 11.0, utc(TUE, 20, 15), "assumed", False),
    ]
    assert news["ts_ingested"].to_list() == [YEARS_LATER] * 2


@pytest.mark.parametrize(
    ("now", "known", "availability"),
    [
        (utc(TUE, 20, 5), utc(TUE, 20, 5), "observed"),
        (utc(WED, 3), utc(WED, 3), "observed"),
        (open_cutoff(WED) - TICK, open_cutoff(WED) - TICK, "observed"),
        (open_cutoff(WED), utc(TUE, 20, 15), "assumed"),
    ],
    ids=["before the delay is over", "in the night", "just before the next open cut-off", "at it"],
)
def test_a_first_answer_is_observed_until_the_next_sessions_open_cut_off(now, known, availability):
    news, _ = Raw().land(now, bar(TUE), start=TUE, end=WED)

    assert told(news, "ts_known", "availability") == [(known, availability)]


def test_a_friday_is_observed_until_mondays_open():
    news, _ = Raw().land(utc(date(2014, 6, 8), 12), bar(FRI), start=FRI, end=SATURDAY)

    assert told(news, "ts_known", "availability") == [(utc(date(2014, 6, 8), 12), "observed")]


def test_one_landing_may_observe_the_last_session_and_assume_those_before():
    news, _ = Raw().land(utc(FRI, 21), bar(WED), bar(THU), bar(FRI))

    assert news["availability"].to_list() == ["assumed", "assumed", "observed"]


def test_a_repeated_landing_adds_nothing():
    raw = Raw()
    given = (bar(MON), bar(TUE, 11.0))
    raw.land(YEARS_LATER, *given)

    news, cells = raw.land(YEARS_LATER + HOUR, *given)

    assert news.is_empty()
    assert cells.is_empty()


def test_other_provenance_is_no_version():
    raw = Raw()
    raw.land(YEARS_LATER, bar(MON))

    news, _ = raw.land(YEARS_LATER + HOUR, bar(MON, source_file="b.csv", source_row=9, source_hash="1", source="x"))

    assert news.is_empty()


def test_a_changed_row_is_stamped_with_its_landing():
    raw = Raw()
    raw.land(YEARS_LATER, bar(MON), bar(TUE))

    news, _ = raw.land(YEARS_LATER + HOUR, bar(MON, 10.5), bar(TUE))

    assert told(news, "session", *VERSION) == [(MON, 10.5, YEARS_LATER + HOUR, "observed", False)]


def test_a_new_row_of_a_cell_answered_before_is_stamped_with_its_landing():
    raw = Raw()
    raw.land(YEARS_LATER, bar(MON))

    news, _ = raw.land(YEARS_LATER + HOUR, bar(MON), bar(TUE))

    assert told(news, "session", *VERSION) == [(TUE, 10.0, YEARS_LATER + HOUR, "observed", False)]


def test_a_row_of_a_cell_never_answered_is_assumed_however_often_others_were():
    raw = Raw()
    raw.land(YEARS_LATER, bar(MON), end=TUE)

    news, _ = raw.land(YEARS_LATER + HOUR, bar(MON), bar(TUE))

    assert told(news, "session", "ts_known", "availability") == [(TUE, utc(TUE, 20, 15), "assumed")]


def test_a_ticker_followed_later_is_backfilled_with_assumed_clocks():
    raw = Raw()
    raw.land(YEARS_LATER, bar(MON), tickers=("AAA",))

    news, _ = raw.land(
        YEARS_LATER + HOUR, bar(MON), bar(MON, ticker="BBB"), asked=("AAA", "BBB"), tickers=("AAA", "BBB")
    )

    assert told(news, "ticker", "ts_known", "availability") == [("BBB", utc(MON, 20, 15), "assumed")]


def test_a_row_that_is_gone_is_withdrawn_with_the_values_it_had():
    raw = Raw()
    raw.land(YEARS_LATER, bar(MON), bar(TUE, 11.0))

    news, _ = raw.land(YEARS_LATER + HOUR, bar(MON))

    assert told(news, "session", *VERSION) == [(TUE, 11.0, YEARS_LATER + HOUR, "observed", True)]
    assert raw.land(YEARS_LATER + 2 * HOUR, bar(MON))[0].is_empty()


def test_a_row_that_returns_is_a_version():
    raw = Raw()
    raw.land(YEARS_LATER, bar(MON))
    raw.land(YEARS_LATER + HOUR)

    news, _ = raw.land(YEARS_LATER + 2 * HOUR, bar(MON))

    assert told(news, *VERSION) == [(10.0, YEARS_LATER + 2 * HOUR, "observed", False)]


def test_there_and_back_is_three_versions():
    raw = Raw()
    for hours, close in enumerate((10.0, 11.0, 10.0)):
        raw.land(YEARS_LATER + hours * HOUR, bar(MON, close))

    assert raw.held.sort("ts_known")["close"].to_list() == [10.0, 11.0, 10.0]


def test_a_version_is_strictly_later_than_the_one_before_whatever_the_clock_says():
    raw = Raw()
    raw.land(utc(MON, 21), bar(MON), end=TUE)

    # The machine's clock went back by an hour
    news, _ = raw.land(utc(MON, 20), bar(MON, 10.5), end=TUE)
    gone, _ = raw.land(utc(MON, 20), end=TUE)

    assert news["ts_known"].to_list() == [utc(MON, 21) + TICK]
    assert gone["ts_known"].to_list() == [utc(MON, 21) + 2 * TICK]


@pytest.mark.parametrize("now", [utc(FRI, 20, 30), utc(FRI, 22)])
def test_a_replay_stamps_as_a_backfill_made_later_would(now):
    news, cells = Raw().land(now, bar(THU), bar(FRI), is_replay=True)

    assert told(news, "session", "ts_known", "availability") == [
        (THU, utc(THU, 20, 15), "assumed"),
        (FRI, utc(FRI, 20, 15), "assumed"),
    ]
    assert cells["availability"].unique().to_list() == ["assumed"]
    assert cells["ts_known"].to_list() == cells["ts_event"].to_list()


def test_a_replay_never_stamps_observed_even_where_the_source_has_changed_its_mind():
    raw = Raw()
    raw.land(utc(TUE, 21), bar(MON), is_replay=True)

    news, _ = raw.land(utc(THU, 21), bar(MON, 10.5), bar(TUE), is_replay=True)

    assert told(news, "session", "ts_known", "availability") == [
        (MON, utc(THU, 21), "assumed"),
        (TUE, utc(TUE, 20, 15), "assumed"),
    ]


def test_a_replay_withdraws_nothing():
    raw = Raw()
    raw.land(utc(TUE, 21), bar(MON), is_replay=True)

    assert raw.land(utc(THU, 21), is_replay=True)[0].is_empty()


def test_a_replay_refuses_a_lake_that_knows_more_and_says_what_to_do():
    raw = Raw()
    raw.land(YEARS_LATER, bar(MON), bar(FRI))

    with pytest.raises(KnowledgeAhead) as raised:
        raw.land(utc(FRI, 20), bar(MON), is_replay=True)

    assert str(raised.value) == (
        "raw_daily_bars: the lake holds 1 rows known after 2014-06-06T20:00:00+00:00, the instant to build for."
        " Build into an empty lake and store: point ORION_LAKE_URL, ORION_STORE_URL and ORION_STATE_URL elsewhere"
    )


def test_a_replay_of_some_tickers_does_not_mind_what_is_known_of_others():
    raw = Raw()
    raw.land(YEARS_LATER, bar(FRI, ticker="BBB"))

    news, _ = raw.land(utc(TUE, 21), bar(MON), is_replay=True, tickers=("AAA",))

    assert news["ticker"].to_list() == ["AAA"]


def test_who_is_no_replay_may_land_on_what_is_known_later():
    raw = Raw()
    raw.land(utc(FRI, 20), bar(MON, stated=utc(FRI, 22)))

    assert raw.land(utc(FRI, 21), bar(MON, stated=utc(FRI, 22)))[0].is_empty()


def test_what_was_known_when_its_cell_was_answered_without_it_is_a_later_answer():
    raw = Raw(RAW_NEWS)
    raw.land(utc(TUE, 13, 40), end=WED)
    evening, noon = article("1", TUE, "AAA"), article("2", TUE, "AAA")
    evening |= {"ts_event": utc(TUE, 1), TS_ASSUMED: utc(TUE, 1, 15)}

    late, _ = raw.land(utc(WED, 14), evening, noon, end=WED)

    assert told(late, "article_id", "ts_known", "availability") == [
        ("1", utc(WED, 14), "observed"),
        ("2", utc(TUE, 16, 15), "assumed"),
    ]


def test_a_late_bar_of_a_ticker_that_a_whole_market_was_told_without_is_stamped_with_its_landing():
    raw = Raw()
    raw.land(utc(MON, 21), bar(MON), end=TUE)

    news, _ = raw.land(utc(THU, 21), bar(MON), bar(MON, ticker="BBB"), end=TUE)

    assert told(news, "ticker", "ts_known", "availability") == [("BBB", utc(THU, 21), "observed")]


def test_what_was_asked_of_some_tickers_says_nothing_of_the_others():
    raw = Raw()
    raw.land(YEARS_LATER, bar(MON), end=TUE, tickers=("AAA",))

    news, _ = raw.land(YEARS_LATER + HOUR, bar(MON), bar(MON, ticker="BBB"), end=TUE)

    assert told(news, "ticker", "ts_known", "availability") == [("BBB", utc(MON, 20, 15), "assumed")]
