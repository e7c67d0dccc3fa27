"""The search for secrets finds one wherever it is planted: else its silence would prove nothing."""

import gzip
import sqlite3
import zlib

import duckdb
import polars as pl
import pytest

from orion_assets_tests.leaks import leaked

KEY = "sk-planted-0a1b2c"
# Between other texts, so that compression has something to do
LINES = [f"a line of no interest, number {number}" for number in range(2_000)]
HIDDEN = [*LINES[:1_000], f"Bearer {KEY}", *LINES[1_000:]]


def text(path):
    path.write_text("\n".join(HIDDEN))


def archive(path):
    path.write_bytes(gzip.compress("\n".join(HIDDEN).encode()))


def columns(path):
    pl.DataFrame({"told": HIDDEN}).write_parquet(path, compression="zstd")


def lists(path):
    pl.DataFrame({"tickers": [["A"], ["B", KEY]]}).write_parquet(path, compression="zstd")


def sqlite_text(path):
    # Longer than a page, with the key across the edge of each one it may lie on
    _sqlite(path, (KEY + " ") * 2_000)


def sqlite_packed(path):
    _sqlite(path, zlib.compress("\n".join(HIDDEN).encode()))


def store(path):
    with duckdb.connect(str(path)) as database:
        frame = pl.DataFrame({"told": HIDDEN * 100})  # noqa: F841 - read by its name
        database.sql("CREATE TABLE bars AS SELECT * FROM frame")


def _sqlite(path, cell):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE events (body)")
        database.execute("INSERT INTO events VALUES (?)", (cell,))
    database.close()


@pytest.mark.parametrize("plant", [text, archive, columns, lists, sqlite_text, sqlite_packed, store])
def test_a_secret_is_found_in_every_kind_of_file(tmp_path, plant):
    (tmp_path / "of it").mkdir()
    plant(tmp_path / "of it" / "planted")
    (tmp_path / "clean").write_text("\n".join(LINES))

    assert leaked(tmp_path, KEY) == ["of it/planted"]
    assert leaked(tmp_path, "sk-never-planted") == []


def test_a_secret_is_found_in_the_name_of_a_file(tmp_path):
    (tmp_path / f"apiKey={KEY}").touch()

    assert leaked(tmp_path, KEY) == [f"apiKey={KEY}"]
