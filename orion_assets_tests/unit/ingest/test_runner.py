"""Landing on a real lake, archive and state database, with sources that say what a test lets them say."""

# ruff: noqa: F811 - fixtures are imported by name

from dataclasses import dataclass, replace
from datetime import date

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.clock import FixedClock
from orion_assets.errors import KnowledgeAhead, SettingsError, SourceRejected
from orion_assets.ingest.freshness import cells_now, settle
from orion_assets.ingest.ledger import PUBLISHED
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.reference import land_tickers
from orion_assets.ingest.runner import land
from orion_assets.schemas import RAW_COVERAGE, RAW_DAILY_BARS, RAW_NEWS, RAW_SPLITS
from orion_assets.sources.protocols import TS_ASSUMED, Ask
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets_tests import files_worlds
from orion_assets_tests.unit.ingest.landing_desk import (
    BYTES,
    YEARS_LATER,
    Teller,
    asked,
    bar,
    desk,  # noqa: F401
)
from orion_assets_tests.unit.transforms.rows import HOUR, MON, THU, TICK, TUE, WED, close_cutoff, told, utc


def test_bytes_rows_coverage_and_ledger_are_landed(desk):
    landed = asked(desk, Teller([bar(MON), bar(TUE)]))

    assert (landed.table.name, landed.rows, landed.first_change, landed.not_due) == ("raw_daily_bars", 2, MON, ())
    assert desk.lake.read(RAW_DAILY_BARS)["close"].to_list() == [10.0, 10.0]
    assert desk.lake.read(RAW_COVERAGE).height == 6
    assert told(desk.state.cells(), "ticker", "session", "state") == [("AAA", MON, "data"), ("AAA", TUE, "data")]
    assert desk.archive.get(desk.archive.put(BYTES)) == BYTES


def test_a_repeated_landing_commits_nothing(desk):
    asked(desk, Teller([bar(MON)]))
    before = (desk.lake.version(RAW_DAILY_BARS), desk.lake.version(RAW_COVERAGE))

    landed = asked(desk, Teller([bar(MON)]), YEARS_LATER + HOUR)

    assert (landed.rows, landed.first_change) == (0, None)
    assert (desk.lake.version(RAW_DAILY_BARS), desk.lake.version(RAW_COVERAGE)) == before


def test_the_first_change_is_the_first_session_whose_rows_changed(desk):
    asked(desk, Teller([bar(MON), bar(TUE)]))

    landed = asked(desk, Teller([bar(MON), bar(TUE, 11.0)]), YEARS_LATER + HOUR)

    assert (landed.rows, landed.first_change) == (1, TUE)


def test_sessions_that_have_not_closed_are_named_and_not_yet(desk):
    landed = asked(desk, Teller([bar(MON)]), close_cutoff(TUE) - TICK)

    assert landed.not_due == (TUE,)
    assert told(desk.state.cells(), "session", "state", "detail") == [
        (MON, "data", ""),
        (TUE, "not_yet", "the close cut-off has not come"),
    ]
    assert asked(desk, Teller([bar(MON)]), close_cutoff(TUE)).not_due == ()


def test_a_source_that_refuses_leaves_failed_cells_and_no_rows(desk):
    refusal = SourceRejected("bars.csv: row 3 cannot be read", file="bars.csv", row=3)

    with pytest.raises(SourceRejected):
        asked(desk, Teller(error=refusal))

    assert told(desk.state.cells(), "session", "state", "detail") == [
        (MON, "failed", "bars.csv: row 3 cannot be read"),
        (TUE, "failed", "bars.csv: row 3 cannot be read"),
    ]
    assert not desk.lake.exists(RAW_DAILY_BARS)
    assert not desk.lake.exists(RAW_COVERAGE)


def test_an_answer_after_a_failure_heals_the_ledger(desk):
    with pytest.raises(SourceRejected):
        asked(desk, Teller(error=SourceRejected("x", file="f")))

    asked(desk, Teller([bar(MON), bar(TUE)]))

    assert desk.state.cells()["state"].unique().to_list() == ["data"]


def test_a_replay_on_a_lake_that_knows_more_writes_nothing(desk):
    asked(desk, Teller([bar(MON), bar(TUE)]))
    before = desk.lake.version(RAW_DAILY_BARS)

    with pytest.raises(KnowledgeAhead):
        asked(desk, Teller([bar(MON)]), utc(TUE, 12), is_replay=True)

    assert desk.lake.version(RAW_DAILY_BARS) == before


def test_who_follows_nobody_covers_the_tickers_the_answer_speaks_of(desk):
    @dataclass
    class Speaker(Teller):
        def read(self, ask):
            return replace(super().read(ask), tickers=("AAA", "BBB"))

    asked(desk, Speaker([bar(MON)]), tickers=(), end=TUE)

    assert desk.lake.read(RAW_COVERAGE)["ticker"].unique().sort().to_list() == ["*", "AAA", "BBB"]


def test_an_article_that_moves_to_another_session_is_still_one(desk):
    clocks = {"ts_event": utc(MON, 16), TS_ASSUMED: utc(MON, 16)}
    article = {"article_id": "1", "session": MON, "tickers": ["AAA"], "title": "Results", **clocks}
    asked(desk, Teller([article]), table=RAW_NEWS, end=TUE)

    moved = {**article, "session": TUE, "ts_event": utc(TUE, 16)}
    source, ask = Teller([moved]), Ask("raw_news", TUE, WED, (), YEARS_LATER + HOUR)
    land(desk, source, ask, RAW_NEWS, Moment(YEARS_LATER + HOUR))

    assert told(desk.lake.read(RAW_NEWS), "session", "ts_event", "is_deleted") == [
        (MON, utc(MON, 16), False),
        (MON, utc(TUE, 16), False),
    ]


def test_a_split_that_moves_to_an_earlier_ex_date_bears_upon_the_sessions_from_there_on(desk):
    at_wednesday = {"ts_event": utc(WED, 13, 30), TS_ASSUMED: utc(WED, 13, 30), "session": WED, "ex_date": WED}
    split = {"event_id": "1", "ticker": "AAA", "shares_after": 2, "shares_before": 1, **at_wednesday}
    asked(desk, Teller([split]), table=RAW_SPLITS, end=THU)
    settle(desk.state, MON, THU, Moment(YEARS_LATER, run="first"))

    moved = Teller([{**split, "session": TUE, "ex_date": TUE}])
    landed = asked(desk, moved, YEARS_LATER + HOUR, table=RAW_SPLITS, end=THU)

    published = cells_now(desk.state).filter(pl.col("dataset") == PUBLISHED)
    assert landed.first_change == TUE
    assert told(published, "session", "state") == [(MON, "data"), (TUE, "not_yet"), (WED, "not_yet")]


@pytest.mark.parametrize(("ticker", "first"), [("AAA", MON), ("BBB", WED)])
def test_a_split_near_one_that_is_held_bears_upon_that_one_too(desk, ticker, first):
    """Of two dates that are told of one split one counts: the day on which nothing happens any more changes as well."""

    def split(number, day, of):
        clocks = {"ts_event": utc(day, 13, 30), TS_ASSUMED: utc(day, 13, 30), "session": day, "ex_date": day}
        return {"event_id": number, "ticker": of, "shares_after": 2, "shares_before": 1, **clocks}

    held = split("1", MON, "AAA")
    asked(desk, Teller([held]), table=RAW_SPLITS, end=THU)

    landed = asked(desk, Teller([held, split("2", WED, ticker)]), YEARS_LATER + HOUR, table=RAW_SPLITS, end=THU)

    assert landed.first_change == first


def test_a_split_that_moves_a_year_is_still_one(desk):
    clocks = {"ts_event": utc(WED, 13, 30), TS_ASSUMED: utc(WED, 13, 30), "session": WED, "ex_date": WED}
    split = {"event_id": "1", "ticker": "AAA", "shares_after": 2, "shares_before": 1, **clocks}
    asked(desk, Teller([split]), table=RAW_SPLITS, end=THU)
    year, ask = date(2015, 6, 4), Ask("raw_splits", date(2015, 6, 1), date(2015, 7, 1), (), YEARS_LATER + HOUR)

    moved = Teller([{**split, "session": year, "ex_date": year}])
    landed = land(desk, moved, ask, RAW_SPLITS, Moment(YEARS_LATER + HOUR))

    assert landed.first_change == WED
    assert told(desk.lake.read(RAW_SPLITS), "session", "ex_date") == [(WED, WED), (WED, year)]


def test_rows_are_stamped_when_they_are_committed_and_not_when_they_were_asked_for(desk):
    evening = close_cutoff(TUE) + HOUR
    moment = Moment(evening, clock=FixedClock(evening + HOUR))

    land(desk, Teller([bar(TUE)]), Ask("raw_daily_bars", TUE, WED, ("AAA",), evening), RAW_DAILY_BARS, moment)

    assert desk.lake.read(RAW_DAILY_BARS)["ts_known"].to_list() == [evening + HOUR]
    assert desk.lake.read(RAW_COVERAGE)["ts_known"].unique().to_list() == [evening + HOUR]


def test_a_cut_off_that_comes_between_the_ask_and_the_commit_was_not_asked(desk):
    before = close_cutoff(TUE) - TICK
    moment = Moment(before, clock=FixedClock(close_cutoff(TUE) + HOUR))

    land(desk, Teller([bar(MON)]), Ask("raw_daily_bars", TUE, WED, ("AAA",), before), RAW_DAILY_BARS, moment)

    assert desk.lake.read(RAW_COVERAGE)["cutoff"].to_list() == ["open"]


def test_a_file_that_lost_most_of_its_rows_is_refused_and_what_was_landed_stays(desk):
    names = [f"T{number}" for number in range(8)]
    asked(desk, Teller([bar(MON, ticker=name) for name in names]), tickers=tuple(names), end=TUE)
    cut = Teller([bar(MON, ticker=name) for name in names[:2]])

    with pytest.raises(SourceRejected, match=r"no longer has 6 of 8 rows it had, the first T2 2014-06-02 of test\.csv"):
        asked(desk, cut, YEARS_LATER + HOUR, tickers=tuple(names), end=TUE)

    assert desk.lake.read(RAW_DAILY_BARS).height == 8
    assert desk.state.cells()["state"].unique().to_list() == ["data"]
    landed = asked(desk, cut, YEARS_LATER + HOUR, tickers=tuple(names), end=TUE, takes_back=True)
    assert landed.withdrawn["ticker"].to_list() == names[2:]


def test_a_lost_file_among_many_is_refused_too(desk):
    days = calendars.sessions(MON, date(2014, 6, 12))["session"].to_list()
    given = [
        bar(day, ticker=f"T{number:02}") | {"source_file": f"T{number:02}.csv"} for number in range(20) for day in days
    ]
    names, end = tuple(f"T{number:02}" for number in range(20)), date(2014, 6, 12)
    asked(desk, Teller(given), tickers=names, end=end)
    kept = [row for row in given if row["ticker"] != "T07"]

    with pytest.raises(SourceRejected, match="no longer has 8 of 8 rows it had, the first T07 2014-06-02 of T07"):
        asked(desk, Teller(kept), YEARS_LATER + HOUR, tickers=names, end=end)


def test_a_ticker_whose_rows_may_only_be_late_is_not_confirmed_to_have_none(desk):
    source = Teller([bar(MON), bar(TUE), bar(MON, ticker="BBB")], ends={"BBB": MON})

    asked(desk, source, tickers=("AAA", "BBB"))

    cells = desk.state.cells(tickers=["BBB"])
    assert told(cells, "session", "state") == [(MON, "data"), (TUE, "not_yet")]


def test_some_of_the_tickers_say_nothing_of_the_emptiness_of_the_market(desk):
    ask = Ask("raw_daily_bars", MON, WED, ("AAA",), YEARS_LATER, is_partial=True)

    land(desk, Teller([bar(MON)]), ask, RAW_DAILY_BARS, Moment(YEARS_LATER))

    cells = desk.lake.read(RAW_COVERAGE).filter(pl.col("cutoff") == "close")
    assert told(cells, "ticker", "session", "state") == [
        ("*", MON, "data"),
        ("AAA", MON, "data"),
        ("AAA", TUE, "empty_confirmed"),
    ]


MAPPING = """
[[splits]]
files = ["splits.csv"]
columns = { ticker = "ticker", ex_date = "date", shares_after = "after", shares_before = "before" }
[[news]]
files = ["news.csv"]
columns = { ticker = "ticker", article_id = "id", published = "at", title = "title" }
"""
SPLITS = "ticker,date,after,before\nAAA,2014-06-03,2,1\nBBB,2014-06-03,7,1\n"
NEWS = "ticker,id,at,title\nAAA,1,2014-06-03T12:00:00Z,Good\nBBB,2,2014-06-03T12:00:00Z,Bad\n"


@pytest.mark.parametrize(("table", "known"), [(RAW_SPLITS, utc(TUE, 13, 30)), (RAW_NEWS, utc(TUE, 12, 15))])
def test_the_past_of_a_ticker_followed_later_is_assumed_and_not_learned_today(desk, tmp_path, table, known):
    source = files_worlds.source(tmp_path, MAPPING, splits__csv=SPLITS, news__csv=NEWS)
    asked(desk, source, table=table, tickers=("AAA",))

    asked(desk, source, YEARS_LATER + HOUR, table=table, tickers=("AAA", "BBB"))

    assert told(desk.lake.read(table), "ts_known", "availability") == [(known, "assumed"), (known, "assumed")]


@pytest.mark.parametrize("tickers", [("AAA",), ("ZZZ",)], ids=["with articles", "without any"])
def test_a_run_limited_to_a_ticker_withdraws_nothing_of_the_others(desk, tmp_path, tickers):
    source = files_worlds.source(tmp_path, MAPPING, splits__csv=SPLITS, news__csv=NEWS)
    asked(desk, source, table=RAW_NEWS, tickers=("AAA", "BBB"))

    landed = asked(desk, source, YEARS_LATER + HOUR, table=RAW_NEWS, tickers=tickers)

    assert landed.rows == 0


def test_the_synthetic_market_never_stands_beside_real_data(desk):
    teller, other = Teller([bar(MON)]), Teller([bar(TUE)])
    other.name = "synthetic"
    ask = Ask(RAW_DAILY_BARS.name, MON, TUE, ("AAA",), YEARS_LATER)
    land(desk, teller, ask, RAW_DAILY_BARS, Moment(YEARS_LATER))

    with pytest.raises(SettingsError, match=r"source synthetic: this lake holds what .* said, .* ORION_LAKE_URL"):
        land(desk, other, ask, RAW_DAILY_BARS, Moment(YEARS_LATER))
    with pytest.raises(SettingsError, match="never stands beside real"):
        land_tickers(desk, other, Moment(YEARS_LATER))

    assert desk.lake.read(RAW_DAILY_BARS)["session"].to_list() == [MON]


def test_a_lake_that_lost_its_state_still_says_who_filled_it(desk, tmp_path):
    ask = Ask(RAW_DAILY_BARS.name, MON, TUE, ("AAA",), YEARS_LATER)
    land_tickers(
        desk,
        Teller([{"ticker": "AAA", "snapshot": MON, "ts_event": utc(MON, 4), TS_ASSUMED: utc(MON, 4)}]),
        Moment(YEARS_LATER),
    )
    other = Teller([bar(TUE)])
    other.name = "synthetic"
    fresh = replace(desk, state=State(f"sqlite:///{tmp_path}/new.db"))

    with pytest.raises(SettingsError, match="this lake holds what files said"):
        land(fresh, other, ask, RAW_DAILY_BARS, Moment(YEARS_LATER))


class Watched(Lake):
    """A lake that remembers whose bars an append took into memory."""

    handed: frozenset[str] = frozenset()

    def append(self, table, decide, **more):
        def watching(held):
            if table is RAW_DAILY_BARS:
                self.handed |= {*held["ticker"]}
            return decide(held)

        return super().append(table, watching, **more)


def test_of_a_market_that_is_held_only_the_asked_tickers_rows_are_taken_into_memory(desk, tmp_path):
    many = Teller([bar(day, ticker=ticker) for ticker in ("AAA", "BBB", "CCC") for day in (MON, TUE)])
    asked(desk, many, tickers=("AAA", "BBB", "CCC"))
    lake = Watched(str(tmp_path / "lake"))

    landed = asked(replace(desk, lake=lake), Teller([bar(MON, 10.5), bar(TUE)]), YEARS_LATER + HOUR)

    assert told(landed.appended, "ticker", "close") == [("AAA", 10.5)]
    assert lake.handed == {"AAA"}
