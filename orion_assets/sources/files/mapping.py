"""The mapping file of the files source: TOML in, checked options out; a wrong option is a `SettingsError`.

Nothing here opens a data file.
"""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orion_assets.errors import SettingsError
from orion_assets.sources.files.options import (
    BLOCKS,
    ActionColumn,
    DividendRow,
    SplitRow,
    Tables,
    TickerRow,
    nearest,
)


@dataclass(frozen=True)
class Mapping:
    """One mapping file with what names it in messages and in provenance."""

    name: str
    folder: Path
    content: bytes
    tables: Tables

    @property
    def sha256(self) -> str:
        """The hash of the file's own bytes."""
        return hashlib.sha256(self.content).hexdigest()


def load(path: Path, root: Path | None = None) -> Mapping:
    """Read one mapping file.

    Args:
        path: The TOML file.
        root: Folder that its files are relative to; the mapping's own folder when None.

    Returns:
        Its options, checked; no data file has been opened.

    Raises:
        SettingsError: The file is absent, is not TOML, or an option is unknown, missing or refused.
    """
    try:
        content = path.read_bytes()
        tables = tomllib.loads(content.decode("utf-8"))
    except OSError as e:
        raise SettingsError(f"mapping {path}: cannot be read ({e.strerror}); check ORION_FILES_MAPPING") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise SettingsError(f"mapping {path.name}: is not TOML: {e}; mend that line") from e
    try:
        options = Tables.model_validate(tables)
    except ValidationError as e:
        problems = "; ".join(_problem(dict(error), tables) for error in e.errors())
        raise SettingsError(f"mapping {path.name}: {problems} (see docs/reference/files-mapping.md)") from e
    if not any(options.model_dump(exclude_defaults=True).values()):
        raise SettingsError(f"mapping {path.name}: maps nothing; add a table such as [[daily_bars]]")
    return Mapping(path.name, root or path.parent, content, options)


def _problem(error: dict[str, Any], tables: dict[str, Any]) -> str:
    place = [part for part in error["loc"] if not isinstance(part, int)]
    count = next((part + 1 for part in error["loc"] if isinstance(part, int)), None)
    where = f"[[{place[0]}]]" + (f" number {count}" if count else "")
    option = ".".join(str(part) for part in place[1:])
    subject = f"{where}: {option}" if option else where
    if error["type"] == "extra_forbidden":
        return f"{subject} is no option{nearest(str(place[-1]), _known(place[:-1]))}"
    text = str(error["msg"]).removeprefix("Value error, ")
    found = _found(error["loc"], tables)
    return f"{subject} {found!r} {_lower(text)}" if option and found is not None else f"{subject}: {_lower(text)}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _known(place: list[Any]) -> tuple[str, ...]:
    inner = {"rows": {"splits": SplitRow, "dividends": DividendRow, "tickers": TickerRow}}
    if not place:
        return tuple(Tables.model_fields)
    if len(place) > 1:
        return tuple(inner.get(place[1], {}).get(place[0], ActionColumn).model_fields)
    return tuple(BLOCKS[place[0]].model_fields)


def _found(place: tuple[Any, ...], tables: dict[str, Any]) -> object:
    value: Any = tables
    for part in place:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value
