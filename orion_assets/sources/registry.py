"""Which sources there are, by the name that ORION_SOURCE gives them."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final, get_args

from orion_assets.errors import SettingsError
from orion_assets.settings import SourceName
from orion_assets.sources.files.source import FilesSource
from orion_assets.sources.none import NoSource
from orion_assets.sources.protocols import Source
from orion_assets.sources.synthetic.cast import END
from orion_assets.sources.synthetic.source import SyntheticSource

NAMES: Final = get_args(SourceName)
# First day of which a source will never speak; the others go on
ENDS: Final[Mapping[str, date]] = {SyntheticSource.name: END}


def open_source(name: str, mappings: Sequence[Path], root: Path | None) -> Source:
    """Open a source by name.

    Args:
        name: One of NAMES; `none` gives a source that tells whoever asks what to set.
        mappings: TOML files of the `files` source.
        root: Folder their globs are relative to; each mapping's own folder when None.

    Raises:
        SettingsError: The name is unknown, or a mapping is missing or wrong.
    """
    if name not in NAMES:
        raise SettingsError(f"source {name!r} is unknown; set ORION_SOURCE to one of {', '.join(NAMES)}")
    if name == NoSource.name:
        return NoSource()
    if name == SyntheticSource.name:
        return SyntheticSource()
    if not mappings:
        raise SettingsError("source files: no mapping is named; set ORION_FILES_MAPPING=path/to/mapping.toml")
    return FilesSource(mappings, root)
