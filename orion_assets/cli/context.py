"""What commands share: the settings of the call, and the parts they name."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from orion_assets import calendars, settings
from orion_assets.cli.output import ERR, called, refuse
from orion_assets.clock import SystemClock, uptime
from orion_assets.errors import StoreUnavailable
from orion_assets.settings import NO_SOURCE, SYNTHETIC, Settings
from orion_assets.sources.choosing import DATASETS
from orion_assets.sources.none import ADVICE
from orion_assets.sources.protocols import Source
from orion_assets.sources.registry import open_source
from orion_assets.store.call_log import SharedCallLog
from orion_assets.store.floors import StoredFloors
from orion_assets.store.lake import Lake
from orion_assets.store.opening import is_there, open_store
from orion_assets.store.protocols import FeatureReader
from orion_assets.store.state import State

DEMO_SETTINGS: Final = Path("data/demo/orion.env")


@dataclass
class Call:
    """One call of the command line."""

    env_file: Path | None = None
    fixed: Settings | None = None

    @property
    def settings(self) -> Settings:
        """The settings, read now; those of a call that follows nobody's are fixed."""
        return self.fixed or settings.load(self.env_file)

    def changed(self, **values: object) -> "Call":
        """The call with some settings set otherwise; those that are None are left as they are."""
        said = {name: value for name, value in values.items() if value is not None}
        return replace(self, fixed=self.settings.model_copy(update=said)) if said else self

    def asking(self, source: str | None) -> "Call":
        """The call with another source; ORION_CALLS_PER_MINUTE speaks of that of the settings, and of no other."""
        found = self.settings
        if source is None or source == found.source:
            return self
        return replace(self, fixed=found.model_copy(update={"source": source, "calls_per_minute": None}))

    def with_source(self) -> Settings:
        """The settings, or a refusal that names what to set."""
        found = self.settings
        if found.source == NO_SOURCE:
            refuse(ADVICE)
        return found

    def source(self) -> Source:
        """The source that the settings name."""
        found = self.with_source()
        if found.source == SYNTHETIC:
            ERR.print("source: the synthetic market, nothing of it is real; ORION_SOURCE=files reads your own files")
        return open_source(found, SharedCallLog(found.state_url, uptime), self.floors())

    def floors(self) -> StoredFloors:
        """How far back keys were found to reach."""
        return StoredFloors(self.settings.state_url)

    def lake(self) -> Lake:
        """The lake."""
        found = self.settings
        return Lake(found.lake_url, found.storage_options(found.lake_url))

    def state(self) -> State:
        """The state database."""
        return State(self.settings.state_url)

    def held_state(self) -> State | None:
        """The state database, None where there is none yet: looking at an answer makes none."""
        found = self.state()
        return found if found.is_there else None

    def store(self) -> FeatureReader:
        """The feature store; where it is absent and a demo is here, a refusal that names the settings of that."""
        found = self.settings.store_url
        try:
            return open_store(found, self.lake)
        except StoreUnavailable as e:
            raise StoreUnavailable(f"{e}{'' if is_there(found) else self.of_demo()}") from e

    def of_demo(self) -> str:
        """Say how to ask the demo of this folder, where settings of one's own are asked and it is there."""
        if self.env_file is not None or not DEMO_SETTINGS.is_file():
            return ""
        return f". What `orion demo` built here has settings of its own: {called()} --env-file {DEMO_SETTINGS} ..."


def choosing(call: Call, datasets: str | None) -> Call:
    """Give a call that asks for these datasets, whatever ORION_DATASETS says; the same one where none is named."""
    if datasets is None:
        return call
    words = names(datasets)
    unknown = sorted(set(words) - set(DATASETS))
    if unknown or not words:
        refuse(f"--datasets {', '.join(unknown) or 'nothing'}: unknown; there are {', '.join(DATASETS)}")
    return replace(call, fixed=call.settings.model_copy(update={"datasets": tuple(words)}))


def now() -> datetime:
    """The machine's time."""
    return SystemClock().now()


def day(name: str, text: str | None) -> date | None:
    """Parse a date of the command line."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        refuse(f"{name} {text!r} is not a date; write it like 2014-06-09")


def moment(text: str | None, name: str = "--until") -> datetime:
    """Parse an instant of the command line; the machine's time when it is not given."""
    found, present = instant(name, text), now()
    if name == "--until" and found is not None and found > present:
        refuse(f"--until {text} has not come yet, it is {present:%Y-%m-%dT%H:%MZ}; leave it out to build for now")
    return found or present


def instant(name: str, text: str | None) -> datetime | None:
    """Parse an instant of the command line, within what the calendar knows."""
    if text is None:
        return None
    first, last = calendars.instant(calendars.FIRST_DATE - timedelta(days=1)), calendars.instant(calendars.LAST_DATE)
    try:
        found = calendars.instant(text)
    except ValueError as e:
        # The last day there is has no end that could be told in UTC
        if not isinstance(e.__cause__, OverflowError):
            refuse(f"{name}: {str(e).removeprefix('as_of: ')}")
        found = None
    if found is None or not first < found <= last:
        within = f"{calendars.FIRST_DATE} to {calendars.LAST_DATE}"
        refuse(f"{name} {text} is outside the calendar, {within}; name an instant within it")
    return found


def names(text: str | None) -> list[str]:
    """Split a comma-separated option."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]
