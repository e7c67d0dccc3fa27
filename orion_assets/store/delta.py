"""How a table of `schemas.py` lies in a Delta table, and how a commit lands or does not.

Layout, options, fences and retries of delta-rs; which rows to write is decided in `lake.py`.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Final
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import ArrayType, Field, PrimitiveType
from deltalake.schema import Schema as DeltaSchema
from deltalake.writer import ColumnProperties
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from orion_assets.errors import SchemaMismatch, SettingsError, StoreUnavailable
from orion_assets.tables import DTYPE_NAMES, Table

_LOG: Final = logging.getLogger(__name__)

# What a table is cut by: a change rewrites the month it falls in; of minutes, only its day
MONTH: Final = "month"
DAY: Final = "day"
ATTEMPTS: Final = 60
# Manifests pin versions for good, so neither the log nor the files of old versions may expire by themselves
_CONFIGURATION: Final[Mapping[str, str | None]] = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.checkpointInterval": "50",
}
# Dictionaries cost more than they save on floats: 4.3 s against 2.1 s for 1.26 M rows x 35 columns
_WRITER: Final = WriterProperties(
    compression="ZSTD",
    compression_level=1,
    default_column_properties=ColumnProperties(dictionary_enabled=False),
)
_DELTA_TYPES: Final[Mapping[str, PrimitiveType | ArrayType]] = {
    "string": PrimitiveType("string"),
    "date": PrimitiveType("date"),
    "timestamp_us_utc": PrimitiveType("timestamp"),
    "float64": PrimitiveType("double"),
    "int64": PrimitiveType("long"),
    "int32": PrimitiveType("integer"),
    "bool": PrimitiveType("boolean"),
    "list<string>": ArrayType(PrimitiveType("string"), contains_null=True),
}
# delta-rs panics on a path that holds one of these, or decodes it twice
_UNUSABLE: Final = frozenset("%[]^|")


@dataclass(frozen=True)
class Commit:
    """What a write came to.

    Attributes:
        table: Name of the table.
        version: The version this call made, or the one it found where it wrote nothing; None: there is no table.
        rows: Rows handed to the table; 0 where it wrote nothing.
        is_changed: Whether this call made a version.
        seconds: Wall time, waits for other writers included.
    """

    table: str
    version: int | None
    rows: int
    is_changed: bool
    seconds: float


@dataclass(frozen=True)
class Change:
    """Rows to write: appended, or in place of all that the months (of a table without months: the table) hold."""

    frame: pl.DataFrame
    rows: int
    months: tuple[str, ...] = ()
    is_append: bool = False


@dataclass(frozen=True)
class Work:
    """One write: how to see what must change, and what nobody else may change meanwhile."""

    name: str
    table: Table
    plan: Callable[[DeltaTable | None], Change | None]
    fence: tuple[str, ...] = ("table",)
    start: date | None = None
    end: date | None = None
    attempts: int = ATTEMPTS


class _Lost(Exception):
    """Another writer was faster; look again."""


class DeltaFolder:
    """Delta tables under one root, a folder or `s3://bucket/prefix`; holds no connection and no cache."""

    def __init__(self, url: str, storage_options: Mapping[str, str] | None = None) -> None:
        self.root = _root(url)
        self._options: dict[str, str] = {}
        self._read_options: dict[str, str] | None = None
        if self.root.startswith("s3://"):
            given = {name.lower(): value for name, value in (storage_options or {}).items()}
            # Without If-None-Match on the log two writers could both believe they made the same version
            safe = {"aws_conditional_put": "etag", "aws_s3_allow_unsafe_rename": "false"}
            self._options = {**given, **safe}
            # Polars takes the names of S3 itself only
            self._read_options = {n: v for n, v in given.items() if n.startswith("aws_") and n not in safe}

    def open(self, table: Table, version: int | None = None) -> DeltaTable | None:
        """Give the table as it is at a version, the latest by default; None where it was never written."""
        try:
            return DeltaTable(self._uri(table), version=version, storage_options=self._options)
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as e:
            which = table.name if version is None else f"{table.name} at version {version}"
            raise StoreUnavailable(f"lake: {which} under {self.root} cannot be opened: {_gist(e)}") from e

    def rows(
        self,
        snapshot: DeltaTable | None,
        table: Table,
        start: date | None = None,
        end: date | None = None,
        tickers: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Read the rows of a snapshot, of some sessions and tickers, conformed and sorted by identity."""
        scan = self._scan(snapshot, table, start, end, tickers)
        if tickers is not None:
            scan = scan.filter(pl.col("ticker").is_in(list(tickers)))
        return table.conform(self._collected(scan.sort(identity(table)), table))

    def _scan(
        self,
        snapshot: DeltaTable | None,
        table: Table,
        start: date | None,
        end: date | None,
        tickers: Sequence[str] | None,
    ) -> pl.LazyFrame:
        files = [
            file
            for month, names in files_by_month(snapshot, tickers).items()
            if (start is None or month >= part_of(table, start))
            and (end is None or month <= part_of(table, date.fromordinal(end.toordinal() - 1)))
            for file in names
        ]
        if not files:
            return table.empty().lazy()
        scan = pl.scan_parquet(
            [f"{self._uri(table)}/{file}" for file in files],
            schema=table.schema,
            missing_columns="insert",
            extra_columns="ignore",
            hive_partitioning=False,
            glob=False,
            storage_options=self._read_options,
        )
        if start is not None:
            scan = scan.filter(pl.col("session") >= start)
        return scan if end is None else scan.filter(pl.col("session") < end)

    def _collected(self, scan: pl.LazyFrame, table: Table) -> pl.DataFrame:
        try:
            return scan.collect(engine="in-memory")
        except pl.exceptions.SchemaError as e:
            raise SchemaMismatch(
                f"{table.name}: what {self.root} holds cannot be read as declared: {_gist(e)}. Rebuild the table, or"
                " undo the change in schemas.py",
                table=table.name,
            ) from e
        except (OSError, pl.exceptions.ComputeError) as e:
            raise StoreUnavailable(f"lake: {table.name} under {self.root} cannot be read: {_gist(e)}") from e

    def commit(self, work: Work) -> Commit:
        """Plan and write until the plan lands on the very snapshot it was made from.

        Raises:
            StoreUnavailable: The lake cannot be reached, or other writers won every time; nothing was written.
        """
        begun = perf_counter()
        retries = Retrying(
            stop=stop_after_attempt(work.attempts),
            wait=wait_random_exponential(multiplier=0.01, max=1.0),
            retry=retry_if_exception_type(_Lost),
        )
        try:
            landed = retries(self._attempt, work, uuid4().hex)
        except RetryError as e:
            raise StoreUnavailable(
                f"lake: {work.name} of {work.table.name} lost {work.attempts} times to other writers; nothing was"
                " written. Run fewer writers on the same months, then repeat the call"
            ) from e
        result = replace(landed, seconds=perf_counter() - begun)
        _LOG.debug(
            "%s of %s: version %s, %d rows, changed %s, %.3f s",
            *(work.name, result.table, result.version, result.rows, result.is_changed, result.seconds),
        )
        return result

    def join_files(self, work: Work, most_bytes: int) -> None:
        """Join the files of a fence that are smaller than some bytes; rows stay.

        It may fail, or another writer be faster: then files stay as they are, and a later call joins them.
        """
        snapshot = self.open(work.table)
        if snapshot is None:
            return
        properties = _properties(work, Change(work.table.empty(), 0), snapshot.version(), uuid4().hex)
        try:
            snapshot.optimize.compact(
                [(cut_of(work.table), "in", list(work.fence))],
                target_size=most_bytes,
                writer_properties=_WRITER,
                commit_properties=properties,
            )
        except (DeltaError, OSError) as e:
            _LOG.warning("%s: its small files stay as they are: %s", work.table.name, _gist(e))

    def _uri(self, table: Table) -> str:
        return f"{self.root}/{table.name}"

    def _attempt(self, work: Work, token: str) -> Commit:
        snapshot = self.open(work.table)
        change = work.plan(snapshot)
        if change is None:
            version = None if snapshot is None else snapshot.version()
            return Commit(work.table.name, version, rows=0, is_changed=False, seconds=0)
        if snapshot is None:
            snapshot = self._create(work.table)
        version = self._write(snapshot, work, change, token)
        return Commit(work.table.name, version, change.rows, is_changed=True, seconds=0)

    def _create(self, table: Table) -> DeltaTable:
        fields = [Field(column.name, _DELTA_TYPES[DTYPE_NAMES[column.dtype]]) for column in table.columns]
        if has_sessions(table):
            fields.append(Field(cut_of(table), PrimitiveType("string")))
        statistics = [name for name in ("session", "ticker") if name in table.names] or [table.key[0]]
        try:
            created = DeltaTable.create(
                self._uri(table),
                DeltaSchema(fields),
                partition_by=[cut_of(table)] if has_sessions(table) else None,
                configuration={**_CONFIGURATION, "delta.dataSkippingStatsColumns": ",".join(statistics)},
                storage_options=self._options,
                # With its retries on, a create that lost the race writes the metadata again as version 1
                commit_properties=CommitProperties(max_commit_retries=0),
            )
        except (DeltaError, OSError) as e:
            if self.open(table) is None:
                raise StoreUnavailable(f"lake: {table.name} cannot be made under {self.root}: {_gist(e)}") from e
            raise _Lost from e
        if created.version() != 0:
            raise _Lost
        return created

    def _write(self, snapshot: DeltaTable, work: Work, change: Change, token: str) -> int:
        stored = {field.name for field in snapshot.schema().fields} - {cut_of(work.table)}
        unknown = sorted(stored - set(work.table.names))
        if unknown:
            raise SchemaMismatch(
                f"{work.table.name}: the lake holds columns that schemas.py does not know: {', '.join(unknown)}."
                " A write would lose them; run the newer code, or rebuild the table",
                table=work.table.name,
            )
        since = snapshot.version()
        try:
            write_deltalake(
                snapshot,
                change.frame,
                mode="append" if change.is_append else "overwrite",  # pyright: ignore[reportArgumentType]
                schema_mode="merge" if len(stored) < len(work.table.names) else None,
                predicate=_predicate(work.table, change),
                writer_properties=_WRITER,
                commit_properties=_properties(work, change, since, token),
            )
        except (DeltaError, OSError) as e:
            return self._settle(work, token, since, e)
        return snapshot.version()

    def _settle(self, work: Work, token: str, since: int, error: Exception) -> int:
        """Find out what a failed write came to: its acknowledgement alone, or the checkpoint after it, may be lost."""
        snapshot = self.open(work.table)
        newer = 0 if snapshot is None else snapshot.version() - since
        entries = snapshot.history(newer) if snapshot is not None and newer > 0 else []
        for entry in entries:
            if entry.get("orion.token") == token:
                _LOG.warning("%s: version %d landed in spite of: %s", work.table.name, entry["version"], _gist(error))
                return entry["version"]
        if isinstance(error, CommitFailedError):
            raise _Lost from error
        raise StoreUnavailable(
            f"lake: {work.name} of {work.table.name} failed and the table is as it was: {_gist(error)}"
        ) from error


def has_sessions(table: Table) -> bool:
    """Say whether the table is cut by session, and so lies in months."""
    return "session" in table.names


def identity(table: Table) -> list[str]:
    """Name the columns that tell one stored row from all others."""
    return [*table.key, "ts_known"] if table.has_versions else [*table.key]


def cut_of(table: Table) -> str:
    """Name the column of the folders: months, or of tables with many rows a session days."""
    return DAY if table.is_intraday else MONTH


def part_of(table: Table, day: date) -> str:
    """Name the month, or day, as its folder does."""
    return day.isoformat() if table.is_intraday else f"{day.year:04d}-{day.month:02d}"


def files_by_month(snapshot: DeltaTable | None, tickers: Sequence[str] | None = None) -> dict[str, list[str]]:
    """Give the paths below the table's folder by month, or day; all under "" where it is not cut.

    Of `tickers`, those that may hold a row of one of them: a day of minutes may lie in as many files as it has tickers.
    """
    found: dict[str, list[str]] = {}
    for uri in [] if snapshot is None else _paths(snapshot, tickers):
        *_, folder, name = uri.split("/")
        column, _, month = folder.partition("=")
        month = month if column in (MONTH, DAY) else ""
        found.setdefault(month, []).append(f"{folder}/{name}" if month else name)
    return found


def _paths(snapshot: DeltaTable, tickers: Sequence[str] | None) -> list[str]:
    """Give URIs, or paths behind a slash: of either the last two parts alone are the table's own."""
    if tickers is None:
        return snapshot.file_uris()
    files = pl.DataFrame(snapshot.get_add_actions(flatten=True))
    if not {"min.ticker", "max.ticker"} <= set(files.columns):
        return snapshot.file_uris()
    asked, first, last = pl.Series(sorted(tickers), dtype=pl.String), files["min.ticker"], files["max.ticker"]
    # The first one asked for that does not come before the file's first; the file may hold it up to its last
    following = asked.extend_constant(None, 1).gather(asked.search_sorted(first, side="left"))
    is_unknown = first.is_null() | last.is_null()
    return [f"/{path}" for path in files["path"].filter(is_unknown | (following <= last).fill_null(value=False))]


def _root(url: str) -> str:
    if url.startswith("s3://"):
        root = url.rstrip("/")
    elif url.startswith("file://"):
        root = unquote(urlsplit(url).path).rstrip("/")
    elif "://" in url or not url:
        raise SettingsError(f"lake: {url!r} is neither a folder nor s3://bucket/prefix; set ORION_LAKE_URL to one")
    else:
        root = str(Path(url).absolute())
    unusable = sorted(_UNUSABLE & set(root))
    if unusable:
        raise SettingsError(f"lake: {root!r} holds {' '.join(unusable)}, which delta-rs cannot take; choose another")
    return root


def _predicate(table: Table, change: Change) -> str | None:
    if change.is_append or not change.months:
        return None
    return f"{cut_of(table)} IN ({', '.join(repr(month) for month in change.months)})"


def _properties(work: Work, change: Change, since: int, token: str) -> CommitProperties:
    return CommitProperties(
        # Two appends pass each other in delta-rs; two commits that carry the same application id do not
        app_transactions=[Transaction(f"orion/{month}", since + 1) for month in work.fence],
        custom_metadata={
            "orion.token": token,
            "orion.operation": work.name,
            "orion.rows": change.rows,
            "orion.start": None if work.start is None else work.start.isoformat(),
            "orion.end": None if work.end is None else work.end.isoformat(),
        },
    )


def _gist(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]
