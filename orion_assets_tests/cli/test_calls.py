"""Calls that must be refused, and commands before anything was filled: one line, the right exit code, no traceback."""

import json
from importlib.metadata import version

import pytest

from orion_assets_tests.own_market import MAPPING, orion, run


@pytest.mark.parametrize("command", [("backfill",), ("update",), ("tickers", "add", "ACME")])
def test_without_a_source_a_command_that_asks_exits_2_and_names_the_setting(market, command):
    said = market.orion(*command, ORION_SOURCE="none")

    assert (said.code, said.out) == (2, "")
    assert "ORION_SOURCE=files" in said.err


def test_the_refusal_holds_in_a_process_without_other_settings(tmp_path):
    (tmp_path / ".env").write_text("ORION_SOURCE=none\n")

    said = run("backfill", cwd=tmp_path)

    assert (said.code, said.out) == (2, "")
    assert "ORION_SOURCE=files" in said.err
    assert "Traceback" not in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--from", "2014-06-13"), "ORION_START 2014-06-16"),
        (("--from", "2014-07-01", "--to", "2014-07-01"), "empty"),
        (("--from", "2014-07-02", "--to", "2014-07-01"), "empty"),
        (("--from", "2014-07-05", "--to", "2014-07-07"), "closed on these dates; the next session is 2014-07-07"),
        (("--from", "2037-01-01", "--to", "2037-01-02"), "2036-12-31"),
        (("--from", "2030-01-02", "--to", "2030-01-03"), "2030-01-02, has not begun"),
        (("--from", "2014-08-01"), "the source ends with session 2014-07-21, before 2014-08-01"),
        (("--to", "9999-12-31"), "2036-12-31"),
        (("--from", "2014-7-1"), "--from '2014-7-1' is not a date"),
        (("--to", "tomorrow"), "--to 'tomorrow' is not a date"),
        (("--until", "2014-07-01T10:00"), "--until: 2014-07-01T10:00:00 has no time zone"),
        (("--until", "once"), "--until: 'once'"),
        (("--until", "2014-06-01"), "lies before the first session of the range, 2014-06-16"),
        (("--until", "2014-06-16T13:24:59Z"), "open cut-off 2014-06-16T13:25Z"),
        (("--tickers", "ACME,NOPE"), "NOPE"),
        (("--tickers", "CROW"), "orion tickers add CROW"),
    ],
)
def test_a_wrong_backfill_exits_2_before_anything_is_written(market, arguments, named):
    said = market.orion("backfill", *arguments)

    assert (said.code, said.out) == (2, "")
    assert named in said.err
    assert not (market.folder / "data" / "lake").exists()


def test_a_backfill_beyond_the_end_of_a_market_that_ended_says_where_that_is(market):
    ended = {
        "ORION_SOURCE": "synthetic",
        "ORION_FILES_MAPPING": "",
        "ORION_TICKERS": "AURA",
        "ORION_START": "2024-12-20",
    }

    said = market.orion("backfill", "--to", "2025-01-02", **ended)

    assert (said.code, said.out) == (2, "")
    late = market.orion("backfill", "--from", "2025-02-03", "--to", "2025-02-10", **ended)
    assert late.code == 2
    assert "--from 2025-02-03: the synthetic market ends with 2024-12-31; name an earlier one" in late.err
    assert "--to 2025-01-02: the synthetic market ends with 2024-12-31; name --to 2025-01-01, or leave" in said.err
    assert not (market.folder / "data" / "lake").exists()


def test_an_instant_before_the_range_is_not_blamed_on_its_bounds(market):
    said = market.orion("backfill", "--until", "2014-06-01")

    assert said.err.startswith("orion: --until 2014-06-02T03:59:59Z lies before")
    assert "--to" not in said.err


@pytest.mark.parametrize("instant", ["9999-12-31", "0001-01-01", "9999-12-31T23:00:00-05:00", "1980-01-01T00:00:00Z"])
@pytest.mark.parametrize(
    "command",
    [
        ("features", "--as-of"),
        ("bars", "--as-of"),
        ("backfill", "--until"),
        ("update", "--until"),
        ("market", "status", "--at"),
        ("market", "should-run", "--at"),
    ],
    ids=" ".join,
)
def test_an_instant_beyond_the_calendar_is_refused(filled, command, instant):
    said = filled.orion(*command, instant)

    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"orion: {command[-1]} {instant} is outside the calendar, 1990-01-01 to 2036-12-31")


@pytest.mark.parametrize("minutes", ["-1", "99999999999999"])
def test_a_wait_that_is_none_is_refused(minutes):
    said = orion("market", "should-run", "--within", minutes, "--at", "2014-07-03T17:30:00Z")

    assert (said.code, said.out) == (2, "")
    assert "--within" in said.err


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (None, "cannot be read"),
        ("[[daily_bars]\nfiles = [", "is not TOML"),
        ("", "maps nothing"),
        ('[[daily_bars]]\nfils = ["bars.csv"]', "[[daily_bars]]"),
        (MAPPING.replace("as_traded", "split_adjusted"), "split_adjusted"),
        (MAPPING.replace("as_traded", "traded"), "price_basis"),
    ],
)
@pytest.mark.parametrize("command", [("backfill", "--to", "2014-06-18"), ("update",), ("tickers", "add", "ACME")])
def test_a_mapping_that_cannot_be_used_exits_2_and_says_where(market, text, named, command):
    path = market.folder / "other.toml"
    if text is not None:
        path.write_text(text)

    said = market.orion(*command, ORION_FILES_MAPPING=str(path))

    assert (said.code, said.out) == (2, "")
    assert named in said.err
    assert "other.toml" in said.err


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"<html><body>Not found</body></html>", "HTML"),
        (b"ticker,date,open,high,low,close\nACME,2014-06-16,1,1,1,1\n", "volume"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "bars.csv"),
        (b"", "bars.csv"),
    ],
)
def test_a_file_that_cannot_be_read_exits_1_and_names_it(market, content, named):
    (market.folder / "bars.csv").write_bytes(content)

    said = market.orion("backfill", "--to", "2014-06-18")

    assert (said.code, said.out) == (1, "")
    assert "bars.csv" in said.err
    assert named in said.err
    assert "Traceback" not in said.err


def test_a_missing_file_is_named_in_a_process_without_a_traceback(market):
    (market.folder / "bars.csv").unlink()

    said = market.run("backfill", "--to", "2014-06-18")

    assert said.code in (1, 2)
    assert "bars.csv" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("command", [("features",), ("bars", "ACME"), ("store", "hash"), ("store", "rebuild")])
def test_before_anything_was_filled_a_read_exits_1_and_says_how_to_begin(market, command):
    said = market.orion(*command)

    assert (said.code, said.out) == (1, "")
    assert "orion backfill" in said.err


def test_before_anything_was_filled_there_is_an_empty_status(market):
    told = json.loads(market.orion("status", "--json").out)
    assert told == {"attention": [], "cells": [], "due": [], "never_asked": [], "reasons": []}
    assert "orion backfill" in market.orion("status").out


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"ORION_START": "2014-13-01"}, "ORION_START"),
        ({"ORION_SOURCE": "telex"}, "ORION_SOURCE"),
        ({"ORION_LOG_LEVEL": "LOUD"}, "ORION_LOG_LEVEL"),
        ({"ORION_STATE_URL": "nonsense"}, "ORION_STATE_URL"),
    ],
)
def test_a_wrong_setting_exits_2_and_is_named(market, settings, named):
    said = market.orion("status", **settings)

    assert (said.code, said.out) == (2, "")
    assert named in said.err


def test_a_store_of_another_engine_is_refused_without_its_password(market):
    said = market.orion("features", ORION_STORE_URL="postgresql://orion:secret@host/db")

    assert said.code == 2
    assert "secret" not in said.err


def test_an_env_file_that_is_not_there_exits_2(tmp_path):
    said = orion("--env-file", tmp_path / "absent.env", "status")

    assert (said.code, said.out) == (2, "")
    # A box breaks a long path wherever it ends
    assert "absent.env" in "".join(said.err.replace("│", "").split())


@pytest.mark.parametrize("command", [(), ("tickers",), ("market",), ("store",)])
def test_a_group_alone_shows_its_help(command):
    said = orion(*command)

    assert said.code in (0, 2)
    assert "Usage" in said.out + said.err


def test_the_help_lists_the_commands_in_the_order_of_use():
    said = orion()

    words = [
        line.split()[1] for line in (said.out + said.err).splitlines() if line.startswith("│") and len(line.split()) > 2
    ]
    commands = ("backfill", "update", "status", "features", "bars", "tickers", "market", "store")
    assert [word for word in words if word in commands] == list(commands)


@pytest.mark.parametrize("command", [("backfill",), ("tickers", "add"), ("market", "status"), ("store", "rebuild")])
def test_help_is_given_though_the_settings_are_wrong(market, command):
    said = market.orion(*command, "--help", ORION_START="soon")

    assert (said.code, said.err) == (0, "")
    assert "Usage" in said.out


def test_the_version_is_that_of_the_package():
    said = orion("--version")

    assert (said.code, said.err) == (0, "")
    assert said.out == f"orion {version('orion-assets')}\n"
