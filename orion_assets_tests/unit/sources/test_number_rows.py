"""Rows of numbers are read as the standard library reads them, or left alone: whatever becomes of their bytes."""

import json

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orion_assets.sources import number_rows as under_test
from orion_assets.sources.number_rows import number_rows

FIELDS = {"T": pl.String(), "o": pl.Float64(), "vw": pl.Float64(), "t": pl.Int64()}
TOLD = b'[{"o":10.5,"t":1772773200000,"vw":0.07},{"o":99,"t":0,"vw":100.25},{"o":7,"t":3,"vw":10.05}]'
NUMBERS = st.floats(0, 1e15) | st.integers(0, 10**9)
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS, st.integers(0, 2**53)), min_size=1, max_size=30)
SLIPS = st.lists(st.tuples(st.integers(0, len(TOLD)), st.integers(0, 2), st.binary(max_size=2)), max_size=2)
PARTS = st.sampled_from([bytes([each]) for each in b'{}[]:,"0123456789.+-eE \n\r\tovtwNaInf']).flatmap(
    lambda one: st.sampled_from([b"", one, one * 2])
)
WRITTEN = st.lists(st.tuples(st.integers(0, len(TOLD)), st.integers(0, 2), PARTS), max_size=3)


def read(array, fields=FIELDS):
    return number_rows(memoryview(array), fields)


def compact(rows):
    return json.dumps(rows, separators=(",", ":")).encode()


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    # So that the ends of chunks fall everywhere
    monkeypatch.setattr(under_test, "_CHUNK", 8)


def test_numbers_are_read_into_their_fields_and_what_no_row_has_is_null():
    told = read(TOLD)

    assert told.schema == FIELDS
    assert told.rows() == [(None, 10.5, 0.07, 1772773200000), (None, 99.0, 100.25, 0), (None, 7.0, 10.05, 3)]


def test_exponents_are_numbers_where_no_name_has_an_e():
    assert read(b'[{"o":1.029145e+06,"vw":2},{"o":3,"vw":1e+0}]').select("o", "vw").rows() == [(1029145, 2), (3, 1)]
    assert read(b'[{"o":1e+06,"else":2}]') is None
    assert read(b'[{"o":1,"else":2}]')["o"].to_list() == [1]
    assert read(b'[{"else":2e}]') is None
    assert read(b'[{"o":1,"t":1e+06}]') is None


@pytest.mark.parametrize("digits", range(1, 10))
def test_an_exponent_is_read_wherever_a_chunk_ends(digits):
    number = "9" * digits + "e+3"

    assert read(f'[{{"o":{number}}},{{"o":{number}}}]'.encode())["o"].to_list() == [float(number)] * 2


def test_a_text_that_is_told_as_a_number_is_left_to_a_reader_of_json():
    assert read(b'[{"T":5,"o":1.5}]') is None


def test_a_page_of_many_chunks_is_read_as_a_whole_and_left_alone_as_a_whole(monkeypatch):
    monkeypatch.undo()
    rows = [{"o": number / 7, "vw": number * 1000.5, "t": number} for number in range(1, 8000)]
    text = compact(rows)
    assert len(text) > 2 * under_test._CHUNK

    assert read(text).select("o", "vw", "t").rows() == [tuple(row.values()) for row in rows]
    for cut in range(under_test._CHUNK - 3, under_test._CHUNK + 4):
        assert read(text[:cut] + text[cut + 1 :] + b"x") is None
        assert read(text[:cut] + b" " + text[cut:]) is None


def test_objects_that_have_none_of_the_fields_are_rows_too():
    assert read(b'[{"x":1},{"x":2}]').rows() == [(None, None, None, None)] * 2


@given(ROWS)
@settings(max_examples=200, deadline=None)
def test_what_is_all_alike_is_read_to_the_last_bit(told):
    rows = [{"o": o, "vw": vw, "t": t} for o, vw, t in told]
    found = read(compact(rows))

    if found is None:
        assert b"e-" in compact(rows) or b"e+" in compact(rows)
    else:
        assert found.drop("T").rows() == [(float(each["o"]), float(each["vw"]), each["t"]) for each in rows]


@given(WRITTEN | SLIPS)
@settings(max_examples=1000, deadline=None)
@example([(28, 0, b"1")])
@example([(5, 1, b","), (10, 1, b":")])
def test_no_slip_of_a_byte_makes_another_number_or_passes_for_json(slips):
    text = TOLD
    for at, gone, put in slips:
        text = text[:at] + put + text[at + gone :]
    found = read(text)

    if found is not None:
        told = json.loads(text)
        assert [set(each) for each in told] == [set(told[0])] * len(told)
        assert found.rows() == [tuple(each.get(name) for name in FIELDS) for each in told]


NO_NUMBERS = (
    "-1 01 -01 00 1. .5 -.5 1..2 1.2.3 +1 - 1e 1e5 1E5 1e+ 1e++5 e+5 1.e+5 1e+.5"
    " 1ee+5 1e+5.5 1e+5e+5 1e-5 1e+400 1e400 1.e5 0x1 1_0 1,2 1:2"
    ' NaN Infinity inf nan null true "1" [1] {"a":1}'
)


@pytest.mark.parametrize("value", [*NO_NUMBERS.split(), "", "1 2", "1\n"])
@pytest.mark.parametrize("name", ["o", "t"])
def test_what_json_does_not_write_so_is_left_to_a_reader_of_json(name, value):
    row = {"o": "1.5", "t": "2", "vw": "3.5"}
    first, second = (
        "{" + ",".join(f'"{each}":{told}' for each, told in of.items()) + "}" for of in (row, {**row, name: value})
    )

    assert read(f"[{first},{first}]".encode()) is not None
    assert read(f"[{first},{second}]".encode()) is None
    assert read(f"[{second},{first}]".encode()) is None


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "[{}]",
        '[{"o":1}{"o":2}]',
        '[{"o":1},{"vw":2}]',
        '[{"o":1},{"o":2,"t":3}]',
        '[{"o":1,"t":3},{"o":2}]',
        '[{"o":1},{"o":2},]',
        '[{"o":1},{"o":2]',
        '[{"o":1},{"o":2}',
        '[{"o":1},{"o":2})',
        '[{"o":1},{"o":2}}',
        '[{"o":1,"o":2},{"o":1,"o":2}]',
        '[{"o":1,"o":2}]',
        '[{"o":1},,{"o":2}]',
        '[{"o":1},{"o":2}}]',
        '[{"o":1}, {"o":2}]',
        '[5{"o":5},{"o":5}]',
        '[{"o":5}e,{"o":5}]',
        '[{"o":5}e+06,{"o":5}]',
        '[{"o":5},e{"o":5}]',
        '[{"o":5},{"o":5}e]',
        '[{"o"e+3:5},{"o":5}]',
        '[{"o":5},{e"o":5}]',
        '[{"o":5},{"o":5}5]',
        '[{"o":5}5,{"o":5}]',
        '[{"o":5},{5"o":5}]',
        '[{"o":5},{"5o":5}]',
        '[{"o":5},{"o"5:5}]',
        '[{"o":5},{"o":5.}]',
        '[{"o":5},{"o":5}.]',
        '[{"o1":5},{"o":5}]',
        '[{"o":5},{"o1":5}]',
        '[{"o":1.5},{"t":1.5}]',
        '[{"t":1.5}]',
        '[{"t":9223372036854775808}]',
    ],
)
def test_rows_that_are_not_all_alike_are_left_to_a_reader_of_json(text):
    assert read(text.encode()) is None
