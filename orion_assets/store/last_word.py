"""Which of two words on a cell of the ledger stands, and when a word is another attempt: decided by the upsert."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from orion_assets.schemas import ANSWERED
from orion_assets.store.state_tables import LEDGER

# States of what was asked for and may be asked for again: each time counts
_TRIED: Final = ("not_entitled", "not_listed", "quarantined")
_KEY: Final = ("dataset", "ticker", "session")


def said_last(given: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    """Let an insert of cells say them anew where they are known.

    Args:
        given: An insert into LEDGER.

    Returns:
        The last word on a cell wins, but none of before an answer takes that answer back.
    """
    told, held = given.excluded, LEDGER.c
    # Not `in_`, which takes one set of rows at a time
    was_answered, is_answered = (sa.or_(*(said == name for name in ANSWERED)) for said in (held.state, told.state))
    is_later = told.ts_updated > held.ts_updated
    is_tried = sa.or_(*(told.state == name for name in _TRIED))
    # What is landed and held back at one instant is one answer
    is_doubt = sa.and_(told.state == "quarantined", was_answered, told.ts_updated == held.ts_updated)
    is_new_attempt = sa.or_(
        told.state == "failed",
        sa.and_(told.evidence.is_distinct_from(held.evidence), sa.not_(is_doubt)),
        sa.and_(is_tried, told.state == held.state, is_later),
    )
    columns = [column.name for column in LEDGER.columns if column.name not in _KEY]
    changed: dict[str, sa.ColumnElement[Any]] = {name: told[name] for name in columns}
    changed["ts_updated"] = sa.case((is_later, told.ts_updated), else_=held.ts_updated)
    changed["attempts"] = held.attempts + sa.case((is_new_attempt, 1), else_=0)
    # Two runs side by side: who asked in vain an hour ago comes last to say it
    # Rows of an answer that are held back are a word on that answer, whenever they became known
    is_in_vain = sa.and_(sa.not_(is_answered), told.rows == 0)
    is_answer_lost = sa.and_(was_answered, is_in_vain, told.ts_updated < held.ts_updated)
    return given.on_conflict_do_update(index_elements=list(_KEY), set_=changed, where=sa.not_(is_answer_lost))
