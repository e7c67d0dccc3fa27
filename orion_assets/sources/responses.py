"""A whole answer of HTTP, and the error for what is none."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
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

    @cached_property
    def sha256(self) -> str:
        """The hash of the body."""
        return hashlib.sha256(self.body).hexdigest()

    def hashed_ahead(self) -> Self:
        """Begin to hash a long body on another core, while it is read here."""
        if len(self.body) >= _LONG:
            _AHEAD.submit(getattr, self, "sha256")
        return self


class Passing(Exception):
    """The answer is no answer, and asking again may bring one: for a judge to raise.

    Attributes:
        after_s: Seconds before it is worth asking again, as the vendor says.
    """

    def __init__(self, message: str, *, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s
