"""Landing on a real lake, archive and state database, with sources that say what a test lets them say."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.clock import FixedClock
from orion_assets.errors import KnowledgeAhead, SettingsError, SourceRejected
from orion_assets.ingest.freshness import cells_now, settle
from orion_assets.ingest.ledger import PUBLISHED
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.reference import land_tickers
from orion_assets.ingest.runner import Desk, land
from orion_assets.schemas import RAW_COVERAGE, RAW_DAILY_BARS, RAW_NEWS, RAW_SPLITS, RAW_TICKERS, TABLES
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, Answer, Ask, Document
from orion_assets.sources.routes import Route
from orion_assets.store.archive import FolderArchive
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets_tests import files_worlds
from orion_assets_tests.pipeline import said
from orion_assets_tests.unit.transforms.rows import HOUR, MON, THU, TICK, TUE, WED, close_cutoff, told, utc

YEARS_LATER = utc(date(2026, 1, 5), 12)
BYTES = b"ticker,session\n"
SHA = "5f78c33274e43fa9de5659265c1d917e25c03722dcb0b8d27db8d5feaa813953"


@dataclass
class Teller:
    """A source that says the rows it was given, of the asked range."""

    rows: list[dict] = field(default_factory=list)
    error: Exception | None = None
    ends: dict[str, date] = field(default_factory=dict)
    name = "teller"

    @property
    def datasets(self) -> frozenset[str]:
        return frozenset({RAW_TICKERS.name})

    def routes(self, today: date) -> tuple[Route, ...]:
        return ()

    def read(self, ask: Ask) -> Answer:
        if self.error:
            raise self.error
        filled = [{"is_deleted": False, TS_STATED: None, **row} for row in self.rows]
        empty = pl.DataFrame(schema={"session": pl.Date, "snapshot": pl.Date})
        frame = pl.DataFrame(filled, infer_schema_length=None) if filled else empty
        rows = said(ask.dataset, frame)
        if "session" in TABLES[ask.dataset].names:
            rows = rows.filter(pl.col("session").is_between(ask.start, ask.end, closed="left"))
        return Answer(rows, (Document("bars.csv", SHA, BYTES),), "evidence", ask.tickers, None, self.ends)


@pytest.fixture
def desk(tmp_path):
    made = Desk(Lake(str(tmp_path / "lake")), FolderArchive(tmp_path / "archive"), State(f"sqlite:///{tmp_path}/s.db"))
    yield made
    made.state.close()


def bar(session: date, close: float = 10.0, ticker: str = "AAA") -> dict:
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    clocks = {"ts_event": utc(session, 20), TS_ASSUMED: utc(session, 20, 15)}
    return {"ticker": ticker, "session": session, "volume": 100.0, **prices, **clocks}


def reference(ticker: str, name: str | None = None, snapshot: date = MON, stated: datetime | None = None) -> dict:
    clocks = {"ts_event": utc(snapshot, 4), TS_ASSUMED: utc(snapshot, 4), TS_STATED: stated}
    return {"ticker": ticker, "snapshot": snapshot, "name": name, **clocks}


def asked(desk: Desk, source, now: datetime = YEARS_LATER, *, table=RAW_DAILY_BARS, end=WED, **more):
    ask = Ask(table.name, MON, end, more.pop("tickers", ("AAA",)), now)
    return land(desk, source, ask, table, Moment(now, **more))


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


def test_the_reference_is_landed_with_its_assumed_clock(desk):
    landed = land_tickers(desk, Teller([reference("AAA", "Old"), reference("BBB")]), Moment(YEARS_LATER))

    assert (landed.table, landed.rows) == (RAW_TICKERS, 2)
    assert told(desk.lake.read(RAW_TICKERS), "ticker", "name", "ts_known", "availability") == [
        ("AAA", "Old", utc(MON, 4), "assumed"),
        ("BBB", None, utc(MON, 4), "assumed"),
    ]


def test_a_stated_reference_keeps_its_clock(desk):
    land_tickers(desk, Teller([reference("AAA", stated=utc(TUE, 9))]), Moment(YEARS_LATER))

    assert told(desk.lake.read(RAW_TICKERS), "ts_known", "availability") == [(utc(TUE, 9), "observed")]


def test_a_repeated_reference_adds_nothing(desk):
    versions = (reference("AAA", "Old", stated=utc(MON, 9)), reference("AAA", "New", stated=utc(TUE, 9)))
    source = Teller([*versions, reference("BBB")])
    land_tickers(desk, source, Moment(YEARS_LATER))

    assert land_tickers(desk, source, Moment(YEARS_LATER + HOUR)).rows == 0


def test_a_reference_of_other_bytes_that_says_the_same_adds_nothing(desk):
    land_tickers(desk, Teller([reference("AAA", "Old")]), Moment(YEARS_LATER))

    again = Teller([{**reference("AAA", "Old"), "source_hash": "1" * 64, "source_row": 9, "source_file": "b.csv"}])

    assert land_tickers(desk, again, Moment(YEARS_LATER + HOUR)).rows == 0


def test_a_version_of_a_reference_stated_later_keeps_its_clock(desk):
    first, second = reference("AAA", "Old", stated=utc(MON, 9)), reference("AAA", "New", stated=utc(TUE, 9))
    land_tickers(desk, Teller([first]), Moment(YEARS_LATER))

    land_tickers(desk, Teller([first, second]), Moment(YEARS_LATER + HOUR))

    assert told(desk.lake.read(RAW_TICKERS), "name", "ts_known") == [("Old", utc(MON, 9)), ("New", utc(TUE, 9))]


def test_a_changed_reference_is_known_when_it_lands_and_a_return_is_a_change_too(desk):
    for hours, name in enumerate(("Old", "New", "Old")):
        land_tickers(desk, Teller([reference("AAA", name)]), Moment(YEARS_LATER + hours * HOUR))

    assert told(desk.lake.read(RAW_TICKERS), "name", "ts_known") == [
        ("Old", utc(MON, 4)),
        ("New", YEARS_LATER + HOUR),
        ("Old", YEARS_LATER + 2 * HOUR),
    ]


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
