"""The stamping rule, branch by branch; June 2014, asked Monday to Friday unless said otherwise."""

import logging
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.errors import KnowledgeAhead
from orion_assets.ingest.landing import Landing
from orion_assets.ingest.moment import Moment
from orion_assets.schemas import RAW_COVERAGE, RAW_DAILY_BARS, RAW_NEWS, RAW_SPLITS, RAW_VIX, Table
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, Answer
from orion_assets_tests.pipeline import said
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
    close_cutoff,
    open_cutoff,
    told,
    utc,
)

SATURDAY = date(2014, 6, 7)
YEARS_LATER = utc(date(2026, 1, 5), 12)
DELAY = timedelta(minutes=15)


@dataclass
class Raw:
    """One raw table and its coverage, landed upon as the lake would."""

    table: Table = RAW_DAILY_BARS
    held: pl.DataFrame = field(default_factory=pl.DataFrame)
    coverage: pl.DataFrame = field(default_factory=RAW_COVERAGE.empty)

    def land(self, now: datetime, *given: dict, start=MON, end=SATURDAY, asked=("AAA",), is_replay=False, **answer):
        """Land an answer; gives the versions and the coverage rows that were added."""
        held = self.held if self.held.width else self.table.empty()
        count = calendars.sessions(start, end).height
        about = Landing(
            self.table,
            Answer(answer_rows(self.table, *given), (), "evidence", **answer),
            calendars.sessions(start).head(count + 1),
            Moment(now, is_replay),
        )
        in_range = pl.col("session").is_between(start, end, closed="left")
        mine = held.filter(in_range) if "session" in self.table.key else held
        news = self.table.conform(about.new_versions(mine, self.coverage.filter(in_range)))
        cells = RAW_COVERAGE.conform(about.new_coverage(asked, self.coverage.filter(in_range)))
        self.held = self.table.conform(pl.concat([held, news]))
        self.coverage = RAW_COVERAGE.conform(pl.concat([self.coverage, cells]))
        return news.sort(*self.table.key, "ts_known"), cells.sort("ts_event", "ticker")


def answer_rows(table: Table, *given: dict) -> pl.DataFrame:
    if not given:
        return said(table.name, pl.DataFrame(schema={"session": pl.Date}))
    rows = [{"is_deleted": False, **row} for row in given]
    return said(table.name, pl.DataFrame(rows, infer_schema_length=None))


def bar(session: date, close: float = 10.0, stated: datetime | None = None, *, ticker="AAA", **more) -> dict:
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    clocks = {"ts_event": utc(session, 20), TS_ASSUMED: utc(session, 20) + DELAY, TS_STATED: stated}
    return {"ticker": ticker, "session": session, "volume": 100.0, **prices, **clocks, **more}


def article(number: str, session: date, *tickers: str, **more) -> dict:
    clocks = {"ts_event": utc(session, 16), TS_ASSUMED: utc(session, 16) + DELAY}
    return {"article_id": number, "session": session, "tickers": list(tickers), "title": "Results", **clocks, **more}


def split(event: str, ex_date: date, *, ticker="AAA", **more) -> dict:
    shares = {"shares_after": 2, "shares_before": 1}
    clocks = {"ts_event": utc(ex_date, 13, 30), TS_ASSUMED: utc(ex_date, 13, 30)}
    return {"event_id": event, "ticker": ticker, "session": ex_date, "ex_date": ex_date, **shares, **clocks, **more}


VERSION = ("close", "ts_known", "availability", "is_deleted")


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


def test_only_the_rows_of_the_tickers_spoken_of_are_withdrawn():
    raw = Raw()
    raw.land(YEARS_LATER, bar(MON), bar(MON, ticker="BBB"), bar(MON, ticker="CCC"))

    news, _ = raw.land(YEARS_LATER + HOUR, bar(MON), tickers=("AAA", "BBB"))

    assert told(news, "ticker", "is_deleted") == [("BBB", True)]


def test_an_article_of_a_ticker_that_was_not_asked_for_is_not_withdrawn():
    raw = Raw(RAW_NEWS)
    raw.land(YEARS_LATER, article("1", MON, "AAA"), article("2", MON, "BBB"), article("3", MON, "AAA", "BBB"))

    news, _ = raw.land(YEARS_LATER + HOUR, article("3", MON, "AAA", "BBB"), tickers=("AAA",))

    assert told(news, "article_id", "is_deleted") == [("1", True)]


def test_an_article_that_has_lost_the_ticker_asked_for_is_not_withdrawn_for_its_past():
    raw = Raw(RAW_NEWS)
    raw.land(YEARS_LATER, article("1", MON, "AAA"))
    raw.land(YEARS_LATER + HOUR, article("1", MON, "BBB"))

    assert raw.land(YEARS_LATER + 2 * HOUR, tickers=("AAA",))[0].is_empty()


def test_an_article_that_gains_the_ticker_asked_for_is_a_correction():
    raw = Raw(RAW_NEWS)
    raw.land(YEARS_LATER, article("1", MON, "BBB"))

    news, _ = raw.land(YEARS_LATER + HOUR, article("1", MON, "AAA", "BBB"), tickers=("AAA",))

    assert told(news, "tickers", "ts_known", "availability") == [(["AAA", "BBB"], YEARS_LATER + HOUR, "observed")]


def test_sessions_beyond_the_end_of_the_source_are_neither_answered_nor_withdrawn():
    raw = Raw()
    raw.land(YEARS_LATER, bar(MON), bar(FRI))

    news, _ = raw.land(YEARS_LATER + HOUR, through=THU)

    assert told(news, "session", "is_deleted") == [(MON, True)]


def test_a_row_on_a_closed_day_is_withdrawn_when_it_is_gone():
    raw = Raw()
    raw.land(YEARS_LATER, bar(SATURDAY), end=NEXT_TUE)

    news, _ = raw.land(YEARS_LATER + HOUR, end=NEXT_TUE)

    assert told(news, "session", "is_deleted") == [(SATURDAY, True)]


def test_a_moved_article_stays_where_it_was_first_filed():
    raw = Raw(RAW_NEWS)
    raw.land(YEARS_LATER, article("1", MON, "AAA"))

    moved = article("1", TUE, "AAA")
    news, _ = raw.land(YEARS_LATER + HOUR, moved)

    assert told(news, "session", "ts_event", "ts_known") == [(MON, utc(TUE, 16), YEARS_LATER + HOUR)]
    assert raw.land(YEARS_LATER + 2 * HOUR, moved)[0].is_empty()


def test_a_moved_article_landed_live_stays_where_it_was_first_filed():
    # Observed at eight in the evening; the move is told for a cell that was never answered, with an older clock
    raw = Raw(RAW_NEWS)
    raw.land(utc(TUE, 0), article("1", MON, "AAA"), end=TUE)

    news, _ = raw.land(utc(FRI, 12), article("1", TUE, "AAA", **{TS_ASSUMED: utc(MON, 19)}), start=TUE, end=WED)

    assert told(news, "session", "ts_known") == [(MON, utc(FRI, 12))]


def test_a_moved_article_is_not_withdrawn_by_an_answer_about_the_session_it_has_left():
    raw = Raw(RAW_NEWS)
    raw.land(YEARS_LATER, article("1", MON, "AAA"))
    raw.land(YEARS_LATER + HOUR, article("1", WED, "AAA"))

    news, _ = raw.land(YEARS_LATER + 2 * HOUR, start=MON, end=TUE)

    assert news.is_empty()


def test_a_vix_day_of_a_closed_day_is_judged_by_the_session_it_is_filed_under():
    raw = Raw(RAW_VIX)
    day = {"date": SATURDAY, "session": NEXT_MON, "close": 12.0, "ts_event": utc(SATURDAY, 20)}

    news, _ = raw.land(utc(NEXT_TUE, 12), {**day, TS_ASSUMED: utc(SATURDAY, 20, 15)}, start=NEXT_MON, end=NEXT_TUE)

    assert told(news, "ts_known", "availability") == [(utc(NEXT_TUE, 12), "observed")]


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


CELL = ("ticker", "session", "cutoff", "state", "rows", "ts_known", "availability")


def test_coverage_of_bars_speaks_of_the_market_at_both_cut_offs_and_of_each_ticker_at_the_close():
    _, cells = Raw().land(YEARS_LATER, bar(MON), end=TUE, asked=("BBB", "AAA"))

    assert told(cells, *CELL) == [
        ("*", MON, "open", "data", 1, open_cutoff(MON), "assumed"),
        ("*", MON, "close", "data", 1, close_cutoff(MON), "assumed"),
        ("AAA", MON, "close", "data", 1, close_cutoff(MON), "assumed"),
        ("BBB", MON, "close", "empty_confirmed", 0, close_cutoff(MON), "assumed"),
    ]
    assert cells["dataset"].unique().to_list() == ["raw_daily_bars"]
    assert cells["evidence"].unique().to_list() == ["evidence"]
    assert cells["source"].unique().to_list() == ["files"]


@pytest.mark.parametrize(("table", "row"), [(RAW_NEWS, article("1", MON, "AAA")), (RAW_SPLITS, split("1", MON))])
def test_coverage_of_other_datasets_speaks_of_the_market_alone(table, row):
    _, cells = Raw(table).land(YEARS_LATER, row, end=TUE)

    assert told(cells, "ticker", "cutoff", "state", "rows") == [("*", "open", "data", 1), ("*", "close", "data", 1)]


def test_an_answer_without_rows_confirms_that_there_are_none():
    _, cells = Raw(RAW_VIX).land(YEARS_LATER, end=TUE)

    assert told(cells, "cutoff", "state", "rows", "source") == [
        ("open", "empty_confirmed", 0, ""),
        ("close", "empty_confirmed", 0, ""),
    ]


@pytest.mark.parametrize(
    ("now", "cutoffs"),
    [
        (open_cutoff(MON) - TICK, []),
        (open_cutoff(MON), ["open"]),
        (close_cutoff(MON) - TICK, ["open"]),
        (close_cutoff(MON), ["open", "close"]),
    ],
)
def test_only_cut_offs_that_have_come_are_covered(now, cutoffs):
    _, cells = Raw(RAW_NEWS).land(now, end=TUE)

    assert cells["cutoff"].to_list() == cutoffs


def test_a_live_answer_is_known_when_it_lands():
    _, cells = Raw(RAW_NEWS).land(utc(MON, 21), end=TUE)

    assert told(cells, "cutoff", "ts_event", "ts_known", "availability") == [
        ("open", open_cutoff(MON), utc(MON, 21), "observed"),
        ("close", close_cutoff(MON), utc(MON, 21), "observed"),
    ]


def test_sessions_after_the_end_of_the_source_are_not_covered():
    _, cells = Raw(RAW_NEWS).land(YEARS_LATER, through=TUE)

    assert cells["session"].unique().sort().to_list() == [MON, TUE]


def test_a_state_that_changes_is_added_and_one_that_does_not_is_not():
    raw = Raw(RAW_NEWS)
    raw.land(YEARS_LATER, end=WED)

    _, cells = raw.land(YEARS_LATER + HOUR, article("1", TUE, "AAA"), end=WED)
    _, gone = raw.land(YEARS_LATER + 2 * HOUR, end=WED)

    assert told(cells, "session", "cutoff", "state", "ts_known", "availability") == [
        (TUE, "open", "data", YEARS_LATER + HOUR, "observed"),
        (TUE, "close", "data", YEARS_LATER + HOUR, "observed"),
    ]
    assert gone["state"].unique().to_list() == ["empty_confirmed"]
    assert RAW_COVERAGE.conform(raw.coverage).height == 8


def test_more_rows_of_the_same_state_are_no_change():
    raw = Raw(RAW_NEWS)
    raw.land(YEARS_LATER, article("1", MON, "AAA"))

    assert raw.land(YEARS_LATER + HOUR, article("1", MON, "AAA"), article("2", MON, "AAA"))[1].is_empty()


def test_a_key_that_the_source_states_as_withdrawn_does_not_count():
    versions = (bar(MON, 10.0, utc(MON, 21)), bar(MON, 10.0, utc(TUE, 21), is_deleted=True))

    _, cells = Raw().land(YEARS_LATER, *versions, end=TUE)

    assert cells["state"].unique().to_list() == ["empty_confirmed"]


def test_a_followed_ticker_is_covered_even_when_nobody_is_followed_yet():
    _, cells = Raw().land(YEARS_LATER, bar(MON), end=TUE, asked=())

    assert cells["ticker"].unique().to_list() == ["*"]


def test_a_range_without_a_session_is_answered_by_nothing():
    news, cells = Raw().land(YEARS_LATER, start=SATURDAY, end=date(2014, 6, 8))

    assert news.is_empty()
    assert cells.is_empty()


@pytest.mark.parametrize("table", [RAW_DAILY_BARS, RAW_VIX, RAW_NEWS, RAW_SPLITS], ids=lambda table: table.name)
def test_an_empty_answer_on_an_empty_table_adds_no_rows_and_all_coverage(table):
    news, cells = Raw(table).land(YEARS_LATER, asked=())

    assert news.schema == table.schema
    assert news.is_empty()
    assert cells.height == 10


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
