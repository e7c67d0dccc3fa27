"""The reference run over files with rows that cannot be used: held, told by checks, and let go when they are mended."""

import dagster as dg
import pytest

from orion_assets import schemas
from orion_assets_tests import own_market

TICKERS = '[[tickers]]\nfiles = ["tickers.csv"]\nsnapshot = 2014-06-14\ncolumns = { ticker = "t", figi = "f", \
list_date = "from", delist_date = "to" }\n'
HEADER = "t,f,from,to\n"
ACME, BOLT = "ACME,F1,1999-01-04,\n", "BOLT,F2,,\n"
TORN = "BOLT,F2,1999-13-04,\n"


@pytest.fixture
def market(tmp_path):
    made = own_market.write(tmp_path)
    with (tmp_path / "mapping.toml").open("a") as mapping:
        mapping.write(TICKERS)
    return made


def run(market, *lines: str) -> dg.ExecuteInProcessResult:
    (market.folder / "tickers.csv").write_text(HEADER + "".join(lines))
    result = market.materialize(job="reference")
    assert result.success
    return result


def accused(result: dg.ExecuteInProcessResult) -> dict[str, list[str]]:
    """Name the tickers that each failed check accuses."""
    return {
        each.check_name: [record.data["ticker"] for record in each.metadata["accused"].records]
        for each in result.get_asset_check_evaluations()
        if not each.passed
    }


def held(market) -> list[tuple]:
    return market.read(schemas.QUARANTINE).select("origin", "session", "ticker", "rule", "source_row").rows()


def test_a_good_reference_passes_every_check(market):
    result = run(market, ACME, BOLT)

    assert accused(result) == {}
    assert {each.check_name for each in result.get_asset_check_evaluations()} == {
        "listed_before_delisted",
        "intervals_in_order",
        "one_security_a_ticker",
        "quarantine",
    }
    assert held(market) == []


def test_a_row_that_cannot_be_read_is_held_until_it_is_corrected(market):
    monday = own_market.START

    for _ in range(2):
        assert accused(run(market, ACME, TORN)) == {"quarantine": ["BOLT"]}
        assert held(market) == [("raw_tickers", monday, "BOLT", "readable", 2)]
    assert "BOLT" not in set(market.read(schemas.SECURITIES)["ticker"])

    assert accused(run(market, ACME, BOLT)) == {}
    assert held(market) == []
    assert "BOLT" in set(market.read(schemas.SECURITIES)["ticker"])


def test_a_row_that_cannot_be_read_is_let_go_when_the_file_leaves_it_out(market):
    run(market, ACME, TORN)

    assert accused(run(market, ACME)) == {}
    assert held(market) == []


def test_what_daily_runs_hold_stays_when_a_ticker_is_mended(market):
    run(market, ACME, TORN)
    market.materialize()

    run(market, ACME, BOLT)

    assert [row[0] for row in held(market)] == ["raw_daily_bars"]


def test_a_delisting_before_the_listing_is_told_and_kept(market):
    result = run(market, "ACME,F1,1999-01-04,1998-01-02\n", BOLT)

    assert accused(result) == {"listed_before_delisted": ["ACME"], "intervals_in_order": ["ACME"]}
    assert all(each.severity is dg.AssetCheckSeverity.WARN for each in result.get_asset_check_evaluations())
    assert "ACME" in set(market.read(schemas.SECURITIES)["ticker"])


def test_one_figi_of_two_tickers_holds_both_and_the_run_goes_on(market):
    assert accused(run(market, ACME, "BOLT,F1,,\n")) == {"quarantine": ["ACME", "BOLT"]}
