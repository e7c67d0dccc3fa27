"""Calls of a plan, made ahead of their turn and several at a time; each answer is handed over when its turn comes.

What is done with answers stays one after the other, in the order of the plan, so that what comes of it does not depend
on which answer came first. The limiter decides when a call is sent; here it is only asked for more than one at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from orion_assets.errors import OrionError
from orion_assets.ingest.progress import Progress, label_of, tell
from orion_assets.sources.protocols import Answer, Ask


class Ahead:
    """A reader of calls that asks ahead; for one thread, as a context. `closed` says how routes were refused.

    Never more than `in_flight` answers are under way or waiting for their turn: what a run that dies has asked in vain.
    """

    def __init__(self, read: Callable[[Ask], Answer], asks: Sequence[Ask], in_flight: int) -> None:
        """Prepare; nothing is asked before the first turn.

        Args:
            read: Asks a source; safe for threads where `in_flight` is more than 1.
            asks: The calls of a plan, in their order.
            in_flight: Most calls at a time; 1 asks each in its turn.
        """
        self._read = read
        self._coming: Iterator[Ask] = iter(asks if in_flight > 1 else ())
        self._in_flight = in_flight
        self._threads = ThreadPoolExecutor(in_flight, thread_name_prefix="fetcher")
        self._under_way: dict[Ask, Future[Answer]] = {}
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
        while len(self._under_way) < self._in_flight and (coming := self._next()) is not None:
            self._under_way[coming] = self._threads.submit(self._asked, coming)
        mine = self._under_way.pop(ask, None)
        answer = mine.result() if mine is not None else self._asked(ask)
        self._answered.add(ask.route)
        return answer

    def close(self, route: str, error: OrionError) -> None:
        """Ask no more by a route that was refused and never answered; what is under way by it is spent."""
        if route in self._answered:
            # It is in the plan of the key, whatever one call is told
            return
        self.closed[route] = error
        for ask in [ask for ask in self._under_way if ask.route == route]:
            self._under_way.pop(ask).cancel()

    def _next(self) -> Ask | None:
        return next((ask for ask in self._coming if ask.route not in self.closed), None)

    def _asked(self, ask: Ask) -> Answer:
        tell(Progress("asked", ask.dataset, label_of(ask)))
        try:
            return self._read(ask)
        finally:
            tell(Progress("answered", ask.dataset, label_of(ask)))
