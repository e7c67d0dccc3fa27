"""Land the reference of the tickers that a source lists; a range of sessions is the runner's."""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.errors import AnswerDistrusted, NotEntitled, NotFound, OrionError, RequestRejected, SchemaMismatch
from orion_assets.ingest.freshness import mark_stale
from orion_assets.ingest.landing import NOT_VALUES
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.reference_calls import ROUTES, calls_of, due, refused
from orion_assets.ingest.runner import Desk, Landed, refuse_mixture
from orion_assets.schemas import RAW_DIVIDENDS, RAW_SPLITS, RAW_TICKERS, SECURITIES
from orion_assets.sources.protocols import ENDED, EVENTS, LISTED, TS_ASSUMED, TS_STATED, Answer, Ask, Source
from orion_assets.tables import UTC_US
from orion_assets.transforms.actions import is_one_split
from orion_assets.transforms.identity import identified
from orion_assets.transforms.versions import change_points, visible

LOG: Final = logging.getLogger(__name__)
_OF_ONE: Final = [*RAW_TICKERS.key, "figi"]
_IDENTITY: Final = [*SECURITIES.key, "ticker", "valid_to", "is_start_known"]
_VALUES: Final = [name for name in RAW_TICKERS.names if name not in NOT_VALUES]


def land_tickers(
    desk: Desk, source: Source, moment: Moment, followed: Sequence[str] = (), max_calls: int | None = None
) -> Landed:
    """Ask and land the reference of every ticker the source lists; a repeated call lands nothing.

    Nothing of a source that has none. Where asking costs calls, those that `reference_calls.due` names for the followed
    tickers are made, each landed before the next. What a vendor does not tell of its past (its plan, or the security,
    has none) keeps nobody from the rest; it is asked for again when it is next due. A ticker whose listing is refused
    is told when all others were asked about; a plan without listings, at once.

    A row that is not in the answer stays as landed: a source need not say an old snapshot again. One that could not be
    read is withdrawn, else leaving it out of the file would never take it out of quarantine; so is one that an answer
    tells no longer which tells all there is.

    Args:
        desk: Where to land.
        source: Whom to ask.
        moment: The clock of the landing.
        followed: The followed tickers.
        max_calls: Make no more calls than these, the first of those that are due; a whole listing counts its pages.

    Raises:
        SettingsError: The lake holds what a source of the other kind said.
        OrionError: As `Source.read`.
    """
    refuse_mixture(desk, source)
    if RAW_TICKERS.name not in source.datasets:
        return Landed.nothing(RAW_TICKERS)
    if not source.routes(moment.now.astimezone(calendars.NEW_YORK).date()):
        ask = Ask(RAW_TICKERS.name, calendars.FIRST_DATE, calendars.LAST_DATE, (), moment.now)
        return _landed(desk, source.read(ask), moment)
    return Landed.of(RAW_TICKERS, _called(desk, source, moment, followed, max_calls))


def _called(
    desk: Desk, source: Source, moment: Moment, followed: Sequence[str], max_calls: int | None
) -> Iterator[Landed]:
    """Make the calls that are due."""
    refusals: list[OrionError] = []
    for ask, subjects in _asks(desk, moment, followed, max_calls):
        try:
            answer = source.read(ask)
        except (NotFound, NotEntitled, AnswerDistrusted, RequestRejected) as e:
            _note_refusal(desk, moment, ask.route, subjects, e)
            if ask.route == LISTED:
                # Told at the end: one ticker keeps nobody else from being asked about; a plan without it, everybody
                refusals.append(e)
                if isinstance(e, NotEntitled):
                    break
        else:
            yield _told(desk, moment, ask.route, subjects, answer)
    if refusals:
        raise refusals[0]


def _asks(
    desk: Desk, moment: Moment, followed: Sequence[str], max_calls: int | None
) -> Iterator[tuple[Ask, Sequence[str]]]:
    """Give the asks that are due and allowed, with their subjects; what a listing tells decides which changes are."""
    left = math.inf if max_calls is None else max_calls
    for route in ROUTES:
        for ask, subjects in due(desk.lake.read(RAW_TICKERS), desk.state, followed, moment.now).asks(route, moment.now):
            left -= calls_of(ask)
            if left < 0:
                # Neither is what comes after it: it is asked for in this order
                return
            yield ask, subjects


def _note_refusal(desk: Desk, moment: Moment, route: str, subjects: Sequence[str], why: OrionError) -> None:
    if route != LISTED:
        LOG.warning("%s. The reference goes on without it", why)
    # That there are no changes is an answer; all else is asked for again in a week
    told = route if route == EVENTS and isinstance(why, NotFound) else refused(route)
    desk.state.reference.note(told, subjects, moment.landing())


def _told(desk: Desk, moment: Moment, route: str, subjects: Sequence[str], answer: Answer) -> Landed:
    settled = {*subjects}
    if route == ENDED:
        # Who else ever ended, in twenty years, bears upon nobody who is followed
        answer = replace(answer, rows=answer.rows.filter(pl.col("ticker").is_in(list(subjects))))
    if route == EVENTS:
        settled |= set(answer.rows["figi"].drop_nulls())
    landed = _landed(desk, answer, moment, is_part=True)
    desk.state.reference.note(route, settled, moment.landing())
    return landed


def _landed(desk: Desk, answer: Answer, moment: Moment, *, is_part: bool = False) -> Landed:
    """Land an answer: all that a source has to say, or a part of it."""
    for document in answer.documents:
        desk.archive.put(document.content)
    stamped = _stamped_reference(answer, moment)
    appended = RAW_TICKERS.empty()

    def versions(held: pl.DataFrame) -> pl.DataFrame:
        nonlocal appended
        last = held.sort("ts_known").unique(RAW_TICKERS.key, keep="last")
        said = _completed(stamped, last) if is_part else stamped
        is_told_whole = pl.col("source_file").is_in(list(answer.replaces))
        is_lost = is_told_whole if is_part else pl.col("problem").is_not_null()
        appended = pl.concat([_changed(said, held, last, moment), _left_out(said, last.filter(is_lost), moment)])
        return appended

    desk.lake.append(RAW_TICKERS, versions, start=None, end=None)
    return Landed(RAW_TICKERS, appended)


def _completed(said: pl.DataFrame, last: pl.DataFrame) -> pl.DataFrame:
    """Let rows that leave out what another request told of the same ticker, date and FIGI take nothing back."""
    names = ("name", "type", "exchange", "list_date")
    same = last.filter(~pl.col("is_deleted"), pl.col("figi").is_not_null())
    both = said.join(same.select(*_OF_ONE, "source_file", *names), on=_OF_ONE, how="left", suffix="_held")
    is_other = pl.col("source_file_held") != pl.col("source_file")
    told = {name: pl.coalesce(name, pl.when(is_other).then(f"{name}_held")) for name in names}
    return both.with_columns(**told).select(RAW_TICKERS.names)


def mark_reassigned(desk: Desk, securities: pl.DataFrame, moment: Moment) -> None:
    """Say that features await derivation from the first session or action on that another security bears now.

    Args:
        desk: Where SECURITIES lies as it was.
        securities: SECURITIES rows as they will be.
        moment: The clock of the run.
    """
    try:
        before = desk.lake.read(SECURITIES)
    except SchemaMismatch:
        # Written by a version that knew fewer columns, and about to be written anew
        before = SECURITIES.empty()
    days = [*_moved_actions(desk, before, securities), *_moved_bars(before, securities)]
    if days:
        mark_stale(desk.state, min(days), moment)


def _moved_actions(desk: Desk, before: pl.DataFrame, after: pl.DataFrame) -> list[date]:
    """Give the ex-dates of actions that another security bears now, and of splits that have, or had, such a twin."""
    parts = [
        desk.lake.read(table).select("ticker", "ex_date", is_split=pl.lit(table == RAW_SPLITS))
        for table in (RAW_SPLITS, RAW_DIVIDENDS)
    ]
    told = pl.concat(parts).unique()
    sides = (identified(told, visible(rows, SECURITIES.key), "ex_date") for rows in (before, after))
    one, other = (side["security_id"] for side in sides)
    named = told.with_columns(before=one, after=other)
    moved, splits = named.filter(one != other), named.filter("is_split")
    days = [moved["ex_date"]]
    for side in ("before", "after"):
        pairs = moved.filter("is_split").join(splits, on=side, suffix="_twin")
        days.append(pairs.filter(is_one_split(pl.col("ex_date"), pl.col("ex_date_twin")))["ex_date_twin"])
    return pl.concat([each.rename("ex_date") for each in days]).to_list()


def _moved_bars(before: pl.DataFrame, after: pl.DataFrame) -> list[date]:
    """Give the dates from which bars may belong to another series, now or at some instant, than before."""
    one, other = (_bearings(rows) for rows in (before, after))
    both = pl.concat([one, other]).filter(~pl.col("is_deleted"))
    # Named anew or under another id, for the same dates and alone: the bars that were one series are the same one still
    alone = both.group_by("security_id").agg(_tickers=pl.col("ticker").n_unique())
    plain = (
        both.join(alone, on="security_id")
        .with_columns(_start=pl.when("is_start_known").then("valid_from"))
        .group_by("ticker")
        .agg(pl.struct("_start", "valid_to").n_unique() == 1, (pl.col("_tickers").max() == 1).alias("_is_alone"))
        .filter(pl.col("_start") & pl.col("_is_alone"))
    )
    moved = [
        rows.join(others.drop("_since"), on=[*_IDENTITY, "ts_known", "is_deleted"], how="anti", nulls_equal=True)
        for rows, others in ((one, other), (other, one))
    ]
    return pl.concat(moved).join(plain, on="ticker", how="anti")["_since"].to_list()


def _bearings(securities: pl.DataFrame) -> pl.DataFrame:
    """Keep the versions that change who bears what, with the first date each of them bears upon."""
    key = list(SECURITIES.key)
    changes = change_points(securities.drop("known_until"), key, [name for name in _IDENTITY if name not in key])
    was = pl.col("valid_to").shift().over(key)
    is_first = pl.int_range(pl.len()).over(key) == 0
    begun = pl.when("is_start_known").then("valid_from").otherwise(calendars.FIRST_DATE)
    is_end_alone = ~is_first & ~pl.col("is_deleted") & ~pl.col("is_deleted").shift().over(key)
    # Where an interval only ends otherwise, what lies before the earlier end is as it was
    since = pl.when(is_end_alone).then(pl.min_horizontal("valid_to", was)).otherwise(begun)
    return changes.select(*_IDENTITY, "ts_known", "is_deleted", _since=since)


def _changed(said: pl.DataFrame, held: pl.DataFrame, last: pl.DataFrame, moment: Moment) -> pl.DataFrame:
    is_stated = pl.col("availability") == "observed"
    # A stated version may be any of those held, another is held against the last one: A -> B -> A is two changes
    stated = said.filter(is_stated).join(held, on=[*_VALUES, "ts_known"], how="anti", nulls_equal=True)
    changed = pl.concat([stated, said.filter(~is_stated)]).join(last, on=_VALUES, how="anti", nulls_equal=True)
    clocks = last.select(*RAW_TICKERS.key, _last="ts_known")
    is_newest = (pl.col("ts_known") > pl.col("_last")).fill_null(value=True)
    return (
        changed.join(clocks, on=RAW_TICKERS.key, how="left")
        .with_columns(
            ts_known=pl.when(pl.col("_last").is_null() | (is_stated & is_newest))
            .then("ts_known")
            .otherwise(_after("_last", moment))
        )
        .select(RAW_TICKERS.names)
    )


def _left_out(said: pl.DataFrame, last: pl.DataFrame, moment: Moment) -> pl.DataFrame:
    if moment.is_replay:
        return last.clear()
    return (
        last.filter(~pl.col("is_deleted"))
        .join(said, on=RAW_TICKERS.key, how="anti")
        .with_columns(
            ts_known=_after("ts_known", moment),
            ts_ingested=pl.lit(moment.landing(), UTC_US),
            is_deleted=pl.lit(value=True),
            availability=pl.lit("observed"),
        )
    )


def _after(clock: str, moment: Moment) -> pl.Expr:
    return pl.max_horizontal(pl.lit(moment.landing(), UTC_US), pl.col(clock) + pl.duration(microseconds=1))


def _stamped_reference(answer: Answer, moment: Moment) -> pl.DataFrame:
    return answer.rows.with_columns(
        ts_known=pl.coalesce(TS_STATED, TS_ASSUMED),
        ts_ingested=pl.lit(moment.landing(), UTC_US),
        availability=pl.when(pl.col(TS_STATED).is_null()).then(pl.lit("assumed")).otherwise(pl.lit("observed")),
    ).select(RAW_TICKERS.names)
