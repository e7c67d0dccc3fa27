"""Row rules as asset checks: specs from the rules, results from the rows a run made."""

from collections.abc import Iterator, Sequence

import dagster as dg
import polars as pl

from orion_assets.defs.metadata import table_of
from orion_assets.quality.rules import Finder
from orion_assets.transforms.bars import Rule

_SEVERITY = {"warn": dg.AssetCheckSeverity.WARN, "error": dg.AssetCheckSeverity.ERROR}


def specs(asset: str, finders: Sequence[Finder], rules: Sequence[Rule] = ()) -> list[dg.AssetCheckSpec]:
    """Declare one check a rule; an `error` blocks what is downstream."""
    found = [
        dg.AssetCheckSpec(f.name, asset=asset, description=f.description, blocking=f.severity == "error")
        for f in finders
    ]
    held = [
        dg.AssetCheckSpec(f"quarantine_{rule.name}", asset=asset, description=f"No row held back: {rule.remedy}")
        for rule in rules
    ]
    return [*found, *held]


def found(finders: Sequence[Finder], rows: pl.DataFrame) -> Iterator[dg.AssetCheckResult]:
    """Give the result of each finder over the rows."""
    for finder in finders:
        yield result(finder.name, finder.accused(rows), _SEVERITY[finder.severity])


def held(rules: Sequence[Rule], quarantine: pl.DataFrame) -> Iterator[dg.AssetCheckResult]:
    """Give the result of each quarantine rule."""
    for rule in rules:
        yield result(f"quarantine_{rule.name}", quarantine.filter(pl.col("rule") == rule.name))


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
