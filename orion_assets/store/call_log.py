"""The log of calls in the state database, shared by every process and machine that spends the same budget."""

from typing import Final

import sqlalchemy as sa

from orion_assets.clock import Uptime
from orion_assets.sources.limiter import Entry, Rate, Wait, judge
from orion_assets.store.database import Database
from orion_assets.store.state_tables import CALLS, CLOSURES

_SECOND: Final = 1_000_000
_NOW: Final = sa.text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")


class SharedCallLog:
    """The log of a limiter (sources/limiter.py) on SQLite or Postgres.

    SQLite serves the processes of one machine, so its clock is the time since the machine started, which nobody sets;
    Postgres serves many, so its clock is the server's.
    """

    def __init__(self, url: str, uptime: Uptime) -> None:
        """Point at a state database; nothing is opened or made.

        Args:
            url: `sqlite:///path` or `postgresql://…`.
            uptime: Seconds since the machine started; not read on Postgres.

        Raises:
            SettingsError: The URL is of another kind.
        """
        self._database = Database(url)
        self._uptime = uptime

    def take(self, key: str, rate: Rate, lease_s: float) -> int | Wait:
        """Take a slot, or tell how long to wait; see CallLog."""
        c = CALLS.c
        with self._database.begin() as connection:
            now = self._alone(connection, key)
            rows = connection.execute(sa.select(c.slot, c.ts_taken, c.ts_ended).where(c.budget == key)).all()
            entries = [
                Entry(slot, taken / _SECOND, None if ended is None else ended / _SECOND) for slot, taken, ended in rows
            ]
            closed = connection.scalar(sa.select(CLOSURES.c.ts_until).where(CLOSURES.c.budget == key)) or 0
            verdict = judge(entries, closed / _SECOND, now / _SECOND, rate, lease_s)
            if verdict.expired:
                connection.execute(sa.delete(CALLS).where(c.slot.in_(verdict.expired)))
            if verdict.ahead:
                stamped = sa.update(CALLS).where(c.slot.in_(verdict.ahead))
                # One that still waits for its answer goes on waiting
                ended = sa.case((c.ts_ended > now, now), else_=c.ts_ended)
                connection.execute(
                    stamped.values(ts_taken=sa.case((c.ts_taken > now, now), else_=c.ts_taken), ts_ended=ended)
                )
            if round(verdict.closed_until * _SECOND) < closed:
                earlier = sa.update(CLOSURES).where(CLOSURES.c.budget == key)
                connection.execute(earlier.values(ts_until=round(verdict.closed_until * _SECOND)))
            if verdict.wait_s > 0:
                return Wait(verdict.wait_s)
            taken = sa.insert(CALLS).values(budget=key, ts_taken=now).returning(c.slot)
            return int(connection.execute(taken).scalar_one())

    def end(self, key: str, slot: int) -> None:
        """Say that the call of a slot has ended; see CallLog."""
        with self._database.begin() as connection:
            now = self._alone(connection, key)
            connection.execute(sa.update(CALLS).where(CALLS.c.slot == slot).values(ts_ended=now))

    def close(self, key: str, seconds: float) -> None:
        """Let nobody take a slot for some seconds; see CallLog."""
        with self._database.begin() as connection:
            until = self._alone(connection, key) + round(seconds * _SECOND)
            given = self._database.insert(CLOSURES).values(budget=key, ts_until=until)
            later = sa.case((CLOSURES.c.ts_until > until, CLOSURES.c.ts_until), else_=until)
            connection.execute(given.on_conflict_do_update(index_elements=["budget"], set_={"ts_until": later}))

    def _alone(self, connection: sa.Connection, key: str) -> int:
        """Keep the others of a budget out until the transaction ends, and tell the time, microseconds."""
        if self._database.is_sqlite:
            # The first statement writes, so that the lock is there before anything is read
            connection.execute(sa.delete(CALLS).where(sa.false()))
            return round(self._uptime() * _SECOND)
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext(:key))"), {"key": key})
        return int(connection.execute(_NOW).scalar_one())
