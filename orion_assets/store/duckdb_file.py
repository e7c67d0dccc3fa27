"""The inside of a store file: DDL from the schemas, views for readers, the replacement of a range, physical order.

Connections come in or are opened here; when a file is published and who may write it: `duckdb.py`.
"""
# Table and column names in the texts come from schemas alone, values are bound
# ruff: noqa: S608

import os
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from orion_assets.errors import SchemaMismatch, StoreUnavailable
from orion_assets.schemas import STORED
from orion_assets.store.publishing import overlapping
from orion_assets.tables import UTC_US, Table

_TYPES: Final[Mapping[pl.DataType, str]] = {
    pl.String(): "VARCHAR",
    pl.Date(): "DATE",
    UTC_US: "TIMESTAMP WITH TIME ZONE",
    pl.Float64(): "DOUBLE",
    pl.Int64(): "BIGINT",
    pl.Int32(): "INTEGER",
    pl.Boolean(): "BOOLEAN",
    pl.List(pl.String()): "VARCHAR[]",
}
_OWN_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS store.orion_facts (name VARCHAR, value VARCHAR)",
    # Rows of a table that stand outside its physical order, because they came after it was last written whole
    "CREATE TABLE IF NOT EXISTS store.orion_layout (name VARCHAR, loose BIGINT)",
)
_ROW_GROUP: Final = 122_880
_LOOSE_SHARE: Final = 0.25


def _instance() -> duckdb.DuckDBPyConnection:
    """Open an instance of its own.

    DuckDB shares one instance between connections to the same path, so a second reader of a path would see the file
    the first one opened. Attached read-only to an unnamed instance, each sees the file that has the name now.
    """
    spill = str(Path(tempfile.gettempdir()) / "orion-duckdb")
    offline = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    con = duckdb.connect(":memory:", config={"temp_directory": spill, **offline})
    # Otherwise timestamps come back in the machine's zone
    con.execute("SET GLOBAL TimeZone = 'UTC'")
    return con


def is_of_the_file(error: duckdb.Error) -> bool:
    """Tell what a file is at fault for from a wrong query, want of memory and a call that was broken off.

    DuckDB has no class for a damaged file: a wrong checksum is a bare `duckdb.Error`.
    """
    others = (duckdb.ProgrammingError, duckdb.DataError, duckdb.OutOfMemoryException, duckdb.InterruptException)
    return not isinstance(error, others)


def unreadable(path: Path, error: duckdb.Error) -> StoreUnavailable:
    """Say of a file that is damaged, or no store, what to do."""
    return StoreUnavailable(f"feature store: {path} cannot be read: {error}. Delete it, then: orion store rebuild")


def opened(path: Path) -> duckdb.DuckDBPyConnection:
    """Open what is published at a path for reading: a view for every stored table, as declared today.

    Raises:
        StoreUnavailable: There is no file, or it cannot be read.
        SchemaMismatch: It was written with columns that cannot be brought along.
    """
    if not path.is_file():
        raise StoreUnavailable(
            f"feature store: {path} does not exist. Fill it with `orion backfill`, or set"
            " ORION_STORE_URL to one that does"
        )
    con = _instance()
    try:
        con.execute("ATTACH $path AS store (READ_ONLY)", {"path": str(path)})
        found = _columns(con)
        views = [_view_ddl(table, found.get(table.name)) for table in STORED]
        con.execute(";".join((*views, "CREATE VIEW orion_facts AS FROM store.orion_facts")))
    except duckdb.Error as e:
        con.close()
        raise unreadable(path, e) from e
    except SchemaMismatch:
        con.close()
        raise
    return con


@contextmanager
def written(private: Path) -> Generator[duckdb.DuckDBPyConnection]:
    """Open a private file for writing, all tables declared; on leaving it is one whole file."""
    with _instance() as con:
        # Nobody recovers a private file, so a log of it is only time lost
        con.execute("ATTACH $path AS store (RECOVERY_MODE 'no_wal_writes')", {"path": str(private)})
        found = _columns(con)
        missing = [ddl for table in STORED for ddl in _missing_ddl(table, found.get(table.name))]
        con.execute(";".join((*missing, *_OWN_TABLES)))
        yield con
        con.execute("CHECKPOINT store")


def _columns(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    rows = con.sql("SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = 'store'").pl()
    found: dict[str, dict[str, str]] = {}
    for table, column, dtype in rows.iter_rows():
        found.setdefault(table, {})[column] = dtype
    return found


def _lacking(table: Table, found: Mapping[str, str]) -> list[str]:
    """Name the columns that were declared after the file was written; refuse a file that cannot be brought along."""
    lacking = [column for column in table.columns if column.name not in found]
    wrong = [
        f"{column.name} {found.get(column.name, 'absent')} (declared {_TYPES[column.dtype]})"
        for column in table.columns
        if (column.name not in found and not column.is_nullable)
        or found.get(column.name, _TYPES[column.dtype]) != _TYPES[column.dtype]
    ]
    if wrong:
        raise SchemaMismatch(
            f"feature store: {table.name} was written with other columns: {', '.join(wrong)}. Delete the store file"
            " and publish it again from the lake",
            table=table.name,
        )
    return [column.name for column in lacking]


def _missing_ddl(table: Table, found: Mapping[str, str] | None) -> list[str]:
    if found is None:
        columns = ", ".join(f'"{column.name}" {_TYPES[column.dtype]}' for column in table.columns)
        return [f"CREATE TABLE store.{table.name} ({columns})"]
    lacking = _lacking(table, found)
    return [f'ALTER TABLE store.{table.name} ADD COLUMN "{name}" {_TYPES[table.schema[name]]}' for name in lacking]


def _view_ddl(table: Table, found: Mapping[str, str] | None) -> str:
    """Show a table as declared today, whether or not the file has it or all its columns."""
    lacking = table.names if found is None else _lacking(table, found)
    columns = (
        f'CAST(NULL AS {_TYPES[dtype]}) AS "{name}"' if name in lacking else f'"{name}"'
        for name, dtype in table.schema.items()
    )
    relation = "(SELECT 1) WHERE FALSE" if found is None else f"store.{table.name}"
    return f"CREATE VIEW {table.name} AS SELECT {', '.join(columns)} FROM {relation}"


def replace_range(
    con: duckdb.DuckDBPyConnection, table: Table, frame: pl.DataFrame, sessions: tuple[date, date]
) -> None:
    """Put the frame's rows in place of those of the sessions [first, second), of all where the table has none.

    The caller holds the transaction.
    """
    bounds = dict(zip(("start", "end"), sessions, strict=True))
    columns = ", ".join(f'"{name}"' for name in table.names)
    was_empty = _number(con, f"SELECT count(*) FROM store.{table.name}") == 0
    if "session" in table.names:
        con.execute(f"DELETE FROM store.{table.name} WHERE session >= $start AND session < $end", bounds)
    else:
        con.execute(f"DELETE FROM store.{table.name}")
    con.register("incoming", frame)
    con.execute(f"INSERT INTO store.{table.name} ({columns}) SELECT {columns} FROM incoming")
    if "session" in table.names and "session" not in table.key:
        _demand_one_version(con, table)
    con.unregister("incoming")
    loose = 0 if was_empty else frame.height
    con.execute("INSERT INTO store.orion_layout VALUES ($name, $loose)", {"name": table.name, "loose": loose})


def _demand_one_version(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Refuse a row that another session of the table still shows: a read would give both."""
    key = ", ".join(table.key)
    following = f"lead(ts_known) OVER (PARTITION BY {key} ORDER BY ts_known) AS following"
    versions = f"SELECT {key}, known_until, {following} FROM store.{table.name} SEMI JOIN incoming USING ({key})"
    twice = _number(
        con,
        f"SELECT count(*) FROM ({versions}) WHERE following IS NOT NULL"
        " AND (known_until IS NULL OR known_until > following)",
    )
    if twice:
        raise overlapping(table, twice)


def is_scattered(con: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """Say whether so many rows came after the table was last in order that it should be written anew."""
    loose = _number(con, "SELECT coalesce(sum(loose), 0) FROM store.orion_layout WHERE name = $name", name=table.name)
    if loose <= _ROW_GROUP:
        return False
    return loose > _LOOSE_SHARE * _number(con, f"SELECT count(*) FROM store.{table.name}")


def write_in_order(loose: Path, private: Path) -> None:
    """Write all tables of a file anew by key, so that one ticker's rows stand together again."""
    with written(private) as con:
        con.execute("ATTACH $path AS loose (READ_ONLY)", {"path": str(loose)})
        for table in STORED:
            columns = ", ".join(f'"{name}"' for name in table.names)
            order = ", ".join((*table.key, "ts_known"))
            con.execute(
                f"INSERT INTO store.{table.name} ({columns}) SELECT {columns} FROM loose.{table.name} ORDER BY {order}"
            )
        con.execute("INSERT INTO store.orion_facts FROM loose.orion_facts")


def _number(con: duckdb.DuckDBPyConnection, text: str, **parameters: object) -> int:
    return int(con.sql(text, params=parameters).pl().item())


def make_durable(path: Path) -> None:
    """Wait until a file's content, or a folder's names, would outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
