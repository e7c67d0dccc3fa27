"""What assets receive: lake, source, store, state database, clock; built from the settings once a run."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_aws.s3 import S3Resource

from orion_assets import calendars
from orion_assets.clock import SystemClock
from orion_assets.defs.io import LakeIOManager
from orion_assets.ingest.landing import Moment
from orion_assets.ingest.runner import Desk
from orion_assets.ingest.universe import Universe
from orion_assets.settings import NO_SOURCE
from orion_assets.sources.protocols import Source
from orion_assets.sources.registry import open_source
from orion_assets.store.archive import Archive, FolderArchive, S3Archive
from orion_assets.store.lake import Lake
from orion_assets.store.opening import open_writer
from orion_assets.store.protocols import FeatureWriter
from orion_assets.store.state import State


class LakeResource(dg.ConfigurableResource[Lake]):
    """The lake of Delta tables at a folder or `s3://` URL."""

    url: str
    storage_options: dict[str, str] = {}

    def create_resource(self, context: dg.InitResourceContext) -> Lake:
        """Open the lake."""
        return Lake(self.url, self.storage_options)


class LakeIO(dg.ConfigurableIOManagerFactory[LakeIOManager]):
    """The IO manager over the lake."""

    url: str
    storage_options: dict[str, str] = {}

    def create_io_manager(self, context: dg.InitResourceContext) -> LakeIOManager:
        """Open the lake and hand it to the IO manager."""
        return LakeIOManager(Lake(self.url, self.storage_options))


class DeskResource(dg.ConfigurableResource[Desk]):
    """Where raw assets land what they are told: the lake, the archive of bytes, the state database."""

    lake_url: str
    archive_url: str
    state_url: str
    storage_options: dict[str, str] = {}
    s3: S3Resource

    def create_resource(self, context: dg.InitResourceContext) -> Desk:
        """Open the three."""
        return Desk(Lake(self.lake_url, self.storage_options), self._archive(), State(self.state_url))

    def _archive(self) -> Archive:
        if not self.archive_url.startswith("s3://"):
            return FolderArchive(Path(self.archive_url))
        bucket, _, prefix = self.archive_url.removeprefix("s3://").partition("/")
        client: Any = self.s3.get_client()
        return S3Archive(client, bucket, prefix)


class StateResource(dg.ConfigurableResource[State]):
    """The state database: ledger and universe."""

    url: str

    def create_resource(self, context: dg.InitResourceContext) -> State:
        """Open the database."""
        return State(self.url)


class StoreResource(dg.ConfigurableResource[FeatureWriter]):
    """The feature store that is published to."""

    url: str

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[FeatureWriter]:
        """Open the store for writing and give it back at the end of the run."""
        store = open_writer(self.url)
        try:
            yield store
        finally:
            store.close()


class SourceResource(dg.ConfigurableResource[Source]):
    """Whom raw assets ask."""

    source: str = NO_SOURCE
    mappings: list[str] = []
    root: str = ""

    def create_resource(self, context: dg.InitResourceContext) -> Source:
        """Open the source; without one, raw assets fail with what to set and derived ones work."""
        return open_source(self.source, [Path(name) for name in self.mappings], Path(self.root) if self.root else None)


class MomentResource(dg.ConfigurableResource[Moment]):
    """The clock of a run: the machine's, or `until`, as if it were that instant."""

    until: str = ""

    def create_resource(self, context: dg.InitResourceContext) -> Moment:
        """Take the instant once, so that all of a run shares it."""
        if self.until:
            return Moment(calendars.instant(self.until), is_replay=True)
        return Moment(SystemClock().now())


class UniverseResource(dg.ConfigurableResource[Universe]):
    """Who is followed: the state database, at first filled from the settings, else from the source."""

    state_url: str
    tickers: list[str] = []
    only: list[str] = []

    def create_resource(self, context: dg.InitResourceContext) -> Universe:
        """Open the universe."""
        return Universe(State(self.state_url), tuple(self.tickers), tuple(self.only))
