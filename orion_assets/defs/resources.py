"""What assets receive: lake, source, store, state database, clock; built from the settings once a run.

The parts close over the settings of their process. Dagster keeps and shows every value of a resource's configuration,
in the location's snapshot and in each run: nothing but what a run may override is one, never a key or a URL.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import dagster as dg
from dagster_aws.s3 import S3Resource
from pydantic import SecretStr

from orion_assets import calendars
from orion_assets.clock import SystemClock, uptime
from orion_assets.defs.io import LakeIOManager
from orion_assets.errors import SettingsError
from orion_assets.ingest.moment import Moment
from orion_assets.ingest.runner import Desk
from orion_assets.ingest.universe import Universe
from orion_assets.settings import Settings
from orion_assets.sources.protocols import Source
from orion_assets.sources.registry import open_source
from orion_assets.store.archive import Archive, FolderArchive, S3Archive
from orion_assets.store.call_log import SharedCallLog
from orion_assets.store.floors import StoredFloors
from orion_assets.store.history import HistoryFiles
from orion_assets.store.lake import Lake
from orion_assets.store.opening import open_writer
from orion_assets.store.protocols import FeatureWriter
from orion_assets.store.state import State

_NOTHING: Final[dict[str, Any]] = {}


def lake(settings: Settings) -> dg.ResourceDefinition:
    """Define the lake of Delta tables at a folder or `s3://` URL."""

    def opened(_: dg.InitResourceContext) -> Lake:
        return Lake(settings.lake_url, settings.storage_options(settings.lake_url))

    return dg.ResourceDefinition(opened, _NOTHING, "The lake of Delta tables: ORION_LAKE_URL.")


def lake_io(settings: Settings) -> dg.IOManagerDefinition:
    """Define the IO manager over the lake."""

    def opened(_: dg.InitResourceContext) -> LakeIOManager:
        return LakeIOManager(Lake(settings.lake_url, settings.storage_options(settings.lake_url)))

    return dg.IOManagerDefinition(opened, _NOTHING, "Tables of the lake in, tables of the lake out: ORION_LAKE_URL.")


def desk(settings: Settings) -> dg.ResourceDefinition:
    """Define where raw assets land what they are told: the lake, the archive of bytes, the state database."""

    def opened(_: dg.InitResourceContext) -> Desk:
        return Desk(
            Lake(settings.lake_url, settings.storage_options(settings.lake_url)),
            archive(settings),
            State(settings.state_url),
            settings.audit_sessions,
        )

    text = "Where answers are landed: ORION_LAKE_URL, ORION_ARCHIVE_URL, ORION_STATE_URL."
    return dg.ResourceDefinition(opened, _NOTHING, text)


def archive(settings: Settings) -> Archive:
    """Open the archive of bytes that the settings name."""
    if not settings.archive_url.startswith("s3://"):
        return FolderArchive(Path(settings.archive_url))
    bucket, _, prefix = settings.archive_url.removeprefix("s3://").partition("/")
    return S3Archive(s3_client(settings), bucket, prefix)


def s3_client(settings: Settings) -> Any:  # noqa: ANN401 - boto3 makes its clients' methods at run time
    """Give a client of the object store that the settings name."""
    # Built here and handed to nobody, so that its keys are no configuration; dg.EnvVar would not see an env file
    s3 = S3Resource(
        endpoint_url=settings.s3_endpoint_url or None,
        region_name=settings.aws_region,
        aws_access_key_id=_said(settings.aws_access_key_id),
        aws_secret_access_key=_said(settings.aws_secret_access_key),
    )
    return s3.get_client()


def _said(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def history(settings: Settings) -> dg.ResourceDefinition:
    """Define where the files of single tickers lie."""

    def opened(_: dg.InitResourceContext) -> HistoryFiles:
        return HistoryFiles(settings.features_url, settings.storage_options(settings.features_url))

    return dg.ResourceDefinition(opened, _NOTHING, "A file a ticker, for research: ORION_FEATURES_URL.")


def report_folder(settings: Settings) -> dg.ResourceDefinition:
    """Define where the pages on quality lie."""
    return dg.ResourceDefinition(lambda _: settings.report_folder, _NOTHING, "Pages on quality: ORION_REPORT_FOLDER.")


def state(settings: Settings) -> dg.ResourceDefinition:
    """Define the state database: ledger and universe."""

    def opened(_: dg.InitResourceContext) -> State:
        return State(settings.state_url)

    return dg.ResourceDefinition(opened, _NOTHING, "The state database, ledger and universe: ORION_STATE_URL.")


def store(settings: Settings) -> dg.ResourceDefinition:
    """Define the feature store that is published to; a run gives it back at its end."""

    @contextmanager
    def opened(_: dg.InitResourceContext) -> Generator[FeatureWriter]:
        writer = open_writer(settings.store_url)
        try:
            yield writer
        finally:
            writer.close()

    return dg.ResourceDefinition(opened, _NOTHING, "The feature store: ORION_STORE_URL.")


def source(settings: Settings) -> dg.ResourceDefinition:
    """Define whom raw assets ask; without a source they fail with what to set, and derived ones work."""

    def opened(_: dg.InitResourceContext) -> Source:
        calls, floors = SharedCallLog(settings.state_url, uptime), StoredFloors(settings.state_url)
        return open_source(settings, calls, floors)

    return dg.ResourceDefinition(opened, _NOTHING, "Whom raw assets ask: ORION_SOURCE.")


def supplied(settings: Settings) -> frozenset[str]:
    """Give the raw tables that the source of the settings is asked for; none where it cannot be opened."""
    calls, floors = SharedCallLog(settings.state_url, uptime), StoredFloors(settings.state_url)
    try:
        return open_source(settings, calls, floors).datasets
    except SettingsError:
        return frozenset()


def universe(settings: Settings) -> dg.ResourceDefinition:
    """Define who is followed: the state database, at first filled from the settings, else from the source."""

    def opened(context: dg.InitResourceContext) -> Universe:
        return Universe(State(settings.state_url), settings.tickers, tuple(context.resource_config["only"]))

    only = dg.Field([str], default_value=[], description="Followed tickers to ask for; empty asks for all followed.")
    return dg.ResourceDefinition(opened, {"only": only}, "The followed tickers: the state database, ORION_TICKERS.")


def allowance() -> dg.ResourceDefinition:
    """Define how many calls of its plan a raw asset may make in this run; without a number all of them."""

    def opened(context: dg.InitResourceContext) -> Mapping[str, int]:
        return dict(context.resource_config["calls"])

    calls = dg.Field(dg.Map(str, int), default_value={}, description="Calls by raw table; absent ones have no limit.")
    return dg.ResourceDefinition(opened, {"calls": calls}, "The calls that a run may make: orion backfill --max-calls.")


class MomentResource(dg.ConfigurableResource[Moment]):
    """The clock of a run: the machine's, or `until`, as if it were that instant."""

    until: str = ""
    takes_back: bool = False

    def create_resource(self, context: dg.InitResourceContext) -> Moment:
        """Take the instant at which a step begins to ask, and that at which its run began."""
        clock, run = SystemClock(), context.run
        record = context.instance.get_run_record_by_id(run.run_id) if context.instance and run else None
        return Moment(
            calendars.instant(self.until) if self.until else clock.now(),
            is_replay=bool(self.until),
            clock=clock,
            run=run.run_id if run else "",
            started=datetime.fromtimestamp(record.start_time, UTC) if record and record.start_time else clock.now(),
            takes_back=self.takes_back,
        )
