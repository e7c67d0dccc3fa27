"""The state database: the coverage ledger, the log of landings and the followed universe, on SQLite or Postgres.

What the lake can rebuild, what awaits derivation, and what the user chose. No market data, and no clock: instants come
in as arguments.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import polars as pl
import sqlalchemy as sa

from orion_assets.markets import EQUITIES, Market, market_of
from orion_assets.store.database import Database
from orion_assets.store.objects import ObjectLog
from orion_assets.store.state_tables import HISTORIES, LANDINGS, LEDGER, REFERENCE, UNIVERSE
from orion_assets.tables import UTC_US

STATES: Final = ("data", "empty_confirmed", "not_yet", "not_entitled", "not_listed", "quarantined", "failed")
LEDGER_KEY: Final = ("dataset", "ticker", "session")
LEDGER_SCHEMA: Final = pl.Schema(
    {
        "dataset": pl.String(),
        "ticker": pl.String(),  # or * for the whole market
        "session": pl.Date(),
        "state": pl.String(),
        "rows": pl.Int64(),
        "source": pl.String(),
        "evidence": pl.String(),
        "attempts": pl.Int64(),
        "ts_known": UTC_US,
        "ts_updated": UTC_US,
        "detail": pl.String(),
    }
)
_REQUIRED: Final = (*LEDGER_KEY, "state", "rows", "ts_updated")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MANY: Final = 1000


class State:
    """The ledger and the universe in one database; safe for threads and processes, made on first use."""

    def __init__(self, url: str) -> None:
        """Point at a database; nothing is opened or made.

        Args:
            url: `sqlite:///path` or `postgresql://…`.

        Raises:
            SettingsError: The URL is of another kind.
        """
        self._database = Database(url)
        self.objects: Final = ObjectLog(self._database)

    def record(self, cells: pl.DataFrame) -> None:
        """Say what came of cells; the last word on a cell wins.

        Args:
            cells: LEDGER_SCHEMA, each (dataset, ticker, session) once, any order. `attempts` may be absent and is not
                read: a cell starts at 1 and counts up when it is said again with other evidence or as failed.

        Raises:
            SettingsError: The database is of newer code.
            StoreUnavailable: The database does not answer.
            ValueError: A column is missing or of another dtype, a state is unknown, a cell stands twice.
        """
        frame = _checked(cells)
        if frame.is_empty():
            return
        given = self._database.insert(LEDGER)
        told = given.excluded
        is_new_attempt = sa.or_(told.state == "failed", told.evidence.is_distinct_from(LEDGER.c.evidence))
        changed = {name: told[name] for name in LEDGER_SCHEMA if name not in (*LEDGER_KEY, "attempts")}
        upsert = given.on_conflict_do_update(
            index_elements=list(LEDGER_KEY),
            set_={**changed, "attempts": LEDGER.c.attempts + sa.case((is_new_attempt, 1), else_=0)},
        )
        # Sorted, so that two processes lock Postgres rows in one order
        rows = (
            frame.sort(LEDGER_KEY).with_columns(pl.col("ts_known", "ts_updated").to_physical(), attempts=1).to_dicts()
        )
        with self._database.begin() as connection:
            # With RETURNING, SQLAlchemy sends Postgres a thousand rows a statement, not one: 50,000 in 3 s, not 10
            connection.execute(upsert if self._database.is_sqlite else upsert.returning(LEDGER.c.state), rows)

    def log_landing(self, run: str, first_session: date, ts_landed: datetime) -> None:
        """Say that a run has changed raw, bearing upon the sessions from one on; the run's last word counts."""
        given = self._database.insert(LANDINGS).values(
            run=run, first_session=first_session, ts_landed=_micros(ts_landed)
        )
        later = given.on_conflict_do_update(
            index_elements=["run", "first_session"], set_={"ts_landed": given.excluded.ts_landed}
        )
        with self._database.begin() as connection:
            connection.execute(later)

    def landings(self) -> pl.DataFrame:
        """Give every landing: `run` (String), `first_session` (Date), `ts_landed` (UTC)."""
        with self._database.begin() as connection:
            rows = [tuple(row) for row in connection.execute(sa.select(LANDINGS))]
        schema = {"run": pl.String(), "first_session": pl.Date(), "ts_landed": pl.Int64()}
        return pl.DataFrame(rows, schema, orient="row").with_columns(_instant("ts_landed"))

    def mark_histories_due(self, tickers: Iterable[str], ts_due: datetime) -> None:
        """Say that the files of tickers hold what was told otherwise since."""
        self._mark_histories(tickers, {"ts_due": _micros(ts_due)})

    def mark_histories_written(self, tickers: Iterable[str], ts_written: datetime) -> None:
        """Say that the files of tickers were written from what stood at an instant."""
        self._mark_histories(tickers, {"ts_written": _micros(ts_written)})

    def histories_due(self) -> tuple[str, ...]:
        """List the followed tickers whose files were never written, or are no longer right, sorted."""
        h = HISTORIES.c
        is_right = h.ts_written.is_not(None) & (h.ts_due.is_(None) | (h.ts_written > h.ts_due))
        with self._database.begin() as connection:
            right = set(connection.scalars(sa.select(h.ticker).where(is_right)))
        return tuple(ticker for ticker in self.universe() if ticker not in right)

    def _mark_histories(self, tickers: Iterable[str], instants: dict[str, int]) -> None:
        rows = [{"ticker": ticker, **instants} for ticker in sorted(set(tickers))]
        if not rows:
            return
        given = self._database.insert(HISTORIES)
        c = HISTORIES.c
        # The later word counts, whoever comes last to say it
        later = {
            name: sa.case((c[name] > given.excluded[name], c[name]), else_=given.excluded[name]) for name in instants
        }
        told = given.on_conflict_do_update(index_elements=["ticker"], set_=later)
        with self._database.begin() as connection:
            connection.execute(told, rows)

    def count_sessions(
        self, states: Sequence[str], *, dataset: str | None = None, followed: bool = False
    ) -> pl.DataFrame:
        """Count cells by dataset and session, in the database: the ledger of a whole market does not fit in memory.

        Args:
            states: States to count.
            dataset: Only this one.
            followed: Only cells of tickers that are followed now.

        Returns:
            `dataset` (String), `session` (Date), `cells` (Int64), sorted by the first two.
        """
        c = LEDGER.c
        query = sa.select(c.dataset, c.session, sa.func.count()).where(c.state.in_(states))
        if dataset is not None:
            query = query.where(c.dataset == dataset)
        if followed:
            query = query.where(c.ticker.in_(sa.select(UNIVERSE.c.ticker).where(UNIVERSE.c.ts_removed.is_(None))))
        with self._database.begin() as connection:
            rows = [tuple(row) for row in connection.execute(query.group_by(c.dataset, c.session))]
        schema = {"dataset": pl.String(), "session": pl.Date(), "cells": pl.Int64()}
        return pl.DataFrame(rows, schema, orient="row").sort("dataset", "session")

    def count_tickers(self, dataset: str) -> dict[str, int]:
        """Count the recorded cells of a dataset by ticker."""
        c = LEDGER.c
        query = sa.select(c.ticker, sa.func.count()).where(c.dataset == dataset).group_by(c.ticker)
        with self._database.begin() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def cells(
        self,
        dataset: str | None = None,
        tickers: Sequence[str] | None = None,
        start: date | None = None,
        end: date | None = None,
        *,
        states: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Give the recorded cells, sorted by dataset, ticker and session.

        Args:
            dataset: Only this one.
            tickers: Only these; none at all gives no cells.
            start: First session.
            end: First session not given.
            states: Only in these.

        Returns:
            LEDGER_SCHEMA. Cells that nobody recorded have no row.
        """
        c = LEDGER.c
        query = sa.select(LEDGER).order_by(*(c[name] for name in LEDGER_KEY))
        bounds = (
            None if dataset is None else c.dataset == dataset,
            None if tickers is None or len(tickers) > _MANY else c.ticker.in_(tickers),
            None if start is None else c.session >= start,
            None if end is None else c.session < end,
            None if states is None else c.state.in_(states),
        )
        query = query.where(*(bound for bound in bounds if bound is not None))
        with self._database.begin() as connection:
            rows = [tuple(row) for row in connection.execute(query)]
        stored = {name: pl.Int64() if name.startswith("ts_") else dtype for name, dtype in LEDGER_SCHEMA.items()}
        frame = pl.DataFrame(rows, stored, orient="row").with_columns(_instant("ts_known", "ts_updated"))
        # Postgres sorts text by its locale
        frame = frame.sort(LEDGER_KEY)
        return frame if tickers is None else frame.filter(pl.col("ticker").is_in(list(tickers)))

    def sources(self) -> frozenset[str]:
        """Name the sources that answered any cell."""
        query = sa.select(LEDGER.c.source).distinct()
        with self._database.begin() as connection:
            return frozenset(connection.scalars(query)) - {""}

    def clear(self) -> None:
        """Forget the ledger, to rebuild it from the lake; the universe stays."""
        with self._database.begin() as connection:
            connection.execute(sa.delete(LEDGER))

    def universe(self, market: Market | None = EQUITIES) -> tuple[str, ...]:
        """List the followed tickers of a market, sorted; of all markets when None."""
        query = sa.select(UNIVERSE.c.ticker).where(UNIVERSE.c.ts_removed.is_(None))
        with self._database.begin() as connection:
            followed = sorted(connection.scalars(query))
        return tuple(ticker for ticker in followed if market is None or market_of(ticker) is market)

    def add_tickers(self, tickers: Iterable[str], *, ts_added: datetime) -> tuple[str, ...]:
        """Follow tickers from that instant on.

        Returns:
            Those that were not followed before, sorted.
        """
        instant = _micros(ts_added)
        add = self._database.insert(UNIVERSE).on_conflict_do_nothing().returning(UNIVERSE.c.ticker)
        with self._database.begin() as connection:
            return tuple(
                ticker
                for ticker in sorted(set(tickers))
                if connection.scalar(add.values(ticker=ticker, ts_added=instant)) is not None
            )

    def remove_tickers(self, tickers: Iterable[str], *, ts_removed: datetime) -> tuple[str, ...]:
        """Follow tickers no longer from that instant on; what was fetched stays.

        Returns:
            Those that were followed, sorted.
        """
        c = UNIVERSE.c
        forget = sa.delete(HISTORIES)
        remove = sa.update(UNIVERSE).values(ts_removed=_micros(ts_removed)).returning(c.ticker)
        with self._database.begin() as connection:
            return tuple(
                ticker
                for ticker in sorted(set(tickers))
                if connection.scalar(remove.where(c.ticker == ticker, c.ts_removed.is_(None))) is not None
                and connection.execute(forget.where(HISTORIES.c.ticker == ticker))
            )

    def note_reference(self, route: str, subjects: Iterable[str], ts_answered: datetime) -> None:
        """Say when the reference of some subjects, tickers or FIGIs, was answered by a route."""
        instant = _micros(ts_answered)
        rows = [{"route": route, "subject": each, "ts_answered": instant} for each in sorted(set(subjects))]
        if not rows:
            return
        given = self._database.insert(REFERENCE)
        told = given.on_conflict_do_update(
            index_elements=["route", "subject"], set_={"ts_answered": given.excluded.ts_answered}
        )
        with self._database.begin() as connection:
            connection.execute(told, rows)

    def reference(self, route: str) -> dict[str, datetime]:
        """Give when each subject of a route was last answered."""
        query = sa.select(REFERENCE.c.subject, REFERENCE.c.ts_answered).where(REFERENCE.c.route == route)
        with self._database.begin() as connection:
            return {subject: _EPOCH + timedelta(microseconds=at) for subject, at in connection.execute(query)}

    def close(self) -> None:
        """Let go of open connections; the next call opens new ones."""
        self._database.close()


def _checked(cells: pl.DataFrame) -> pl.DataFrame:
    expected = {name: dtype for name, dtype in LEDGER_SCHEMA.items() if name != "attempts"}
    wrong = [f"{name} must be {dtype}" for name, dtype in expected.items() if cells.schema.get(name) != dtype]
    if wrong:
        raise ValueError(f"ledger: {', '.join(wrong)}")
    frame = cells.select(expected.keys())
    nulls = [name for name in _REQUIRED if frame[name].null_count()]
    if nulls:
        raise ValueError(f"ledger: null in {', '.join(nulls)}")
    unknown = set(frame["state"]) - set(STATES)
    if unknown:
        raise ValueError(f"ledger: unknown state {', '.join(sorted(unknown))}; known are {', '.join(STATES)}")
    if frame.select(LEDGER_KEY).is_duplicated().any():
        raise ValueError("ledger: a cell (dataset, ticker, session) stands twice")
    return frame


def _instant(*names: str) -> pl.Expr:
    return pl.col(names).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _micros(instant: datetime) -> int:
    if instant.tzinfo is None:
        raise ValueError(f"state: the instant needs a time zone, was {instant.isoformat()}")
    return (instant - _EPOCH) // timedelta(microseconds=1)
