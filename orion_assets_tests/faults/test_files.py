"""Flat Files on a real S3 server, the whole way to the raw tables: rights, damage, replacement, absence."""

# ruff: noqa: F811 - fixtures are imported by name

import gzip
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from orion_assets.errors import KeyRefused, OrionError
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.runner import Landed, land
from orion_assets.schemas import RAW_DAILY_BARS, RAW_MINUTE_BARS
from orion_assets.sources.synthetic.vendor import flatfiles
from orion_assets.transforms.versions import visible
from orion_assets_tests.faults.file_world import MINUTES, RIGHTS, SECRET, assert_told, gate, objects, opened  # noqa: F401
from orion_assets_tests.faults.world import (
    DAY_S,
    assert_cells,
    assert_no_op,
    assert_one_line,
    assert_secret,
    truth_rows,
)
from orion_assets_tests.servers import s3_server  # noqa: F401


@pytest.mark.parametrize(("table", "route"), [(RAW_DAILY_BARS, "day_file"), (RAW_MINUTE_BARS, "minute_file")])
def test_an_object_restates_nothing_of_what_calls_have_told(opened, table, route):
    files = opened(table, tickers=("SAAA", "SAAB", "SAAC"))
    made, held = files.made, (files.made.files, files.made.rights)
    made.files, made.rights = None, replace(RIGHTS, has_flat_files=False)
    made.run()
    before = made.desk.lake.read(table)
    made.files, made.rights = held
    files.put()
    made.clock.advance(DAY_S)
    source, moment = made.source(), Moment(made.clock.now())

    for day in files.days:
        ask = replace(made.ask, start=day, end=day + timedelta(days=1), route=route)
        land(made.desk, source, ask, table, moment)

    source.close()
    assert len(files.gets()) == 3
    assert made.desk.lake.read(table).equals(before)
    assert before["vwap"].null_count() < before.height


def test_one_object_a_session_gives_everybody_who_is_followed(opened, caplog):
    files = opened(tickers=None)
    files.put()
    work = files.made.plan()

    outcome = files.made.run()

    assert isinstance(outcome, Landed)
    assert work.calls_by_route == {"minute_file": 3}
    assert files.gets() == [str(day) for day in reversed(files.days)]
    assert files.made.calls() == 0, "no call of the key was spent"
    assert_told(files)
    assert_cells(files.made)
    assert set(files.made.states()) == {"data", "empty_confirmed"}
    assert_no_op(files.made)
    assert len(files.gets()) == 3
    assert_secret(files.made, caplog.text)
    seen = [caplog.text, *files.gate.heads, *map(str, files.made.told), *files.made.details()]
    assert not [text for text in seen if SECRET in text]


def test_while_shares_over_the_counter_are_wanted_no_object_is_read(opened):
    files = opened(RAW_DAILY_BARS, tickers=None)
    files.put()
    before = set(files.made.plan().calls_by_route)

    files.made.markets = ("otc",)

    assert (before, set(files.made.plan().calls_by_route)) == ({"day_file"}, {"grouped"})


def test_daily_bars_of_a_session_come_from_its_object(opened):
    files = opened(RAW_DAILY_BARS)
    files.put()

    files.made.run()

    assert [key.split("/")[1] for key in files.gate.gets] == ["day_aggs_v1"] * 3
    assert_told(files)
    closes = files.made.vendor.truth.sessions.select("session", "ts_close")
    told = files.made.desk.lake.read(RAW_DAILY_BARS).join(closes, on="session")
    assert (told["ts_event"] == told["ts_close"]).all()


def test_for_few_tickers_ranges_are_asked_for_and_objects_stay_where_they_are(opened):
    files = opened(tickers=("SAAA", "SAAB"))
    files.put()

    files.made.run()

    assert files.gets() == []
    assert files.made.calls() == 2


def test_a_session_without_an_object_is_answered_by_calls(opened):
    files = opened()
    files.put(*files.days[:2])

    files.made.run()

    assert files.gets() == [str(day) for day in reversed(files.days[:2])]
    assert files.made.calls() == len(files.made.tickers)
    assert {str(files.days[2])} == {entry.path.split("/")[8] for entry in files.made.vendor.journal}
    assert_cells(files.made)


def test_an_object_that_goes_between_listing_and_download_is_not_listed(opened):
    files = opened()
    files.put()
    source = files.made.source()
    routes = source.routes(files.made.clock.now().date())
    files.client.delete_object(Bucket=files.bucket, Key=flatfiles.key_of(files.days[1], "minute"))
    assert files.days[1] in {day for route in routes if route.versions for day in route.versions}

    files.made.source = lambda: source
    files.made.run()

    gone = files.made.cells().filter(pl.col("session") == files.days[1])
    assert set(gone["state"]) == {"not_listed"}
    assert_one_line(files.made.details(), "flat files")


def test_what_may_be_listed_and_not_downloaded_is_answered_by_calls_however_long_ago_it_was(opened):
    files = opened()
    files.made.clock.advance(500 * DAY_S)
    files.put()
    files.gate.denied = tuple(flatfiles.key_of(day, "minute") for day in files.days[:2])

    files.made.run()

    cells = files.made.cells()
    assert set(cells.filter(pl.col("session") < files.days[2])["state"]) == {"not_entitled"}
    assert set(cells.filter(pl.col("session") == files.days[2])["state"]) == {"data"}
    assert len(files.gets()) == 3, "a right is asked for once"
    assert_one_line(files.made.details(), "flat files")
    planned = files.made.plan()
    assert set(planned.calls_by_route) == {"minute_window"}
    files.made.run()
    assert (files.made.calls(), len(files.gets())) == (planned.calls, 3)
    assert not set(files.made.states()) & {"not_entitled", "not_yet"}
    assert_no_op(files.made)


def test_what_no_call_answers_either_is_downloaded_the_next_day(opened):
    files = opened()
    files.put()
    files.made.vendor.faults.add("forbidden", kind="endpoint")
    files.gate.denied = tuple(flatfiles.key_of(day, "minute") for day in files.days[:2])
    files.made.run()

    files.made.run()

    assert (files.made.calls(), len(files.gets())) == (1, 3)
    assert files.made.states()["not_entitled"] == 2 * len(files.made.tickers)
    assert_no_op(files.made)
    files.gate.denied = ()
    files.made.heal()
    assert len(files.gets()) == 5
    assert_told(files)


def test_where_nothing_may_be_listed_calls_answer(opened, caplog):
    files = opened()
    files.put()
    files.gate.denies_lists = True

    files.made.run()

    assert files.gets() == []
    assert files.made.calls() == len(files.made.tickers)
    assert "is planned without its files" in caplog.text


@pytest.mark.parametrize("refused_at", ["list", "download"])
def test_keys_that_are_none_end_the_run(opened, refused_at):
    files = opened()
    files.put()
    files.gate.denied, files.gate.denies_lists = (MINUTES,), refused_at == "list"
    files.gate.code = "InvalidAccessKeyId"

    outcome = files.made.run()

    assert isinstance(outcome, KeyRefused)
    assert "POLYGON_S3_ACCESS_KEY" in str(outcome)
    assert (len(files.gets()), files.made.calls()) == (int(refused_at == "download"), 0)
    assert set(files.made.states()) <= {"failed"}
    files.gate.denied, files.gate.denies_lists = (), False
    files.made.heal()
    assert_told(files)


def _half(content: bytes) -> bytes:
    rows = pl.read_csv(content, schema_overrides={"volume": pl.Float64})
    names = rows["ticker"].unique().sort()
    return flatfiles.packed(rows.filter(pl.col("ticker").is_in(names.head(len(names) // 2).to_list())))


DAMAGE = {
    "a cut stream": lambda content: content[:-9],
    "a cut in the middle": lambda content: content[: len(content) // 2],
    "no gzip": lambda _: b"<html>maintenance</html>",
    "another header": lambda content: gzip.compress(gzip.decompress(content).replace(b"window_start", b"start", 1)),
    "half of the tickers": _half,
    "no rows": lambda content: gzip.compress(gzip.decompress(content).partition(b"\n")[0] + b"\n"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_an_object_that_is_not_whole_is_read_twice_and_nothing_of_it_is_landed(opened, damage):
    files = opened()
    files.put()
    day = files.days[0]
    files.replace(day, DAMAGE[damage](files.whole(day)))

    outcome = files.made.run()

    assert isinstance(outcome, Landed)
    bad = files.made.cells().filter(pl.col("session") == day)
    assert set(bad["state"]) == {"quarantined"}
    assert day not in set(files.made.rows()["session"])
    assert files.gets().count(str(day)) == (1 if damage == "another header" else 2)
    assert_one_line(files.made.details(), "flat files", "raw_minute_bars of")
    files.put(day)
    files.made.heal()
    assert_told(files)
    assert_no_op(files.made)


def test_a_bad_row_of_an_object_is_held_back_alone(opened):
    files = opened(RAW_DAILY_BARS, tickers=None)
    key, day = flatfiles.key_of(files.days[1], "day"), files.days[1]
    head, first, *others = gzip.decompress(files.objects[key]).split(b"\n")
    ticker, _, *rest = first.split(b",")
    files.put()
    bad = b"\n".join([head, b",".join([ticker, b"", *rest]), *others])
    files.client.put_object(Bucket=files.bucket, Key=key, Body=gzip.compress(bad))

    outcome = files.made.run()

    assert isinstance(outcome, Landed)
    held = files.made.cells().filter(state="quarantined")
    assert held.select("ticker", "session").rows() == [(ticker.decode(), day)]
    assert "volume: is missing" in held["detail"][0]
    assert files.made.rows().height == truth_rows(files.made).height
    files.put()
    files.made.heal()
    assert_told(files)


def test_the_object_of_another_day_is_not_landed(opened):
    files = opened()
    files.put()
    files.replace(files.days[0], files.whole(files.days[1]))

    files.made.run()

    assert files.days[0] not in set(files.made.rows()["session"])
    assert f"rows that are not of {files.days[0]}" in " ".join(files.made.details())


def test_a_download_that_breaks_off_is_made_again(opened):
    files = opened()
    files.put()
    files.gate.cuts = 1

    files.made.run()

    assert len(files.gets()) == 4
    assert_told(files)


def test_a_bucket_that_does_not_answer_leaves_what_was_landed_and_goes_on_later(opened):
    files = opened()
    files.put()
    source = files.made.source()
    source.routes(files.made.clock.now().date())
    files.made.source = lambda: source
    files.gate.fails = 10

    outcome = files.made.run()

    assert isinstance(outcome, OrionError)
    assert set(files.made.states()) == {"failed"}
    files.gate.fails = 0
    files.made.heal()
    assert_told(files)


def test_a_replaced_object_is_read_again_as_a_new_version_and_the_others_are_not(opened):
    files = opened()
    files.put()
    files.made.run()
    then, before, day = files.made.clock.now(), files.made.rows(), files.days[1]
    files.made.clock.advance(86_400)
    corrected = files.told(day).with_columns(
        close=pl.when(pl.col("ticker") == "SAAA").then(pl.col("high")).otherwise("close")
    )
    files.replace(day, flatfiles.packed(corrected))

    work = files.made.plan()
    files.made.run()

    assert work.calls_by_route == {"minute_file": 1}
    assert files.gets()[3:] == [str(day)]
    changed = files.made.rows().join(before, on=["ticker", "ts_open", "close"], how="anti")
    assert set(changed["ticker"]) == {"SAAA"}
    assert (changed["close"] == changed["high"]).all()
    raw = files.made.desk.lake.read(RAW_MINUTE_BARS)
    assert visible(raw, RAW_MINUTE_BARS.key, then).select(before.columns).sort("ticker", "ts_open").equals(before)
    assert_no_op(files.made)
    assert len(files.gets()) == 4


def test_an_object_put_anew_without_a_change_is_read_once_and_changes_nothing(opened):
    files = opened()
    files.put()
    files.made.run()
    before = files.made.versions()
    day = files.days[0]
    files.replace(day, gzip.compress(gzip.decompress(files.whole(day)), 1, mtime=0))

    files.made.run()
    files.made.run()

    assert files.gets()[3:] == [str(day)]
    assert files.made.versions() == before


def test_what_came_as_an_object_is_not_read_again_for_corrections_while_it_is_listed(opened):
    files = opened()
    files.put()
    files.made.run()
    # A Tuesday: the fifth session after has come for each
    files.made.clock.advance(timedelta(days=10).total_seconds())

    files.made.run()
    listed = len(files.gets()), files.made.calls()
    files.made.files = None
    files.made.run()

    assert listed == (3, 0)
    assert files.made.calls() > 0


def test_a_ticker_followed_later_is_read_from_the_same_objects(opened):
    files = opened()
    everybody = files.made.tickers
    files.made.tickers = everybody[:10]
    files.put()
    files.made.run()
    files.made.tickers = everybody

    files.made.run()

    assert len(files.gets()) == 6
    assert_told(files)
    assert files.made.calls() == 0


def test_only_rows_may_be_kept_and_the_object_is_known_all_the_same(opened):
    files = opened(keeps_bytes=False)
    files.put()

    files.made.run()

    assert_told(files)
    assert not list((files.made.folder / "archive").rglob("*.gz"))
    assert_no_op(files.made)
    whole = opened()
    whole.put()
    whole.made.run()
    kept = {gzip.decompress(file.read_bytes()) for file in (whole.made.folder / "archive").rglob("*.gz")}
    assert kept == {whole.whole(day) for day in whole.days}


def test_a_part_of_a_market_is_refused_by_its_tickers_alone(opened):
    files = opened(least_tickers=5_000)
    files.put()

    files.made.run()

    assert set(files.made.states()) == {"quarantined"}
    assert "too few to be the whole" in " ".join(files.made.details())
