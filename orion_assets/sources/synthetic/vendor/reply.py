"""An answer before it is bytes, and a request after it was: what routes, faults and the server hand to each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

from orion_assets.sources.synthetic.vendor.wire import compact

NEW_YORK: Final = ZoneInfo("America/New_York")
# Absolute, with the port, and whoever follows it verbatim leaves the fake
VENDOR_HOST: Final = "https://api.massive.com:443"
JSON: Final = "application/json"
_KEY: Final = "apikey="


@dataclass(frozen=True)
class Request:
    """What was asked.

    Attributes:
        target: Path and query as they came, without the key.
        path: Path as it came, still percent-encoded.
        params: Query, decoded, without the key; the last of equal names.
        now: The server's clock.
        request_id: 32 hex digits.
        key: The key in the query; empty where it came otherwise.
    """

    target: str
    path: str
    params: Mapping[str, str]
    now: datetime
    request_id: str
    key: str = field(default="", repr=False)

    @classmethod
    def of(cls, target: str, now: datetime, request_id: str) -> "Request":
        """Take a request line's target apart."""
        parts = urlsplit(target)
        pairs = [pair for pair in parts.query.split("&") if pair]
        own = [pair for pair in pairs if not pair.lower().startswith(_KEY)]
        params = dict(parse_qsl("&".join(own), keep_blank_values=True))
        keys = [unquote(pair[len(_KEY) :]) for pair in pairs if pair not in own]
        kept = parts.path + (f"?{'&'.join(own)}" if own else "")
        return cls(kept, parts.path, params, now, request_id, keys[-1] if keys else "")

    @property
    def today(self) -> date:
        """New York's date on the server's clock."""
        return self.now.astimezone(NEW_YORK).date()


@dataclass(frozen=True)
class Reply:
    """What is answered.

    Attributes:
        head: Members of the JSON object besides `results`.
        rows: JSON texts of `results`; None where there is no such member.
        status: HTTP status.
        text: The whole body, in place of head and rows.
        content_type: Of the body.
        headers: More headers.
        route: Name of the route that answered.
    """

    head: Mapping[str, Any] = field(default_factory=dict[str, Any])
    rows: list[str] | None = None
    status: int = 200
    text: str | None = None
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    route: str = ""

    def body(self) -> bytes:
        """Write the body."""
        if self.text is not None:
            # Garbage bytes travel as the surrogates that stand for them
            return self.text.encode("utf-8", "surrogateescape")
        members = [f"{compact(name)}:{compact(value)}" for name, value in self.head.items()]
        if self.rows is not None:
            members.append(f'"results":[{",".join(self.rows)}]')
        return ("{" + ",".join(members) + "}").encode("utf-8", "surrogateescape")


class Refused(Exception):
    """A route will not answer: status and what the error says."""

    def __init__(self, status: int, message: str, code: str = "ERROR", member: str = "error") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.member = member

    def reply(self, request_id: str) -> Reply:
        """Give the answer that says so."""
        return Reply({"status": self.code, "request_id": request_id, self.member: str(self)}, status=self.status)


def decoded(part: str) -> str:
    """Decode one part of a path."""
    return unquote(part)
