"""Which rows an answer would show if the source still had them, and how many of them it may take back at once."""

from typing import Final

import polars as pl

from orion_assets import calendars
from orion_assets.errors import SourceRejected
from orion_assets.schemas import WHOLE_MARKET
from orion_assets.sources.protocols import Answer
from orion_assets.tables import Table

# An answer that takes back more than this many rows, and this share of what it speaks of, looks like a lost file
MOST_GONE: Final = 5
MOST_GONE_SHARE: Final = 0.1
# Where the key does not name the session: the column that decides it, and the end of a session it is held against
_FILED_BY: Final = {
    "raw_vix": ("date", "session"),
    "raw_news": ("ts_event", "ts_close_cutoff"),
    "raw_splits": ("ex_date", "session"),
    "raw_dividends": ("ex_date", "session"),
}


def spoken_of(table: Table, answer: Answer, sessions: pl.DataFrame, last: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows that an answer would show if the source still had them.

    Args:
        table: The raw table.
        answer: What the source said.
        sessions: calendars.sessions() rows of the asked range.
        last: Rows of the table as they stand.
    """
    if table.name in _FILED_BY:
        # A row that has moved is looked for where the source would file it now, not where it was first filed
        column, bound = _FILED_BY[table.name]
        filed = calendars.sessions().select(_filed="session", _bound=bound)
        last = last.sort(column).join_asof(filed, left_on=column, right_on="_bound", strategy="forward")
        last = last.filter(pl.col("_filed").is_in(sessions["session"].to_list()))
    if answer.through is not None:
        last = last.filter(pl.col("session") <= answer.through)
    last = _reached(table, answer, last)
    if answer.tickers and "tickers" in table.names:
        is_tagged = pl.element().is_in(list(answer.tickers))
        last = last.filter(pl.col("tickers").list.eval(is_tagged).list.any())
    return last


def _reached(table: Table, answer: Answer, last: pl.DataFrame) -> pl.DataFrame:
    """Leave out what lies before the answer's first session: it was left out unsaid, not taken back."""
    who = pl.col("ticker") if answer.tickers and "ticker" in table.names else pl.lit(WHOLE_MARKET)
    starts = pl.DataFrame(
        {"_who": list(answer.starts), "_start": list(answer.starts.values())},
        {"_who": pl.String, "_start": pl.Date},
    )
    told = last.with_columns(_who=who).join(starts, on="_who", how="left", maintain_order="left")
    return told.filter((pl.col("session") >= pl.col("_start")).fill_null(value=True)).drop("_who", "_start")


def refuse_a_lost_file(table: Table, gone: pl.DataFrame, standing: pl.DataFrame) -> None:
    """Judge the whole, and each file and ticker by itself: one file of twenty is a twentieth of the rows.

    Args:
        table: The raw table.
        gone: Rows that an answer would take back.
        standing: Those that it speaks of.

    Raises:
        SourceRejected: It would take back most of what was landed.
    """
    if gone.height <= MOST_GONE:
        return
    for group in ([], ["source_file"], ["ticker"] if "ticker" in gone.columns else []):
        held, lost = (frame.group_by(group or pl.lit(1)).len() for frame in (standing, gone))
        judged = lost.join(held, on=group or "literal", suffix="_held")
        worst = judged.filter((pl.col("len") > MOST_GONE) & (pl.col("len") > MOST_GONE_SHARE * pl.col("len_held")))
        if worst.height:
            _refuse(table, gone.join(worst, on=group, how="semi") if group else gone, worst)


def _refuse(table: Table, gone: pl.DataFrame, judged: pl.DataFrame) -> None:
    first = gone.sort(table.key).row(0, named=True)
    key = " ".join(str(first[name]) for name in table.key)
    raise SourceRejected(
        f"{table.name}: the source no longer has {gone.height} of {judged['len_held'].sum()} rows it had, the"
        f" first {key} of {first['source_file']} row {first['source_row']}. A lost or cut file looks like this, so"
        " nothing was landed. Bring the rows back, or take them back on purpose: orion backfill"
        " --accept-withdrawals",
        file=first["source_file"],
        row=first["source_row"],
    )
