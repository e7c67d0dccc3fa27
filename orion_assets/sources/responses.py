"""A whole answer of HTTP, and the error for what is none."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Self

# Bytes that take milliseconds to hash
_LONG: Final = 1 << 20
_AHEAD: Final = ThreadPoolExecutor(1, "hash")


@dataclass(frozen=True)
class Response:
    """A whole answer.

    Attributes:
        url: What was asked, without the key.
        status: HTTP status.
        headers: Those that are kept, in lower case.
        body: The bytes, unpacked.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    # Of this body: what is made of a response by `replace` has none
    _ahead: Future[str] | None = field(init=False, default=None, repr=False, compare=False)

    @property
    def sha256(self) -> str:
        """The hash of the body."""
        return _hash(self.body) if self._ahead is None else self._ahead.result()

    def hashed_ahead(self) -> Self:
        """Begin to hash a long body on another core, while it is read here."""
        if len(self.body) >= _LONG:
            # Where the interpreter is about to end nothing can be begun; it is hashed when it is asked for
            with suppress(RuntimeError):
                object.__setattr__(self, "_ahead", _AHEAD.submit(_hash, self.body))
        return self


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


class Passing(Exception):
    """The answer is no answer, and asking again may bring one: for a judge to raise.

    Attributes:
        after_s: Seconds before it is worth asking again, as the vendor says.
    """

    def __init__(self, message: str, *, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s
