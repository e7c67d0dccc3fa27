"""Objects that each hold a session: whether one is whole, by those beside it, and which were replaced since."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from orion_assets.errors import AnswerDistrusted
from orion_assets.ingest.moment import Moment
from orion_assets.sources.protocols import Answer, Ask, ObjectRead
from orion_assets.sources.routes import Route
from orion_assets.store.objects import ObjectLog

LOG: Final = logging.getLogger(__name__)
# Of the tickers of the objects beside it, so many must be there
_LEAST_SHARE: Final = 0.95
_AROUND: Final = timedelta(days=7)
# No object has these versions: one that was never landed, and one that is to be read once more
_UNLANDED: Final = ""
_DOUBTED: Final = "doubted"


def replaced(log: ObjectLog, routes: Iterable[Route], ask: Ask) -> list[date]:
    """List the sessions of an ask whose object is listed as another than the one that was landed.

    Args:
        log: What was landed.
        routes: With the versions that are listed now.
        ask: The dataset and its range; where it is about some tickers only, nothing is read again for them.
    """
    listed = {
        day: version for route in routes if route.dataset == ask.dataset for day, version in route.versions.items()
    }
    if ask.is_partial or not listed:
        return []
    landed = log.between(ask.dataset, ask.start, ask.end)
    return [day for day, known in landed.items() if listed.get(day, known.version) != known.version]


def watched(log: ObjectLog, routes: Iterable[Route], ask: Ask) -> set[date]:
    """List the sessions of an ask that an object answered which is listed: whether it was replaced is seen for free."""
    listed = {day for route in routes if route.dataset == ask.dataset for day in route.versions}
    return listed & log.between(ask.dataset, ask.start, ask.end).keys() if listed else set()


class Objects:
    """Reads for one fill, and remembers which objects were landed."""

    def __init__(self, read: Callable[[Ask], Answer], log: ObjectLog, moment: Moment) -> None:
        """Read by whatever reads, held against what the log knows."""
        self._read = read
        self._log = log
        self._moment = moment
        self._last: Answer | None = None
        self._outgrown: Mapping[date, ObjectRead] = {}

    def read(self, ask: Ask) -> Answer:
        """Answer a call; from an object that has most of the tickers of those beside it.

        Raises:
            AnswerDistrusted: Read twice, it has not.
            OrionError: As whatever reads.
        """
        answer = self._read(ask)
        if self._lacking(ask, answer):
            LOG.warning("%s. It is read once more", self._lacking(ask, answer))
            answer = self._read(ask)
        if told := self._lacking(ask, answer):
            self._settle(ask, answer)
            raise AnswerDistrusted(f"{told}. Nothing of it is landed")
        self._outgrown = self._smaller(ask, answer)
        # A run that dies before it is landed leaves this, and the next one reads the object again
        self._record(ask, {day: replace(each, version=_UNLANDED) for day, each in answer.objects.items()})
        self._last = answer
        return answer

    def landed(self, ask: Ask) -> None:
        """Say that the last answer was landed."""
        if self._last is not None:
            self._record(ask, {**self._last.objects, **self._outgrown})
        self._last, self._outgrown = None, {}

    def _smaller(self, ask: Ask, answer: Answer) -> dict[date, ObjectRead]:
        """Give the objects beside one that is read for the first time that have much less: each is read once more."""
        found: dict[date, ObjectRead] = {}
        for day, read in answer.objects.items():
            landed = self._log.between(ask.dataset, day - _AROUND, day + _AROUND)
            sides = [max((each for each in landed if each < day), default=day)]
            sides.append(min((each for each in landed if each > day), default=day))
            less = {each for each in sides if day not in landed and each != day}
            less = {each for each in less if landed[each].tickers < _LEAST_SHARE * read.tickers}
            found |= {each: replace(landed[each], version=_DOUBTED) for each in less if landed[each].version}
        return found

    def _settle(self, ask: Ask, answer: Answer) -> None:
        """Let an object that was doubted, and is the same when it is read once more, be as it is."""
        for day, read in answer.objects.items():
            known = self._log.between(ask.dataset, day, day + timedelta(days=1))
            if day in known and known[day].version == _DOUBTED:
                self._record(ask, {day: read})

    def _record(self, ask: Ask, objects: Mapping[date, ObjectRead]) -> None:
        # Of some tickers only, it is not the whole object that is landed
        if not ask.is_partial:
            self._log.record(ask.dataset, objects, self._moment.landing())

    def _lacking(self, ask: Ask, answer: Answer) -> str:
        for day, read in answer.objects.items():
            beside = _nearest(self._log.between(ask.dataset, day - _AROUND, day + _AROUND), day)
            if beside is not None and read.tickers < _LEAST_SHARE * beside.tickers:
                return (
                    f"{ask.dataset} of {day}: its object has {read.tickers} tickers, and the one of the session beside"
                    f" it {beside.tickers}"
                )
        return ""


def _nearest(landed: dict[date, ObjectRead], day: date) -> ObjectRead | None:
    others = [each for each in landed if each != day]
    return landed[min(others, key=lambda each: (abs(each - day), each))] if others else None
