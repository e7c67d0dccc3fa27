"""The vendor's own limit of calls a window, held a key, by the instants of the server's clock."""

from collections import defaultdict, deque
from typing import Final

from orion_assets.sources.synthetic.vendor.terms import Mode


class Budget:
    """So many calls a window for each key.

    Args:
        calls: Calls a window; None for no limit.
        window_s: Its length, seconds.
        mode: `sliding` refuses what would be one too many in the window that ends now; `fixed` in the window between
            two multiples of its length, so that twice as many may fall around a boundary.
        counts_refused: Whether refused calls count as well.
    """

    def __init__(
        self, calls: int | None, window_s: float = 60.0, mode: Mode = "sliding", *, counts_refused: bool = False
    ) -> None:
        self.calls: Final = calls
        self.window_s: Final = window_s
        self.mode: Final = mode
        self._counts_refused: Final = counts_refused
        self._counted: defaultdict[str, deque[float]] = defaultdict(deque)

    def wait(self, key: str, at: float) -> float:
        """Ask for one call and count it.

        Args:
            key: Whose budget.
            at: The server's instant, seconds; need not ascend.

        Returns:
            0 where the call may go on, else the seconds until a call could.
        """
        if self.calls is None:
            return 0.0
        counted = self._counted[key]
        start = at // self.window_s * self.window_s
        while counted and (counted[0] + self.window_s <= at if self.mode == "sliding" else counted[0] < start):
            counted.popleft()
        is_refused = len(counted) >= self.calls
        free = counted[-self.calls] + self.window_s if self.mode == "sliding" and is_refused else start + self.window_s
        if not is_refused or self._counts_refused:
            counted.append(at)
        return max(free - at, 1e-3) if is_refused else 0.0
