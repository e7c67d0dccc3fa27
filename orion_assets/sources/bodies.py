"""From the bytes of a body to JSON values, each held to its type. No meaning of any of them."""

import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Final, cast

from orion_assets.sources.responses import Passing, Response

Row = Mapping[str, Any]
# Kept as texts, which no field takes for a number
_NO_NUMBERS: Final = {"NaN": "NaN", "Infinity": "Infinity", "-Infinity": "-Infinity"}


def refuse_no_json(response: Response) -> None:
    """Refuse an answer of 200 that is no JSON object or array: a page of a proxy, or nothing.

    Raises:
        Passing: It is none; looked at from outside only.
    """
    body = response.body
    if body[:1] not in {b"{", b"["} or body.rstrip()[-1:] not in {b"}", b"]"}:
        shown = body[:40].decode("utf-8", "replace")
        raise Passing(f"HTTP 200 without JSON: {shown!r}" if shown else "HTTP 200 and an empty body")


def loaded(text: bytes) -> Any:  # noqa: ANN401 - JSON
    """Read JSON.

    Raises:
        Passing: It is none, is cut off, or is nested deeper than any answer.
    """
    try:
        return json.loads(text, parse_constant=_NO_NUMBERS.__getitem__)
    except ValueError as e:
        raise Passing(f"the body is not JSON: {e}") from e
    except RecursionError as e:
        raise Passing("the body is nested deeper than any answer") from e


def object_of(found: Any, what: str = "the body") -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Hold a value to be an object.

    Raises:
        Passing: It is something else.
    """
    if not isinstance(found, dict):
        raise Passing(f"{what} is {shown(found)}, not an object")
    return cast("dict[str, Any]", found)


def rows_of(found: Any, what: str) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    """Hold a value to be a list of objects.

    Raises:
        Passing: It is something else; null was seen as a false empty that asking again filled.
    """
    if not isinstance(found, list):
        raise Passing(f"{what} is {shown(found)}, not a list")
    return [object_of(each, f"one of {what}") for each in cast("list[Any]", found)]


def shown(found: Any) -> str:  # noqa: ANN401 - JSON
    """Show a value in an error: a list or an object, which may go deep, by its kind."""
    if isinstance(found, dict | list):
        return "an object" if isinstance(found, dict) else "a list"
    return json.dumps(found)[:40]


def refusal_of(response: Response, *names: str) -> str:
    """Give what an error body says under the first of its names; empty where it is silent on them.

    Raises:
        Passing: A 403 or 404 that is no JSON object: the page of a proxy or a firewall, which knows no plan.
    """
    try:
        said = object_of(loaded(response.body))
    except Passing as e:
        if response.status in {403, 404}:
            told = " ".join(response.body[:160].decode("utf-8", "replace").split())
            raise Passing(f"HTTP {response.status}, not in the vendor's words: {told[:120]!r}") from e
        return ""
    return next((str(said[name]) for name in names if said.get(name)), "")


def text_of(row: Row, name: str) -> str | None:
    """Give a text of an object; None where it is absent, empty or something else."""
    value = row.get(name)
    return value.strip() or None if isinstance(value, str) else None


def number_of(value: object) -> float | None:
    """Give a finite number, and None for anything else: texts, flags, NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        read = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return None
    return read if math.isfinite(read) else None


def day_of(value: object) -> date | None:
    """Give the date that a text begins with; None where it does not."""
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def instant_of(value: object) -> datetime | None:
    """Give the instant that a text with a zone names; None for anything else."""
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return read if read is not None and read.tzinfo is not None else None


def ratio_of(after: object, before: object) -> tuple[int | None, int | None]:
    """Give the shares after and before as whole numbers, 1.5 for 1 as 3 for 2; None where there is no ratio."""
    up, down = number_of(after), number_of(before)
    if up is None or down is None or up <= 0 or down <= 0:
        return None, None
    if up.is_integer() and down.is_integer():
        return int(up), int(down)
    exact = (Fraction(str(up)) / Fraction(str(down))).limit_denominator(10_000)
    return (exact.numerator, exact.denominator) if exact > 0 else (None, None)
