"""History assets: one ticker from its first bar to its last, as files, on the axis of tickers; not in the daily job."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from orion_assets import calendars
from orion_assets.defs import checks
from orion_assets.defs.assets.wiring import Reported, reported, ticker_asset
from orion_assets.ingest.ledger import cells_now
from orion_assets.quality.parity import unequal
from orion_assets.schemas import (
    CLEAN_DAILY_BARS,
    CORPORATE_ACTIONS,
    FEATURE_MATRIX,
    RAW_COVERAGE,
    RAW_DAILY_BARS,
    RAW_DIVIDENDS,
    RAW_TICKERS,
    SECURITIES,
    TICKER_BARS,
    TICKER_FEATURES,
)
from orion_assets.store.facts import asked_facts, asked_sessions
from orion_assets.store.history import HistoryFiles
from orion_assets.store.lake import Lake
from orion_assets.store.raw import raw_of
from orion_assets.store.state import State
from orion_assets.tables import Table
from orion_assets.transforms.history import ticker_bars as bars_of
from orion_assets.transforms.pipeline import derive, kin

_PARITY = dg.AssetCheckSpec(
    "equals_sessions",
    asset=TICKER_FEATURES.name,
    description="Made in one pass from raw, every version of every row is what the sessions wrote, bit for bit",
    blocking=True,
)


def history_assets() -> list[dg.AssetsDefinition]:
    """Make the history assets."""

    @ticker_asset(TICKER_FEATURES, [_PARITY])
    def ticker_features(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        state: dg.ResourceParam[State],
        history: dg.ResourceParam[HistoryFiles],
    ) -> Iterator[Reported]:
        """One file per ticker of all its features, every version, from its first session to its last."""
        tickers = sorted(context.partition_keys)
        stored, rebuilt = _matrix(lake, tickers)
        differing = unequal(rebuilt, stored, TICKER_FEATURES)
        if differing.is_empty():
            _write(context, history, state, TICKER_FEATURES, rebuilt)
        result = checks.result(_PARITY.name, differing, dg.AssetCheckSeverity.ERROR)
        yield reported({"rows": rebuilt.height, "tickers": len(tickers)}, [result])

    @ticker_asset(TICKER_BARS)
    def ticker_bars(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        state: dg.ResourceParam[State],
        history: dg.ResourceParam[HistoryFiles],
    ) -> Iterator[Reported]:
        """One file per ticker of its bars as they stand now: as traded, split-adjusted, dividends reinvested."""
        tickers = sorted(context.partition_keys)
        bars = lake.read(CLEAN_DAILY_BARS, tickers=kin(lake.read(RAW_TICKERS), tickers))
        actions, securities = lake.read(CORPORATE_ACTIONS), lake.read(SECURITIES)
        dividends = asked_sessions(asked_facts(lake.read(RAW_COVERAGE)), RAW_DIVIDENDS.name)
        rows = bars_of(bars, actions, securities, dividends, tickers)
        _write(context, history, state, TICKER_BARS, rows)
        yield reported({"rows": rows.height, "tickers": len(tickers)})

    return [ticker_bars, ticker_features]


def _matrix(lake: Lake, tickers: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give the feature matrix of some tickers as the sessions wrote it, and as raw says in one pass."""
    is_asked = pl.col("ticker").is_in(tickers)
    stored = lake.read(FEATURE_MATRIX, tickers=tickers)
    # Sessions that were landed and not derived yet are no disagreement
    derived = lake.sessions(FEATURE_MATRIX).to_frame()
    made = derive(raw_of(lake, tickers), calendars.sessions(), calendars.FIRST_DATE, calendars.LAST_DATE)[
        FEATURE_MATRIX.name
    ]
    return stored, made.filter(is_asked).join(derived, on="session", how="semi")


def _write(
    context: dg.AssetExecutionContext, history: HistoryFiles, state: State, table: Table, rows: pl.DataFrame
) -> None:
    """Write each ticker's file and say of its partition how far it goes and what is missing."""
    cells = cells_now(state).filter(pl.col("dataset") == RAW_DAILY_BARS.name)
    for ticker in context.partition_keys:
        mine = rows.filter(pl.col("ticker") == ticker)
        place = history.write(table, ticker, mine)
        missing = cells.filter((pl.col("ticker") == ticker) & (pl.col("state") != "data")).group_by("state").len()
        told = {
            "dagster/row_count": mine.height,
            "file": place,
            "through_session": str(mine["session"].max()),
            "missing": dict(missing.sort("state").iter_rows()) or "none",
        }
        context.add_asset_metadata(told, asset_key=table.name, partition_key=ticker)
