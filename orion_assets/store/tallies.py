"""Questions that count the ledger in the database: a whole market's cells do not fit into memory. SQL, no rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import sqlalchemy as sa

from orion_assets.store.state_tables import LEDGER

Select = sa.Select[*tuple[Any, ...]]
# States of cells that need no reason
_ANSWERED: Final = ("data", "empty_confirmed")
_C: Final = LEDGER.c


@dataclass(frozen=True)
class Scope:
    """Which cells to count.

    Attributes:
        dataset: Only this one.
        tickers: Only these; those kept for the whole market, `*`, are not among them.
        start: First session.
        end: First session not counted.
    """

    dataset: str | None = None
    tickers: Sequence[str] | None = None
    start: date | None = None
    end: date | None = None

    @property
    def bounds(self) -> list[sa.ColumnElement[bool]]:
        """Give what a cell must satisfy."""
        found = (
            None if self.dataset is None else _C.dataset == self.dataset,
            None if self.tickers is None else _C.ticker.in_(list(self.tickers)),
            None if self.start is None else _C.session >= self.start,
            None if self.end is None else _C.session < self.end,
        )
        return [bound for bound in found if bound is not None]


EVERYTHING: Final = Scope()


def by_session(scope: Scope, states: Sequence[str], datasets: Sequence[str] | None = None) -> Select:
    """Count by dataset, state and session, by an index alone; `datasets` are named where few cells are to be found."""
    group = (_C.dataset, _C.state, _C.session)
    counted = sa.select(*group, sa.func.count()).where(_C.state.in_(states), *scope.bounds).group_by(*group)
    return counted if datasets is None else counted.where(_C.dataset.in_(datasets))


def by_ticker(scope: Scope, states: Sequence[str]) -> Select:
    """Count each state by dataset and ticker, with the first and the last session: along the key, nothing is sorted."""
    each = [sa.func.sum(sa.case((_C.state == state, 1), else_=0)) for state in states]
    span = sa.func.min(_C.session), sa.func.max(_C.session)
    return sa.select(_C.dataset, _C.ticker, *span, *each).where(*scope.bounds).group_by(_C.dataset, _C.ticker)


def by_month(scope: Scope, states: Sequence[str], *, is_sqlite: bool) -> Select:
    """Count each state by dataset, ticker and month: for some tickers."""
    month = sa.func.substr(_C.session, 1, 7) if is_sqlite else sa.func.to_char(_C.session, "YYYY-MM")
    return by_ticker(scope, states).add_columns(month).group_by(month)


def reasons(scope: Scope, datasets: Sequence[str], states: Sequence[str]) -> Select:
    """Count what cells in some states say of themselves, those alike together; by an index, where both are named."""
    group = (_C.dataset, _C.state, _C.evidence, _C.detail)
    who = sa.func.count(_C.ticker.distinct()), sa.func.min(_C.ticker)
    span = sa.func.min(_C.session), sa.func.max(_C.session), sa.func.max(_C.attempts)
    counted = sa.select(*group, sa.func.count(), *who, *span)
    named = _C.dataset.in_(datasets), _C.state.in_(states)
    return counted.where(*named, *scope.bounds).group_by(*group)


def tickers_of(dataset: str) -> Select:
    """Count the tickers of a dataset."""
    return sa.select(sa.func.count(_walk(_C.ticker, _C.dataset == dataset)))


def datasets() -> Select:
    """Name the datasets that there are cells of."""
    name = _walk(_C.dataset)
    return sa.select(name).where(name.is_not(None))


def sessions_in(dataset: str, state: str) -> Select:
    """Name the sessions of a dataset that hold a cell in a state, by the index alone."""
    session = _walk(_C.session, _C.dataset == dataset, _C.state == state)
    return sa.select(sa.literal(dataset), session).where(session.is_not(None))


def _walk(column: sa.Column[Any], *within: sa.ColumnElement[bool]) -> sa.ColumnElement[Any]:
    """Give the values of a column by one look at each: from one to the next, along the key or an index."""
    first = sa.select(sa.func.min(column)).where(*within)
    walk = first.cte("walk", recursive=True)
    following = first.where(column > walk.c[0]).correlate(walk).scalar_subquery()
    return walk.union_all(sa.select(following).where(walk.c[0].is_not(None))).c[0]


def first_session(dataset: str) -> Select:
    """Find the first session of a dataset that was answered."""
    firsts = [
        sa.select(sa.func.min(_C.session).label("first")).where(_C.dataset == dataset, _C.state == state)
        for state in _ANSWERED
    ]
    both = sa.union_all(*firsts).subquery()
    return sa.select(sa.func.min(both.c.first))
