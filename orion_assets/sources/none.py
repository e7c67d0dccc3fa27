"""No source at all: what is derived from the lake still works, and whoever asks for data is told what to set."""

from collections.abc import Sequence
from datetime import date
from typing import ClassVar, Final, NoReturn

from orion_assets.errors import SettingsError
from orion_assets.sources.protocols import Answer, Ask
from orion_assets.sources.routes import Route

ADVICE: Final = (
    "no source of market data is set. Set ORION_SOURCE=files and ORION_FILES_MAPPING=path/to/mapping.toml in the"
    " environment or .env; `make real` shows a working example"
)


class NoSource:
    """Stands in while ORION_SOURCE is unset."""

    name: ClassVar[str] = "none"
    is_local: ClassVar[bool] = False

    @property
    def datasets(self) -> frozenset[str]:
        """Refuse: which datasets there are depends on the source."""
        return _refuse()

    def routes(self, today: date) -> Sequence[Route]:
        """Give none: any range is answered at no cost."""
        return ()

    def read(self, ask: Ask) -> Answer:
        """Refuse to answer."""
        return _refuse()

    def last_session(self, dataset: str) -> date | None:
        """Refuse: where data ends depends on the source."""
        return _refuse()

    def listed_tickers(self) -> tuple[str, ...]:
        """Refuse to list."""
        return _refuse()


def _refuse() -> NoReturn:
    raise SettingsError(ADVICE)
