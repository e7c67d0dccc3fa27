"""The daily graph as plain functions: what the assets wire, without a lake, a store or Dagster."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import polars as pl

from orion_assets import calendars, schemas
from orion_assets.ingest.landing import Landing
from orion_assets.ingest.moment import Moment
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, Answer, said_schema
from orion_assets.transforms.pipeline import derive

RAW = {
    table.name: table
    for table in (
        schemas.RAW_DAILY_BARS,
        schemas.RAW_VIX,
        schemas.RAW_NEWS,
        schemas.RAW_SPLITS,
        schemas.RAW_DIVIDENDS,
    )
}

# After its event a vendor's row is there, unless the world says later
DELAY = timedelta(minutes=15)
NEVER = datetime(1900, 1, 1, tzinfo=UTC)


@dataclass
class World:
    """What a source would say of each raw table, in `said_schema`; `moment` plays the clock.

    `reference` holds RAW_TICKERS rows as landed; without them every ticker is a series of its own.

    A world with `has_clocks` is a file that states when each version became known; one without is a vendor, who shows
    how things stand when he is asked.
    """

    said: dict[str, pl.DataFrame]
    tickers: Sequence[str]
    start: date
    end: date
    has_clocks: bool = True
    held: dict[str, pl.DataFrame] = field(default_factory=dict)
    coverage: dict[str, pl.DataFrame] = field(default_factory=dict)
    reference: pl.DataFrame | None = None
    now: datetime = NEVER

    def land(self, moment: Moment, start: date | None = None, end: date | None = None) -> None:
        """Land what the world says by then of the sessions in [start, end)."""
        start, end = start or self.start, end or self.end
        self.now = max(self.now, moment.now)
        for name, table in RAW.items():
            if name not in self.said:
                continue
            rows = self._told(name, moment.now).filter(pl.col("session").is_between(start, end, closed="left"))
            held = self.held.get(name, table.empty())
            covered = self.coverage.get(name, schemas.RAW_COVERAGE.empty())
            mine = pl.col("session").is_between(start, end, closed="left")
            following = calendars.sessions(start).head(calendars.sessions(start, end).height + 1)
            landing = Landing(table, Answer(rows, (), "evidence"), following, moment)
            news = table.conform(landing.new_versions(held.filter(mine), covered.filter(mine)))
            cells = schemas.RAW_COVERAGE.conform(
                landing.new_coverage(self.tickers, covered.filter(mine), held.filter(mine))
            )
            self.held[name] = table.conform(pl.concat([held, news]))
            self.coverage[name] = pl.concat([covered, cells])

    def _told(self, name: str, now: datetime) -> pl.DataFrame:
        clock = pl.coalesce(TS_STATED, TS_ASSUMED)
        known = self.said[name].filter(clock <= now)
        if self.has_clocks:
            return known
        last = known.sort(clock).unique(RAW[name].key, keep="last", maintain_order=True).filter(~pl.col("is_deleted"))
        assumed = pl.min_horizontal(TS_ASSUMED, pl.col("ts_event") + DELAY)
        return last.with_columns(assumed.alias(TS_ASSUMED), pl.lit(None, pl.Datetime("us", "UTC")).alias(TS_STATED))

    def cut(self, instant: datetime) -> "World":
        """Give this world as its lake stood at an instant: nothing known later."""
        known = pl.col("ts_known") <= instant
        return replace(
            self,
            now=instant,
            held={name: frame.filter(known) for name, frame in self.held.items()},
            coverage={name: frame.filter(known) for name, frame in self.coverage.items()},
        )

    def derive(self, start: date | None = None, end: date | None = None) -> dict[str, pl.DataFrame]:
        """Derive every table for the sessions in [start, end) from what was landed."""
        known = None if self.reference is None else self.reference.filter(pl.col("ts_known") <= self.now)
        raw = {
            **self.held,
            "raw_coverage": pl.concat([schemas.RAW_COVERAGE.empty(), *self.coverage.values()]),
            "raw_universe": universe_of(self.tickers),
            "raw_tickers": schemas.RAW_TICKERS.empty() if known is None else known,
        }
        return dict(derive(raw, calendars.sessions(), start or self.start, end or self.end))


def universe_of(tickers: Sequence[str]) -> pl.DataFrame:
    """These tickers, followed since ever."""
    ever = datetime(1990, 1, 1, tzinfo=UTC)
    clocks = dict.fromkeys(("ts_event", "ts_known", "ts_ingested"), ever)
    rows = [{"ticker": ticker, "is_deleted": False, "availability": "observed", **clocks} for ticker in tickers]
    return pl.DataFrame(rows, schema=schemas.RAW_UNIVERSE.schema)


def said(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Fill the columns a test does not care about: provenance, clocks, nulls."""
    schema = said_schema(schemas.TABLES[name])
    defaults = {
        "is_deleted": pl.lit(value=False),
        "problem": pl.lit(None, pl.String),
        "source": pl.lit("files"),
        "source_file": pl.lit("test.csv"),
        "source_row": pl.int_range(1, pl.len() + 1, dtype=pl.Int64),
        "source_hash": pl.lit("0" * 64),
        TS_STATED: pl.lit(None, pl.Datetime("us", "UTC")),
    }
    filled = rows.with_columns(expr.alias(column) for column, expr in defaults.items() if column not in rows.columns)
    filled = filled.with_columns(
        pl.lit(None, dtype).alias(column) for column, dtype in schema.items() if column not in filled.columns
    )
    return filled.select(pl.col(column).cast(dtype) for column, dtype in schema.items())


def at(frame: pl.DataFrame, instant: datetime) -> pl.DataFrame:
    """Read a derived table as of an instant."""
    return frame.filter(
        (pl.col("ts_known") <= instant)
        & (pl.col("known_until").is_null() | (pl.col("known_until") > instant))
        & ~pl.col("is_deleted")
    )
