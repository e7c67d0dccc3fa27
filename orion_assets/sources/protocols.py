"""What a source is asked and what it answers. No provider code; stamping `ts_known` is ingest's alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import ClassVar, Final, Protocol, runtime_checkable

import polars as pl

from orion_assets.errors import SettingsError
from orion_assets.sources.routes import Route
from orion_assets.tables import UTC_US, Table

# In place of a raw table's ts_known, ts_ingested and availability a source says these two
TS_ASSUMED: Final = "ts_assumed"
TS_STATED: Final = "ts_stated"
RECONCILIATION: Final[Mapping[str, pl.DataType]] = {
    "ticker": pl.String(),
    "session": pl.Date(),
    "close": pl.Float64(),
    "basis": pl.String(),
    "source_file": pl.String(),
}
# What some sources can besides; whoever stands before one of them hands these on
_ABILITIES: Final = (
    *("last_session", "reconciliation", "read_adjusted", "listed_tickers"),
    *("first_session", "budget", "questions"),
)
# Routes to raw_tickers where asking costs calls: those that trade, those that no longer do, and changes of ticker
LISTED, ENDED, EVENTS = "listed", "ended", "events"
_STAMPED_BY_INGEST: Final = ("ts_known", "ts_ingested", "availability")


@dataclass(frozen=True)
class Ask:
    """A range of sessions [start, end) of one dataset.

    Attributes:
        dataset: Name of the raw table to fill.
        start: First session asked for.
        end: First session no longer asked for.
        tickers: The followed universe; empty asks for every ticker the source has.
        now: Nothing known later may be answered.
        is_partial: `tickers` are only some of those followed.
        route: By which of its routes a source is to answer; empty where it has none.
    """

    dataset: str
    start: date
    end: date
    tickers: tuple[str, ...]
    now: datetime
    is_partial: bool = False
    route: str = ""


@dataclass(frozen=True)
class Document:
    """The bytes behind an answer, to be archived as they came."""

    name: str
    sha256: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class ObjectRead:
    """One object of a store of files, as it was read.

    Attributes:
        version: What tells it from whatever replaces it.
        tickers: How many it holds, followed or not.
    """

    version: str
    tickers: int


@dataclass(frozen=True)
class Answer:
    """All that a source says about an ask.

    Attributes:
        rows: Frame of `said_schema(table)`; for a key every version the source states, else one row.
        documents: What the rows were read from; a row's `source_hash` is one of theirs. Large ones may be read only as
            they are asked for.
        evidence: One hash or request id for the whole answer.
        tickers: Tickers the answer speaks of, whether or not they have rows; empty means the whole market.
        through: Last session the source can speak of; later ones stay unanswered. None where it has no such end.
        ends: Last session of the tickers whose rows end so shortly before that they may only be late: what comes after
            it is not yet confirmed to be absent.
        starts: First session that the answer can speak of, by ticker, `*` for the whole market; what comes before it
            was left out unsaid.
        replaces: Names of those documents that tell all there is: a row of raw_tickers that one of them told before and
            tells no longer is withdrawn.
        objects: By session, the object that it was read from, where there is one: what replaces it is read again.
        asks_with: Text in the address of an answer about the whole market, without which that one did not speak of
            everybody of whom this one does.
        untold: Columns that it cannot tell: null in its rows, and a row that is held keeps what it has of them.
        tells_more: Columns that other ways of asking may leave out: where the row that is held has none, what this
            answer tells of them makes no version by itself.
        yields_to: Sources that are trusted more: what one of them told of a key or a cell last stays as it is.
        ts_asked: When it was asked for; what was landed since stays. None where nobody else can have asked.
    """

    rows: pl.DataFrame
    documents: Sequence[Document]
    evidence: str
    tickers: tuple[str, ...] = ()
    through: date | None = None
    ends: Mapping[str, date] = field(default_factory=dict[str, date])
    starts: Mapping[str, date] = field(default_factory=dict[str, date])
    replaces: tuple[str, ...] = ()
    objects: Mapping[date, ObjectRead] = field(default_factory=dict[date, ObjectRead])
    asks_with: str = ""
    untold: tuple[str, ...] = ()
    tells_more: tuple[str, ...] = ()
    yields_to: tuple[str, ...] = ()
    ts_asked: datetime | None = None


UPCOMING: Final[Mapping[str, pl.DataType]] = {
    "date": pl.Date(),
    "exchange": pl.String(),
    "name": pl.String(),
    "is_closed": pl.Boolean(),
    "ts_open": UTC_US,
    "ts_close": UTC_US,
}


@dataclass(frozen=True)
class ExchangeStatus:
    """What a vendor says of the exchange's hours.

    Attributes:
        at: The vendor's own clock, UTC.
        is_open: Whether regular hours are under way then.
        upcoming: UPCOMING rows: days to come that are not as others are, one an exchange; `ts_open` and `ts_close` are
            null where it is closed. Sorted by date and exchange.
    """

    at: datetime
    is_open: bool
    upcoming: pl.DataFrame


class Source(Protocol):
    """A provider of raw datasets; `is_local` where asking again costs nothing, so that updates look for corrections."""

    name: ClassVar[str]
    is_local: ClassVar[bool]

    @property
    def datasets(self) -> frozenset[str]:
        """Names of the raw tables this source can fill."""
        ...

    def routes(self, today: date) -> Sequence[Route]:
        """Give the ways in which it can be asked, the best first; none where any range is answered at no cost.

        Args:
            today: New York's date.
        """
        ...

    def read(self, ask: Ask) -> Answer:
        """Answer for every session of the range; absence of a row is an answer too.

        Raises:
            SourceRejected: What the source holds cannot be read as declared; nothing may be written.
            SourceUnavailable: The source cannot answer now.
        """
        ...


@runtime_checkable
class Ending(Protocol):
    """A source that ends somewhere, as files do; the others go on by themselves."""

    def last_session(self, dataset: str) -> date | None:
        """The last session the source has anything to say of in a raw table; None where it goes on by itself."""
        ...


@runtime_checkable
class Comparing(Protocol):
    """A source that tells adjusted closes of another vendor."""

    def reconciliation(self, tickers: Sequence[str], start: date, end: date) -> pl.DataFrame:
        """Give adjusted closes to compare with, never to use as bars; no rows where the source has none.

        Returns:
            `ticker`, `session`, `close` (USD, in the vendor's units), `basis` (split_adjusted or fully_adjusted),
            `source_file`.
        """
        ...


@runtime_checkable
class Adjusting(Protocol):
    """A source that tells daily bars in today's units alone: to look at, never to be landed."""

    def read_adjusted(self, ask: Ask) -> Answer:
        """Answer for daily bars of one ticker, adjusted for every split up to now; else as `Source.read`."""
        ...


@runtime_checkable
class Listing(Protocol):
    """A source all of whose tickers may be followed; a vendor's whole market is too much to follow unasked."""

    def listed_tickers(self) -> tuple[str, ...]:
        """Every ticker the source has bars of, sorted."""
        ...


def hand_on(source: Source, front: object) -> None:
    """Let whoever stands before a source do what it can besides, and no more."""
    for ability in _ABILITIES:
        if hasattr(source, ability):
            setattr(front, ability, getattr(source, ability))


@dataclass(frozen=True)
class Question:
    """Something about a vendor that only a key can tell.

    Attributes:
        text: The question.
        calls: What asking costs, at most.
        seconds: How long it takes, beside the time of its calls.
        ask: Asks it and gives the answer, a line; None where a probe cannot answer it.
        why_not: Why it cannot.
    """

    text: str
    calls: int = 0
    ask: Callable[[], str] | None = None
    why_not: str = ""
    seconds: float = 0.0


@runtime_checkable
class Probing(Source, Protocol):
    """A vendor that can be asked what its key can do.

    Attributes:
        first_session: Before it the vendor has nothing for anybody.
        budget: What its calls are counted under; tells the key from others without telling it.
    """

    first_session: ClassVar[date]
    budget: str

    def questions(
        self, ticker: str, now: datetime, *, landed: pl.DataFrame | None = None, exceeds: bool = False
    ) -> Sequence[Question]:
        """Give what is not known of the vendor.

        Args:
            ticker: One that trades all day.
            now: The time.
            landed: RAW_NEWS rows of before, which a second reading is held against; None where there are none.
            exceeds: Ask also what takes calls beyond the budget.
        """
        ...


def last_session_of(source: Source, dataset: str) -> date | None:
    """Give the last session a source has anything to say of in a raw table; None where it goes on by itself."""
    return source.last_session(dataset) if isinstance(source, Ending) else None


def reconciliation_of(source: Source, tickers: Sequence[str], start: date, end: date) -> pl.DataFrame:
    """Give a source's closes to compare with, as `Comparing` says; no rows where it has none."""
    if isinstance(source, Comparing):
        return source.reconciliation(tickers, start, end)
    return pl.DataFrame(schema=RECONCILIATION)


def listed_by(source: Source) -> tuple[str, ...]:
    """Give every ticker a source has bars of, sorted.

    Raises:
        SettingsError: It lists none of itself.
    """
    if isinstance(source, Listing):
        return source.listed_tickers()
    raise SettingsError(
        f"{source.name}: nobody said which tickers to follow. Set ORION_TICKERS=AAPL,MSFT or call: orion tickers add"
        " AAPL"
    )


def said_schema(table: Table) -> Mapping[str, pl.DataType]:
    """Give the columns of `Answer.rows` for a raw table: its own, less what ingest stamps, plus the two clocks.

    `ts_assumed` (UTC, not null) is the event plus the source's delay; `ts_stated` (UTC, null where the source
    states none) is the instant at which the source says the version became known.
    """
    kept = {name: dtype for name, dtype in table.schema.items() if name not in _STAMPED_BY_INGEST}
    return {**kept, TS_ASSUMED: UTC_US, TS_STATED: UTC_US}


def spoken_by(rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Leave out of `said_schema` rows what becomes known only after `now`."""
    return rows.filter(pl.lit(now.astimezone(UTC), dtype=UTC_US) >= pl.coalesce(TS_STATED, TS_ASSUMED))
