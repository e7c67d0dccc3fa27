"""Everything that a folder holds, in plain, to search it for a secret: archives are unpacked, databases read."""

import contextlib
import gzip
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import polars.selectors as cs

_SQLITE, _DUCKDB, _GZIP, _PARQUET = b"SQLite format 3\0", b"DUCK", b"\x1f\x8b", b"PAR1"


def leaked(folder: Path, *secrets: str) -> list[str]:
    """Name the files of a folder that hold one of the secrets, in their names, bytes, rows or unpacked contents."""
    wanted = [secret.encode() for secret in secrets]
    found = {name for name, content in contents(folder) if any(each in content for each in wanted)}
    return sorted(found)


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give every file of a folder by its name in it: the name itself, the bytes, and what they hold."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = str(path.relative_to(folder))
            data = path.read_bytes()
            yield name, name.encode()
            yield name, data
            yield from ((name, content) for content in _held(path, data))


def _held(path: Path, data: bytes) -> Iterator[bytes]:
    if data.startswith(_GZIP):
        yield gzip.decompress(data)
    elif data.startswith(_PARQUET):
        yield _texts(pl.read_parquet(path, hive_partitioning=False))
    elif data.startswith(_SQLITE):
        yield from _of_sqlite(path)
    elif data[8:12] == _DUCKDB:
        yield from _of_duckdb(path)


def _of_sqlite(path: Path) -> Iterator[bytes]:
    """Read every cell: a long text lies in pieces on several pages, and Dagster keeps some packed."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in database.execute(f'SELECT * FROM "{table}"'):
                for cell in row:
                    yield cell if isinstance(cell, bytes) else str(cell).encode()
                    if isinstance(cell, bytes):
                        with contextlib.suppress(zlib.error):
                            yield zlib.decompress(cell)


def _of_duckdb(path: Path) -> Iterator[bytes]:
    with duckdb.connect(str(path), read_only=True) as database:
        for schema, table in database.sql("SELECT schema_name, table_name FROM duckdb_tables()").fetchall():
            yield _texts(database.sql(f'SELECT * FROM "{schema}"."{table}"').pl())


def _texts(frame: pl.DataFrame) -> bytes:
    lists = cs.by_dtype(pl.List(pl.String)).list.join("\n")
    return frame.select(cs.string(include_categorical=True).cast(pl.String), lists).write_csv().encode()
