"""What a caller of a read may say: names, bounds and choices, checked. A refusal names near matches and the remedy.

No SQL and no engine; `reader.py` turns what passed into a query.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from difflib import get_close_matches
from typing import Final

from orion_assets import calendars
from orion_assets.schemas import STORED
from orion_assets.store.protocols import Bound, Tickers
from orion_assets.tables import Table

HIDDEN: Final = ("known_until", "is_deleted")
_BY_NAME: Final[Mapping[str, Table]] = {table.name: table for table in STORED}


def stored(name: str) -> Table:
    """Give the stored table of that name.

    Raises:
        ValueError: There is none; the text names near matches.
    """
    if name not in _BY_NAME:
        raise unknown("table", [name], _BY_NAME, f"choose one of {', '.join(_BY_NAME)}; the rest is in the lake")
    return _BY_NAME[name]


def ticker_names(tickers: Tickers) -> tuple[str, ...] | None:
    """Give each ticker once, in the order asked; one name may stand by itself, None means all."""
    wanted = (tickers,) if isinstance(tickers, str) else tickers
    return None if wanted is None else tuple(dict.fromkeys(wanted))


def bound(name: str, value: Bound) -> date | None:
    """Give one end of a range of sessions, from a date or ISO text."""
    try:
        parsed = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as e:
        raise ValueError(f"{name}: {value!r} is not a session; write it as 2014-06-06") from e
    match parsed:
        case datetime():
            raise ValueError(f"{name}: {parsed} is an instant, sessions are dates; the instant of a read is as_of")
        case _:
            return parsed


def public_columns(table: Table, columns: Sequence[str] | None) -> tuple[str, ...]:
    """Give key, asked columns and `ts_known`, in that order; for None all a reader may see, as declared."""
    shown = tuple(name for name in table.names if name not in HIDDEN)
    if columns is None:
        return shown
    asked = (columns,) if isinstance(columns, str) else columns
    for name in asked:
        if name not in shown:
            raise unknown("column", [name], shown, "docs/reference/tables.md lists them all")
    return tuple(dict.fromkeys((*table.key, *(name for name in asked if name != "ts_known"), "ts_known")))


def cutoff_value(cutoff: str) -> str | None:
    """Give the value to select by, None for `both`."""
    demand_one_of("cutoff", cutoff, (*calendars.CUTOFFS, "both"), "choose one of them")
    return None if cutoff == "both" else cutoff


def demand_one_of(argument: str, value: str, choices: Sequence[str], remedy: str) -> None:
    """Refuse a value that is none of the choices."""
    if value not in choices:
        raise ValueError(f"{argument} {value!r} is not one of {', '.join(choices)}; {remedy}")


def unknown(kind: str, names: Sequence[str], known: Iterable[str], remedy: str) -> ValueError:
    """Make the error for names that are not there: what was asked, what is near or exists, what to do."""
    existing = sorted(known)
    told = f"{kind} {_shortened(names)} is not in the store; {near_or_all(names, existing)}"
    folded = {name.casefold() for name in existing}
    is_case = all(name.casefold() in folded for name in names)
    return ValueError(f"{told}. Remedy: {'write it so, case matters' if is_case else remedy}")


def near_or_all(names: Sequence[str], known: Sequence[str]) -> str:
    """Say which of the names there are is near those that are not there, else how many there are and the first."""
    near = dict.fromkeys(match for name in names[:10] for match in _near(name, known))
    return f"near: {', '.join(near)}" if near else f"there are {len(known)}: {_shortened(known)}"


def _near(name: str, known: Sequence[str]) -> list[str]:
    # Case matters in a ticker, but it is the likeliest slip
    same = [other for other in known if other.casefold() == name.casefold()]
    return same or get_close_matches(name, known, n=3)


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
