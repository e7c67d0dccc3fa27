"""The Dagster location: settings in, `Definitions` out. Assembly only."""

import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import dagster as dg

from orion_assets import settings as environment
from orion_assets.defs import resources as res
from orion_assets.defs.assets.clean import clean_assets
from orion_assets.defs.assets.features import feature_assets
from orion_assets.defs.assets.history import history_assets
from orion_assets.defs.assets.markets import market_assets
from orion_assets.defs.assets.raw import raw_assets
from orion_assets.defs.assets.reference import reference_assets
from orion_assets.defs.assets.store import store_assets
from orion_assets.defs.automation import end_of_day_on, jobs, universe_sensor, weekly_history, weekly_reference
from orion_assets.defs.keeping import Supply
from orion_assets.defs.market_jobs import end_of_day_of, job_of
from orion_assets.defs.partitions import sessions, sessions_axis
from orion_assets.markets import MARKETS
from orion_assets.settings import NO_SOURCE, SAY_ALL, Settings
from orion_assets.sources.registry import ENDS
from orion_assets.store.state import State


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
    wanted = settings.loaded_markets
    with warnings.catch_warnings():
        # Backfill policies and look-backs are beta in Dagster 1.13; ADR 1 says why they are taken
        warnings.simplefilter("ignore", dg.BetaWarning)
        axis = sessions(settings.start, ENDS.get(settings.source))
        daily = [made for make in (raw_assets, clean_assets, feature_assets, store_assets) for made in make(axis)]
        reference, history = reference_assets(), history_assets()
        # Nobody who follows equities alone has to see the assets of markets that he does not
        axes = {MARKETS[name]: sessions_axis(MARKETS[name], settings.start) for name in MARKETS if name in wanted}
        others = {market: market_assets(market, its) for market, its in axes.items()}
    # Files are read anew as a whole, and the synthetic market corrects nothing behind anybody's back
    is_vendor = settings.source not in {NO_SOURCE, *SAY_ALL}
    audits = settings.audit_sessions if is_vendor else 0
    state = State(settings.state_url)
    made = jobs(daily, reference, history)
    supply = Supply(partial(res.supplied, settings), is_vendor=is_vendor)
    return dg.Definitions(
        assets=[*reference, *daily, *history, *(asset for assets in others.values() for asset in assets)],
        jobs=[*made, *(job_of(market, assets) for market, assets in others.items())],
        schedules=[
            *(end_of_day_on(axis, state, audits), weekly_reference, weekly_history),
            *(end_of_day_of(market, its, state) for market, its in axes.items()),
        ],
        sensors=[universe_sensor(made, settings.start, supply)],
        resources={**resources(settings), **(overrides or {})},
        loggers=loggers,
        executor=dg.in_process_executor,
    )


def resources(settings: Settings) -> dict[str, Any]:
    """Give the resources that the settings name."""
    return {
        "lake": res.lake(settings),
        "lake_io": res.lake_io(settings),
        "desk": res.desk(settings),
        "state": res.state(settings),
        "history": res.history(settings),
        "report_folder": res.report_folder(settings),
        "universe": res.universe(settings),
        "allowance": res.allowance(),
        "store": res.store(settings),
        "source": res.source(settings),
        "moment": res.MomentResource(),
    }


@dg.definitions
def defs() -> dg.Definitions:
    """Load the location from the environment."""
    return build_definitions(environment.load())
