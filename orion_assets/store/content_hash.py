"""The content hash: one digest for what a table says, whatever its row order, chunking, engine or machine.

Pure and stable for ever: a change of one byte here makes every published hash a different one. IPC, Parquet and
Polars' own row hashes are not stable between versions, hence the encoding is spelled out.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import polars as pl

from orion_assets.errors import SchemaMismatch
from orion_assets.tables import DTYPE_NAMES, UTC_US, Column, Table

# Audit columns: they differ between runs that say the same. `known_until` is implied by the versions themselves
LEFT_OUT: Final = frozenset({"ts_ingested", "known_until", "run_id"})
_SLICE: Final = 1 << 16


def table_hash(table: Table, frame: pl.DataFrame) -> str:
    """Give the SHA-256 of a table's content.

    The digest runs over the number of rows, then over the columns by name: name, dtype name (`DTYPE_NAMES`),
    null bitmap (one bit a row, least significant first, 1 for null) and values. Numbers are little-endian, 64-bit
    lengths stand before names. Nulls count as 0, false and ""; -0 is 0; every NaN is the quiet one; dates are days
    and timestamps microseconds since 1970; a boolean is one byte. Strings are all byte lengths, then all UTF-8. A
    list is all its lengths, then its elements as a string column without a name.

    Args:
        table: Declares columns and key.
        frame: The table's columns at least, any order of rows and columns.

    Returns:
        64 hexadecimal digits.

    Raises:
        SchemaMismatch: A column is missing or of another dtype, or two rows share key and `ts_known`.
    """
    columns = sorted(
        (column for column in table.columns if column.name not in LEFT_OUT), key=lambda column: column.name
    )
    ordered = _ordered(table, _checked(table, columns, frame))
    digest = hashlib.sha256(_length(ordered.height))
    for column in columns:
        for text in (column.name, DTYPE_NAMES[column.dtype]):
            encoded = text.encode()
            digest.update(_length(len(encoded)) + encoded)
        for block in _blocks(ordered[column.name], column.dtype):
            digest.update(block)
    return digest.hexdigest()


def combined_hash(hashes: Mapping[str, str]) -> str:
    """Give one SHA-256 for several tables: over the lines `name hash`, sorted by name."""
    lines = "".join(f"{name} {hashes[name]}\n" for name in sorted(hashes))
    return hashlib.sha256(lines.encode()).hexdigest()


def _checked(table: Table, columns: list[Column], frame: pl.DataFrame) -> pl.DataFrame:
    wrong = [column.name for column in columns if frame.schema.get(column.name) != column.dtype]
    if wrong:
        raise SchemaMismatch(
            f"{table.name}: {', '.join(wrong)} missing or not of the declared dtype, so there is no hash."
            f" Hold the frame against {table.name.upper()}.conform first",
            table=table.name,
        )
    return frame.select([column.name for column in columns])


def _ordered(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    identity = [*table.key, "ts_known"] if table.has_versions else [*table.key]
    ordered = frame.sort(identity)
    is_twice = pl.all_horizontal([pl.col(name).eq_missing(pl.col(name).shift()) for name in identity])
    twice = ordered.slice(1).height and ordered.select(is_twice.slice(1).sum()).item()
    if twice:
        raise SchemaMismatch(
            f"{table.name}: {twice} rows repeat ({', '.join(identity)}), so their order and the hash are open."
            f" Keep one row of each",
            table=table.name,
        )
    return ordered


def _blocks(values: pl.Series, dtype: pl.DataType) -> Iterator[bytes | memoryview]:
    yield np.packbits(values.is_null().to_numpy(), bitorder="little").data
    if dtype == pl.List(pl.String()):
        lengths = values.list.len().fill_null(0)
        yield _numbers(lengths.cast(pl.Int64), "<i8")
        # An empty or absent list has no element; explode would make one
        yield from _blocks(values.filter(lengths > 0).explode(), pl.String())
    elif dtype == pl.String():
        texts = values.fill_null("")
        yield _numbers(texts.str.len_bytes().cast(pl.Int64), "<i8")
        for offset in range(0, texts.len(), _SLICE):
            yield texts.slice(offset, _SLICE).str.join("").item().encode()
    elif dtype == pl.Float64():
        plain = values.fill_null(0.0).fill_nan(float("nan")).to_numpy()
        # -0 + 0 is 0; in NumPy, for Polars leaves such a sum out
        yield np.ascontiguousarray(plain + 0.0, dtype="<f8").data
    elif dtype == pl.Boolean():
        yield _numbers(values.fill_null(value=False).cast(pl.UInt8), "<u1")
    elif dtype in {pl.Date(), pl.Int32()}:
        yield _numbers(values.to_physical().fill_null(0), "<i4")
    elif dtype in {UTC_US, pl.Int64()}:
        yield _numbers(values.to_physical().fill_null(0), "<i8")
    else:
        raise ValueError(f"{values.name}: {dtype} has no encoding; declare one of {', '.join(DTYPE_NAMES.values())}")


def _numbers(values: pl.Series, layout: str) -> memoryview:
    return np.ascontiguousarray(values.to_numpy(), dtype=layout).data


def _length(count: int) -> bytes:
    return count.to_bytes(8, "little")
