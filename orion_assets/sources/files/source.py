"""The files source: bars, actions, VIX and news from files that the user owns, read as a TOML mapping says.

Docs: docs/reference/files-mapping.md. Dates are New York trading dates, instants are aware or in the mapping's `zone`,
prices as traded (adjusted ones only for comparison), ranges [start, end). Publication delays are the mapping's: by
default 15 min for bars, VIX and news, none for corporate actions. No network, no limits.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Final

import polars as pl

from orion_assets import calendars
from orion_assets.errors import SchemaMismatch, SourceRejected
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
from orion_assets.sources.files import rows as says
from orion_assets.sources.files.mapping import load
from orion_assets.sources.files.minutes import Minutes
from orion_assets.sources.files.options import ActionColumn, Block, DailyBars, MinuteBars, News
from orion_assets.sources.files.parsing import Sheet, dates, numbers, tickers
from orion_assets.sources.files.reading import Documents, Kept, Shelf
from orion_assets.sources.files.settling import check_basis, settle
from orion_assets.sources.files.sheets import Plan, documents, plan, sheets
from orion_assets.sources.protocols import RECONCILIATION, Answer, Ask, said_schema, spoken_by
from orion_assets.sources.routes import Route
from orion_assets.tables import Table

_LOG: Final = logging.getLogger(__name__)
# A ticker whose file ends so few sessions before the others may only be late
LATE_SESSIONS: Final = 5


# The sheets of some blocks, with the function that reads them; each function knows its own kind of block
_Group = tuple[list[Plan], Callable[[Sheet, Any], pl.DataFrame]]


@dataclass(frozen=True)
class _Said:
    """Everything the files say about one dataset, before a range is asked for."""

    rows: pl.DataFrame
    documents: Documents
    feeds: tuple[str, ...] = ()


class FilesSource:
    """Files that the user owns, as a `Source`."""

    name: ClassVar[str] = "files"
    is_local: ClassVar[bool] = True

    def __init__(self, mappings: Sequence[Path], root: Path | None = None) -> None:
        """Read the mappings; no data file is opened yet.

        Args:
            mappings: TOML files; their tables add up.
            root: Folder that their files are relative to; each mapping's own folder when None.

        Raises:
            SettingsError: A mapping cannot be read or an option in it is wrong.
        """
        self._mappings = tuple(load(Path(path), root) for path in mappings)
        self._shelf = Shelf()
        self._minutes = Minutes()
        self._kept: dict[str, tuple[object, _Said]] = {}

    @property
    def datasets(self) -> frozenset[str]:
        """Names of the raw tables that the mappings fill; `raw_tickers` always."""
        tables = [mapping.tables for mapping in self._mappings]
        bars = [block for block in self._blocks("daily_bars") if isinstance(block, DailyBars) and block.use == "bars"]
        has = {
            RAW_DAILY_BARS.name: bool(bars),
            RAW_MINUTE_BARS.name: any(t.minute_bars for t in tables),
            RAW_SPLITS.name: any(t.splits for t in tables) or any(block.splits for block in bars),
            RAW_DIVIDENDS.name: any(t.dividends for t in tables) or any(block.dividends for block in bars),
            RAW_VIX.name: any(t.vix for t in tables),
            RAW_NEWS.name: any(t.news for t in tables),
            RAW_TICKERS.name: True,
        }
        return frozenset(name for name, is_filled in has.items() if is_filled)

    def routes(self, today: date) -> Sequence[Route]:  # noqa: ARG002
        """Give none: any range is answered at no cost."""
        return ()

    def read(self, ask: Ask) -> Answer:
        """Answer for every session of the range.

        `raw_tickers` has no session: every snapshot dated before the range's end is given.

        Raises:
            SourceRejected: A file cannot be read as the mapping declares; nothing is given.
            SettingsError: A pattern of the mapping finds no file.
            ValueError: The mappings do not fill the dataset.
        """
        if ask.dataset not in self.datasets:
            raise ValueError(f"files: {ask.dataset} is not mapped; mapped are {', '.join(sorted(self.datasets))}")
        if ask.dataset == RAW_MINUTE_BARS.name:
            return self._read_minutes(ask)
        said = self._said(ask.dataset)
        rows = spoken_by(said.rows, ask.now)
        day = "snapshot" if ask.dataset == RAW_TICKERS.name else "session"
        rows = rows.filter(pl.col(day) < ask.end)
        rows = rows.filter(pl.col(day) >= ask.start) if day == "session" else rows
        rows = _of_tickers(rows, ask.tickers)
        evidence = self._evidence(said.documents.hashes)
        rows = _checked(rows, TABLES[ask.dataset])
        spoken_of, through = _spoken_of(ask, said.feeds), self.last_session(ask.dataset)
        ends = _lagging(said.rows) if ask.dataset == RAW_DAILY_BARS.name else {}
        return Answer(rows, said.documents, evidence, spoken_of, through, ends)

    def _read_minutes(self, ask: Ask) -> Answer:
        minutes = self._minutes_now()
        rows, held = minutes.rows(ask.start, ask.end, ask.tickers)
        rows = _checked(spoken_by(rows, ask.now), RAW_MINUTE_BARS)
        is_said = any(isinstance(b, MinuteBars) and b.complete_through for b in self._blocks("minute_bars"))
        # Whoever says up to when his files are complete has no late ones
        through, ends = self.last_session(ask.dataset), {} if is_said else _lagging(minutes.last)
        return Answer(rows, held, self._evidence(minutes.hashes), ask.tickers, through, ends)

    def _minutes_now(self) -> Minutes:
        self._minutes.read(self._plans("minute_bars"))
        return self._minutes

    def _evidence(self, documents: Iterable[str]) -> str:
        hashes = sorted({*documents, *(mapping.sha256 for mapping in self._mappings)})
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()

    def last_session(self, dataset: str) -> date | None:
        """The last session the files can speak of: after it a missing row means that the file ends.

        Actions are rare, so their files end where the bars do. News are rare too, of few tickers: `complete_through` of
        the mapping says up to which date silence is an answer; of minutes too.
        """
        is_action = dataset in (RAW_SPLITS.name, RAW_DIVIDENDS.name)
        dated = RAW_DAILY_BARS.name if is_action else dataset
        if dated == RAW_TICKERS.name or dated not in self.datasets:
            return None
        is_minutes = dated == RAW_MINUTE_BARS.name
        rows = self._minutes_now().last if is_minutes else self._said(dated).rows
        blocks = self._blocks({RAW_NEWS.name: "news", RAW_MINUTE_BARS.name: "minute_bars"}.get(dated, ""))
        stated = [block.complete_through for block in blocks if isinstance(block, News | MinuteBars)]
        ends = [rows.select(pl.col("session").max()).item(), *stated]
        return max((end for end in ends if end is not None), default=None)

    def listed_tickers(self) -> tuple[str, ...]:
        """Every ticker the files have bars of, sorted."""
        if RAW_DAILY_BARS.name not in self.datasets:
            return tuple(self._minutes_now().last["ticker"]) if RAW_MINUTE_BARS.name in self.datasets else ()
        return tuple(self._said(RAW_DAILY_BARS.name).rows["ticker"].unique().sort())

    def reconciliation(self, tickers: Sequence[str], start: date, end: date) -> pl.DataFrame:
        """Give the closes of the files that are only compared with, for sessions in [start, end).

        Args:
            tickers: Tickers to give; empty gives all.
            start: First session.
            end: First session no longer given.

        Returns:
            `ticker`, `session`, `close` (Float64, null where it cannot be read), `basis` (the file's price_basis) and
            `source_file`, sorted by the first two and the file.
        """
        plans = ((p, p.block) for p in self._plans("daily_bars") if isinstance(p.block, DailyBars))
        compared = [(p, block) for p, block in plans if block.use == "reconciliation"]
        frames = [_closes(sheet, block) for p, block in compared for sheet in sheets(p, self._shelf)]
        rows = pl.concat([pl.DataFrame(schema=RECONCILIATION), *frames])
        rows = _of_tickers(rows.filter(pl.col("session").is_between(start, end, closed="left")), tuple(tickers))
        return rows.sort("ticker", "session", "source_file", maintain_order=True)

    def _blocks(self, kind: str) -> list[Block]:
        return [block for mapping in self._mappings for block in getattr(mapping.tables, kind, ())]

    def _plans(self, kind: str) -> list[Plan]:
        return [plan(m, block) for m in self._mappings for block in getattr(m.tables, kind)]

    def _bar_plans(self) -> list[Plan]:
        return [p for p in self._plans("daily_bars") if isinstance(p.block, DailyBars) and p.block.use == "bars"]

    def _said(self, dataset: str) -> _Said:
        makers: dict[str, tuple[tuple[str, ...], Callable[[], _Said]]] = {
            RAW_DAILY_BARS.name: (("daily_bars", "splits"), self._say_bars),
            RAW_SPLITS.name: (("daily_bars", "splits"), self._say_splits),
            RAW_DIVIDENDS.name: (("daily_bars", "dividends"), self._say_dividends),
            RAW_VIX.name: (("vix",), self._say_vix),
            RAW_NEWS.name: (("news",), self._say_news),
            RAW_TICKERS.name: (("daily_bars", "splits", "tickers"), self._say_tickers),
        }
        kinds, make = makers[dataset]
        state = tuple(p.marks(self._shelf) for kind in kinds for p in self._plans(kind))
        kept = self._kept.get(dataset)
        if kept is None or kept[0] != state:
            began = perf_counter()
            kept = (state, make())
            self._kept[dataset] = kept
            seconds, files = perf_counter() - began, len(kept[1].documents)
            _LOG.info("files: %s read, %d rows of %d files in %.2f s", dataset, kept[1].rows.height, files, seconds)
        return kept[1]

    def _say_bars(self) -> _Said:
        said = self._gather(RAW_DAILY_BARS, (self._bar_plans(), says.bars))
        if RAW_SPLITS.name in self.datasets:
            check_basis(said.rows, self._splits().rows)
        return said

    def _splits(self) -> _Said:
        derived = [p for p in self._bar_plans() if isinstance(p.block, DailyBars) and p.block.splits]
        return self._gather(RAW_SPLITS, (derived, _bar_splits), (self._plans("splits"), says.splits))

    def _say_splits(self) -> _Said:
        said = self._splits()
        if RAW_DAILY_BARS.name in self.datasets:
            # The bars are held against the splits when they are read
            self._said(RAW_DAILY_BARS.name)
        return said

    def _say_dividends(self) -> _Said:
        derived = [p for p in self._bar_plans() if isinstance(p.block, DailyBars) and p.block.dividends]
        literal = (self._plans("dividends"), says.dividends)
        return self._gather(RAW_DIVIDENDS, (derived, _bar_dividends), literal)

    def _say_vix(self) -> _Said:
        return self._gather(RAW_VIX, (self._plans("vix"), says.vix))

    def _say_news(self) -> _Said:
        return self._gather(RAW_NEWS, (self._plans("news"), says.news))

    def _say_tickers(self) -> _Said:
        has_bars = RAW_DAILY_BARS.name in self.datasets
        bars = (
            self._said(RAW_DAILY_BARS.name)
            if has_bars
            else _Said(pl.DataFrame(schema=said_schema(RAW_DAILY_BARS)), Documents([]))
        )
        seen = says.first_seen(bars.rows)
        dated = seen.select("ticker", first_bar="snapshot")

        reference = partial(says.reference, first_bars=dated)
        told = self._gather(RAW_TICKERS, (self._plans("tickers"), reference))
        bare = seen.join(told.rows, on="ticker", how="anti", maintain_order="left")
        rows = settle(pl.concat([told.rows, bare]), RAW_TICKERS)
        return _Said(rows, Documents([*told.documents.files, *bars.documents.files]))

    def _gather(self, table: Table, *groups: _Group) -> _Said:
        rows = [pl.DataFrame(schema=said_schema(table))]
        held: list[Kept] = []
        feeds: set[str] = set()
        for plans, make in groups:
            for planned in plans:
                for sheet in sheets(planned, self._shelf):
                    _refuse_bare_header(sheet, table)
                    said = make(sheet, planned.block)
                    feeds.update(_feeds(said))
                    rows.append(said.select(*said_schema(table)))
                held.extend(documents(planned, self._shelf))
        return _Said(settle(pl.concat(rows), table), Documents(held), tuple(sorted(feeds)))


def _bar_splits(sheet: Sheet, block: DailyBars) -> pl.DataFrame:
    return says.bar_splits(sheet, block, block.splits or ActionColumn(column=""))


def _bar_dividends(sheet: Sheet, block: DailyBars) -> pl.DataFrame:
    return says.bar_dividends(sheet, block, block.dividends or ActionColumn(column=""))


def _closes(sheet: Sheet, block: DailyBars) -> pl.DataFrame:
    rows = numbers(sheet, {"close": "price"}).select("close")
    session = dates(sheet, "session", block, block.bar_label)
    named = rows.with_columns(
        tickers(sheet), session=session, basis=pl.lit(block.price_basis), source_file=pl.lit(sheet.file)
    )
    return named.select(*RECONCILIATION)


def _refuse_bare_header(sheet: Sheet, table: Table) -> None:
    if sheet.rows.is_empty() and table in (RAW_DAILY_BARS, RAW_VIX):
        raise SourceRejected(
            f"{sheet.file}: has a header and no row; fetch the file again, or take it out of the mapping",
            file=sheet.file,
        )


def _feeds(said: pl.DataFrame) -> list[str]:
    """Name the tickers that articles are gathered for: the feed they came in, else every tag."""
    if "feed" not in said.columns:
        return []
    owners = said["feed"].drop_nulls()
    return (owners if len(owners) else said["tickers"].explode(empty_as_null=False)).unique().to_list()


def _of_tickers(rows: pl.DataFrame, asked: tuple[str, ...]) -> pl.DataFrame:
    if not asked:
        return rows
    if "tickers" in rows.columns:
        return rows.filter(pl.col("tickers").list.eval(pl.element().is_in(asked)).list.any())
    return rows.filter(pl.col("ticker").is_in(asked)) if "ticker" in rows.columns else rows


def _spoken_of(ask: Ask, feeds: tuple[str, ...]) -> tuple[str, ...]:
    if ask.dataset == RAW_VIX.name:
        return ()
    if ask.dataset == RAW_NEWS.name:
        # A ticker that no feed gathers articles for is unknown, not confirmed to have none
        return tuple(ticker for ticker in ask.tickers if ticker in feeds) if ask.tickers else feeds
    return ask.tickers


def _checked(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    expected = dict(said_schema(table))
    if dict(rows.schema) != expected or list(rows.columns) != list(expected):
        raise SchemaMismatch(f"{table.name}: files says {rows.schema}, declared {expected}", table=table.name)
    return rows


def _lagging(bars: pl.DataFrame) -> dict[str, date]:
    """Give the last session of each ticker whose file ends a few sessions before the others."""
    last = bars.group_by("ticker").agg(pl.col("session").max())
    newest = last.select(pl.col("session").max()).item()
    if newest is None:
        return {}
    late = calendars.sessions(end=newest).tail(LATE_SESSIONS)["session"].to_list()
    return dict(last.filter(pl.col("session").is_in(late)).iter_rows())
