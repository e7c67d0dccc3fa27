"""What is installed, set, filled and fresh, held against what should be; each finding with what to do."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from orion_assets import calendars
from orion_assets.ingest.freshness import is_undisturbed, mark_stale, settle
from orion_assets.ingest.ledger import told_cells
from orion_assets.ingest.moment import Moment
from orion_assets.quality.health import of_lake, of_places, of_requirements, of_source, of_state
from orion_assets.schemas import RAW_TICKERS
from orion_assets.settings import fixed
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets_tests.unit.transforms.rows import rows

WANTED = ["polars<3,>=2.1", "pandas-market-calendars>=5", "ruff>=0.15; extra == 'dev'", "duckdb>=2,<3"]
START, END = date(2024, 2, 1), date(2024, 3, 1)
FILLED = Moment(datetime(2024, 3, 1, tzinfo=UTC), run="fill")
ONE = timedelta(days=1)
LATER = datetime(2024, 3, 7, tzinfo=UTC)


def test_what_is_installed_as_wanted_is_no_finding():
    found = {"polars": "2.1.0", "pandas-market-calendars": "5.1.1", "duckdb": "2.0.0"}

    assert list(of_requirements(WANTED, found)) == []


def test_a_package_that_is_absent_or_too_old_is_a_fault_with_a_remedy():
    old, absent = of_requirements(WANTED, {"polars": "1.40.0", "duckdb": "2.0.0"})

    assert (old.level, old.found) == ("fault", "polars 1.40.0; wanted is polars<3,>=2.1")
    assert (absent.level, absent.found) == (
        "fault",
        "pandas-market-calendars is absent; wanted is pandas-market-calendars>=5",
    )
    assert "requirements.lock" in old.remedy


class Files:
    """A source that lists these tickers and supplies these datasets."""

    name = "files"
    is_local = True

    def __init__(self, tickers=("AAA",), datasets=("raw_daily_bars", "raw_vix", "raw_news", "raw_splits")):
        self._tickers = tickers
        self.datasets = frozenset({*datasets, "raw_dividends"})

    def listed_tickers(self):
        return self._tickers

    def last_session(self, dataset):
        return END


def source_findings(source, **more):
    return {(each.level, each.found, each.remedy) for each in of_source(fixed(source="files", **more), source)}


def test_a_source_that_has_all_is_fit():
    assert source_findings(Files()) == {("ok", "files, tickers: 1, bars up to 2024-03-01", "")}


def test_a_source_without_bars_is_a_fault():
    assert source_findings(Files(tickers=())) == {
        ("fault", "files, tickers: 0, bars up to 2024-03-01", "it has no bars: check its files")
    }


def test_a_dataset_that_is_not_supplied_and_a_ticker_without_bars_are_told():
    found = source_findings(Files(datasets=("raw_daily_bars", "raw_vix", "raw_splits")), tickers=("AAA", "ZZZ"))

    assert ("look", "it does not supply raw_news", "their features are null; map files") in found
    assert ("look", "it has no bars of ZZZ", "correct ORION_TICKERS") in found


def places(tmp_path, **more):
    url = f"file://{tmp_path}"
    settings = fixed(
        **dict.fromkeys(("lake_url", "archive_url", "features_url"), f"{url}/data"),
        report_folder=tmp_path,
        store_url=f"duckdb:///{tmp_path}/store.duckdb",
        state_url=f"sqlite:///{tmp_path}/state.db",
    )
    return list(of_places(settings, lambda: None, **more))


def test_little_space_is_told_before_it_is_none(tmp_path):
    enough, little = places(tmp_path, little=1), places(tmp_path, little=2**63)

    assert {each.level for each in enough} == {"ok"}
    assert {each.level for each in little} == {"look"}
    assert little[0].remedy == "make room, or set ORION_LAKE_URL elsewhere"
    assert str(tmp_path / "data") in little[0].found
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def state(tmp_path) -> State:
    """February 2024, filled and published."""
    state = State(f"sqlite:///{tmp_path}/state.db")
    cells = calendars.sessions(START, END).select("session", dataset=pl.lit("raw_daily_bars"), ticker=pl.lit("AAA"))
    state.add_tickers(["AAA"], ts_added=FILLED.now)
    state.record(told_cells(cells, FILLED, "", state="data"))
    settle(state, START, END, FILLED)
    return state


def told(state, now=LATER, reach=None):
    return [(each.subject, each.level, each.found) for each in of_state(state, now, reach)]


def test_a_state_that_is_up_to_date_has_nothing_to_do(state):
    assert told(state, now=FILLED.now) == [
        ("ledger", "ok", "tickers followed: 1, sessions published: 20"),
        ("freshness", "ok", "published up to 2024-02-29, 0 sessions to go"),
    ]


def test_sessions_that_closed_since_are_to_go_unless_the_source_ends(state):
    assert ("freshness", "look", "published up to 2024-02-29, 4 sessions to go") in told(state)
    assert ("freshness", "ok", "published up to 2024-02-29, where the source ends") in told(state, reach=END - ONE)
    assert ("freshness", "look", "published up to 2024-02-29, 1 sessions to go") in told(state, reach=END)


def test_sessions_that_were_lost_or_await_derivation_are_told(state):
    failed = pl.DataFrame({"session": [date(2024, 2, 20)], "dataset": ["raw_daily_bars"], "ticker": ["AAA"]})
    state.record(told_cells(failed, Moment(LATER, run="again"), "refused", state="failed"))
    mark_stale(state, date(2024, 2, 26), Moment(LATER, run="correction"))

    found = told(state)

    assert ("ledger", "look", "1 sessions failed or were stepped over, first 2024-02-20") in found
    assert ("ledger", "look", "4 sessions await derivation, first 2024-02-26") in found


@pytest.mark.parametrize(("days", "level"), [(14, "ok"), (15, "look")])
def test_a_reference_is_old_after_two_weeks(tmp_path, days, level):
    lake = Lake(str(tmp_path / "lake"))
    landed = LATER - timedelta(days=days)
    snapshot = {"ticker": "AAA", "snapshot": landed.date(), "source": "files"}
    snapshot |= {"availability": "observed", **dict.fromkeys(("ts_event", "ts_known", "ts_ingested"), landed)}
    lake.overwrite(RAW_TICKERS, rows(RAW_TICKERS, snapshot))

    (found,) = of_lake(lake, LATER)

    assert (found.subject, found.level) == ("reference", level)
    assert found.found == f"1 tickers, last landed {landed:%Y-%m-%d}"


def test_a_lake_without_reference_says_so(tmp_path):
    (found,) = of_lake(Lake(str(tmp_path / "lake")), LATER)

    assert (found.level, found.remedy) == ("look", "orion backfill")


RUN = Moment(LATER, run="mine")
LAST_WEEK = (date(2024, 2, 26), END)


@pytest.mark.parametrize(
    ("first", "run", "when", "expected"),
    [
        (None, "", None, True),
        (date(2024, 2, 27), "mine", LATER, True),
        (date(2024, 2, 27), "other", LATER, False),
        (END, "other", LATER, True),
        (date(2024, 2, 20), "other", LATER - ONE, False),
        (date(2024, 2, 27), "other", LATER - ONE, True),
    ],
    ids=[
        "nothing landed",
        "it landed itself",
        "another landed beside it",
        "another landed what comes after",
        "earlier sessions await derivation",
        "what awaits derivation is what it derives",
    ],
)
def test_a_run_is_undisturbed_where_it_derives_from_raw_as_it_is(state, first, run, when, expected):
    if first:
        mark_stale(state, first, Moment(when, run=run))

    assert is_undisturbed(state, LAST_WEEK, RUN) is expected
