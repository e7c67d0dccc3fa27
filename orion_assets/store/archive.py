"""The bytes that a source sent, compressed, under the name of their SHA-256, in a folder or on S3.

Content in, name out: what the bytes mean, who sent them and when is written elsewhere.
"""

import gzip
import os
import re
import zlib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol, cast
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from orion_assets.errors import StoreUnavailable

_NAME: Final = re.compile(r"[0-9a-f]{64}")
_ALREADY_THERE: Final = frozenset({409, 412})


class Archive(Protocol):
    """Keeps bytes for good; the same bytes are kept once."""

    def put(self, content: bytes) -> str:
        """Keep the bytes and return their SHA-256; done only when they can be read again after a crash."""
        ...

    def get(self, name: str) -> bytes:
        """Return the bytes of that SHA-256.

        Raises:
            StoreUnavailable: They are not here, or what is here is not them.
            ValueError: The name is not a SHA-256 in lower-case hex.
        """
        ...

    def has(self, name: str) -> bool:
        """Say whether something is kept under that SHA-256, without reading it."""
        ...


class S3Client(Protocol):
    """The three calls of a boto3 S3 client that the archive makes."""

    def put_object(self, **arguments: object) -> Mapping[str, Any]: ...  # noqa: D102
    def get_object(self, **arguments: object) -> Mapping[str, Any]: ...  # noqa: D102
    def head_object(self, **arguments: object) -> Mapping[str, Any]: ...  # noqa: D102


class FolderArchive:
    """An archive below a folder, as `ab/cdef….gz`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> str:
        """See Archive; a damaged file of that name is replaced."""
        name = sha256(content).hexdigest()
        path = self._path(name)
        if path.exists() and _intact(path.read_bytes(), name) is not None:
            return name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{uuid4().hex}.part")
        with part.open("wb") as file:
            file.write(_packed(content))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        for folder in (path.parent, self._folder):
            _make_durable(folder)
        return name

    def get(self, name: str) -> bytes:
        """See Archive."""
        try:
            packed = self._path(name).read_bytes()
        except OSError as e:
            raise StoreUnavailable(f"archive: {name} cannot be read from {self._folder}: {e.strerror}") from e
        return _unpacked(packed, name, str(self._path(name)))

    def has(self, name: str) -> bool:
        """See Archive."""
        return self._path(name).exists()

    def _path(self, name: str) -> Path:
        return self._folder / _place(name)


class S3Archive:
    """An archive below a prefix of a bucket; the server refuses to write a name twice."""

    def __init__(self, client: S3Client, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix.strip("/")

    def put(self, content: bytes) -> str:
        """See Archive; a damaged object of that name is replaced."""
        name = sha256(content).hexdigest()
        target = {**self._target(name), "Body": _packed(content), "ContentType": "application/gzip"}
        try:
            try:
                self._client.put_object(**target, IfNoneMatch="*")
            except ClientError as e:
                if _status(e) not in _ALREADY_THERE:
                    raise
                # 409: another writer is at it right now; these bytes are as good as its own
                if not self.has(name) or _intact(self._read(name), name) is None:
                    self._client.put_object(**target)
        except (BotoCoreError, ClientError) as e:
            raise self._unavailable(name, e) from e
        return name

    def get(self, name: str) -> bytes:
        """See Archive."""
        try:
            packed = self._read(name)
        except (BotoCoreError, ClientError) as e:
            raise self._unavailable(name, e) from e
        return _unpacked(packed, name, f"s3://{self._bucket}/{self._target(name)['Key']}")

    def has(self, name: str) -> bool:
        """See Archive."""
        try:
            self._client.head_object(**self._target(name))
        except ClientError as e:
            if _status(e) == 404:
                return False
            raise self._unavailable(name, e) from e
        except BotoCoreError as e:
            raise self._unavailable(name, e) from e
        return True

    def _read(self, name: str) -> bytes:
        return self._client.get_object(**self._target(name))["Body"].read()

    def _target(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}/{_place(name)}".lstrip("/")}

    def _unavailable(self, name: str, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(f"archive: {name} in s3://{self._bucket}/{self._prefix}: {error}")


def _place(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"archive: {name!r} is not a SHA-256 in lower-case hex")
    return f"{name[:2]}/{name[2:]}.gz"


def _packed(content: bytes) -> bytes:
    return gzip.compress(content, 6, mtime=0)


def _intact(packed: bytes, name: str) -> bytes | None:
    try:
        content = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error):
        return None
    return content if sha256(content).hexdigest() == name else None


def _unpacked(packed: bytes, name: str, where: str) -> bytes:
    content = _intact(packed, name)
    if content is None:
        raise StoreUnavailable(f"archive: {where} is damaged; put the same bytes again, or restore it from a backup")
    return content


def _status(error: ClientError) -> int:
    response = cast("Mapping[str, Mapping[str, Any]]", error.response)
    return response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _make_durable(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
