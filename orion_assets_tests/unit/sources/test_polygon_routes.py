from dataclasses import replace
from datetime import date, timedelta

import pytest

from orion_assets import calendars
from orion_assets.markets import CRYPTO, FX, INDICES, MARKETS, OPTIONS
from orion_assets.sources.alpaca.routes import alpaca_routes
from orion_assets.sources.limiter import Rate
from orion_assets.sources.polygon.market_routes import datasets, file_routes, market_routes
from orion_assets.sources.polygon.routes import RIGHTS, polygon_routes
from orion_assets.sources.routes import Budget, Rights, Route

TODAY = date(2026, 11, 20)
YESTERDAY = TODAY - timedelta(days=1)
BARS, MINUTES = "raw_daily_bars", "raw_minute_bars"


def of(name, rights="free", **more):
    (found,) = [route for route in polygon_routes(RIGHTS[rights], TODAY, **more) if route.name == name]
    return found


@pytest.mark.parametrize(
    ("rights", "floor"),
    [
        ("free", date(2024, 11, 20)),
        ("starter", date(2021, 11, 20)),
        ("developer", date(2016, 11, 20)),
        ("advanced", date(2003, 9, 10)),
    ],
)
def test_a_subscription_reaches_back_its_years_and_not_a_day_more(rights, floor):
    for route in polygon_routes(RIGHTS[rights], TODAY):
        # What a session tells of news and actions begins on the evening before it, or on a weekend
        begins_before = rights != "advanced" and route.dataset in {"raw_news", "raw_splits", "raw_dividends"}
        first = calendars.session_at_or_after(floor)
        assert route.refusal(floor) == ("not_entitled" if begins_before else None)
        assert route.refusal(first) == ("not_entitled" if begins_before else None)
        assert route.refusal(calendars.session_at_or_after(first + timedelta(days=1))) is None
        assert route.refusal(floor - timedelta(days=1)) == ("no_route" if rights == "advanced" else "not_entitled")


def test_the_floor_of_a_leap_day_is_not_a_day_early():
    assert RIGHTS["free"].floor(date(2028, 2, 29)) == date(2026, 3, 1)


def test_a_right_that_ends_refuses_from_its_end_on():
    ended = replace(of("grouped"), ceiling=date(2026, 11, 2))

    assert ended.refusal(date(2026, 10, 30)) is None
    assert ended.refusal(date(2026, 11, 2)) == "not_entitled"


def test_years_beyond_the_first_session_do_not_expire():
    rights = Rights(Rate(5), years=40, has_flat_files=False, has_today=False)

    grouped = polygon_routes(rights, TODAY)[0]

    assert (grouped.floor, grouped.is_rolling) == (date(2003, 9, 10), False)


def test_only_a_paid_key_may_ask_for_bars_of_today():
    for name in ("grouped", "ticker_range"):
        assert of(name).refusal(TODAY) == "not_yet"
        assert of(name, "starter").refusal(TODAY) is None
        assert of(name, "starter").refusal(TODAY + timedelta(days=1)) == "not_yet"


def test_minutes_of_today_are_not_asked_for_while_its_evening_is_traded():
    for rights in ("free", "starter"):
        assert of("minute_window", rights).refusal(TODAY) == "not_yet"
        assert of("minute_window", rights).refusal(YESTERDAY) is None


@pytest.mark.parametrize("market", [INDICES, OPTIONS])
def test_nor_are_those_of_indices_and_options(market):
    found = {route.dataset: route for route in market_routes(RIGHTS["advanced"], TODAY, [market])}
    daily, minute = (found[name] for name in datasets(market))

    assert (daily.refusal(TODAY), minute.refusal(TODAY), minute.refusal(YESTERDAY)) == (None, "not_yet", None)


@pytest.mark.parametrize("market", [CRYPTO, FX])
def test_days_that_end_before_new_yorks_do_are_asked_for_on_their_evening(market):
    assert {route.refusal(TODAY) for route in market_routes(RIGHTS["free"], TODAY, [market])} == {None}


def test_calls_of_all_markets_go_side_by_side_as_the_key_allows():
    rights = replace(RIGHTS["advanced"], in_flight=8)

    budgets = {route.budget for route in market_routes(rights, TODAY, list(MARKETS.values()))}

    assert budgets == {Budget("polygon", rights.rate, in_flight=8)}


def test_news_and_actions_of_today_are_there_for_everybody():
    assert [of(name).refusal(TODAY) for name in ("news", "splits", "dividends")] == [None, None, None]


def test_files_are_for_paid_keys_and_never_of_today():
    assert "polygon_files" not in {route.budget.name for route in polygon_routes(RIGHTS["free"], TODAY)}
    assert of("minute_file", "starter").refusal(TODAY) == "not_yet"
    assert of("minute_file", "starter").refusal(YESTERDAY) is None


def test_a_file_is_there_when_it_is_listed():
    listed = {MINUTES: frozenset([date(2026, 11, 18)])}

    assert of("minute_file", "starter", listed=listed).refusal(YESTERDAY) == "not_yet"
    assert of("minute_file", "starter", listed=listed).refusal(date(2026, 11, 18)) is None
    # What was not listed at all is taken to be there
    assert of("day_file", "starter", listed=listed).refusal(YESTERDAY) is None


def test_files_of_other_markets_are_for_paid_keys_and_for_those_markets_that_have_some():
    every = list(MARKETS.values())
    found = {route.dataset: route for route in file_routes(RIGHTS["starter"], TODAY, every)}

    assert list(file_routes(RIGHTS["free"], TODAY, every)) == []
    assert {name: route.name for name, route in found.items()} == {
        "raw_daily_bars_crypto": "day_file",
        "raw_minute_bars_crypto": "minute_file",
        "raw_daily_bars_fx": "minute_file",
        "raw_minute_bars_fx": "minute_file",
        "raw_daily_bars_indices": "day_file",
        "raw_minute_bars_indices": "minute_file",
    }
    assert {route.refusal(TODAY) for route in found.values()} == {"not_yet"}
    assert {route.refusal(YESTERDAY) for route in found.values()} == {None}
    assert {route.rank for route in found.values()} == {0}


def test_the_free_key_has_five_calls_a_minute():
    assert of("grouped").budget == Budget("polygon", Rate(5))


def test_a_half_day_is_three_hours_shorter_whatever_the_hours():
    # 13:00 instead of 16:00; trading after it ends at 17:00 instead of 20:00
    assert of("minute_window").rows_per_half_day == 780
    assert of("minute_window", minutes=390).rows_per_half_day == 210


def test_alpaca_has_no_bars_of_today_on_a_free_key():
    assert {route.refusal(TODAY) for route in alpaca_routes(TODAY)} == {"not_yet"}
    assert {route.refusal(YESTERDAY) for route in alpaca_routes(TODAY)} == {None}


@pytest.mark.parametrize(
    "wrong",
    [
        {"page": 0},
        {"window": None},
        {"rows_per_session": 0},
        {"weight": 0},
        {"window": 2, "listed": frozenset([TODAY])},
    ],
)
def test_a_route_that_cannot_be_planned_with_is_refused(wrong):
    right = {"name": "any", "dataset": BARS, "scope": "market", "budget": Budget("any", Rate(1)), "rows_per_session": 1}

    with pytest.raises(ValueError, match="route any"):
        Route(**{**right, "window": 1, **wrong})


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ValueError, match="budget any"):
        Budget("any", Rate(1), bytes_per_s=0.0)
