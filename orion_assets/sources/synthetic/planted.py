"""What goes wrong on the synthetic exchange: corrections that arrive later, and defects that the checks must find.

Every defect names what must accuse it, so that a test can hold the findings against this list: nothing missed, and
nothing accused that is not on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

import polars as pl

from orion_assets.sources.synthetic.cast import CAST, FIRST, new_york

Key = Mapping[str, object]
Changes = Mapping[str, pl.Expr]

_BARS: Final = "raw_daily_bars"
_CLOSE: Final = pl.col("close")
_NOTHING: Final = pl.lit(None, pl.Float64)
HELD: Final = ("clean_daily_bars", "quarantine")
BAR_ORDER: Final = ("clean_daily_bars", "prices_in_order")
ENDED: Final = ("feature_store", "followed_up_to_date")
WITHDRAWN: Final = ("raw_daily_bars", "complete")
PLAUSIBLE: Final = ("feature_indicators", "plausible")
SPLIT: Final = ("feature_indicators", "suspected_missing_split")


@dataclass(frozen=True)
class Correction:
    """A row whose first answer was wrong, and the true one later.

    Attributes:
        dataset: Raw table.
        key: Column values that name the row.
        first: What the first answer said in place of the truth; empty where it was right.
        known: When the source said otherwise.
        is_withdrawn: What it said then is that there is no such row.
        back: When it said the first answer again; None for never.
    """

    dataset: str
    key: Key
    first: Changes
    known: datetime
    is_withdrawn: bool = False
    back: datetime | None = None


@dataclass(frozen=True)
class Late:
    """A row that arrives after everybody had to decide without it."""

    dataset: str
    key: Key
    known: datetime


@dataclass(frozen=True)
class Defect:
    """A fault that nobody corrects.

    Attributes:
        kind: What is wrong, in a word or two.
        dataset: Raw table.
        key: Column values that name the row.
        found_by: Assets and checks that must accuse it.
        changes: What the row says in place of the truth, or of the row it copies.
        is_lost: The row never comes.
        copies: Key of another row that it repeats under its own key.
        found_at: Ticker and session of the accusation, None where it has none; those of the key where not said.
    """

    kind: str
    dataset: str
    key: Key
    found_by: Sequence[tuple[str, str]]
    changes: Changes = field(default_factory=dict[str, pl.Expr])
    is_lost: bool = False
    copies: Key | None = None
    found_at: tuple[str | None, date | None] | None = None


def _bar(ticker: str, session: date) -> Key:
    return {"ticker": ticker, "session": session}


CORRECTIONS: Final = (
    Correction(
        _BARS,
        _bar("DUNE", date(2024, 11, 12)),
        {"close": (_CLOSE * 1.013).round(2), "high": (pl.col("high") * 1.013).round(2)},
        new_york(date(2024, 11, 13), 7),
    ),
    Correction(
        _BARS,
        _bar("NOVA", date(2024, 10, 28)),
        {"volume": (pl.col("volume") / 2).round()},
        new_york(date(2024, 11, 4), 7),
    ),
    Correction(
        _BARS,
        _bar("MIRA", date(2024, 9, 10)),
        {"low": (pl.col("low") * 0.98).round(2)},
        new_york(date(2024, 9, 11), 7),
        back=new_york(date(2024, 9, 12), 7),
    ),
    Correction(_BARS, _bar("QUIL", date(2024, 12, 3)), {}, new_york(date(2024, 12, 4), 7), is_withdrawn=True),
    Correction(
        _BARS, _bar("BOLT", date(2022, 5, 5)), {"close": (_CLOSE * 0.99).round(2)}, new_york(date(2022, 5, 6), 7)
    ),
    Correction(
        "raw_vix", {"date": date(2024, 12, 10)}, {"close": (_CLOSE + 0.35).round(2)}, new_york(date(2024, 12, 11), 7)
    ),
    Correction(
        "raw_dividends",
        {"ticker": "OPAL", "ex_date": date(2024, 10, 24)},
        {"cash_amount": (pl.col("cash_amount") * 2).round(4)},
        new_york(date(2024, 10, 25), 7),
    ),
)

LATE: Final = (Late(_BARS, _bar("OPAL", date(2024, 10, 9)), new_york(date(2024, 10, 10), 8)),)

DEFECTS: Final = (
    Defect(
        "high below the close",
        _BARS,
        _bar("PYRE", date(2024, 9, 4)),
        [BAR_ORDER],
        {"high": (_CLOSE * 0.985).round(2), "vwap": (_CLOSE * 0.98).round(2), "low": (_CLOSE * 0.97).round(2)},
    ),
    Defect(
        "high below the close",
        _BARS,
        _bar("GAIA", date(2022, 9, 8)),
        [BAR_ORDER],
        {"high": (_CLOSE * 0.985).round(2), "low": (_CLOSE * 0.96).round(2), "vwap": _NOTHING},
    ),
    Defect("negative price", _BARS, _bar("OPAL", date(2024, 12, 5)), [HELD, PLAUSIBLE], {"close": -_CLOSE}),
    Defect("no close", _BARS, _bar("AURA", date(2024, 11, 5)), [HELD, PLAUSIBLE], {"close": _NOTHING}),
    Defect(
        "high and low exchanged",
        _BARS,
        _bar("MKTS", date(2024, 11, 14)),
        [HELD, PLAUSIBLE],
        {"high": pl.col("low"), "low": pl.col("high")},
    ),
    Defect("no volume", _BARS, _bar("NOVA", date(2024, 12, 16)), [HELD, PLAUSIBLE], {"volume": _NOTHING}),
    Defect("negative volume", _BARS, _bar("MIRA", date(2024, 12, 9)), [HELD, PLAUSIBLE], {"volume": -pl.col("volume")}),
    Defect(
        "a bar without trades",
        _BARS,
        _bar("JUNO", date(2024, 9, 19)),
        [("clean_daily_bars", "traded")],
        {**dict.fromkeys(("open", "high", "low", "vwap"), _CLOSE), "volume": pl.lit(0.0), "trade_count": pl.lit(0.0)},
    ),
    Defect(
        "average price above the high",
        _BARS,
        _bar("DUNE", date(2024, 9, 26)),
        [("clean_daily_bars", "vwap_in_range")],
        {"vwap": (pl.col("high") * 1.02).round(4)},
    ),
    Defect(
        "decimal point shifted",
        _BARS,
        _bar("HALO", date(2024, 11, 20)),
        [PLAUSIBLE],
        {name: (pl.col(name) * 100).round(2) for name in ("open", "high", "low", "close", "vwap")},
    ),
    Defect(
        "the day before said again",
        _BARS,
        _bar("IRIS", date(2024, 9, 12)),
        [PLAUSIBLE],
        copies=_bar("IRIS", date(2024, 9, 11)),
    ),
    Defect(
        "volume in other units",
        _BARS,
        _bar("PYRE", date(2024, 11, 26)),
        [PLAUSIBLE],
        {"volume": pl.col("volume") * 1000},
    ),
    Defect("bar lost", _BARS, _bar("BOLT", date(2024, 11, 21)), [PLAUSIBLE], is_lost=True),
    Defect("bar lost", _BARS, _bar("DUNE", date(2023, 2, 15)), [PLAUSIBLE], is_lost=True),
    Defect(
        "bar after the delisting",
        _BARS,
        _bar("IRIS", date(2024, 11, 18)),
        [PLAUSIBLE],
        copies=_bar("IRIS", date(2024, 11, 12)),
    ),
    Defect(
        "prices that contradict each other",
        "raw_vix",
        {"date": date(2024, 10, 30)},
        [("clean_vix", "prices_in_order")],
        {"high": (_CLOSE - 0.4).round(2)},
    ),
    Defect(
        "a day of the index on which the exchange is closed",
        "raw_vix",
        {"date": date(2024, 11, 28)},
        [("clean_vix", "on_exchange_days")],
        copies={"date": date(2024, 11, 27)},
        found_at=(None, date(2024, 11, 29)),
    ),
    Defect(
        "split under a ticker that nobody bears",
        "raw_splits",
        {"event_id": "split-typo"},
        [("corporate_actions", "borne")],
        {"ticker": pl.lit("AURX")},
        copies={"ticker": "AURA", "ex_date": date(2024, 8, 26)},
        found_at=("AURX", date(2024, 8, 26)),
    ),
    Defect(
        "an article tagged with everybody",
        "raw_news",
        {"article_id": "wide"},
        [("clean_news", "few_tickers")],
        {
            "tickers": pl.lit(sorted(listed.ticker for listed in CAST[:14]))
            .cast(pl.List(pl.String))
            .list.unique()
            .list.sort()
        },
        copies={"is_first_of": date(2024, 10, 3)},
        found_at=(None, date(2024, 10, 3)),
    ),
    Defect(
        "the first of two companies under one ticker",
        "raw_tickers",
        {"ticker": "ZETA", "snapshot": FIRST},
        [],
        {"figi": pl.lit("SYNTHETIC900"), "name": pl.lit("Zeta Tin")},
        copies={"ticker": "MKTS", "snapshot": FIRST},
    ),
    Defect(
        "two companies under one ticker",
        "raw_tickers",
        {"ticker": "ZETA", "snapshot": date(2024, 8, 1)},
        [("securities", "one_security_a_ticker")],
        {"figi": pl.lit("SYNTHETIC901"), "list_date": pl.lit(date(2024, 8, 1)), "name": pl.lit("Zeta Copper")},
        copies={"ticker": "MKTS", "snapshot": FIRST},
        found_at=("ZETA", None),
    ),
    Defect(
        "listed after its delisting",
        "raw_tickers",
        {"ticker": "YARN", "snapshot": date(2024, 9, 3)},
        [("raw_tickers", "listed_before_delisted"), ("securities", "intervals_in_order")],
        {
            "figi": pl.lit("SYNTHETIC903"),
            "list_date": pl.lit(date(2024, 9, 3)),
            "delist_date": pl.lit(date(2024, 3, 1)),
        },
        copies={"ticker": "MKTS", "snapshot": FIRST},
        found_at=("YARN", None),
    ),
)
