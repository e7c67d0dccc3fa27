"""`orion quality` on a filled market: leaks and the report, as a user calls them."""

import json
from datetime import timedelta

import polars as pl
import pytest

from orion_assets.schemas import FEATURE_MATRIX
from orion_assets_tests import own_market
from orion_assets_tests.own_market import END, FOLLOWED, LAST, START


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """A market of this module's own, filled by the command; who bends it bends it back."""
    made = own_market.write(tmp_path_factory.mktemp("quality"))
    assert made.orion("backfill").code == 0
    return made


def test_a_sound_store_has_no_leaks_and_says_how_much_was_compared(market):
    said = market.orion("quality", "leaks", "--instants", 4, "--json")

    told = json.loads(said.out)
    assert (said.code, told["leaks"], told["features"], told["tickers"]) == (0, [], 40, list(FOLLOWED))
    assert told["rows"] > 4 * len(FOLLOWED)
    assert 4 <= len(told["instants"]) <= 6


def test_a_value_bent_in_the_store_is_named_and_the_newest_session_is_looked_at(market):
    after = LAST + timedelta(days=1)
    rows = market.lake.read(FEATURE_MATRIX, start=LAST, end=after)
    bent = rows.with_columns(vwap_20=pl.col("vwap_20") + 1)
    market.lake.replace(FEATURE_MATRIX, bent, start=LAST, end=after)
    published = ["--from", LAST, "--to", after]
    assert market.materialize(LAST, LAST, assets=["feature_store"]).success

    said = market.orion("quality", "leaks", FOLLOWED[0], "--instants", 2)

    market.lake.replace(FEATURE_MATRIX, rows, start=LAST, end=after)
    assert market.materialize(LAST, LAST, assets=["feature_store"]).success
    assert said.code == 1
    assert "vwap_20" in said.out
    assert str(LAST) in said.out
    assert market.orion("quality", "leaks", FOLLOWED[0], *published).code == 0


@pytest.mark.parametrize(
    ("command", "bounds", "text"),
    [
        ("leaks", (END, START), "no session of"),
        ("report", (END, START), "no session of"),
        ("report", ("2035-01-01", "2035-02-01"), "no session of"),
        ("leaks", ("2014-08-01", "2014-09-01"), "the store holds no row of [2014-08-01, 2014-09-01)"),
    ],
)
def test_where_there_is_nothing_to_judge_nothing_is_called_sound(market, command, bounds, text):
    said = market.orion("quality", command, "--from", bounds[0], "--to", bounds[1])

    assert said.code != 0
    assert text in said.err


def test_the_report_names_what_nobody_asked_for(market, tmp_path):
    inside = market.orion("quality", "report", "--html", tmp_path / "page.html")
    beyond = json.loads(market.orion("quality", "report", "--to", "2014-08-02", "--json").out)

    assert inside.code == 0
    assert "every session is answered and derived" in inside.out
    assert (tmp_path / "page.html").is_file()
    wanting = {row["dataset"] for row in beyond["coverage"] if row["answered"] < row["sessions"]}
    assert wanting == {"raw_daily_bars", "raw_vix", "raw_news", "raw_splits", "raw_dividends", "feature_store"}
    assert beyond["level"] == "look"


@pytest.mark.parametrize(
    ("folder", "page"), [("pages.v2", "here/pages.v2.html"), (".", "here.html"), ("x/..", "here.html")]
)
def test_the_page_is_written_beside_the_folder_of_those_of_the_runs(market, tmp_path, monkeypatch, folder, page):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    said = market.orion("quality", "report", ORION_REPORT_FOLDER=folder)

    assert said.code == 0, said.err
    assert said.out.splitlines()[-1] == str(tmp_path / page)
    assert "<html" in (tmp_path / page).read_text()


def test_a_report_that_finds_a_blocking_fault_exits_with_1(market):
    after = LAST + timedelta(days=1)
    rows = market.lake.read(FEATURE_MATRIX, start=LAST, end=after)
    market.lake.replace(FEATURE_MATRIX, rows.with_columns(rsi_14=pl.lit(float("inf"))), start=LAST, end=after)

    said = market.orion("quality", "report", "--json")

    market.lake.replace(FEATURE_MATRIX, rows, start=LAST, end=after)
    assert (said.code, json.loads(said.out)["level"]) == (1, "broken")
