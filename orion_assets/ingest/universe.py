"""The followed universe: which tickers a run asks for and features are kept of."""

from datetime import datetime

from orion_assets.sources.protocols import Source
from orion_assets.store.state import State


class Universe:
    """The tickers the state database follows."""

    def __init__(self, state: State, wanted: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> None:
        """Take the database, and the tickers to begin with.

        Args:
            state: The state database.
            wanted: Tickers of the settings; empty means all that the source lists.
            only: Followed tickers to ask for in this run; empty asks for all followed.
        """
        self._state = state
        self._wanted = wanted
        self._only = only

    def followed(self) -> tuple[str, ...]:
        """Give the followed tickers, sorted; empty before the first run."""
        return self._state.universe()

    def seed(self, source: Source, now: datetime) -> tuple[str, ...]:
        """Give the followed tickers; the first time, begin with those wanted, else with all the source lists."""
        if not self.followed():
            self._state.add_tickers(self._wanted or source.listed_tickers(), ts_added=now)
        return self.followed()

    def asked(self, source: Source, now: datetime) -> tuple[str, ...]:
        """Give the tickers a run asks for: the followed ones, or those of them it is limited to.

        Raises:
            ValueError: The run is limited to a ticker that is not followed; asking for none would ask for all.
        """
        followed = self.seed(source, now)
        unknown = sorted(set(self._only) - set(followed))
        if unknown:
            names = " ".join(unknown)
            raise ValueError(f"tickers {names}: not followed. Follow them first: orion tickers add {names}")
        return tuple(ticker for ticker in followed if ticker in self._only) if self._only else followed
