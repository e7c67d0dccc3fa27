"""The lake: every table of `schemas.py`, read and written by ranges of sessions.

One call is one atomic commit, readers never wait, and two writers never mix. Paths and months (of minutes: days)
stay in here and in `delta.py`; what a row means, and when it became known, stays out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import polars as pl
from deltalake import DeltaTable

from orion_assets.store.delta import (
    Change,
    Commit,
    DeltaFolder,
    Work,
    cut_of,
    files_by_month,
    has_sessions,
    identity,
    part_of,
)
from orion_assets.tables import UTC_US, Table

__all__ = ["Commit", "Lake"]

# An append adds a small file a month; a month that holds this many is rewritten as one by the next append to it
CROWDED: Final = 32
# Of minutes, whose range is too long to be rewritten at once: a file that is not joined with others any more
SMALL_BYTES: Final = 512 * 1024
MAX_MONTHS: Final = 1200


class Lake:
    """Tables under one root; holds no connection and no cache, so it may be shared and sent to other processes."""

    def __init__(self, url: str, storage_options: Mapping[str, str] | None = None) -> None:
        """Point at a root; nothing is read or made.

        Args:
            url: Folder path, `file://` or `s3://bucket/prefix`.
            storage_options: object_store names, any case: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_REGION, ...

        Raises:
            SettingsError: The URL is of another kind, or holds a character that delta-rs cannot take.
        """
        self._folder = DeltaFolder(url, storage_options)

    def exists(self, table: Table) -> bool:
        """Say whether the table was ever written."""
        return self._folder.open(table) is not None

    def version(self, table: Table) -> int | None:
        """Give the number of the latest commit, or None where there is no table."""
        snapshot = self._folder.open(table)
        return None if snapshot is None else snapshot.version()

    def read(
        self,
        table: Table,
        *,
        start: date | None = None,
        end: date | None = None,
        tickers: Sequence[str] | None = None,
        version: int | None = None,
    ) -> pl.DataFrame:
        """Read the rows with start <= session < end at one version.

        Args:
            table: What to read; an absent table reads as no rows.
            start: First session; None is no bound. Tables without `session` take no bounds and are read whole.
            end: First session not read; None is no bound.
            tickers: Values of `ticker` to read, of a table that has it; None reads all.
            version: A version that a Commit named; the latest when None.

        Returns:
            All versions of the rows, exactly the declared columns, sorted by key and `ts_known`. A column that was
            declared after the rows were written is null in them.

        Raises:
            SchemaMismatch: What is stored cannot be read as declared.
            StoreUnavailable: The lake cannot be reached, or has no such version.
            ValueError: Bounds for a table without `session`.
        """
        if not has_sessions(table) and (start, end) != (None, None):
            raise ValueError(f"lake: {table.name} has no sessions and is read whole; leave start and end out")
        return self._folder.rows(self._folder.open(table, version), table, start, end, tickers)

    def replace(self, table: Table, frame: pl.DataFrame, *, start: date, end: date) -> Commit:
        """Make `frame` all that the table holds of the sessions in [start, end), in one commit.

        Args:
            table: A table with `session`.
            frame: The rows of the range in any order; none clears it.
            start: First session of the range.
            end: First session after it.

        Returns:
            What was committed. Months whose rows are the same stay untouched; if all are, nothing is written.

        Raises:
            SchemaMismatch: `frame` does not conform, or the stored table has columns this code does not know.
            StoreUnavailable: The lake cannot be reached, or other writers won every time. Nothing was changed;
                the call may be repeated.
            ValueError: Rows outside the range, an empty range, or a table without `session`.
        """
        _months(table, start, end)
        new = table.conform(frame).sort(identity(table))
        _check_range(table, new, start, end)
        return self.revise(table, lambda _: new, start=start, end=end)

    def revise(self, table: Table, decide: Callable[[pl.DataFrame], pl.DataFrame], *, start: date, end: date) -> Commit:
        """Replace the rows of the sessions in [start, end) by what `decide` makes of them, as if under a lock.

        As `replace`; `decide` is handed the rows of the range, sorted by key and `ts_known`, and is asked again where
        somebody else committed meanwhile, so it must be pure.
        """
        fence = _months(table, start, end)

        def plan(snapshot: DeltaTable | None) -> Change | None:
            stored = self._rows_of_months(snapshot, table, (fence[0], fence[-1]))
            is_inside = pl.col("session").is_between(start, end, closed="left")
            new = table.conform(decide(stored.filter(is_inside))).sort(identity(table))
            _check_range(table, new, start, end)
            months = _changed_months(table, stored.filter(is_inside), new)
            if not months:
                return None
            return Change(_of_months(table, pl.concat([stored.filter(~is_inside), new]), months), new.height, months)

        return self._folder.commit(Work("replace", table, plan, fence, start, end))

    def append(
        self,
        table: Table,
        decide: Callable[[pl.DataFrame], pl.DataFrame],
        *,
        start: date | None = None,
        end: date | None = None,
        tickers: Sequence[str] | None = None,
    ) -> Commit:
        """Add what `decide` makes of the rows that are there, as if under a lock.

        The commit lands only if nobody else committed to the months of the range since they were read; otherwise
        they are read again and `decide` is asked again, so it must be pure.

        Args:
            table: Any table; one without `session` takes no range and is handed over whole.
            decide: Rows of the range, sorted by key and `ts_known`, to the new rows; no rows: nothing to add.
            start: First session of the range.
            end: First session after it.
            tickers: Values of `ticker` to hand over, where the new rows are of these alone; None hands over all.

        Returns:
            What was committed. Small files of minutes that have become many are joined in a further commit.

        Raises:
            SchemaMismatch: The new rows do not conform, or repeat a key and `ts_known` that is there.
            StoreUnavailable: As for `replace`.
            ValueError: New rows outside the range, or of other tickers, or a range that does not suit the table.
        """
        fence = _fence(table, start, end)
        crowded: tuple[str, ...] = ()

        def plan(snapshot: DeltaTable | None) -> Change | None:
            nonlocal crowded
            current = self._folder.rows(snapshot, table, start, end, tickers)
            new = table.conform(decide(current))
            if new.is_empty():
                return None
            if tickers is not None:
                _check_tickers(table, new, tickers)
            if start is not None and end is not None:
                _check_range(table, new, start, end)
            table.conform(pl.concat([current, new]))
            change = self._appended(snapshot, table, new)
            if table.is_intraday:
                files = files_by_month(snapshot)
                # With the one that each of them gets now
                crowded = tuple(day for day in change.months if len(files.get(day, ())) + 1 >= CROWDED)
            return change

        commit = self._folder.commit(Work("append", table, plan, fence, start, end))
        if commit.is_changed and crowded:
            # Larger files stay, so that a row is written twice and not more often
            self._folder.join_files(Work("compact", table, lambda _: None, crowded), SMALL_BYTES)
        return commit

    def overwrite(self, table: Table, frame: pl.DataFrame) -> Commit:
        """Make `frame` all that a table without `session` holds; an unchanged table is not written.

        Raises:
            SchemaMismatch: As for `replace`.
            StoreUnavailable: As for `replace`.
            ValueError: The table has sessions; use `replace`.
        """
        if has_sessions(table):
            raise ValueError(f"lake: {table.name} has sessions; use replace with a range")
        new = table.conform(frame).sort(identity(table))

        def plan(snapshot: DeltaTable | None) -> Change | None:
            is_same = snapshot is not None and self._folder.rows(snapshot, table).equals(new)
            return None if is_same else Change(new, new.height)

        return self._folder.commit(Work("overwrite", table, plan))

    def file_count(self, table: Table) -> int:
        """Count the files that hold the newest version of a table; 0 where it was never written."""
        return sum(len(names) for names in files_by_month(self._folder.open(table)).values())

    def compact(self, table: Table) -> Commit:
        """Rewrite each month of several files as one; rows stay, and older versions stay readable.

        Of minutes each day is a commit of its own, for all of them may not fit into memory; the last one is returned.
        """
        files = files_by_month(self._folder.open(table))
        crowded = tuple(sorted(month for month, names in files.items() if len(names) > 1))
        parts = [(day,) for day in crowded] if table.is_intraday and crowded else [crowded]
        return [self._compacted(table, part) for part in parts][-1]

    def _compacted(self, table: Table, months: tuple[str, ...]) -> Commit:
        def plan(snapshot: DeltaTable | None) -> Change | None:
            if not months:
                return None
            if not has_sessions(table):
                rows = self._folder.rows(snapshot, table)
                return Change(rows, rows.height)
            rows = _of_months(table, self._rows_of_months(snapshot, table, months), months)
            return Change(rows, rows.height, months)

        return self._folder.commit(Work("compact", table, plan, months if has_sessions(table) else ("table",)))

    def months(self, table: Table) -> list[date]:
        """List the months, by their first day, of which the table holds rows; ascending.

        Raises:
            ValueError: The table has no sessions.
        """
        if not has_sessions(table):
            raise ValueError(f"lake: {table.name} has no sessions and is not kept by month")
        parts = files_by_month(self._folder.open(table))
        return sorted({date.fromisoformat(f"{part[:7]}-01") for part in parts})

    def history(self, table: Table) -> pl.DataFrame:
        """List the commits, newest first.

        Returns:
            `version` (Int64), `ts_committed` (the writer's clock; audit only), `operation` (replace, append,
            overwrite, compact, create), `start` and `end` (Date, the range; null where there was none), `rows`.
        """
        snapshot = self._folder.open(table)
        entries = [] if snapshot is None else snapshot.history()
        columns = {
            "version": [entry["version"] for entry in entries],
            "ts_committed": [datetime.fromtimestamp(entry["timestamp"] / 1000, UTC) for entry in entries],
            "operation": [entry.get("orion.operation", "create") for entry in entries],
            "start": [entry.get("orion.start") for entry in entries],
            "end": [entry.get("orion.end") for entry in entries],
            "rows": [entry.get("orion.rows", 0) for entry in entries],
        }
        text = {"operation": pl.String(), "start": pl.String(), "end": pl.String()}
        frame = pl.DataFrame(columns, {"version": pl.Int64(), "ts_committed": UTC_US, **text, "rows": pl.Int64()})
        return frame.with_columns(pl.col("start", "end").str.to_date("%Y-%m-%d"))

    def _rows_of_months(self, snapshot: DeltaTable | None, table: Table, months: tuple[str, ...]) -> pl.DataFrame:
        if table.is_intraday:
            return self._folder.rows(snapshot, table, *_whole(date.fromisoformat(day) for day in months))
        first, last = date.fromisoformat(f"{months[0]}-01"), date.fromisoformat(f"{months[-1]}-01")
        after = date(last.year + last.month // 12, last.month % 12 + 1, 1)
        return self._folder.rows(snapshot, table, first, after)

    def _appended(self, snapshot: DeltaTable | None, table: Table, new: pl.DataFrame) -> Change:
        if not has_sessions(table):
            return Change(new, new.height, is_append=True)
        rows = _with_month(table, new)
        months = tuple(rows[cut_of(table)].unique().sort())
        if table.is_intraday:
            return Change(rows, new.height, months, is_append=True)
        files = files_by_month(snapshot)
        if max(len(files.get(month, ())) for month in months) < CROWDED:
            return Change(rows, new.height, months, is_append=True)
        stored = self._rows_of_months(snapshot, table, months)
        return Change(_of_months(table, pl.concat([stored, new]), months), new.height, months)


def _fence(table: Table, start: date | None, end: date | None) -> tuple[str, ...]:
    if not has_sessions(table):
        if (start, end) != (None, None):
            raise ValueError(f"lake: {table.name} has no sessions; leave start and end out")
        return ("table",)
    if start is None or end is None:
        raise ValueError(f"lake: an append to {table.name} needs start and end, the sessions it looks at")
    return _months(table, start, end)


def _months(table: Table, start: date, end: date) -> tuple[str, ...]:
    if not has_sessions(table):
        raise ValueError(f"lake: {table.name} has no sessions; use overwrite")
    if start >= end:
        raise ValueError(f"lake: {table.name} [{start}, {end}) holds no session; ranges are [start, end)")
    final = date.fromordinal(end.toordinal() - 1)
    first, last = (day.year * 12 + day.month - 1 for day in (start, final))
    if last - first >= MAX_MONTHS:
        raise ValueError(f"lake: {table.name} [{start}, {end}) is longer than {MAX_MONTHS} months; state a real range")
    if table.is_intraday:
        return tuple(part_of(table, date.fromordinal(day)) for day in range(start.toordinal(), end.toordinal()))
    return tuple(part_of(table, date(month // 12, month % 12 + 1, 1)) for month in range(first, last + 1))


def _check_range(table: Table, frame: pl.DataFrame, start: date, end: date) -> None:
    stray = frame.filter(~pl.col("session").is_between(start, end, closed="left"))
    if not stray.is_empty():
        raise ValueError(
            f"lake: {stray.height} rows of {table.name} are outside [{start}, {end}), the first of session"
            f" {stray['session'][0]}; nothing was written"
        )


def _check_tickers(table: Table, frame: pl.DataFrame, tickers: Sequence[str]) -> None:
    stray = frame.filter(~pl.col("ticker").is_in(list(tickers)))
    if not stray.is_empty():
        raise ValueError(
            f"lake: {stray.height} rows of {table.name} are of tickers that were not handed over, the first"
            f" {stray['ticker'][0]}; nothing was written"
        )


def _whole(days: Iterable[date]) -> tuple[date, date]:
    ordered = sorted(days)
    return ordered[0], ordered[-1] + timedelta(days=1)


def _with_month(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    form = "%Y-%m-%d" if table.is_intraday else "%Y-%m"
    return frame.with_columns(pl.col("session").dt.strftime(form).alias(cut_of(table)))


def _of_months(table: Table, frame: pl.DataFrame, months: tuple[str, ...]) -> pl.DataFrame:
    return _with_month(table, frame).filter(pl.col(cut_of(table)).is_in(months))


def _changed_months(table: Table, old: pl.DataFrame, new: pl.DataFrame) -> tuple[str, ...]:
    if old.equals(new):
        return ()
    before, after = (
        _with_month(table, frame).partition_by(cut_of(table), as_dict=True, include_key=False, maintain_order=True)
        for frame in (old, new)
    )
    keys = before.keys() | after.keys()
    is_same = {key: key in before and key in after and before[key].equals(after[key]) for key in keys}
    return tuple(sorted(str(key[0]) for key in keys if not is_same[key]))
