"""Objects that each hold a session: whether one is whole, by those beside it, and which were replaced since.

Which version was read is landed in raw; the state database has it as an index, which the lake makes anew.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

import polars as pl

from orion_assets.errors import AnswerDistrusted
from orion_assets.ingest.moment import Moment
from orion_assets.schemas import RAW_OBJECTS
from orion_assets.sources.protocols import Answer, Ask, ObjectRead
from orion_assets.sources.routes import Route
from orion_assets.store.lake import Lake
from orion_assets.store.objects import ObjectLog
from orion_assets.tables import UTC_US
from orion_assets.transforms.versions import visible

LOG: Final = logging.getLogger(__name__)
# Of the tickers of the objects beside it, so many must be there
_LEAST_SHARE: Final = 0.95
_AROUND: Final = timedelta(days=7)
# No object has these versions: one that was never landed, and one that is to be read once more
_UNLANDED: Final = ""
_DOUBTED: Final = "doubted"
_SAID: Final = ("dataset", "session", "version", "tickers")


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

    def __init__(self, read: Callable[[Ask], Answer], log: ObjectLog, lake: Lake, moment: Moment) -> None:
        """Read by whatever reads, held against what the log knows, and land in the lake what the log is told."""
        self._read = read
        self._log = log
        self._lake = lake
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
        if not ask.is_partial and objects:
            _land(self._lake, ask.dataset, objects, self._moment)
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


def logged_again(lake: Lake, log: ObjectLog) -> int:
    """Let the log know of every object what was landed of it last; gives of how many it did not.

    One whose landing had only begun is known as that, and read again.
    """
    told = 0
    for (dataset,), mine in (
        visible(lake.read(RAW_OBJECTS), RAW_OBJECTS.key).partition_by("dataset", as_dict=True).items()
    ):
        days = mine["session"].sort()
        known = log.between(str(dataset), days[0], days[-1] + timedelta(days=1))
        for row in mine.sort("session").iter_rows(named=True):
            landed = ObjectRead(row["version"], row["tickers"])
            if known.get(row["session"]) != landed:
                log.record(str(dataset), {row["session"]: landed}, row["ts_ingested"])
                told += 1
    return told


def _land(lake: Lake, dataset: str, objects: Mapping[date, ObjectRead], moment: Moment) -> None:
    """Append what was not said of these objects last."""
    at = moment.landing()
    rows = [(dataset, day, each.version, each.tickers) for day, each in sorted(objects.items())]
    said = pl.DataFrame(rows, {name: RAW_OBJECTS.schema[name] for name in _SAID}, orient="row")

    def fresh(held: pl.DataFrame) -> pl.DataFrame:
        last = visible(held, RAW_OBJECTS.key)
        new = said.join(last, on=_SAID, how="anti").join(
            last.select(*RAW_OBJECTS.key, _last="ts_known"), on=RAW_OBJECTS.key, how="left"
        )
        now = pl.lit(at, UTC_US)
        later = pl.max_horizontal(now, pl.col("_last") + pl.duration(microseconds=1))
        seen = pl.lit("assumed" if moment.is_replay else "observed")
        return RAW_OBJECTS.conform(
            new.with_columns(
                ts_event=later, ts_known=later, ts_ingested=now, is_deleted=pl.lit(value=False), availability=seen
            ).drop("_last")
        )

    lake.append(RAW_OBJECTS, fresh, start=min(objects), end=max(objects) + timedelta(days=1))


def _nearest(landed: dict[date, ObjectRead], day: date) -> ObjectRead | None:
    others = [each for each in landed if each != day]
    return landed[min(others, key=lambda each: (abs(each - day), each))] if others else None
