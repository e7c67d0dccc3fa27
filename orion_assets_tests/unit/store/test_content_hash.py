import hashlib
import math
import struct
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_assets.errors import SchemaMismatch
from orion_assets.store.content_hash import combined_hash, table_hash
from orion_assets.tables import DTYPE_NAMES, UTC_US, Column, Table

DEMO = Table(
    "demo",
    "One column of every dtype.",
    ("name", "day"),
    (
        Column("name", pl.String(), ""),
        Column("day", pl.Date(), ""),
        Column("value", pl.Float64(), "", is_nullable=True),
        Column("count", pl.Int64(), "", is_nullable=True),
        Column("age", pl.Int32(), "", is_nullable=True),
        Column("note", pl.String(), "", is_nullable=True),
        Column("tags", pl.List(pl.String()), "", is_nullable=True),
        Column("is_deleted", pl.Boolean(), "", is_nullable=True),
        Column("ts_known", UTC_US, ""),
        Column("ts_ingested", UTC_US, ""),
        Column("known_until", UTC_US, "", is_nullable=True),
    ),
)
NOON = datetime(2014, 6, 6, 12, tzinfo=UTC)
ROWS = [
    ("B", date(2014, 6, 6), -0.0, 3, None, "ü", ["x", "yy"], False, NOON, NOON, None),
    ("A", date(2014, 6, 9), math.nan, None, 7, "", [], None, NOON, NOON, None),
    ("A", date(1969, 12, 31), None, -1, -1, None, None, True, NOON, NOON, NOON + timedelta(1)),
    ("A", date(1969, 12, 31), 1.5, 0, 0, "n", [""], False, NOON - timedelta(hours=1), NOON, NOON),
]
FRAME = pl.DataFrame(ROWS, schema=dict(DEMO.schema), orient="row")
# Worked out once by `plain_hash`, with nothing but the standard library
GOLDEN = "21853f903e5e27bdb80f09ed73bce109ae8a6d655e3f2539c431e1b59c2bb689"


def changed(row: int, column: str, value) -> pl.DataFrame:
    values = FRAME[column].to_list()
    values[row] = value
    return FRAME.with_columns(pl.Series(column, values, dtype=DEMO.schema[column]))


def test_the_hash_of_a_known_table_never_changes():
    assert table_hash(DEMO, FRAME) == GOLDEN


def test_the_hash_is_what_the_description_says_byte_by_byte():
    assert table_hash(DEMO, FRAME) == plain_hash(ROWS)


@given(order=st.permutations(range(len(ROWS))), columns=st.permutations(DEMO.names), cut=st.integers(0, len(ROWS)))
def test_order_of_rows_and_columns_and_chunks_do_not_matter(order, columns, cut):
    shuffled = FRAME[list(order)].select(columns)
    chunked = pl.concat([shuffled[:cut], shuffled[cut:]], rechunk=False)

    assert table_hash(DEMO, chunked) == table_hash(DEMO, FRAME)


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        (0, "name", "C"),
        (0, "day", date(2014, 6, 7)),
        (0, "value", 5e-324),
        (0, "value", None),
        (1, "value", None),
        (1, "value", 0.0),
        (1, "count", 0),
        (2, "count", None),
        (2, "age", None),
        (0, "age", 0),
        (0, "note", "u"),
        (1, "note", None),
        (2, "note", ""),
        (0, "tags", ["xy", "y"]),
        (0, "tags", ["xyy"]),
        (1, "tags", None),
        (1, "tags", [""]),
        (3, "tags", [None]),
        (3, "tags", []),
        (1, "is_deleted", False),
        (2, "is_deleted", False),
        (3, "ts_known", NOON - timedelta(microseconds=1)),
    ],
)
def test_one_changed_value_changes_the_hash(row, column, value):
    assert table_hash(DEMO, changed(row, column, value)) != table_hash(DEMO, FRAME)


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [(0, "value", 0.0), (1, "value", -math.nan), (0, "ts_ingested", NOON + timedelta(9)), (0, "known_until", NOON)],
)
def test_sign_of_zero_bits_of_nan_and_audit_columns_do_not_count(row, column, value):
    assert table_hash(DEMO, changed(row, column, value)) == table_hash(DEMO, FRAME)


def test_text_that_moves_between_neighbours_changes_the_hash():
    first, second = changed(0, "note", "ab"), changed(0, "note", "a")
    second = second.with_columns(note=pl.when(pl.col("note") == "").then(pl.lit("b")).otherwise("note"))

    assert table_hash(DEMO, first) != table_hash(DEMO, second)


def test_an_empty_table_has_a_hash_of_its_own():
    assert table_hash(DEMO, DEMO.empty()) == plain_hash([])
    assert table_hash(DEMO, DEMO.empty()) != table_hash(DEMO, FRAME)


def test_many_slices_of_text_are_one_text():
    count = 70_000
    wide = pl.concat([FRAME[:1]] * count).with_columns(name=pl.Series([str(n) for n in range(count)]))

    assert table_hash(DEMO, wide) == plain_hash(wide.rows())


def test_rows_that_share_a_key_have_no_hash():
    with pytest.raises(SchemaMismatch, match=r"demo: 1 rows repeat \(name, day, ts_known\)"):
        table_hash(DEMO, pl.concat([FRAME, FRAME[:1]]))


def test_a_frame_of_another_shape_has_no_hash():
    with pytest.raises(SchemaMismatch, match="demo: age, value missing or not of the declared dtype"):
        table_hash(DEMO, FRAME.drop("age").with_columns(pl.col("value").cast(pl.Float32)))


def test_the_hash_of_several_tables_depends_on_their_names_and_not_on_their_order():
    assert combined_hash({"a": "1", "b": "2"}) == combined_hash({"b": "2", "a": "1"})
    assert combined_hash({"a": "1", "b": "2"}) != combined_hash({"a": "2", "b": "1"})
    assert combined_hash({"a": "1"}) == hashlib.sha256(b"a 1\n").hexdigest()


def plain_hash(rows) -> str:
    """The same digest with nothing but the standard library, from the description in `table_hash`."""
    names = list(DEMO.names)
    identity = [names.index(name) for name in ("name", "day", "ts_known")]
    rows = sorted(rows, key=lambda row: [row[n] for n in identity])
    out = struct.pack("<Q", len(rows))
    for name in sorted(set(names) - {"ts_ingested", "known_until"}):
        dtype = DTYPE_NAMES[DEMO.schema[name]]
        for text in (name, dtype):
            out += struct.pack("<Q", len(text)) + text.encode()
        out += plain_column([row[names.index(name)] for row in rows], dtype)
    return hashlib.sha256(out).hexdigest()


def plain_column(values, dtype) -> bytes:
    out = bytearray((len(values) + 7) // 8)
    for n, value in enumerate(values):
        if value is None:
            out[n // 8] |= 1 << (n % 8)
    if dtype == "list<string>":
        out += b"".join(struct.pack("<q", len(value or [])) for value in values)
        return bytes(out) + plain_column([text for value in values for text in value or []], "string")
    if dtype == "string":
        encoded = [(value or "").encode() for value in values]
        return bytes(out) + b"".join(struct.pack("<q", len(text)) for text in encoded) + b"".join(encoded)
    return bytes(out) + b"".join(plain_value(value, dtype) for value in values)


def plain_value(value, dtype) -> bytes:
    if dtype == "float64":
        is_nan = value is not None and math.isnan(value)
        return bytes.fromhex("000000000000f87f") if is_nan else struct.pack("<d", value or 0.0)
    if dtype == "date":
        return struct.pack("<i", (value - date(1970, 1, 1)).days)
    if dtype == "timestamp_us_utc":
        return struct.pack("<q", (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
    return struct.pack({"int64": "<q", "int32": "<i", "bool": "<B"}[dtype], value or 0)
