"""From a path pattern to frames of text: globs, packages, gzip, zip, CSV, Parquet, JSON lines.

Nothing here knows what a column means; no type is guessed, so the tickers NA and TRUE stay what they are.
"""

import csv
import gzip
import hashlib
import importlib.resources
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any, Final, NoReturn, cast, overload

import polars as pl

from orion_assets.errors import SettingsError, SourceRejected
from orion_assets.sources.protocols import Document

SUFFIXES: Final = (".csv", ".tsv", ".txt", ".parquet", ".jsonl", ".ndjson")
_READABLE: Final = (
    "CSV, TSV, Parquet or JSON lines (.csv .tsv .txt .parquet .jsonl .ndjson), each plain, .gz or in a .zip"
)
_PACKAGE: Final = "package:"
_EXTRAS: Final = {"bokeh_sampledata": "orion-assets[examples]"}
_AGAIN: Final = "fetch the file again"
# A file, unpacked, is held whole: a minute file of the whole market is a tenth of it
MOST_BYTES: Final = 2 * 1024**3


@dataclass(frozen=True)
class Found:
    """A file that a pattern names: as the user wrote it, where it is, and which members of a zip are meant."""

    name: str
    path: Path
    members: str = "*"


def find(patterns: tuple[str, ...], folder: Path, mapping: str) -> list[Found]:
    """List the files of the patterns, sorted within each pattern, each once.

    Raises:
        SettingsError: A pattern finds nothing, is absolute, or names a package that is not installed.
    """
    found: dict[tuple[Path, str], Found] = {}
    for pattern in patterns:
        for file in _matches(pattern, folder, mapping):
            found.setdefault((file.path, file.members), file)
    return list(found.values())


def _matches(pattern: str, folder: Path, mapping: str) -> list[Found]:
    base, relative, prefix = folder, pattern, ""
    if pattern.startswith(_PACKAGE):
        package, _, relative = pattern.removeprefix(_PACKAGE).partition("/")
        base, prefix = _package_folder(package, mapping), f"{_PACKAGE}{package}/"
    if Path(relative).is_absolute():
        raise SettingsError(
            f"mapping {mapping}: files {pattern!r} is an absolute path, which another machine would not have; write it"
            " relative to the mapping's folder, or set the root folder"
        )
    archive, dot_zip, members = relative.partition(".zip/")
    relative, members = (f"{archive}.zip", members) if dot_zip else (relative, "*")
    # A name with brackets is a file first and a pattern second
    is_plain = not relative or (base / relative).is_file()
    paths = [base / relative] if is_plain else sorted(base.glob(relative))
    files = [Found(prefix + path.relative_to(base).as_posix(), path, members) for path in paths if path.is_file()]
    if not files:
        raise SettingsError(
            f"mapping {mapping}: files {pattern!r} finds no file under {base}; correct the pattern or the root folder"
        )
    return files


def _package_folder(package: str, mapping: str) -> Path:
    try:
        folder = importlib.resources.files(package)
    except ModuleNotFoundError as e:
        extra = _EXTRAS.get(package, package)
        raise SettingsError(f"mapping {mapping}: package {package!r} is not installed; pip install '{extra}'") from e
    if not isinstance(folder, Path):
        raise SettingsError(f"mapping {mapping}: package {package!r} is not a folder on disk; install it unzipped")
    return folder


class Shelf:
    """Reads files, and remembers of each what its bytes hash to; the bytes themselves are kept by nobody."""

    def __init__(self) -> None:
        self._hashes: dict[tuple[str, str, int, int], str] = {}

    def mark(self, found: Found) -> tuple[str, str, int, int]:
        """Give what tells one state of the file from another without reading it."""
        stat = found.path.stat()
        return (found.name, found.members, stat.st_mtime_ns, stat.st_size)

    def take(self, found: Found) -> Document:
        """Give the file's bytes under the user's name for it.

        Raises:
            SourceRejected: The file cannot be read, is empty, or is larger than MOST_BYTES.
        """
        mark = self.mark(found)
        if mark[-1] > MOST_BYTES:
            _refuse_size(found.name, MOST_BYTES)
        try:
            content = found.path.read_bytes()
        except OSError as e:
            raise SourceRejected(f"{found.name}: cannot be read ({e.strerror}); check it", file=found.name) from e
        if not content.strip():
            _reject(found.name, "is empty", _AGAIN)
        document = Document(found.name, hashlib.sha256(content).hexdigest(), content)
        self._hashes[mark] = document.sha256
        return document

    def sha256(self, found: Found) -> str:
        """Give the hash of the bytes that were taken; of a file that is not as it was then, of those it has now."""
        return self._hashes.get(self.mark(found)) or self.take(found).sha256


# A file with the hash of its bytes, or bytes that are held: a mapping's
Kept = tuple[Found, str] | Document


class Documents(Sequence[Document]):
    """The files behind an answer, each once; each is read when it is asked for, and not kept."""

    def __init__(self, files: Iterable[Kept]) -> None:
        self.files = tuple({_named(each): each for each in files}.values())

    @property
    def hashes(self) -> list[str]:
        """Hashes of all files."""
        return [sha256 for _, sha256 in map(_named, self.files)]

    def __len__(self) -> int:
        """Count the files."""
        return len(self.files)

    @overload
    def __getitem__(self, at: int) -> Document: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Document]: ...
    def __getitem__(self, at: int | slice) -> Document | Sequence[Document]:
        """Read a file again.

        Raises:
            SourceRejected: It is no longer what the rows were read from.
        """
        if isinstance(at, slice):
            return Documents(self.files[at])
        kept = self.files[at]
        if isinstance(kept, Document):
            return kept
        found, sha256 = kept
        content = found.path.read_bytes() if found.path.exists() else b""
        if hashlib.sha256(content).hexdigest() != sha256:
            raise SourceRejected(f"{found.name}: changed while it was read; ask again", file=found.name)
        return Document(found.name, sha256, content)


def _named(kept: Kept) -> tuple[str, str]:
    return (kept.name, kept.sha256) if isinstance(kept, Document) else (kept[0].name, kept[1])


def frames(
    name: str, content: bytes, *, members: str = "*", separator: str | None = None, most_bytes: int = MOST_BYTES
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Give each table of a file with its name, all cells as text except Parquet's own types and lists.

    Raises:
        SourceRejected: The bytes are not what the name says, are cut short, are not UTF-8, or unpack to more than
            `most_bytes`.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".zip":
        for member, inner in _members(name, content, members, most_bytes):
            yield from frames(f"{name}/{member}", inner, separator=separator, most_bytes=most_bytes)
    elif suffix == ".gz":
        plain = name[: -len(suffix)]
        # The gzip's own name stays in messages and in provenance
        yield from ((name, frame) for _, frame in _table(name, plain, _unzipped(name, content, most_bytes), separator))
    else:
        yield from _table(name, name, content, separator)


def stem(name: str) -> str:
    """Give the file's name without folder and without the suffixes that are read: BRK.B.csv.gz is BRK.B."""
    last = PurePosixPath(name).name
    for suffix in (".gz", *SUFFIXES):
        if last.lower().endswith(suffix):
            last = last[: -len(suffix)]
    return last


def _reject(file: str, found: str, remedy: str, *, row: int | None = None) -> NoReturn:
    where = f"{file}: row {row}" if row is not None else file
    raise SourceRejected(f"{where}: {found}; {remedy}", file=file, row=row)


def _unzipped(name: str, content: bytes, most_bytes: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
            return _bounded(name, packed.read, most_bytes)
    except (EOFError, OSError, zlib.error) as e:
        _reject(name, f"is not a whole gzip file ({e})", _AGAIN)


def _bounded(name: str, read: Callable[[int], bytes], most_bytes: int) -> bytes:
    # A byte more than allowed is asked for, so what fits is read to its trailer: a wrong checksum cannot pass
    content = read(most_bytes + 1)
    if len(content) > most_bytes:
        _refuse_size(name, most_bytes)
    return content


def _refuse_size(name: str, most_bytes: int) -> NoReturn:
    _reject(name, f"is larger than {most_bytes / 1024**2:,.0f} MiB, unpacked", "part it into several files")


def _members(name: str, content: bytes, pattern: str, most_bytes: int) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            held = [i.filename for i in archive.infolist() if not i.is_dir() and not i.filename.startswith("__MACOSX/")]
            chosen = sorted(member for member in held if fnmatch(member, pattern))
            strange = [m for m in chosen if not m.lower().removesuffix(".gz").endswith(SUFFIXES)]
            if not chosen or strange:
                listed = ", ".join(strange or held) or "nothing"
                what = "holds" if strange else f"has no member {pattern!r}, it holds"
                _reject(
                    name, f"{what} {listed}", f'name the members to read, such as "{name}/*.csv"; read are {_READABLE}'
                )
            for member in chosen:
                with archive.open(member) as packed:
                    inner = _bounded(f"{name}/{member}", packed.read, most_bytes)
                yield member, inner
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError) as e:
        _reject(name, f"is not a whole, open zip file ({e})", _AGAIN)


def _table(name: str, plain: str, content: bytes, separator: str | None) -> Iterator[tuple[str, pl.DataFrame]]:
    suffix = PurePosixPath(plain).suffix.lower()
    if suffix not in SUFFIXES:
        _reject(name, f"has the unknown suffix {suffix!r}", f"give {_READABLE}")
    if suffix == ".parquet":
        yield name, _parquet(name, content)
        return
    text = _text(name, content)
    if suffix in (".jsonl", ".ndjson"):
        yield name, _json_lines(name, text)
    else:
        yield name, _csv(name, text, separator or ("\t" if suffix == ".tsv" else ","))


def _text(name: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = content.count(b"\n", 0, e.start) + 1
        _reject(name, f"is not UTF-8: byte 0x{content[e.start]:02x} in line {line}", "save it as UTF-8")
    if not text.strip():
        _reject(name, "is empty", _AGAIN)
    if "\0" in text:
        _reject(name, f"holds a zero byte in line {text.count(chr(10), 0, text.index(chr(0))) + 1}", _AGAIN)
    if text.lstrip()[:200].lower().startswith(("<!doctype", "<html", "<?xml", "<head", "<body")):
        _reject(name, "is an HTML page, not a table", f"{_AGAIN}; the page may say why it came instead")
    return text


def _csv(name: str, text: str, separator: str) -> pl.DataFrame:
    header = next(csv.reader(io.StringIO(text), delimiter=separator))
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        _reject(name, f"has the column {twice[0]!r} more than once", "rename one in the file's header")
    body = text.partition("\n")[2].replace("\r\n", "\n").removesuffix("\n")
    rows = body.count("\n") + 1 if body else 0
    # Polars pads a short row in silence: count the separators, and leave quotes and blank lines to the careful reader
    is_plain = '"' not in text and "\n\n" not in f"\n{body}\n" and body.count(separator) == rows * (len(header) - 1)
    if not is_plain or "\r" in body or not rows:
        return _careful_csv(name, text, separator, header)
    try:
        return pl.read_csv(
            f"{text.partition(chr(10))[0].rstrip(chr(13))}\n{body}\n".encode(),
            separator=separator,
            infer_schema=False,
            quote_char=None,
            empty_string_is_null=False,
        )
    except pl.exceptions.PolarsError:
        return _careful_csv(name, text, separator, header)


def _careful_csv(name: str, text: str, separator: str, header: list[str]) -> pl.DataFrame:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    next(reader)
    rows: list[list[str]] = []
    try:
        for cells in reader:
            if not cells:
                continue
            rows.append(cells)
            if len(cells) != len(header):
                _reject(
                    name,
                    f"has {len(cells)} cells where the header has {len(header)} (line {reader.line_num}): {cells[:3]}",
                    "mend that line: a quote, a raw line break or the file's end may be missing",
                    row=len(rows),
                )
    except csv.Error as e:
        _reject(name, f"is not CSV (line {reader.line_num}): {e}", "mend the quotes of that line", row=len(rows) + 1)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    return pl.DataFrame(dict(zip(header, columns, strict=True)), schema=dict.fromkeys(header, pl.String))


def _parquet(name: str, content: bytes) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, OSError) as e:
        _reject(name, f"is not a whole Parquet file ({str(e).splitlines()[0]})", _AGAIN)
    kept = (pl.String, pl.Date, pl.Datetime, pl.List, pl.Boolean)
    return frame.with_columns(pl.selectors.float().fill_nan(None)).with_columns(
        pl.col(column).cast(pl.String)
        for column, dtype in frame.schema.items()
        if not dtype.is_numeric() and dtype.base_type() not in kept
    )


def _json_lines(name: str, text: str) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            # Numbers stay the text that the file has
            row = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
        except json.JSONDecodeError as e:
            _reject(
                name, f"is not JSON (line {number}, {e})", "mend that line, or fetch the file again", row=len(rows) + 1
            )
        if not isinstance(row, dict):
            _reject(name, f"is not a JSON object (line {number})", "give one object a line", row=len(rows) + 1)
        rows.append(cast("dict[str, Any]", row))
    keys = dict.fromkeys(key for row in rows for key in row)
    return pl.DataFrame([_column(key, [_cell(row.get(key)) for row in rows]) for key in keys])


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return [None if item is None else str(item) for item in cast("list[object]", value)]
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _column(key: str, values: list[Any]) -> pl.Series:
    if not any(isinstance(value, list) for value in values):
        return pl.Series(key, values, dtype=pl.String)
    lists: list[Any] = [value if value is None or isinstance(value, list) else [value] for value in values]
    return pl.Series(key, lists, dtype=pl.List(pl.String))
