"""What is known of Polygon by more than a call: by the objects of its Flat Files, by what was landed before."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import polars as pl

from orion_assets.errors import KeyRefused
from orion_assets.schemas import RAW_DAILY_BARS
from orion_assets.sources.polygon import requests
from orion_assets.sources.polygon.files import FlatFiles
from orion_assets.sources.polygon.routes import REFERENCE_PER_PAGE

# An object is there the next day; of a Friday's before a holiday, four days later
_LATE: Final = timedelta(days=5)
_READ_AGAIN_AFTER: Final = timedelta(days=1)
_TEXTS: Final = ("title", "description")


@dataclass(frozen=True)
class Beside:
    """What a key has beside its calls.

    Attributes:
        files: Its Flat Files, where there are keys to them.
        objects: Their version by session, of daily bars, as `bucket.version_of` gives it.
        landed: RAW_NEWS rows of before; None where there are none.
    """

    files: FlatFiles | None = None
    objects: Mapping[date, str] = field(default_factory=dict[date, str])
    landed: pl.DataFrame | None = None

    @property
    def no_objects(self) -> str:
        """Why nothing can be told of objects; empty where it can."""
        if self.files is None:
            return "files have keys of their own: set POLYGON_S3_ACCESS_KEY and POLYGON_S3_SECRET_KEY"
        return "" if self.objects else "no object of daily bars is listed by these keys"

    def fractional(self) -> str:
        """Read the newest object and say whether its volumes are fractional."""
        newest = max(self.objects)
        if self.files is None:
            raise ValueError("flat files: no keys")
        try:
            volumes = self.files.day(RAW_DAILY_BARS.name, newest)["volume"].drop_nulls()
        except KeyRefused as e:
            # Those of the bucket: the key of the calls is another
            return f"refused: {e}"
        parts = volumes.filter(volumes != volumes.floor())
        if parts.is_empty():
            return f"no: all {volumes.len():,} volumes of {newest} are whole"
        return f"yes: {parts.len():,} of {volumes.len():,} volumes of {newest} are not whole"

    def replaced(self) -> str:
        """Say how many objects of the last year were written long after their session."""
        newest = max(self.objects)
        year = {day: _written(told) for day, told in self.objects.items() if day > newest - timedelta(days=365)}
        late = {day: at for day, at in year.items() if at.date() - day >= _LATE}
        if not late:
            return f"none of {len(year):,} of the last year was written {_LATE.days} days after its session or later"
        last = max(late, key=lambda day: (late[day], day))
        return (
            f"{len(late):,} of {len(year):,} of the last year were written {_LATE.days} days after their session or"
            f" later, so replaced or moved; that of {last} on {late[last]:%Y-%m-%d}"
        )

    def readable_again(self, now: datetime) -> pl.DataFrame:
        """Give the newest articles that were landed a day ago or earlier, as many as a page holds."""
        if self.landed is None:
            return pl.DataFrame(schema={"ts_ingested": pl.Datetime("us", "UTC")})
        old = self.landed.filter(pl.col("ts_ingested") <= now - _READ_AGAIN_AFTER, ~pl.col("is_deleted"))
        first = old.sort("ts_known").unique("article_id", keep="first")
        return first.sort("ts_event", "article_id").tail(REFERENCE_PER_PAGE // 2)


def second_reading(before: pl.DataFrame) -> requests.Request:
    """Ask for the time of articles that were read before."""
    first, last = before["ts_event"][0], before["ts_event"][-1]
    return requests.news(first - timedelta(seconds=1), last + timedelta(seconds=1))


def edited(before: pl.DataFrame, body: Mapping[str, Any]) -> str:
    """Say how many articles tell another title or teaser than before."""
    again = {str(row.get("id")): row for row in body.get("results") or ()}
    both = [row for row in before.iter_rows(named=True) if row["article_id"] in again]
    if not both:
        return f"no answer now: none of {before.height:,} articles that were landed came again"
    since = f"{before['ts_ingested'].min():%Y-%m-%d}"
    other = [
        row for row in both if any(_text(row[name]) != _text(again[row["article_id"]].get(name)) for name in _TEXTS)
    ]
    if not other:
        return f"no: {len(both):,} articles read since {since} came again as they were"
    return f"yes: {len(other):,} of {len(both):,} articles read since {since} came again with another text"


def _text(value: object) -> str:
    return " ".join(str(value or "").split())


def _written(version: str) -> datetime:
    return datetime.strptime(version.rsplit(" ", 1)[1], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
