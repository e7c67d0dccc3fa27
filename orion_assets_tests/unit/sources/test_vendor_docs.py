"""The page on the fake vendor says what there is."""

from dataclasses import fields
from datetime import timedelta
from inspect import Parameter
from pathlib import Path

import pytest

from orion_assets.sources.synthetic.vendor.faults import FAULTS, Rule
from orion_assets.sources.synthetic.vendor.hit import Fault
from orion_assets.sources.synthetic.vendor.plan_file import load_plan
from orion_assets.sources.synthetic.vendor.routes import ROUTES
from orion_assets.sources.synthetic.vendor.terms import PLANS, Plan, Terms

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "fake-vendor.md").read_text()


def row(fault: Fault) -> str:
    told = [
        f"`{name}`" if default is Parameter.empty else f"`{name}` ({default!r})"
        for name, default in fault.parameters.items()
    ]
    return f"| `{fault.name}` | {fault.what} | {', '.join(told)} |"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.name)
def test_a_fault_stands_on_the_page_with_its_parameters(fault):
    assert row(fault) in PAGE.splitlines()


def test_routes_plans_and_conditions_stand_on_the_page():
    conditions = [field.name for field in fields(Rule) if field.name not in ("fault", "parameters")]

    assert [name for name in (*ROUTES, *PLANS, *conditions) if f"`{name}" not in PAGE] == []


def test_the_plan_of_the_page_can_be_read(tmp_path):
    text = PAGE.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "plan.toml").write_text(text)

    assert load_plan(tmp_path / "plan.toml").faults.seed == 7


def test_the_terms_of_the_page_can_be_read(tmp_path):
    text = PAGE.partition("## Terms")[2].partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "plan.toml").write_text(text)

    told = load_plan(tmp_path / "plan.toml").on(Terms())

    assert (told.end_of_day, told.plan.delay, told.plan.clips) == (timedelta(hours=4), timedelta(minutes=15), True)
    names = {field.name for each in (Terms, Plan) for field in fields(each)} - {"plan", "name"}
    assert [name for name in sorted(names) if name not in text] == ["calls", "keys", "mode", "seed"]
