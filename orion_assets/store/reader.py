"""The one as-of read: which rows a reader may see at an instant, as SQL that every engine runs.

Values are bound, never written into the text; identifiers come from `schemas` only. An engine adds `rows` (run a
query) and `facts`; nothing here knows which engine it is.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final, Self, get_args

import polars as pl

from orion_assets import calendars
from orion_assets.markets import EQUITIES
from orion_assets.schemas import (
    CLEAN_DAILY_BARS,
    CLEAN_MINUTE_BARS,
    CLEAN_NEWS,
    CORPORATE_ACTIONS,
    FEATURE_MATRIX,
    SECURITIES,
    STORED,
)
from orion_assets.store.arguments import (
    bound,
    cutoff_value,
    demand_one_of,
    public_columns,
    stored,
    ticker_names,
    unknown,
)
from orion_assets.store.content_hash import combined_hash, table_hash
from orion_assets.store.facts import asked_sessions
from orion_assets.store.market_bars import market_asked, market_bars
from orion_assets.store.minutes import LakeMinutes
from orion_assets.store.protocols import Adjusted, AsOf, Bound, CutoffChoice, Tickers
from orion_assets.tables import Table
from orion_assets.transforms.adjust import back_adjusted
from orion_assets.transforms.identity import identified, of_securities, relatives

# An interval, not DISTINCT ON: 0.14 s against 4.5 s over the whole table
VISIBLE: Final = "ts_known <= :as_of AND (known_until IS NULL OR known_until > :as_of) AND NOT is_deleted"
KNOWN: Final = "ts_known <= :as_of"
END_OF_TIME: Final = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


@dataclass(frozen=True)
class Query:
    """A text with `:name` in place of every value, and the values."""

    text: str
    parameters: Mapping[str, object]


@dataclass(frozen=True)
class Selection:
    """Which rows of a stored table; None for no limit.

    Attributes:
        table: The table, which names every identifier of the text.
        columns: The columns to give, in order.
        tickers: Tickers the rows must be of; an empty tuple selects nothing.
        start: First session.
        end: First session no longer selected.
        cutoff: `open` or `close`; None for both, or where the table has none.
        as_of: The instant; None for the last version of every row.
        versions: Whether to give every version known at the instant, withdrawn ones too.
    """

    table: Table
    columns: tuple[str, ...]
    tickers: tuple[str, ...] | None = None
    start: date | None = None
    end: date | None = None
    cutoff: str | None = None
    as_of: datetime | None = None
    versions: bool = False

    def query(self) -> Query:
        """Build the read of these rows, in no particular order."""
        condition, parameters = self._condition()
        return Query(_select(_listed(self.columns), self.table.name, condition), parameters)

    def latest_query(self) -> Query:
        """Build the read of each ticker's last session among these rows, for each cut-off."""
        condition, parameters = self._condition()
        name = self.table.name
        aliases = "ticker AS last_ticker, cutoff AS last_cutoff, max(session) AS last_session"
        last = f"{_select(aliases, name, condition)} GROUP BY ticker, cutoff"
        joined = (
            f"{name} JOIN ({last}) AS latest"
            " ON ticker = last_ticker AND cutoff = last_cutoff AND session = last_session"
        )
        return Query(_select(_listed(self.columns), joined, condition), parameters)

    def _condition(self) -> tuple[str, dict[str, object]]:
        parts = [KNOWN if self.versions else VISIBLE]
        parameters: dict[str, object] = {"as_of": self.as_of or END_OF_TIME}
        limits = (("start", "session >= :start"), ("end", "session < :end"), ("cutoff", "cutoff = :cutoff"))
        for name, part in limits:
            if (value := getattr(self, name)) is not None:
                parts.append(part)
                parameters[name] = value
        if self.tickers is not None:
            bound = {f"ticker_{n}": ticker for n, ticker in enumerate(self.tickers)}
            parts.append(self._of_tickers(bound))
            parameters |= bound
        return " AND ".join(parts), parameters

    def _of_tickers(self, bound: Mapping[str, str]) -> str:
        if not bound:
            return "1 = 0"
        if "ticker" in self.table.names:
            return f"ticker IN ({', '.join(f':{name}' for name in bound)})"
        return f"({' OR '.join(f':{name} = ANY(tickers)' for name in bound)})"


class AsOfReader(ABC):
    """Every read of `FeatureReader`, over whichever engine runs the queries.

    The calls are described in `protocols.FeatureReader`. `minutes` is where minute bars lie, which no engine holds;
    None where the reader was opened without a lake.
    """

    minutes: LakeMinutes | None = None

    @abstractmethod
    def rows(self, query: Query) -> pl.DataFrame:
        """Run a query; columns have the dtypes of `schemas`."""

    @abstractmethod
    def facts(self) -> dict[str, str]:
        """Give what the store says of itself."""

    @abstractmethod
    def refresh(self) -> None:
        """Read the newest publication from now on."""

    @abstractmethod
    def close(self) -> None:
        """Give back what the reader holds."""

    def __enter__(self) -> Self:
        """Give the reader itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the reader."""
        self.close()

    def features(
        self,
        tickers: Tickers = None,
        *,
        start: Bound = None,
        end: Bound = None,
        columns: Sequence[str] | None = None,
        cutoff: CutoffChoice = "close",
        as_of: AsOf = None,
    ) -> pl.DataFrame:
        """Give rows of the feature matrix: ticker, session, cutoff, the columns asked for, ts_known."""
        return self._read(
            replace(
                _selection(FEATURE_MATRIX, tickers, start, end, as_of),
                columns=public_columns(FEATURE_MATRIX, columns),
                cutoff=cutoff_value(cutoff),
            )
        )

    def bars(
        self,
        tickers: Tickers = None,
        *,
        start: Bound = None,
        end: Bound = None,
        timeframe: str = "1d",
        adjusted: Adjusted = "none",
        as_of: AsOf = None,
    ) -> pl.DataFrame:
        """Give bars as traded, or in the units of `as_of`'s date (its last session where there is no `as_of`).

        Returns:
            The public columns of CLEAN_DAILY_BARS; for `1m` those of CLEAN_MINUTE_BARS, as traded, read from the lake.
            For tickers of another market those of its own tables, as traded, from the lake too.
            `split` and `total_return` scale prices and volume by factors
            of the security's whole visible history, under its earlier tickers too, so `start` and `end` never change a
            value; `ts_known` stays the bar's own.
            Where no source was asked for dividends after the range, `total_return` is in the units of the last session
            less what was paid since: returns within the range are whole, their level is not.

        Raises:
            ValueError: The timeframe or basis is unknown, minutes are asked for adjusted or of a reader without a lake,
                or `total_return` is asked for sessions in which no source was asked for dividends.
        """
        demand_one_of("timeframe", timeframe, ("1d", "1m"), "only daily and minute bars are stored yet")
        demand_one_of("adjusted", adjusted, get_args(Adjusted), "choose one of them")
        if market_asked(tickers, adjusted) is not EQUITIES:
            if self.minutes is None:
                raise ValueError("bars: other markets lie in the lake, and this store was opened without one")
            return market_bars(self.minutes, tickers, start=start, end=end, timeframe=timeframe, as_of=as_of)
        if timeframe == "1m":
            return self._minute_bars(_selection(CLEAN_MINUTE_BARS, tickers, start, end, as_of), adjusted)
        selection = _selection(CLEAN_DAILY_BARS, tickers, start, end, as_of)
        if adjusted == "none":
            return self._read(selection)
        intervals = self._matching(_selection(SECURITIES, None, None, None, as_of))
        asked = selection.tickers
        family = None if asked is None else sorted(relatives(asked, intervals.select("ticker", "security_id")))
        bars = self._matching(_selection(CLEAN_DAILY_BARS, family, None, None, as_of))
        is_asked = [*_within(selection), *([] if asked is None else [pl.col("ticker").is_in(list(asked))])]
        self._demand_known(selection, bars.filter(is_asked))
        if adjusted == "total_return":
            self._demand_dividends(bars.filter(is_asked))
        actions = of_securities(self._matching(_selection(CORPORATE_ACTIONS, family, None, None, as_of)), intervals)
        on = selection.as_of.astimezone(calendars.NEW_YORK).date() if selection.as_of else None
        adjusted_bars = back_adjusted(identified(bars, intervals, "session"), actions, adjusted, on)
        return adjusted_bars.filter(is_asked).select(selection.columns).sort(CLEAN_DAILY_BARS.key)

    def _minute_bars(self, selection: Selection, adjusted: Adjusted) -> pl.DataFrame:
        if adjusted != "none":
            raise ValueError(f'bars: minutes are given as traded only; ask for adjusted="none", not {adjusted!r}')
        if self.minutes is None:
            raise ValueError("bars: minutes lie in the lake, and this store was opened without one; name its lake too")
        found = self.minutes.rows(selection.tickers, selection.start, selection.end, selection.as_of)
        self._demand_known(selection, found)
        return found.select(selection.columns)

    def news(
        self, tickers: Tickers = None, *, start: Bound = None, end: Bound = None, as_of: AsOf = None
    ) -> pl.DataFrame:
        """Give articles that name one of the tickers, with their mood."""
        return self._read(_selection(CLEAN_NEWS, tickers, start, end, as_of))

    def latest(
        self,
        tickers: Tickers = None,
        *,
        cutoff: CutoffChoice = "close",
        as_of: AsOf = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Give each ticker's last visible matrix row; with `both`, one for each cut-off."""
        selection = replace(
            _selection(FEATURE_MATRIX, tickers, None, None, as_of),
            columns=public_columns(FEATURE_MATRIX, columns),
            cutoff=cutoff_value(cutoff),
        )
        found = self.rows(selection.latest_query())
        self._demand_known(selection, found)
        return found.sort(FEATURE_MATRIX.key)

    def table(
        self,
        name: str,
        *,
        tickers: Tickers = None,
        start: Bound = None,
        end: Bound = None,
        as_of: AsOf = None,
        versions: bool = False,
    ) -> pl.DataFrame:
        """Give any stored table; with `versions` every version known at `as_of`, withdrawals and clocks included.

        Returns:
            Sorted by key, then `ts_known`. A `known_until` later than `as_of` is null: it was not known then.
        """
        table = stored(name)
        if tickers is not None and not {"ticker", "tickers"} & set(table.names):
            raise ValueError(f"{name}: its rows belong to no ticker; leave tickers out")
        if (start, end) != (None, None) and "session" not in table.names:
            raise ValueError(f"{name}: its rows belong to no session; leave start and end out")
        selection = _selection(table, tickers, start, end, as_of)
        if not versions:
            return self._read(selection)
        found = self._read(replace(selection, columns=table.names, versions=True))
        is_known = pl.col("known_until") <= (selection.as_of or END_OF_TIME)
        return found.with_columns(known_until=pl.when(is_known).then("known_until"))

    def content_hash(self, table: str | None = None) -> str:
        """Give the hash of one table's content, all versions, or of all tables together."""
        if table is None:
            return combined_hash({each.name: self.content_hash(each.name) for each in STORED})
        declared = stored(table)
        return table_hash(declared, self._matching(Selection(declared, declared.names, versions=True)))

    def _read(self, selection: Selection) -> pl.DataFrame:
        found = self._matching(selection)
        self._demand_known(selection, found)
        return found.sort([*selection.table.key, "ts_known"])

    def _matching(self, selection: Selection) -> pl.DataFrame:
        return self.rows(selection.query())

    def _demand_dividends(self, bars: pl.DataFrame) -> None:
        sessions = bars.select("session").unique()
        unasked = sessions.join(asked_sessions(self.facts(), "raw_dividends"), on="session", how="anti")["session"]
        if len(unasked):
            first, last = unasked.sort().to_list()[0], unasked.sort().to_list()[-1]
            raise ValueError(
                f"bars: total_return needs dividends, and no source supplied raw_dividends to this store for"
                f" {len(unasked)} of the {sessions.height} sessions, {first} to {last}. Add a dividends dataset to the"
                f" source and run `orion backfill --from {first} --to {last + timedelta(days=1)}`, or ask for"
                ' adjusted="split"'
            )

    def _demand_known(self, selection: Selection, found: pl.DataFrame) -> None:
        """Refuse tickers the store has never heard of; one without rows in the range is an answer, not a mistake."""
        if not selection.tickers:
            return
        has_list = "ticker" not in selection.table.names
        column = found["tickers"].explode() if has_list else found["ticker"]
        missing = set(selection.tickers) - set(column.unique().to_list())
        if not missing:
            return
        known = self._tickers()
        if absent := sorted(missing - known):
            remedy = f"follow with `orion tickers add {' '.join(absent[:10])}`, then `orion backfill`"
            raise unknown("ticker", absent, known, remedy)

    def _tickers(self) -> set[str]:
        names: set[str] = set()
        for table in STORED:
            if "ticker" in table.names:
                names |= set(self.rows(Query(_select("DISTINCT ticker", table.name), {}))["ticker"].to_list())
        tagged = self.rows(Query(_select("DISTINCT tickers", CLEAN_NEWS.name), {}))["tickers"].explode()
        return names | set(tagged.drop_nulls().to_list())


def _selection(table: Table, tickers: Tickers, start: Bound, end: Bound, as_of: AsOf) -> Selection:
    first, last = bound("start", start), bound("end", end)
    if first is not None and last is not None and first > last:
        raise ValueError(f"start {first} is after end {last}; ranges are [start, end) in sessions")
    return Selection(
        table,
        public_columns(table, None),
        tickers=ticker_names(tickers),
        start=first,
        end=last,
        as_of=None if as_of is None else calendars.instant(as_of),
    )


def _within(selection: Selection) -> list[pl.Expr]:
    bounds = [] if selection.start is None else [pl.col("session") >= selection.start]
    return bounds if selection.end is None else [*bounds, pl.col("session") < selection.end]


def _select(what: str, relation: str, condition: str = "TRUE") -> str:
    # Identifiers come from schemas alone, values are bound
    return f"SELECT {what} FROM {relation} WHERE {condition}"  # noqa: S608


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
