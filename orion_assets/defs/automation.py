"""Jobs: what runs together. Schedules and sensors follow with the step that brings the UI."""

from collections.abc import Sequence
from typing import Any

import dagster as dg


def jobs(
    daily: Sequence[dg.AssetsDefinition],
    reference: Sequence[dg.AssetsDefinition],
    history: Sequence[dg.AssetsDefinition],
) -> Sequence[Any]:
    """Give `daily`, everything by session, `reference`, who the tickers are, and `history`, everything by ticker."""
    return [
        dg.define_asset_job("daily", dg.AssetSelection.assets(*daily), description="Sessions: raw to feature store"),
        dg.define_asset_job("reference", dg.AssetSelection.assets(*reference), description="Tickers to securities"),
        dg.define_asset_job("history", dg.AssetSelection.assets(*history), description="Tickers: raw to files"),
    ]
