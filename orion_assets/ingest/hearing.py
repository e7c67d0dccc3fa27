"""Whether silence is believed: what an answer leaves out is asked for once more before it counts as absent.

Vendors answer 200 and leave out tickers, days, or the early part of a range. What may be missing is known from what
was landed around it, and from the calendar. No writing here, and no judgement of values.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

import polars as pl

from orion_assets.calendars import NEW_YORK
from orion_assets.errors import AnswerDistrusted, NotEntitled
from orion_assets.ingest.landing import MOST_GONE, is_by_ticker
from orion_assets.ingest.plan import HOLES
from orion_assets.market_hours import sessions_for
from orion_assets.markets import EQUITIES, MARKETS, market_named_in
from orion_assets.schemas import (
    IN_OTHER_MARKETS,
    RAW_COVERAGE,
    RAW_DAILY_BARS,
    RAW_MINUTE_BARS,
    RAW_NEWS,
    RAW_VIX,
    TABLES,
    WHOLE_MARKET,
    table_of,
)
from orion_assets.sources.protocols import Answer, Ask, Source
from orion_assets.sources.routes import Route
from orion_assets.store.lake import Lake
from orion_assets.tables import Table
from orion_assets.transforms.bars import UNREADABLE, VIX_RULES, Rule, rules_of
from orion_assets.transforms.versions import visible

LOG: Final = logging.getLogger(__name__)
# Of what should be there, so much may be absent without a second question: halts, delistings
_MOST_MISSING: Final = 0.05
# How far around a session of the market another one is looked for, to compare with
_AROUND: Final = timedelta(days=7)
_RULES: Final[Mapping[str, Sequence[Rule]]] = {
    **{
        table_of(table, market).name: rules_of(market)
        for table in (RAW_DAILY_BARS, RAW_MINUTE_BARS)
        for market in (EQUITIES, *MARKETS.values())
    },
    RAW_VIX.name: VIX_RULES,
}
_EVERY_SESSION: Final = (RAW_VIX.name, RAW_NEWS.name)
HELD_BACK: Final = {**HOLES, "problem": pl.String(), "evidence": pl.String()}


class Hearing:
    """Reads one source for one fill.

    Attributes:
        held_back: HELD_BACK rows: cells of which the last answer has a row that cannot be read.
        unreached: HOLES rows: cells before what the vendor lets the key see, though it did not say so.
    """

    def __init__(self, source: Source, lake: Lake, *, read: Callable[[Ask], Answer] | None = None) -> None:
        """Hear a source, comparing with what the lake holds; `read` asks a planned call in place of the source."""
        self._source = source
        self._lake = lake
        self._read = read or source.read
        self._reaches: dict[date, bool] = {}
        self.held_back = pl.DataFrame(schema=HELD_BACK)
        self.unreached = pl.DataFrame(schema=HOLES)

    def read(self, ask: Ask) -> Answer:
        """Answer a call of a plan; by two answers where one leaves out what should be there, or holds bad rows.

        Raises:
            AnswerDistrusted: Both leave out a part of a market that traded in the session beside it.
            OrionError: As `Source.read`.
        """
        answer = self._read(ask)
        expected = self._expected(ask, answer)
        # An object says the same however often it is read; whether it is whole, objects.py judges
        if not answer.objects and _is_doubtful(expected, answer, ask.dataset):
            answer = _together(answer, self._source.read(ask), expected, ask.dataset)
            self._tell(ask, expected, answer)
            answer = self._from_the_floor(ask, answer)
        self._note_problems(ask, answer)
        return answer

    def _expected(self, ask: Ask, answer: Answer) -> pl.DataFrame:
        """Give the cells (`ticker`, `session`) that an answer should have rows of; none where nobody can know."""
        days = sessions_for(ask.dataset, ask.start, ask.end)
        closed = days.filter(pl.col("ts_close_cutoff") <= ask.now).select("session")
        if ask.dataset in _EVERY_SESSION:
            return closed.select(ticker=pl.lit(WHOLE_MARKET), session="session")
        market = market_named_in(ask.dataset)
        if market.is_quiet or not is_by_ticker(ask.dataset):
            return closed.head(0).select(ticker=pl.lit(WHOLE_MARKET), session="session")
        daily = table_of(RAW_DAILY_BARS, market)
        names = answer.tickers or self._around(ask.start, daily)
        cells = closed.join(pl.DataFrame({"ticker": names}, {"ticker": pl.String}), how="cross")
        if TABLES[ask.dataset].is_intraday:
            cells = cells.join(self._untraded(ask, daily), on=["ticker", "session"], how="anti")
        return cells.select("ticker", "session")

    def _untraded(self, ask: Ask, daily: Table) -> pl.DataFrame:
        """Give the cells of which daily bars say that nobody traded: not listed yet, halted, no longer listed."""
        told = self._lake.read(RAW_COVERAGE, start=ask.start, end=ask.end).filter(
            (pl.col("dataset") == daily.name) & (pl.col("cutoff") == "close")
        )
        last = told.sort("ts_known").unique(["ticker", "session"], keep="last")
        return last.filter(pl.col("state") == "empty_confirmed").select("ticker", "session")

    def _around(self, session: date, bars: Table) -> list[str]:
        """List the tickers with a daily bar in a session as it is held; where it is not, in the nearest that is."""
        held = self._lake.read(bars, start=session - _AROUND, end=session + _AROUND)
        good = visible(held, bars.key).filter(pl.col("problem").is_null())
        away = (pl.col("session") - session).abs()
        near = good.filter(away == away.min())
        return near["ticker"].unique().sort().to_list()

    def _tell(self, ask: Ask, expected: pl.DataFrame, answer: Answer) -> None:
        """Say what two answers lack; of a market that is there in part, refuse the part."""
        missing = _missing(expected, answer)
        if missing.is_empty():
            return
        told = f"{missing.height} of {expected.height} cells that should have rows, the first {missing.row(0)}"
        LOG.warning("%s: two answers lack %s", ask.dataset, told)
        is_market = is_by_ticker(ask.dataset) and not answer.tickers
        # A few of a small market may well have ended on one day
        if is_market and answer.rows.height and missing.height > max(MOST_GONE, _MOST_MISSING * expected.height):
            names = ", ".join(missing["ticker"].head(3))
            raise AnswerDistrusted(
                f"{self._source.name}: {ask.dataset} of {ask.start}: two answers lack {missing.height} of"
                f" {expected.height} tickers that traded in the session beside it ({names}). Nothing of it is landed"
            )

    def _from_the_floor(self, ask: Ask, answer: Answer) -> Answer:
        """Leave unsaid what lies before the first row, where the vendor gives nobody's rows that early."""
        if ask.dataset != RAW_VIX.name and len(answer.tickers) != 1:
            return answer
        if market_named_in(ask.dataset).is_quiet:
            return answer
        first = answer.rows["session"].min() if answer.rows.height else None
        start = first if isinstance(first, date) else ask.end
        early = sessions_for(ask.dataset, ask.start, start)["session"].to_list()
        if not early or self._is_told(ask, early[0]) or self._was_told(ask, early[0]):
            return answer
        who = answer.tickers[0] if answer.tickers else WHOLE_MARKET
        cells = pl.DataFrame({"session": early}).select(
            dataset=pl.lit(ask.dataset), ticker=pl.lit(who), session="session"
        )
        self.unreached = pl.concat([self.unreached, cells])
        return replace(answer, starts={who: start})

    def _is_told(self, ask: Ask, session: date) -> bool:
        """Say whether the vendor has bars of anybody in a session; asked once a session.

        Of minutes, the day's bars tell it: no call gives everybody's minutes.
        """
        if session not in self._reaches:
            today = ask.now.astimezone(NEW_YORK).date()
            daily = table_of(RAW_DAILY_BARS, market_named_in(ask.dataset))
            dataset = daily.name if TABLES[ask.dataset].is_intraday else ask.dataset
            routes = [route for route in self._source.routes(today) if route.dataset == dataset]
            market = [route for route in routes if route.scope == "market" and not route.refusal(session)]
            self._reaches[session] = bool(market) and self._has_rows(ask, session, market[0])
        return self._reaches[session]

    def _was_told(self, ask: Ask, session: date) -> bool:
        """Say whether rows of the ticker were landed shortly before a session, where no call tells of a whole market.

        Currencies are shut on no day, and on a few days nobody quotes them.
        """
        if ask.dataset not in IN_OTHER_MARKETS:
            return False
        held = self._lake.read(TABLES[ask.dataset], start=session - _AROUND, end=session, tickers=ask.tickers)
        return not held.is_empty()

    def _has_rows(self, ask: Ask, session: date, route: Route) -> bool:
        end = session + timedelta(days=1)
        alone = Ask(route.dataset, session, end, (), ask.now, is_partial=False, route=route.name)
        try:
            return self._source.read(alone).rows.height > 0
        except NotEntitled:
            return False

    def _note_problems(self, ask: Ask, answer: Answer) -> None:
        wrong = answer.rows.with_columns(problem=_problem(ask.dataset)).filter(pl.col("problem").is_not_null())
        ticker = pl.col("ticker") if is_by_ticker(ask.dataset) else pl.lit(WHOLE_MARKET)
        found = wrong.select(
            dataset=pl.lit(ask.dataset),
            ticker=ticker,
            session="session",
            problem="problem",
            evidence=pl.format("{} row {}", "source_file", "source_row"),
        )
        if TABLES[ask.dataset].is_intraday:
            # One bad minute of hundreds: the clean layer holds it back, and the cell is answered
            good = answer.rows.filter(_problem(ask.dataset).is_null()).select("ticker", "session").unique()
            found = found.join(good, on=["ticker", "session"], how="anti")
        self.held_back = pl.concat([self.held_back, found.unique(HOLES.keys(), keep="first", maintain_order=True)])


def _is_doubtful(expected: pl.DataFrame, answer: Answer, dataset: str) -> bool:
    is_short = _missing(expected, answer).height > _MOST_MISSING * expected.height
    # A range without a split is a usual answer, and so are no minutes of whom the day's bars say that nobody traded
    is_told = is_by_ticker(dataset) and not (TABLES[dataset].is_intraday and expected.is_empty())
    is_silent = answer.rows.is_empty() and (dataset in _EVERY_SESSION or is_told)
    return is_short or is_silent or answer.rows.select(_problem(dataset).is_not_null().any()).item()


def _problem(dataset: str) -> pl.Expr:
    """Say what is wrong with a row that will be held back; null where nothing is."""
    rules = _RULES.get(dataset, (UNREADABLE,))
    told = [
        pl.when(rule.is_broken.fill_null(value=False)).then(pl.format(f"{rule.name}: {{}}", rule.found))
        for rule in rules
    ]
    return pl.coalesce(told)


def _missing(expected: pl.DataFrame, answer: Answer) -> pl.DataFrame:
    who = pl.col("ticker") if "ticker" in answer.rows.columns else pl.lit(WHOLE_MARKET)
    told = answer.rows.select(ticker=who, session="session")
    return expected.join(told, on=["ticker", "session"], how="anti").sort("session", "ticker")


def _together(first: Answer, second: Answer, expected: pl.DataFrame, dataset: str) -> Answer:
    """Put two answers to one question together.

    The second one's word is the last where it is whole; else what either has in good order is there.
    """
    evidence = f"{first.evidence} {second.evidence}"
    whole = replace(second, documents=(*first.documents, *second.documents), evidence=evidence)
    if not _is_doubtful(expected, second, dataset):
        return whole
    is_good = _problem(dataset).is_null()
    parts = [second.rows.filter(~is_good), first.rows.filter(is_good), second.rows.filter(is_good)]
    return replace(whole, rows=pl.concat(parts).unique(TABLES[dataset].key, keep="last", maintain_order=True))
