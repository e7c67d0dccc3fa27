"""Tables of the markets other than equities: the very same columns, in the market's own units."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from orion_assets.markets import MARKETS, Market
from orion_assets.tables import Column, Table

_OF_TRADES: Final = ("volume", "vwap", "trade_count")
_NOTHING_TRADED: Final = "Always null: a value is computed, and nothing is traded"


def tables_of_markets(tables: Sequence[Table]) -> Mapping[str, Table]:
    """Make each table anew for every market of MARKETS, by name: `raw_daily_bars_crypto`."""
    made = (_made_for(market, table) for market in MARKETS.values() for table in tables)
    return {table.name: table for table in made}


def _made_for(market: Market, table: Table) -> Table:
    told = table.description.replace("on the exchange calendar", f"on the calendar of {market.name}")
    columns = tuple(_in_units_of(market, column) for column in table.columns)
    return Table(f"{table.name}_{market.name}", told, table.key, columns)


def _in_units_of(market: Market, column: Column) -> Column:
    if column.name in _OF_TRADES and not market.has_volume:
        return replace(column, unit="", description=_NOTHING_TRADED)
    if column.name == "volume":
        return replace(column, unit=market.volume_unit, description="Volume as the source states it")
    if column.unit == "USD":
        told = column.description if market.has_volume else column.description.replace(", as traded", "")
        return replace(column, unit=market.price_unit, description=told)
    return column
