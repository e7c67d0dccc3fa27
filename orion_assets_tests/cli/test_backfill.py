"""`orion backfill`, `update`, `status`, `tickers` and `store` that fill, count and make again."""

import json
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from orion_assets import calendars, schemas
from orion_assets.clock import SystemClock
from orion_assets.store.state import LEDGER_SCHEMA, State
from orion_assets_tests import own_market

RAW = ("raw_daily_bars", "raw_dividends", "raw_news", "raw_splits", "raw_vix")
DATASETS = ("feature_store", *RAW)


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A market filled by one backfill in a process of its own, with what that said."""
    market = own_market.write(tmp_path_factory.mktemp("grown"))
    return market, market.run("backfill", "--to", "2014-06-27")


def content(market) -> str:
    said = market.orion("store", "hash", "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)["content_hash"]


def counts(market) -> dict[str, dict]:
    return {cells["dataset"]: cells for cells in json.loads(market.orion("status", "--json").out)["cells"]}


def test_a_backfill_says_on_stdout_what_it_filled_and_the_rest_on_stderr(grown):
    _, said = grown

    assert said.code == 0
    assert said.out.startswith("filled 9 sessions, [2014-06-16, 2014-06-27)\n")
    assert "check clean_daily_bars.quarantine" in said.err
    assert "ticker BOLT, session 2014-06-25" in said.err
    assert "Traceback" not in said.err
    assert "nanobind" not in said.err


def test_a_backfill_ends_with_the_rows_of_every_layer_and_the_next_command(grown):
    market, said = grown

    told = [line.split()[:3] for line in said.out.splitlines() if line.startswith(("raw ", "clean ", "feat", "store "))]
    assert [layer for layer, *_ in told] == ["raw"] * 6 + ["clean"] * 5 + ["features"] * 4 + ["store"]
    assert ["raw", "raw_daily_bars", "18"] in told
    assert ["clean", "clean_daily_bars", "17"] in told
    published = [int(rows) for layer, table, rows in told if layer in ("clean", "features")]
    assert ["store", "feature_store", str(sum(published))] in told
    env_file = market.folder / "orion.env"
    orion = Path(sys.executable).with_name("orion")
    assert said.out.splitlines()[-2:] == [
        f"next: {orion} --env-file {env_file} features ACME --from 2014-06-16 --to 2014-06-27",
        f"      {orion} --env-file {env_file} status",
    ]
    assert len(said.out.splitlines()) + len(said.err.splitlines()) <= 40


def test_the_next_command_that_is_named_works(grown):
    market, said = grown
    command = said.out.splitlines()[-2].removeprefix("next: ").split()

    assert market.run(*command[3:]).code == 0


def test_a_repeated_backfill_as_json_is_one_document_and_changes_nothing(grown):
    market, _ = grown
    before = content(market)

    said = market.orion("backfill", "--to", "2014-06-27", "--json")

    told = json.loads(said.out)
    assert (said.code, said.err) == (0, "")
    assert told["range"] == ["2014-06-16", "2014-06-27"]
    assert told["sessions"] == 9
    assert [command.split()[-1] for command in told["next"]] == ["2014-06-27", "status"]
    assert told["derived_again"] is None
    assert told["rows"]["feature_store"] > told["rows"]["feature_matrix"] == 32
    found = [(each["asset"], each["check"]) for each in told["findings"]]
    assert found == sorted(found)
    assert (told["is_done"], told["changed_raw"]) == (True, False)
    assert {name: told["rows"][name] for name in RAW} == dict.fromkeys(RAW, 0)
    assert {(each["asset"], each["check"]) for each in told["findings"]} >= {("clean_daily_bars", "quarantine")}
    assert content(market) == before


def test_a_backfill_before_what_is_there_says_what_it_derived_again(market):
    assert market.orion("backfill", "--from", "2014-06-18", "--to", "2014-06-20").code == 0

    told = json.loads(market.orion("backfill", "--from", "2014-06-16", "--to", "2014-06-18", "--json").out)

    assert (told["range"], told["derived_again"]) == (["2014-06-16", "2014-06-18"], ["2014-06-18", "2014-06-20"])
    assert (told["changed_raw"], told["rows"]["clean_daily_bars"]) == (True, 4)


def test_status_counts_every_cell_once_and_names_what_needs_attention(grown):
    market, _ = grown

    told = json.loads(market.orion("status", "--json").out)

    assert tuple(cells["dataset"] for cells in told["cells"]) == DATASETS
    assert {c["dataset"]: (c["data"], c["empty_confirmed"], c["quarantined"]) for c in told["cells"]} == {
        "feature_store": (9, 0, 0),
        "raw_daily_bars": (17, 0, 1),
        "raw_dividends": (0, 9, 0),
        "raw_news": (2, 7, 0),
        "raw_splits": (0, 9, 0),
        "raw_vix": (9, 0, 0),
    }
    assert [(row["ticker"], row["session"], row["state"]) for row in told["attention"]] == [
        ("BOLT", "2014-06-25", "quarantined")
    ]
    assert "-81.0" in told["attention"][0]["detail"]


def test_the_ledger_rebuilt_from_the_lake_says_the_same(grown):
    market, _ = grown
    before = market.orion("status", "--json")

    rebuilt = market.orion("status", "--rebuild", "--json")

    assert rebuilt == before


def test_status_is_a_table_for_people(grown):
    market, _ = grown

    said = market.orion("status")

    assert (said.code, said.err) == (0, "")
    assert [line.split()[0] for line in said.out.splitlines() if line.startswith(("raw_", "feature_"))] == [*DATASETS]
    assert "not_entitled" not in said.out
    assert said.out.splitlines()[-2:] == [
        "Needs attention",
        "  raw_daily_bars: 1 cell quarantined, BOLT 2014-06-25: bars.csv row 33: readable: close: -81.0 is not"
        " positive. Next: orion quality quarantine shows a row that is held back; it is asked for again daily, then"
        " monthly",
    ]


def test_status_names_the_cells_that_are_due_and_the_command_that_fills_them(market):
    vix = (market.folder / "vix.csv").read_text().splitlines()
    (market.folder / "vix.csv").write_text("\n".join(row for row in vix if row < "2014-06-18" or "date" in row) + "\n")
    assert market.orion("backfill", "--from", "2014-06-16", "--to", "2014-06-20").code == 0
    assert market.orion("backfill", "--from", "2014-07-18", "--to", "2014-07-23").code == 0

    told = {row["dataset"]: row for row in json.loads(market.orion("status", "--json").out)["due"]}
    shown = market.orion("status").out

    ends = "the source ends before this session"
    assert told["raw_daily_bars"] == {
        "dataset": "raw_daily_bars",
        "cells": 2,
        "first": "2014-07-22",
        "last": "2014-07-22",
        "detail": ends,
        "command": "orion update",
    }
    assert f"  raw_daily_bars: 2 cells due and not answered, 2014-07-22: {ends}. To fill them: orion update" in shown
    assert (told["raw_vix"]["first"], told["raw_vix"]["last"]) == ("2014-06-18", "2014-07-22")
    assert {row["command"] for row in told.values()} == {"orion update"}


def test_a_session_under_way_is_not_due(market):
    today = calendars.session_under_way(SystemClock().now())
    cell = {"dataset": "raw_vix", "ticker": "*", "session": today, "state": "not_yet", "rows": 0, "attempts": 1}
    state = State(market.settings().state_url)
    now = SystemClock().now()
    state.record(pl.DataFrame([{**cell, "ts_updated": now, "detail": "early"}], LEDGER_SCHEMA))

    told = json.loads(market.orion("status", "--json").out)

    assert told["cells"][0]["not_yet"] == 1
    assert told["due"] == []


def test_a_store_made_again_from_raw_has_the_same_hash_also_where_the_file_was_lost(grown):
    market, _ = grown
    before = market.orion("store", "hash")

    (market.folder / "data" / "store.duckdb").unlink()
    rebuilt = market.orion("store", "rebuild")

    assert rebuilt.code == 0
    assert rebuilt.out == before.out
    assert len(before.out.splitlines()[0]) == 64


def told_of(status: str) -> dict:
    """Give what a status says, less how often was tried what stays as it is: one market was filled more than once."""
    told = json.loads(status)
    return told | {"reasons": [{**row, "attempts": None} for row in told["reasons"]]}


def test_the_state_may_lie_in_postgres(market, grown, database):
    said = market.orion("backfill", "--to", "2014-06-27", ORION_STATE_URL=database)
    status = market.orion("status", "--json", ORION_STATE_URL=database)

    assert said.code == 0, said.err
    assert content(market) == content(grown[0])
    assert told_of(status.out) == told_of(grown[0].orion("status", "--json").out)


def test_update_until_takes_what_has_become_due_and_then_says_there_is_nothing(market):
    assert market.orion("backfill", "--to", "2014-06-18", "--until", "2014-06-17").code == 0

    due = market.orion("update", "--until", "2014-06-18T20:30:00Z")
    nothing = market.orion("update", "--until", "2014-06-18T20:31:00Z")

    assert due.code == 0
    assert due.out.startswith("filled 1 session, [2014-06-18, 2014-06-19)\n")
    assert (nothing.code, nothing.err) == (0, "")
    assert nothing.out == "up to date: every session up to 2014-06-18 is answered\n"
    assert counts(market)["raw_daily_bars"]["last"] == "2014-06-18"


def test_update_asks_for_what_came_late_in_one_dataset_alone(market):
    vix = market.folder / "vix.csv"
    whole = vix.read_text().splitlines()
    vix.write_text("\n".join([whole[0], *(line for line in whole[1:] if line < "2014-06-18")]) + "\n")
    assert market.orion("backfill", "--to", "2014-06-21").code == 0
    before = market.orion("update", "--until", "2014-06-20T20:30:00Z")
    vix.write_text("\n".join(whole) + "\n")

    late = market.orion("update", "--until", "2014-06-20T20:31:00Z", "--json")

    assert before.out.startswith("up to date: every session up to 2014-06-20 is answered; in the source, raw_vix ends")
    assert late.code == 0, late.err
    told = json.loads(late.out)
    assert told["range"] == ["2014-06-18", "2014-06-21"]
    assert [name for name in told["rows"] if name.startswith("raw_")] == ["raw_tickers", "raw_vix"]
    assert market.read(schemas.FEATURE_MARKET).filter(pl.col("vix_date") == date(2014, 6, 20)).height == 1


def test_a_file_that_lost_its_rows_is_refused_until_the_loss_is_accepted(market):
    bars = market.folder / "bars.csv"
    assert market.orion("backfill", "--to", "2014-06-27").code == 0
    before = content(market)
    bars.write_text("\n".join(line for line in bars.read_text().splitlines() if not line.startswith("BOLT")) + "\n")

    refused = market.orion("backfill", "--to", "2014-06-27")
    held = content(market)
    accepted = market.orion("backfill", "--to", "2014-06-27", "--accept-withdrawals")

    assert refused.code == 1
    assert "no longer has 9 of 18 rows it had, the first BOLT 2014-06-16 of bars.csv" in refused.err
    assert held == before
    assert accepted.code == 0
    assert "check raw_daily_bars.complete: 9 rows withdrawn, the source no longer has them" in accepted.err


def test_update_finds_a_corrected_row_and_asks_for_its_session_alone(market):
    bars = market.folder / "bars.csv"
    assert market.orion("backfill", "--to", "2014-07-22").code == 0
    lines = bars.read_text().splitlines()
    [row] = [line for line in lines if line.startswith("ACME,2014-07-15")]
    parts = row.split(",")
    changed = ",".join([*parts[:-1], str(float(parts[-1]) + 100)])
    bars.write_text("\n".join(changed if line == row else line for line in lines) + "\n")

    corrected = market.orion("update", "--json")
    again = market.orion("update")

    told = json.loads(corrected.out)
    assert corrected.code == 0, corrected.err
    assert told["range"] == ["2014-07-15", "2014-07-16"]
    assert told["rows"]["raw_daily_bars"] == 1
    assert [name for name in told["rows"] if name in RAW] == ["raw_daily_bars"]
    assert again.out.startswith("up to date")


def test_update_refuses_a_file_that_lost_its_rows(market):
    bars = market.folder / "bars.csv"
    assert market.orion("backfill", "--to", "2014-06-27").code == 0
    bars.write_text("\n".join(line for line in bars.read_text().splitlines() if not line.startswith("BOLT")) + "\n")

    refused = market.orion("update", "--json")

    assert refused.code == 1
    assert "no longer has 9 of" in refused.err


def test_a_gap_between_ranges_is_told_with_its_remedy(market):
    assert market.orion("backfill", "--to", "2014-06-18").code == 0

    second = market.orion("backfill", "--from", "2014-06-20", "--to", "2014-06-24")
    status = market.orion("status")

    told = "2 sessions never asked for, 2014-06-18 to 2014-06-19: features after them step over it; orion update"
    assert told in second.err
    assert told in status.out
    assert json.loads(market.orion("status", "--json").out)["never_asked"] == ["2014-06-18", "2014-06-19"]
    assert market.orion("update", "--until", "2014-06-23T21:00Z").code == 0
    assert json.loads(market.orion("status", "--json").out)["never_asked"] == []


def test_update_asks_again_for_what_failed(market):
    bars = market.folder / "bars.csv"
    whole = bars.read_text()
    assert market.orion("backfill", "--to", "2014-06-18").code == 0
    bars.write_text(whole.replace("open", "opening", 1))
    failed = market.orion("update", "--until", "2014-06-18T20:30:00Z")
    bars.write_text(whole)

    again = market.orion("update", "--until", "2014-06-18T20:31:00Z")

    assert failed.code == 1
    assert again.code == 0, again.err
    assert counts(market)["raw_daily_bars"]["failed"] == 0


def test_update_fills_the_past_of_a_ticker_followed_later(market):
    assert market.orion("backfill", "--to", "2014-06-18").code == 0
    assert market.orion("tickers", "add", "CROW").code == 0

    filled = market.orion("update", "--until", "2014-06-17T20:31:00Z", "--json")

    assert json.loads(filled.out)["range"] == ["2014-06-16", "2014-06-18"]
    assert market.read(schemas.CLEAN_DAILY_BARS)["ticker"].unique().sort().to_list() == ["ACME", "BOLT", "CROW"]


def test_until_an_instant_equals_a_read_as_of_it(filled, market):
    instant = "2014-06-25T20:10:00Z"
    assert market.orion("backfill", "--until", instant).code == 0

    arguments = ("features", "ACME", "BOLT", "--cutoff", "both", "--as-of", instant, "--json")
    assert market.orion(*arguments).out == filled.orion(*arguments).out


def test_an_instant_before_what_the_lake_knows_is_refused_and_nothing_is_lost(market):
    assert market.orion("backfill", "--to", "2014-06-20").code == 0
    before = content(market)

    said = market.orion("backfill", "--until", "2014-06-18")

    assert (said.code, said.out) == (1, "")
    assert "ORION_LAKE_URL" in said.err
    assert content(market) == before


def test_tickers_limits_the_bars_that_are_asked_for(market):
    assert market.orion("backfill", "--to", "2014-06-18", "--tickers", "BOLT").code == 0

    assert {row["ticker"] for row in json.loads(market.orion("bars", "--json").out)} == {"BOLT"}
    assert json.loads(market.orion("tickers", "list", "--json").out) == [{"ticker": "ACME"}, {"ticker": "BOLT"}]


def test_some_tickers_of_a_run_do_not_limit_what_is_asked_of_the_whole_market(market):
    assert market.orion("backfill", "--to", "2014-06-21", "--tickers", "BOLT").code == 0

    found = counts(market)

    assert {name: found[name]["not_yet"] for name in RAW} == dict.fromkeys(RAW, 0) | {"raw_daily_bars": 0}
    assert found["raw_news"]["empty_confirmed"] > 0


def test_the_universe_is_listed_grown_and_shrunk(market):
    assert market.orion("tickers", "add", "CROW").out == "added: CROW\n"
    assert market.orion("tickers", "add", "CROW").out == "added: none, nothing changed\n"
    assert market.orion("tickers", "list").out.split()[2:] == ["ACME", "BOLT", "CROW"]
    assert json.loads(market.orion("tickers", "remove", "CROW", "--json").out) == {"removed": ["CROW"]}
    assert json.loads(market.orion("tickers", "list", "--json").out) == [{"ticker": "ACME"}, {"ticker": "BOLT"}]


@pytest.mark.parametrize(("command", "named"), [("add", "ACME, BOLT, CROW"), ("remove", "not followed")])
def test_a_ticker_nobody_knows_is_refused(market, command, named):
    said = market.orion("tickers", command, "NOPE")

    assert (said.code, said.out) == (2, "")
    assert named in said.err


def test_a_file_that_breaks_after_a_good_run_leaves_the_last_good_data(market):
    assert market.orion("backfill", "--to", "2014-06-19").code == 0
    before = content(market)
    good = (market.folder / "bars.csv").read_text()
    (market.folder / "bars.csv").write_text("<html>gone</html>")

    broken = market.orion("backfill", "--to", "2014-06-20")
    failed = market.orion("status", "--json")
    (market.folder / "bars.csv").write_text(good)

    assert broken.code == 1
    assert failed.code == 0
    assert content(market) == before
    assert market.orion("backfill", "--to", "2014-06-20").code == 0
    assert counts(market)["raw_daily_bars"]["last"] == date(2014, 6, 19).isoformat()
