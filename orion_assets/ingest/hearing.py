"""Whether silence is believed: what an answer leaves out is asked for once more before it counts as absent.

Vendors answer 200 and leave out tickers, days, or the early part of a range. What may be missing is known from what
was landed around it, and from the calendar. No writing here, and no judgement of values.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Final, NoReturn

import polars as pl

from orion_assets.calendars import NEW_YORK
from orion_assets.errors import AnswerDistrusted, KeyRefused, NotEntitled, NotYet, OrionError, SettingsError
from orion_assets.ingest.entitlement import first_answered
from orion_assets.ingest.expectation import AROUND, Expectation, expectation
from orion_assets.ingest.landing import is_by_ticker
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.plan import HOLES
from orion_assets.ingest.runner import landing_of, span
from orion_assets.ingest.withdrawals import MOST_GONE
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
from orion_assets.transforms.bars import UNREADABLE, VIX_RULES, Rule, rules_of

LOG: Final = logging.getLogger(__name__)
_RULES: Final[Mapping[str, Sequence[Rule]]] = {
    **{
        table_of(table, market).name: rules_of(market)
        for table in (RAW_DAILY_BARS, RAW_MINUTE_BARS)
        for market in (EQUITIES, *MARKETS.values())
    },
    RAW_VIX.name: VIX_RULES,
}
# Until then a vendor may not have got round to a session
_SOON: Final = timedelta(days=2)
HELD_BACK: Final = {**HOLES, "problem": pl.String(), "evidence": pl.String()}


class Hearing:
    """Reads one source for one fill.

    Attributes:
        held_back: HELD_BACK rows: cells of which an answer so far has a row that cannot be read.
        unreached: HOLES rows: cells before what the vendor lets the key see, though it did not say so.
        outgrown: Sessions of the market that were told before the last answer, and have so much less that they are to
            be asked for once more.
    """

    def __init__(self, source: Source, lake: Lake, *, read: Callable[[Ask], Answer] | None = None) -> None:
        """Hear a source, comparing with what the lake holds; `read` asks a planned call in place of the source."""
        self._source = source
        self._lake = lake
        self._read = read or source.read
        self._reaches: dict[date, bool] = {}
        self.held_back = pl.DataFrame(schema=HELD_BACK)
        self.unreached = pl.DataFrame(schema=HOLES)
        self.outgrown: list[date] = []

    def read(self, ask: Ask) -> Answer:
        """Answer a call of a plan; by two answers where one leaves out what should be there, or holds bad rows.

        So does one that would withdraw a row that is held: nothing is taken back by one answer alone.

        Raises:
            AnswerDistrusted: Both leave out a part of a market that traded in the session beside it, or all of it.
            NotYet: Both leave out all of it, and the session is of today or yesterday.
            OrionError: As `Source.read`.
        """
        answer, self.outgrown = self._read(ask), []
        # An object says the same however often it is read; whether it is whole, objects.py judges
        if not answer.objects:
            expected = expectation(self._lake, ask, answer)
            if self._is_doubtful(ask, expected, answer):
                answer = self._together(ask, expected, answer, self._source.read(ask))
                self._tell(ask, expected, answer)
                answer = self._from_the_floor(ask, expected, answer)
            answer = self._within_the_plan(ask, expected, answer)
            self.outgrown = expected.outgrown(answer)
        self._note_problems(ask, answer)
        return answer

    def _is_doubtful(self, ask: Ask, expected: Expectation, answer: Answer) -> bool:
        has_problems = answer.rows.select(_problem(ask.dataset).is_not_null().any()).item()
        return has_problems or expected.is_short(answer) or self._takes_back(ask, answer)

    def _takes_back(self, ask: Ask, answer: Answer) -> bool:
        """Say whether an answer lacks a row that is held, and would withdraw it."""
        table = TABLES[ask.dataset]
        tickers = answer.tickers if is_by_ticker(ask.dataset) else ()
        start, end = span(self._lake, table, ask, answer)
        held = self._lake.read(table, start=start, end=end, tickers=tickers or None)
        return landing_of(table, ask, answer, Moment(ask.now)).takes_back(held)

    def _together(self, ask: Ask, expected: Expectation, first: Answer, second: Answer) -> Answer:
        """Put two answers to one question together.

        The second one's word is the last where it is whole; else what either has in good order is there.
        """
        evidence = f"{first.evidence} {second.evidence}"
        documents = (*first.documents, *second.documents)
        whole = replace(second, documents=documents, evidence=evidence, ts_asked=first.ts_asked)
        if not self._is_doubtful(ask, expected, second):
            return whole
        is_good = _problem(ask.dataset).is_null()
        parts = [second.rows.filter(~is_good), first.rows.filter(is_good), second.rows.filter(is_good)]
        rows = pl.concat(parts).unique(TABLES[ask.dataset].key, keep="last", maintain_order=True)
        # Of a ladder, each may come from another rung
        return replace(whole, rows=rows, yields_to=tuple(dict.fromkeys([*first.yields_to, *second.yields_to])))

    def _tell(self, ask: Ask, expected: Expectation, answer: Answer) -> None:
        """Say what two answers lack; a market of which much is gone, or all, is refused."""
        missing, cells = expected.missing(answer), expected.cells.height
        if missing.is_empty():
            return
        told = f"{missing.height} of {cells} cells that should have rows, the first {missing.row(0)}"
        LOG.warning("%s: two answers lack %s", ask.dataset, told)
        is_market = is_by_ticker(ask.dataset) and not answer.tickers
        if is_market and answer.rows.is_empty():
            self._refuse_silence(ask, cells)
        # A few of a small market may well have ended on one day
        if is_market and missing.height > max(MOST_GONE, expected.tolerated):
            names = ", ".join(missing["ticker"].head(3))
            raise AnswerDistrusted(
                f"{self._source.name}: {ask.dataset} of {ask.start}: two answers lack {missing.height} of"
                f" {cells} tickers that traded in the session beside it ({names}). Nothing of it is landed"
            )

    def _refuse_silence(self, ask: Ask, traded: int) -> NoReturn:
        told = (
            f"{self._source.name}: {ask.dataset} of {ask.start}: two answers have no row of anybody, and"
            f" {traded} tickers traded in the session beside it"
        )
        if ask.now - datetime.combine(ask.start, time(), NEW_YORK) < _SOON:
            raise NotYet(told)
        raise AnswerDistrusted(f"{told}. If the exchange was shut, a newer pandas-market-calendars says so")

    def _from_the_floor(self, ask: Ask, expected: Expectation, answer: Answer) -> Answer:
        """Leave unsaid what lies before the first row, where the vendor gives nobody's rows that early."""
        if ask.dataset != RAW_VIX.name and len(answer.tickers) != 1:
            return answer
        if market_named_in(ask.dataset).is_quiet:
            return answer
        first = answer.rows["session"].min() if answer.rows.height else None
        start = first if isinstance(first, date) else ask.end
        missing = expected.missing(answer)
        early = missing.filter(pl.col("session") < start)["session"].to_list()
        if not early or self._is_told(ask, early[0]) or self._was_told(ask, early[0]):
            return answer
        return self._from(ask, answer, early, start)

    def _within_the_plan(self, ask: Ask, expected: Expectation, answer: Answer) -> Answer:
        """Leave unsaid the sessions of news and actions that are refused when asked for alone: the range was cut.

        Without a refusal nothing tells a vendor that holds nothing from one that keeps it back. Where the question
        itself finds no answer, the one in hand stands as it is.
        """
        early = expected.unlikely(ask, answer)
        if early and self._was_answered(ask, early[0]):
            return answer
        try:
            start = first_answered(lambda day: not self._is_refused(ask, day), early, 0) if early else None
        except (KeyRefused, SettingsError):
            raise
        except OrionError as e:
            # What was asked for was answered; only where the plan begins is not known
            LOG.warning("%s: whether %s lies within the plan is not known: %s", ask.dataset, early[0], e)
            return answer
        before = [day for day in early if start is None or day < start]
        if not before:
            return answer
        start = min((day for day in expected.unsaid["session"] if day > before[-1]), default=ask.end)
        if ask.dataset == RAW_NEWS.name and start < ask.end:
            # Its window begins before the floor, on the evening of the session before: it is told in part
            before, start = [*before, start], start + timedelta(days=1)
        return self._from(ask, answer, before, start)

    def _from(self, ask: Ask, answer: Answer, early: Sequence[date], start: date) -> Answer:
        who = answer.tickers[0] if answer.tickers else WHOLE_MARKET
        cells = pl.DataFrame({"session": early}).select(
            dataset=pl.lit(ask.dataset), ticker=pl.lit(who), session="session"
        )
        self.unreached = pl.concat([self.unreached, cells])
        return replace(answer, rows=answer.rows.filter(pl.col("session") >= start), starts={who: start})

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
        held = self._lake.read(TABLES[ask.dataset], start=session - AROUND, end=session, tickers=ask.tickers)
        return not held.is_empty()

    def _was_answered(self, ask: Ask, session: date) -> bool:
        """Say whether the sessions before one were answered, which then lies before no floor."""
        told = self._lake.read(RAW_COVERAGE, start=session - AROUND, end=session)
        return told.filter(pl.col("dataset") == ask.dataset).height > 0

    def _is_refused(self, ask: Ask, session: date) -> bool:
        """Say whether the vendor refuses a session that is asked for alone."""
        try:
            self._source.read(replace(ask, start=session, end=session + timedelta(days=1)))
        except NotEntitled as e:
            if not e.is_by_date:
                raise
            return True
        return False

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


def _problem(dataset: str) -> pl.Expr:
    """Say what is wrong with a row that will be held back; null where nothing is."""
    rules = _RULES.get(dataset, (UNREADABLE,))
    told = [
        pl.when(rule.is_broken.fill_null(value=False)).then(pl.format(f"{rule.name}: {{}}", rule.found))
        for rule in rules
    ]
    return pl.coalesce(told)
