"""The history by ticker, materialized for real: what the sessions wrote, and red when a byte of that changes."""

import shutil
from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl
import pytest

from orion_assets.cli.run import write_history
from orion_assets.clock import SystemClock
from orion_assets.schemas import CLEAN_DAILY_BARS, FEATURE_MATRIX, HISTORY, TICKER_BARS, TICKER_FEATURES
from orion_assets.store.history import HistoryFiles
from orion_assets.store.state import State
from orion_assets_tests import own_market
from orion_assets_tests.own_market import FOLLOWED

NAMED = ("ticker", "session", "differs")


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """A market of this module's own, filled; who bends it bends it back."""
    made = own_market.write(tmp_path_factory.mktemp("history"))
    assert made.materialize(job="reference").success
    assert made.materialize().success
    return made


@pytest.fixture
def files(market):
    shutil.rmtree(market.settings().features_url, ignore_errors=True)
    return HistoryFiles(market.settings().features_url)


def history(market, *tickers):
    with dg.DagsterInstance.ephemeral() as on:
        return write_history(market.settings(), tickers, on, show=False)


def test_every_ticker_has_its_files_equal_to_the_rows_of_the_sessions(market, files):
    outcome = history(market, *FOLLOWED)

    assert (outcome.is_done, outcome.failure, outcome.findings) == (True, "", [])
    stored = market.read(FEATURE_MATRIX)
    for ticker in FOLLOWED:
        mine = stored.filter(ticker=ticker)
        assert mine.height > 0
        assert files.read(TICKER_FEATURES, ticker).sort(*FEATURE_MATRIX.key, "ts_known").equals(mine)
        assert files.read(TICKER_BARS, ticker)["session"].is_sorted()


def test_a_changed_byte_in_a_session_turns_the_check_red_and_leaves_the_file(market, files):
    assert history(market, FOLLOWED[0]).is_done
    before = files.read(TICKER_FEATURES, FOLLOWED[0])
    day = before["session"].max()
    rows = market.lake.read(FEATURE_MATRIX, start=day, end=day + timedelta(days=1))
    is_one = (pl.col("ticker") == FOLLOWED[0]) & (pl.col("cutoff") == "close")
    # One unit in the last place
    bent = rows.with_columns(close=pl.when(is_one).then(pl.col("close") * (1 + 2**-52)).otherwise(pl.col("close")))
    market.lake.replace(FEATURE_MATRIX, bent, start=day, end=day + timedelta(days=1))

    with dg.DagsterInstance.ephemeral() as on:
        outcome = write_history(market.settings(), FOLLOWED, on, show=False)
        done = {table.name: on.get_materialized_partitions(dg.AssetKey(table.name)) for table in HISTORY}
    market.lake.replace(FEATURE_MATRIX, rows, start=day, end=day + timedelta(days=1))

    (finding,) = [each for each in outcome.findings if each.check == "equals_sessions"]
    assert (finding.asset, finding.rows) == (TICKER_FEATURES.name, 1)
    assert finding.accused[0]["differs"] == "close"
    assert not outcome.is_done
    assert f"history {FOLLOWED[0]}: 1 rows are not what the sessions wrote" in outcome.failure
    assert files.read(TICKER_FEATURES, FOLLOWED[0]).equals(before)
    # The others have theirs, and the one that has not is not called done, so that it is asked for again
    assert done == {table.name: set(FOLLOWED[1:]) for table in HISTORY}
    assert files.read(TICKER_FEATURES, FOLLOWED[1]).height > 0


def test_a_session_that_the_lake_lost_is_told(market, files):
    day = market.read(FEATURE_MATRIX)["session"].max()
    after = day + timedelta(days=1)
    rows = {table: market.lake.read(table, start=day, end=after) for table in (FEATURE_MATRIX, CLEAN_DAILY_BARS)}
    for table, each in rows.items():
        market.lake.replace(table, each.clear(), start=day, end=after)

    lost = history(market, *FOLLOWED)
    for table, each in rows.items():
        market.lake.replace(table, each, start=day, end=after)

    told = {(found.asset, *(row[name] for name in NAMED)) for found in lost.findings for row in found.accused}
    assert told == {(table.name, ticker, str(day), "rebuilt only") for table in HISTORY for ticker in FOLLOWED}
    assert not lost.is_done


def test_while_sessions_await_derivation_the_files_stay_as_they_are(market, files):
    assert history(market, *FOLLOWED).is_done
    before = {ticker: files.read(TICKER_FEATURES, ticker) for ticker in FOLLOWED}
    day = market.read(FEATURE_MATRIX)["session"].max()
    state = State(market.settings().state_url)
    state.log_landing("elsewhere", day, SystemClock().now())

    awaited = history(market, *FOLLOWED)
    state.log_landing("elsewhere", day, datetime(2014, 1, 1, tzinfo=UTC))

    assert f"sessions from {day} on await derivation; do that first: orion update" in awaited.failure
    for ticker, rows in before.items():
        assert files.read(TICKER_FEATURES, ticker).equals(rows)


def test_one_ticker_alone_leaves_the_others_alone(market, files):
    history(market, FOLLOWED[0])

    with pytest.raises(Exception, match=f"orion history {FOLLOWED[1]}"):
        files.read(TICKER_FEATURES, FOLLOWED[1])


def test_each_partition_says_how_far_it_goes_and_what_is_missing(market, files):
    with dg.DagsterInstance.ephemeral() as on:
        write_history(market.settings(), FOLLOWED, on, show=False)
        keys = [dg.AssetKey(name) for name in (TICKER_BARS.name, TICKER_FEATURES.name)]
        told = {
            (key.path[-1], ticker): on.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=key, asset_partitions=[ticker]), limit=1
            ).records[0].asset_materialization.metadata
            for key in keys
            for ticker in FOLLOWED
        }  # fmt: skip

    for metadata in told.values():
        assert {"dagster/row_count", "file", "through_session", "missing"} <= set(metadata)
    through = market.read(FEATURE_MATRIX).filter(ticker=FOLLOWED[0])["session"].max()
    assert told[TICKER_FEATURES.name, FOLLOWED[0]]["through_session"].value == str(through)


def test_the_command_writes_them_and_refuses_a_stranger(market, files):
    said = market.orion("history", FOLLOWED[0])
    assert (said.code, said.out) == (0, f"wrote the files of 1 ticker to {market.settings().features_url}\n")

    stranger = market.orion("history", "STRANGER")
    assert stranger.code == 2
    assert "history STRANGER: not followed. Follow them first: orion tickers add STRANGER" in stranger.err
