"""Whether silence is believed: what an answer leaves out is asked for once more before it counts as absent.

Vendors answer 200 and leave out tickers, days, or the early part of a range. What may be missing is known from what
was landed around it, and from the calendar. No writing here, and no judgement of values.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.calendars import NEW_YORK
from orion_assets.errors import AnswerDistrusted, NotEntitled
from orion_assets.ingest.landing import MOST_GONE, is_by_ticker
from orion_assets.ingest.plan import HOLES
from orion_assets.schemas import RAW_DAILY_BARS, RAW_NEWS, RAW_VIX, TABLES, WHOLE_MARKET
from orion_assets.sources.protocols import Answer, Ask, Source
from orion_assets.store.lake import Lake
from orion_assets.transforms.bars import BAR_RULES, UNREADABLE, VIX_RULES, Rule
from orion_assets.transforms.versions import visible

LOG: Final = logging.getLogger(__name__)
# Of what should be there, so much may be absent without a second question: halts, delistings
_MOST_MISSING: Final = 0.05
# How far around a session of the market another one is looked for, to compare with
_AROUND: Final = timedelta(days=7)
_RULES: Final[Mapping[str, Sequence[Rule]]] = {RAW_DAILY_BARS.name: BAR_RULES, RAW_VIX.name: VIX_RULES}
_EVERY_SESSION: Final = (RAW_VIX.name, RAW_NEWS.name)
HELD_BACK: Final = {**HOLES, "problem": pl.String(), "evidence": pl.String()}


class Hearing:
    """Reads one source for one fill.

    Attributes:
        held_back: HELD_BACK rows: cells of which the last answer has a row that cannot be read.
        unreached: HOLES rows: cells before what the vendor lets the key see, though it did not say so.
    """

    def __init__(self, source: Source, lake: Lake) -> None:
        """Hear a source, comparing with what the lake holds."""
        self._source = source
        self._lake = lake
        self._reaches: dict[date, bool] = {}
        self.held_back = pl.DataFrame(schema=HELD_BACK)
        self.unreached = pl.DataFrame(schema=HOLES)

    def read(self, ask: Ask) -> Answer:
        """Answer a call of a plan; by two answers where one leaves out what should be there, or holds bad rows.

        Raises:
            AnswerDistrusted: Both leave out a part of a market that traded in the session beside it.
            OrionError: As `Source.read`.
        """
        answer = self._source.read(ask)
        expected = self._expected(ask, answer)
        if _is_doubtful(expected, answer, ask.dataset):
            answer = _together(answer, self._source.read(ask), expected, ask.dataset)
            self._tell(ask, expected, answer)
            answer = self._from_the_floor(ask, answer)
        self._note_problems(ask, answer)
        return answer

    def _expected(self, ask: Ask, answer: Answer) -> pl.DataFrame:
        """Give the cells (`ticker`, `session`) that an answer should have rows of; none where nobody can know."""
        closed = calendars.sessions(ask.start, ask.end).filter(pl.col("ts_close_cutoff") <= ask.now).select("session")
        if ask.dataset in _EVERY_SESSION:
            return closed.select(ticker=pl.lit(WHOLE_MARKET), session="session")
        if not is_by_ticker(ask.dataset):
            return closed.head(0).select(ticker=pl.lit(WHOLE_MARKET), session="session")
        names = answer.tickers or self._around(ask.start)
        return closed.join(pl.DataFrame({"ticker": names}, {"ticker": pl.String}), how="cross").select(
            "ticker", "session"
        )

    def _around(self, session: date) -> list[str]:
        """List the tickers that have a bar in a session as it is held; where it is not, in the nearest one that is."""
        held = self._lake.read(RAW_DAILY_BARS, start=session - _AROUND, end=session + _AROUND)
        good = visible(held, RAW_DAILY_BARS.key).filter(pl.col("problem").is_null())
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
        first = answer.rows["session"].min() if answer.rows.height else None
        start = first if isinstance(first, date) else ask.end
        early = calendars.sessions(ask.start, start)["session"].to_list()
        if not early or self._is_told(ask, early[0]):
            return answer
        who = answer.tickers[0] if answer.tickers else WHOLE_MARKET
        cells = pl.DataFrame({"session": early}).select(
            dataset=pl.lit(ask.dataset), ticker=pl.lit(who), session="session"
        )
        self.unreached = pl.concat([self.unreached, cells])
        return replace(answer, starts={who: start})

    def _is_told(self, ask: Ask, session: date) -> bool:
        """Say whether the vendor has bars of anybody in a session; asked once a session."""
        if session not in self._reaches:
            today = ask.now.astimezone(NEW_YORK).date()
            routes = [route for route in self._source.routes(today) if route.dataset == ask.dataset]
            market = [route for route in routes if route.scope == "market" and not route.refusal(session)]
            self._reaches[session] = bool(market) and self._has_rows(ask, session, market[0].name)
        return self._reaches[session]

    def _has_rows(self, ask: Ask, session: date, route: str) -> bool:
        alone = replace(ask, start=session, end=session + timedelta(days=1), tickers=(), is_partial=False, route=route)
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
        self.held_back = pl.concat([self.held_back, found.unique(HOLES.keys(), keep="first", maintain_order=True)])


def _is_doubtful(expected: pl.DataFrame, answer: Answer, dataset: str) -> bool:
    is_short = _missing(expected, answer).height > _MOST_MISSING * expected.height
    # A range without a split is a usual answer
    is_silent = answer.rows.is_empty() and (dataset in _EVERY_SESSION or is_by_ticker(dataset))
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
