"""Faults of the network and of compression: what happens to connections and to the bytes of an answer."""

import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.utils import parsedate_to_datetime
from random import Random
from typing import Final

from orion_assets.sources.synthetic.vendor.hit import Fault, fault_of
from orion_assets.sources.synthetic.vendor.transmission import Transmission, http_date

_MIB: Final = 1024 * 1024
_GZIP: Final = 31
_RAW: Final = -15
_HEADER: Final = bytes.fromhex("1f8b08000000000000ff")


def closed_on_accept() -> None:
    """The connection is closed as soon as it is made."""


def hang_up(sent: Transmission, _: Random) -> Transmission:
    """The request is read and the connection closed without an answer."""
    return replace(sent, status=0, body=b"", ending="close")


def silence(sent: Transmission, _: Random, *, seconds: float = 0.0) -> Transmission:
    """The request is read and nothing is answered, until the client leaves or for so long."""
    return replace(sent, status=0, body=b"", ending="hold", hold_s=seconds)


def late(sent: Transmission, _: Random, *, seconds: float = 1.0) -> Transmission:
    """The answer is whole, and comes so much later."""
    return replace(sent, wait_s=seconds)


def drip(sent: Transmission, _: Random, *, bytes_at_once: int = 1, every_s: float = 1.0) -> Transmission:
    """The body comes drop by drop."""
    return replace(sent, drop=bytes_at_once, pause_s=every_s)


def reset(sent: Transmission, _: Random, *, share: float = 0.5) -> Transmission:
    """The connection is reset after a share of the body."""
    return replace(sent, body=sent.body[: int(len(sent.body) * share)], ending="reset")


def content_length(sent: Transmission, _: Random, *, by: int = 10) -> Transmission:
    """Content-Length is so many bytes too large, or too small when negative, and the connection closes."""
    return replace(sent, headers=sent.with_header("Content-Length", str(len(sent.body) + by)), ending="close")


def truncated_gzip(sent: Transmission, _: Random, *, at: str = "half") -> Transmission:
    """The compressed stream ends too early: at `half`, after a `row` of the JSON, or before its `trailer`."""
    packer = zlib.compressobj(1, wbits=_GZIP)
    if at == "row":
        middle = sent.plain.rfind(b"},{", 0, len(sent.plain) // 2) + 1 or len(sent.plain) // 2
        body = packer.compress(sent.plain[:middle]) + packer.flush(zlib.Z_FULL_FLUSH)
    else:
        whole = packer.compress(sent.plain) + packer.flush()
        body = whole[:-8] if at == "trailer" else whole[: len(whole) // 2]
    return _compressed(sent, body)


def gzip_bomb(sent: Transmission, _: Random, *, mib: int = 256) -> Transmission:
    """A small body that unpacks to so many MiB of spaces before its JSON."""
    block = b" " * _MIB
    packer = zlib.compressobj(9, wbits=_RAW)
    # After a full flush nothing refers back, so that one packed block may be repeated
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    tail = zlib.compressobj(9, wbits=_RAW)
    rest = tail.compress(sent.plain) + tail.flush()
    checksum = 0
    for _i in range(mib):
        checksum = zlib.crc32(block, checksum)
    checksum = zlib.crc32(sent.plain, checksum)
    size = (mib * _MIB + len(sent.plain)) % 2**32
    trailer = checksum.to_bytes(4, "little") + size.to_bytes(4, "little")
    return _compressed(sent, _HEADER + packed * mib + rest + trailer)


def large_body(sent: Transmission, _: Random, *, mib: int = 2048) -> Transmission:
    """So many MiB of spaces after the JSON, uncompressed."""

    def spaces() -> Iterator[bytes]:
        for _i in range(mib):
            yield b" " * _MIB

    headers = sent.with_header("Content-Length", str(len(sent.plain) + mib * _MIB))
    kept = tuple(each for each in headers if each[0] != "Content-Encoding")
    return replace(sent, headers=kept, body=sent.plain, more=spaces(), ending="close")


def skewed_date(sent: Transmission, _: Random, *, seconds: float = 600.0) -> Transmission:
    """The Date header is so many seconds ahead, or behind when negative."""
    told = parsedate_to_datetime(dict(sent.headers)["Date"])
    return replace(sent, headers=sent.with_header("Date", http_date(told + timedelta(seconds=seconds))))


def _compressed(sent: Transmission, body: bytes) -> Transmission:
    headers = replace(sent, headers=sent.with_header("Content-Encoding", "gzip"))
    return replace(headers, headers=headers.with_header("Content-Length", str(len(body))), body=body)


FAULTS: Final[tuple[Fault, ...]] = (
    fault_of("accept", closed_on_accept),
    *(
        fault_of("sent", each)
        for each in (
            *(hang_up, silence, late, drip, reset, content_length),
            *(truncated_gzip, gzip_bomb, large_body, skewed_date),
        )
    ),
)
