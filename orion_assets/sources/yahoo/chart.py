"""From the body of Yahoo's chart to its days, each value held to its type. Pure; no meaning for any raw table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from orion_assets.errors import AnswerDistrusted, NotFound
from orion_assets.sources.bodies import loaded, number_of, object_of, rows_of, text_of
from orion_assets.sources.filing import joined
from orion_assets.sources.responses import Passing

VALUES: Final = ("open", "high", "low", "close")
VOLUME: Final = "volume"
# 1900 to 2100 in seconds; in milliseconds it would be another age
_SECONDS: Final = (-2_208_988_800, 4_102_444_800)


@dataclass(frozen=True)
class Chart:
    """The days of one symbol.

    Attributes:
        symbol: Whom it is about, as Yahoo spells it.
        currency: Of the prices.
        zone: In which its days are days.
        days: `_row` (1-based), `date`, VALUES and VOLUME (Float64, null where Yahoo has none), `problem` (null or what
            is wrong; that a volume is missing is nothing wrong).
    """

    symbol: str
    currency: str
    zone: str
    days: pl.DataFrame = field(repr=False)


def parse(body: bytes) -> Chart:
    """Read a chart of days.

    Raises:
        NotFound: Yahoo knows no such symbol.
        Passing: It is no chart, or calls itself a failure.
        AnswerDistrusted: It is no chart of days, or its parts do not fit together.
    """
    result = _result(object_of(object_of(loaded(body)).get("chart"), "chart"))
    meta = object_of(result.get("meta"), "meta")
    symbol, zone = text_of(meta, "symbol"), text_of(meta, "exchangeTimezoneName")
    if meta.get("dataGranularity") != "1d" or symbol is None or zone is None:
        raise AnswerDistrusted(
            f"it is a chart of {meta.get('dataGranularity')!r} of {symbol!r} in {zone!r}, not of days",
            is_worth_asking=True,
        )
    values = _values(result)
    stamps = _stamps(result, {len(column) for column in values.values()})
    try:
        known = ZoneInfo(zone).key
    except (ZoneInfoNotFoundError, ValueError) as e:
        raise AnswerDistrusted(f"its zone {zone!r} is unknown", is_worth_asking=True) from e
    return Chart(symbol, text_of(meta, "currency") or "", known, _days(stamps, values, known))


def _result(chart: Mapping[str, Any]) -> dict[str, Any]:
    if chart.get("error") is not None:
        error = object_of(chart["error"], "error")
        told = f"{text_of(error, 'code')}: {text_of(error, 'description')}"
        if error.get("code") == "Not Found":
            raise NotFound(f"yahoo: {told}. Check how the ticker is spelled, and the dates")
        raise Passing(f"Yahoo says {told}")
    results = rows_of(chart.get("result"), "result")
    if len(results) != 1:
        raise Passing(f"the chart holds {len(results)} results, not one")
    return results[0]


def _values(result: Mapping[str, Any]) -> dict[str, list[Any]]:
    quotes = rows_of(object_of(result.get("indicators"), "indicators").get("quote"), "quote")
    if len(quotes) != 1:
        raise Passing(f"the chart holds {len(quotes)} quotes, not one")
    values = {name: _list(quotes[0].get(name, []), name) for name in VALUES}
    # Indices may have none
    return values | {VOLUME: _list(quotes[0].get(VOLUME, [None] * len(values["close"])), VOLUME)}


def _stamps(result: Mapping[str, Any], lengths: set[int]) -> list[int]:
    stamps = _list(result.get("timestamp", []), "timestamp")
    if lengths != {len(stamps)}:
        raise AnswerDistrusted(
            f"{len(stamps)} timestamps stand beside {sorted(lengths)} values: nobody can tell of which day they are",
            is_worth_asking=True,
        )
    for at in stamps:
        if not isinstance(at, int) or not _SECONDS[0] <= at <= _SECONDS[1]:
            raise AnswerDistrusted(f"timestamp {at!r} is not seconds since 1970", is_worth_asking=True)
    return cast("list[int]", stamps)


def _list(found: Any, what: str) -> list[Any]:  # noqa: ANN401 - JSON
    if not isinstance(found, list):
        raise Passing(f"{what} is {found!r:.40}, not a list")
    return cast("list[Any]", found)


def _days(stamps: Sequence[int], values: Mapping[str, Sequence[Any]], zone: str) -> pl.DataFrame:
    read = {name: [number_of(value) for value in column] for name, column in values.items()}
    told = [_problem({name: values[name][at] for name in VALUES}) for at in range(len(stamps))]
    at = pl.from_epoch(pl.Series("at", stamps, dtype=pl.Int64), time_unit="s")
    schema = {**dict.fromkeys((*VALUES, VOLUME), pl.Float64()), "problem": pl.String()}
    frame = pl.DataFrame({**read, "problem": told}, schema=schema).with_row_index("_row", 1)
    exact = frame.with_columns(_narrowed(name) for name in VALUES)
    dated = exact.with_columns(date=at.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.date())
    once = dated.unique(["date", *VALUES], keep="first", maintain_order=True)
    # The live quote of the day may stand behind the day itself
    is_twice = pl.col("date").is_duplicated()
    blank = [pl.when(~is_twice).then(pl.col(name)).alias(name) for name in (*VALUES, VOLUME)]
    twice = pl.when(is_twice).then(pl.lit("told twice in one answer, differently"))
    marked = once.with_columns(*blank, problem=joined(twice, pl.col("problem")))
    return marked.unique("date", keep="first", maintain_order=True)


def _narrowed(name: str) -> pl.Expr:
    """Give prices that were widened from single precision as they were meant: 17.42, not 17.420000076293945."""
    single = pl.col(name).cast(pl.Float32, strict=False)
    is_widened = single.cast(pl.Float64) == pl.col(name)
    return pl.when(is_widened).then(single.cast(pl.String).cast(pl.Float64)).otherwise(pl.col(name)).alias(name)


def _problem(row: Mapping[str, Any]) -> str | None:
    told = [
        f"{name}: is missing" if value is None else f"{name}: {value!r:.40} is not a number"
        for name, value in row.items()
        if number_of(value) is None
    ]
    return "; ".join(told) or None
