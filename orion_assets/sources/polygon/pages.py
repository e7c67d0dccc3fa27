"""From the bytes of a page to an envelope and a frame of its rows, each value held to its type. No meaning of rows."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import polars as pl

from orion_assets.sources.bodies import loaded, number_of, object_of, shown
from orion_assets.sources.number_rows import number_rows
from orion_assets.sources.polygon.words import refuse_status
from orion_assets.sources.responses import Passing

_RESULTS: Final = re.compile(rb'"results"\s*:\s*')
_BETWEEN: Final = re.compile(rb"\}\s*,\s*\{")


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        envelope: All of the object but its results.
        rows: One row a result: the fields asked for, null where absent or wrong, and `problem`: what is wrong.
    """

    envelope: Mapping[str, Any]
    rows: pl.DataFrame

    @property
    def next_url(self) -> str | None:
        """Where the next page stands; None on the last one."""
        found = self.envelope.get("next_url")
        return found if isinstance(found, str) and found else None


def flat_page(body: bytes, fields: Mapping[str, pl.DataType], required: Sequence[str]) -> Page:
    """Read a page whose results are flat objects of numbers and texts: bars.

    Args:
        body: A JSON object.
        fields: What to take of each result.
        required: Fields that every result must have.

    Raises:
        Passing: It is not JSON, calls itself a failure, or its results are null.
    """
    envelope, results = _parted(body)
    refuse_status(envelope)
    try:
        rows = number_rows(results, fields)
        rows = _by_lines(bytes(results[1:-1]), fields) if rows is None else rows
        rows = rows.with_columns(problem=_missing(rows, required))
    except pl.exceptions.PolarsError:
        rows = _row_by_row(_list(loaded(bytes(results))), fields, required)
    _refuse_miscount(envelope, rows.height)
    return Page(envelope, rows)


def listed(body: bytes) -> tuple[Mapping[str, Any], list[dict[str, Any]]]:
    """Read a page whose results are objects of any shape: the envelope and the results.

    Raises:
        Passing: As `flat_page`; or a result is not an object.
    """
    envelope = object_of(loaded(body))
    refuse_status(envelope)
    found = _list(envelope.pop("results", []))
    if not all(isinstance(each, dict) for each in found):
        raise Passing("results are not objects")
    _refuse_miscount(envelope, len(found))
    return envelope, found


def _parted(body: bytes) -> tuple[dict[str, Any], memoryview]:
    """Give the envelope and the array of its results, from bracket to bracket; an empty one where it has none."""
    found = _RESULTS.search(body)
    start = found.end() if found else -1
    # Flat rows hold no bracket, so that the first one ends the array
    end = body.find(b"]", start) + 1 if start >= 0 and body[start : start + 1] == b"[" else 0
    if end:
        try:
            envelope = json.loads(body[:start] + b"[]" + body[end:])
        except (ValueError, RecursionError):
            end = 0
        else:
            return _without_results(envelope), memoryview(body)[start:end]
    envelope = object_of(loaded(body))
    return _without_results(envelope), memoryview(json.dumps(_list(envelope.get("results", []))).encode())


def _by_lines(results: bytes, fields: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Read the objects between the brackets a line each: by columns, strictly, several times as fast as by rows."""
    lines = results.replace(b"},{", b"}\n{") if b"},{" in results else _BETWEEN.sub(b"}\n{", results)
    return pl.read_ndjson(lines, schema=dict(fields)) if lines.strip() else pl.DataFrame(schema=fields)


def _without_results(envelope: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {name: value for name, value in envelope.items() if name != "results"}


def _list(found: Any) -> list[Any]:  # noqa: ANN401 - JSON
    if not isinstance(found, list):
        # Null was seen as a false empty that asking again filled
        raise Passing(f"results are {shown(found)}, not a list")
    return cast("list[Any]", found)


def _missing(rows: pl.DataFrame, required: Sequence[str]) -> pl.Expr:
    if not any(rows[name].null_count() for name in required):
        return pl.lit(None, pl.String)
    told = [pl.when(pl.col(name).is_null()).then(pl.lit(f"{name}: is missing")) for name in required]
    problem = pl.concat_str(told, separator="; ", ignore_nulls=True)
    return pl.when(problem != "").then(problem)


def _row_by_row(found: list[Any], fields: Mapping[str, pl.DataType], required: Sequence[str]) -> pl.DataFrame:
    """Read results of which one at least is not what it should be: each for itself, so that the others stay."""
    columns: dict[str, list[Any]] = {name: [] for name in fields}
    problems: list[str | None] = []
    for each in found:
        row = cast("dict[str, Any]", each) if isinstance(each, dict) else {}
        told: list[str] = []
        for name, dtype in fields.items():
            value = row.get(name)
            read = _READERS[type(dtype)](value)
            columns[name].append(read)
            if value is not None and read is None:
                told.append(f"{name}: {str(value)[:40]!r} is not {_NAMES[type(dtype)]}")
            elif value is None and name in required:
                told.append(f"{name}: is missing")
        problems.append("; ".join(told) or None)
    return pl.DataFrame(columns, schema=dict(fields)).with_columns(problem=pl.Series(problems, dtype=pl.String))


def _whole(value: object) -> int | None:
    read = number_of(value)
    return int(read) if read is not None and read.is_integer() and abs(read) < 2**53 else None


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


_READERS: Final[Mapping[type, Callable[[object], Any]]] = {pl.Float64: number_of, pl.Int64: _whole, pl.String: _word}
_NAMES: Final[Mapping[type, str]] = {pl.Float64: "a number", pl.Int64: "a whole number", pl.String: "a text"}


def _refuse_miscount(envelope: Mapping[str, Any], count: int) -> None:
    claimed = envelope.get("resultsCount", envelope.get("count"))
    if isinstance(claimed, int) and claimed != count:
        raise Passing(f"the answer says that it holds {claimed} results, and holds {count}")
