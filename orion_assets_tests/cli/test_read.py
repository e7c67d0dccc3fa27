"""`orion features` and `orion bars` on a filled store."""

import json
import re

import pytest

from orion_assets.schemas import CLEAN_DAILY_BARS, FEATURE_MATRIX
from orion_assets_tests.own_market import BAD_ROW, LAST, MAPPING, START, run

SPAN = ("--from", "2014-07-03", "--to", "2014-07-09")


def answered(market, *arguments: object) -> list[dict]:
    said = market.orion(*arguments, "--json")
    assert (said.code, said.err) == (0, "")
    return json.loads(said.out)


def columns_of(table: str) -> list[str]:
    return table.splitlines()[0].split()


def test_features_are_all_columns_of_all_tickers_at_the_close(filled):
    rows = answered(filled, "features")

    assert len(rows) == 25 * 2 - 1
    assert {row["cutoff"] for row in rows} == {"close"}
    assert {row["ticker"] for row in rows} == {"ACME", "BOLT"}
    assert set(rows[0]) == set(FEATURE_MATRIX.names) - {"known_until", "is_deleted"}


def test_features_take_tickers_a_range_and_columns(filled):
    rows = answered(filled, "features", "ACME", *SPAN, "--columns", "close,news_count")

    assert [tuple(row[name] for name in ("session", "close", "news_count")) for row in rows] == [
        ("2014-07-03", 62.75, 0.0),
        ("2014-07-07", 32.0, 2.0),
        ("2014-07-08", 32.125, 0.0),
    ]
    assert set(rows[0]) == {"ticker", "session", "cutoff", "close", "news_count", "ts_known"}


@pytest.mark.parametrize(
    ("cutoff", "expected"), [("open", {"open"}), ("close", {"close"}), ("both", {"open", "close"})]
)
def test_features_answer_at_either_cut_off_or_both(filled, cutoff, expected):
    rows = answered(filled, "features", "BOLT", *SPAN, "--cutoff", cutoff)

    assert {row["cutoff"] for row in rows} == expected
    assert len(rows) == 3 * len(expected)


def test_the_open_row_holds_the_close_of_the_session_before(filled):
    (row,) = answered(filled, "features", "ACME", "--from", "2014-07-07", "--to", "2014-07-08", "--cutoff", "open")

    assert (row["bar_session"], row["close"], row["ts_known"]) == ("2014-07-03", 62.75, "2014-07-07T13:25:00Z")


@pytest.mark.parametrize(
    ("as_of", "last"),
    [
        ("2014-07-08", "2014-07-08"),
        ("2014-07-08T20:30:00Z", "2014-07-08"),
        ("2014-07-08T20:29:59Z", "2014-07-07"),
        ("2014-07-08T16:29:59-04:00", "2014-07-07"),
    ],
)
def test_as_of_takes_a_date_or_an_instant(filled, as_of, last):
    assert answered(filled, "features", "ACME", "--as-of", as_of)[-1]["session"] == last


def test_a_repeated_answer_is_the_same_bytes(filled):
    first, second = (filled.orion("features", "--cutoff", "both", "--json").out for _ in range(2))

    assert first == second
    assert first == json.dumps(json.loads(first), sort_keys=True, indent=1) + "\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("features", "ACM"), "ACME"),
        (("features", "acme"), "ACME"),
        (("bars", "NOPE"), "NOPE"),
        (("features", "--columns", "rsi14"), "rsi_14"),
        (("features", "--from", "2014-07-40"), "2014-07-40"),
        (("features", "--from", "2014-07-08", "--to", "2014-07-01"), "2014-07-08"),
        (("features", "--as-of", "2014-07-08T20:30"), "time zone"),
        (("features", "--as-of", "yesterday"), "yesterday"),
        (("features", "--cutoff", "noon"), "noon"),
        (("bars", "--adjusted", "fully"), "fully"),
    ],
)
def test_a_wrong_call_exits_2_and_names_what_is_wrong(filled, arguments, named):
    said = filled.orion(*arguments)

    assert said.code == 2
    assert said.out == ""
    assert named in said.err


def test_bars_are_as_traded_unless_asked(filled):
    rows = answered(filled, "bars", "ACME", *SPAN)

    assert [(row["close"], row["volume"]) for row in rows] == [(62.75, 2300.0), (32.0, 4800.0), (32.125, 5000.0)]
    assert set(rows[0]) == set(CLEAN_DAILY_BARS.names) - {"known_until", "is_deleted"}


def test_split_adjusted_bars_are_in_the_units_of_the_last_session(filled):
    rows = answered(filled, "bars", "ACME", *SPAN, "--adjusted", "split")

    assert [(row["close"], row["volume"]) for row in rows] == [(31.375, 4600.0), (32.0, 4800.0), (32.125, 5000.0)]


def test_split_adjusted_bars_before_the_split_was_known_are_as_traded(filled):
    arguments = ("bars", "ACME", "--from", "2014-07-03", "--as-of", "2014-07-03")

    assert answered(filled, *arguments, "--adjusted", "split") == answered(filled, *arguments)


def test_total_return_takes_the_dividend_out(filled):
    before, after = answered(
        filled, "bars", "BOLT", "--from", "2014-07-08", "--to", "2014-07-10", "--adjusted", "total_return"
    )

    traded = answered(filled, "bars", "BOLT", "--from", "2014-07-08", "--to", "2014-07-10")
    assert after["close"] == pytest.approx(traded[1]["close"], rel=1e-12)
    assert before["close"] == pytest.approx(traded[0]["close"] / (1 + 0.5 / traded[1]["close"]), rel=1e-12)


def test_total_return_is_refused_where_no_dividends_are_supplied(market):
    (market.folder / "mapping.toml").write_text(re.sub(r"\[\[dividends\]\]\n.*\n", "", MAPPING))
    assert market.orion("backfill", "--to", "2014-06-18").code == 0

    said = market.orion("bars", "ACME", "--adjusted", "total_return")

    assert (said.code, said.out) == (2, "")
    assert "dividends" in said.err


def test_a_table_in_a_pipe_holds_every_column_and_no_cut_value(filled):
    said = filled.run("features", "ACME", *SPAN)

    assert (said.code, said.err) == (0, "")
    hidden = {"ts_known", "known_until", "is_deleted"}
    others = [name for name in FEATURE_MATRIX.names if name not in hidden.union(FEATURE_MATRIX.key)]
    assert columns_of(said.out) == [*FEATURE_MATRIX.key, "ts_known", *others]
    assert "…" not in said.out


def rows_of(table: str) -> list[str]:
    return [row for row in table.splitlines() if row.startswith(("ACME", "BOLT"))]


def test_a_long_table_in_a_terminal_says_on_stderr_how_many_rows_it_leaves_out(filled, in_terminal):
    out, err = in_terminal(filled, "bars", columns=200)

    assert len(rows_of(out)) == 40
    assert "9 older rows" in err
    assert "older rows" not in out


def test_a_long_table_in_a_pipe_holds_every_row(filled):
    said = filled.run("bars")

    assert (said.code, said.err) == (0, "")
    assert len(rows_of(said.out)) == 25 * 2 - 1


def test_a_table_in_a_narrow_terminal_leaves_whole_columns_out_and_names_them(filled, in_terminal):
    out, err = in_terminal(filled, "bars", "ACME", *SPAN, columns=60)

    table = [line for line in out.splitlines() if line]
    assert max(map(len, rows_of(out))) <= 60
    assert "volume" not in table[0]
    assert "columns more: " in err
    assert "volume" in err


def test_people_read_the_open_before_the_close(filled):
    both = ("features", *SPAN, "--cutoff", "both", "--columns", "close")

    shown = [tuple(row.split()[:3]) for row in rows_of(filled.orion(*both).out)]

    sessions = ("2014-07-03", "2014-07-07", "2014-07-08")
    assert shown == [(t, s, cutoff) for t in ("ACME", "BOLT") for s in sessions for cutoff in ("open", "close")]


def test_text_in_brackets_is_shown_as_it_is(filled):
    said = filled.orion("features", "[AAPL]", "[/x]")

    assert said.code == 2
    assert "[AAPL]" in said.err
    assert "[/x]" in said.err


@pytest.mark.parametrize("command", ["features", "bars"])
def test_tickers_may_be_apart_by_commas_as_in_options(filled, command):
    assert answered(filled, command, "ACME,BOLT", *SPAN) == answered(filled, command, "ACME", "BOLT", *SPAN)


@pytest.mark.parametrize("command", [("features",), ("tickers", "add")])
def test_another_case_is_told_as_what_it_is(filled, command):
    said = filled.orion(*command, "acme")

    assert (said.code, said.out) == (2, "")
    assert "near: ACME" in said.err
    assert "tickers add acme`" not in said.err


@pytest.mark.parametrize("arguments", [("features", ""), ("bars", " , "), ("tickers", "add", ""), ("fetch", ",")])
def test_names_that_name_nobody_are_refused_and_not_taken_for_everybody(filled, arguments):
    said = filled.orion(*arguments)

    assert (said.code, said.out) == (2, "")
    assert "it names no ticker" in said.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("features", "ACME", "--as-of", "2013-01-02"),
            "2014-06-16 to 2014-07-21, known from 2014-06-16T20:30Z on; none of those asked for was by 2013-01-02",
        ),
        (("features", "--from", "2015-01-02"), "sessions 2014-06-16 to 2014-07-21, and none of those asked for"),
        (("bars", "ACME", "--from", "2015-01-02"), "sessions 2014-06-16 to 2014-07-21, and none of those asked for"),
        (
            ("bars", "ACME", "--timeframe", "1m"),
            "is stored; to fill them: orion backfill --datasets daily,minute. What",
        ),
    ],
)
def test_an_empty_answer_says_why(filled, arguments, told):
    said = filled.orion(*arguments)

    assert (said.code, rows_of(said.out)) == (0, [])
    assert told in said.err
    assert "no row" not in filled.orion(*arguments, "--json").err


@pytest.mark.parametrize("command", [("features",), ("bars",), ("features", "--cutoff", "both")])
def test_a_session_whose_bar_is_held_back_is_named_where_it_is_asked_for(filled, command):
    whole, without = (filled.orion(*command, "BOLT", "--from", START, "--to", end) for end in (LAST, BAD_ROW))

    assert "no row of BOLT 2014-06-25: the bar is held back; orion quality quarantine says why" in whole.err
    assert "held back" not in without.err + filled.orion(*command, "ACME").err
    # A row of the open rests on the bar before
    assert "held back" not in filled.orion("features", "BOLT", "--cutoff", "open").err


def test_an_answer_needs_no_ledger_and_makes_none(filled, tmp_path):
    nowhere, broken = tmp_path / "none.db", tmp_path / "broken.db"
    broken.write_text("no database at all, but longer than the header of one would be" * 10)

    absent = filled.orion("features", "BOLT", ORION_STATE_URL=f"sqlite:///{nowhere}")
    useless = filled.orion("features", "BOLT", ORION_STATE_URL=f"sqlite:///{broken}")

    assert (absent.code, useless.code) == (0, 0), useless.err
    assert absent.out == useless.out
    broken_state = filled.orion("status", ORION_STATE_URL=f"sqlite:///{broken}")
    assert broken_state.code == 1
    assert "cannot be read: file is not a database. Move it away, then: orion status --rebuild" in broken_state.err
    assert not nowhere.exists()


def test_the_newest_rows_of_each_ticker_stand_in_a_terminal(filled, in_terminal):
    out, _ = in_terminal(filled, "features", columns=100)

    shown = [row.split()[:4] for row in rows_of(out)]
    last = [[ticker, str(LAST), "close", str(LAST)] for ticker in ("ACME", "BOLT")]
    assert [row for row in shown if row[1] == str(LAST)] == last
    assert shown[0][0] == "ACME"
    assert shown[0][1] > "2014-06-16"


def test_where_a_demo_stands_and_a_store_does_not_its_settings_are_named(market):
    settings = market.folder / "data/demo/orion.env"
    settings.parent.mkdir(parents=True)
    settings.write_text("")
    alone = {"cwd": market.folder}

    asked = [run(*words, **alone) for words in (("features",), ("status",), ("quality", "report"))]

    assert all("orion --env-file data/demo/orion.env" in said.err + said.out for said in asked)
    assert "data/demo" not in run("--env-file", settings, "features", **alone).err
    (market.folder / "data/store.duckdb").write_text("a store that cannot be read")
    assert "data/demo" not in run("features", **alone).err


def test_a_setting_that_nothing_reads_is_told_before_it_misleads(filled):
    said = filled.orion("features", "ACME", *SPAN, ORION_TICKER="ACME")

    assert said.code == 0
    assert "ORION_TICKER is set and nothing reads it; did you mean ORION_TICKERS?" in said.err
