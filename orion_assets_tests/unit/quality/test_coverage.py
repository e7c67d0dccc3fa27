from datetime import date, timedelta

import polars as pl
import pytest

from orion_assets.quality.coverage import bars_without_features, behind, passed_over, unborne
from orion_assets.schemas import (
    CLEAN_DAILY_BARS,
    CORPORATE_ACTIONS,
    FEATURE_MATRIX,
    RAW_COVERAGE,
    RAW_DIVIDENDS,
    RAW_SPLITS,
    SECURITIES,
)
from orion_assets_tests.unit.transforms.rows import HOUR, MON, TUE, answered, bar, close_cutoff, dividend, rows, told

FOLLOWED = ("AAA", "BBB")


def matrix(*given: tuple) -> pl.DataFrame:
    names = ("ticker", "session", "cutoff", "is_deleted")
    return rows(FEATURE_MATRIX, *(dict(zip(names, row, strict=True)) for row in given))


def missing(bars: list[dict], *features: tuple) -> list[tuple]:
    return told(bars_without_features(rows(CLEAN_DAILY_BARS, *bars), matrix(*features)), "ticker", "session", "close")


def test_a_bar_has_features_when_its_close_has_a_row():
    assert missing([bar(MON, 10.0)], ("AAA", MON, "close", False)) == []


@pytest.mark.parametrize(
    "features",
    [(), (("AAA", MON, "open", False),), (("AAA", MON, "close", True),), (("BBB", MON, "close", False),)],
    ids=["none", "those of the open", "withdrawn", "another ticker's"],
)
def test_a_bar_without_a_row_at_its_close_is_named(features):
    assert missing([bar(MON, 10.0)], *features) == [("AAA", MON, 10.0)]


def test_a_withdrawn_bar_needs_no_features():
    assert missing([bar(MON, 10.0), bar(MON, 10.0, close_cutoff(MON) + HOUR, is_deleted=True)]) == []


def asked(*cells: tuple[str, date]) -> pl.DataFrame:
    return pl.concat(
        [
            RAW_COVERAGE.empty(),
            *(answered("raw_daily_bars", (day, "close")).with_columns(ticker=pl.lit(name)) for name, day in cells),
        ]
    )


def lag(bars: list[dict], coverage: pl.DataFrame, *securities: dict, followed=FOLLOWED) -> list[tuple]:
    found = behind(rows(CLEAN_DAILY_BARS, *bars), coverage, rows(SECURITIES, *securities), followed)
    return told(found, "ticker", "session", "last_bar")


BOTH_ASKED = asked(("AAA", MON), ("BBB", MON), ("AAA", TUE), ("BBB", TUE))
UP_TO_DATE = [bar(day, 10.0) for day in (MON, TUE)]


def test_a_ticker_whose_bars_ended_before_the_last_answered_session_is_behind():
    assert lag([*UP_TO_DATE, bar(MON, 5.0, ticker="BBB")], BOTH_ASKED) == [("BBB", TUE, MON)]


def test_a_ticker_without_any_bar_is_behind():
    assert lag(UP_TO_DATE, BOTH_ASKED) == [("BBB", TUE, None)]


def test_a_bar_that_was_withdrawn_is_none():
    gone = bar(TUE, 10.0, close_cutoff(TUE) + HOUR, is_deleted=True)

    assert lag([*UP_TO_DATE, gone], asked(("AAA", TUE))) == [("AAA", TUE, MON)]


def test_who_was_answered_before_and_not_in_the_last_session_is_behind():
    assert lag([*UP_TO_DATE, bar(MON, 5.0, ticker="BBB")], asked(("AAA", TUE), ("BBB", MON))) == [("BBB", TUE, MON)]


def test_who_was_never_asked_for_or_is_no_longer_followed_is_not_behind():
    assert lag(UP_TO_DATE, asked(("AAA", TUE))) == []
    assert lag(UP_TO_DATE, BOTH_ASKED, followed=("AAA",)) == []


def test_a_session_without_an_answer_puts_nobody_behind():
    assert lag(UP_TO_DATE[:1], asked(("AAA", MON))) == []
    assert lag([], RAW_COVERAGE.empty()) == []
    assert lag([], answered("raw_daily_bars", (TUE, "close"))) == []
    assert lag([], answered("raw_vix", (TUE, "close"))) == []


def interval(begins: date, ends: date | None, security_id: str = "F1") -> dict:
    return {"security_id": security_id, "ticker": "BBB", "valid_from": begins, "valid_to": ends}


@pytest.mark.parametrize(
    ("securities", "is_missed"),
    [
        ([interval(MON, None)], True),
        ([interval(MON, TUE)], False),
        ([interval(date(2014, 6, 4), None)], False),
        ([interval(date(2000, 1, 3), MON), interval(MON, None, "F2")], True),
    ],
    ids=["listed", "delisted", "not listed yet", "listed anew"],
)
def test_who_is_not_listed_is_not_missed(securities, is_missed):
    assert bool(lag(UP_TO_DATE, BOTH_ASKED, *securities)) is is_missed


def raw(table, *given: dict) -> pl.DataFrame:
    return rows(table, *({name: value for name, value in row.items() if name in table.names} for row in given))


def over(*dividends: dict) -> list[tuple]:
    found = passed_over(RAW_SPLITS.empty(), raw(RAW_DIVIDENDS, *dividends), SECURITIES.empty())
    return told(found, "ticker", "ex_date", "event_id", "found")


def test_a_special_dividend_beside_the_regular_one_is_no_silent_loss():
    regular = dividend(TUE, 0.5, event_id="b")
    special, untyped = (dividend(TUE, 2.0, event_id="a", dividend_type=each) for each in ("special", None))

    assert over(regular, special) == []
    assert over(regular, untyped) == [("AAA", TUE, "a", "2.0")]


@pytest.mark.parametrize(
    "others",
    [
        (),
        (dividend(TUE, 0.5, event_id="a"),),
        (dividend(MON, 2.0, event_id="a"),),
        (dividend(TUE, 2.0, ticker="BBB", event_id="a"),),
        (dividend(TUE, 2.0, event_id="a"), dividend(TUE, 2.0, close_cutoff(TUE), event_id="a", is_deleted=True)),
    ],
    ids=["alone", "said twice", "another day", "another ticker", "withdrawn"],
)
def test_an_event_that_no_other_contradicts_is_not_told(others):
    assert over(dividend(TUE, 0.5, event_id="b"), *others) == []


def test_an_action_that_no_security_bore_is_told_of_whom_the_reference_should_name():
    listed = rows(SECURITIES, {"security_id": "F1", "ticker": "BBB", "valid_from": TUE})
    events = [("F1", "BBB"), ("unknown:BBB", "BBB"), ("unknown:CCC", "CCC")]
    known = rows(CORPORATE_ACTIONS, *({"security_id": of, "ticker": it, "ex_date": MON} for of, it in events))

    def found(source: str, securities=listed) -> list[str]:
        raw = [rows(RAW_SPLITS, *({"ticker": it, "source": source} for it in ("BBB", "CCC"))), RAW_DIVIDENDS.empty()]
        return sorted(unborne(known, raw, securities)["ticker"])

    # A vendor was not asked who CCC is; one without a reference says it of nobody
    assert found("polygon") == ["BBB"]
    assert found("alpaca", SECURITIES.empty()) == []
    # They say who everybody is: a ticker that they do not name is mistyped
    assert found("files") == ["BBB", "CCC"]
    assert found("synthetic", SECURITIES.empty()) == ["BBB", "CCC"]


def test_files_before_a_vendor_still_say_whose_their_actions_are():
    known = rows(CORPORATE_ACTIONS, *({"security_id": f"unknown:{it}", "ticker": it, "ex_date": MON} for it in "AB"))
    raw = [
        rows(RAW_SPLITS, {"ticker": "A", "source": "files"}),
        rows(RAW_DIVIDENDS, {"ticker": "B", "source": "polygon"}),
    ]

    assert unborne(known, raw, SECURITIES.empty())["ticker"].to_list() == ["A"]
    assert unborne(CORPORATE_ACTIONS.empty(), raw, SECURITIES.empty()).is_empty()
    # Raw of no session of the page is no word of anybody who says all
    assert unborne(known, [RAW_SPLITS.empty(), RAW_DIVIDENDS.empty()], SECURITIES.empty()).is_empty()


FORTNIGHT = MON + timedelta(days=14)


def again(*splits: tuple) -> list[tuple]:
    """Judge splits given as event id, ex-date, shares after and whatever else; all are for one share."""
    event = {"ticker": "AAA", "shares_before": 1}
    rows_of = (event | {"event_id": e, "ex_date": d, "shares_after": n, **more} for e, d, n, more in splits)
    found = passed_over(rows(RAW_SPLITS, *rows_of), RAW_DIVIDENDS.empty(), SECURITIES.empty())
    return told(found, "ticker", "ex_date", "event_id", "found", "remedy")


def test_a_split_that_is_told_again_for_another_date_is_named_with_both_dates_and_the_one_that_was_taken():
    [(ticker, ex_date, event, found, remedy)] = again(("a", MON, 10, {}), ("b", FORTNIGHT, 10, {}))

    assert (ticker, ex_date, event) == ("AAA", MON, "a")
    assert found == "10 for 1, told again for 2014-06-16, which is taken"
    assert (
        remedy
        == "withdraw the one whose date is wrong, a or b; if both took place, say them as one event: their product"
    )


def test_of_two_tellings_the_one_known_first_is_named_whatever_its_date():
    late = {"ts_known": close_cutoff(FORTNIGHT) + HOUR}

    assert [row[1:3] for row in again(("a", MON, 10, late), ("b", TUE, 10, {}))] == [(TUE, "b")]


def test_of_a_chain_of_dates_all_but_the_last_are_named():
    named = again(("a", MON, 10, {}), ("b", FORTNIGHT, 10, {}), ("c", FORTNIGHT + timedelta(days=14), 10, {}))

    assert [(event, found) for _, _, event, found, _ in named] == [
        ("a", "10 for 1, told again for 2014-06-16, which is told again too"),
        ("b", "10 for 1, told again for 2014-06-30, which is taken"),
    ]


@pytest.mark.parametrize(
    "other",
    [
        ("b", TUE, 5, {}),
        ("b", FORTNIGHT + timedelta(days=1), 10, {}),
        ("b", TUE, 10, {"ticker": "BBB"}),
        ("b", TUE, 10, {"is_deleted": True}),
        ("b", TUE, 10, {"problem": "no date"}),
    ],
    ids=["another ratio", "15 days apart", "another ticker", "withdrawn", "unreadable"],
)
def test_a_split_beside_what_is_not_the_same_one_is_not_named(other):
    assert again(("a", MON, 10, {}), other) == []


def test_splits_without_a_ratio_are_not_told_twice():
    assert again(("a", MON, 0, {}), ("b", TUE, 0, {})) == []
