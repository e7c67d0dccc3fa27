"""Calls of a plan, made ahead of their turn and several at a time; each answer is handed over when its turn comes.

Calls of two budgets run side by side, each budget as many at a time as it allows: files one by one, requests eight.

What is done with answers stays one after the other, in the order of the plan, so that what comes of it does not depend
on which answer came first. The limiter decides when a call is sent; here it is only asked for more than one at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from orion_assets.errors import OrionError
from orion_assets.ingest.plan import Plan
from orion_assets.ingest.progress import Progress, label_of, tell
from orion_assets.sources.protocols import Answer, Ask


@dataclass
class _Moving:
    """What is still to come of a lane, and how many of it may be asked now."""

    coming: Iterator[Ask]
    room: int


@dataclass(frozen=True)
class Lane:
    """The calls of one budget.

    Attributes:
        asks: In the order of the plan.
        in_flight: Most at a time; 1 asks each in its turn.
    """

    asks: Sequence[Ask]
    in_flight: int = 1


def lanes(work: Plan, asks: Sequence[Ask]) -> list[Lane]:
    """Part the questions of a plan, one a call and in its order, by the budgets that they draw on."""
    drawn = [(call.budget, ask) for call, ask in zip(work, asks, strict=True)]
    return [Lane([ask for name, ask in drawn if name == each.name], each.in_flight) for each in work.budgets]


class Ahead:
    """A reader of calls that asks ahead; for one thread, as a context. `closed` says how routes were refused.

    Of a lane never more than `in_flight` answers are under way or waiting for their turn: what a run that dies has
    asked in vain.
    """

    def __init__(self, read: Callable[[Ask], Answer], lanes: Sequence[Lane]) -> None:
        """Prepare; nothing is asked before the first turn.

        Args:
            read: Asks a source; safe for threads where calls go side by side.
            lanes: The calls to come, by budget.
        """
        self._read = read
        self._lanes = [_Moving(iter(lane.asks), lane.in_flight) for lane in lanes if lane.in_flight > 1]
        self._threads = ThreadPoolExecutor(sum(lane.room for lane in self._lanes) or 1, thread_name_prefix="fetcher")
        self._under_way: dict[Ask, tuple[_Moving, Future[Answer]]] = {}
        self.closed = dict[str, OrionError]()
        self._answered = set[str]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # Those that are sent are spent: their ends are awaited, the others are not sent
        self._threads.shutdown(cancel_futures=True)

    def read(self, ask: Ask) -> Answer:
        """Answer a call whose turn it is; what was not planned, or is asked for again, is asked now.

        Raises:
            OrionError: As `Source.read`, when it is this call's turn.
        """
        for lane in self._lanes:
            while lane.room and (coming := self._next(lane)) is not None:
                lane.room -= 1
                self._under_way[coming] = lane, self._threads.submit(self._asked, coming)
        mine = self._under_way.pop(ask, None)
        if mine is None:
            answer = self._asked(ask)
        else:
            lane, under_way = mine
            lane.room += 1
            answer = under_way.result()
        self._answered.add(ask.route)
        return answer

    def close(self, route: str, error: OrionError) -> None:
        """Ask no more by a route that was refused and never answered; what is under way by it is spent."""
        if route in self._answered:
            # It is in the plan of the key, whatever one call is told
            return
        self.closed[route] = error
        for ask in [ask for ask in self._under_way if ask.route == route]:
            lane, answer = self._under_way.pop(ask)
            answer.cancel()
            lane.room += 1

    def _next(self, lane: _Moving) -> Ask | None:
        return next((ask for ask in lane.coming if ask.route not in self.closed), None)

    def _asked(self, ask: Ask) -> Answer:
        tell(Progress("asked", ask.dataset, label_of(ask)))
        try:
            return self._read(ask)
        finally:
            tell(Progress("answered", ask.dataset, label_of(ask)))
