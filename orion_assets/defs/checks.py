"""Row rules as asset checks: specs from the rules, results from the rows a run made."""

from collections.abc import Sequence

import dagster as dg
import polars as pl

from orion_assets.defs.metadata import table_of
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
    name: str, accused: pl.DataFrame, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN
) -> dg.AssetCheckResult:
    """Give one result with the rows it accuses."""
    return dg.AssetCheckResult(
        passed=accused.is_empty(),
        check_name=name,
        severity=severity,
        metadata={"rows": accused.height} | ({"accused": table_of(accused)} if accused.height else {}),
    )
