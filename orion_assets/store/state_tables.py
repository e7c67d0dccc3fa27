"""The tables of the state database; what they mean, state.py says."""

from typing import Final

import sqlalchemy as sa

METADATA: Final = sa.MetaData()
# Instants are microseconds since 1970 in UTC: SQLite knows no time zone
LEDGER: Final = sa.Table(
    "ledger",
    METADATA,
    sa.Column("dataset", sa.Text, primary_key=True),
    sa.Column("ticker", sa.Text, primary_key=True),
    sa.Column("session", sa.Date, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("source", sa.Text),
    sa.Column("evidence", sa.Text),
    sa.Column("attempts", sa.BigInteger, nullable=False),
    sa.Column("ts_known", sa.BigInteger),
    sa.Column("ts_updated", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.Text),
    sa.Index("ledger_by_session", "session"),
    # Counts read it alone: five million cells are counted by state and session without a look at the cells
    sa.Index("ledger_by_state", "dataset", "state", "session", "ticker"),
    # The cells in the order of their key, each once: half the room, and those of a ticker lie together
    sqlite_with_rowid=False,
)
# Who answered any cell, so that nobody has to look through the ledger for it
SOURCES: Final = sa.Table("sources", METADATA, sa.Column("source", sa.Text, primary_key=True))
UNIVERSE: Final = sa.Table(
    "universe",
    METADATA,
    sa.Column("ticker", sa.Text, primary_key=True),
    sa.Column("ts_added", sa.BigInteger, primary_key=True),
    sa.Column("ts_removed", sa.BigInteger),
)
FOLLOWED_ONCE: Final = sa.Index(
    "universe_followed_once",
    UNIVERSE.c.ticker,
    unique=True,
    sqlite_where=UNIVERSE.c.ts_removed.is_(None),
    postgresql_where=UNIVERSE.c.ts_removed.is_(None),
)
# What changed in raw, and since when: features published before, or beside it, were not derived from it
LANDINGS: Final = sa.Table(
    "landings",
    METADATA,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("first_session", sa.Date, primary_key=True),
    sa.Column("ts_landed", sa.BigInteger, nullable=False),
)
# The same of what bears upon its own session alone
TOUCHES: Final = sa.Table(
    "touches",
    METADATA,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("session", sa.Date, primary_key=True),
    sa.Column("ts_landed", sa.BigInteger, nullable=False),
)
# Files by ticker: when one was last written, and when last something told otherwise that it holds
HISTORIES: Final = sa.Table(
    "histories",
    METADATA,
    sa.Column("ticker", sa.Text, primary_key=True),
    sa.Column("ts_due", sa.BigInteger),
    sa.Column("ts_written", sa.BigInteger),
)
# When the reference, which has no sessions, was last answered by which route; forgotten, it is asked for once more
REFERENCE: Final = sa.Table(
    "reference",
    METADATA,
    sa.Column("route", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("ts_answered", sa.BigInteger, nullable=False),
)
# Calls of every budget, and until when a vendor wants none; microseconds of the clock that call_log.py says
CALLS: Final = sa.Table(
    "calls",
    METADATA,
    sa.Column("slot", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("budget", sa.Text, nullable=False),
    sa.Column("ts_taken", sa.BigInteger, nullable=False),
    sa.Column("ts_ended", sa.BigInteger),
    sa.Index("calls_by_budget", "budget"),
    sqlite_autoincrement=True,
)
CLOSURES: Final = sa.Table(
    "closures",
    METADATA,
    sa.Column("budget", sa.Text, primary_key=True),
    sa.Column("ts_until", sa.BigInteger, nullable=False),
)
# Of a session that came as one object: which version of it was landed, and how many tickers that held
OBJECTS: Final = sa.Table(
    "objects",
    METADATA,
    sa.Column("dataset", sa.Text, primary_key=True),
    sa.Column("session", sa.Date, primary_key=True),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("tickers", sa.BigInteger, nullable=False),
    sa.Column("ts_read", sa.BigInteger, nullable=False),
)
# How far back a key was found to reach, by raw table; a key is named as its budget is
FLOORS: Final = sa.Table(
    "entitlement_floors",
    METADATA,
    sa.Column("budget", sa.Text, primary_key=True),
    sa.Column("dataset", sa.Text, primary_key=True),
    sa.Column("first_session", sa.Date, nullable=False),
    sa.Column("is_rolling", sa.Boolean, nullable=False),
    sa.Column("probed_on", sa.Date, nullable=False),
)
# What a check that a run alone can judge last said of a session or a ticker: the rows it accuses, as JSON
VERDICTS: Final = sa.Table(
    "verdicts",
    METADATA,
    sa.Column("asset", sa.Text, primary_key=True),
    sa.Column("check", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("accused", sa.Text, nullable=False),
    sa.Column("ts_judged", sa.BigInteger, nullable=False),
)
# Daily bars that were last held against those of a second source, and whose; forgotten, nothing counts as compared
COMPARISONS: Final = sa.Table(
    "comparisons",
    METADATA,
    sa.Column("ticker", sa.Text, primary_key=True),
    sa.Column("session", sa.Date, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("is_bar", sa.Boolean, nullable=False),
)
SCHEMA_VERSION: Final = sa.Table("schema_version", METADATA, sa.Column("version", sa.Integer, primary_key=True))
