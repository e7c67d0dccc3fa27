"""The VIX from Cboe's own file: every day since 1990, no key.

Docs: https://www.cboe.com/tradable_products/vix/vix_historical_data/ names the file (read 2026-11-21 in copies of third
parties; the host was not reachable). One CSV of `DATE,OPEN,HIGH,LOW,CLOSE`: dates MM/DD/YYYY, Chicago and New York
alike, on Cboe's calendar, which is not the exchange's: since 2022 it has rows on most holidays of NYSE. No adjustment,
no volume. Its known defects are landed as they are: flat rows in 1990 and 1991, opens and closes outside of low and
high.

One call whatever the range. Delay: final at 16:15 New York, 15 min assumed on top; when the file shows a day is not
documented, so a day is asked for from the next one on. No limit is stated; 10 calls a minute are kept.
"""

import re
import time
from collections.abc import Callable, Sequence
from datetime import date
from typing import ClassVar, Final

import polars as pl

from orion_assets import calendars
from orion_assets.clock import Clock
from orion_assets.errors import AnswerDistrusted
from orion_assets.schemas import RAW_VIX
from orion_assets.sources import filing
from orion_assets.sources.gathering import Gathering
from orion_assets.sources.limiter import Limiter, Rate
from orion_assets.sources.protocols import Answer, Ask
from orion_assets.sources.responses import Passing, Response
from orion_assets.sources.routes import Budget, Route
from orion_assets.sources.transport import Policy, Transport, Vendor

BASE_URL: Final = "https://cdn.cboe.com"
PATH: Final = "/api/global/us_indices/daily_prices/VIX_History.csv"
RATE: Final = Rate(10)
_HEADER: Final = ["DATE", "OPEN", "HIGH", "LOW", "CLOSE"]
_DATE: Final = re.compile(r"\d{2}/\d{2}/\d{4}")
_PRICES: Final = ("open", "high", "low", "close")
_SESSIONS: Final = 20_000
_GRACE_S: Final = 5.0
_MOST_BYTES: Final = 16 * 1024**2


def open_cboe(limited: Callable[[Rate, float], Limiter], clock: Clock, *, base_url: str = BASE_URL) -> "CboeSource":
    """Open Cboe's file.

    Args:
        limited: Makes the limiter for a rate and for the seconds within which any call has ended.
        clock: Tells the time.
        base_url: Another host; http on this machine alone.

    Raises:
        SettingsError: The base URL is not https://host.
    """
    policy = Policy(most_bytes=_MOST_BYTES)
    vendor = Vendor(CboeSource.name, base_url, judge)
    limiter = limited(RATE, policy.deadline_s + _GRACE_S)
    return CboeSource(Transport(vendor, limiter, policy, clock, time.sleep))


class CboeSource:
    """Cboe's file of the VIX."""

    name: ClassVar[str] = "cboe"
    is_local: ClassVar[bool] = False

    def __init__(self, transport: Transport) -> None:
        """Ask by a transport."""
        self._transport = transport

    def close(self) -> None:
        """End its connections; the next request opens new ones."""
        self._transport.close()

    @property
    def datasets(self) -> frozenset[str]:
        """Name of the raw table it fills: the VIX alone."""
        return frozenset({RAW_VIX.name})

    def routes(self, today: date) -> Sequence[Route]:
        """Give its one route: the file holds every session before today; `today` is New York's date."""
        return [
            Route(
                name="vix_file",
                dataset=RAW_VIX.name,
                scope="market",
                budget=Budget(self.name, RATE),
                rows_per_session=1,
                window=_SESSIONS,
                bytes_per_row=52.0,
                floor=calendars.FIRST_DATE,
                not_yet_from=today,
            )
        ]

    def read(self, ask: Ask) -> Answer:
        """Answer from the whole file.

        Raises:
            ValueError: The dataset is not the VIX.
            OrionError: As `Transport.get`.
        """
        if ask.dataset != RAW_VIX.name:
            raise ValueError(f"cboe: {ask.dataset} is not supplied; supplied is {RAW_VIX.name}")
        response, told = self._transport.get(PATH, {}, lambda response: (response, parse(response.body)))
        asked = told.filter(pl.col("date").is_between(*filing.days(ask.start, ask.end), closed="left"))
        gathering = Gathering(RAW_VIX, self.name)
        gathering.add(filing.vix(asked), response)
        # What the file does not reach yet is no day without a value
        return gathering.answer(ask, through=_last_session(told["date"][-1]))


def parse(body: bytes) -> pl.DataFrame:
    """Read the file.

    Args:
        body: The whole of it.

    Returns:
        `_row` (1-based), `date`, prices (Float64, null where they are no numbers), `problem` (null or what is wrong),
        sorted by date.

    Raises:
        Passing: It is cut off, or is another file.
        AnswerDistrusted: A date is none, or they do not ascend.
    """
    try:
        lines = body.decode("ascii").splitlines()
    except UnicodeDecodeError as e:
        raise Passing(f"the file is not plain text: {e}") from e
    fields = [[field.strip() for field in line.split(",")] for line in lines]
    if fields[:1] != [_HEADER]:
        raise Passing(f"the header is {lines[:1]!r:.80}, not {','.join(_HEADER)}")
    if len(fields) < 2:
        raise Passing("the file has a header and no row")
    _refuse_cut(body, fields)
    dates = _dates(fields[1:])
    values, problems = _numbers(fields[1:])
    return pl.DataFrame({"date": dates, **values, "problem": problems}).with_row_index("_row", 1)


def judge(response: Response) -> None:
    """Refuse a page of a proxy.

    Raises:
        Passing: An answer of 200 is empty, or is HTML.
    """
    if response.status == 200 and not response.body.lstrip().upper().startswith(b"DATE"):
        shown = response.body[:40].decode("utf-8", "replace")
        raise Passing(f"HTTP 200 without the file: {shown!r}" if shown else "HTTP 200 and an empty body")


def _refuse_cut(body: bytes, fields: Sequence[Sequence[str]]) -> None:
    for number, row in enumerate(fields[1:], 1):
        if len(row) != len(_HEADER):
            raise Passing(f"row {number} has {len(row)} fields, not {len(_HEADER)}: {','.join(row)!r:.80}")
    # A cut may fall into the last number, which then still is one
    shapes = [len(row[-1].partition(".")[2]) for row in fields[-2:]]
    if body[-1:] not in {b"\n", b"\r"} and len(fields) > 2 and shapes[1] < shapes[0]:
        raise Passing(f"the file ends within a number: {','.join(fields[-1])!r:.80}")


def _dates(rows: Sequence[Sequence[str]]) -> pl.Series:
    texts = pl.Series("date", [row[0] for row in rows], dtype=pl.String)
    dates = texts.str.to_date("%m/%d/%Y", strict=False)
    for number, (text, day) in enumerate(zip(texts, dates, strict=True), 1):
        if day is None or not _DATE.fullmatch(text):
            raise AnswerDistrusted(f"row {number}: {text!r} is no date MM/DD/YYYY", is_worth_asking=True)
    later = dates.shift(-1)
    wrong = dates.filter((later <= dates).fill_null(value=False))
    if len(wrong):
        raise AnswerDistrusted(f"its dates do not ascend after {wrong[0]}", is_worth_asking=True)
    return dates


def _numbers(rows: Sequence[Sequence[str]]) -> tuple[dict[str, pl.Series], pl.Series]:
    texts = {name: pl.Series(name, [row[at] for row in rows], dtype=pl.String) for at, name in enumerate(_PRICES, 1)}
    is_number = pl.all().str.contains(r"^\d+(\.\d+)?$")
    frame = pl.DataFrame(texts)
    values = frame.select(pl.when(is_number).then(pl.all()).cast(pl.Float64))
    told = [
        pl.when(~pl.col(name).str.contains(r"^\d+(\.\d+)?$")).then(pl.format(f"{name}: '{{}}' is not a number", name))
        for name in _PRICES
    ]
    return dict(zip(_PRICES, values, strict=True)), frame.select(problem=filing.joined(*told)).to_series()


def _last_session(last: date) -> date | None:
    known = calendars.sessions()["session"]
    return known.filter(known <= last).max()  # pyright: ignore[reportReturnType] - the maximum of dates is a date
