"""Every request that reached the fake vendor, and what it was answered. The key never enters it, only its hash."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, Final

import polars as pl

_KEY_IN_URL: Final = re.compile(r"(?i)([?&]apikey=)[^&#]*")


@dataclass(frozen=True)
class Entry:
    """One request.

    Attributes:
        number: 1 for the first.
        ts_start: Server's clock when the request had been read, seconds since 1970.
        ts_end: When the answer had been sent or given up; None while it is under way.
        key: First 16 hex digits of the SHA-256 of the key; empty where none was sent.
        method: GET, ...
        path: Path and query, the key in it replaced.
        route: Name of the route; empty where there is none.
        status: Of the answer; 0 where none was sent.
        rows: In the answer.
        bytes: Of the body as sent, compressed where it was.
        sha256: Of the body before compression.
        faults: Names of the faults that were applied.
    """

    number: int
    ts_start: float
    key: str
    method: str
    path: str
    route: str = ""
    ts_end: float | None = None
    status: int = 0
    rows: int = 0
    bytes: int = 0
    sha256: str = ""
    faults: tuple[str, ...] = ()


class Journal:
    """The requests in the order of their arrival; a finished one is a JSON line in `file` as well."""

    def __init__(self, file: Path | None = None) -> None:
        self._file: Final = file
        self._entries: list[Entry] = []
        self._lock: Final = Lock()

    def begin(self, ts_start: float, key: str, method: str, target: str) -> int:
        """Write a request down; give its number."""
        with self._lock:
            number = len(self._entries) + 1
            self._entries.append(Entry(number, ts_start, key_hash(key), method, redacted(target)))
            return number

    def note(self, number: int, **facts: Any) -> None:  # noqa: ANN401 - fields of an entry
        """Add how a request is answered."""
        with self._lock:
            self._entries[number - 1] = replace(self._entries[number - 1], **facts)

    def finish(self, number: int, ts_end: float) -> None:
        """Write down that an answer was sent, or given up."""
        with self._lock:
            entry = self._entries[number - 1] = replace(self._entries[number - 1], ts_end=ts_end)
            if self._file is not None:
                with self._file.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(asdict(entry)) + "\n")

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All of them, those under way too."""
        with self._lock:
            return tuple(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def frame(self) -> pl.DataFrame:
        """Give them as a frame, a column for each field of `Entry`."""
        schema = {"ts_end": pl.Float64, "faults": pl.List(pl.String)}
        return pl.DataFrame([asdict(entry) for entry in self.entries], schema_overrides=schema)

    def most_in(self, window_s: float, *, key: str | None = None, status: int | None = None) -> int:
        """Give the largest number of requests in any window [t, t + window_s) of the server's clock.

        Args:
            window_s: Length of the window, seconds.
            key: Count those of one key alone (the key itself, not its hash).
            status: Count those answered with it alone.
        """
        starts = sorted(
            entry.ts_start
            for entry in self.entries
            if (key is None or entry.key == key_hash(key)) and (status is None or entry.status == status)
        )
        most = first = 0
        for last, start in enumerate(starts):
            while start >= starts[first] + window_s:
                first += 1
            most = max(most, last - first + 1)
        return most


def key_hash(key: str) -> str:
    """Give what stands for a key in the journal."""
    return hashlib.sha256(key.encode()).hexdigest()[:16] if key else ""


def redacted(target: str) -> str:
    """Give a path and query without the key."""
    return _KEY_IN_URL.sub(r"\1REDACTED", target)
