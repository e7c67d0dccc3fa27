"""What a fill is doing at the moment, told as log records to whoever shows it. Nothing is counted or drawn here."""

import logging
from dataclasses import dataclass
from typing import Final, Literal

from orion_assets.sources.limiter import Rate
from orion_assets.sources.protocols import Ask

# Below the level of people: a display listens to this logger alone
LOG: Final = logging.getLogger(__name__)
ATTRIBUTE: Final = "progress"
What = Literal["planned", "asked", "answered", "landed", "ended"]


@dataclass(frozen=True)
class Progress:
    """One step of a fill.

    Attributes:
        what: `planned` a plan of `calls`, then of each call `asked`, `answered` (well or ill) and `landed` (or given
            up), and at last `ended`.
        dataset: The raw table.
        label: Which call: who is asked for, and when.
        calls: Requests that the plan has, or that this call was planned to take.
        rate: What the vendor allows; None where there is no plan.
    """

    what: What
    dataset: str
    label: str = ""
    calls: int = 1
    rate: Rate | None = None


def tell(progress: Progress) -> None:
    """Tell whoever listens."""
    LOG.debug("%s: %s %s", progress.dataset, progress.what, progress.label, extra={ATTRIBUTE: progress})


def label_of(ask: Ask) -> str:
    """Name a call for people: AAPL 2024-01-02 to 2024-03-01."""
    who = ask.tickers[0] if len(ask.tickers) == 1 else f"{len(ask.tickers)} tickers" if ask.is_partial else "market"
    return f"{who} [{ask.start}, {ask.end})"
