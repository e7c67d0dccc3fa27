"""The followed universe: which tickers a run asks for and features are kept of; chosen in the state, landed in raw."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

import polars as pl

from orion_assets import calendars
from orion_assets.ingest.freshness import mark_stale
from orion_assets.ingest.moment import Moment
from orion_assets.markets import EQUITIES, Market, market_of
from orion_assets.schemas import RAW_UNIVERSE
from orion_assets.sources.protocols import Source, listed_by
from orion_assets.store.lake import Lake
from orion_assets.store.state import State
from orion_assets.tables import UTC_US


class Universe:
    """The tickers the state database follows."""

    def __init__(self, state: State, wanted: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> None:
        """Take the database, and the tickers to begin with.

        Args:
            state: The state database.
            wanted: Tickers of the settings, of any market; no equity among them means all that the source lists.
            only: Followed tickers to ask for in this run; empty asks for all followed.
        """
        self._state = state
        self._wanted = wanted
        self._only = only

    def followed(self, market: Market = EQUITIES) -> tuple[str, ...]:
        """Give the followed tickers of a market, sorted; empty before the first run."""
        return self._state.universe(market)

    def seed(self, source: Source, now: datetime, market: Market = EQUITIES) -> tuple[str, ...]:
        """Give the followed tickers; the first time, begin with those wanted, else with all equities of the source."""
        if not self.followed(market):
            wanted = tuple(ticker for ticker in self._wanted if market_of(ticker) is market)
            listed = listed_by(source) if market is EQUITIES and not wanted else ()
            self._state.add_tickers(wanted or listed, ts_added=now)
        return self.followed(market)

    def asked(self, source: Source, now: datetime, market: Market = EQUITIES) -> tuple[str, ...]:
        """Give the tickers of a market that a run asks for: the followed ones, or those of them it is limited to.

        Raises:
            ValueError: The run is limited to a ticker that is not followed; asking for none would ask for all.
        """
        followed = self.seed(source, now, market)
        unknown = sorted(set(self._only) - set(followed))
        if unknown:
            names = " ".join(unknown)
            raise ValueError(f"tickers {names}: not followed. Follow them first: orion tickers add {names}")
        return tuple(ticker for ticker in followed if ticker in self._only) if self._only else followed


def follow(state: State, tickers: Iterable[str], wanted: Sequence[str], now: datetime) -> tuple[str, ...]:
    """Follow tickers from now on; before the first run also those that it would begin with, which these do not replace.

    Args:
        state: The state database.
        tickers: Whom to follow.
        wanted: Tickers of the settings.
        now: The time.

    Returns:
        Those of `tickers` that were not followed before, sorted.
    """
    if not state.universe():
        state.add_tickers(wanted, ts_added=now)
    return state.add_tickers(tickers, ts_added=now)


def land_universe(lake: Lake, state: State, followed: Sequence[str], moment: Moment) -> int:
    """Land who is followed, for features are kept of them: raw alone must be enough to make them again.

    Args:
        lake: Where RAW_UNIVERSE lies.
        state: The state database; what was published awaits derivation when somebody is followed anew or no longer.
        followed: The tickers followed now.
        moment: The clock of the landing.

    Returns:
        How many tickers are followed anew or no longer.
    """
    now = pl.DataFrame({"ticker": sorted(followed)}, schema={"ticker": pl.String})

    def changes(held: pl.DataFrame) -> pl.DataFrame:
        last = held.sort("ts_known").unique("ticker", keep="last", maintain_order=True)
        kept = last.filter(~pl.col("is_deleted"))
        added, gone = now.join(kept, on="ticker", how="anti"), kept.select("ticker").join(now, on="ticker", how="anti")
        told = pl.concat(
            frame.with_columns(is_deleted=pl.lit(value)) for frame, value in ((added, False), (gone, True))
        )
        at = pl.lit(moment.landing(), UTC_US)
        later = pl.max_horizontal(at, pl.col("_last") + pl.duration(microseconds=1))
        clocked = told.join(last.select("ticker", _last="ts_known"), on="ticker", how="left")
        seen = pl.lit("assumed" if moment.is_replay else "observed")
        for since in _touched(added, gone, moment):
            mark_stale(state, since, moment)
            touched.append(since)
        return RAW_UNIVERSE.conform(
            clocked.with_columns(ts_event=later, ts_known=later, ts_ingested=at, availability=seen).drop("_last")
        )

    touched: list[date] = []
    count = lake.append(RAW_UNIVERSE, changes).rows
    for since in touched:
        # Again, for who began in between
        mark_stale(state, since, moment)
    return count


def _touched(added: pl.DataFrame, gone: pl.DataFrame, moment: Moment) -> list[date]:
    """Find the first session that a change bears upon: one added has rows from the first on, one gone keeps its own."""
    if added.height:
        return [calendars.FIRST_DATE]
    return [calendars.session_under_way(moment.landing())] if gone.height else []
