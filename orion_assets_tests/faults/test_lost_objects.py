"""The state database is lost, and with it which version of every Flat File was landed: the lake knows it still."""

# ruff: noqa: F811 - fixtures are imported by name

from dataclasses import replace

import polars as pl
import pytest

from orion_assets.ingest.rebuilding import rebuild
from orion_assets.schemas import RAW_DAILY_BARS, RAW_MINUTE_BARS, RAW_OBJECTS
from orion_assets.sources.synthetic.vendor import flatfiles
from orion_assets.store.state import State
from orion_assets.transforms.versions import visible
from orion_assets_tests.faults.file_world import assert_told, gate, objects, opened  # noqa: F401
from orion_assets_tests.faults.world import assert_no_op
from orion_assets_tests.servers import s3_server  # noqa: F401


def lose_state(made) -> None:
    """Put an empty database in place of the one that was lost, and make it anew from the lake."""
    made.desk.state.close()
    made.desk = replace(made.desk, state=State(f"sqlite:///{made.folder}/another.db"))
    made.clock.advance(3_600)
    rebuild(made.desk.lake, made.desk.state, made.clock.now())


def test_a_file_replaced_while_the_state_was_lost_is_read_again_as_a_new_version_and_no_other_is(opened):
    files = opened()
    files.put()
    files.made.run()
    then, before, day = files.made.clock.now(), files.made.rows(), files.days[1]
    corrected = files.told(day).with_columns(
        close=pl.when(pl.col("ticker") == "SAAA").then(pl.col("high")).otherwise("close")
    )
    files.replace(day, flatfiles.packed(corrected))
    lose_state(files.made)

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


@pytest.mark.parametrize("table", [RAW_DAILY_BARS, RAW_MINUTE_BARS], ids=lambda table: table.name)
def test_files_that_nobody_replaced_are_not_read_again_after_the_state_was_lost(opened, table):
    files = opened(table)
    files.put()
    files.made.run()
    told = files.made.desk.state.objects.between(table.name, *files.made.span)

    lose_state(files.made)

    assert files.made.desk.state.objects.between(table.name, *files.made.span) == told
    assert_no_op(files.made)
    assert len(files.gets()) == 3
    assert_told(files)


def test_what_the_lake_was_told_of_an_object_is_every_version_that_was_landed(opened):
    files = opened()
    files.put()
    files.made.run()
    day = files.days[0]
    files.replace(day, flatfiles.packed(files.told(day).with_columns(close="high")))

    files.made.run()

    told = files.made.desk.lake.read(RAW_OBJECTS).filter(pl.col("session") == day)["version"].to_list()
    assert [bool(version) for version in told] == [False, True, False, True]
    assert told[1] != told[3]
