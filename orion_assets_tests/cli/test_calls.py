"""Calls that must be refused, and commands before anything was filled: one line, the right exit code, no traceback."""

import json

import pytest

from orion_assets_tests.own_market import MAPPING, orion, run


@pytest.mark.parametrize("command", [("backfill",), ("update",), ("tickers", "add", "ACME")])
def test_without_a_source_a_command_that_asks_exits_2_and_names_the_setting(market, command):
    said = market.orion(*command, ORION_SOURCE="none")

    assert (said.code, said.out) == (2, "")
    assert "ORION_SOURCE=files" in said.err


def test_the_refusal_holds_in_a_process_without_any_settings(tmp_path):
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
        (("--from", "2014-07-05", "--to", "2014-07-07"), "no session"),
        (("--from", "2014-7-1"), "--from '2014-7-1' is not a date"),
        (("--to", "tomorrow"), "--to 'tomorrow' is not a date"),
        (("--until", "2014-07-01T10:00"), "--until: 2014-07-01T10:00:00 has no time zone"),
        (("--until", "once"), "--until: 'once'"),
        (("--until", "2014-06-01"), "2014-06"),
        (("--tickers", "ACME,NOPE"), "NOPE"),
        (("--tickers", "CROW"), "orion tickers add CROW"),
        (("--datasets", "daily"), "--datasets"),
    ],
)
def test_a_wrong_backfill_exits_2_before_anything_is_written(market, arguments, named):
    said = market.orion("backfill", *arguments)

    assert (said.code, said.out) == (2, "")
    assert named in said.err
    assert not (market.folder / "data" / "lake").exists()


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
    assert json.loads(market.orion("status", "--json").out) == {"attention": [], "cells": []}
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
    assert "absent.env" in said.err


@pytest.mark.parametrize("command", [(), ("tickers",), ("market",), ("store",)])
def test_a_group_alone_shows_its_help(command):
    said = orion(*command)

    assert said.code in (0, 2)
    assert "Usage" in said.out + said.err
