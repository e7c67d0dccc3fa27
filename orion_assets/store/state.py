"""The state database: the coverage ledger, the log of landings and the followed universe, on SQLite or Postgres.

What the lake can rebuild, what awaits derivation, and what the user chose. No market data, and no clock: instants come
in as arguments.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import polars as pl
import sqlalchemy as sa

from orion_assets.markets import EQUITIES, Market, market_of
from orion_assets.store import tallies
from orion_assets.store.comparisons import ComparisonLog
from orion_assets.store.database import Database, micros
from orion_assets.store.last_word import said_last
from orion_assets.store.objects import ObjectLog
from orion_assets.store.reference_log import ReferenceLog
from orion_assets.store.state_tables import HISTORIES, LANDINGS, LEDGER, SOURCES, TOUCHES, UNIVERSE
from orion_assets.store.tallies import EVERYTHING, Scope
from orion_assets.store.verdicts import VerdictLog
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
_OF_TICKER: Final[Mapping[str, pl.DataType]] = {
    **dict.fromkeys(("dataset", "ticker"), pl.String()),
    **dict.fromkeys(("first", "last"), pl.Date()),
    **dict.fromkeys(STATES, pl.Int64()),
}
_FOLLOWED: Final = sa.select(UNIVERSE.c.ticker).where(UNIVERSE.c.ts_removed.is_(None))
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
        self.reference: Final = ReferenceLog(self._database)
        self.verdicts: Final = VerdictLog(self._database)
        self.comparisons: Final = ComparisonLog(self._database)

    @property
    def is_there(self) -> bool:
        """Whether there is a database already; a server has one."""
        return self._database.is_there

    def record(self, cells: pl.DataFrame) -> None:
        """Say what came of cells; the last word on a cell wins, but none of before an answer takes that answer back.

        Args:
            cells: LEDGER_SCHEMA, each (dataset, ticker, session) once, any order. `attempts` may be absent and is not
                read: a cell starts at 1 and counts up when it is said again with other evidence, as failed, or later
                in a state of what was asked for in vain; an answer that is held back at the instant at which it was
                landed is one attempt. `ts_updated` never moves back.

        Raises:
            SettingsError: The database is of newer code.
            StoreUnavailable: The database does not answer.
            ValueError: A column is missing or of another dtype, a state is unknown, a cell stands twice.
        """
        frame = _checked(cells)
        if frame.height:
            with self._database.begin() as connection:
                self._record(connection, frame)

    def amend(self, forgotten: pl.DataFrame, told: pl.DataFrame) -> None:
        """Forget cells and say others, as one: nobody finds the ledger between the two.

        Args:
            forgotten: LEDGER_KEY and `ts_updated`: cells as they were read. One that was said again since stays.
            told: As `record` takes it. The attempts of those that were forgotten begin anew.
        """
        frame, c = _checked(told), LEDGER.c
        names = [*LEDGER_KEY, "ts_updated"]
        one = sa.and_(*(c[name] == sa.bindparam(f"_{name}") for name in names))
        rows = forgotten.select(pl.col(names).name.prefix("_")).with_columns(pl.col("_ts_updated").to_physical())
        with self._database.begin() as connection:
            if rows.height:
                connection.execute(sa.delete(LEDGER).where(one), rows.sort(pl.all()).to_dicts())
            if frame.height:
                self._record(connection, frame)

    def _record(self, connection: sa.Connection, frame: pl.DataFrame) -> None:
        upsert = said_last(self._database.insert(LEDGER))
        # Sorted, so that two processes lock Postgres rows in one order
        rows = (
            frame.sort(LEDGER_KEY).with_columns(pl.col("ts_known", "ts_updated").to_physical(), attempts=1).to_dicts()
        )
        named = [{"source": name} for name in frame["source"].drop_nulls().unique().sort()]
        if named:
            connection.execute(self._database.insert(SOURCES).on_conflict_do_nothing(), named)
        # With RETURNING, SQLAlchemy sends Postgres a thousand rows a statement, not one: 50,000 in 3 s, not 10
        connection.execute(upsert if self._database.is_sqlite else upsert.returning(LEDGER.c.state), rows)

    def log_landing(self, run: str, first_session: date, ts_landed: datetime) -> None:
        """Say that a run has changed raw, bearing upon the sessions from one on; the run's last word counts."""
        given = self._database.insert(LANDINGS).values(
            run=run, first_session=first_session, ts_landed=micros(ts_landed)
        )
        later = given.on_conflict_do_update(
            index_elements=["run", "first_session"], set_={"ts_landed": given.excluded.ts_landed}
        )
        with self._database.begin() as connection:
            connection.execute(later)

    def log_touch(self, run: str, sessions: Iterable[date], ts_landed: datetime) -> None:
        """Say that a run has changed raw, bearing upon some sessions and no other; the run's last word counts."""
        rows = [{"run": run, "session": day, "ts_landed": micros(ts_landed)} for day in sorted(set(sessions))]
        if not rows:
            return
        given = self._database.insert(TOUCHES)
        later = given.on_conflict_do_update(
            index_elements=["run", "session"], set_={"ts_landed": given.excluded.ts_landed}
        )
        with self._database.begin() as connection:
            connection.execute(later, rows)

    def touches(self) -> pl.DataFrame:
        """Give every landing that bears upon its own sessions alone: `run`, `session`, `ts_landed` (UTC)."""
        schema = {"run": pl.String(), "session": pl.Date(), "ts_landed": pl.Int64()}
        return self._frame(sa.select(TOUCHES), schema).with_columns(_instant("ts_landed"))

    def landings(self) -> pl.DataFrame:
        """Give every landing: `run` (String), `first_session` (Date), `ts_landed` (UTC)."""
        schema = {"run": pl.String(), "first_session": pl.Date(), "ts_landed": pl.Int64()}
        return self._frame(sa.select(LANDINGS), schema).with_columns(_instant("ts_landed"))

    def mark_histories_due(self, tickers: Iterable[str], ts_due: datetime) -> None:
        """Say that the files of tickers hold what was told otherwise since."""
        self._mark_histories(tickers, {"ts_due": micros(ts_due)})

    def mark_histories_written(self, tickers: Iterable[str], ts_written: datetime) -> None:
        """Say that the files of tickers were written from what stood at an instant."""
        self._mark_histories(tickers, {"ts_written": micros(ts_written)})

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
        query = tallies.by_session(Scope(dataset), tuple(states), self._sought(dataset, states))
        if followed:
            query = query.where(LEDGER.c.ticker.in_(_FOLLOWED))
        schema = {"dataset": pl.String(), "state": pl.String(), "session": pl.Date(), "cells": pl.Int64()}
        counted = self._frame(query, schema).group_by("dataset", "session").agg(pl.col("cells").sum())
        return counted.sort("dataset", "session")

    def tally(self, scope: Scope = EVERYTHING, states: Sequence[str] = STATES) -> pl.DataFrame:
        """Count cells by dataset, session and state, in the database.

        Returns:
            `dataset`, `state` (String), `session` (Date), `cells` (Int64), sorted by dataset, session and state.
        """
        schema = {"dataset": pl.String(), "state": pl.String(), "session": pl.Date(), "cells": pl.Int64()}
        query = tallies.by_session(scope, tuple(states), self._sought(scope.dataset, states))
        return self._frame(query, schema).sort("dataset", "session", "state")

    def _sought(self, dataset: str | None, states: Sequence[str]) -> list[str] | None:
        """Name the datasets where that lets the database seek: for rare states of all of them."""
        return self.datasets() if dataset is None and "data" not in states else None

    def tally_tickers(self, scope: Scope = EVERYTHING) -> pl.DataFrame:
        """Count cells by dataset and ticker, in the database.

        Returns:
            `dataset`, `ticker` (String), `first`, `last` (Date, sessions), a count (Int64) named after each state.
        """
        return self._frame(tallies.by_ticker(scope, STATES), _OF_TICKER).sort("dataset", "ticker")

    def tally_months(self, scope: Scope = EVERYTHING) -> pl.DataFrame:
        """Count cells as `tally_tickers`, and by `month` (String, 2014-06): of some tickers, for all it sorts them."""
        query = tallies.by_month(scope, STATES, is_sqlite=self._database.is_sqlite)
        return self._frame(query, {**_OF_TICKER, "month": pl.String()}).sort("dataset", "ticker", "month")

    def reasons(self, scope: Scope = EVERYTHING) -> pl.DataFrame:
        """Give what cells that are not answered say of themselves, those that say the same as one row.

        Returns:
            `dataset`, `state`, `evidence`, `detail` (String), `cells`, `tickers` (Int64), `ticker` (the first of them),
            `first`, `last` (Date), `attempts` (Int64, the most), sorted by dataset, state and first.
        """
        text = dict.fromkeys(("dataset", "state", "evidence", "detail"), pl.String())
        counts = {"cells": pl.Int64(), "tickers": pl.Int64(), "ticker": pl.String()}
        spans = {"first": pl.Date(), "last": pl.Date(), "attempts": pl.Int64()}
        named = [scope.dataset] if scope.dataset else self.datasets()
        found = self._frame(tallies.reasons(scope, named, STATES[2:]), {**text, **counts, **spans})
        return found.sort("dataset", "state", "first", "ticker", "detail", nulls_last=True)

    def datasets(self) -> list[str]:
        """Name the datasets that there are cells of, sorted."""
        with self._database.begin() as connection:
            return sorted(connection.scalars(tallies.datasets()))

    def sessions_in(self, states: Sequence[str]) -> pl.DataFrame:
        """Give the sessions that hold a cell in some states, by one look at each: `dataset`, `session`."""
        schema = {"dataset": pl.String(), "session": pl.Date()}
        queries = [tallies.sessions_in(dataset, state) for dataset in self.datasets() for state in states]
        # In one transaction: each is a connection
        with self._database.begin() as connection:
            rows = [tuple(row) for query in queries for row in connection.execute(query)]
        return pl.DataFrame(rows, schema, orient="row").unique()

    def ticker_count(self, dataset: str) -> int:
        """Count the tickers that a dataset has cells of, `*` as one."""
        with self._database.begin() as connection:
            return int(connection.scalar(tallies.tickers_of(dataset)) or 0)

    def first_session(self, dataset: str) -> date | None:
        """Give the first session of a dataset that was answered; None where none was."""
        with self._database.begin() as connection:
            return connection.scalar(tallies.first_session(dataset))

    def _frame(self, query: sa.Select[*tuple[Any, ...]], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
        with self._database.begin() as connection:
            rows = [tuple(row) for row in connection.execute(query)]
        return pl.DataFrame(rows, dict(schema), orient="row")

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
        limit: int | None = None,
    ) -> pl.DataFrame:
        """Give the recorded cells, sorted by dataset, ticker and session.

        Args:
            dataset: Only this one.
            tickers: Only these; none at all gives no cells.
            start: First session.
            end: First session not given.
            states: Only in these.
            limit: Only so many, the first.

        Returns:
            LEDGER_SCHEMA. Cells that nobody recorded have no row.
        """
        c = LEDGER.c
        query = sa.select(LEDGER)
        bounds = (
            None if dataset is None else c.dataset == dataset,
            None if tickers is None or len(tickers) > _MANY else c.ticker.in_(tickers),
            None if start is None else c.session >= start,
            None if end is None else c.session < end,
            None if states is None else c.state.in_(states),
        )
        query = query.where(*(bound for bound in bounds if bound is not None))
        if limit is not None:
            query = query.order_by(*(c[name] for name in LEDGER_KEY)).limit(limit)
        stored = {name: pl.Int64() if name.startswith("ts_") else dtype for name, dtype in LEDGER_SCHEMA.items()}
        frame = self._frame(query, stored).with_columns(_instant("ts_known", "ts_updated"))
        # Postgres sorts text by its locale
        frame = frame.sort(LEDGER_KEY)
        return frame if tickers is None else frame.filter(pl.col("ticker").is_in(list(tickers)))

    def sources(self) -> frozenset[str]:
        """Name the sources that answered any cell."""
        with self._database.begin() as connection:
            named = frozenset(connection.scalars(sa.select(SOURCES.c.source)))
            # A ledger that was kept before sources were
            told = named or frozenset(connection.scalars(sa.select(LEDGER.c.source).distinct()))
        return frozenset(name for name in told if name)

    def clear(self) -> None:
        """Forget the ledger, to rebuild it from the lake."""
        with self._database.begin() as connection:
            connection.execute(sa.delete(LEDGER))

    def universe(self, market: Market | None = EQUITIES) -> tuple[str, ...]:
        """List the followed tickers of a market, sorted; of all markets when None."""
        with self._database.begin() as connection:
            followed = sorted(connection.scalars(_FOLLOWED))
        return tuple(ticker for ticker in followed if market is None or market_of(ticker) is market)

    def add_tickers(self, tickers: Iterable[str], *, ts_added: datetime) -> tuple[str, ...]:
        """Follow tickers from that instant on.

        Returns:
            Those that were not followed before, sorted.
        """
        instant = micros(ts_added)
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
        remove = sa.update(UNIVERSE).values(ts_removed=micros(ts_removed)).returning(c.ticker)
        with self._database.begin() as connection:
            return tuple(
                ticker
                for ticker in sorted(set(tickers))
                if connection.scalar(remove.where(c.ticker == ticker, c.ts_removed.is_(None))) is not None
                and connection.execute(forget.where(HISTORIES.c.ticker == ticker))
            )

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
