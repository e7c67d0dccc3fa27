"""How a vendor of one's own behaves, from TOML: what goes wrong, and what nobody knows of the real one."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from orion_assets.sources.synthetic.vendor.faults import FaultPlan, refuse_unknown, rule_of
from orion_assets.sources.synthetic.vendor.terms import Plan, Terms

T = TypeVar("T", Plan, Terms)
_TABLES: Final = ("seed", "terms", "fault")


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
            return _with(terms, {**own, "plan": plan}, "terms")
        except ValueError as e:
            raise ValueError(f"vendor plan {self.file}: {e}") from e


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
    try:
        rules = [rule_of({("fault" if name == "name" else name): row[name] for name in row}) for row in rows]
        made = PlanFile(file, FaultPlan(rules, told.get("seed", 0)), told.get("terms", {}))
    except ValueError as e:
        raise ValueError(f"vendor plan {file}: {e}") from e
    # What cannot be read is refused here, whatever terms it is meant for
    made.on(Terms())
    return made


def _with(usual: T, told: object, table: str) -> T:
    """Give terms with some other values.

    Raises:
        ValueError: A name means nothing, or a value cannot be read.
    """
    if not isinstance(told, Mapping):
        raise ValueError(f"[{table}] is {told!r}, and is to be a table of names and values")  # noqa: TRY004 - a file's
    known = {field.name: getattr(usual, field.name) for field in fields(usual)}
    values = cast("Mapping[str, object]", told)
    for name in values:
        refuse_unknown(f"name in [{table}]", name, list(known))
    try:
        return TypeAdapter(type(usual)).validate_python(known | dict(values))
    except ValidationError as e:
        first = e.errors()[0]
        subject = ".".join(str(part) for part in first["loc"][:1])
        raise ValueError(f"[{table}] {subject} = {first['input']!r}: {first['msg']}") from e
