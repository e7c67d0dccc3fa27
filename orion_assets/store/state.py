"""The state database: the coverage ledger and the followed universe, on SQLite or Postgres. No clock is read here."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
import sqlalchemy as sa

from orion_assets.schemas import UTC_US

LEDGER_SCHEMA: Final = pl.Schema(
    {
        "dataset": pl.String(),
        "ticker": pl.String(),
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
_META = sa.MetaData()
_TYPES: dict[Any, Any] = {
    pl.String(): sa.String,
    pl.Date(): sa.Date,
    pl.Int64(): sa.BigInteger,
    UTC_US: sa.DateTime(timezone=True),
}
_LEDGER = sa.Table(
    "ledger",
    _META,
    *(sa.Column(n, _TYPES[d], primary_key=n in ("dataset", "ticker", "session")) for n, d in LEDGER_SCHEMA.items()),
)
_UNIVERSE = sa.Table(
    "universe",
    _META,
    sa.Column("ticker", sa.String, primary_key=True),
    sa.Column("ts_added", sa.DateTime(timezone=True)),
    sa.Column("ts_removed", sa.DateTime(timezone=True)),
)


class State:
    """Stand-in until the real one lands."""

    def __init__(self, url: str) -> None:
        if url.startswith("sqlite:///"):
            Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        self._engine = sa.create_engine(url, poolclass=sa.NullPool)
        _META.create_all(self._engine)

    def record(self, cells: pl.DataFrame) -> None:
        rows = cells.with_columns(attempts=pl.lit(1)).to_dicts()
        if not rows:
            return
        from sqlalchemy.dialects.sqlite import insert

        with self._engine.begin() as con:
            st = insert(_LEDGER)
            con.execute(
                st.on_conflict_do_update(
                    index_elements=["dataset", "ticker", "session"],
                    set_={c: st.excluded[c] for c in LEDGER_SCHEMA if c not in ("dataset", "ticker", "session")},
                ),
                rows,
            )

    def cells(self, dataset=None, tickers=None, start=None, end=None) -> pl.DataFrame:
        q = sa.select(_LEDGER)
        if dataset:
            q = q.where(_LEDGER.c.dataset == dataset)
        if start:
            q = q.where(_LEDGER.c.session >= start)
        with self._engine.connect() as con:
            return (
                pl.DataFrame(
                    [dict(r._mapping) for r in con.execute(q)], schema=None if False else None, infer_schema_length=None
                )
                if False
                else pl.DataFrame(
                    [tuple(r) for r in con.execute(q)],
                    schema={n: (pl.Datetime("us") if d == UTC_US else d) for n, d in LEDGER_SCHEMA.items()},
                    orient="row",
                ).with_columns(pl.col("ts_known", "ts_updated").dt.replace_time_zone("UTC"))
            )

    def clear(self) -> None:
        with self._engine.begin() as con:
            con.execute(_LEDGER.delete())

    def universe(self) -> tuple[str, ...]:
        with self._engine.connect() as con:
            return tuple(
                r[0]
                for r in con.execute(
                    sa.select(_UNIVERSE.c.ticker).where(_UNIVERSE.c.ts_removed.is_(None)).order_by(_UNIVERSE.c.ticker)
                )
            )

    def add_tickers(self, tickers: Sequence[str], at: datetime) -> tuple[str, ...]:
        new = sorted(set(tickers) - set(self.universe()))
        with self._engine.begin() as con:
            for t in new:
                con.execute(_UNIVERSE.insert().values(ticker=t, ts_added=at))
        return tuple(new)
