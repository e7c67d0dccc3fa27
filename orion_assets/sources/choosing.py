"""Which datasets a deployment asks of its source: what nobody asked for costs no call.

Minutes are thousands of calls, so a source that counts its calls is asked for them only by name.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import ClassVar, Final

from orion_assets.schemas import RAW_DAILY_BARS, RAW_DIVIDENDS, RAW_MINUTE_BARS, RAW_NEWS, RAW_SPLITS, RAW_VIX, TABLES
from orion_assets.sources.protocols import Answer, Ask, Source, hand_on
from orion_assets.sources.routes import Route

# The words of ORION_DATASETS and --datasets, and the raw tables that each means
DATASETS: Final[Mapping[str, tuple[str, ...]]] = {
    "daily": (RAW_DAILY_BARS.name,),
    "minute": (RAW_MINUTE_BARS.name,),
    "vix": (RAW_VIX.name,),
    "news": (RAW_NEWS.name,),
    "actions": (RAW_SPLITS.name, RAW_DIVIDENDS.name),
}
# Those of other markets are meant by the same words
_MEANT: Final[Mapping[str, frozenset[str]]] = {
    word: frozenset(name for name in TABLES if name in tables or name.rpartition("_")[0] in tables)
    for word, tables in DATASETS.items()
}


def chosen(source: Source, words: Sequence[str]) -> Source:
    """Leave of a source what is asked for.

    Args:
        source: Whoever is asked.
        words: Of DATASETS; none means all, minutes only where asking costs nothing.

    Returns:
        The source itself where nothing is left out.
    """
    if words:
        unasked = frozenset[str]().union(*_MEANT.values()) - frozenset[str]().union(*(_MEANT[word] for word in words))
    else:
        unasked = frozenset[str]() if source.is_local else _MEANT["minute"]
    if not unasked & source.datasets:
        return source

    class Named(_Chosen):
        # A source's name is its class's
        name: ClassVar[str] = source.name
        is_local: ClassVar[bool] = source.is_local

    return Named(source, unasked)


class _Chosen:
    """A source of which some datasets are not asked: it says that it has none of them."""

    def __init__(self, source: Source, unasked: frozenset[str]) -> None:
        self._source = source
        self._unasked = unasked
        hand_on(source, self)

    @property
    def datasets(self) -> frozenset[str]:
        """Names of the raw tables it fills, those left out that are not asked for."""
        return self._source.datasets - self._unasked

    def routes(self, today: date) -> Sequence[Route]:
        """Give the routes to what is asked for; `today` is New York's date."""
        return [route for route in self._source.routes(today) if route.dataset not in self._unasked]

    def read(self, ask: Ask) -> Answer:
        """Answer as the source does.

        Raises:
            ValueError: The dataset is not asked for.
        """
        if ask.dataset in self._unasked:
            raise ValueError(f"{self._source.name}: {ask.dataset} is not asked for; name it in ORION_DATASETS")
        return self._source.read(ask)
