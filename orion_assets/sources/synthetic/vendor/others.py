"""A few securities of other markets: indices, crypto, a currency, an option, a share over the counter.

They have days of their own: crypto every day of UTC, currencies every weekday from 17:00 New York to 17:00, the others
the exchange's sessions; one of the options expires within them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

import polars as pl

from orion_assets.sources.synthetic import paths
from orion_assets.sources.synthetic.market import Market
from orion_assets.sources.synthetic.paths import Traits

Kind = Literal["indices", "crypto", "fx", "options", "otc"]
VIX: Final = "I:VIX"
_NEW_YORK: Final = "America/New_York"
_ZONES: Final[Mapping[Kind, str]] = {
    "indices": "America/Chicago",
    "crypto": "UTC",
    "fx": "UTC",
    "options": _NEW_YORK,
    "otc": _NEW_YORK,
}


@dataclass(frozen=True)
class Other:
    """One security of another market."""

    ticker: str
    name: str
    kind: Kind
    traits: Traits

    @property
    def zone(self) -> str:
        """Where its days begin at midnight."""
        return _ZONES[self.kind]

    @property
    def has_own_days(self) -> bool:
        """Whether its days are those of UTC, not the exchange's sessions."""
        return self.zone == "UTC"

    @property
    def expiry(self) -> date:
        """Last date on which it trades, which an option's name tells."""
        return date.fromisoformat(f"20{self.ticker[-15:-9]}") if self.kind == "options" else date.max


OTHERS: Final[Mapping[str, Other]] = {
    other.ticker: other
    for other in (
        Other(VIX, "Synthetic Volatility Index", "indices", Traits(15.0)),
        Other("I:SYN", "Synthetic Index", "indices", Traits(4000.0, 1.0, 0.002)),
        Other("X:SYNUSD", "Syncoin - United States dollar", "crypto", Traits(31_000.0, 0.5, 0.03, 9e3)),
        Other("X:FAKUSD", "Fakecoin - United States dollar", "crypto", Traits(2.4, 0.6, 0.045, 4e6)),
        Other("C:SYNUSD", "Synland crown - United States dollar", "fx", Traits(131.0, 0.05, 0.004, 2e5)),
        Other("O:SAAA270115C00050000", "SAAA 15 January 2027, call at 50", "options", Traits(6.1, 2.0, 0.08, 600.0)),
        Other("O:SAAA240315P00040000", "SAAA 15 March 2024, put at 40", "options", Traits(3.3, -2.0, 0.07, 800.0)),
        Other("SOTCF", "Synthetic Over The Counter", "otc", Traits(1.3, 0.7, 0.04, 3e4)),
    )
}


def other_bars(market: Market) -> pl.DataFrame:
    """Give the daily bars of OTHERS.

    Returns:
        `ticker`, `session` (the day in its own zone; of currencies that on which it ends), prices, `volume`, `vwap`,
        `trade_count` (null for indices), `ts_event` (UTC); sorted by ticker and day.
    """
    closes = market.sessions.select("session", ts_event="ts_close")
    first, last = closes["session"][0], closes["session"][-1]
    every = pl.DataFrame({"session": pl.date_range(first, last, eager=True)})
    weekdays = every.filter(pl.col("session").dt.weekday() <= 5)
    days: Mapping[Kind, pl.DataFrame] = {
        "crypto": every.with_columns(ts_event=_at(24, "UTC")),
        "fx": weekdays.with_columns(ts_event=_at(17, _NEW_YORK)),
    }
    kinds: Sequence[Kind] = ("indices", "crypto", "fx", "options", "otc")
    made = [_of_kind(market.seed, kind, days.get(kind, closes)) for kind in kinds]
    columns = made[0].columns
    vix = market.vix.with_columns(ticker=pl.lit(VIX), session="date")
    told = pl.concat([vix, *made], how="diagonal").select(columns).sort("ticker", "session")
    expiries = pl.DataFrame(
        [(each.ticker, each.expiry) for each in OTHERS.values()], ["ticker", "_expiry"], orient="row"
    )
    return (
        told.join(expiries, on="ticker", maintain_order="left")
        .filter(pl.col("session") <= pl.col("_expiry"))
        .drop("_expiry")
    )


def opens_of(kind: Kind, bars: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Give bars the instant at which their minutes begin, `ts_open`, and how many there are, `_slots`.

    Args:
        kind: Crypto, currencies, or indices, which are computed in the exchange's regular hours.
        bars: `session` and `ts_event`.
        sessions: calendars.sessions() rows of the exchange.
    """
    if kind == "indices":
        hours = sessions.select(
            "session", "ts_open", _slots=(pl.col("ts_close") - pl.col("ts_open")).dt.total_minutes()
        )
        return bars.join(hours, on="session", maintain_order="left")
    return bars.with_columns(ts_open=pl.col("ts_event") - timedelta(days=1), _slots=pl.lit(1_440, pl.Int64))


def _at(hour: int, zone: str) -> pl.Expr:
    local = pl.col("session").cast(pl.Datetime("us")).dt.offset_by(f"{hour}h").dt.replace_time_zone(zone)
    return local.dt.convert_time_zone("UTC")


def _of_kind(seed: int, kind: Kind, days: pl.DataFrame) -> pl.DataFrame:
    here = [other for other in OTHERS.values() if other.kind == kind and other.ticker != VIX]
    names, traits = [other.ticker for other in here], [other.traits for other in here]
    # Another seed than the exchange's: its securities have the first draws of that one
    rows = pl.concat(paths.bars(seed + 1 + list(_ZONES).index(kind), names, traits, days["session"]))
    told = rows.join(days, on="session", maintain_order="left").with_columns(pl.col("volume").clip(1.0))
    without = pl.lit(None, pl.Float64)
    return told.with_columns(volume=without, vwap=without, trade_count=without) if kind == "indices" else told
