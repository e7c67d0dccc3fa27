"""Minutes landed on a real lake and ledger: in pieces, by ticker and session."""

from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.errors import SourceUnavailable
from orion_assets.ingest.freshness import cells_now, settle, stale_span
from orion_assets.ingest.ledger import PUBLISHED
from orion_assets.ingest.missing import holes
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.pieces import MOST_ROWS, pieces
from orion_assets.ingest.rebuilding import rebuild
from orion_assets.ingest.runner import Desk, land_all, restated
from orion_assets.schemas import CLEAN_MINUTE_BARS, QUARANTINE, RAW_COVERAGE, RAW_DAILY_BARS, RAW_MINUTE_BARS
from orion_assets.sources.protocols import TS_ASSUMED, Answer, Ask
from orion_assets.store.archive import FolderArchive
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets.transforms.minutes import clean_minute_bars
from orion_assets_tests.pipeline import said
from orion_assets_tests.unit.transforms.rows import HOUR, MON, THU, TUE, WED, told, utc

NOW = utc(date(2026, 1, 5), 12)
MINUTE = timedelta(minutes=1)
YEAR = (date(2024, 1, 1), date(2025, 1, 1))


@dataclass
class Minutes:
    """A source that says the minutes it was given, until it is asked for a session that it cannot reach."""

    rows: list[dict]
    unreachable: date | None = None
    asks: list[tuple[date, date]] = field(default_factory=list)
    name = "teller"

    def read(self, ask: Ask) -> Answer:
        self.asks.append((ask.start, ask.end))
        if self.unreachable and ask.start <= self.unreachable < ask.end:
            raise SourceUnavailable("teller: sleeps")
        rows = said("raw_minute_bars", pl.DataFrame(self.rows))
        return Answer(
            rows.filter(pl.col("session").is_between(ask.start, ask.end, closed="left")), (), "e", ask.tickers
        )


def minute(session: date, at: int = 14, close: float = 10.0, ticker: str = "AAA") -> dict:
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    opens = utc(session, at)
    clocks = {"ts_open": opens, "ts_event": opens + MINUTE, TS_ASSUMED: opens + 16 * MINUTE}
    return {"ticker": ticker, "session": session, "volume": 100.0, **prices, **clocks}


@pytest.fixture
def desk(tmp_path):
    made = Desk(Lake(str(tmp_path / "lake")), FolderArchive(tmp_path / "archive"), State(f"sqlite:///{tmp_path}/s.db"))
    made.state.add_tickers(["AAA", "BBB"], ts_added=NOW)
    return made


def asked(desk: Desk, source, now=NOW, *, tickers: tuple[str, ...] = ("AAA", "BBB"), end: date = WED, **more) -> list:
    ask = Ask("raw_minute_bars", MON, end, tickers, now)
    return list(land_all(desk, source, ask, RAW_MINUTE_BARS, Moment(now, **more)))


CELL = ("ticker", "session", "state", "rows")


def test_the_ledger_keeps_minutes_by_ticker_and_session_and_counts_them(desk):
    asked(desk, Minutes([minute(MON), minute(MON, 15), minute(TUE, ticker="BBB")]))

    cells = desk.state.cells(dataset="raw_minute_bars")
    assert told(cells, *CELL) == [
        ("AAA", MON, "data", 2),
        ("AAA", TUE, "empty_confirmed", 0),
        ("BBB", MON, "empty_confirmed", 0),
        ("BBB", TUE, "data", 1),
    ]
    assert holes(desk.state, "raw_minute_bars", 2, (MON, THU)) == [WED]


def test_a_repeated_landing_lands_nothing_and_a_changed_minute_is_one_version(desk):
    asked(desk, Minutes([minute(MON), minute(MON, 15)]))
    (again,) = asked(desk, Minutes([minute(MON), minute(MON, 15)]), NOW + HOUR)
    (changed,) = asked(desk, Minutes([minute(MON), minute(MON, 15, 11.0)]), NOW + 2 * HOUR)

    assert (again.rows, changed.rows, changed.first_change) == (0, 1, MON)
    versions = desk.lake.read(RAW_MINUTE_BARS).filter(pl.col("ts_open") == utc(MON, 15))
    assert told(versions, "close", "ts_known", "availability") == [
        (10.0, utc(MON, 15, 16), "assumed"),
        (11.0, NOW + 2 * HOUR, "observed"),
    ]


def test_a_minute_that_the_source_takes_back_is_withdrawn(desk):
    asked(desk, Minutes([minute(MON), minute(MON, 15)]))

    (landed,) = asked(desk, Minutes([minute(MON)]), NOW + HOUR)

    assert told(landed.withdrawn, "ts_open", "is_deleted") == [(utc(MON, 15), True)]


def test_a_restated_minute_names_its_session_and_nothing_is_written(desk):
    asked(desk, Minutes([minute(MON), minute(TUE)]))
    before = desk.lake.version(RAW_MINUTE_BARS)
    ask = Ask("raw_minute_bars", MON, WED, ("AAA", "BBB"), NOW + HOUR)

    found = restated(desk.lake, Minutes([minute(MON), minute(TUE, close=11.0)]), ask, Moment(NOW + HOUR))

    assert (found, desk.lake.version(RAW_MINUTE_BARS)) == ([TUE], before)


def test_a_landing_in_published_sessions_makes_them_alone_await_derivation_and_no_files_of_tickers(desk):
    settle(desk.state, MON, WED, Moment(NOW, run="first"))
    desk.state.mark_histories_written(["AAA", "BBB"], NOW)

    asked(desk, Minutes([minute(MON)]), NOW + HOUR, run="second")

    published = cells_now(desk.state).filter(pl.col("dataset") == PUBLISHED)
    # No daily feature of the next session holds anything of it
    assert told(published.sort("session"), "session", "state") == [(MON, "not_yet"), (TUE, "data")]
    assert stale_span(desk.state) == (MON, TUE)
    assert not desk.state.histories_due()


def test_the_pieces_of_a_range_are_whole_sessions_that_follow_one_another():
    found = pieces(RAW_MINUTE_BARS, 50, *YEAR)

    firsts, afters = [first for first, _ in found], [after for _, after in found]
    assert (firsts[0], afters[-1], firsts[1:]) == (*YEAR, afters[:-1])
    most = max(calendars.sessions(*piece).height for piece in found) * 50 * 960
    assert MOST_ROWS * 0.8 < most <= MOST_ROWS
    assert set(firsts[1:]) <= set(calendars.sessions(*YEAR)["session"])


@pytest.mark.parametrize("tickers", [0, 400, 12_000])
def test_a_session_is_never_parted(tickers):
    found = pieces(RAW_MINUTE_BARS, tickers, *YEAR)

    assert {calendars.sessions(*piece).height for piece in found} == {1}
    assert len(found) == calendars.sessions(*YEAR).height


def test_a_range_without_a_session_and_bars_of_days_are_one_piece():
    assert pieces(RAW_MINUTE_BARS, 400, date(2014, 7, 4), date(2014, 7, 6)) == [(date(2014, 7, 4), date(2014, 7, 6))]
    assert pieces(RAW_DAILY_BARS, 12_000, *YEAR) == [YEAR]


def test_what_was_landed_before_a_piece_failed_stays_and_a_repeated_call_fills_the_rest(desk):
    many = tuple(f"T{number:03d}" for number in range(400))
    given = [minute(day, ticker="T000") for day in (MON, TUE, WED)]

    with pytest.raises(SourceUnavailable):
        asked(desk, Minutes(given, unreachable=TUE), tickers=many, end=THU)
    landed = desk.lake.read(RAW_MINUTE_BARS)["session"].to_list()
    states = desk.state.cells(dataset="raw_minute_bars", tickers=["T000"])
    source = Minutes(given)
    asked(desk, source, tickers=many, end=THU)

    assert landed == [MON]
    assert told(states, "session", "state") == [(MON, "data"), (TUE, "failed")]
    assert source.asks == [(MON, TUE), (TUE, WED), (WED, THU)]
    assert desk.lake.read(RAW_MINUTE_BARS)["session"].to_list() == [MON, TUE, WED]


def test_the_ledger_made_anew_knows_the_cells_whose_minutes_were_all_held_back(desk):
    asked(desk, Minutes([minute(MON, close=-1.0), minute(MON, 15, -1.0), minute(MON, 14, ticker="BBB"),
                         minute(MON, 15, -1.0, "BBB")]))  # fmt: skip
    cleaned = clean_minute_bars(desk.lake.read(RAW_MINUTE_BARS), calendars.traded(calendars.sessions()))
    desk.lake.replace(CLEAN_MINUTE_BARS, cleaned.rows, start=MON, end=TUE)
    desk.lake.replace(QUARANTINE, cleaned.quarantine, start=MON, end=TUE)

    rebuild(desk.lake, desk.state, NOW)

    cells = desk.state.cells(dataset="raw_minute_bars").filter(pl.col("session") == MON)
    assert told(cells, *CELL, "detail") == [
        ("AAA", MON, "quarantined", 2, "prices_positive: open -1.0, high -1.0, low -1.0, close -1.0"),
        ("BBB", MON, "data", 2, ""),
    ]
    assert desk.lake.read(RAW_COVERAGE)["dataset"].unique().to_list() == ["raw_minute_bars"]
