"""Polygon's bucket of Flat Files: what it lists, and one object at a time, whole or not at all.

Docs: https://massive.com/docs/flat-files/quickstart (read 2026-11-21). S3 with keys of its own; listing and downloading
are two rights. An object may be replaced: ETag, size and time of change tell one version from the next. The ETag of a
multipart upload is no digest, so bytes are believed by their gzip trailer and by what they hold. What an object means
stays out.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeVar, cast

from botocore.exceptions import BotoCoreError, ClientError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from orion_assets.clock import Uptime, uptime
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
from orion_assets.sources.limiter import Limiter, Pause
from orion_assets.sources.transport import DISTRUSTED, REJECTED, is_on_this_machine

T = TypeVar("T")
BUCKET: Final = "flatfiles"
_REGION: Final = "us-east-1"
_KEY_REFUSED: Final = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthorizationHeaderMalformed", "401"}
)
_CHUNK: Final = 1024**2
_MOST_PAGES: Final = 100
_BY_CALLS: Final = "These keys may not read it: orion plan shows the calls that take its place"
_GONE: Final = "There is no such object now: orion plan shows whether one is listed, or which calls take its place"


@dataclass(frozen=True)
class Patience:
    """How patient to be.

    Attributes:
        deadline_s: Seconds for one object, from the first byte to the last.
        silence_s: Seconds without a byte.
        attempts: Requests for one object.
        longest_wait_s: No wait between two is longer.
        failures: Requests in a row without an answer after which the bucket is left alone for a while.
        most_bytes: Bytes of one object.
    """

    deadline_s: float = 600.0
    silence_s: float = 30.0
    attempts: int = 4
    longest_wait_s: float = 30.0
    failures: int = 8
    most_bytes: int = 1024**3


@dataclass(frozen=True)
class Stored:
    """One object as it was read.

    Attributes:
        key: Where it lies in the bucket.
        version: What tells it from what replaces it: ETag, size, time of change.
        content: Its bytes.
        sha256: Of its bytes.
    """

    key: str
    version: str
    content: bytes = field(repr=False)
    sha256: str


class _LeftAlone(SourceUnavailable):
    """Nothing was sent: the bucket did not answer before."""


class S3Client(Protocol):
    """The two calls of a boto3 S3 client that the bucket makes."""

    def list_objects_v2(self, **arguments: object) -> Mapping[str, Any]: ...  # noqa: D102
    def get_object(self, **arguments: object) -> Mapping[str, Any]: ...  # noqa: D102


def open_client(keys: tuple[str, str], endpoint: str, patience: Patience) -> S3Client:
    """Make the client of the bucket.

    Args:
        keys: The access key's id and its secret; they sign requests and are sent nowhere.
        endpoint: https://files.massive.com, or its older name; http on this machine alone.
        patience: How long to wait for a connection, and for a byte.

    Raises:
        SettingsError: The endpoint is none, or requests would travel in the clear.
    """
    # Takes its time to load, and most deployments read no files
    from boto3.session import Session  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    if not endpoint.startswith("https://") and not (endpoint.startswith("http://") and is_on_this_machine(endpoint)):
        raise SettingsError(
            f"flat files: {endpoint!r} is not https://host; beyond this machine requests would travel in the clear. Set"
            " ORION_POLYGON_S3_ENDPOINT_URL=https://files.massive.com"
        )
    config = Config(
        s3={"addressing_style": "path"},
        signature_version="s3v4",
        connect_timeout=10,
        read_timeout=patience.silence_s,
        # Each request takes a slot of the budget, so that retries are counted here
        retries={"total_max_attempts": 1},
    )
    session: Any = Session(aws_access_key_id=keys[0], aws_secret_access_key=keys[1], region_name=_REGION)
    return cast("S3Client", session.client("s3", endpoint_url=endpoint, config=config))


class Bucket:
    """The bucket of Flat Files with one pair of keys."""

    def __init__(
        self,
        client: S3Client,
        limiter: Limiter,
        patience: Patience | None = None,
        pause: Pause = time.sleep,
        *,
        uptime: Uptime = uptime,
        name: str = BUCKET,
    ) -> None:
        """Ask by a client; nothing is asked yet.

        Args:
            client: Of `open_client`.
            limiter: The budget of its keys.
            patience: How patient to be.
            pause: Waits.
            uptime: Seconds that nobody sets, for the deadline and the breaker; they go by while `pause` waits.
            name: Of the bucket.
        """
        self._client = client
        self._name = name
        self._limiter = limiter
        self._patience = patience or Patience()
        self._pause = pause
        self._uptime = uptime
        self._breaker = Breaker(uptime, threshold=self._patience.failures)

    def listed(self, folder: str, since: str = "") -> dict[str, str]:
        """Give the version of every object below a folder, by key.

        Args:
            folder: Without the slash at its end.
            since: Keys that do not sort after it are left out.

        Raises:
            NotEntitled: The keys may not list it.
            OrionError: As `get`.
        """
        return dict(pair for page in self._pages(folder, since) for pair in page)

    def get(self, key: str) -> Stored:
        """Read one object to its end.

        Raises:
            NotEntitled: The keys may not download it, though they may list it.
            NotFound: There is no such object, or no longer.
            KeyRefused: The keys are none.
            AnswerDistrusted: It is larger than any such object.
            SourceUnavailable: The bucket does not answer now, or not to the end.
        """
        return self._patiently(lambda: self._got(key), key)

    def _pages(self, folder: str, since: str) -> Iterator[list[tuple[str, str]]]:
        asked: dict[str, object] = {"Bucket": self._name, "Prefix": f"{folder}/", "StartAfter": since or f"{folder}/"}
        for _ in range(_MOST_PAGES):
            page = self._patiently(lambda: self._client.list_objects_v2(**asked), f"{folder}/")
            found: list[Mapping[str, Any]] = page.get("Contents", [])
            yield [(str(each["Key"]), version_of(each["ETag"], each["Size"], each["LastModified"])) for each in found]
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]
        raise AnswerDistrusted(
            f"flat files: the list of {folder}/ has more than {_MOST_PAGES} pages and is not believed: orion plan shows"
            " the calls that take its place"
        )

    def _patiently(self, ask: Callable[[], T], subject: str) -> T:
        tries = Retrying(
            retry=retry_if_exception(self._is_worth_asking),
            wait=self._wait,
            stop=stop_after_attempt(self._patience.attempts),
            sleep=self._pause,
            reraise=True,
        )
        return tries(self._asked, ask, subject)

    def _is_worth_asking(self, error: BaseException) -> bool:
        is_brief = not isinstance(error, _LeftAlone) or error.retry_after_s <= self._patience.longest_wait_s
        return isinstance(error, SourceUnavailable) and is_brief

    def _wait(self, state: RetryCallState) -> float:
        failed = state.outcome.exception() if state.outcome else None
        left = failed.retry_after_s if isinstance(failed, _LeftAlone) else 0.0
        return left + wait_random_exponential(max=self._patience.longest_wait_s)(state)

    def _asked(self, ask: Callable[[], T], subject: str) -> T:
        if left := self._breaker.ask():
            raise _LeftAlone(f"{left_alone('flat files', left)}. The next run asks again", retry_after_s=left)
        with self._breaker.watched(SourceUnavailable):
            return self._sent(ask, subject)

    def _sent(self, ask: Callable[[], T], subject: str) -> T:
        try:
            with self._limiter.slot():
                return ask()
        except ClientError as e:
            raise _refusal(subject, e) from e
        except (BotoCoreError, OSError) as e:
            raise SourceUnavailable(
                f"flat files: {subject}: {_short(str(e))}. The next run asks again",
                retry_after_s=self._patience.longest_wait_s,
            ) from e

    def _got(self, key: str) -> Stored:
        answer = self._client.get_object(Bucket=self._name, Key=key)
        size = int(answer["ContentLength"])
        # What is not read to its end would keep its connection
        with closing(answer["Body"]) as body:
            if size > self._patience.most_bytes:
                raise AnswerDistrusted(f"flat files: {key}: {size} bytes, more than any such object has. {DISTRUSTED}")
            content = self._body(body, key)
        if len(content) != size:
            raise SourceUnavailable(f"flat files: {key}: {len(content)} of {size} bytes came. The next run asks again")
        version = version_of(answer["ETag"], size, answer["LastModified"])
        return Stored(key, version, content, hashlib.sha256(content).hexdigest())

    def _body(self, body: Any, key: str) -> bytes:  # noqa: ANN401 - botocore's stream
        until, parts = self._uptime() + self._patience.deadline_s, list[bytes]()
        while part := body.read(_CHUNK):
            parts.append(part)
            # Its own limit is on silence alone, and a byte a second is none
            if self._uptime() > until:
                raise SourceUnavailable(
                    f"flat files: {key}: not whole in {self._patience.deadline_s:.0f} s. The next run asks again"
                )
        return b"".join(parts)


def version_of(etag: str, size: int, modified: datetime) -> str:
    """Tell one version of an object from the next; a listing and a download tell it alike."""
    # The header of a download knows no fractions of a second
    return f"{etag.strip(chr(34))} {size} {modified.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _refusal(subject: str, error: ClientError) -> OrionError:
    response = cast("Mapping[str, Mapping[str, Any]]", error.response)
    code = str(response.get("Error", {}).get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    told = f"flat files: {subject}: HTTP {status}, {code or 'no reason given'}"
    if code in _KEY_REFUSED or status == 401:
        return KeyRefused(f"{told}. Set valid POLYGON_S3_ACCESS_KEY and POLYGON_S3_SECRET_KEY, or neither")
    if status == 403:
        return NotEntitled(f"{told}. {_BY_CALLS}", is_by_date=True)
    if code == "NoSuchBucket":
        return SettingsError(f"{told}. There is no bucket {BUCKET}; check ORION_POLYGON_S3_ENDPOINT_URL")
    if status == 404:
        return NotFound(f"{told}. {_GONE}")
    if status >= 500 or status == 429 or code in {"SlowDown", "RequestTimeout"}:
        return SourceUnavailable(f"{told}. The next run asks again")
    return RequestRejected(f"{told}. {REJECTED}")


def _short(text: str) -> str:
    return " ".join(text.split())[:200]
