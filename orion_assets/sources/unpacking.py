"""Bytes of an answer as they come in: unpacked, counted, and known to be whole only after the trailer was read."""

import zlib
from typing import Final

from orion_assets.errors import AnswerDistrusted

_GZIP: Final = 16 + zlib.MAX_WBITS
_STEP: Final = 1 << 20


class Torn(Exception):
    """A body ended before its end, or does not unpack; asking again may bring the whole."""


class Unpacker:
    """Takes chunks of a body and gives the whole."""

    def __init__(self, encoding: str, most_bytes: int) -> None:
        """Begin a body.

        Args:
            encoding: What Content-Encoding says; empty, identity or gzip.
            most_bytes: More than this, unpacked, is refused before it is held.

        Raises:
            AnswerDistrusted: The encoding was not asked for.
        """
        name = encoding.strip().lower()
        if name not in {"", "identity", "gzip", "x-gzip"}:
            raise AnswerDistrusted(f"the body is packed as {encoding!r}, which was not asked for")
        self._inflate = zlib.decompressobj(_GZIP) if name.endswith("gzip") else None
        self._most_bytes = most_bytes
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            AnswerDistrusted: The body is larger than allowed.
            Torn: The bytes are not gzip.
        """
        if self._inflate is None:
            self._keep(chunk)
            return
        try:
            while chunk:
                self._keep(self._inflate.decompress(chunk, _STEP))
                chunk = self._inflate.unconsumed_tail
        except zlib.error as e:
            raise Torn(f"the body is not gzip: {e}") from e
        if self._inflate.unused_data:
            raise Torn("bytes follow the end of the gzip body")

    def whole(self) -> bytes:
        """Give the body.

        Raises:
            Torn: It ended before the trailer of its gzip stream.
        """
        if self._inflate is not None:
            # What the last step left inside
            self._keep(self._inflate.flush())
            if not self._inflate.eof:
                raise Torn("the gzip body ends before its trailer")
        return b"".join(self._parts)

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._most_bytes:
            raise AnswerDistrusted(f"the body is larger than {self._most_bytes / 1024**2:,.0f} MiB")
        self._parts.append(part)
