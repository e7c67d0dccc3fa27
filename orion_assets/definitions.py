"""The Dagster location: settings in, `Definitions` out. Assembly only."""

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_aws.s3 import S3Resource

from orion_assets import settings as environment
from orion_assets.defs import resources as res
from orion_assets.defs.assets.clean import clean_assets
from orion_assets.defs.assets.features import feature_assets
from orion_assets.defs.assets.raw import raw_assets
from orion_assets.defs.assets.reference import reference_assets
from orion_assets.defs.assets.store import store_assets
from orion_assets.defs.automation import jobs
from orion_assets.defs.partitions import sessions
from orion_assets.settings import Settings


def build_definitions(
    settings: Settings,
    *,
    overrides: Mapping[str, Any] | None = None,
    loggers: Mapping[str, dg.LoggerDefinition] | None = None,
) -> dg.Definitions:
    """Assemble assets, jobs and resources.

    Args:
        settings: What the deployment decides; no source is needed to load.
        overrides: Resources to take instead of those the settings name.
        loggers: Loggers to take instead of Dagster's.
    """
    with warnings.catch_warnings():
        # Backfill policies and look-backs are beta in Dagster 1.13; ADR 1 says why they are taken
        warnings.simplefilter("ignore", dg.BetaWarning)
        axis = sessions(settings.start)
        daily = [made for make in (raw_assets, clean_assets, feature_assets, store_assets) for made in make(axis)]
        reference = reference_assets()
    return dg.Definitions(
        assets=[*reference, *daily],
        jobs=jobs(daily, reference),
        resources={**resources(settings), **(overrides or {})},
        loggers=loggers,
        executor=dg.in_process_executor,
    )


def resources(settings: Settings) -> dict[str, Any]:
    """Give the resources that the settings name."""
    options = settings.storage_options()
    secret = settings.aws_secret_access_key.get_secret_value() if settings.aws_secret_access_key else None
    key = settings.aws_access_key_id.get_secret_value() if settings.aws_access_key_id else None
    return {
        "lake": res.LakeResource(url=settings.lake_url, storage_options=options),
        "lake_io": res.LakeIO(url=settings.lake_url, storage_options=options),
        "desk": res.DeskResource(
            lake_url=settings.lake_url,
            archive_url=settings.archive_url,
            state_url=settings.state_url,
            storage_options=options,
            s3=S3Resource(
                endpoint_url=settings.s3_endpoint_url or None,
                region_name=settings.aws_region,
                aws_access_key_id=key,
                aws_secret_access_key=secret,
            ),
        ),
        "state": res.StateResource(url=settings.state_url),
        "universe": res.UniverseResource(state_url=settings.state_url, tickers=list(settings.tickers)),
        "store": res.StoreResource(url=settings.store_url),
        "source": res.SourceResource(
            source=settings.source,
            mappings=[str(path) for path in settings.files_mapping],
            root=str(settings.files_root or ""),
        ),
        "moment": res.MomentResource(),
    }


@dg.definitions
def defs() -> dg.Definitions:
    """Load the location from the environment."""
    return build_definitions(environment.load())
