"""The other sides of network sources: small vendors on loopback, made after their documents, that err on demand."""

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from socket import socket
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

import polars as pl

from orion_assets.clock import FixedClock
from orion_assets.sources.limiter import Limiter, Rate
from orion_assets.sources.protocols import Source
from orion_assets.sources.synthetic.vendor.journal import key_hash
from orion_assets.sources.synthetic.vendor.server import FakeVendor
from orion_assets.sources.transport import Policy, Transport, Vendor
from orion_assets_tests.scripted_server import ScriptedServer, Step, answer, raw, scripted

KEY = "sk-very-secret-42"
CLOCK = FixedClock(datetime(2026, 11, 21, 12, tzinfo=UTC))
ATTEMPTS = 2
_HTML = b"<!DOCTYPE html><html><body>We are down for maintenance</body></html>"


# What an error ends with, in one of these words: what its reader does, or what is done without him
_WHAT_NEXT = re.compile(
    r"\b(asks? (again|by calls|another)|make real|orion [a-z]+|set|lower|check|name|get (one|a plan|the plan)|"
    r"call again|install|choose)\b",
    re.IGNORECASE,
)


def says_what_next(message: str) -> bool:
    """Say whether the last clause of an error, after a stop, a semicolon or a colon, tells what comes next."""
    *before, last = re.split(r"[.;:] ", message.rstrip("."))
    return bool(before and _WHAT_NEXT.search(last))


class FarSide(Protocol):
    """A vendor on loopback, and the source that asks it."""

    source: Source
    fault: str
    has_key: bool
    most_requests: int

    @property
    def datasets(self) -> Sequence[str]: ...
    @property
    def targets(self) -> Sequence[str]: ...
    @property
    def keys_in_headers(self) -> int: ...
    def route(self, dataset: str) -> str: ...
    def truth(self, dataset: str) -> pl.DataFrame: ...


class Unlimited:
    """A log of calls without a limit."""

    def take(self, key, rate, lease_s):
        return 1

    def end(self, key, slot):
        pass

    def close(self, key, seconds):
        pass


def limited(rate: Rate, lease_s: float) -> Limiter:
    """Make a limiter that never waits."""
    return Limiter(Unlimited(), "anybody", rate, lease_s=lease_s, pause=lambda _: None)


@contextmanager
def transport_to(url: str, name: str, judge, headers: Mapping[str, str], *, aliases=()) -> Iterator[Transport]:
    """Open a transport that asks twice at most and never waits."""
    policy = Policy(deadline_s=10.0, attempts=ATTEMPTS, refusals=2)
    vendor = Vendor(name, url, judge, frozenset(aliases), headers)
    with Transport(vendor, limited(Rate(1_000), 60.0), policy, CLOCK, lambda _: None) as opened:
        yield opened


@dataclass
class ScriptedFar:
    """A vendor of a few lines: `reply` makes the body of a request, `spoil` what only this vendor can do wrong."""

    server: ScriptedServer
    source: Source
    routes: Mapping[str, str]
    truths: Mapping[str, pl.DataFrame]
    reply: Callable[[str, Mapping[str, str]], bytes]
    spoil: Callable[[str, bytes], bytes]
    has_key: bool = True
    most_requests: int = 8
    fault: str = ""

    def __post_init__(self) -> None:
        self.server.say(self._answer)

    def _answer(self, connection: socket) -> None:
        self._step(self.server.heads[-1])(connection)

    @property
    def datasets(self) -> Sequence[str]:
        return sorted(self.routes)

    @property
    def targets(self) -> Sequence[str]:
        return [head.split(" ")[1] for head in self.server.heads]

    @property
    def keys_in_headers(self) -> int:
        return sum(KEY in head.partition("\r\n")[2] for head in self.server.heads)

    def route(self, dataset: str) -> str:
        return self.routes[dataset]

    def truth(self, dataset: str) -> pl.DataFrame:
        return self.truths[dataset]

    def _step(self, head: str) -> Step:
        parts = urlsplit(head.split(" ")[1])
        body = self.reply(parts.path, dict(parse_qsl(parts.query)))
        packed = gzip.compress(body)
        faults: dict[str, Callable[[], Step]] = {
            "": lambda: answer(body, is_packed=True),
            "a page of HTML": lambda: answer(_HTML),
            "an empty body": lambda: answer(b""),
            "a cut gzip stream": lambda: raw(packed[:-6], headers="Content-Encoding: gzip\r\n"),
            "a body shorter than told": lambda: raw(body, length=len(body) + 50),
            "a body cut in its middle": lambda: answer(body[:-9]),
            "a gateway's 503": lambda: answer(_HTML, "503 Service Unavailable"),
            "an unknown key": lambda: answer(b'{"message": "unauthorized."}', "401 Unauthorized"),
        }
        return faults[self.fault]() if self.fault in faults else answer(self.spoil(self.fault, body))


@contextmanager
def scripted_far(opened: Callable[[Transport], Source], name: str, judge, headers, **more) -> Iterator[ScriptedFar]:
    """Run a scripted vendor and open the source that asks it."""
    with scripted() as server, transport_to(server.url, name, judge, headers) as transport:
        yield ScriptedFar(server, opened(transport), has_key=bool(headers), **more)


@dataclass
class PolygonFar:
    """The fake vendor of Polygon."""

    vendor: FakeVendor
    source: Source
    truths: Mapping[str, pl.DataFrame]
    has_key: bool = True
    most_requests: int = 8
    since: int = 0

    @property
    def datasets(self) -> Sequence[str]:
        return sorted(self.truths)

    @property
    def targets(self) -> Sequence[str]:
        return [entry.path for entry in self.vendor.journal.entries[self.since :]]

    @property
    def keys_in_headers(self) -> int:
        return sum(entry.key == key_hash(KEY) for entry in self.vendor.journal.entries[self.since :])

    @property
    def fault(self) -> str:
        return ""

    @fault.setter
    def fault(self, name: str) -> None:
        self.vendor.faults.clear()
        for fault, more in _POLYGON.get(name, ()):
            self.vendor.faults.add(fault, **more)

    def route(self, dataset: str) -> str:
        named = {"raw_daily_bars": "ticker_range", "raw_minute_bars": "minute_window", "raw_vix": "index_range"}
        return named.get(dataset, dataset.removeprefix("raw_"))

    def truth(self, dataset: str) -> pl.DataFrame:
        return self.truths[dataset]


_POLYGON: Mapping[str, Sequence[tuple[str, Mapping[str, object]]]] = {
    "no rows": [("empty", {})],
    "a page of HTML": [("html", {})],
    "an empty body": [("body", {"text": ""})],
    "a cut gzip stream": [("truncated_gzip", {})],
    "a body shorter than told": [("content_length", {"by": 10})],
    "a body cut in its middle": [("body", {"text": '{"status": "OK", "results": [{"c": 1'})],
    "a gateway's 503": [("server_error", {"status": 503})],
    "an unknown key": [("unknown_key", {})],
    "another ticker": [("wrong_envelope", {})],
    "days nobody asked for": [("out_of_range", {}), ("news_backdated", {"hours": 10_000})],
    "pages that go round": [("next_url", {"kind": "self"})],
}


def json_spoiler(spoil: Callable[[str, dict], None]) -> Callable[[str, bytes], bytes]:
    """Make a spoiler of bytes of one of JSON."""

    def spoiled(fault: str, body: bytes) -> bytes:
        told = json.loads(body)
        spoil(fault, told)
        return json.dumps(told).encode()

    return spoiled
