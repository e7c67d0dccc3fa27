"""Parameters of a request: read, bounded and refused as the vendor does; cursors that decode to plain text."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NoReturn
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

from orion_assets.sources.synthetic.vendor.reply import NEW_YORK, Refused, Request

_LAST_MS: Final = 253_402_300_799_000


def number(name: str, text: str, least: int, most: int) -> int:
    """Read a whole number.

    Raises:
        Refused: 400, it is none, or out of bounds.
    """
    if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
        raise Refused(400, f"Invalid value for {name!r}: {text!r} is not a whole number from {least} to {most}")
    return int(text)


def flag(request: Request, name: str, *, default: bool) -> bool:
    """Read true or false.

    Raises:
        Refused: 400, it is neither.
    """
    text = request.params.get(name, str(default)).lower()
    if text not in ("true", "false"):
        raise Refused(400, f"Invalid value for {name!r}: {text!r} is neither true nor false")
    return text == "true"


def one_of(request: Request, name: str, allowed: Sequence[str]) -> str:
    """Read one of some words; the first of them is the default.

    Raises:
        Refused: 400, it is another.
    """
    text = request.params.get(name, allowed[0])
    if text not in allowed:
        raise Refused(400, f"Invalid value for {name!r}: {text!r} is none of {', '.join(allowed)}")
    return text


def day(name: str, text: str) -> date:
    """Read a date, YYYY-MM-DD.

    Raises:
        Refused: 400, it is none.
    """
    try:
        return date.fromisoformat(text) if len(text) == 10 else _refuse_date(name, text)
    except ValueError:
        return _refuse_date(name, text)


def instant_ms(name: str, text: str, zone: str = str(NEW_YORK), *, is_end: bool = False) -> int:
    """Read a date of a zone (its first millisecond, or its last) or milliseconds since 1970.

    Raises:
        Refused: 400, it is neither.
    """
    if text.isascii() and text.isdigit():
        return min(int(text), _LAST_MS)
    at = day(name, text) + timedelta(days=1 if is_end else 0)
    return int(datetime.combine(at, time(), ZoneInfo(zone)).timestamp() * 1000) - (1 if is_end else 0)


def instant(name: str, text: str, *, is_end: bool = False) -> datetime:
    """Read a date (its first instant in UTC, or its last) or an instant in RFC 3339.

    Raises:
        Refused: 400, it is neither.
    """
    try:
        if len(text) == 10:
            return datetime.combine(day(name, text), time.max if is_end else time(), UTC)
        found = datetime.fromisoformat(text)
    except ValueError:
        _refuse_date(name, text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def cursor_of(told: Mapping[str, str]) -> str:
    """Write a cursor: URL-encoded text in base64, without padding."""
    return base64.urlsafe_b64encode(urlencode(told).encode()).decode().rstrip("=")


def with_cursor(request: Request) -> Request:
    """Give the request with what its cursor says in place of its parameters.

    Raises:
        Refused: 400, the cursor cannot be read.
    """
    cursor = request.params.get("cursor")
    if cursor is None:
        return request
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        told = dict(parse_qsl(text, strict_parsing=True))
    except (binascii.Error, ValueError) as e:
        raise Refused(400, f"Invalid cursor: {cursor!r}") from e
    return replace(request, params=told)


def _refuse_date(name: str, text: str) -> NoReturn:
    raise Refused(400, f"Could not parse the time parameter: {name!r}: {text!r}. Use YYYY-MM-DD or a Unix ms timestamp")
