"""How a vendor of one's own behaves, from TOML: what goes wrong, and what nobody knows of the real one."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar, cast, get_args

from pydantic import TypeAdapter, ValidationError

from orion_assets.sources.synthetic.vendor.faults import FaultPlan, refuse_unknown, rule_of
from orion_assets.sources.synthetic.vendor.others import Kind
from orion_assets.sources.synthetic.vendor.routes import ROUTES
from orion_assets.sources.synthetic.vendor.terms import Plan, Terms

T = TypeVar("T", Plan, Terms)
_TABLES: Final = ("seed", "terms", "fault")
# Routes whose lists may end where those of bars do
_DATED: Final = ("news", "splits", "dividends")


@dataclass(frozen=True)
class PlanFile:
    """What a file tells of a vendor.

    Attributes:
        file: Its path.
        faults: What goes wrong.
        terms: Terms other than the usual ones, by the names of `Terms`; under `plan` by those of `Plan`.
    """

    file: Path
    faults: FaultPlan
    terms: Mapping[str, Any]

    def on(self, terms: Terms) -> Terms:
        """Give terms with those of the file in place of their own.

        Raises:
            ValueError: A name means nothing, or a value cannot be read.
        """
        own = dict(self.terms)
        of_plan = own.pop("plan", {})
        try:
            plan = _with(terms.plan, of_plan, "terms.plan")
            made = _with(terms, {**own, "plan": plan}, "terms")
            _refuse_senseless(made)
        except ValueError as e:
            raise ValueError(f"vendor plan {self.file}: {e}") from e
        return made


def load_plan(file: Path) -> PlanFile:
    """Read a plan from TOML: `seed`, `[terms]`, and a `[[fault]]` a rule with `name`, its conditions and parameters.

    Raises:
        ValueError: The file is no TOML, or names something that does not exist.
    """
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise ValueError(f"vendor plan {file}: {e}; mend the file") from e
    unknown = set(told).difference(_TABLES)
    if unknown:
        raise ValueError(
            f"vendor plan {file}: {', '.join(sorted(unknown))} means nothing; it holds seed, [terms] and [[fault]]"
        )
    rows: Sequence[Mapping[str, Any]] = told.get("fault", [])
    kinds = {"seed": (told.get("seed", 0), int), "terms": (told.get("terms", {}), dict), "fault": (rows, list)}
    wrong = [f"{name} is {value!r}" for name, (value, kind) in kinds.items() if type(value) is not kind]
    if wrong:
        raise ValueError(
            f"vendor plan {file}: {', '.join(wrong)}; seed is a whole number, [terms] a table, [[fault]] one a rule"
        )
    try:
        rules = [rule_of({("fault" if name == "name" else name): row[name] for name in row}) for row in rows]
        made = PlanFile(file, FaultPlan(rules, told.get("seed", 0)), told.get("terms", {}))
    except ValueError as e:
        raise ValueError(f"vendor plan {file}: {e}") from e
    # What cannot be read is refused here, whatever terms it is meant for
    made.on(Terms())
    return made


def _refuse_senseless(terms: Terms) -> None:
    """Refuse what would do nothing, or what no vendor does.

    Raises:
        ValueError: A route or market does not exist, or a number is too small.
    """
    plan = terms.plan
    for name in sorted(plan.excluded):
        refuse_unknown("route or market in [terms.plan] excluded", name, [*ROUTES, *get_args(Kind)])
    for name in sorted(plan.limited):
        refuse_unknown("route in [terms.plan] limited", name, _DATED)
    numbers = {
        "page": (terms.page, 1),
        "window_s": (terms.window_s, 0.001),
        "plan.calls": (plan.calls, 1),
        "plan.history_days": (plan.history_days, 0),
    }
    lengths = {"final_after": terms.final_after, "end_of_day": terms.end_of_day, "plan.delay": plan.delay}
    low = [(name, value, least) for name, (value, least) in numbers.items() if value is not None and value < least]
    low_lengths = [(name, value, timedelta()) for name, value in lengths.items() if value < timedelta()]
    for name, value, least in [*low, *low_lengths]:
        raise ValueError(f"[terms] {name} = {value}: it is {least} at least")


def _with(usual: T, told: object, table: str) -> T:
    """Give terms with some other values.

    Raises:
        ValueError: A name means nothing, or a value cannot be read.
    """
    if not isinstance(told, Mapping):
        raise ValueError(f"[{table}] is {told!r}, and is to be a table of names and values")  # noqa: TRY004 - a file's
    known = {field.name: getattr(usual, field.name) for field in fields(usual)}
    values = cast("Mapping[str, object]", told)
    for name, value in values.items():
        refuse_unknown(f"name in [{table}]", name, list(known))
        if isinstance(value, bool) and not isinstance(known[name], bool):
            raise ValueError(f"[{table}] {name} = {value!r}: it is neither true nor false")  # noqa: TRY004 - a file's
    try:
        return TypeAdapter(type(usual)).validate_python(known | dict(values))
    except ValidationError as e:
        first = e.errors()[0]
        subject = ".".join(str(part) for part in first["loc"][:1])
        raise ValueError(f"[{table}] {subject} = {first['input']!r}: {first['msg']}") from e
