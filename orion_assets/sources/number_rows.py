"""From objects of numbers that are all written alike to a frame by columns: most pages of bars, and the fastest reader.

Nothing in it is lenient: what is no JSON, or differs from the first object in more than its numbers, is left to a
reader of JSON.
"""

import re
from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl

_FIRST: Final = re.compile(rb'\[(\{"[A-Za-z_]+":[\d.eE]+(?:,"[A-Za-z_]+":[\d.eE]+)*\})')
_NAME: Final = re.compile(rb'"[A-Za-z_]+"')
# One line an object, its names and numbers by turns, each but the first behind the comma that stood between
_LINES: Final = bytes.maketrans(b"[:}", b",,\n")
# What a core's cache holds, with all that is made of it
_CHUNK: Final = 1 << 16
_ZERO, _QUOTE, _DOT, _COLON, _END, _LAST = b'0".:}]'


def number_rows(array: memoryview, fields: Mapping[str, pl.DataType]) -> pl.DataFrame | None:
    """Read an array of flat objects that hold the same names in the same order, and numbers only.

    Args:
        array: JSON of it, from bracket to bracket, such as `[{"o":1.5,"t":2},{"o":2.25,"t":3}]`.
        fields: What to take of each object, as Float64 or Int64.

    Returns:
        One row an object, the fields in their order, null where no object has one. None where there is anything else:
        a space, a text, a name more, a number that JSON does not write so or that the field cannot hold, no object.
    """
    found = _FIRST.match(array)
    if found is None or array[-1] != _LAST:
        return None
    names = [each.decode() for each in _NAME.findall(found[1])]
    text = bytes(array[:-1])
    count = _strict(text, len(names)) if len(set(names)) == len(names) else None
    if count is None:
        return None
    schema: dict[str, pl.DataType] = {"between": pl.String()}
    for name in names:
        schema |= {name: pl.String(), name[1:-1]: fields.get(name[1:-1], pl.Float64())}
    try:
        # As CSV, which has the numbers where they stand: half the work of a reader of JSON
        read = pl.read_csv(text.translate(_LINES), has_header=False, schema=schema, quote_char=None)
    except pl.exceptions.PolarsError:
        return None
    is_named = (pl.col(name) == (f"{{{name}" if name == names[0] else name) for name in names)
    is_number = (pl.col(name[1:-1]).is_finite() for name in names)
    held = pl.all_horizontal(pl.col("between").is_null(), *is_named, *is_number).fill_null(value=False)
    if read.height != count or not read.select(held.all()).item():
        return None
    return read.select(
        pl.col(name) if name in schema else pl.lit(None, dtype).alias(name) for name, dtype in fields.items()
    )


def _strict(text: bytes, names: int) -> int | None:
    """Count the objects; None where signs, dots, zeros, colons or ends do not stand as JSON has them.

    A reader of CSV does not ask for these.

    Args:
        text: The array without its closing bracket.
        names: How many numbers each object should hold.
    """
    # Signs are those of exponents at best, which are rare
    if text[-1:] != b"}" or any(each in text for each in (b"\n", b"+", b"-")) or text.find(b"[", 1) > 0:
        return None
    every, colons, ends = np.frombuffer(text, np.uint8), 0, 1
    # Each chunk with the two bytes behind it, so that what stands across its end is seen whole
    for first in range(0, len(text) - 2, _CHUNK):
        at = every[first : first + _CHUNK + 2]
        before, here = at[:-2], at[1:-1]
        # Of bytes below the zero the difference wraps around
        is_digit = (at - np.uint8(_ZERO)) < 10
        is_colon = here == _COLON
        wrong = is_colon & (before != _QUOTE)
        wrong |= (here == _DOT) & ~(is_digit[:-2] & is_digit[2:])
        wrong |= (here == _ZERO) & (before == _COLON) & is_digit[2:]
        if wrong.any():
            return None
        colons += int(np.count_nonzero(is_colon))
        ends += int(np.count_nonzero(here == _END))
    return ends if colons == ends * names else None
