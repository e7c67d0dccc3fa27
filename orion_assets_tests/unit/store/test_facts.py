import json
from datetime import date

import polars as pl
import pytest

from orion_assets.schemas import RAW_COVERAGE
from orion_assets.store.facts import asked_facts, asked_sessions, months_around
from orion_assets_tests.unit.transforms.rows import FRI, MON, NEXT_MON, THU, TUE, answered, both

DIVIDENDS, NEWS = "raw_dividends", "raw_news"


def sessions(facts: dict[str, str], dataset: str = DIVIDENDS) -> list[date]:
    return asked_sessions(facts, dataset)["session"].to_list()


def test_a_month_names_the_spans_of_each_dataset():
    covered = pl.concat([answered(DIVIDENDS, *both(MON, TUE, THU, FRI, NEXT_MON)), answered(NEWS, *both(TUE))])

    facts = asked_facts(covered)

    assert {name: json.loads(text) for name, text in facts.items()} == {
        "asked 2014-06": {
            DIVIDENDS: [["2014-06-02", "2014-06-03"], ["2014-06-05", "2014-06-09"]],
            NEWS: [["2014-06-03", "2014-06-03"]],
        }
    }
    assert sessions(facts) == [MON, TUE, THU, FRI, NEXT_MON]
    assert sessions(facts, NEWS) == [TUE]


def test_the_facts_of_months_add_up_to_those_of_all_of_them():
    may, june = answered(DIVIDENDS, *both(date(2014, 5, 30))), answered(DIVIDENDS, *both(MON))

    assert asked_facts(pl.concat([june, may])) == asked_facts(may) | asked_facts(june)
    assert sessions(asked_facts(pl.concat([june, may]))) == [date(2014, 5, 30), MON]


def test_an_answer_with_no_rows_is_an_answer_and_a_failure_is_none():
    assert sessions(asked_facts(answered(DIVIDENDS, *both(MON), state="empty_confirmed"))) == [MON]
    assert asked_facts(answered(DIVIDENDS, *both(MON), state="failed")) == {}


def test_a_session_under_way_and_a_ticker_alone_do_not_count():
    of_a_ticker = answered("raw_daily_bars", (MON, "close")).with_columns(ticker=pl.lit("AAA"))

    assert asked_facts(pl.concat([answered(DIVIDENDS, (MON, "open")), of_a_ticker])) == {}


def test_nothing_asked_and_other_facts_say_no_session():
    assert asked_facts(RAW_COVERAGE.empty()) == {}
    assert sessions({"code": "1", "asked 2014-06": "{}"}) == []


@pytest.mark.parametrize(
    ("span", "months"),
    [
        ((MON, TUE), (date(2014, 6, 1), date(2014, 7, 1))),
        ((date(2014, 6, 30), date(2014, 7, 1)), (date(2014, 6, 1), date(2014, 7, 1))),
        ((date(2014, 6, 30), date(2014, 7, 2)), (date(2014, 6, 1), date(2014, 8, 1))),
        ((date(2013, 12, 31), date(2014, 1, 1)), (date(2013, 12, 1), date(2014, 1, 1))),
    ],
)
def test_months_around(span, months):
    assert months_around(*span) == months
