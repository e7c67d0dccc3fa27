"""The ladder of the VIX: sources in order of trust, the next one asked where the one before cannot answer.

Not every key may see the index, and no single source of it always answers. Each row says who told it, in `source`. Two
answers are never mixed within one ask, and one further down changes nothing that a better one has told.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import ClassVar, Final

from orion_assets.errors import (
    AnswerDistrusted,
    KeyRefused,
    NotEntitled,
    NotFound,
    NotYet,
    OrionError,
    RequestRejected,
    SettingsError,
    SourceUnavailable,
)
from orion_assets.schemas import RAW_VIX
from orion_assets.sources.protocols import Answer, Ask, Source, hand_on
from orion_assets.sources.routes import Route

LOG: Final = logging.getLogger(__name__)
_CANNOT: Final = (
    *(AnswerDistrusted, KeyRefused, NotEntitled, NotFound, NotYet),
    *(RequestRejected, SettingsError, SourceUnavailable),
)


class VixLadder:
    """Several sources of the VIX as one."""

    name: ClassVar[str] = "vix"
    is_local: ClassVar[bool] = False

    def __init__(self, rungs: Sequence[Source]) -> None:
        """Stand on rungs.

        Args:
            rungs: Sources that have the VIX, the most trusted first.

        Raises:
            ValueError: There is none, or one has no VIX.
        """
        lacking = [rung.name for rung in rungs if RAW_VIX.name not in rung.datasets]
        if not rungs or lacking:
            raise ValueError(f"vix: no source of it on the ladder: {', '.join(lacking) or 'no rung at all'}")
        self._rungs = tuple(rungs)
        self._refused: dict[str, str] = {}

    @property
    def datasets(self) -> frozenset[str]:
        """Name of the raw table it fills: the VIX alone."""
        return frozenset({RAW_VIX.name})

    @property
    def refused(self) -> Mapping[str, str]:
        """Which of its sources are not asked again, and why: their keys may not see the index."""
        return dict(self._refused)

    def routes(self, today: date) -> Sequence[Route]:
        """Give the routes of all rungs, ranked as they stand; `today` is New York's date."""
        return [
            replace(route, rank=rank)
            for rank, rung in enumerate(self._rungs, 1)
            for route in rung.routes(today)
            if route.dataset == RAW_VIX.name
        ]

    def read(self, ask: Ask) -> Answer:
        """Answer from the first rung that can, beginning with the one whose route was planned.

        Raises:
            ValueError: The dataset is not the VIX.
            SourceUnavailable: No rung can answer; the message tells what each one said.
        """
        if ask.dataset != RAW_VIX.name:
            raise ValueError(f"vix: {ask.dataset} is not supplied; supplied is {RAW_VIX.name}")
        tried: dict[str, str] = {}
        waits: list[float] = []
        for rung in self._from(ask):
            if rung.name in self._refused:
                tried[rung.name] = self._refused[rung.name]
                continue
            try:
                # Only the rung whose route was planned knows it by name
                answer = rung.read(ask if self._has(rung, ask) else replace(ask, route=""))
            except _CANNOT as e:
                tried[rung.name] = self._noted(rung, e)
                waits.append(e.retry_after_s if isinstance(e, SourceUnavailable) else 3_600.0)
            else:
                if tried:
                    LOG.warning("vix: told by %s, since %s", rung.name, _told(tried))
                return replace(answer, yields_to=self._above(rung))
        raise SourceUnavailable(
            f"vix: no source can tell it for [{ask.start}, {ask.end}): {_told(tried)}. The next run asks again",
            retry_after_s=min(waits, default=3_600.0),
        )

    def _from(self, ask: Ask) -> Sequence[Source]:
        planned = [at for at, rung in enumerate(self._rungs) if self._has(rung, ask)]
        first = planned[0] if planned else 0
        # Those above were not planned; where all below fail they are better than nothing
        return (*self._rungs[first:], *self._rungs[:first])

    def _above(self, rung: Source) -> tuple[str, ...]:
        return tuple(each.name for each in self._rungs[: self._rungs.index(rung)])

    @staticmethod
    def _has(rung: Source, ask: Ask) -> bool:
        return any(route.name == ask.route and route.dataset == ask.dataset for route in rung.routes(ask.end))

    def _noted(self, rung: Source, error: OrionError) -> str:
        told = str(error)
        is_for_good = isinstance(error, KeyRefused | SettingsError)
        if is_for_good or (isinstance(error, NotEntitled) and not error.is_by_date):
            # A 403 costs a call each time, and says the same until somebody changes the plan
            self._refused[rung.name] = told
        return told


def with_vix(main: Source, ladder: VixLadder) -> Source:
    """Put a ladder before a source, which may be one of its rungs.

    Args:
        main: Has the name and everything but the VIX.
        ladder: Has the VIX.
    """

    class Named(_WithVix):
        # A source's name is its class's
        name: ClassVar[str] = main.name
        is_local: ClassVar[bool] = main.is_local

    return Named(main, ladder)


class _WithVix:
    """A source whose VIX comes from a ladder: all else is its own."""

    def __init__(self, main: Source, ladder: VixLadder) -> None:
        self._main = main
        self._ladder = ladder
        hand_on(main, self)

    @property
    def datasets(self) -> frozenset[str]:
        """Names of the raw tables it fills: those of the source, and the VIX."""
        return self._main.datasets | self._ladder.datasets

    def routes(self, today: date) -> Sequence[Route]:
        """Give the routes of the source, those to the VIX from the ladder; `today` is New York's date."""
        others = [route for route in self._main.routes(today) if route.dataset != RAW_VIX.name]
        return [*others, *self._ladder.routes(today)]

    def read(self, ask: Ask) -> Answer:
        """Answer as the source does, or the ladder where the VIX is asked for."""
        return (self._ladder if ask.dataset == RAW_VIX.name else self._main).read(ask)


def _told(tried: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in tried.items())
