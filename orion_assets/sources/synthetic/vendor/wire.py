"""Rows to the vendor's JSON, as one text a row, so that faults can change a row without touching the others."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

# Names on the wire, in the vendor's order
_NAMES: Final = {
    "ticker": "T",
    "volume": "v",
    "vwap": "vw",
    "open": "o",
    "close": "c",
    "high": "h",
    "low": "l",
    "t": "t",
    "trade_count": "n",
    "otc": "otc",
}


def bar_objects(bars: pl.DataFrame) -> list[str]:
    """Give each bar as a JSON object of the vendor's short names.

    Args:
        bars: Any of `ticker`, `volume`, `vwap`, `open`, `close`, `high`, `low`, `t` (ms since 1970), `trade_count`,
            `otc` (Boolean); other columns are left out, and a null is a name that is missing.
    """
    members = [_member(name, bars.schema[name]) for name in _NAMES if name in bars.columns]
    told = pl.concat_str(members, separator=",", ignore_nulls=True)
    return bars.select(pl.concat_str(pl.lit("{"), told, pl.lit("}"))).to_series().to_list()


def objects(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give each row as a JSON object; a None is a name that is missing."""
    return [compact({name: value for name, value in row.items() if value is not None}) for row in rows]


def compact(value: object) -> str:
    """Write JSON without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _member(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    text = column.cast(pl.String)
    if dtype == pl.String:
        text = pl.concat_str(pl.lit('"'), column, pl.lit('"'))
    elif name == "trade_count":
        text = column.cast(pl.Int64).cast(pl.String)
    elif name == "volume":
        text = pl.when(column >= 1e6).then(_with_exponent(text)).otherwise(text.str.strip_suffix(".0"))
    elif dtype == pl.Float64:
        text = text.str.strip_suffix(".0")
    return pl.concat_str(pl.lit(f'"{_NAMES[name]}":'), text)


def _with_exponent(text: pl.Expr) -> pl.Expr:
    """Write 1029145.0 as 1.029145e+06, digit for digit, as the vendor does at times."""
    whole = text.str.extract(r"^(\d+)")
    fraction = text.str.extract(r"\.(\d+)$").fill_null("")
    digits = pl.concat_str(whole.str.slice(1), fraction).str.strip_chars_end("0")
    point = pl.when(digits == "").then(pl.lit("")).otherwise(pl.lit("."))
    exponent = (whole.str.len_bytes() - 1).cast(pl.String).str.zfill(2)
    return pl.concat_str(whole.str.slice(0, 1), point, digits, pl.lit("e+"), exponent)
