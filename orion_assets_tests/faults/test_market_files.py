"""Flat Files of crypto, currencies and indices, the whole way to raw and clean tables: as calls tell them."""

# ruff: noqa: F811 - fixtures are imported by name

import gzip
from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets.market_hours import sessions_of, traded_in
from orion_assets.markets import CRYPTO, FX, INDICES, MARKETS
from orion_assets.schemas import RAW_DAILY_BARS, RAW_MINUTE_BARS, table_of
from orion_assets.sources.polygon.flatfiles import SETS
from orion_assets.sources.polygon.holdings import HOLDINGS
from orion_assets.sources.synthetic.vendor import flatfiles
from orion_assets.transforms.bars import clean_daily_bars
from orion_assets.transforms.minutes import clean_minute_bars
from orion_assets.transforms.versions import visible
from orion_assets_tests.faults.file_world import Files, gate, objects, opened  # noqa: F401
from orion_assets_tests.faults.world import DAY_S, assert_no_op, assert_one_line
from orion_assets_tests.servers import s3_server  # noqa: F401

# Friday to Tuesday
FRIDAY, MONDAY, TUESDAY = (date(2026, 11, day) for day in (13, 16, 17))
KINDS = [(name, table) for name in ("crypto", "fx", "indices") for table in (RAW_DAILY_BARS, RAW_MINUTE_BARS)]
HELD = {"crypto": ("X:SYNUSD", "X:FAKUSD"), "fx": ("C:SYNUSD",), "indices": ("I:SYN", "I:VIX")}
NEVER = {"crypto": "X:NVR{}USD", "fx": "C:NV{}USD", "indices": "I:NV{}"}


def followed(name: str) -> tuple[str, ...]:
    """Give ten tickers, the fewest for which an object is read; most of them never trade."""
    return tuple(sorted([*HELD[name], *(NEVER[name].format(letter) for letter in "ABCDEFGHIJ"[len(HELD[name]) :])]))


def at_market(opened, name: str, table, **more) -> Files:
    files = opened(table_of(table, MARKETS[name]), tickers=followed(name), markets=[name], **more)
    files.made.span = (FRIDAY, TUESDAY)
    files.made.desk.state.add_tickers(files.made.tickers, ts_added=files.made.clock.now())
    return files


def put(files: Files, name: str, *days: date) -> list[str]:
    every = days or [FRIDAY + timedelta(days=number) for number in range(-1, 4)]
    return flatfiles.put_days(files.client, files.made.vendor.truth, name, every, files.bucket)


def cleaned(made, name: str, table) -> pl.DataFrame:
    market, raw = MARKETS[name], made.desk.lake.read(made.table)
    if table is RAW_DAILY_BARS:
        done = clean_daily_bars(raw, sessions_of(market), market)
    else:
        done = clean_minute_bars(raw, traded_in(market, *made.span), market)
    assert done.quarantine.is_empty()
    return done.rows


@pytest.mark.parametrize(("name", "table"), KINDS, ids=lambda value: getattr(value, "name", value))
def test_objects_give_the_bars_that_calls_give(opened, name, table):
    by_files, by_calls = at_market(opened, name, table), at_market(opened, name, table).made
    by_calls.files, by_calls.rights = None, replace(by_calls.rights, has_flat_files=False)
    put(by_files, name)

    by_files.made.run()
    by_calls.run()

    sessions = sessions_of(MARKETS[name], FRIDAY, TUESDAY)["session"].to_list()
    route = "day_file" if table is RAW_DAILY_BARS and name != "fx" else "minute_file"
    assert by_files.made.calls() == 0, "no call of the key was spent"
    assert by_calls.calls() > 0
    told = by_files.made.rows()
    assert set(told["ticker"]) == set(HELD[name])
    assert sorted(set(told["session"])) == sessions
    assert_frame_equal(told.drop("vwap"), by_calls.rows().drop("vwap"), check_exact=True)
    assert told["vwap"].null_count() == told.height
    if name == "indices":
        assert told["volume"].null_count() == told.height
    # Known when calls tell it: what an object tells changes no label
    dated = ["ticker", "session", "ts_event", "ts_known"]
    raw = [made.desk.lake.read(made.table).select(dated).sort(dated) for made in (by_files.made, by_calls)]
    assert_frame_equal(*raw)
    own = ["vwap", "ts_ingested", "source_file", "source_row", "source_hash"]
    rows = [cleaned(made, name, table) for made in (by_files.made, by_calls)]
    assert_frame_equal(*(each.drop(own, strict=False) for each in rows))
    assert rows[0].height == told.height
    assert {
        cell for (cell,) in by_files.made.cells().filter(pl.col("ticker").is_in(HELD[name])).select("state").rows()
    } == {"data"}
    assert route in {each.name for each in by_files.made.source().routes(by_files.made.clock.now().date())}
    assert_no_op(by_files.made)
    gets = len(by_files.gets())
    assert gets == (2 if name == "fx" else 1) * len(sessions)
    # The bytes that rows name are archived
    sources = by_files.made.desk.lake.read(by_files.made.table)["source_hash"].unique().to_list()
    assert all(by_files.made.desk.archive.get(sha256) for sha256 in sources)


def test_a_plan_counts_both_objects_of_a_session_of_currencies(opened):
    files = at_market(opened, "fx", RAW_MINUTE_BARS)
    put(files, "fx")

    work = files.made.plan()
    files.made.run()

    # Friday is told by the objects of Thursday and Friday, Monday by those of Sunday and Monday
    assert work.calls_by_route == {"minute_file": 4}
    assert files.gets() == ["2026-11-15", "2026-11-16", "2026-11-12", "2026-11-13"]


def test_a_session_of_currencies_without_one_of_its_objects_is_answered_by_calls(opened):
    files = at_market(opened, "fx", RAW_DAILY_BARS)
    put(files, "fx", FRIDAY - timedelta(days=1), FRIDAY, MONDAY)

    files.made.run()

    assert files.gets() == ["2026-11-12", "2026-11-13"]
    assert {entry.route for entry in files.made.vendor.journal} == {"range"}
    assert files.made.rows()["session"].to_list() == [FRIDAY, MONDAY]


@pytest.mark.parametrize(
    ("name", "table", "day", "changed"),
    [
        ("crypto", RAW_DAILY_BARS, FRIDAY, [FRIDAY]),
        ("indices", RAW_MINUTE_BARS, FRIDAY, [FRIDAY]),
        # Sunday's object holds Monday's first hours alone
        ("fx", RAW_DAILY_BARS, MONDAY - timedelta(days=1), [MONDAY]),
    ],
    ids=["crypto", "indices", "fx"],
)
def test_a_replaced_object_is_a_new_version(opened, name, table, day, changed):
    files = at_market(opened, name, table)
    put(files, name)
    files.made.run()
    then, before, read = files.made.clock.now(), files.made.rows(), len(files.gets())
    files.made.clock.advance(DAY_S)
    length = "day" if name == "crypto" else "minute"
    key = flatfiles.key_of(day, length, name)
    told = flatfiles.told_of(files.made.vendor.truth, name, day, length)
    higher = told.with_columns(high=pl.col("high") * 2)
    files.client.put_object(Bucket=files.bucket, Key=key, Body=flatfiles.packed(higher))

    files.made.run()

    after = files.made.rows().join(before, on=["ticker", "session", "ts_event", "high"], how="anti")
    assert sorted(set(after["session"])) == changed
    assert len(files.gets()) == read + (2 if name == "fx" else 1)
    assert files.made.calls() == 0
    raw = files.made.desk.lake.read(files.made.table)
    held = visible(raw, files.made.table.key, then).select(before.columns).sort(files.made.table.key)
    assert_frame_equal(held, before)
    assert_no_op(files.made)


def test_what_may_be_listed_and_not_downloaded_is_answered_by_calls(opened):
    files = at_market(opened, "crypto", RAW_DAILY_BARS)
    put(files, "crypto")
    files.gate.denied = ("global_crypto/",)

    files.made.run()
    refused, said = files.made.states(), files.made.details()
    files.made.run()

    assert refused == {"not_entitled": 4 * 10}
    assert_one_line(said, "flat files")
    assert files.made.calls() > 0
    assert set(files.made.states()) == {"data", "empty_confirmed"}
    assert set(files.made.rows()["ticker"]) == set(HELD["crypto"])


def test_a_folder_that_may_not_be_listed_leaves_its_market_to_calls(opened, caplog):
    files = at_market(opened, "fx", RAW_DAILY_BARS)
    put(files, "fx")
    files.gate.denies_lists = True

    files.made.run()

    assert files.gets() == []
    assert "global_forex/minute_aggs_v1 is planned without its files" in caplog.text
    assert files.made.calls() > 0


def test_only_the_folders_of_the_markets_that_are_wanted_are_listed(opened):
    files = at_market(opened, "fx", RAW_DAILY_BARS)
    put(files, "fx")

    files.made.plan()

    assert files.gate.lists == [
        "us_stocks_sip/day_aggs_v1/", "us_stocks_sip/minute_aggs_v1/", "global_forex/minute_aggs_v1/",
    ]  # fmt: skip


def test_two_pairs_that_are_spelt_alike_without_their_hyphen_are_held_back(opened):
    files = at_market(opened, "crypto", RAW_DAILY_BARS)
    put(files, "crypto")
    key = flatfiles.key_of(FRIDAY, "day", "crypto")
    told = flatfiles.told_of(files.made.vendor.truth, "crypto", FRIDAY, "day")
    other = told.filter(ticker="X:SYN-USD").with_columns(ticker=pl.lit("X:SY-NUSD"), close=pl.lit(1.0))
    files.client.put_object(Bucket=files.bucket, Key=key, Body=flatfiles.packed(pl.concat([other, told])))

    files.made.run()

    (bad,) = files.made.cells().filter(state="quarantined").select("ticker", "session", "detail").rows()
    assert bad[:2] == ("X:SYNUSD", FRIDAY)
    assert "spelt so without their hyphen" in bad[2]
    raw = files.made.desk.lake.read(files.made.table).filter(ticker="X:SYNUSD", session=FRIDAY)
    assert raw.select("close", "volume").rows() == [(None, None)]


def test_a_cut_object_of_currencies_spoils_its_sessions_alone(opened):
    files = at_market(opened, "fx", RAW_MINUTE_BARS)
    put(files, "fx")
    key = flatfiles.key_of(MONDAY - timedelta(days=1), "minute", "fx")
    body = files.client.get_object(Bucket=files.bucket, Key=key)["Body"].read()
    files.client.put_object(Bucket=files.bucket, Key=key, Body=body[:-9])

    files.made.run()

    states = files.made.cells().group_by("session").agg(pl.col("state").unique()).sort("session")
    assert states.filter(session=MONDAY)["state"].to_list() == [["quarantined"]]
    assert set(files.made.rows()["session"]) == {FRIDAY}
    assert gzip.decompress(body)


@pytest.mark.parametrize("table", [RAW_DAILY_BARS, RAW_MINUTE_BARS], ids=["daily", "minute"])
def test_a_quiet_session_whose_object_is_not_believed_is_answered_by_calls(opened, table):
    files = at_market(opened, "fx", table)
    put(files, "fx")
    key = flatfiles.key_of(MONDAY, "minute", "fx")
    told = flatfiles.told_of(files.made.vendor.truth, "fx", MONDAY, "minute")
    more = [told.with_columns(ticker=pl.lit(f"C:NV{letter}-USD")) for letter in "BC"]
    files.client.put_object(Bucket=files.bucket, Key=key, Body=flatfiles.packed(pl.concat([*more, told])))

    files.made.run()
    first, said = files.made.cells().filter(session=FRIDAY), files.made.details()
    # The same object says the same, however long ago it was read
    files.made.clock.advance(DAY_S)
    work = files.made.plan()
    files.made.run()

    assert set(first["state"]) == {"quarantined"}
    assert any("asked for again by another route" in each for each in said)
    assert set(work.calls_by_route) == {"hour_window" if table is RAW_DAILY_BARS else "minute_window"}
    assert {entry.route for entry in files.made.vendor.journal} == {"range"}
    assert set(files.made.cells().filter(session=FRIDAY)["state"]) == {"data", "empty_confirmed"}
    assert set(files.made.rows().filter(session=FRIDAY)["ticker"]) == set(HELD["fx"])
    assert_no_op(files.made)


def spans(market, table, start: date, end: date):
    return HOLDINGS[table_of(table, market).name].days(start, end)


@pytest.mark.parametrize(
    ("friday", "monday"), [(date(2026, 3, 6), date(2026, 3, 9)), (date(2026, 10, 30), date(2026, 11, 2))]
)
def test_the_objects_of_a_session_are_the_same_on_both_sides_of_a_change_of_clocks(friday, monday):
    before = {day: day - timedelta(days=1) for day in (friday, monday)}

    assert spans(FX, RAW_MINUTE_BARS, friday, monday + timedelta(days=1)) == {
        day: (before[day], day) for day in (friday, monday)
    }
    for table in (RAW_DAILY_BARS, RAW_MINUTE_BARS):
        assert spans(INDICES, table, friday, friday + timedelta(days=1)) == {friday: (friday,)}
        assert spans(CRYPTO, table, monday, monday + timedelta(days=1)) == {monday: (monday,)}


def test_no_set_of_another_market_is_left_without_a_table():
    held = {holding.of.folder for holding in HOLDINGS.values()}

    # The vendor's own day of currencies is no session of anybody's
    assert {each.folder for each in SETS.values()} - held == {"global_forex/day_aggs_v1"}
