"""What a limit of calls leaves: how many each range of an update may make, and how the command ends."""

from datetime import date

import polars as pl
import pytest

from orion_assets.cli.launch import RAW, Launch
from orion_assets.cli.limits import Limits
from orion_assets.cli.output import Exit
from orion_assets.cli.ranges import Due
from orion_assets.cli.update import _Todo
from orion_assets.ingest import reference_calls
from orion_assets.schemas import DERIVED

DUES = [
    Due(date(2024, 1, 2), date(2024, 1, 3), ("raw_vix",)),
    Due(date(2024, 2, 1), date(2024, 2, 5), ("raw_daily_bars", "raw_vix")),
]
REFERENCE = reference_calls.Due(listed=("AAA", "BBB"), ended=("AAA",))


class Work:
    """A plan of so many calls of each raw table."""

    def __init__(self, *, left: int = 0, following: int = 0, left_out: int = 0, **calls: int) -> None:
        self.calls_left, self.next_calls, self._calls = left, following, calls
        self.left_out = pl.DataFrame({"ticker": [f"T{number}" for number in range(left_out)]})

    @property
    def calls(self) -> int:
        return sum(self._calls.values())

    def calls_of(self, dataset: str) -> int:
        return self._calls.get(dataset, 0)


def todo(*works: Work) -> _Todo:
    return _Todo(None, ["AAA"], DUES, None, lambda: REFERENCE, REFERENCE, works)


def test_without_a_limit_each_range_asks_for_its_datasets_and_derives():
    first, second = todo(Work(raw_vix=1), Work(raw_vix=2)).launches(Launch("daily"), None)

    assert (first.start, first.end, first.assets) == (date(2024, 1, 2), date(2024, 1, 3), ("raw_vix", *DERIVED))
    assert second.assets == ("raw_daily_bars", "raw_vix", *DERIVED)
    assert not first.max_calls


def test_within_a_limit_the_first_range_makes_the_calls_of_the_reference_and_each_those_of_its_plan():
    whole = todo(Work(raw_vix=1), Work(raw_vix=2, raw_daily_bars=4))

    first, second = whole.launches(Launch("daily"), 9)
    (few, _) = whole.launches(Launch("daily"), 2)

    none = dict.fromkeys(RAW, 0)
    assert whole.calls == 3 + 7
    assert first.max_calls == {**none, "raw_tickers": 3, "raw_vix": 1}
    assert second.max_calls == {**none, "raw_tickers": 0, "raw_vix": 2, "raw_daily_bars": 4}
    assert few.max_calls["raw_tickers"] == 2


def test_a_source_that_costs_nothing_has_no_limit():
    assert not any(each.max_calls for each in todo().launches(Launch("daily"), 0))


@pytest.mark.parametrize(
    ("limits", "reference", "plans", "said"),
    [
        (Limits(5), REFERENCE, [Work(left=7)], "--max-calls 5: calls remain, 3 of the reference and 7 of the plan"),
        (Limits(5), reference_calls.Due(), [Work(left=7, following=12)], "the next one needs 12: allow at least 12"),
        (Limits(5), reference_calls.Due(), [Work(left=7, following=2)], "7 of the plan; call it again"),
        (Limits(None, 4), reference_calls.Due(), [Work(left_out=3)], "--max-tickers 4: 3 tickers with cells to fill"),
    ],
)
def test_what_a_limit_leaves_is_told_with_the_code_of_a_spent_budget(limits, reference, plans, said, capsys):
    with pytest.raises(SystemExit) as left:
        limits.demand_done(reference, plans)

    assert left.value.code == Exit.BUDGET
    assert said in capsys.readouterr().err


def test_nothing_is_said_where_nothing_is_left_or_nothing_was_limited():
    Limits(5, 5).demand_done(reference_calls.Due(), [Work()])
    Limits().demand_done(REFERENCE, [Work(left=7)])
