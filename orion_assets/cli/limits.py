"""What a call was limited to, and how it ends where the limit left something for the next one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from orion_assets.cli.output import Exit, counted, refuse
from orion_assets.ingest.plan import Plan
from orion_assets.ingest.reference_calls import Due


@dataclass(frozen=True)
class Limits:
    """What was written as --max-calls and --max-tickers; None where it was not."""

    calls: int | None = None
    tickers: int | None = None

    def demand_done(self, reference: Due, plans: Sequence[Plan]) -> None:
        """Leave with the code of a spent budget, where a limit left something for later.

        Args:
            reference: What of the reference is still due.
            plans: Those that were made, of one market each, in their order.
        """
        if self.calls is not None:
            self._demand_all_called(self.calls, reference, plans)
        left_out = sum(each.left_out["ticker"].n_unique() for each in plans)
        if left_out:
            left = counted(left_out, "ticker")
            refuse(f"--max-tickers {self.tickers}: {left} with cells to fill remain; call it again", Exit.BUDGET)

    def _demand_all_called(self, most: int, reference: Due, plans: Sequence[Plan]) -> None:
        planned = sum(each.calls_left for each in plans)
        told = [f"{reference.calls:,} of the reference"] if reference.calls else []
        told += [f"{planned:,} of the plan"] if planned else []
        if not told:
            return
        # What comes first stands before all others, and is never made by fewer calls than it takes
        following = next((each.next_calls for each in plans if each.next_calls), 0)
        self._leave(most, " and ".join(told), reference.next_calls or following)

    def _leave(self, most: int, remaining: str, following: int) -> NoReturn:
        then = (
            f"the next one needs {following:,}: allow at least {following:,}" if following > most else "call it again"
        )
        refuse(f"--max-calls {most}: calls remain, {remaining}; {then}", Exit.BUDGET)
