"""The vendor's news route: articles by time and ticker, newest first unless asked otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import polars as pl

from orion_assets.sources.synthetic.news import mood_of
from orion_assets.sources.synthetic.vendor.parameters import cursor_of, instant, number, one_of, with_cursor
from orion_assets.sources.synthetic.vendor.reply import VENDOR_HOST, Refused, Reply, Request
from orion_assets.sources.synthetic.vendor.rights import Rights
from orion_assets.sources.synthetic.vendor.wire import objects

_PATH: Final = "/v2/reference/news"
_MOST: Final = 1000
_INSIGHTS_SINCE: Final = datetime(2024, 6, 24, tzinfo=UTC)
_ID, _AT = pl.col("article_id"), pl.col("ts_event")


@dataclass(frozen=True)
class Articles:
    """Answers of the news route."""

    rights: Rights

    def articles(self, request: Request) -> Reply:
        """Answer `/v2/reference/news`.

        Raises:
            Refused: 400, a parameter or the cursor is wrong.
        """
        asked = with_cursor(request)
        limit = number("limit", asked.params.get("limit", "10"), 1, _MOST)
        one_of(asked, "sort", ("published_utc",))
        is_descending = one_of(asked, "order", ("desc", "asc")) == "desc"
        since = self.rights.reached("news", asked, "published_utc")
        told = self.rights.truth.news.filter(request.now >= _AT, _AT.dt.date() >= since)
        found = told.filter(_of_tickers(asked.params), _in_time(asked.params))
        ordered = _after(asked, found.sort(_AT, _ID, descending=is_descending), is_descending=is_descending)
        here = ordered.head(limit)
        head: dict[str, Any] = {"status": "OK", "request_id": request.request_id, "count": here.height}
        if ordered.height > limit:
            kept = {name: text for name, text in asked.params.items() if name != "search_after"}
            mark = f"{here['ts_event'][-1].isoformat()} {here['article_id'][-1]}"
            head["next_url"] = f"{VENDOR_HOST}{_PATH}?cursor={cursor_of(kept | {'search_after': mark})}"
        return Reply(head, objects([_article(row) for row in here.iter_rows(named=True)]))


def _of_tickers(params: Mapping[str, str]) -> pl.Expr:
    each = pl.element()
    holds = {"ticker": each.__eq__, "ticker.gt": each.__gt__, "ticker.gte": each.__ge__}
    holds |= {"ticker.lt": each.__lt__, "ticker.lte": each.__le__}
    asked = [test(pl.lit(params[name])) for name, test in holds.items() if params.get(name)]
    return pl.col("tickers").list.eval(pl.all_horizontal(asked)).list.any() if asked else pl.lit(value=True)


def _in_time(params: Mapping[str, str]) -> pl.Expr:
    name = "published_utc"
    asked = [pl.lit(value=True)]
    if params.get(name):
        asked.append(_AT.is_between(instant(name, params[name]), instant(name, params[name], is_end=True)))
    if params.get(f"{name}.gt"):
        asked.append(instant(name, params[f"{name}.gt"], is_end=True) < _AT)
    if params.get(f"{name}.gte"):
        asked.append(instant(name, params[f"{name}.gte"]) <= _AT)
    if params.get(f"{name}.lt"):
        asked.append(instant(name, params[f"{name}.lt"]) > _AT)
    if params.get(f"{name}.lte"):
        asked.append(instant(name, params[f"{name}.lte"], is_end=True) >= _AT)
    return pl.all_horizontal(asked)


def _after(request: Request, ordered: pl.DataFrame, *, is_descending: bool) -> pl.DataFrame:
    """Leave out what earlier pages told."""
    mark = request.params.get("search_after")
    if mark is None:
        return ordered
    text, _, article_id = mark.partition(" ")
    try:
        at = datetime.fromisoformat(text)
    except ValueError as e:
        raise Refused(400, f"Invalid cursor: search_after {mark!r}") from e
    is_later = (at < _AT) | ((at == _AT) & (article_id < _ID))
    is_earlier = (at > _AT) | ((at == _AT) & (article_id > _ID))
    return ordered.filter(is_earlier if is_descending else is_later)


def _article(row: Mapping[str, Any]) -> dict[str, Any]:
    published: datetime = row["ts_event"].astimezone(UTC)
    home = f"https://{row['publisher'].lower().replace(' ', '-')}.example/"
    feeling = mood_of(row["description"])
    insights = [
        {"ticker": ticker, "sentiment": feeling, "sentiment_reasoning": "Written in this mood by the synthetic market."}
        for ticker in row["tickers"]
    ]
    is_plain = date.toordinal(published.date()) % 3 == 0
    return {
        "id": row["article_id"],
        "publisher": {"name": row["publisher"], "homepage_url": home, "logo_url": f"{home}logo.svg"},
        "title": row["title"],
        "author": f"{row['publisher']} staff",
        "published_utc": published.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "article_url": row["url"],
        "tickers": row["tickers"],
        "description": row["description"],
        # Left out at times, as the vendor does
        "keywords": None if is_plain else ["synthetic", feeling],
        "image_url": None if is_plain else f"{home}image.png",
        "insights": insights if published >= _INSIGHTS_SINCE else None,
    }
