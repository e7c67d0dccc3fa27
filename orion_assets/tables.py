"""What a table is: columns with dtypes, units and nulls, a key, and how a frame is held against them.

No table in particular stands here: schemas.py declares them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import polars as pl

from orion_assets.errors import SchemaMismatch

UTC_US: Final = pl.Datetime("us", "UTC")
DTYPE_NAMES: Final[Mapping[pl.DataType, str]] = {
    pl.String(): "string",
    pl.Date(): "date",
    UTC_US: "timestamp_us_utc",
    pl.Float64(): "float64",
    pl.Int64(): "int64",
    pl.Int32(): "int32",
    pl.Boolean(): "bool",
    pl.List(pl.String()): "list<string>",
}


@dataclass(frozen=True)
class Column:
    """One column: what it holds, in which unit, and whether it may be null."""

    name: str
    dtype: pl.DataType
    description: str
    unit: str = ""
    is_nullable: bool = False


@dataclass(frozen=True)
class Table:
    """One stored table. `key` names a row apart from its version; (key, ts_known) names a version."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @cached_property
    def schema(self) -> pl.Schema:
        """The columns in order with their Polars dtypes."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The column names in order."""
        return tuple(column.name for column in self.columns)

    @property
    def has_versions(self) -> bool:
        """Whether rows carry `ts_known`."""
        return "ts_known" in self.names

    @property
    def has_intervals(self) -> bool:
        """Whether a row says until when it was the latest of its key (derived tables)."""
        return "known_until" in self.names

    @property
    def is_intraday(self) -> bool:
        """Whether one session holds many rows of a ticker, so that a long range is worked on in pieces."""
        return "ts_open" in self.key

    def empty(self) -> pl.DataFrame:
        """Give a frame of no rows with the table's columns."""
        return self.schema.to_frame()

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the frame with the table's columns in the table's order, or refuse it whole.

        Args:
            frame: Rows of any order; column order does not matter, names and dtypes do.

        Returns:
            The same rows, columns ordered as declared.

        Raises:
            SchemaMismatch: A column is missing, unknown or of another dtype, a null stands where none may, or two
                rows share key and `ts_known`.
        """
        problems = [*self._shape_problems(frame)] or [*self._value_problems(frame)]
        if problems:
            raise SchemaMismatch(
                f"{self.name}: {'; '.join(problems)}. Fix the transform that made the frame, or change"
                f" {self.name.upper()} in schemas.py",
                table=self.name,
            )
        return frame.select(self.names)

    def _shape_problems(self, frame: pl.DataFrame) -> list[str]:
        found = frame.schema
        missing = [name for name in self.names if name not in found]
        unexpected = [name for name in found if name not in self.schema]
        wrong = [
            f"{name} {found[name]} (declared {dtype})"
            for name, dtype in self.schema.items()
            if name in found and found[name] != dtype
        ]
        parts = (("missing", missing), ("unexpected", unexpected), ("wrong type", wrong))
        return [f"{label} {', '.join(names)}" for label, names in parts if names]

    def _value_problems(self, frame: pl.DataFrame) -> list[str]:
        required = [column.name for column in self.columns if not column.is_nullable]
        counts = frame.select(pl.col(required).null_count()).row(0) if required else ()
        problems = [f"{count} nulls in {name}" for name, count in zip(required, counts, strict=True) if count]
        identity = [*self.key, "ts_known"] if self.has_versions else [*self.key]
        is_again = frame.select(identity).is_duplicated()
        if is_again.any():
            twice = frame.filter(is_again)
            first = ", ".join(f"{name} {value}" for name, value in twice.select(identity).row(0, named=True).items())
            problems.append(f"{twice.height} rows share ({', '.join(identity)}), the first {first}")
        return problems
