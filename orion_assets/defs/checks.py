"""Row rules as asset checks: specs from the rules, results from the rows a run made."""

from collections.abc import Sequence

import dagster as dg
import polars as pl

from orion_assets.defs.metadata import SHOWN_ROWS, table_of
from orion_assets.quality.rules import Finder
from orion_assets.transforms.bars import Rule

QUARANTINED = "quarantine"
_SEVERITY = {"warn": dg.AssetCheckSeverity.WARN, "error": dg.AssetCheckSeverity.ERROR}


def specs(asset: str, finders: Sequence[Finder], rules: Sequence[Rule] = ()) -> list[dg.AssetCheckSpec]:
    """Declare one check a finder (an `error` blocks what is downstream) and one over all quarantine rules."""
    found = [
        dg.AssetCheckSpec(f.name, asset=asset, description=f.description, blocking=f.severity == "error")
        for f in finders
    ]
    names = ", ".join(rule.name for rule in rules)
    held = dg.AssetCheckSpec(QUARANTINED, asset=asset, description=f"No row was held back by a rule: {names}")
    return [*found, held] if rules else found


def found(finders: Sequence[Finder], rows: pl.DataFrame) -> list[dg.AssetCheckResult]:
    """Give the result of each finder over the rows."""
    return [result(finder.name, finder.accused(rows), _SEVERITY[finder.severity]) for finder in finders]


def result(
    name: str,
    accused: pl.DataFrame,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN,
    *,
    rows: int | None = None,
) -> dg.AssetCheckResult:
    """Give one result with the rows it accuses; `rows` counts them where `accused` holds only the first of them."""
    return dg.AssetCheckResult(
        passed=accused.is_empty(),
        check_name=name,
        severity=severity,
        metadata={"rows": accused.height if rows is None else rows}
        | ({"accused": table_of(accused)} if accused.height else {}),
    )


class Gathered:
    """Results of checks over pieces of a range: counts the rows accused and keeps the first of them to show."""

    def __init__(self, finders: Sequence[Finder]) -> None:
        self._finders = finders
        self._rows: dict[str, int] = {}
        self._first: dict[str, pl.DataFrame] = {}

    def add(self, rows: pl.DataFrame, held: pl.DataFrame) -> None:
        """Judge the rows of a piece; `held` are those that a rule held back."""
        for finder in self._finders:
            self._count(finder.name, finder.accused(rows))
        self._count(QUARANTINED, held)

    def results(self) -> list[dg.AssetCheckResult]:
        """Give the result of each finder, and that of the quarantine."""
        severities = {finder.name: _SEVERITY[finder.severity] for finder in self._finders}
        names = [*severities, QUARANTINED]
        warn = dg.AssetCheckSeverity.WARN
        return [
            result(
                name, self._first.get(name, pl.DataFrame()), severities.get(name, warn), rows=self._rows.get(name, 0)
            )
            for name in names
        ]

    def _count(self, name: str, accused: pl.DataFrame) -> None:
        self._rows[name] = self._rows.get(name, 0) + accused.height
        first = self._first.get(name, accused.clear())
        self._first[name] = pl.concat([first, accused.head(SHOWN_ROWS - first.height)])
