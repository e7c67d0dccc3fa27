"""Raw is the only place that stamps time: what a source says becomes versions, and every answer a coverage row.

Pure functions; the lake calls them under its writer's lock with the rows it holds.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import polars as pl

from orion_assets.errors import KnowledgeAhead
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.withdrawals import refuse_a_lost_file, spoken_of
from orion_assets.schemas import RAW_COVERAGE, TABLES, WHOLE_MARKET
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, Answer, Ask
from orion_assets.tables import UTC_US, Table

LOG: Final = logging.getLogger(__name__)
# What may differ between two landings of the same version
NOT_VALUES: Final = ("ts_known", "ts_ingested", "availability", "source", "source_file", "source_row", "source_hash")


def is_by_ticker(dataset: str) -> bool:
    """Say whether a raw dataset's cells are kept by ticker; the others have one cell a session, `*`."""
    return TABLES[dataset].key in (("ticker", "session"), ("ticker", "ts_open"))


def covered_tickers(ask: Ask) -> list[str] | None:
    """Name of whom an answer to an ask changes the coverage; None is everybody.

    Of minutes only those of whom was asked are landed; other answers about a market are about all who are in it.
    """
    return [*ask.tickers, WHOLE_MARKET] if TABLES[ask.dataset].is_intraday and ask.tickers else None


@dataclass(frozen=True)
class Landing:
    """One answer about one raw table, at one moment, with the calendar it is judged by.

    Attributes:
        table: The raw table.
        answer: What the source said.
        sessions: calendars.sessions() rows of the asked range and the one session after it.
        moment: When the source was asked.
        landed: When the rows are committed; None means when the source was asked.
        is_partial: Only some of the followed tickers were asked for: no answer about the whole market.
    """

    table: Table
    answer: Answer
    sessions: pl.DataFrame
    moment: Moment
    landed: datetime | None = None
    is_partial: bool = False

    @property
    def _now(self) -> pl.Expr:
        return pl.lit(self.landed or self.moment.now, UTC_US)

    @property
    def cell(self) -> list[str]:
        """Columns that name a cell of the dataset."""
        return ["ticker", "session"] if is_by_ticker(self.table.name) else ["session"]

    def new_versions(self, held: pl.DataFrame, coverage: pl.DataFrame) -> pl.DataFrame:
        """Give the rows to append so that the table says what the source now says.

        Args:
            held: The table's rows of the asked sessions, all versions; where the key does not name the session, of
                those around them too, so that a moved row is recognised.
            coverage: RAW_COVERAGE rows of the dataset: cells answered before.

        Returns:
            Rows of the table, possibly none. A version keeps the clock the source states. Without one, a cell's first
            answer is stamped with its landing when that is before the next session's open cut-off, else with the
            assumed clock (an answer about the whole market is one about every ticker); later answers, new, changed or
            gone, are stamped with their landing. Every version of a key is strictly later than the one before. The last
            version an answer states is what the source says now: where its clock is not the newest, it is landed if it
            differs from the last one held.

        Raises:
            KnowledgeAhead: A replay finds rows known after its instant.
        SourceRejected: The answer lacks most of what was landed, as it does when a file is lost.
        """
        self._refuse_the_future(self._mine(held))
        settled = self._settled(self._mine(held))
        if self.answer.rows.join(settled, on=list(self.table.key), how="semi").height:
            LOG.info("%s: what was landed since, or told by a better source, stays as it is", self.table.name)
        mine = self._without(settled, self._mine(held))
        stamped = self._at_home(self._without(settled, self._stamped(coverage, held)), mine)
        return pl.concat([self._unseen(stamped, mine), self._gone(stamped, mine)]).select(self.table.names)

    def takes_back(self, held: pl.DataFrame) -> bool:
        """Say whether the answer lacks a row that is held as it stands, and would withdraw it.

        Args:
            held: As for `new_versions`.
        """
        mine = self._mine(held)
        return not self._lacking(self.answer.rows, self._standing(self._without(self._settled(mine), mine))).is_empty()

    def _mine(self, held: pl.DataFrame) -> pl.DataFrame:
        return held.filter(pl.col("ticker").is_in(self.answer.tickers)) if self._is_by_ticker else held

    def _settled(self, held: pl.DataFrame) -> pl.DataFrame:
        """Give the keys of which the answer has no say: told by a better source, or landed after it was asked for."""
        last = held.sort("ts_known").unique(self.table.key, keep="last")
        is_better_told = pl.col("source").is_in(list(self.answer.yields_to))
        return last.filter(self._is_newer() | is_better_told).select(self.table.key)

    def _is_newer(self) -> pl.Expr:
        return (pl.col("ts_ingested") > pl.lit(self.answer.ts_asked, UTC_US)).fill_null(value=False)

    def _without(self, settled: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.join(settled, on=list(self.table.key), how="anti", maintain_order="left")

    def _at_home(self, stamped: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
        """File every version of a key under the session of its first one.

        An article whose publication is edited, or a split whose ex-date is, would else stand in two partitions, each
        of which takes it for its own.
        """
        # The key of a bar names its session, or the minute that decides it
        if is_by_ticker(self.table.name):
            return stamped
        key = list(self.table.key)
        # What is held comes first, whatever clock an answer assumes
        known = pl.concat([frame.select(*key, "session", "ts_known").sort("ts_known") for frame in (held, stamped)])
        homes = known.unique(key, keep="first", maintain_order=True).select(*key, _home="session")
        return stamped.join(homes, on=key, how="left", maintain_order="left").with_columns(session="_home")

    @property
    def _is_by_ticker(self) -> bool:
        return bool(self.answer.tickers) and "ticker" in self.table.names

    def _refuse_the_future(self, held: pl.DataFrame) -> None:
        ahead = held.filter(pl.col("ts_known") > self.moment.now)
        if self.moment.is_replay and ahead.height:
            raise KnowledgeAhead(
                f"{self.table.name}: the lake holds {ahead.height} rows known after {self.moment.now.isoformat()}, the"
                " instant to build for. Build into an empty lake and store: point ORION_LAKE_URL, ORION_STORE_URL and"
                " ORION_STATE_URL elsewhere"
            )

    def _stamped(self, coverage: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
        answered = self._answered(coverage)
        # What a row says was known when its cell was answered without it: a later answer, by then
        is_closed = pl.col("_is_closed").fill_null(value=False) | pl.col("session").is_in(
            self._told_whole(coverage, held)
        )
        is_again = is_closed | (pl.col(TS_ASSUMED) <= pl.col("_opened"))
        landed = self._is_seen() | is_again.fill_null(value=False)
        is_observed = landed & pl.lit(not self.moment.is_replay)
        dated = self._with_next_open(self.answer.rows).with_columns(_says_clock=pl.col(TS_STATED).is_not_null())
        # A row without a clock beside one of its key that has one is that key's first version, not a new answer
        is_first = pl.col("_says_clock").any().over(self.table.key)
        told = dated.with_columns(pl.when(is_first).then(pl.coalesce(TS_STATED, TS_ASSUMED)).alias(TS_STATED))
        return told.join(answered, on=self.cell, how="left", maintain_order="left").with_columns(
            ts_known=pl.coalesce(TS_STATED, pl.when(is_observed).then(self._now).otherwise(TS_ASSUMED)),
            ts_ingested=self._now,
            availability=pl.when(pl.col("_says_clock") | (is_observed & pl.col(TS_STATED).is_null()))
            .then(pl.lit("observed"))
            .otherwise(pl.lit("assumed")),
        )

    def _answered(self, coverage: pl.DataFrame) -> pl.DataFrame:
        """Say of each cell whether it was answered at its close, and when it was at its open."""
        is_close = pl.col("cutoff") == "close"
        return coverage.group_by(self.cell).agg(
            _is_closed=is_close.any(), _opened=pl.col("ts_known").filter(~is_close).min()
        )

    def _told_whole(self, coverage: pl.DataFrame, held: pl.DataFrame) -> list[date]:
        """List the sessions of which an answer has told everybody of whom this one may tell."""
        is_whole = (pl.col("cutoff") == "close") & (pl.col("ticker") == WHOLE_MARKET) & pl.col("is_market")
        told = coverage.filter(is_whole)
        if self.answer.asks_with:
            wide = held.filter(pl.col("source_file").str.contains(self.answer.asks_with, literal=True))
            told = told.join(wide, on="session", how="semi")
        return told["session"].unique().to_list()

    def _is_seen(self) -> pl.Expr:
        """Landed before the next session opens: seen, not assumed."""
        return self._now < pl.col("_next_open")

    def _with_next_open(self, rows: pl.DataFrame) -> pl.DataFrame:
        opens = self.sessions.select(_session="session", _next_open="ts_open_cutoff")
        # strategy forward without exact matches: the first session after the row's own
        return rows.sort("session").join_asof(
            opens, left_on="session", right_on="_session", strategy="forward", allow_exact_matches=False
        )

    def _unseen(self, stamped: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
        key = list(self.table.key)
        values = [name for name in self.table.names if name not in (*key, *NOT_VALUES)]
        last = held.sort("ts_known").unique(key, keep="last").select(*key, _last="ts_known")
        same = pl.all_horizontal([self._is_as_held(name) for name in values])
        stated = pl.col(TS_STATED).is_not_null()
        # The last version stated says how the key stands: unless it is the newest, it is held against what is
        is_last = pl.col("ts_known") == pl.col("ts_known").max().over(key)
        is_newest = (pl.col("ts_known") > pl.col("_last")).fill_null(value=True)
        compared = stamped.join(last, on=key, how="left").with_columns(
            _is_older=stated & ~is_last,
            _against=pl.when(stated & (is_newest | ~is_last)).then("ts_known").otherwise("_last"),
        )
        judged = compared.join(
            held.select(*key, *values, _held_clock="ts_known"),
            left_on=[*key, "_against"],
            right_on=[*key, "_held_clock"],
            how="left",
            suffix="_held",
            coalesce=False,
        ).with_columns(_is_new=pl.col("_held_clock").is_null())
        judged = judged.with_columns(pl.col(f"{name}_held").alias(name) for name in self.answer.untold)
        judged = judged.with_columns(_is_same=same)
        fresh = judged.filter(pl.col("_is_new") | ~pl.col("_is_same"))
        changed = ~pl.col("_is_new")
        is_rewritten = changed & pl.col("_is_older") & (pl.col("ts_known") < pl.col("_last"))
        rewritten = fresh.filter(is_rewritten)
        if rewritten.height:
            LOG.warning(
                "%s: the source rewrote %d versions that are older than the last; they stay as landed",
                self.table.name,
                rewritten.height,
            )
        kept = fresh.filter(~is_rewritten)
        seen = "assumed" if self.moment.is_replay else "observed"
        return kept.with_columns(
            ts_known=pl.when(changed).then(self._after()).otherwise("ts_known"),
            availability=pl.when(changed).then(pl.lit(seen)).otherwise("availability"),
        ).select(self.table.names)

    def _is_as_held(self, name: str) -> pl.Expr:
        is_same = pl.col(name).eq_missing(pl.col(f"{name}_held"))
        # Who told it before left it out; told now, it restates nothing of the rest
        return is_same | pl.col(f"{name}_held").is_null() if name in self.answer.tells_more else is_same

    def _after(self) -> pl.Expr:
        return pl.max_horizontal(self._now, pl.col("_last") + pl.duration(microseconds=1))

    def _gone(self, stamped: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
        if self.moment.is_replay:
            return held.clear().select(self.table.names)
        standing = self._standing(held)
        gone = self._lacking(stamped, standing)
        if not self.moment.takes_back:
            refuse_a_lost_file(self.table, gone, standing)
        return (
            gone.with_columns(_last="ts_known")
            .with_columns(
                ts_known=self._after(),
                ts_ingested=self._now,
                is_deleted=pl.lit(value=True),
                availability=pl.lit("observed"),
            )
            .select(self.table.names)
        )

    def _standing(self, held: pl.DataFrame) -> pl.DataFrame:
        """Give the last versions of what stands, and what the answer speaks of."""
        last = held.sort("ts_known").unique(self.table.key, keep="last", maintain_order=True)
        return spoken_of(self.table, self.answer, self.sessions.head(-1), last.filter(~pl.col("is_deleted")))

    def _lacking(self, told: pl.DataFrame, standing: pl.DataFrame) -> pl.DataFrame:
        key = list(self.table.key)
        return standing.join(told.select(key).unique(), on=key, how="anti", maintain_order="left")

    def new_coverage(self, asked: Sequence[str], coverage: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
        """Give the RAW_COVERAGE rows to append: one for each asked cell whose state the answer changed.

        Args:
            asked: Tickers the run follows; each gets a cell where the dataset is kept by ticker.
            coverage: RAW_COVERAGE rows of the dataset and the asked sessions.
            held: As for `new_versions`: rows that the answer has no say of count as they stand.

        Returns:
            Rows for the cut-offs that have come by now and that the source can speak of: one for the whole market (`*`)
            at each cut-off, and one a ticker at the close where the dataset is kept by ticker. A partial ask says of
            the whole market only that it has data, never that it has none.
        """
        cells = self._cells(asked, self._counted(self._mine(held)))
        last = (
            coverage.sort("ts_known")
            .unique(RAW_COVERAGE.key, keep="last")
            .select(*RAW_COVERAGE.key, _state="state", _last="ts_known", _was_market="is_market")
        )
        is_observed = (pl.col("_last").is_not_null() | self._is_seen()) & pl.lit(not self.moment.is_replay)
        return (
            cells.join(last, on=RAW_COVERAGE.key, how="left")
            .filter(
                ~pl.col("state").eq_missing(pl.col("_state"))
                | (pl.col("is_market") & ~pl.col("_was_market").fill_null(value=False))
            )
            .with_columns(
                ts_event="ts_cutoff",
                ts_known=pl.when(pl.col("_last").is_not_null())
                .then(self._after())
                .when(is_observed)
                .then(self._now)
                .otherwise("ts_cutoff"),
                ts_ingested=self._now,
                is_deleted=pl.lit(value=False),
                availability=pl.when(is_observed).then(pl.lit("observed")).otherwise(pl.lit("assumed")),
                evidence=pl.lit(self.answer.evidence),
            )
            .select(RAW_COVERAGE.names)
        )

    def _cells(self, asked: Sequence[str], rows: pl.DataFrame) -> pl.DataFrame:
        due = self._with_next_open(self._instants()).filter(pl.col("ts_cutoff") <= self.moment.now)
        if self.answer.through is not None:
            due = due.filter(pl.col("session") <= self.answer.through)
        market = self._spoken(due.with_columns(ticker=pl.lit(WHOLE_MARKET)))
        counted = [market.join(_counts(rows, ["session"]), on="session", how="inner" if self.is_partial else "left")]
        if self.cell == ["ticker", "session"]:
            followed = pl.DataFrame({"ticker": sorted(asked)}, schema={"ticker": pl.String})
            by_ticker = self._spoken(due.filter(pl.col("cutoff") == "close").join(followed, how="cross"))
            counted.append(
                by_ticker.join(_counts(rows, self.cell), on=self.cell, how="left").select(counted[0].columns)
            )
        count = pl.col("rows").fill_null(0)
        return pl.concat(counted).with_columns(
            dataset=pl.lit(self.table.name),
            rows=count,
            state=pl.when(count > 0).then(pl.lit("data")).otherwise(pl.lit("empty_confirmed")),
            source=pl.lit(self.answer.rows["source"].first() if self.answer.rows.height else ""),
            is_market=(pl.col("ticker") == WHOLE_MARKET) & pl.lit(not (self.answer.tickers or self.is_partial)),
        )

    def _spoken(self, cells: pl.DataFrame) -> pl.DataFrame:
        """Leave out the cells after the end of a ticker whose rows may only be late, and those left out unsaid."""
        bounded = cells
        for name, bounds in (("_end", self.answer.ends), ("_start", self.answer.starts)):
            told = pl.DataFrame(
                {"ticker": list(bounds), name: list(bounds.values())}, {"ticker": pl.String, name: pl.Date}
            )
            bounded = bounded.join(told, on="ticker", how="left")
        is_spoken = (pl.col("session") <= pl.col("_end")).fill_null(value=True)
        is_reached = (pl.col("session") >= pl.col("_start")).fill_null(value=True)
        return bounded.filter(is_spoken & is_reached).drop("_end", "_start")

    def _instants(self) -> pl.DataFrame:
        asked = self.sessions.head(-1)
        return pl.concat(
            asked.select("session", pl.lit(name).alias("cutoff"), pl.col(f"ts_{name}_cutoff").alias("ts_cutoff"))
            for name in ("open", "close")
        )

    def _counted(self, held: pl.DataFrame) -> pl.DataFrame:
        """Give the rows that stand by the answer: what it told, and of what it has no say what is held."""
        key, settled = list(self.table.key), self._settled(held)
        told = self.answer.rows.sort(pl.coalesce(TS_STATED, TS_ASSUMED))
        kept = held.join(settled, on=key, how="semi").sort("ts_known")
        named = list(dict.fromkeys([*key, *self.cell, "is_deleted"]))
        last = pl.concat(frame.unique(key, keep="last").select(named) for frame in (self._without(settled, told), kept))
        return last.filter(~pl.col("is_deleted"))


def _counts(rows: pl.DataFrame, cell: list[str]) -> pl.DataFrame:
    return rows.group_by(cell).agg(rows=pl.len().cast(pl.Int64))
