"""The synthetic source: the exchange of market.py as a vendor would tell of it, with delays, corrections and faults.

Docs: docs/reference/synthetic-market.md. Sessions 2022-01-03 to 2024-12-31, prices as traded, everything by 15 minutes
after its event but for what planted.py says. No network, no limits, no key; nothing of it is real.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from typing import ClassVar, Final

import polars as pl

from orion_assets.schemas import RAW_DAILY_BARS, RAW_DIVIDENDS, RAW_NEWS, RAW_SPLITS, RAW_TICKERS, RAW_VIX, TABLES
from orion_assets.sources.protocols import (
    TS_ASSUMED,
    TS_STATED,
    Answer,
    Ask,
    Document,
    said_schema,
    spoken_by,
)
from orion_assets.sources.routes import Route
from orion_assets.sources.synthetic.faults import accusations, with_faults
from orion_assets.sources.synthetic.market import SEED, Market
from orion_assets.sources.synthetic.news import news
from orion_assets.tables import UTC_US

# Changes of the generator that change what it says
VERSION: Final = 1
_DELAY: Final = timedelta(minutes=15)
# Known by their event: an ex-date and a listing are announced before
_WITHOUT_DELAY: Final = (RAW_SPLITS.name, RAW_DIVIDENDS.name, RAW_TICKERS.name)


class SyntheticSource:
    """The synthetic exchange as a `Source`; the same rows wherever and whenever it is asked."""

    name: ClassVar[str] = "synthetic"
    is_local: ClassVar[bool] = True

    def __init__(self, seed: int = SEED) -> None:
        self.market: Final = Market(seed)
        self._said: dict[str, pl.DataFrame] = {}

    @property
    def datasets(self) -> frozenset[str]:
        """Names of the raw tables it fills: all of the daily graph."""
        return frozenset(self._makers)

    def routes(self, today: date) -> Sequence[Route]:  # noqa: ARG002
        """Give none: any range is answered at no cost."""
        return ()

    def read(self, ask: Ask) -> Answer:
        """Answer for every session of the range; `raw_tickers` has none and gives every snapshot before its end.

        Raises:
            ValueError: The dataset is not one of its own.
        """
        if ask.dataset not in self.datasets:
            raise ValueError(
                f"synthetic: {ask.dataset} is not supplied; supplied are {', '.join(sorted(self.datasets))}"
            )
        rows = spoken_by(self.said(ask.dataset), ask.now)
        day = "snapshot" if ask.dataset == RAW_TICKERS.name else "session"
        rows = rows.filter(pl.col(day) < ask.end)
        rows = rows.filter(pl.col(day) >= ask.start) if day == "session" else rows
        spoken_of = () if ask.dataset == RAW_VIX.name else ask.tickers
        if spoken_of and "tickers" in rows.columns:
            rows = rows.filter(pl.col("tickers").list.eval(pl.element().is_in(list(ask.tickers))).list.any())
        elif spoken_of:
            rows = rows.filter(pl.col("ticker").is_in(list(ask.tickers)))
        through = self.last_session(ask.dataset)
        return Answer(rows, (self._document,), self._document.sha256, spoken_of, through)

    def last_session(self, dataset: str) -> date | None:
        """The last session of its three years; listings have none."""
        return None if dataset == RAW_TICKERS.name else self.market.sessions["session"][-1]

    def listed_tickers(self) -> tuple[str, ...]:
        """Every ticker with bars, sorted."""
        return tuple(self.said(RAW_DAILY_BARS.name)["ticker"].unique().sort())

    def planted(self) -> pl.DataFrame:
        """Give what the checks must find of the whole market, one row an accusation.

        Returns:
            `kind` (what is wrong), `asset`, `check`, `ticker` (null where the accused row has none), `session` (Date,
            likewise), sorted. What only looks like a fault is here too: halts, a withdrawn bar, a day without trades.
        """
        return accusations(self.market)

    def said(self, dataset: str) -> pl.DataFrame:
        """Give all that it will ever say of a raw table, in `said_schema`, all versions."""
        if dataset not in self._said:
            self._said[dataset] = self._say(dataset)
        return self._said[dataset]

    @property
    def _makers(self) -> Mapping[str, str]:
        return {
            RAW_DAILY_BARS.name: "bars",
            RAW_VIX.name: "vix",
            RAW_NEWS.name: "news",
            RAW_SPLITS.name: "splits",
            RAW_DIVIDENDS.name: "dividends",
            RAW_TICKERS.name: "listings",
        }

    @cached_property
    def _document(self) -> Document:
        told = {"market": "synthetic", "seed": self.market.seed, "version": VERSION, "note": "nothing of this is real"}
        content = json.dumps(told, sort_keys=True).encode()
        return Document("synthetic-market.json", hashlib.sha256(content).hexdigest(), content)

    def _say(self, dataset: str) -> pl.DataFrame:
        table = TABLES[dataset]
        true = news(self.market) if dataset == RAW_NEWS.name else getattr(self.market, self._makers[dataset])
        delay = timedelta() if dataset in _WITHOUT_DELAY else _DELAY
        late = pl.col("ts_late") if "ts_late" in true.columns else pl.lit(None, UTC_US)
        rows = true.with_columns(
            pl.col("ts_event").dt.convert_time_zone("UTC"),
            late.dt.convert_time_zone("UTC").cast(UTC_US).alias(TS_STATED),
            pl.lit(value=False).alias("is_deleted"),
        ).with_columns((pl.col("ts_event") + delay).alias(TS_ASSUMED))
        rows = with_faults(rows, dataset, delay)
        ordered = rows.sort(*table.key, pl.coalesce(TS_STATED, TS_ASSUMED))
        provenance = {
            "problem": pl.lit(None, pl.String),
            "source": pl.lit(self.name),
            "source_file": pl.lit(f"synthetic/{dataset.removeprefix('raw_')}"),
            "source_row": pl.int_range(1, pl.len() + 1, dtype=pl.Int64),
            "source_hash": pl.lit(self._document.sha256),
        }
        return ordered.with_columns(**provenance).select(
            pl.col(name).cast(dtype) for name, dtype in said_schema(table).items()
        )
