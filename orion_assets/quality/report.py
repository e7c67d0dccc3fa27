"""One page that says whether the data can be trusted: gathered from the lake, told as HTML, Markdown or JSON."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final, Literal
from uuid import uuid4

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined

from orion_assets.ingest.missing import Coverage
from orion_assets.quality.anomalies import judged_from
from orion_assets.quality.audit import Checked, Read, audit
from orion_assets.quality.charts import around
from orion_assets.quality.heat import LETTERS, MEANINGS, heat_map
from orion_assets.schemas import (
    ANSWERED,
    CLEAN_DAILY_BARS,
    CLEAN_NEWS,
    CLEAN_VIX,
    CORPORATE_ACTIONS,
    QUARANTINE,
    RAW_COVERAGE,
    RAW_DAILY_BARS,
    SECURITIES,
    TABLES,
    WHOLE_MARKET,
)
from orion_assets.settings import SYNTHETIC
from orion_assets.store.delta import has_sessions
from orion_assets.store.lake import Lake
from orion_assets.tables import Table
from orion_assets.transforms.identity import UNKNOWN, identified
from orion_assets.transforms.versions import KNOWN, visible

Level = Literal["sound", "look", "broken"]
SHOWN_ROWS: Final = 20
SHOWN_TICKERS: Final = 60
_CHARTS: Final = 4
_RESTATED: Final = (CLEAN_DAILY_BARS, CLEAN_VIX, CLEAN_NEWS, CORPORATE_ACTIONS)
_CLOCKS: Final = ("ts_event", KNOWN, "known_until", "is_deleted", "availability", "session")
_TABLES: Final = ("coverage", "states", "worst", "tickers", "quarantine", "restated", "freshness")
_HIDDEN: Final = ("known_until", "is_deleted", "ts_ingested", "problem", "source_hash", "tickers")


@dataclass(frozen=True)
class Report:
    """What was found of the sessions [start, end).

    Attributes:
        start: First session.
        end: First session no longer judged.
        checks: Every check, those that passed too.
        coverage: `dataset`, `month`, `answered` and `sessions`: of a month's sessions that have closed, those of which
            every cell is answered; of `feature_store`, those derived from raw as it stands, and published.
        states: Counts of cells by `dataset`, `month` and state, from the ledger.
        worst: The same with `ticker`, of those with the largest share of cells that are not data.
        tickers: `ticker`, `month`, `data` and `sessions`: of the month's sessions on which it was listed, how many have
            a bar; the worst first.
        quarantine: QUARANTINE rows of the sessions.
        restated: `table`, `key`, `ts_known`, `changed`: versions after the first, newest first.
        freshness: `dataset`, `last_session`, `last_known`: how far each dataset is answered.
        bars: Visible CLEAN_DAILY_BARS rows, for charts.
        is_synthetic: Nothing of it is real.
    """

    start: date
    end: date
    checks: Sequence[Checked]
    coverage: pl.DataFrame
    states: pl.DataFrame
    worst: pl.DataFrame
    tickers: pl.DataFrame
    quarantine: pl.DataFrame
    restated: pl.DataFrame
    freshness: pl.DataFrame
    bars: pl.DataFrame
    is_synthetic: bool

    @cached_property
    def failed(self) -> list[Checked]:
        """Checks that accuse somebody, the blocking ones first."""
        return sorted((each for each in self.checks if each.accused.height), key=lambda each: not each.is_blocking)

    @property
    def passed(self) -> list[Checked]:
        """Checks that judged something and accuse nobody."""
        return [each for each in self.checks if each.accused.is_empty() and not each.is_idle]

    @property
    def idle(self) -> list[Checked]:
        """Checks that had nothing to judge."""
        return [each for each in self.checks if each.accused.is_empty() and each.is_idle]

    @property
    def level(self) -> Level:
        """`broken` where a blocking check accuses, `look` where another does or nothing was judged, else `sound`."""
        if any(each.is_blocking for each in self.failed):
            return "broken"
        return "sound" if self.passed and not (self.failed or self.gaps) else "look"

    @property
    def gaps(self) -> int:
        """How many sessions of a dataset have no answer."""
        return int((self.coverage["sessions"] - self.coverage["answered"]).sum())

    @property
    def verdict(self) -> str:
        """The page in one sentence."""
        idle = f" ({len(self.idle)} had nothing to judge)" if self.idle else ""
        passed = f"{len(self.passed)} of {len(self.checks) - len(self.idle)} checks passed{idle}"
        rows = sum(each.accused.height for each in self.failed)
        failed = len(self.failed)
        accused = f"{failed} accuse{'s' * (failed == 1)} rows, {rows} in all" if failed else "nobody is accused"
        missing = self.coverage.filter(pl.col("answered") < pl.col("sessions"))["dataset"].unique().sort()
        gaps = (
            f"{self.gaps} sessions of a dataset are not filled, see {', '.join(missing)}"
            if self.gaps
            else "every session is answered and derived"
        )
        return f"{passed}, {accused}; {gaps}."

    def accused_on(self, session: date) -> int:
        """Count the accused rows of one session."""
        dated = (each.accused["session"] for each in self.failed if "session" in each.accused.columns)
        return sum(int((days == session).sum()) for days in dated)

    @cached_property
    def remedies(self) -> list[tuple[str, int]]:
        """What to do, and for how many rows, the most frequent first."""
        told = [row for each in self.failed if "remedy" in each.accused.columns for row in each.accused["remedy"]]
        counts = pl.Series("remedy", told, pl.String).value_counts().sort("count", "remedy", descending=[True, False])
        return list(counts.iter_rows())

    def document(self) -> dict[str, Any]:
        """Give the report as plain data."""
        return {
            "from": self.start,
            "to": self.end,
            "level": self.level,
            "verdict": self.verdict,
            "synthetic": self.is_synthetic,
            "checks": [
                {
                    "asset": each.asset,
                    "check": each.check,
                    "description": each.description,
                    "blocking": each.is_blocking,
                    "idle": each.is_idle,
                    "rows": each.accused.height,
                    "accused": _shown(each.accused).to_dicts(),
                }
                for each in self.checks
            ],
            "remedies": [{"remedy": remedy, "rows": count} for remedy, count in self.remedies],
            **{name: getattr(self, name).to_dicts() for name in _TABLES},
        }

    def html(self) -> str:
        """Give one self-contained page."""
        return _template("report.html.j2").render(
            report=self,
            shown=_shown,
            charts=self._charts,
            heat=_heat,
            groups=groups,
            squares=heat_map,
            states=MEANINGS,
            letters=LETTERS,
        )

    def write(self, place: Path) -> Path:
        """Write the page, whole or not at all."""
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f".{place.name}.{uuid4().hex}.part")
        part.write_text(self.html(), encoding="utf-8")
        return part.replace(place)

    def markdown(self) -> str:
        """Give the verdict and the failed checks as Markdown."""
        return _template("report.md.j2").render(report=self, shown=_shown)

    def _charts(self, checked: Checked) -> list[str]:
        if not {"ticker", "session"} <= set(checked.accused.columns):
            return []
        marks = checked.accused.select("ticker", "session").unique(maintain_order=True).head(_CHARTS)
        return [chart for mark in marks.iter_rows() if (chart := around(self.bars, *mark))]


def reader(lake: Lake, end: date) -> Read:
    """Give the rows of tables of the lake up to a session, as `gather` asks for them; none is read twice alike."""

    @cache
    def read(name: str, since: date | None) -> pl.DataFrame:
        table = TABLES[name]
        # A row of the reference is held under the first session after its snapshot, which may lie beyond the span
        until = None if table == QUARANTINE else end
        return lake.read(table, start=since, end=until) if has_sessions(table) else lake.read(table)

    def given(table: Table, since: date | None, until: date | None = None, /) -> pl.DataFrame:
        if until is not None:
            return lake.read(table, start=since, end=until)
        return read(table.name, since if has_sessions(table) else None)

    return given


def gather(
    read: Read,
    sessions: pl.DataFrame,
    span: tuple[date, date],
    filled: Coverage,
    judged: Sequence[Checked] = (),
) -> Report:
    """Gather a report of the sessions [start, end) from the lake.

    Args:
        read: Gives a table of the lake, all versions, from a session on up to the end of the span.
        sessions: calendars.sessions() rows, the whole calendar.
        span: The sessions.
        filled: How far it is filled.
        judged: What runs alone can judge, as `verdicts.as_judged` gives it.
    """
    coverage = read(RAW_COVERAGE, span[0])
    cells = visible(coverage, RAW_COVERAGE.key).filter(pl.col("cutoff") == "close")
    market = cells.filter(pl.col("ticker") == WHOLE_MARKET)
    is_of_bars = (pl.col("ticker") != WHOLE_MARKET) & (pl.col("dataset") == RAW_DAILY_BARS.name)
    asked = cells.filter(is_of_bars)
    masters = visible(read(SECURITIES, None), SECURITIES.key)
    bars = visible(read(CLEAN_DAILY_BARS, judged_from(sessions, span[0])), CLEAN_DAILY_BARS.key)
    return Report(
        *span,
        checks=[*audit(read, sessions, span, filled.followed), *judged],
        coverage=_filled_by_month(filled),
        states=filled.states,
        worst=filled.worst,
        tickers=_worst(_bars_by_month(asked, bars, filled, masters)),
        quarantine=read(QUARANTINE, None)
        .filter(pl.col("session").is_between(*span, closed="left"))
        .sort("session", "row_key", "rule"),
        restated=pl.concat([_restated(table, read(table, span[0])) for table in _RESTATED]).sort(
            "ts_known", "table", "key", descending=[True, False, False]
        ),
        freshness=market.filter(pl.col("state").is_in(ANSWERED))
        .group_by("dataset")
        .agg(last_session=pl.col("session").max(), last_known=pl.col(KNOWN).max())
        .sort("dataset"),
        bars=bars,
        is_synthetic=SYNTHETIC in coverage["source"].to_list(),
    )


def _filled_by_month(filled: Coverage) -> pl.DataFrame:
    """Count, for each dataset, a month's sessions that have closed, and those of them that want nothing."""
    month = pl.col("session").dt.strftime("%Y-%m").alias("month")
    datasets = pl.DataFrame({"dataset": list(filled.datasets)}, {"dataset": pl.String()})
    grid = datasets.join(filled.closed, how="cross").join(
        filled.unfilled.with_columns(_wants=True), on=["dataset", "session"], how="left"
    )
    counted = grid.group_by("dataset", month).agg(
        answered=pl.col("_wants").is_null().sum().cast(pl.Int64), sessions=pl.len().cast(pl.Int64)
    )
    return counted.sort("dataset", "month")


def _bars_by_month(cells: pl.DataFrame, clean: pl.DataFrame, filled: Coverage, intervals: pl.DataFrame) -> pl.DataFrame:
    """Count, for each ticker asked for or followed, a month's sessions on which it was listed, and those with a bar."""
    everybody = sorted({*cells["ticker"], *filled.followed})
    within, asked = filled.closed, pl.DataFrame({"ticker": everybody}, {"ticker": pl.String()})
    days = asked.join(within, how="cross")
    named = identified(days, intervals, "session")
    # Of whom no listing is known, every session is missed
    is_known = pl.col("ticker").is_in(intervals["ticker"].unique().to_list())
    listed = named.filter(~(is_known & pl.col("security_id").str.starts_with(UNKNOWN)))
    # Before its first bar it is not missed where nobody knows since when it is listed, and the source confirms the lack
    known = pl.concat([intervals.select("ticker", day="valid_from"), clean.select("ticker", day="session")])
    first = known.group_by("ticker").agg(_first=pl.col("day").min())
    in_vain = cells.filter(pl.col("state") == "empty_confirmed").select("ticker", "session")
    before = in_vain.join(first, on="ticker").filter(pl.col("session") < pl.col("_first"))
    listed = listed.join(before, on=["ticker", "session"], how="anti")
    # What was landed and is held back is no bar
    bars = clean.select("ticker", "session", _has_bar=True)
    counted = listed.join(bars, on=["ticker", "session"], how="left").with_columns(
        month=pl.col("session").dt.strftime("%Y-%m")
    )
    months = within.select(month=pl.col("session").dt.strftime("%Y-%m")).unique()
    found = counted.group_by("ticker", "month").agg(
        data=pl.col("_has_bar").sum().cast(pl.Int64), sessions=pl.len().cast(pl.Int64)
    )
    grid = asked.join(months, how="cross")
    return grid.join(found, on=["ticker", "month"], how="left").fill_null(0).sort("ticker", "month")


def _worst(tickers: pl.DataFrame) -> pl.DataFrame:
    share = (pl.col("data").sum() / pl.col("sessions").sum()).fill_nan(1.0)
    order = tickers.group_by("ticker").agg(_share=share).sort("_share", "ticker").head(SHOWN_TICKERS)
    return order.join(tickers, on="ticker", maintain_order="left").drop("_share")


def _restated(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """Give the versions after the first of each key, with what changed."""
    values = [name for name in table.names if name not in (*table.key, *_CLOCKS)]
    ordered = rows.sort(*table.key, KNOWN)
    is_later = ~pl.struct(table.key).is_first_distinct()
    changes = [
        pl.when(pl.col(name).ne_missing(pl.col(name).shift().over(table.key))).then(pl.lit(name)) for name in values
    ]
    changed = (
        pl.when("is_deleted")
        .then(pl.lit("withdrawn"))
        .otherwise(pl.concat_str(changes, separator=" ", ignore_nulls=True))
    )
    key = pl.concat_str([pl.col(name).cast(pl.String) for name in table.key], separator=" ")
    return (
        ordered.with_columns(table=pl.lit(table.name), key=key, changed=changed)
        .filter(is_later)
        .select("table", "key", KNOWN, "changed")
    )


def _shown(rows: pl.DataFrame) -> pl.DataFrame:
    """Give the first rows of what is accused, without columns that help nobody."""
    return rows.head(SHOWN_ROWS).drop(_HIDDEN, strict=False)


def _heat(count: int, of: int) -> str:
    """Name the step of a heat map."""
    if not of:
        return "off"
    if not count:
        return "none"
    return "full" if count >= of else "most" if count >= of * 0.8 else "part"


@cache
def _template(name: str) -> Any:  # noqa: ANN401 - jinja2 has no types of its own here
    environment = Environment(
        loader=PackageLoader("orion_assets.quality", "templates"),
        autoescape=name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell
    environment.filters["markdown"] = markdown
    return environment.get_template(name)


def cell(value: object) -> str:
    """Write one value for people."""
    match value:
        case None:
            return "\u2013"
        case float():
            return f"{value:,.6g}"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%SZ")
        case _:
            return str(value)


def markdown(text: str) -> str:
    """Write text of strangers, as headlines and file names are, so that Markdown makes nothing of it."""
    return re.sub(r"([\\`*_\[\]<>|!#&])", r"\\\1", " ".join(text.split()))


def groups(rows: pl.DataFrame, by: str) -> Mapping[str, list[dict[str, Any]]]:
    """Give the rows of a heat map, one list of months for each of `by`, in order."""
    return {str(key[0]): frame.to_dicts() for key, frame in rows.partition_by(by, as_dict=True).items()}
