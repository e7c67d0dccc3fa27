"""Lists of the reference routes: filtered, sorted and cut into pages that a cursor goes on from."""

import hashlib
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orion_assets.sources.synthetic.vendor.parameters import cursor_of, number, one_of
from orion_assets.sources.synthetic.vendor.reply import VENDOR_HOST, Refused, Reply, Request
from orion_assets.sources.synthetic.vendor.wire import objects

Row = Mapping[str, Any]
_BOUNDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "": operator.eq,
    ".gt": operator.gt,
    ".gte": operator.ge,
    ".lt": operator.lt,
    ".lte": operator.le,
}


@dataclass(frozen=True)
class Listed:
    """How a route lists: its path, what it sorts by, how many rows a page has by default and at most."""

    path: str
    sort: str
    sorts: tuple[str, ...]
    limit: int
    most: int
    order: str = "asc"


def kept(request: Request, rows: Sequence[Row], *names: str) -> list[Row]:
    """Give the rows that the request's filters let through: name, name.gt, .gte, .lt, .lte, .any_of.

    Raises:
        Refused: 400, a bound of a number is none.
    """
    found: list[Row] = list(rows)
    for name in names:
        for suffix, holds in _BOUNDS.items():
            text = request.params.get(name + suffix, "")
            if text:
                found = [row for row in found if holds(row[name], _as(row[name], name, text))]
        wanted = request.params.get(f"{name}.any_of", "")
        if wanted:
            found = [row for row in found if str(row[name]) in wanted.split(",")]
    return found


def page(request: Request, listed: Listed, rows: Sequence[Row]) -> Reply:
    """Sort rows and give one page of them.

    Args:
        request: With the cursor's parameters in place of its own, where it came with one.
        listed: How the route lists.
        rows: All that match, each with an `id` or `ticker` that tells it from others.

    Raises:
        Refused: 400, a parameter or the cursor's marker is wrong.
    """
    limit = number("limit", request.params.get("limit", str(listed.limit)), 1, listed.most)
    name, order = _sorting(request, listed)
    ordered = sorted(rows, key=lambda row: (*_value(row, name), _mark(row)), reverse=order == "desc")
    first = _place(ordered, request.params.get("page_marker"))
    here = ordered[first : first + limit]
    head: dict[str, Any] = {"status": "OK", "request_id": request.request_id, "count": len(here)}
    if first + limit < len(ordered):
        told = {name: text for name, text in request.params.items() if name != "page_marker"}
        head["next_url"] = f"{VENDOR_HOST}{listed.path}?cursor={cursor_of(told | {'page_marker': _marker(here[-1])})}"
    return Reply(head, objects(here))


def _sorting(request: Request, listed: Listed) -> tuple[str, str]:
    """Read `sort` and `order`, or both from `sort=name.order` as the newer routes have it."""
    text = request.params.get("sort", "")
    name, _, order = text.partition(".")
    if not name:
        name = listed.sort
    if name not in listed.sorts or order not in ("", "asc", "desc"):
        raise Refused(400, f"Invalid value for 'sort': {text!r}; it is one of {', '.join(listed.sorts)}")
    default = listed.order if name == listed.sort and not request.params.get("sort") else "asc"
    other = "desc" if default == "asc" else "asc"
    return name, order or one_of(request, "order", (default, other))


def _value(row: Row, name: str) -> tuple[bool, Any]:
    """Give what a row is sorted by; where it has none it comes first."""
    return row.get(name) is not None, row.get(name) if row.get(name) is not None else ""


def _mark(row: Row) -> str:
    return str(row["id"] if "id" in row else row["ticker"])


def _marker(row: Row) -> str:
    """Write what tells a row from all others: a ticker alone does not, two companies may have borne it."""
    told = f"{_mark(row)} {row.get('composite_figi', '')}"
    return f"{_mark(row)}|{hashlib.sha256(told.encode()).hexdigest()[:40]}"


def _place(ordered: Sequence[Row], marker: str | None) -> int:
    if marker is None:
        return 0
    found = next((place for place, row in enumerate(ordered) if _marker(row) == marker), None)
    if found is None:
        raise Refused(400, f"Invalid cursor: page_marker {marker!r}")
    return found + 1


def _as(value: object, name: str, text: str) -> object:
    if not isinstance(value, int | float):
        return text
    try:
        return float(text)
    except ValueError as e:
        raise Refused(400, f"Invalid value for {name!r}: {text!r} is not a number") from e
