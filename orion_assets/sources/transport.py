"""The one way out: HTTPS GET with a total deadline, within a budget, to named hosts, believed only when it is whole.

Whatever a provider asks goes through here. What an answer means, the provider says by its `judge`; what is retried and
what is given up is decided here. The key travels in a header and is in no error, log or URL.
"""

import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import SplitResult, parse_qsl, urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from orion_assets.clock import Clock, Uptime, uptime
from orion_assets.errors import (
    AnswerDistrusted,
    KeyRefused,
    NotEntitled,
    NotFound,
    OrionError,
    RequestRejected,
    SettingsError,
    SourceUnavailable,
)
from orion_assets.sources.breaker import Breaker, left_alone
from orion_assets.sources.limiter import LONGEST_CLOSE_S, Limiter, Pause
from orion_assets.sources.responses import Passing, Response
from orion_assets.sources.wire import Reply, Unreachable, Wire

T = TypeVar("T")
LOG: Final = logging.getLogger(__name__)
# What to do about an answer that cannot be true, or was never asked for: the ends of their errors
DISTRUSTED: Final = "Nothing of the answer is landed; what another vendor says, orion fetch --source shows"
REJECTED: Final = "Asking again is in vain: check tickers and dates, and where they are right report this line to Orion"
# Bytes of a body that an error shows
_SHOWN: Final = 160
# Shorter words may stand in any body; no vendor's key is one
_LEAST_KEY: Final = 8


# Reads what an answer of any status says in the vendor's own words, and raises what it deserves
Judge = Callable[[Response], None]


@dataclass(frozen=True)
class Policy:
    """How patient to be.

    Attributes:
        deadline_s: Seconds for one request, from the connection to the last byte.
        attempts: Requests for one answer at most, those that were refused for the budget left out.
        first_wait_s: Wait before the second attempt; it doubles, with jitter.
        longest_wait_s: No wait is longer.
        refusals: How often in a row the vendor may say that the budget is spent before the answer is put off.
        failures: Calls in a row without an answer after which the vendor is left alone for a while.
        most_bytes: Bytes of a body, unpacked, at most.
    """

    deadline_s: float = 60.0
    attempts: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    refusals: int = 5
    failures: int = 8
    most_bytes: int = 512 * 1024**2

    @classmethod
    def side_by_side(cls, in_flight: int) -> Self:
        """Give the patience of calls of which so many are under way at a time: one moment makes that many fail."""
        return cls(failures=max(cls.failures, 2 * in_flight))


@dataclass(frozen=True)
class Vendor:
    """Whom to ask.

    Attributes:
        name: As errors name it.
        base_url: Scheme and host, and a path that every request lies below.
        aliases: Other hosts that its answers may name as its own; asked for, the base is asked instead.
        headers: What carries the key.
        judge: Reads the vendor's own words.
    """

    name: str
    base_url: str
    judge: Judge
    aliases: frozenset[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class Transport:
    """Asks one vendor with one key; safe for threads, which share its connections, its budget and its breaker."""

    def __init__(
        self,
        vendor: Vendor,
        limiter: Limiter,
        policy: Policy,
        clock: Clock,
        pause: Pause,
        *,
        uptime: Uptime = uptime,
    ) -> None:
        """Prepare; nothing is opened before the first request.

        Args:
            vendor: Whom to ask.
            limiter: The budget.
            policy: How patient to be.
            clock: Tells the time, to read a date in Retry-After.
            pause: Waits.
            uptime: Seconds that nobody sets, for the breaker; they go by while `pause` waits.

        Raises:
            SettingsError: The base URL would send the key in the clear.
        """
        self._vendor = vendor
        self._base = _base(vendor)
        self._limiter = limiter
        self._policy = policy
        self._clock = clock
        self._pause = pause
        self._breaker = Breaker(uptime, threshold=policy.failures)
        self._refused: KeyRefused | None = None
        self._wire = Wire(vendor.headers, deadline_s=policy.deadline_s, most_bytes=policy.most_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the connections; the next request opens new ones."""
        self._wire.close()

    def get(self, path: str, params: Mapping[str, str], read: Callable[[Response], T]) -> T:
        """Ask until there is an answer that can be read, or none is to be expected.

        Args:
            path: Below the base URL, percent-encoded.
            params: The query.
            read: Makes something of an answer that the vendor's judge lets pass; raises Passing where asking again may
                bring a better one, AnswerDistrusted where it cannot be true.

        Returns:
            What `read` gives.

        Raises:
            KeyRefused: Nothing more is sent with this key, by any thread.
            NotEntitled, NotYet, NotFound, RequestRejected, AnswerDistrusted: What the vendor said; not asked again.
            SourceUnavailable: It cannot answer now.
            SettingsError: The other side cannot prove who it is.
        """
        target = self._target(path, params)
        tries = Retrying(
            retry=retry_if_exception(_is_worth_asking),
            wait=_patience(self._policy),
            stop=_after(self._policy.attempts),
            sleep=self._pause,
            reraise=True,
        )
        try:
            return tries(self._attempt, target, read)
        except Passing as e:
            given_up = f"{self._told(target)}: {e}; asked {self._policy.attempts} times. The next run asks again"
            raise SourceUnavailable(given_up, retry_after_s=_bounded(e.after_s) or self._policy.longest_wait_s) from e

    def follow(self, url: str, read: Callable[[Response], T]) -> T:
        """Get the next page, as an answer named it; as `get`.

        Raises:
            AnswerDistrusted: The page is not this vendor's.
            OrionError: As `get`.
        """
        parts = urlsplit(url)
        is_base = (parts.scheme, parts.netloc) == (self._base.scheme, self._base.netloc)
        is_alias = parts.scheme == "https" and parts.netloc.removesuffix(":443") in self._vendor.aliases
        if not (is_base or is_alias) or not parts.path.startswith(f"{self._base.path}/"):
            raise AnswerDistrusted(
                f"{self._vendor.name}: the next page is said to be at {_short(url)}, not its own. {DISTRUSTED}"
            )
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return self.get(parts.path.removeprefix(self._base.path), query, read)

    @contextmanager
    def whole_budget(self) -> Generator[Callable[[str, Mapping[str, str]], Response]]:
        """Hold every slot; gives what sends one request, as `get` names it, and tells its answer, a refusal too."""
        with self._limiter.whole():
            yield lambda path, params: self._response(target := self._target(path, params), self._sent(target))

    def _target(self, path: str, params: Mapping[str, str]) -> httpx.URL:
        return httpx.URL(self._base.geturl().rstrip("/") + path, params=dict(params))

    def _response(self, target: httpx.URL, reply: Reply) -> Response:
        return Response(str(target), reply.status, reply.headers, reply.body).hashed_ahead()

    def _attempt(self, target: httpx.URL, read: Callable[[Response], T]) -> T:
        """Send one request, as often as the vendor says that the budget is spent."""
        for number in range(self._policy.refusals):
            if self._refused is not None:
                raise self._refused
            self._demand_breaker()
            with self._breaker.watched(Passing):
                with self._limiter.slot():
                    reply = self._sent(target)
                if reply.status != 429:
                    return self._judged(target, reply, read)
            self._limiter.refused(self._stated_wait(reply), number)
        raise SourceUnavailable(
            f"{self._told(target)}: the vendor says, {self._policy.refusals} times in a row, that the budget of this"
            " key is spent. Does somebody else use the key? Then lower ORION_CALLS_PER_MINUTE; the next run asks again",
            retry_after_s=LONGEST_CLOSE_S,
        )

    def _demand_breaker(self) -> None:
        """Refuse a call that the breaker does not let through."""
        if left := self._breaker.ask():
            told = left_alone(self._vendor.name, left)
            if left > self._policy.longest_wait_s:
                raise SourceUnavailable(f"{told}. The next run asks again", retry_after_s=left)
            raise Passing(told, after_s=left)

    def _sent(self, target: httpx.URL) -> Reply:
        try:
            reply = self._without_key(self._wire.get(target))
        except Unreachable as e:
            raise Passing(str(e)) from e
        if reply.status >= 500:
            raise Passing(f"HTTP {reply.status}, {_shown(reply.body)}", after_s=self._stated_wait(reply) or 0.0)
        LOG.debug("%s: HTTP %d, %d bytes", self._told(target), reply.status, len(reply.body))
        return reply

    def _judged(self, target: httpx.URL, reply: Reply, read: Callable[[Response], T]) -> T:
        response = self._response(target, reply)
        try:
            self._vendor.judge(response)
            if reply.status == 200:
                return read(response)
        except KeyRefused as e:
            # Not every vendor says it with a 401
            self._refused = e
            raise
        except AnswerDistrusted as e:
            told = f"{self._told(target)}: {e}. {DISTRUSTED}"
            raise AnswerDistrusted(told, is_worth_asking=e.is_worth_asking) from e
        raise self._refusal(target, reply)

    def _refusal(self, target: httpx.URL, reply: Reply) -> OrionError:
        told = f"{self._told(target)}: HTTP {reply.status}, {_shown(reply.body)}"
        if reply.status == 401:
            self._refused = KeyRefused(f"{told}. Nothing more is sent with this key; set a valid one")
            return self._refused
        if reply.status == 403:
            return NotEntitled(
                f"{told}. The plan of this key does not include it: get one that does, or name other ORION_DATASETS"
            )
        if reply.status == 404:
            return NotFound(f"{told}. There is none of it there: check how the ticker is spelled, and the dates")
        if reply.status < 400:
            # Followed, it would carry the key to wherever the answer points
            return AnswerDistrusted(
                f"{told}. It points to {_short(reply.headers.get('location', ''))!r}, which is not followed; check the"
                " base URL in the settings"
            )
        return RequestRejected(f"{told}. {REJECTED}")

    def _stated_wait(self, reply: Reply) -> float | None:
        """Read Retry-After, seconds or a date; None where it says nothing that can be read."""
        said = reply.headers.get("retry-after", "").strip()
        if said.isdecimal():
            return float(said[:10])
        try:
            until, date = _instant(said), reply.headers.get("date")
            # By the vendor's clock where it tells it: ours may be wrong
            now = _instant(date) if date else self._clock.now()
        except ValueError:
            return None
        return (until - now).total_seconds()

    def _told(self, target: httpx.URL) -> str:
        return f"{self._vendor.name}: {target.raw_path.decode('ascii')}"

    def _without_key(self, reply: Reply) -> Reply:
        """Blank out the key, before anybody can tell, archive or land it: some vendors say back what they were sent."""
        headers, body = reply.headers, reply.body
        for value in self._vendor.headers.values():
            key = value.rpartition(" ")[2]
            if len(key) >= _LEAST_KEY:
                headers = {name: text.replace(key, "***") for name, text in headers.items()}
                body = body.replace(key.encode(), b"***")
        return replace(reply, headers=headers, body=body)


def _instant(said: str) -> datetime:
    """Read a date of a header; one without a zone, or with -0000, is UTC's."""
    read = parsedate_to_datetime(said)
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)


def _base(vendor: Vendor) -> SplitResult:
    parts = urlsplit(vendor.base_url.rstrip("/"))
    if parts.scheme == "https" and parts.hostname:
        return parts
    if parts.scheme == "http" and is_on_this_machine(vendor.base_url):
        return parts
    raise SettingsError(
        f"{vendor.name}: {vendor.base_url} is not https://host; beyond this machine the key would travel in the clear."
        " Set one that is"
    )


def is_on_this_machine(url: str) -> bool:
    """Say whether a URL names this machine: a fake vendor, not a real one."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _patience(policy: Policy) -> Callable[[RetryCallState], float]:
    jittered = wait_random_exponential(multiplier=policy.first_wait_s, max=policy.longest_wait_s)

    def wait(state: RetryCallState) -> float:
        failed = state.outcome.exception() if state.outcome else None
        asked = failed.after_s if isinstance(failed, Passing) else 0.0
        # Those who are told the same come back one by one, so that the first finds out for the others
        return _bounded(asked) + jittered(state)

    return wait


def _bounded(after_s: float) -> float:
    return min(max(after_s, 0.0), LONGEST_CLOSE_S)


def _is_worth_asking(error: BaseException) -> bool:
    return isinstance(error, Passing) or (isinstance(error, AnswerDistrusted) and error.is_worth_asking)


def _after(attempts: int) -> Callable[[RetryCallState], bool]:
    def stop(state: RetryCallState) -> bool:
        failed = state.outcome.exception() if state.outcome else None
        # What cannot be true is asked for once more: a vendor that errs twice errs for good
        return state.attempt_number >= (2 if isinstance(failed, AnswerDistrusted) else attempts)

    return stop


def _shown(body: bytes) -> str:
    text = " ".join(body[: 4 * _SHOWN].decode("utf-8", "replace").split())
    return f"{text[:_SHOWN]!r}" if text else "an empty body"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
