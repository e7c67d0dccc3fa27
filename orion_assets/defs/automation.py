"""Jobs: what runs together. Schedules and sensors follow with the step that brings the UI."""

from collections.abc import Sequence
from typing import Any

import dagster as dg


def jobs(daily: Sequence[dg.AssetsDefinition], reference: Sequence[dg.AssetsDefinition]) -> Sequence[Any]:
    """Give `daily`, everything on the axis of sessions, and `reference`, who the tickers are."""
    return [
        dg.define_asset_job("daily", dg.AssetSelection.assets(*daily), description="Sessions: raw to feature store"),
        dg.define_asset_job("reference", dg.AssetSelection.assets(*reference), description="Tickers to securities"),
    ]
