"""What an answer should have rows of: by the calendar, by what was landed around it, and by what was told absent.

Reads the lake and asks nobody; what is done about an answer that has less is hearing.py's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import polars as pl

from orion_assets.ingest.landing import covered_tickers, is_by_ticker
from orion_assets.ingest.withdrawals import MOST_GONE
from orion_assets.market_hours import sessions_for
from orion_assets.markets import market_named_in
from orion_assets.schemas import (
    RAW_COVERAGE,
    RAW_DAILY_BARS,
    RAW_DIVIDENDS,
    RAW_NEWS,
    RAW_SPLITS,
    RAW_VIX,
    TABLES,
    WHOLE_MARKET,
    table_of,
)
from orion_assets.sources.protocols import Answer, Ask
from orion_assets.store.lake import Lake
from orion_assets.tables import Table
from orion_assets.transforms.versions import visible

# Of a market so much may be absent without a second question: halts, delistings
MOST_MISSING: Final = 0.05
# How far around a session of the market another one is looked for, to compare with
AROUND: Final = timedelta(days=7)
_EVERY_SESSION: Final = (RAW_VIX.name, RAW_NEWS.name)
# A market of thousands never goes so many sessions without one; in fewer, none is a usual answer
_SELDOM_NONE: Final = {RAW_SPLITS.name: 20, RAW_DIVIDENDS.name: 4}
# Where so many would be expected, none comes by chance once in a thousand times
_MOST_BY_CHANCE: Final = 7
_CELL: Final = ["ticker", "session"]
_CELLS: Final = pl.Schema({"ticker": pl.String(), "session": pl.Date()})


@dataclass(frozen=True)
class Expectation:
    """The cells that an answer should have rows of.

    Attributes:
        cells: `ticker` (`*` where the dataset has none) and `session`, each once.
        tolerated: Of these, so many may be absent without a second question.
        is_silence_told: No row at all would be worth a second question.
        unsaid: Every cell that it speaks of, less those of which two answers said before that there is nothing.
        beside: Of a market that is told for the first time: how many tickers the nearest sessions have that were told
            whole, one before and one after.
    """

    cells: pl.DataFrame
    tolerated: float
    is_silence_told: bool
    unsaid: pl.DataFrame
    beside: Mapping[date, int] = field(default_factory=dict[date, int])

    def missing(self, answer: Answer) -> pl.DataFrame:
        """Give the cells that an answer has no row of, sorted by session and ticker."""
        who = pl.col("ticker") if "ticker" in answer.rows.columns else pl.lit(WHOLE_MARKET)
        told = answer.rows.select(ticker=who, session="session")
        return self.cells.join(told, on=_CELL, how="anti").sort("session", "ticker")

    def is_short(self, answer: Answer) -> bool:
        """Say whether an answer leaves out what should be there."""
        is_silent = answer.rows.is_empty() and self.is_silence_told
        return is_silent or self.missing(answer).height > self.tolerated

    def unlikely(self, ask: Ask, answer: Answer) -> list[date]:
        """List the sessions of news, or of actions, before the first row of an answer, where none there is unlikely.

        Of actions by how many the sessions after have, or, where none has any, by what is seldom in a market of
        thousands.
        """
        first = answer.rows["session"].min() if answer.rows.height else None
        start = first if isinstance(first, date) else ask.end
        early = self.unsaid.filter(pl.col("session") < start)["session"].sort().to_list()
        if ask.dataset not in _SELDOM_NONE or not early:
            return early if ask.dataset == RAW_NEWS.name else []
        after = self.unsaid.height - len(early)
        is_seldom = len(early) * answer.rows.height > _MOST_BY_CHANCE * after
        return early if (is_seldom if answer.rows.height else len(early) >= _SELDOM_NONE[ask.dataset]) else []

    def outgrown(self, answer: Answer) -> list[date]:
        """List the sessions beside an answer that were told when there was nothing to compare with, and have less."""
        most = answer.rows.height - max(MOST_GONE, MOST_MISSING * answer.rows.height)
        return [day for day, count in self.beside.items() if count < most]


def expectation(lake: Lake, ask: Ask, answer: Answer) -> Expectation:
    """Say what an answer should have rows of.

    Of tickers that are asked for by name, and of what every session has, that is every closed session, less those of
    which a source has said by two answers that there is nothing: a ticker that was listed later, a halt. Of a market it
    is who traded in the session before, as it is held; where it is not held whole, who traded in the nearest that is.
    """
    market = market_named_in(ask.dataset)
    days = sessions_for(ask.dataset, ask.start, ask.end).filter(pl.col("ts_close_cutoff") <= ask.now).select("session")
    is_named = bool(answer.tickers) and is_by_ticker(ask.dataset)
    told = _told(lake, ask)
    spoken_of = _spoken_of(answer, _crossed(days, answer.tickers if is_named else (WHOLE_MARKET,)))
    unsaid = spoken_of.join(_empty(told, ask.dataset), on=_CELL, how="anti")
    is_each = is_named or ask.dataset in _EVERY_SESSION
    daily = table_of(RAW_DAILY_BARS, market)
    beside: Mapping[date, int] = {}
    if market.is_quiet or not (is_by_ticker(ask.dataset) or is_each):
        cells = pl.DataFrame(schema=_CELLS)
    elif is_each:
        cells = unsaid
    else:
        names, beside = _around(lake, ask.start, daily)
        cells = _crossed(days, names)
        cells = cells.join(_empty(told, ask.dataset), on=_CELL, how="anti")
    is_intraday = TABLES[ask.dataset].is_intraday
    if is_intraday:
        # Of whom the day's bars say that nobody traded: not listed yet, halted, no longer listed
        cells = cells.join(_empty(told, daily.name), on=_CELL, how="anti")
    if ask.dataset in _SELDOM_NONE:
        is_silence_told = not answer.tickers and days.height >= _SELDOM_NONE[ask.dataset]
    else:
        is_told = is_by_ticker(ask.dataset) or ask.dataset in _EVERY_SESSION
        is_silence_told = is_told and not (cells if is_intraday else unsaid).is_empty()
    return Expectation(cells, 0 if is_each else MOST_MISSING * cells.height, is_silence_told, unsaid, beside)


def _told_markets(lake: Lake, bars: Table, start: date, end: date) -> list[date]:
    """List the sessions of [start, end) of which an answer about the whole market has told bars."""
    told = lake.read(RAW_COVERAGE, start=start, end=end, tickers=[WHOLE_MARKET]).filter(
        (pl.col("dataset") == bars.name) & (pl.col("cutoff") == "close") & pl.col("is_market")
    )
    last = told.sort("ts_known").unique("session", keep="last")
    return last.filter(pl.col("state") == "data")["session"].sort().to_list()


def _around(lake: Lake, session: date, bars: Table) -> tuple[list[str], Mapping[date, int]]:
    """List who has a daily bar in a session that is held whole; else in it and the nearest beside it.

    And count the tickers of the nearest sessions before and after that were told whole, where this one was not.
    """
    start, end = session - AROUND, session + AROUND
    held = visible(lake.read(bars, start=start, end=end), bars.key).filter(pl.col("problem").is_null())
    told = _told_markets(lake, bars, start, end)
    if session in told:
        return held.filter(pl.col("session") == session)["ticker"].unique().to_list(), {}
    # Where no market was told, who was asked for by name is better than nobody
    others = [day for day in told or held["session"].unique() if day != session]
    near = min(others, key=lambda day: (abs(day - session), day), default=session)
    names = held.filter(pl.col("session").is_in([near, session]))["ticker"].unique().to_list()
    sides = [day for day in told if day < session][-1:] + [day for day in told if day > session][:1]
    return names, {day: held.filter(pl.col("session") == day).height for day in sides}


def _told(lake: Lake, ask: Ask) -> pl.DataFrame:
    """Give what was answered last of the cells of an ask at their close, of its dataset and of the daily bars."""
    told = lake.read(RAW_COVERAGE, start=ask.start, end=ask.end, tickers=covered_tickers(ask))
    told = told.filter(pl.col("cutoff") == "close")
    return told.sort("ts_known").unique(["dataset", *_CELL], keep="last")


def _empty(told: pl.DataFrame, dataset: str) -> pl.DataFrame:
    is_empty = (pl.col("dataset") == dataset) & (pl.col("state") == "empty_confirmed")
    return told.filter(is_empty).select(_CELL)


def _crossed(days: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    return days.join(pl.DataFrame({"ticker": list(names)}, {"ticker": pl.String}), how="cross").select(_CELL)


def _spoken_of(answer: Answer, cells: pl.DataFrame) -> pl.DataFrame:
    """Leave out what a source says that it does not speak of."""
    if answer.through is not None:
        cells = cells.filter(pl.col("session") <= answer.through)
    ends = pl.DataFrame(
        {"ticker": list(answer.ends), "_end": list(answer.ends.values())}, {"ticker": pl.String, "_end": pl.Date}
    )
    bounded = cells.join(ends, on="ticker", how="left")
    return bounded.filter((pl.col("session") <= pl.col("_end")).fill_null(value=True)).select(_CELL)
