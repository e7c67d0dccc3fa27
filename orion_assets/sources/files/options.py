"""The options of a mapping file, one frozen class a table; what contradicts itself is a `ValueError`.

Reading TOML and wording its errors stay out (mapping.py). docs/reference/files-mapping.md lists every option.
"""

import difflib
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

NAMED_FORMATS: Final = ("rfc3339", "epoch_s", "epoch_ms")
_DELAY: Final = re.compile(r"(\d+)(s|m|h|d)")
_DELAY_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_TIME_DIRECTIVE: Final = re.compile(r"%[-_0]?[HIklMTRsXcr+]")
_ZONE_DIRECTIVE: Final = re.compile(r"%(:{0,3}z|#z|\+|s)")
_VERSION_COLUMNS: Final = ("ts_known", "is_deleted")


def _delay(value: object) -> object:
    found = _DELAY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("is not a delay; write a number and s, m, h or d, such as 15m")
    return timedelta(**{_DELAY_UNITS[found[2]]: int(found[1])})


def _zone(value: object) -> object:
    try:
        ZoneInfo(str(value))
    except (ZoneInfoNotFoundError, ValueError, OSError) as e:
        raise ValueError("is not a time zone; write an IANA name such as America/New_York or UTC") from e
    return value


Delay = Annotated[timedelta, BeforeValidator(_delay)]
Zone = Annotated[str, BeforeValidator(_zone)]


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Block(_Options):
    """What every table of a mapping may say about the files that it reads."""

    files: tuple[str, ...] = ()
    columns: dict[str, str] = Field(default_factory=dict)
    date_format: str = "%Y-%m-%d"
    zone: Zone | None = None
    delay: Delay = timedelta(0)
    skip_rows: tuple[int, ...] = ()
    separator: str | None = Field(default=None, min_length=1, max_length=1)

    REQUIRED: ClassVar[tuple[str, ...]] = ()
    OPTIONAL: ClassVar[tuple[str, ...]] = ()

    @property
    def has_time(self) -> bool:
        """Whether `date_format` reads a time of day."""
        return self.date_format in NAMED_FORMATS or _TIME_DIRECTIVE.search(self.date_format) is not None

    @property
    def has_rows(self) -> bool:
        """Whether rows stand in the mapping itself."""
        return bool(getattr(self, "rows", ()))

    @model_validator(mode="after")
    def _reads_something(self) -> Self:
        if bool(self.files) == self.has_rows:
            raise ValueError("say either files = [...] or rows = [...]")
        if self.files:
            _check_columns(self.columns, self.required(), (*self.REQUIRED, *self.OPTIONAL))
        elif self.columns:
            raise ValueError("columns belong to files; the rows of a mapping use Orion's own names")
        zoned = self.date_format in NAMED_FORMATS or _ZONE_DIRECTIVE.search(self.date_format) is not None
        if self.has_time and not zoned and self.zone is None:
            raise ValueError(f'date_format {self.date_format!r} reads a time without a zone; add zone = "..."')
        if any(row < 1 for row in self.skip_rows):
            raise ValueError("skip_rows counts data rows from 1, the header excluded")
        return self

    def required(self) -> tuple[str, ...]:
        """Name the columns that must be mapped."""
        return self.REQUIRED


class TickerBlock(Block):
    """A block whose rows belong to a ticker."""

    tickers: tuple[str, ...] = ()
    ticker: str | None = None
    ticker_from: Literal["stem"] | None = None

    TICKER_COLUMNS: ClassVar[tuple[str, ...]] = ("ticker",)

    @model_validator(mode="after")
    def _names_its_ticker(self) -> Self:
        in_columns = any(name in self.columns for name in self.TICKER_COLUMNS)
        told = [in_columns, self.ticker is not None, self.ticker_from is not None].count(True)
        if self.files and told != 1:
            names = " or ".join(f"columns.{name}" for name in self.TICKER_COLUMNS)
            raise ValueError(f'say whose rows they are in exactly one way: {names}, ticker, or ticker_from = "stem"')
        return self


class ActionColumn(_Options):
    """A column of the bars that states a corporate action on its ex-date."""

    column: str
    delay: Delay = timedelta(0)


class DailyBars(TickerBlock):
    """`[[daily_bars]]`: one bar per ticker and session."""

    price_basis: Literal["as_traded", "split_adjusted", "fully_adjusted"]
    use: Literal["bars", "reconciliation"] = "bars"
    bar_label: Literal["start", "end"] | None = None
    delay: Delay = timedelta(minutes=15)
    splits: ActionColumn | None = None
    dividends: ActionColumn | None = None

    REQUIRED: ClassVar = ("session", "open", "high", "low", "close", "volume")
    OPTIONAL: ClassVar = ("ticker", "vwap", "trade_count", *_VERSION_COLUMNS)

    def required(self) -> tuple[str, ...]:
        """A comparison needs the close alone."""
        return self.REQUIRED if self.use == "bars" else ("session", "close")

    @model_validator(mode="after")
    def _is_as_traded(self) -> Self:
        if self.use == "bars" and self.price_basis != "as_traded":
            raise ValueError(
                f"price_basis {self.price_basis!r} is refused as bars: Orion keeps prices as traded, because every"
                " later split or dividend would rewrite an adjusted past; give as-traded prices with their splits, or"
                ' set use = "reconciliation" to compare with them only'
            )
        if self.use == "reconciliation" and (self.splits or self.dividends):
            raise ValueError("a reconciliation file is only compared with; leave splits and dividends out")
        if self.has_time and self.bar_label is None:
            raise ValueError(
                f"date_format {self.date_format!r} reads a time of day; say whether it is the bar's start or its end"
                ' with bar_label = "start" or "end"'
            )
        return self


class MinuteBars(TickerBlock):
    """`[[minute_bars]]`: one bar per ticker and minute that traded."""

    price_basis: Literal["as_traded", "split_adjusted", "fully_adjusted"]
    bar_label: Literal["start", "end"]
    opening_bar: Literal["minute", "auction"] = "minute"
    date_format: str = "rfc3339"
    delay: Delay = timedelta(minutes=15)
    complete_through: date | None = None

    REQUIRED: ClassVar = ("stamp", "open", "high", "low", "close", "volume")
    OPTIONAL: ClassVar = ("ticker", "vwap", "trade_count", *_VERSION_COLUMNS)

    @model_validator(mode="after")
    def _is_a_minute_as_traded(self) -> Self:
        if self.price_basis != "as_traded":
            raise ValueError(
                f"price_basis {self.price_basis!r} is refused: Orion keeps prices as traded, because every later split"
                " or dividend would rewrite an adjusted past; give as-traded minutes"
            )
        if not self.has_time:
            raise ValueError(f"date_format {self.date_format!r} reads a date only; a minute needs its time of day")
        if self.opening_bar == "auction" and self.bar_label == "start":
            raise ValueError(
                'opening_bar = "auction" is for bars labelled with their end: the one labelled with the session\'s open'
                ' lies before it; leave it out where bar_label = "start"'
            )
        if self.opening_bar == "auction" and "ts_known" in self.columns:
            raise ValueError(
                'opening_bar = "auction" makes one bar of two, whose versions would mix; leave out columns.ts_known'
            )
        return self


class SplitRow(_Options):
    """One split written into the mapping."""

    ticker: str
    ex_date: date
    shares_after: int = Field(gt=0)
    shares_before: int = Field(default=1, gt=0)
    event_id: str | None = None
    ts_known: datetime | None = None
    is_deleted: bool = False


class Splits(TickerBlock):
    """`[[splits]]`: one split per ticker and ex-date."""

    rows: tuple[SplitRow, ...] = ()

    REQUIRED: ClassVar = ("ex_date",)
    OPTIONAL: ClassVar = ("ticker", "shares_after", "shares_before", "ratio", "event_id", *_VERSION_COLUMNS)

    @model_validator(mode="after")
    def _states_a_ratio(self) -> Self:
        told = {"shares_after", "shares_before", "ratio"} & self.columns.keys()
        if self.files and told not in ({"shares_after", "shares_before"}, {"ratio"}):
            raise ValueError("map shares_after and shares_before, or ratio (shares after / shares before), to a column")
        return self


class DividendRow(_Options):
    """One dividend written into the mapping."""

    ticker: str
    ex_date: date
    cash_amount: float = Field(gt=0, allow_inf_nan=False)
    dividend_type: str | None = None
    currency: str | None = None
    event_id: str | None = None
    ts_known: datetime | None = None
    is_deleted: bool = False


class Dividends(TickerBlock):
    """`[[dividends]]`: cash per share as traded, per ticker, ex-date and type, `regular` where none is told."""

    rows: tuple[DividendRow, ...] = ()

    REQUIRED: ClassVar = ("ex_date", "cash_amount")
    OPTIONAL: ClassVar = ("ticker", "dividend_type", "currency", "event_id", *_VERSION_COLUMNS)


class Vix(Block):
    """`[[vix]]`: one VIX day."""

    bar_label: Literal["start", "end"] | None = None
    delay: Delay = timedelta(minutes=15)

    REQUIRED: ClassVar = ("date", "open", "high", "low", "close")
    OPTIONAL: ClassVar = _VERSION_COLUMNS


class News(TickerBlock):
    """`[[news]]`: one article, or one article and ticker, a row."""

    date_format: str = "rfc3339"
    delay: Delay = timedelta(minutes=15)
    tickers_separator: str = Field(default=",", min_length=1)
    complete_through: date | None = None

    REQUIRED: ClassVar = ("article_id", "published", "title")
    OPTIONAL: ClassVar = ("ticker", "tickers", "description", "publisher", "url", *_VERSION_COLUMNS)
    TICKER_COLUMNS: ClassVar = ("ticker", "tickers")

    @model_validator(mode="after")
    def _has_an_instant(self) -> Self:
        if not self.has_time:
            raise ValueError(
                f"date_format {self.date_format!r} reads a date only; an article needs the instant of its publication,"
                " else it would count as known before it was"
            )
        return self


class TickerRow(_Options):
    """One ticker written into the mapping."""

    ticker: str
    snapshot: date | None = None
    figi: str | None = None
    name: str | None = None
    type: str | None = None
    exchange: str | None = None
    list_date: date | None = None
    delist_date: date | None = None
    ts_known: datetime | None = None
    is_deleted: bool = False


class Tickers(Block):
    """`[[tickers]]`: the reference of a ticker."""

    rows: tuple[TickerRow, ...] = ()
    tickers: tuple[str, ...] = ()
    snapshot: date | None = None

    REQUIRED: ClassVar = ("ticker",)
    OPTIONAL: ClassVar = tuple(name for name in TickerRow.model_fields if name != "ticker")


class Tables(_Options):
    """A whole mapping file."""

    daily_bars: tuple[DailyBars, ...] = ()
    minute_bars: tuple[MinuteBars, ...] = ()
    splits: tuple[Splits, ...] = ()
    dividends: tuple[Dividends, ...] = ()
    vix: tuple[Vix, ...] = ()
    news: tuple[News, ...] = ()
    tickers: tuple[Tickers, ...] = ()


BLOCKS: Final[Mapping[str, type[Block]]] = {
    "daily_bars": DailyBars,
    "minute_bars": MinuteBars,
    "splits": Splits,
    "dividends": Dividends,
    "vix": Vix,
    "news": News,
    "tickers": Tickers,
}


def _check_columns(columns: dict[str, str], required: tuple[str, ...], optional: tuple[str, ...]) -> None:
    known = tuple(dict.fromkeys((*required, *optional)))
    for name in columns:
        if name not in known:
            raise ValueError(f"columns.{name} is no column of Orion{nearest(name, known)}")
    missing = [name for name in required if name not in columns]
    if missing:
        raise ValueError(f"columns must say which column holds {', '.join(missing)}")


def nearest(name: str, known: tuple[str, ...]) -> str:
    """Word the known name that comes nearest, else all of them."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
