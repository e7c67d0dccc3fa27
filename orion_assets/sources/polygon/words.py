"""What Polygon's statuses and error texts mean, whatever the route; texts as third parties have seen them."""

import json
from typing import Any, Final, cast

from orion_assets.errors import NotEntitled, NotYet
from orion_assets.sources.transport import Passing, Response

_TOO_EARLY: Final = "before end of day"
_OUT_OF_DATES: Final = "data timeframe"
# DELAYED is good data of a plan that sees it later
_GOOD: Final = ("OK", "DELAYED")


def judge(response: Response) -> None:
    """Raise what an answer deserves in the vendor's own words; bodies of 200 are only looked at from outside.

    Raises:
        NotYet: It is asked for before the end of the day.
        NotEntitled: The dates, or the route, are not in the plan.
        Passing: It is no JSON object: a page of a proxy, or nothing.
    """
    if response.status == 200:
        if response.body[:1] not in {b"{", b"["} or response.body.rstrip()[-1:] not in {b"}", b"]"}:
            shown = response.body[:40].decode("utf-8", "replace")
            raise Passing(f"HTTP 200 without JSON: {shown!r}" if shown else "HTTP 200 and an empty body")
        return
    said = _said(response.body)
    if response.status == 403 and _TOO_EARLY in said:
        raise NotYet(f"polygon: {response.url}: {said}")
    if response.status == 403 and _OUT_OF_DATES in said:
        raise NotEntitled(f"polygon: {response.url}: {said}", is_by_date=True)


def refuse_status(envelope: dict[str, Any]) -> None:
    """Refuse a body of 200 that calls itself a failure.

    Raises:
        Passing: `status` is neither OK nor DELAYED.
    """
    status = envelope.get("status")
    if status not in _GOOD:
        told = envelope.get("error") or envelope.get("message") or "no reason given"
        raise Passing(f"HTTP 200 with status {status!r}: {str(told)[:120]}")


def _said(body: bytes) -> str:
    try:
        told = json.loads(body)
    except ValueError:
        return ""
    said = cast("dict[str, object]", told) if isinstance(told, dict) else {}
    return str(said.get("message") or said.get("error") or "")
