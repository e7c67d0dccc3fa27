"""The page on quality, gathered from a lake of the synthetic market; its look is judged in a browser."""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser

import polars as pl
import pytest

from orion_assets import calendars, schemas
from orion_assets.definitions import build_definitions
from orion_assets.ingest.missing import Coverage
from orion_assets.ingest.moment import Moment
from orion_assets.quality.audit import Checked
from orion_assets.quality.charts import around
from orion_assets.quality.quarantine import hold
from orion_assets.quality.report import Report, gather, reader
from orion_assets.quality.verdicts import as_judged
from orion_assets.settings import fixed
from orion_assets.sources.synthetic.source import SyntheticSource
from orion_assets.store.lake import Lake
from orion_assets.store.state import STATES, State
from orion_assets.transforms.bars import clean_daily_bars
from orion_assets.transforms.pipeline import derive
from orion_assets_tests.pipeline import World, universe_of
from orion_assets_tests.unit.transforms.rows import FRI, MON, THU, TUE, WED, bar, rows

CALENDAR = calendars.sessions()
SPAN = (date(2024, 10, 1), date(2024, 12, 1))
TICKERS = ("AURA", "FLUX", "FLXA", "JUNO", "QUIL")
DATASETS = ("raw_daily_bars", "raw_vix", "raw_news", "raw_splits", "raw_dividends", "feature_store")
NOTHING_WANTING = pl.DataFrame(schema={"dataset": pl.String, "session": pl.Date})
FILLED = Coverage(TICKERS, DATASETS, calendars.sessions(*SPAN).select("session"), NOTHING_WANTING)


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Lake:
    """Five tickers over two months, landed and derived."""
    source = SyntheticSource()
    world = World({name: source.said(name) for name in source.datasets}, TICKERS, date(2024, 6, 3), SPAN[1])
    world.land(Moment(datetime(2026, 1, 1, tzinfo=UTC)))
    listed = source.said("raw_tickers").with_columns(
        ts_known="ts_assumed", ts_ingested="ts_assumed", availability=pl.lit("assumed")
    )
    raw = {
        **{name: frame.filter(pl.col("ticker").is_in(TICKERS)) if "ticker" in frame.columns else frame
           for name, frame in world.held.items()},
        "raw_tickers": listed.drop("ts_assumed", "ts_stated"),
        "raw_coverage": pl.concat(world.coverage.values()),
        "raw_universe": universe_of(TICKERS),
    }  # fmt: skip
    made = Lake(str(tmp_path_factory.mktemp("lake")))
    derived = derive(raw, CALENDAR, date(2024, 6, 3), SPAN[1])
    for name, frame in {**raw, **derived}.items():
        table = schemas.TABLES[name]
        if "session" in table.names:
            made.replace(table, table.conform(frame), start=date(2024, 6, 3), end=SPAN[1])
        else:
            made.overwrite(table, table.conform(frame.select(table.names)))
    held = clean_daily_bars(raw["raw_daily_bars"], CALENDAR).quarantine
    hold(made, held, date(2024, 6, 3), SPAN[1])
    return made


@pytest.fixture(scope="module")
def state(tmp_path_factory) -> State:
    return State(f"sqlite:///{tmp_path_factory.mktemp('state')}/state.db")


@pytest.fixture(scope="module")
def report(lake, state) -> Report:
    return gather(reader(lake, SPAN[1]), CALENDAR, SPAN, FILLED, as_judged(state, SPAN))


def test_the_verdict_comes_first_and_counts(report):
    assert report.level == "look"
    told = re.fullmatch(
        r"(\d+) of (\d+) checks passed \((\d+) had nothing to judge\), (\d+) accuse rows, (\d+) in all;"
        r" every session is answered and derived\.",
        report.verdict,
    )
    passed, whole, idle, failed, accused = map(int, told.groups())
    assert passed + failed == whole == len(report.checks) - idle
    assert accused == sum(each.accused.height for each in report.checks) > 0


def test_a_check_without_a_row_or_a_run_has_not_passed(report):
    unjudged = {"leaks", "reconciles", "equals_sessions"}

    assert {each.check for each in report.idle} > unjudged
    assert "Checks that had nothing to judge" in report.html()
    assert sum(each["idle"] for each in report.document()["checks"]) == len(report.idle)
    assert not unjudged & {each.check for each in report.passed}


def test_a_row_that_is_held_back_is_no_bar_of_its_month(lake, report):
    held = lake.read(schemas.QUARANTINE, start=SPAN[0], end=SPAN[1]).filter(origin="raw_daily_bars")
    day, ticker = held.sort("session").select("session", pl.col("row_key").str.split(" ").list.first()).row(0)

    month = report.tickers.filter(ticker=ticker, month=day.strftime("%Y-%m"))

    assert month["data"].item() < month["sessions"].item()


def test_it_accuses_what_was_planted_in_these_sessions(report):
    found = {
        (each.asset, each.check, row["ticker"], row["session"])
        for each in report.checks
        if each.check in {"plausible", "suspected_missing_split", "quarantine"}
        for row in each.accused.iter_rows(named=True)
    }
    planted = (
        SyntheticSource()
        .planted()
        .filter(
            pl.col("check").is_in(["plausible", "suspected_missing_split", "quarantine"])
            & pl.col("ticker").is_in(TICKERS)
            & pl.col("session").is_between(*SPAN, closed="left")
        )
    )

    assert found == set(planted.select("asset", "check", "ticker", "session").iter_rows())


def test_coverage_counts_sessions_with_an_answer_and_bars_of_listed_tickers(report):
    assert set(report.coverage["dataset"]) == set(DATASETS)
    assert (report.coverage["answered"] == report.coverage["sessions"]).all()
    by = {(row["ticker"], row["month"]): (row["data"], row["sessions"]) for row in report.tickers.to_dicts()}
    assert by["JUNO", "2024-10"] == (20, 23)
    # One of its bars is held back
    assert by["AURA", "2024-11"] == (19, 20)
    # Renamed in September: nobody misses it
    assert by["FLUX", "2024-10"] == (0, 0)
    assert by["FLXA", "2024-10"] == (23, 23)


def test_a_session_without_an_answer_is_a_gap(lake):
    days = [date(2024, 11, 4), date(2024, 11, 5)]
    wanting = pl.DataFrame({"dataset": ["raw_vix", "feature_store"], "session": days})

    short = gather(reader(lake, SPAN[1]), CALENDAR, SPAN, replace(FILLED, unfilled=wanting))

    assert short.gaps == 2
    assert "2 sessions of a dataset are not filled, see feature_store, raw_vix" in short.verdict
    assert dict(short.coverage.filter(month="2024-11").select("dataset", "answered").iter_rows())["raw_vix"] == 19


def test_a_ticker_followed_and_never_asked_for_stands_in_the_heat_map(lake):
    more = gather(reader(lake, SPAN[1]), CALENDAR, SPAN, replace(FILLED, followed=(*TICKERS, "BOLT")))

    assert more.tickers.filter(ticker="BOLT", month="2024-10").select("data", "sessions").row(0) == (0, 23)


def test_who_has_no_bar_before_its_listing_is_known_is_not_missed_where_the_source_confirms_it(lake):
    listed_later = lake.read(schemas.SECURITIES).with_columns(
        valid_from=pl.when(ticker="JUNO").then(date(2024, 11, 1)).otherwise("valid_from"),
        is_start_known=pl.when(ticker="JUNO").then(pl.lit(value=False)).otherwise("is_start_known"),
    )
    read = reader(lake, SPAN[1])
    cells = read(schemas.RAW_COVERAGE, SPAN[0])
    is_before = (pl.col("ticker") == "JUNO") & (pl.col("session") < date(2024, 11, 1))

    bars = lake.read(schemas.CLEAN_DAILY_BARS)
    later = bars.filter(~((pl.col("ticker") == "JUNO") & (pl.col("session") < date(2024, 11, 1))))

    def october(state: str, bars: pl.DataFrame) -> tuple[int, int]:
        told = cells.with_columns(state=pl.when(is_before).then(pl.lit(state)).otherwise("state"))
        given = {"securities": listed_later, "raw_coverage": told, "clean_daily_bars": bars}
        report = gather(
            lambda table, since, until=None: given.get(table.name, read(table, since, until)), CALENDAR, SPAN, FILLED
        )
        return report.tickers.filter(ticker="JUNO", month="2024-10").select("data", "sessions").row(0)

    assert october("empty_confirmed", later) == (0, 0)
    assert october("failed", later) == (0, 23)
    # A hole between bars is one, whatever is known of the listing
    assert october("empty_confirmed", bars) == (20, 23)


def test_the_page_of_one_session_has_its_chart(lake):
    # The bar that ends a halt of three sessions
    day = date(2024, 10, 18)
    span = (day, day + timedelta(days=1))
    days = calendars.sessions(*span).select("session")

    page = gather(reader(lake, span[1]), CALENDAR, span, replace(FILLED, closed=days))

    (found,) = [each for each in page.failed if each.check == "plausible"]
    assert found.accused.select("ticker", "session").rows() == [("JUNO", date(2024, 10, 15))]
    assert page.html().count("<svg") >= 1
    assert page.accused_on(date(2024, 10, 15)) == 1


def test_the_page_shows_every_state_in_words_and_with_a_share(lake, report):
    months = [{"dataset": "raw_vix", "month": "2024-10", "data": 20, "not_entitled": 2, "failed": 1}]
    states = pl.DataFrame([{**dict.fromkeys(STATES, 0), **row} for row in months])
    worst = states.with_columns(ticker=pl.lit("AURA"), dataset=pl.lit("raw_daily_bars"))

    page = gather(reader(lake, SPAN[1]), CALENDAR, SPAN, replace(FILLED, states=states, worst=worst))

    text = page.html()
    assert Page(text).tags == []
    assert text.count("20 data, 2 not in the subscription, 1 failed") == 4
    assert "86&thinsp;% N2 F1" in text
    assert 'class="not_entitled" style="flex: 8.7"' in text
    assert json.loads(json.dumps(page.document(), default=str))["states"][0]["not_entitled"] == 2
    assert "<h2>States</h2>" not in report.html()


@pytest.fixture
def report_of_corrections(tmp_path) -> Report:
    """One ticker over four sessions: a bar corrected, another withdrawn."""
    span = (MON, FRI)
    first = rows(schemas.CLEAN_DAILY_BARS, *(bar(day, 10.0) for day in (MON, TUE, THU)))
    later = (pl.col("ts_known") + timedelta(days=1)).alias("ts_known")
    corrected = first.filter(session=TUE).with_columns(later, close=pl.lit(10.5), volume=pl.lit(5.0))
    gone = first.filter(session=THU).with_columns(later, is_deleted=pl.lit(value=True))
    made = Lake(str(tmp_path))
    made.replace(schemas.CLEAN_DAILY_BARS, pl.concat([first, corrected, gone]), start=span[0], end=span[1])
    days = calendars.sessions(*span).select("session")
    return gather(reader(made, span[1]), CALENDAR, span, Coverage(("AAA",), (), days, NOTHING_WANTING))


def test_versions_after_the_first_are_restatements_with_what_changed(report_of_corrections):
    held = report_of_corrections.restated

    assert held["ts_known"].is_sorted(descending=True)
    told = {(row["table"], row["key"]): row["changed"] for row in held.to_dicts()}
    assert told["clean_daily_bars", "AAA 2014-06-03"] == "close volume"
    assert told["clean_daily_bars", "AAA 2014-06-05"] == "withdrawn"
    assert len(told) == 2


class Page(HTMLParser):
    """What a page refers to, and whether its tags close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.refers: list[str] = []
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.refers += [value for name, value in attrs if name in {"src", "href"} and value]
        self.scripts += tag == "script"
        if tag not in {"meta", "br", "line", "circle", "polyline"}:
            self.tags.append(tag)

    def handle_endtag(self, tag):
        if tag not in {"line", "circle", "polyline"}:
            assert self.tags.pop() == tag


def test_the_page_is_one_file_that_needs_nothing_else(report):
    text = report.html()
    page = Page(text)

    assert (page.tags, page.refers, page.scripts) == ([], [], 0)
    assert len(text.encode()) < 3_000_000
    order = [
        text.index(part) for part in (report.verdict, "What to do next", "Coverage", "Checks that accuse", "Quarantine")
    ]
    assert order == sorted(order)
    assert "The market is synthetic: nothing of it is real" in text
    assert text.count("<svg") >= 3


def test_what_a_source_wrote_is_text_on_the_page_and_not_markup(report):
    evil = "<script>alert(1)</script>"
    quarantine = report.quarantine.with_columns(found=pl.lit(evil))
    page = replace(report, quarantine=quarantine).html()

    assert evil not in page
    assert "&lt;script&gt;" in page
    assert Page(page).scripts == 0


def test_it_is_told_as_markdown_and_as_data_too(report):
    text = report.markdown()
    data = json.loads(json.dumps(report.document(), default=str))

    assert report.verdict in text
    assert "| JUNO | 2024-10-15 | missing |" in text
    assert data["verdict"] == report.verdict
    assert {each["check"] for each in data["checks"]} >= {"plausible", "quarantine", "prices_in_order"}
    assert data["level"] == "look"


def test_what_a_source_wrote_is_no_markup_in_markdown_either(report):
    evil = "x](http://a.b)\n![p](http://a.b/p.png) <img src=x onerror=alert(1)> | *b*"
    bad = pl.DataFrame({"ticker": ["AAA"], "title": [evil]})

    text = replace(report, checks=[Checked("clean_news", "told", "Told", bad)]).markdown()

    (row,) = [line for line in text.splitlines() if line.startswith("| AAA")]
    assert row.replace("\\|", "").count("|") == 3
    assert not re.search(r"(?<!\\)[\[\]<>*!]", row)


def test_the_page_applies_the_checks_that_the_graph_declares(report):
    graph = build_definitions(fixed(source="none")).resolve_asset_graph()
    declared = {(key.asset_key.path[-1], key.name): graph.get(key).blocking for key in graph.asset_check_keys}

    applied = {(each.asset, each.check): each.is_blocking for each in report.checks}

    # A second source is asked by a command alone: no run spends its budget
    assert applied == declared | {("clean_daily_bars", "crosscheck"): False}


def test_the_page_says_what_a_run_alone_could_judge_and_forgets_it_once_judged_again(lake, tmp_path):
    state, when = State(f"sqlite:///{tmp_path}/state.db"), datetime(2024, 12, 1, tzinfo=UTC)
    days = calendars.sessions(*SPAN)["session"].to_list()
    leak = {"feature": "sma_5", "ticker": "JUNO", "session": days[3], "stored": "1.0", "rebuilt": None}
    of_matrix, of_bars = ("feature_matrix", "leaks"), ("ticker_bars", "equals_sessions")
    unequal = pl.DataFrame({"ticker": ["JUNO"], "session": [days[5]], "differs": ["close"]})
    state.verdicts.judge(of_matrix, pl.DataFrame([leak]), days, when)
    state.verdicts.judge(of_bars, unequal, ["JUNO", "KEEN"], when, by="ticker")

    page = gather(reader(lake, SPAN[1]), CALENDAR, SPAN, FILLED, as_judged(state, SPAN))
    told = {(each.asset, each.check): each.accused.height for each in page.failed[:2]}
    outside = as_judged(state, (SPAN[0], days[3]))
    state.verdicts.judge(of_matrix, pl.DataFrame([leak]).clear(), days[3:4], when)
    again = as_judged(state, SPAN)

    assert page.level == "broken"
    assert told == {of_matrix: 1, of_bars: 1}
    assert page.accused_on(days[3]) >= 1
    assert json.loads(json.dumps(page.document(), default=str))["level"] == "broken"
    assert not any(each.accused.height for each in outside)
    assert [each.check for each in again if each.accused.height] == ["equals_sessions"]


def test_the_page_is_written_whole(report, tmp_path):
    place = report.write(tmp_path / "a" / "page.html")

    assert place.read_text(encoding="utf-8") == report.html()
    assert [path.name for path in place.parent.iterdir()] == ["page.html"]


CLOSES = rows(schemas.CLEAN_DAILY_BARS, *(bar(day, close) for day, close in ((MON, 10.0), (TUE, 12.0), (THU, 11.0))))


def test_a_chart_marks_the_session_also_where_its_bar_is_missing():
    there, missing = around(CLOSES, "AAA", TUE), around(CLOSES, "AAA", WED)

    assert 'aria-label="AAA: close from 2014-06-02 to 2014-06-05, 10 to 12; 2014-06-03 is marked"' in there
    assert "<circle" in there
    assert "<circle" not in missing
    assert 'class="mark"' in missing


def test_one_bar_is_no_chart():
    assert around(CLOSES.head(1), "AAA", MON) == ""
    assert around(CLOSES, "ZZZ", MON) == ""
