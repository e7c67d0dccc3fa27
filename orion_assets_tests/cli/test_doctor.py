"""`orion doctor`: every fault that a deployment can have is named with what to do, and a sound one has none."""

import json
import re

import pytest

from orion_assets.settings import unread
from orion_assets.store.state import State
from orion_assets_tests import own_market
from orion_assets_tests.own_market import END, LAST
from orion_assets_tests.servers import free_port, s3_server  # noqa: F401


def examined(market, **more: str) -> tuple[int, dict[str, dict]]:
    said = market.orion("doctor", "--json", **more)
    told = json.loads(said.out)
    return said.code, {each["subject"]: each for each in told["findings"] if each["level"] != "ok"}


def test_a_filled_market_is_sound_but_for_what_is_held_back(filled):
    code, found = examined(filled)

    assert code == 0
    assert set(found) == {"quarantine"}
    assert "orion quality quarantine" in found["quarantine"]["remedy"]


def test_people_get_a_table_and_what_to_do(filled):
    said = filled.orion("doctor")

    assert said.code == 0
    assert re.search(rf"ok +freshness +published up to {LAST}, where the source ends", said.out)
    assert "  quarantine: orion quality quarantine shows them" in said.out
    assert said.out.endswith("It works; what says look has something to do.\n")


def test_before_anything_was_asked_for_it_says_where_to_start(market):
    code, found = examined(market)

    assert (code, found["ledger"]["remedy"]) == (0, "orion backfill")
    assert not (market.folder / "data").exists(), "an examination made something"


@pytest.mark.parametrize(
    ("change", "subject", "told"),
    [
        ({"ORION_START": "soon"}, "settings", "ORION_START is 'soon'"),
        ({"ORION_FILES_MAPPING": "/nowhere/mapping.toml"}, "source", "/nowhere/mapping.toml"),
        ({"ORION_LAKE_URL": "/proc/nowhere"}, "ORION_LAKE_URL", "cannot be written"),
        ({"ORION_REPORT_FOLDER": "/etc/hostname"}, "ORION_REPORT_FOLDER", "is a file"),
    ],
)
def test_what_cannot_work_is_a_fault_with_its_remedy(market, change, subject, told):
    code, found = examined(market, **change)

    assert code == 1
    assert found[subject]["level"] == "fault"
    assert told in found[subject]["found"]
    assert found[subject]["remedy"]


def test_a_name_that_nothing_reads_is_told_with_the_nearest(market, tmp_path, monkeypatch):
    _, found = examined(market, ORION_TICKER="ACME", ORION_WEATHER="fine")
    monkeypatch.setenv("ORION_STARTS", "2014-01-02")

    assert found["settings"]["found"] == "ORION_WEATHER is set and nothing reads it"
    assert unread(market.env_file(ORION_TICKER="ACME"))["ORION_TICKER"] == "ORION_TICKERS"
    assert unread(tmp_path / "none")["ORION_STARTS"] == "ORION_START"


def test_a_bucket_is_written_and_left_empty_and_one_that_is_away_is_a_fault(market, s3_server):  # noqa: F811
    bucket = s3_server.new_bucket()
    keys = {"AWS_ACCESS_KEY_ID": "orion", "AWS_SECRET_ACCESS_KEY": "orion-secret"}
    there = {"ORION_FEATURES_URL": f"s3://{bucket}/features", "ORION_S3_ENDPOINT_URL": s3_server.endpoint, **keys}

    code, found = examined(market, **there)

    assert (code, "ORION_FEATURES_URL" in found) == (0, False)
    assert s3_server.client().list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    code, found = examined(market, **{**there, "ORION_FEATURES_URL": "s3://no-such-bucket/features"})
    assert (code, found["ORION_FEATURES_URL"]["level"]) == (1, "fault")
    assert "orion-secret" not in json.dumps(found)


def test_what_waits_for_derivation_and_a_store_that_is_away_are_told(tmp_path):
    market = own_market.write(tmp_path)
    assert market.orion("backfill", "--to", END).code == 0
    state = State(market.settings().state_url)
    state.add_tickers(["CROW"], ts_added=state.landings()["ts_landed"].max())
    (market.folder / "data" / "store.duckdb").unlink()

    code, found = examined(market)

    assert (code, found["store"]["level"]) == (1, "fault")
    assert "orion store rebuild" in found["store"]["remedy"]
    assert "bars of some followed ticker are not answered in 25 sessions" in found["ledger"]["found"]


def test_the_quarantine_is_shown_with_what_is_wrong_and_what_to_do(filled, market):
    held = json.loads(filled.orion("quality", "quarantine", "--json").out)
    nobody = filled.orion("quality", "quarantine", "ACME")

    (row,) = held
    assert (row["row_key"], row["rule"]) == ("BOLT 2014-06-25", "readable")
    assert (row["source_file"], row["remedy"] != "") == ("bars.csv", True)
    assert (nobody.code, nobody.out.startswith("nothing is held back")) == (0, True)
    # Corrected in the file, the row leaves the list and stays in the history
    assert market.orion("backfill", "--to", END).code == 0
    path = market.folder / "bars.csv"
    path.write_text(re.sub(r"(BOLT,2014-06-25,.*),-", r"\1,", path.read_text()))
    assert market.orion("update").code == 0
    assert json.loads(market.orion("quality", "quarantine", "--json").out) == []
    assert len(json.loads(market.orion("quality", "quarantine", "--all", "--json").out)) == 1
