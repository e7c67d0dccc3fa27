from datetime import date, timedelta

import polars as pl
import pytest

from orion_assets.clock import FixedClock
from orion_assets.ingest.freshness import awaiting, cells_now, mark_stale, published, settle, stale_span
from orion_assets.ingest.landing import is_by_ticker
from orion_assets.ingest.ledger import PUBLISHED, covered_cells, failed_cells, ledger_cells, quarantined_cells
from orion_assets.ingest.missing import holes
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.rebuilding import Rebuilt, rebuild
from orion_assets.schemas import CLEAN_DAILY_BARS, QUARANTINE, RAW_COVERAGE, RAW_DAILY_BARS, RAW_NEWS
from orion_assets.sources.protocols import Ask
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets_tests.unit.transforms.rows import HOUR, MON, THU, TUE, WED, bar, close_cutoff, rows, told, utc

NOW = utc(date(2026, 1, 5), 12)
MOMENT = Moment(NOW)
NOBODY = covered_cells(RAW_COVERAGE.empty())


def ask(*tickers: str, dataset="raw_daily_bars", end=WED) -> Ask:
    return Ask(dataset, MON, end, tickers, NOW)


def cell(ticker: str, session=MON, *, dataset="raw_daily_bars", cutoff="close", **more) -> dict:
    given = {"dataset": dataset, "ticker": ticker, "session": session, "cutoff": cutoff, "state": "data", "rows": 1}
    return {**given, "evidence": "e", "source": "files", "ts_ingested": NOW, **more}


def coverage(*cells: dict) -> pl.DataFrame:
    return rows(RAW_COVERAGE, *cells)


def held(ticker="AAA", session=MON, rule="prices_positive", **more) -> dict:
    place = {"origin": "raw_daily_bars", "source_file": "bars.csv", "source_row": 7}
    given = {
        "ticker": ticker,
        "session": session,
        "rule": rule,
        "found": "close -1.0",
        "row_key": f"{ticker} {session}",
    }
    return {**place, **given, **more}


STATE = ("dataset", "ticker", "session", "state", "rows", "detail")


def test_bars_are_kept_by_ticker_and_the_rest_by_session():
    assert is_by_ticker("raw_daily_bars")
    assert not is_by_ticker("raw_news")


def test_the_ledger_takes_tickers_of_bars_and_the_market_of_the_rest_at_the_close():
    given = coverage(
        cell("*"),
        cell("AAA"),
        cell("*", cutoff="open"),
        cell("*", dataset="raw_news"),
        cell("*", dataset="raw_news", cutoff="open"),
        cell("AAA", dataset="raw_news"),
    )

    assert told(covered_cells(given), *STATE) == [
        ("raw_daily_bars", "AAA", MON, "data", 1, ""),
        ("raw_news", "*", MON, "data", 1, ""),
    ]


def test_the_last_answer_about_a_cell_counts():
    given = coverage(
        cell("AAA", state="empty_confirmed", rows=0, ts_known=close_cutoff(MON) + HOUR),
        cell("AAA", ts_known=close_cutoff(MON)),
    )

    assert told(covered_cells(given), "state", "rows", "ts_known", "ts_updated") == [
        ("empty_confirmed", 0, close_cutoff(MON) + HOUR, NOW)
    ]


def test_what_an_answer_leaves_open_is_not_yet_with_the_reason():
    found = ledger_cells(coverage(cell("AAA")), RAW_DAILY_BARS, ask("AAA", "BBB"), [TUE], MOMENT)

    assert sorted(told(found, "ticker", "session", "state", "detail")) == [
        ("AAA", MON, "data", ""),
        ("AAA", TUE, "not_yet", "the close cut-off has not come"),
        ("BBB", MON, "not_yet", "the source ends before this session"),
        ("BBB", TUE, "not_yet", "the close cut-off has not come"),
    ]


def test_a_dataset_of_the_whole_market_has_one_cell_a_session():
    found = ledger_cells(coverage(), RAW_NEWS, ask("AAA", "BBB", dataset="raw_news"), [], MOMENT)

    assert told(found, "dataset", "ticker", "session") == [("raw_news", "*", MON), ("raw_news", "*", TUE)]


def test_a_failed_ask_fails_each_of_its_cells_with_the_reason():
    found = failed_cells(ask("BBB", "AAA"), RAW_DAILY_BARS, MOMENT, "the vendor sleeps", NOBODY)

    assert sorted(told(found, *STATE)) == [
        ("raw_daily_bars", ticker, session, "failed", 0, "the vendor sleeps")
        for ticker in ("AAA", "BBB")
        for session in (MON, TUE)
    ]
    assert found["ts_known"].unique().to_list() == [NOW]


def test_a_cell_whose_only_row_is_held_back_is_quarantined_and_one_with_a_good_version_is_not():
    quarantine = rows(QUARANTINE, held(), held("BBB"))

    raw = rows(RAW_DAILY_BARS, bar(MON, -1.0), bar(MON, -1.0, ticker="BBB"))

    found = quarantined_cells(quarantine, raw, rows(CLEAN_DAILY_BARS, bar(MON, 10.0, ticker="BBB")))

    assert told(found, *STATE, "evidence") == [
        ("raw_daily_bars", "AAA", MON, "quarantined", 1, "prices_positive: close -1.0", "bars.csv row 7")
    ]


def test_a_row_of_a_closed_day_is_held_and_is_no_cell_that_anybody_waits_for():
    saturday = date(2014, 6, 7)
    raw = rows(RAW_DAILY_BARS, bar(saturday, 10.0))

    found = quarantined_cells(rows(QUARANTINE, held(session=saturday)), raw, CLEAN_DAILY_BARS.empty())

    assert found.is_empty()


def test_a_cell_held_twice_is_quarantined_for_the_last_reason():
    later = held(rule="readable", found="x", ts_known=close_cutoff(MON) + HOUR)
    raw = rows(RAW_DAILY_BARS, bar(MON, -1.0), bar(MON, -2.0, close_cutoff(MON) + HOUR))

    found = quarantined_cells(rows(QUARANTINE, later, held()), raw, CLEAN_DAILY_BARS.empty())

    assert told(found, "detail") == [("readable: x",)]


def test_a_cell_whose_bad_row_was_taken_back_is_quarantined_no_longer():
    gone = bar(MON, -1.0, close_cutoff(MON) + HOUR, is_deleted=True)

    found = quarantined_cells(
        rows(QUARANTINE, held()), rows(RAW_DAILY_BARS, bar(MON, -1.0), gone), CLEAN_DAILY_BARS.empty()
    )

    assert found.is_empty()


def test_a_bad_version_of_a_bar_that_was_taken_back_leaves_nothing_standing():
    raw = rows(RAW_DAILY_BARS, bar(MON, 10.0), bar(MON, -1.0, close_cutoff(MON) + HOUR))
    clean = rows(CLEAN_DAILY_BARS, bar(MON, 10.0))

    assert quarantined_cells(rows(QUARANTINE, held(ts_known=close_cutoff(MON) + HOUR)), raw, clean).is_empty()


@pytest.mark.parametrize("tickers", [(), ("AAA",)])
def test_nothing_answered_nothing_held_gives_frames_of_no_rows(tickers):
    assert covered_cells(RAW_COVERAGE.empty()).is_empty()
    assert quarantined_cells(QUARANTINE.empty(), RAW_DAILY_BARS.empty(), CLEAN_DAILY_BARS.empty()).is_empty()
    assert ledger_cells(RAW_COVERAGE.empty(), RAW_DAILY_BARS, ask(*tickers, end=MON), [], MOMENT).is_empty()


@pytest.fixture
def state(tmp_path):
    made = State(f"sqlite:///{tmp_path}/state.db")
    yield made
    made.close()


def test_what_was_answered_and_not_published_since_awaits_derivation(state):
    state.record(covered_cells(coverage(cell("AAA"), cell("AAA", TUE), cell("AAA", WED, state="empty_confirmed"))))

    before = stale_span(state)
    settle(state, MON, WED, run("first", 0))

    assert before == (MON, THU)
    assert stale_span(state) == (WED, THU)


def run(name: str, begun: int, now: int | None = None) -> Moment:
    """A run that began some hours after NOW, and the hour it is for it."""
    clock = FixedClock(NOW + (begun if now is None else now) * HOUR)
    return Moment(clock.now(), clock=clock, run=name, started=NOW + begun * HOUR)


def test_a_change_makes_what_was_published_from_its_session_on_stale(state):
    state.record(covered_cells(coverage(cell("AAA"), cell("AAA", TUE), cell("AAA", WED))))
    settle(state, MON, THU, run("first", 0))

    mark_stale(state, TUE, run("later", 1))

    assert stale_span(state) == (TUE, THU)
    assert told(cells_now(state).filter(pl.col("dataset") == PUBLISHED), "session", "state") == [
        (MON, "data"),
        (TUE, "not_yet"),
        (WED, "not_yet"),
    ]


def test_the_next_derivation_ends_it(state):
    state.record(covered_cells(coverage(cell("AAA"))))
    settle(state, MON, TUE, run("first", 0))
    mark_stale(state, MON, run("killed", 1))

    settle(state, MON, TUE, run("next", 2))

    assert stale_span(state) is None


def test_a_run_derives_from_what_it_landed_itself(state):
    state.record(covered_cells(coverage(cell("AAA"))))
    mark_stale(state, MON, run("one", 0, 1))

    settle(state, MON, TUE, run("one", 0, 2))

    assert stale_span(state) is None


def test_what_lands_beside_a_first_derivation_is_not_lost_with_it(state):
    state.record(covered_cells(coverage(cell("AAA"), cell("AAA", TUE))))
    mark_stale(state, MON, run("earlier sessions", 1, 2))

    settle(state, TUE, WED, run("later sessions", 0, 3))
    settle(state, MON, TUE, run("earlier sessions", 1, 4))

    assert stale_span(state) == (TUE, WED)


def test_a_run_that_read_before_another_landed_is_stale_though_that_one_has_settled(state):
    state.record(covered_cells(coverage(cell("AAA"), cell("AAA", TUE), cell("AAA", WED))))
    mark_stale(state, MON, run("corrects", 3, 4))
    settle(state, MON, THU, run("corrects", 3, 5))

    settle(state, MON, TUE, run("slow", 1, 6))
    beside = stale_span(state)
    settle(state, *beside, run("heals", 7))

    # What the slow one wrote over may have been read for the sessions after it
    assert beside == (MON, THU)
    assert stale_span(state) is None


def test_what_is_derived_over_a_session_that_awaits_derivation_awaits_it_too(state):
    state.record(covered_cells(coverage(cell("AAA"), cell("AAA", TUE), cell("AAA", WED))))

    settle(state, TUE, WED, run("over a gap", 1))

    assert awaiting(state).rows() == [(MON, True), (TUE, True), (WED, True)]
    assert published(state).is_empty()


def test_deriving_what_awaited_it_does_not_make_fresh_what_was_made_of_it_before(state):
    state.record(covered_cells(coverage(cell("AAA"), cell("AAA", TUE))))
    settle(state, TUE, WED, run("over a gap", 1))

    settle(state, MON, TUE, run("fills the gap", 2))
    left = stale_span(state)
    settle(state, *left, run("heals", 3))

    assert left == (TUE, WED)
    assert stale_span(state) is None


def test_a_run_that_began_while_its_past_was_being_derived_is_not_fresh(state):
    state.record(covered_cells(coverage(cell("AAA"), cell("AAA", TUE))))

    settle(state, MON, TUE, run("earlier", 1, 4))
    settle(state, TUE, WED, run("later", 2, 5))

    assert stale_span(state) == (TUE, WED)


def test_deriving_what_was_fresh_once_more_makes_nothing_stale(state):
    state.record(covered_cells(coverage(cell("AAA"), cell("AAA", TUE))))
    settle(state, MON, WED, run("both", 1))

    settle(state, MON, TUE, run("once more", 2))

    assert stale_span(state) is None


def test_what_awaits_derivation_before_a_session_can_be_left_out(state):
    state.record(covered_cells(coverage(cell("AAA"), cell("AAA", TUE))))

    settle(state, TUE, WED, run("over a gap", 1))

    assert stale_span(state) == (MON, WED)
    assert stale_span(state, since=TUE) is None


def test_minutes_that_nobody_derived_are_nobodys_past(state):
    state.record(covered_cells(coverage(cell("AAA", dataset="raw_minute_bars"), cell("AAA", TUE))))

    settle(state, TUE, WED, run("later", 1))

    assert stale_span(state) == (MON, TUE)
    assert published(state)["session"].to_list() == [TUE]


@pytest.mark.parametrize("dataset", ["raw_vix", "raw_news"])
def test_what_was_answered_late_awaits_derivation_whatever_it_is(state, dataset):
    state.record(covered_cells(coverage(cell("*", TUE, dataset=dataset))))

    assert stale_span(state) == (TUE, WED)


def test_holes_are_cells_never_asked_not_yet_there_or_failed(state):
    state.add_tickers(["AAA", "BBB"], ts_added=NOW)
    given = [cell(name, day) for name in ("AAA", "BBB") for day in (MON, WED)]
    state.record(covered_cells(coverage(*given, cell("CCC", TUE))))
    state.record(failed_cells(ask("AAA", "BBB", end=THU), RAW_DAILY_BARS, MOMENT, "refused", state.cells()))

    assert holes(state, "raw_daily_bars", 2, (MON, THU)) == [TUE]
    state.add_tickers(["DDD"], ts_added=NOW)
    assert holes(state, "raw_daily_bars", 3, (MON, THU)) == [MON, TUE, WED]
    assert holes(state, "raw_vix", 3, (MON, WED)) == [MON, TUE]


def test_what_fails_leaves_the_cells_that_were_answered(state):
    state.record(covered_cells(coverage(cell("AAA"))))

    state.record(failed_cells(ask("AAA"), RAW_DAILY_BARS, MOMENT, "refused", state.cells()))

    assert told(state.cells(), "session", "state") == [(MON, "data"), (TUE, "failed")]


def test_nothing_answered_and_nothing_published_is_nothing_stale(state):
    mark_stale(state, MON, MOMENT)

    assert stale_span(state) is None
    assert state.cells().is_empty()


def test_the_ledger_can_be_made_anew_from_the_lake(tmp_path):
    lake, state = Lake(str(tmp_path / "lake")), State(f"sqlite:///{tmp_path}/state.db")
    span = {"start": MON, "end": MON + timedelta(days=3)}
    given = coverage(cell("AAA"), cell("BBB"), cell("CCC", state="empty_confirmed", rows=0))
    lake.append(RAW_COVERAGE, lambda _: given, **span)
    lake.replace(QUARANTINE, rows(QUARANTINE, held("BBB"), held("AAA")), **span)
    bad = [bar(MON, -1.0, ticker=ticker) for ticker in ("AAA", "BBB")]
    lake.replace(RAW_DAILY_BARS, rows(RAW_DAILY_BARS, bar(MON, 10.0, utc(MON, 20)), *bad), **span)
    lake.replace(CLEAN_DAILY_BARS, rows(CLEAN_DAILY_BARS, bar(MON, 10.0, utc(MON, 20))), **span)
    state.record(failed_cells(ask("ZZZ"), RAW_DAILY_BARS, MOMENT, "refused", NOBODY))

    done = rebuild(lake, state, NOW)

    assert done == Rebuilt(landed=3, changed=3, dropped=0, kept=2)
    assert told(state.cells(), "ticker", "session", "state") == [
        ("AAA", MON, "data"),
        ("BBB", MON, "quarantined"),
        ("CCC", MON, "empty_confirmed"),
        ("ZZZ", MON, "failed"),
        ("ZZZ", TUE, "failed"),
    ]
    state.close()
