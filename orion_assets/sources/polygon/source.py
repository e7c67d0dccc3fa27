"""Polygon as a `Source`: which request answers an ask, page by page, and what of the answer is landed."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Final, TypeVar

import polars as pl

from orion_assets import calendars
from orion_assets.clock import Clock
from orion_assets.errors import AnswerDistrusted
from orion_assets.markets import INDICES, MARKETS, OVER_THE_COUNTER, market_named_in
from orion_assets.schemas import (
    RAW_DAILY_BARS,
    RAW_DIVIDENDS,
    RAW_MINUTE_BARS,
    RAW_NEWS,
    RAW_SPLITS,
    RAW_TICKERS,
    RAW_VIX,
    TABLES,
)
from orion_assets.sources import filing
from orion_assets.sources.bodies import loaded, object_of, shown
from orion_assets.sources.limiter import Limiter, Rate
from orion_assets.sources.polygon import market_routes, reference, requests, rows
from orion_assets.sources.polygon import markets as other_markets
from orion_assets.sources.polygon.files import FILE_ROUTES, FlatFiles
from orion_assets.sources.polygon.pages import flat_page, listed
from orion_assets.sources.polygon.probe import Beside, Prober
from orion_assets.sources.polygon.requests import Request
from orion_assets.sources.polygon.routes import FIRST_SESSION, polygon_routes
from orion_assets.sources.polygon.seams import Seam, Sizes, seam_after
from orion_assets.sources.polygon.words import judge, refuse_status
from orion_assets.sources.protocols import ENDED, EVENTS, Answer, Ask, Document, Question, said_schema, spoken_by
from orion_assets.sources.responses import Response
from orion_assets.sources.routes import NO_FLOORS, Floors, Rights, Route, with_floors
from orion_assets.sources.transport import DISTRUSTED, Policy, Transport, Vendor

_MOST_PAGES: Final = 100
# Both names answer, and pages name either
_HOSTS: Final = ("api.massive.com", "api.polygon.io")
# Beyond its deadline a call may take this long to be given up
_GRACE_S: Final = 5.0
_NOTHING: Final = timedelta()
# Its rows, and where the next one is; with a seam, the keys of the rows that both tell
_Page = tuple[pl.DataFrame, str | Seam | None]
T = TypeVar("T")


def polygon_transport(
    key: str, base_url: str, rights: Rights, limited: Callable[[Rate, float], Limiter], clock: Clock
) -> Transport:
    """Open the way to Polygon with a key.

    Args:
        key: Travels in a header and nowhere else.
        base_url: https://api.massive.com, or its older name; http on this machine alone.
        rights: What its subscription allows; RIGHTS has the vendor's own by name.
        limited: Makes the limiter for their rate and for the seconds within which any call has ended.
        clock: Tells the time.

    Raises:
        SettingsError: The base URL would send the key in the clear.
    """
    policy = Policy.side_by_side(rights.in_flight)
    vendor = Vendor(PolygonSource.name, base_url, judge, frozenset(_HOSTS), {"Authorization": f"Bearer {key}"})
    limiter = limited(rights.rate, policy.deadline_s + _GRACE_S)
    return Transport(vendor, limiter, policy, clock, time.sleep)


@dataclass(frozen=True)
class Reach:
    """What a key reaches beside the calls of its plan.

    Attributes:
        files: Its Flat Files, where there are keys to them.
        markets: Which to supply beside equities: names of MARKETS, and `otc`.
        budget: What its calls are counted under; tells the key from others without telling it.
        floors: How far back keys were found to reach.
    """

    files: FlatFiles | None = None
    markets: Collection[str] = ()
    budget: str = ""
    floors: Floors = NO_FLOORS


_PLAIN: Final = Reach()


class PolygonSource:
    """Polygon with one key; every row is as the vendor said it, as traded."""

    name: ClassVar[str] = rows.SOURCE
    is_local: ClassVar[bool] = False
    first_session: ClassVar[date] = FIRST_SESSION

    def __init__(self, transport: Transport, rights: Rights, reach: Reach = _PLAIN) -> None:
        """Ask by a transport, which carries the key, under the rights of that key."""
        self.budget: Final = reach.budget
        self._transport = transport
        self._rights = rights
        self._reach = reach
        self._objects: Mapping[str, Mapping[date, str]] | None = None
        self._markets = [MARKETS[name] for name in MARKETS if name in reach.markets]
        self._has_otc = OVER_THE_COUNTER in reach.markets
        self._readers: Final[dict[str, Callable[[Ask], Answer]]] = {
            RAW_DAILY_BARS.name: self._daily_bars,
            RAW_MINUTE_BARS.name: self._minute_bars,
            RAW_VIX.name: self._vix,
            RAW_NEWS.name: self._news,
            RAW_SPLITS.name: self._splits,
            RAW_DIVIDENDS.name: self._dividends,
            RAW_TICKERS.name: self._tickers,
            **{name: self._of_market for market in self._markets for name in market_routes.datasets(market)},
        }

    def close(self) -> None:
        """End its connections; the next request opens new ones, and objects are listed anew."""
        self._transport.close()
        self._objects = None

    @property
    def datasets(self) -> frozenset[str]:
        """Names of the raw tables it fills."""
        return frozenset(self._readers)

    def routes(self, today: date) -> Sequence[Route]:
        """Give its routes under the rights of its key, the best first; `today` is New York's date."""
        objects = self._objects_listed(today)
        days = {name: frozenset(versions) for name, versions in objects.items()}
        found = polygon_routes(self._rights, today, days)
        of_equities = [route for route in found if route.dataset in self._readers]
        # Of shares over the counter the files hold nothing, and would say that nobody traded them
        in_files = [route for route in of_equities if route.name in FILE_ROUTES and not self._has_otc]
        in_files += market_routes.file_routes(self._rights, today, self._markets, days)
        of_files = [replace(each, versions=objects[each.dataset]) for each in in_files if each.dataset in objects]
        others = market_routes.market_routes(self._rights, today, self._markets)
        of_calls = [*(route for route in of_equities if route.name not in FILE_ROUTES), *others]
        told = with_floors(of_calls, self._reach.floors.of(self.budget), today)
        return [*of_files, *(market_routes.with_otc(route) if self._has_otc else route for route in told)]

    def read(self, ask: Ask) -> Answer:
        """Answer one call of a plan.

        Raises:
            ValueError: The dataset is not one of its own.
            OrionError: As `Transport.get`.
        """
        if ask.dataset not in self._readers:
            raise ValueError(f"polygon: {ask.dataset} is not supplied; supplied are {', '.join(sorted(self._readers))}")
        if ask.route in FILE_ROUTES and self._reach.files is not None:
            answer = self._reach.files.read(ask)
        else:
            answer = self._readers[ask.dataset](ask)
        return replace(answer, rows=spoken_by(answer.rows, ask.now))

    def questions(
        self, ticker: str, now: datetime, *, landed: pl.DataFrame | None = None, exceeds: bool = False
    ) -> Sequence[Question]:
        """Give what is not known of the vendor; see Probing."""
        objects = self._objects_listed(now.astimezone(calendars.NEW_YORK).date()).get(RAW_DAILY_BARS.name, {})
        beside = Beside(self._reach.files, objects, landed)
        rate = self._rights.rate if exceeds else None
        return Prober(self._transport, ticker, now, beside, rate).questions()

    def _daily_bars(self, ask: Ask) -> Answer:
        return replace(self._days(ask), asks_with=market_routes.INCLUDES_OTC if self._has_otc else "")

    def _days(self, ask: Ask) -> Answer:
        if ask.route == "grouped":
            request = requests.market_bars(ask.start, include_otc=self._has_otc)
            return self._flat(ask, request, lambda page, _: rows.market_days(page, ask.start), rows.bars, ("T", "v"))
        (ticker,) = ask.tickers
        return self._range(ask, ticker, rows.bars, calendars.NEW_YORK.key, ("v",))

    def _minute_bars(self, ask: Ask) -> Answer:
        (ticker,), span = ask.tickers, (ask.start, ask.end)
        request = requests.range_bars(ticker, "minute", ask.start, ask.end - timedelta(days=1))

        def placed(page: pl.DataFrame, envelope: Any) -> pl.DataFrame:  # noqa: ANN401 - JSON
            rows.refuse_another(envelope, ticker)
            return rows.ticker_minutes(page, ticker, span)

        return self._flat(ask, request, placed, rows.minutes, ("v",))

    def _objects_listed(self, today: date) -> Mapping[str, Mapping[date, str]]:
        """List the objects once; what comes while a run goes on is the next one's."""
        if self._reach.files is None or not self._rights.has_flat_files:
            return {}
        if self._objects is None:
            self._objects = self._reach.files.listed(self._rights.floor(today), self.datasets)
        return self._objects

    def _of_market(self, ask: Ask) -> Answer:
        asked = other_markets.question(ask)
        return self._flat(ask, asked.request, asked.place, asked.meaning, asked.required)

    def _vix(self, ask: Ask) -> Answer:
        first, last = filing.days(ask.start, ask.end)
        return self._range(replace(ask, start=first, end=last), requests.VIX, rows.vix_days, "America/Chicago", ())

    def _range(
        self, ask: Ask, ticker: str, meaning: Callable[[pl.DataFrame], pl.DataFrame], zone: str, more: Sequence[str]
    ) -> Answer:
        span = (ask.start, ask.end)
        request = requests.range_bars(ticker, "day", span[0], span[1] - timedelta(days=1))

        def placed(page: pl.DataFrame, envelope: Any) -> pl.DataFrame:  # noqa: ANN401 - JSON
            rows.refuse_another(envelope, ticker)
            return rows.ticker_days(page, ticker, span, zone)

        return self._flat(ask, request, placed, meaning, more)

    def _flat(
        self,
        ask: Ask,
        request: Request,
        place: Callable[[pl.DataFrame, Any], pl.DataFrame],
        meaning: Callable[[pl.DataFrame], pl.DataFrame],
        more: Sequence[str],
    ) -> Answer:
        """Read pages of bars; each must have its prices, its stamp and what `more` names."""

        def read(response: Response) -> _Page:
            page = flat_page(response.body, rows.FIELDS, (*rows.PRICES, "t", *more))
            _refuse_adjusted(page.envelope, ask)
            return meaning(place(page.rows, page.envelope)), page.next_url

        return self._answer(ask, request, read, ask.tickers if ask.route != "grouped" else ())

    def _news(self, ask: Ask) -> Answer:
        window = filing.window(ask.start, ask.end)
        asked, delay = requests.news(*window), rows.NEWS_DELAY
        return self._listed(ask, asked, lambda found: reference.news(found, window), delay, by="published_utc")

    def _splits(self, ask: Ask) -> Answer:
        span = filing.days(ask.start, ask.end)
        asked = requests.splits(*span)
        return self._listed(ask, asked, lambda found: reference.splits(found, span), _NOTHING, by="execution_date")

    def _dividends(self, ask: Ask) -> Answer:
        span = filing.days(ask.start, ask.end)
        asked = requests.dividends(*span)
        return self._listed(ask, asked, lambda found: reference.dividends(found, span), _NOTHING, by="ex_dividend_date")

    def _tickers(self, ask: Ask) -> Answer:
        """Answer for each ticker by a call of its own; without any, with the whole listing."""
        if ask.route == EVENTS:
            return _together(ask, [self._events(ask, each) for each in ask.tickers])
        as_of = min(ask.now.astimezone(calendars.NEW_YORK).date(), ask.end)
        whole = requests.tickers(as_of, is_active=ask.route != ENDED)
        asked = [Request(whole.path, {**whole.params, "ticker": each}) for each in ask.tickers] or [whole]
        return _together(
            ask, [self._listed(ask, each, lambda found: reference.listings(found, as_of), _NOTHING) for each in asked]
        )

    def _events(self, ask: Ask, identifier: str) -> Answer:
        def read(response: Response) -> _Page:
            envelope = object_of(loaded(response.body))
            refuse_status(envelope)
            return reference.events(object_of(envelope.get("results"), "results"), identifier), None

        answer = self._answer(ask, requests.events(identifier), read, (), _NOTHING)
        return replace(answer, replaces=tuple(document.name for document in answer.documents))

    def _following(self, onward: str | Seam, taken: Callable[[Response], T]) -> T:
        if isinstance(onward, Seam):
            return self._transport.get(onward.request.path, onward.request.params, taken)
        return self._transport.follow(onward, taken)

    def _listed(
        self,
        ask: Ask,
        request: Request,
        meaning: Callable[[list[dict[str, Any]]], pl.DataFrame],
        delay: timedelta | pl.Expr = rows.DELAY,
        *,
        by: str = "",
    ) -> Answer:
        """Read a list in pages; where it is sorted `by` a date, they have to join as seams.py has it."""
        sizes = Sizes(int(request.params["limit"]))

        def read(response: Response) -> _Page:
            envelope, found = listed(response.body)
            told, page = envelope.get("next_url"), meaning(found)
            onward = told if isinstance(told, str) and told else None
            is_full = sizes.is_full(len(found), goes_on=onward is not None)
            if not by or (onward is None and not is_full):
                return page, onward
            keys = page.select("_row", TABLES[ask.dataset].key[0])
            return page, seam_after(request, found, keys, by, goes_on=onward is not None) or onward

        return self._answer(ask, request, read, (), delay)

    def _answer(
        self,
        ask: Ask,
        request: Request,
        read: Callable[[Response], _Page],
        spoken_of: tuple[str, ...],
        delay: timedelta | pl.Expr = rows.DELAY,
    ) -> Answer:
        """Read all pages of a request."""
        table = TABLES[ask.dataset]
        found = [pl.DataFrame(schema=said_schema(table))]
        documents: list[Document] = []
        seen: set[str] = set()
        joint: Seam | None = None
        onward: str | Seam | None = None

        def taken(response: Response) -> str | Seam | None:
            page, following = read(response)
            if joint is None or not joint.is_end(page[table.key[0]]):
                _refuse_idle(page, following, found, table.key)
            name = response.url.partition("://")[2].partition("/")[2]
            if page.height:
                found.append(rows.said(table, page, f"/{name}", response.sha256, delay))
            documents.append(Document(f"/{name}", response.sha256, response.body))
            return following

        onward = self._transport.get(request.path, request.params, taken)
        while onward is not None:
            if str(onward) in seen or len(seen) >= _MOST_PAGES:
                raise AnswerDistrusted(
                    f"polygon: {request.path}: its pages go round, or are more than {_MOST_PAGES}. {DISTRUSTED}"
                )
            seen.add(str(onward))
            joint = onward if isinstance(onward, Seam) else None
            onward = self._following(onward, taken)
        said = _once(request, pl.concat(found), table.key)
        return Answer(said, tuple(documents), documents[0].sha256, spoken_of)


def _once(request: Request, said: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Keep one of what pages tell alike.

    Raises:
        AnswerDistrusted: Two pages tell one thing differently.
    """
    # Where one column of the key is unique, so is the key, and that is known in a tenth of the time
    if any(said[name].n_unique() == said.height for name in reversed(key)):
        return said
    clashes = said.filter(pl.struct(key).is_duplicated())
    if clashes.is_empty():
        return said
    one = said.unique(key, keep="last", maintain_order=True)
    alike = said.unique([name for name in said.columns if not name.startswith("source_")])
    if alike.height > one.height:
        raise AnswerDistrusted(
            f"polygon: {request.path}: two pages tell {clashes.row(0)[:2]} differently. {DISTRUSTED}"
        )
    return one


def _refuse_adjusted(envelope: Mapping[str, Any], ask: Ask) -> None:
    said = envelope.get("adjusted")
    if said is True:
        raise AnswerDistrusted("its prices are adjusted, and as traded were asked for", is_worth_asking=True)
    # Each page says so by itself, but for those of an index, which nothing adjusts
    is_index = ask.dataset == RAW_VIX.name or market_named_in(ask.dataset) is INDICES
    if said is not False and not (is_index and said is None):
        raise AnswerDistrusted(
            f"it does not say that its prices are as traded: adjusted is {shown(said)}", is_worth_asking=True
        )


def _together(ask: Ask, answers: Sequence[Answer]) -> Answer:
    return Answer(
        pl.concat(each.rows for each in answers),
        tuple(document for each in answers for document in each.documents),
        answers[0].evidence,
        ask.tickers,
        replaces=tuple(name for each in answers for name in each.replaces),
    )


def _refuse_idle(page: pl.DataFrame, following: object, found: Sequence[pl.DataFrame], key: Sequence[str]) -> None:
    """Refuse a page in place of which another one should stand: one that brings nothing new and goes on."""
    if page.is_empty() and following is not None:
        raise AnswerDistrusted("it is empty, and says that another page follows", is_worth_asking=True)
    before = pl.concat([each.select(key) for each in found])
    if page.height and before.height and page.select(key).join(before, on=key, how="anti").is_empty():
        raise AnswerDistrusted("it repeats what the pages before it told", is_worth_asking=True)
