"""From objects of numbers that are all written alike to a frame by columns: most pages of bars, and the fastest reader.

Nothing in it is lenient: what is no JSON, or differs from the first object in more than its digits, is left to a
reader of JSON.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl

_FIRST: Final = re.compile(rb'\[(\{"[A-Za-z_]+":[\d.e+]+(?:,"[A-Za-z_]+":[\d.e+]+)*\})')
_NAME: Final = re.compile(rb'"([A-Za-z_]+)"')
_DIGITS: Final = b"0123456789."
# An object a line, each behind the comma that stood before it; its names are left out
_LINES: Final = bytes.maketrans(b"}", b"\n")
_OTHERS: Final = b'{":_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
_BEFORE: Final = ","
# What a core's cache holds, with all that is made of it
_CHUNK: Final = 1 << 17
_ZERO, _DOT, _COLON, _LAST, _E, _PLUS = b"0.:]e+"


def number_rows(array: memoryview, fields: Mapping[str, pl.DataType]) -> pl.DataFrame | None:
    """Read an array of flat objects that hold the same names in the same order, and numbers only.

    Args:
        array: JSON of it, from bracket to bracket, such as `[{"o":1.5,"t":2},{"o":2.25,"t":3}]`.
        fields: What to take of each object, as Float64 or Int64; texts too, of which none is read here.

    Returns:
        One row an object, the fields in their order, null where no object has one. None where there is anything else:
        a space, a text, a name more, a sign, an exponent below 0, a number that JSON does not write so or that the
        field cannot hold, no object.
    """
    found = _FIRST.match(array)
    if found is None:
        return None
    names = [each.decode() for each in _NAME.findall(found[1])]
    numbers = {name: fields.get(name, pl.Float64()) for name in names}
    lines = _lines(array, names) if pl.String() not in numbers.values() else None
    if lines is None:
        return None
    schema: dict[str, pl.DataType] = {_BEFORE: pl.String(), **numbers}
    try:
        # As CSV, which has the numbers where they stand: a third of the work of a reader of JSON. A name told twice is
        # a column too many for it
        read = pl.read_csv(lines, has_header=False, schema=schema, quote_char=None)
    except pl.exceptions.PolarsError:
        return None
    if not all(read.select(pl.col(names).is_finite().all(ignore_nulls=False)).row(0)):
        return None
    absent = {name: pl.lit(None, dtype) for name, dtype in fields.items() if name not in schema}
    return read.with_columns(**absent).select(*fields)


def _lines(array: memoryview, names: Sequence[str]) -> bytes | None:
    """Write an array as CSV, its numbers alone.

    Args:
        array: From bracket to bracket.
        names: What each object names, in this order.

    Returns:
        A line an object, an empty field before its numbers. None where what is not of numbers is no list of such
        objects, or what is of numbers makes none; but that nothing follows a colon, and two dots, two
        exponents or half a one in a number, the reader of CSV sees.
    """
    # Vendors write 1.029145e+06; where a name has an e too, nothing tells the two apart
    has_e = any("e" in name for name in names)
    digits, others = (_DIGITS, _OTHERS) if has_e else (_DIGITS + b"e+", _OTHERS.replace(b"e", b""))
    one = ("{" + ",".join(f'"{name}":' for name in names) + "},").encode()
    alike = one * (_CHUNK // len(one) + 2)
    every, lines, place = np.frombuffer(array, np.uint8), [b","], 0
    end = len(array) - 1
    for at in range(1, end, _CHUNK):
        # With a byte more on each side, so that what stands across an end is seen whole
        seen = bytes(array[at - 1 : min(at + _CHUNK, end) + 1])
        rest = seen[1:-1].translate(None, digits)
        has_exponents = not has_e and (b"e" in seen or b"+" in seen)
        numbers = every[at - 1 : at - 1 + len(seen)]
        if not alike.startswith(rest, place) or not _are_numbers(numbers, has_exponents=has_exponents):
            return None
        place = (place + len(rest)) % len(one)
        lines.append(seen[1:-1].translate(_LINES, others))
    return b"".join(lines) if place == len(one) - 1 and array[end] == _LAST else None


def _are_numbers(text: np.ndarray, *, has_exponents: bool) -> bool:
    """Whether digits stand behind colons, digits, dots and exponents' signs only, dots between digits, no zero leads.

    Args:
        text: UInt8, shape (N,); the first and the last byte are looked at as neighbours only.
        has_exponents: Whether an e or a plus is in it: the one has to stand behind a digit, the other behind an e.
    """
    before, here = text[:-2], text[1:-1]
    # Of bytes below the first one the difference wraps around
    is_digit = (text - np.uint8(_ZERO)) < 10
    is_inside = (before - np.uint8(_DOT)) <= _COLON - _DOT
    wrong = (here == _DOT) & ~(is_digit[:-2] & is_digit[2:])
    wrong |= (here == _ZERO) & (before == _COLON) & is_digit[2:]
    if has_exponents:
        is_inside |= before == _PLUS
        wrong |= (here == _E) & ~is_digit[:-2]
        wrong |= (here == _PLUS) & (before != _E)
    wrong |= is_digit[1:-1] & ~is_inside
    return not wrong.any()
