"""The reference of files, landed for real: what becomes of a row that cannot be read."""

import polars as pl
import pytest

from orion_assets.clock import FixedClock
from orion_assets.ingest.freshness import cells_now, settle
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.reference import land_tickers, mark_reassigned
from orion_assets.ingest.runner import Desk
from orion_assets.schemas import RAW_SPLITS, RAW_TICKERS, SECURITIES
from orion_assets.store.archive import FolderArchive
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets_tests import files_worlds
from orion_assets_tests.unit.transforms.rows import HOUR, MON, THU, TICK, TUE, WED, rows, told, utc

MAPPING = files_worlds.bars() + (
    '[[tickers]]\nfiles = ["t.csv"]\nsnapshot = 2014-06-02\ncolumns = { ticker = "s", list_date = "l" }\n'
)
GOOD, TORN, CORRECTED = "AAPL,1980-12-12\n", "KO,1919-13-05\n", "KO,1919-09-05\n"
NOW = utc(WED, 12)


@pytest.fixture
def desk(tmp_path):
    made = Desk(Lake(str(tmp_path / "lake")), FolderArchive(tmp_path / "archive"), State(f"sqlite:///{tmp_path}/s.db"))
    yield made
    made.state.close()


@pytest.fixture
def lands(desk, tmp_path):
    """Land the reference when it holds these rows."""

    def land(*lines: str, hours: int = 0, **moment) -> int:
        files = {"bars__csv": files_worlds.table(files_worlds.ROW), "t__csv": "s,l\n" + "".join(lines)}
        source = files_worlds.source(tmp_path, MAPPING, **files)
        return land_tickers(desk, source, Moment(NOW + hours * HOUR, **moment)).rows

    return land


def standing(desk) -> list[tuple]:
    rows = desk.lake.read(RAW_TICKERS).filter(ticker="KO").sort("ts_known")
    return told(rows.with_columns(is_torn=rows["problem"].is_not_null()), "is_torn", "is_deleted", "ts_known")


def test_a_row_that_cannot_be_read_is_withdrawn_when_the_file_leaves_it_out(desk, lands):
    lands(GOOD, TORN)

    assert lands(GOOD, hours=1) == 1
    assert standing(desk)[1:] == [(True, True, NOW + HOUR)]
    assert lands(GOOD, hours=2) == 0


def test_it_may_come_back_torn_or_corrected(desk, lands):
    lands(GOOD, TORN)
    lands(GOOD, hours=1)

    assert lands(GOOD, TORN, hours=2) == 1
    assert lands(GOOD, CORRECTED, hours=3) == 1
    assert [row[:2] for row in standing(desk)] == [(True, False), (True, True), (True, False), (False, False)]


def test_a_withdrawal_is_later_than_what_it_withdraws_whatever_the_clock_says(desk, lands):
    lands(GOOD, TORN)
    begun = standing(desk)[0][2]

    lands(GOOD, hours=-(10**5))

    assert standing(desk)[1][2] == begun + TICK


def test_a_row_that_could_be_read_stays_as_landed(desk, lands):
    lands(GOOD, CORRECTED)

    assert lands(GOOD, hours=1) == 0
    assert [row[:2] for row in standing(desk)] == [(False, False)]


def test_a_replay_withdraws_nothing(lands):
    lands(GOOD, TORN)

    assert lands(GOOD, hours=1, is_replay=True) == 0


def test_a_correction_is_stamped_when_it_is_committed_and_not_when_it_was_asked_for(desk, lands):
    lands(GOOD, TORN)

    lands(GOOD, CORRECTED, hours=1, clock=FixedClock(NOW + 5 * HOUR))

    assert standing(desk)[1] == (False, False, NOW + 5 * HOUR)


def test_an_action_that_another_security_bears_now_awaits_derivation_from_its_ex_date(desk):
    event = {"event_id": "1", "ticker": "KO", "session": TUE, "ex_date": TUE}
    desk.lake.append(RAW_SPLITS, lambda _: rows(RAW_SPLITS, event), start=MON, end=WED)
    held = rows(SECURITIES, {"security_id": "files:KO", "ticker": "KO", "valid_from": MON})
    desk.lake.overwrite(SECURITIES, held)
    settle(desk.state, MON, THU, Moment(NOW, run="first"))

    mark_reassigned(desk, held, Moment(NOW))
    same = cells_now(desk.state)["state"].to_list()
    mark_reassigned(desk, held.with_columns(security_id=pl.lit("BBG1")), Moment(NOW))

    assert same == ["data"] * 3
    assert told(cells_now(desk.state), "session", "state") == [(MON, "data"), (TUE, "not_yet"), (WED, "not_yet")]


def borne(security_id: str, ticker: str, begins, ends=None, *, known=utc(MON, 12), starts=False, **more) -> dict:  # noqa: B008
    interval = {"security_id": security_id, "ticker": ticker, "valid_from": begins, "valid_to": ends}
    return {**interval, "is_start_known": starts, "ts_known": known, **more}


KO, LATER = borne("files:KO", "KO", MON), {"known": utc(WED, 12)}


def test_a_split_whose_twin_another_security_bears_now_awaits_derivation_too(desk):
    """Told under the old name and under the new one: which of the two counts changes with who bears them."""
    events = [
        {"event_id": name, "ticker": name, "session": day, "ex_date": day} for name, day in (("FB", MON), ("META", WED))
    ]
    desk.lake.append(RAW_SPLITS, lambda _: rows(RAW_SPLITS, *events), start=MON, end=THU)
    before = borne("BBG1", "FB", MON, WED, starts=True)
    desk.lake.overwrite(SECURITIES, rows(SECURITIES, before, borne("files:META", "META", WED, starts=True)))
    settle(desk.state, MON, THU, Moment(NOW, run="first"))

    mark_reassigned(desk, rows(SECURITIES, before, borne("BBG1", "META", WED, starts=True)), Moment(NOW))

    assert told(cells_now(desk.state), "session", "state") == [(day, "not_yet") for day in (MON, TUE, WED)]


@pytest.mark.parametrize(
    ("told", "first_stale"),
    [
        ([KO, borne("files:KO", "KO", MON, is_deleted=True, **LATER), borne("BBG1", "KO", MON, **LATER)], None),
        ([KO, borne("files:KO", "KO", MON, TUE, **LATER), borne("files:KO", "KOX", TUE, starts=True, **LATER)], TUE),
        ([KO, borne("files:KO", "KO", MON, WED, **LATER)], WED),
        (
            [KO, borne("files:KO", "KO", MON, is_deleted=True, **LATER), borne("x", "KO", TUE, starts=True, **LATER)],
            MON,
        ),
        ([KO, borne("x", "NEWCO", TUE, **LATER)], None),
        ([KO, {**KO, "name": "Coca-Cola", "ts_known": LATER["known"]}], None),
        ([KO, borne("files:KO", "KO", MON, TUE, **LATER), borne("files:KO", "KO", MON, known=utc(THU, 12))], TUE),
    ],
    ids=["only its id", "renamed", "ended", "listed later", "another ticker", "only its name", "ended and taken back"],
)
def test_features_await_derivation_from_where_a_series_changes_hands(desk, told, first_stale):
    before, after = rows(SECURITIES, KO), rows(SECURITIES, *told)
    desk.lake.overwrite(SECURITIES, before)
    settle(desk.state, MON, THU, Moment(NOW, run="first"))

    mark_reassigned(desk, after, Moment(NOW))

    stale = cells_now(desk.state).filter(state="not_yet")["session"].to_list()
    assert (stale[0] if stale else None) == first_stale


def test_old_dividends_of_a_security_that_ends_now_await_nothing(desk):
    event = {"event_id": "1", "ticker": "KO", "session": MON, "ex_date": MON}
    desk.lake.append(RAW_SPLITS, lambda _: rows(RAW_SPLITS, event), start=MON, end=WED)
    desk.lake.overwrite(SECURITIES, rows(SECURITIES, KO))
    settle(desk.state, MON, THU, Moment(NOW, run="first"))

    mark_reassigned(desk, rows(SECURITIES, KO, borne("files:KO", "KO", MON, WED, **LATER)), Moment(NOW))

    assert told(cells_now(desk.state), "session", "state")[1:] == [(TUE, "data"), (WED, "not_yet")]
