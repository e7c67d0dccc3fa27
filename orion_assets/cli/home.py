"""The folder in which Dagster remembers runs on one machine, DAGSTER_HOME."""

from pathlib import Path
from typing import Final

import orion_assets

_TELEMETRY_OFF: Final = "telemetry:\n  enabled: false\n"


def make_home(folder: Path) -> Path:
    """Make DAGSTER_HOME where it is absent, configured as the project's own; what stands there stays as it is."""
    home = folder.resolve()
    home.mkdir(parents=True, exist_ok=True)
    if not (config := home / "dagster.yaml").exists():
        shared = Path(orion_assets.__file__).parents[1] / "dagster.yaml"
        config.write_text(shared.read_text() if shared.is_file() else _TELEMETRY_OFF)
    return home
