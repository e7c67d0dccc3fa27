"""Articles about the synthetic companies: in the mood of the day before, some of them copied by another publisher."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from orion_assets.sources.synthetic.cast import Listed
from orion_assets.sources.synthetic.market import Market, ticker_on

_SEED_OF_NEWS: Final = 3
_PUBLISHERS: Final = ("Syndicate Wire", "Harbor Post", "Ledger Daily", "Market Lantern")
_GOOD: Final = (
    ("{name} beats estimates and raises its outlook", "Strong demand and better margins delight investors."),
    ("{name} wins a great contract", "The company expects excellent growth from the agreement."),
    ("Analysts praise {name} after impressive results", "Upgrades follow a successful quarter."),
    ("{name} shares rise on hopes of a breakthrough", "Optimism grows as tests succeed."),
)
_BAD: Final = (
    ("{name} misses estimates and warns of weak demand", "Losses disappoint investors; the outlook is poor."),
    ("{name} faces a lawsuit over faulty products", "The trouble may be costly, lawyers fear."),
    ("Analysts downgrade {name} after terrible results", "A failure of controls worries the market."),
    ("{name} shares slump on fears of a shortage", "Suppliers warn of a crisis and severe delays."),
)
_PLAIN: Final = (
    ("{name} to hold its annual meeting", "Shareholders vote on the agenda by proxy."),
    ("{name} names a date for its quarterly report", "The call is open to the public."),
    ("{name} moves its head office", "Staff follow over the next two quarters."),
    ("What to know about {name} this week", "A look at the calendar and the numbers."),
)

_MOODS: Final = {text: mood for mood, texts in (("positive", _GOOD), ("negative", _BAD)) for _, text in texts}


def mood_of(description: str) -> str:
    """Give the mood an article was written in: positive, negative or neutral."""
    return next((mood for text, mood in _MOODS.items() if description.startswith(text)), "neutral")


def news(market: Market) -> pl.DataFrame:
    """Give RAW_NEWS values of every article, and `ts_event`, its publication; sorted by that.

    About one in eight is a copy by another publisher within 20 hours; one in ten names the market's fund, its
    first security, too.
    """
    windows = market.sessions.select("session", until="ts_close_cutoff").with_columns(after=pl.col("until").shift())
    told = [(number, listed) for number, listed in enumerate(market.cast) if listed.news]
    rows = [row for number, listed in told for row in _of_one(market, number, listed)]
    articles = pl.DataFrame(rows, schema_overrides={"ts_event": pl.Datetime("us", "UTC")})
    # The window (previous close cut-off, this one] that holds the publication files the article
    filed = articles.sort("ts_event").join_asof(
        windows.select("session", "until"), left_on="ts_event", right_on="until", strategy="forward"
    )
    return filed.filter(pl.col("session").is_not_null()).drop("until").sort("ts_event", "article_id")


def _of_one(market: Market, number: int, listed: Listed) -> Iterator[dict[str, object]]:
    rng = np.random.default_rng([market.seed, number, _SEED_OF_NEWS])
    # Of the session before: articles tell of what has happened, else sentiment would foresee the day
    told = pl.col("close").log().diff().shift()
    bars = market.bars.filter(number=number).select("session", move=told)
    days = market.sessions.join(bars, on="session", how="left")
    deviation = (listed.traits.deviation**2 + 0.01**2) ** 0.5
    until = listed.until or days["session"][-1]
    before: datetime | None = None
    for session, ts_cutoff, move in days.select("session", "ts_close_cutoff", "move").iter_rows():
        after, before = before, ts_cutoff
        count, *draws = rng.poisson(listed.news), *rng.random((12, 5))
        if after is None or not listed.since <= session <= until:
            continue
        for index, (when, mood, text, copied, fund) in enumerate(draws[:count]):
            # Three in four within the last day, the rest at any time since the last close
            span = min(timedelta(days=1), ts_cutoff - after) if when < 0.75 else ts_cutoff - after
            published = ts_cutoff - span * float(1 - (when / 0.75 if when < 0.75 else (when - 0.75) * 4)) * 0.999
            leaning = (move or 0.0) / deviation + 1.2 * (mood - 0.5) * 2
            texts = _GOOD if leaning > 0.8 else _BAD if leaning < -0.8 else _PLAIN
            title, description = texts[int(text * len(texts))]
            name = listed.renamed[2] if listed.renamed and session >= listed.renamed[0] else listed.name
            ticker = ticker_on(listed, session)
            row: dict[str, object] = {
                "article_id": f"{number:02d}-{session:%Y%m%d}-{index}",
                "tickers": sorted({ticker, market.cast[0].ticker} if fund < 0.1 else {ticker}),
                "title": title.format(name=name),
                "description": f"{description} ({ticker})",
                "publisher": _PUBLISHERS[index % 2],
                "url": f"https://news.example/{number:02d}/{session:%Y-%m-%d}/{index}",
                "ts_event": published.replace(microsecond=0),
            }
            yield row
            if copied < 0.12:
                delay = timedelta(hours=1 + 19 * float(copied) / 0.12)
                yield row | {
                    "article_id": f"{row['article_id']}-copy",
                    "publisher": _PUBLISHERS[2],
                    "url": f"https://copy.example/{number:02d}/{session:%Y-%m-%d}/{index}",
                    "ts_event": (published + delay).replace(microsecond=0),
                }
