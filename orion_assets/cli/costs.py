"""What a plan costs by route, with the reference that comes first: a table for people, plain values for programs."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from orion_assets.cli.output import OUT, frame
from orion_assets.ingest.plan import Plan, costs_as_json, duration, size, total
from orion_assets.ingest.reference_calls import Due
from orion_assets.sources.registry import REFERENCE_BUDGET
from orion_assets.sources.routes import Budget, Route


def show_costs(reference: Due, work: Plan, routes: Sequence[Route]) -> None:
    """Print a row a route, what is asked first before the rest, and one of all together."""
    costs, budgets = _all(reference, work, routes)
    if costs.is_empty():
        return
    rows = pl.concat([costs, total(costs, budgets)]).with_columns(pl.col("route").fill_null("all"))
    shown = rows.select(
        "route",
        "calls",
        **{
            "to fetch": _right("to fetch", [size(each) for each in rows["bytes"]]),
            "on disk": _right("on disk", [size(each) for each in rows["disk_bytes"]]),
            "time": _right("time", [duration(each) for each in rows["seconds"]]),
            "with spare": _right("with spare", [duration(each) for each in rows["safe_seconds"]]),
        },
    )
    frame(shown, as_json=False, title="Estimated cost by route")
    OUT.print("Time: calls at the rate of their budget, or bytes at its assumed speed; budgets run side by side.")
    OUT.print("Bytes: rows to expect x bytes a row, as docs/explanation/planning.md states.\n")


def costs_json(reference: Due, work: Plan, routes: Sequence[Route]) -> dict[str, Any]:
    """Give what the reference costs by route, and what all together costs."""
    costs, budgets = _all(reference, work, routes)
    first = costs.head(costs.height - work.costs.height)
    of_all = costs_as_json(total(costs, budgets).with_columns(route=pl.lit("all")).drop("budget"))["all"]
    return {"reference": reference.as_json() | {"routes": costs_as_json(first)}, "total": of_all}


def _all(reference: Due, work: Plan, routes: Sequence[Route]) -> tuple[pl.DataFrame, list[Budget]]:
    budgets = {route.budget.name: route.budget for route in routes}
    budget = budgets.get(REFERENCE_BUDGET)
    first = [reference.costs(budget)] if budget else []
    return pl.concat([*first, work.costs]), [*budgets.values()]


def _right(name: str, texts: Sequence[str]) -> pl.Series:
    return pl.Series(name, [text.rjust(max(len(name), *map(len, texts))) for text in texts], dtype=pl.String)
