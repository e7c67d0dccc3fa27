"""What Polygon's statuses and error texts mean, whatever the route; texts as third parties have seen them."""

from typing import Any, Final

from orion_assets.errors import NotEntitled, NotYet
from orion_assets.sources.bodies import refusal_of, refuse_no_json
from orion_assets.sources.responses import Passing, Response

_TOO_EARLY: Final = "before end of day"
_OUT_OF_DATES: Final = "data timeframe"
# DELAYED is good data of a plan that sees it later
_GOOD: Final = ("OK", "DELAYED")


def judge(response: Response) -> None:
    """Raise what an answer deserves in the vendor's own words; bodies of 200 are only looked at from outside.

    Raises:
        NotYet: It is asked for before the end of the day.
        NotEntitled: The dates, or the route, are not in the plan.
        Passing: It is no JSON object: a page of a proxy or of a firewall, or nothing.
    """
    if response.status == 200:
        refuse_no_json(response)
        return
    said = refusal_of(response, "message", "error")
    if response.status == 403 and _TOO_EARLY in said:
        raise NotYet(f"polygon: {response.url}: {said}. After the end of the day it is there; the next run asks again")
    if response.status == 403 and _OUT_OF_DATES in said:
        told = f"polygon: {response.url}: {said}. Name other dates, or get a plan that has these"
        raise NotEntitled(told, is_by_date=True)


def refuse_status(envelope: dict[str, Any]) -> None:
    """Refuse a body of 200 that calls itself a failure.

    Raises:
        Passing: `status` is neither OK nor DELAYED.
    """
    status = envelope.get("status")
    if status not in _GOOD:
        told = envelope.get("error") or envelope.get("message") or "no reason given"
        raise Passing(f"HTTP 200 with status {status!r}: {str(told)[:120]}")
