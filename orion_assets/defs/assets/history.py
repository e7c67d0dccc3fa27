"""History assets: one ticker from its first bar to its last, as files, on the axis of tickers; not in the daily job."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import dagster as dg
import polars as pl

from orion_assets import calendars
from orion_assets.defs import checks
from orion_assets.defs.assets.wiring import Reported, reported
from orion_assets.defs.code_versions import code_of
from orion_assets.defs.metadata import columns_of
from orion_assets.defs.partition_metadata import say_of_partitions
from orion_assets.defs.partitions import TICKERS
from orion_assets.ingest.freshness import published, stale_span
from orion_assets.ingest.ledger import PUBLISHED
from orion_assets.ingest.missing import unasked
from orion_assets.ingest.moment import Moment
from orion_assets.quality.parity import unequal
from orion_assets.quality.verdicts import PARITY, TEXTS
from orion_assets.schemas import (
    CLEAN_DAILY_BARS,
    CORPORATE_ACTIONS,
    FEATURE_MATRIX,
    HISTORY,
    RAW_COVERAGE,
    RAW_DAILY_BARS,
    RAW_DIVIDENDS,
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
from orion_assets.transforms import history as views
from orion_assets.transforms import pipeline
from orion_assets.transforms.history import ticker_bars
from orion_assets.transforms.pipeline import derive

GRAINS: Final = {
    TICKER_BARS: "One file per ticker of its bars as they stand now: as traded, split-adjusted, dividends reinvested.",
    TICKER_FEATURES: "One file per ticker of all its features, every version, from its first session to its last.",
}
# What the sessions wrote that each file is held against
_STORED: Final = {TICKER_BARS: CLEAN_DAILY_BARS, TICKER_FEATURES: FEATURE_MATRIX}


def history_assets() -> list[dg.AssetsDefinition]:
    """Make the history assets: two files a ticker of one pass over raw, under one verdict."""

    @dg.multi_asset(
        specs=[_spec(table) for table in HISTORY],
        partitions_def=TICKERS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[
            dg.AssetCheckSpec(PARITY, asset=table.name, description=TEXTS[PARITY], blocking=True) for table in HISTORY
        ],
    )
    def histories(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        state: dg.ResourceParam[State],
        history: dg.ResourceParam[HistoryFiles],
        moment: dg.ResourceParam[Moment],
    ) -> Iterator[Reported | dg.AssetCheckResult]:
        tickers, days = sorted(context.partition_keys), _published(state)
        made, found = _made(lake, tickers, days)
        # What landed meanwhile is no disagreement either
        found = {table: rows.join(published(state), on="session", how="semi") for table, rows in found.items()}
        for table, rows in found.items():
            state.verdicts.judge((table.name, PARITY), rows, tickers, moment.real(), by="ticker")
        wrong = sorted({ticker for rows in found.values() for ticker in rows["ticker"]})
        right = [ticker for ticker in tickers if ticker not in wrong]
        told = _written(history, made, right, _missing(state, tickers))
        # Whoever lacks some of its past is asked for first, and written again then
        state.mark_histories_written(sorted(set(right) - unasked(state, right).keys()), moment.now)
        yield from _said(context, told, found)
        if wrong:
            raise _refusal(wrong, found)

    return [histories]


def _spec(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.name,
        description=GRAINS[table],
        group_name="history",
        deps=[dg.AssetDep("feature_matrix", partition_mapping=dg.AllPartitionMapping())],
        metadata=columns_of(table),
        kinds={"polars", "parquet"},
        code_version=code_of([table], views, pipeline),
    )


def _published(state: State) -> pl.DataFrame:
    """Give the sessions to hold the files against, all that were ever published."""
    done = state.count_sessions(["data"], dataset=PUBLISHED)["session"].to_list()
    if not done:
        raise dg.Failure("history: no session was derived and published yet; start with: orion backfill")
    stale = stale_span(state)
    if stale is not None and stale[0] <= done[-1]:
        # A file of the rest would be shorter than the one that lies there
        raise dg.Failure(
            f"history: sessions from {stale[0]} on await derivation; do that first: orion update. Where ORION_START is"
            " later, set it to that session or earlier before"
        )
    return published(state)


def _made(
    lake: Lake, tickers: Sequence[str], days: pl.DataFrame
) -> tuple[Mapping[Table, pl.DataFrame], Mapping[Table, pl.DataFrame]]:
    """Make both tables of some tickers from raw; give them, and the rows that the sessions wrote otherwise."""
    raw = raw_of(lake, tickers)
    first, last = days["session"][0], days["session"][-1]
    derived = derive(raw, calendars.sessions(), calendars.FIRST_DATE, last + timedelta(days=1))

    def of(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(pl.col("ticker").is_in(tickers)).join(days, on="session", how="semi")

    found = {
        table: unequal(
            of(derived[stored.name]),
            of(lake.read(stored, start=first, end=last + timedelta(days=1), tickers=tickers)),
            stored,
        )
        for table, stored in _STORED.items()
    }
    dividends = asked_sessions(asked_facts(raw[RAW_COVERAGE.name]), RAW_DIVIDENDS.name)
    clean = derived[CLEAN_DAILY_BARS.name].join(days, on="session", how="semi")
    bars = ticker_bars(clean, derived[CORPORATE_ACTIONS.name], derived[SECURITIES.name], dividends, tickers)
    return {TICKER_BARS: bars, TICKER_FEATURES: of(derived[FEATURE_MATRIX.name])}, found


def _missing(state: State, tickers: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """Count, by ticker, the cells of its bars that hold none, by state."""
    cells = state.cells(dataset=RAW_DAILY_BARS.name, tickers=tickers).filter(pl.col("state") != "data")
    counted = {ticker: {"never asked": len(days)} for ticker, days in unasked(state, tickers).items()}
    for ticker, name, count in cells.group_by("ticker", "state").len().sort("ticker", "state").iter_rows():
        counted.setdefault(ticker, {})[name] = count
    return counted


def _written(
    history: HistoryFiles,
    made: Mapping[Table, pl.DataFrame],
    tickers: Sequence[str],
    missing: Mapping[str, Mapping[str, int]],
) -> Mapping[Table, Mapping[str, Mapping[str, Any]]]:
    """Write the files of tickers; give what each partition says: how far it goes and what is missing."""
    told: dict[Table, dict[str, Mapping[str, Any]]] = {}
    for table, rows in made.items():
        by_ticker = rows.partition_by("ticker", as_dict=True)
        for ticker in tickers:
            mine = by_ticker.get((ticker,), rows.clear())
            through: date | None = mine["session"].max() if mine.height else None  # pyright: ignore[reportAssignmentType]
            told.setdefault(table, {})[ticker] = {
                "dagster/row_count": mine.height,
                "file": history.write(table, ticker, mine),
                "through_session": str(through),
                "missing": missing.get(ticker, "none"),
            }
    return told


def _said(
    context: dg.AssetExecutionContext,
    told: Mapping[Table, Mapping[str, Mapping[str, Any]]],
    found: Mapping[Table, pl.DataFrame],
) -> Iterator[Reported | dg.AssetCheckResult]:
    """Report the partitions that were written; those of a run that leaves some out one by one, before it fails."""
    is_whole = all(rows.is_empty() for rows in found.values())
    for table, rows in found.items():
        verdict = checks.result(PARITY, rows, dg.AssetCheckSeverity.ERROR)._replace(asset_key=dg.AssetKey(table.name))
        written = told.get(table, {})
        if is_whole:
            say_of_partitions(context, table.name, written)
        else:
            for ticker, metadata in written.items():
                context.log_event(dg.AssetMaterialization(table.name, partition=ticker, metadata=metadata))
        yield reported({}, [verdict], table.name) if is_whole else verdict


def _refusal(wrong: Sequence[str], found: Mapping[Table, pl.DataFrame]) -> dg.Failure:
    rows = sum(each.height for each in found.values())
    shown = ", ".join(wrong[:10]) + (f" and {len(wrong) - 10} more" if len(wrong) > 10 else "")
    return dg.Failure(
        f"history {shown}: {rows} rows are not what the sessions wrote, so the files stay as they were."
        " Derive anew with `orion store rebuild`, then: orion history " + " ".join(wrong[:10]),
        allow_retries=False,
    )
