import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orion_assets.ingest.cover import cheapest_cover, windows
from orion_assets.ingest.planner import plan
from orion_assets_tests.unit.ingest.plan_cases import (
    BARS,
    FIRST,
    MINUTES,
    cheapest,
    day,
    days,
    grouped,
    holes,
    minute_window,
    ticker_range,
)

CASES = 1_000


def random_case(seed):
    """Up to 5 tickers and 6 sessions with holes at random, under routes and rights at random."""
    chance = random.Random(seed)
    places, count = chance.randint(1, 6), chance.randint(1, 5)
    density = chance.choice([0.1, 0.3, 0.6, 0.9, 1.0])
    names = ["AAA", "BBB", "CCC", "DDD", "EEE"][:count] + (["*"] if chance.random() < 0.15 else [])
    marks = {name: "".join("x" if chance.random() < density else "." for _ in range(places)) for name in names}

    def rights():
        reach = {"is_rolling": chance.random() < 0.5}
        if chance.random() < 0.4:
            reach["floor"] = day(chance.randint(-1, places))
        if chance.random() < 0.2:
            reach["ceiling"] = day(chance.randint(0, places))
        if chance.random() < 0.3:
            reach["not_yet_from"] = day(chance.randint(0, places))
        return reach

    shared = rights()
    listed = frozenset(day(place) for place in range(places) if chance.random() < 0.7)
    of_files = {"name": "file", "rank": 0, "weight": 100, "listed": listed, "least_tickers": chance.randint(1, 3)}
    kind = chance.choice(["shared", "apart", "windows", "file and windows", "file and both", "file"])
    routes = {
        "shared": lambda: [grouped(**shared), ticker_range(**shared)],
        "apart": lambda: [grouped(**rights()), ticker_range(**rights())],
        "windows": lambda: [minute_window(chance.randint(1, 4), dataset=BARS, **rights())],
        "file and windows": lambda: [
            grouped(**of_files, **rights()),
            minute_window(chance.randint(1, 4), dataset=BARS, **rights()),
        ],
        "file and both": lambda: [grouped(**of_files, **rights()), grouped(**rights()), ticker_range(**rights())],
        "file": lambda: [grouped(**of_files, **rights())],
    }[kind]()
    return holes(marks), routes, places


def cells_of(frame):
    return {(ticker, (session - FIRST).days) for ticker, session in frame.select("ticker", "session").iter_rows()}


def answered(made, cells):
    """The cells that the calls answer, read off the calls alone."""
    return {
        (ticker, place)
        for ticker, place in cells
        for call in made
        if call.start <= day(place) < call.end and (not call.tickers or ticker in call.tickers)
    }


@pytest.mark.slow
def test_a_thousand_random_plans_cost_what_the_best_of_all_covers_costs():
    kinds = set()
    for seed in range(CASES):
        frame, routes, places = random_case(seed)
        cost, unanswerable = cheapest(cells_of(frame), routes, places)

        made = plan(frame, routes, days(places))

        weights = {route.name: route.weight for route in routes}
        spent = sum(weights[call.route] * call.requests for call in made)
        assert (seed, spent) == (seed, cost)
        assert (seed, cells_of(made.unanswerable)) == (seed, set(unanswerable))
        kinds.add((len(routes), bool(cost), bool(unanswerable)))
    # The cases are not all of one kind
    assert len(kinds) >= 10


@pytest.mark.slow
def test_random_plans_answer_every_hole_within_pages_and_rights_in_an_order_of_their_own():
    for seed in range(CASES // 2):
        frame, routes, places = random_case(seed)
        cells, by_name = cells_of(frame), {route.name: route for route in routes}

        made = plan(frame, routes, days(places))
        shuffled = plan(frame.sample(fraction=1.0, shuffle=True, seed=seed), routes, days(places))

        refused = cells_of(made.unanswerable)
        by_calls = answered(made, cells)
        assert by_calls | refused == cells
        assert made.cells == len(cells) - len(refused)
        for call in made:
            route = by_name[call.route]
            inside = [day(place) for place in range(places) if call.start <= day(place) < call.end]
            assert [route.refusal(session) for session in inside] == [None] * len(inside)
            assert call.rows == route.rows_per_session * len(inside) * max(1, len(call.tickers))
            assert call.requests == 1
            assert route.page is None or call.rows <= route.page
            # A call begins and ends with a hole: nothing is fetched in vain at its edges
            assert answered([call], {cell for cell in cells if day(cell[1]) == call.start})
            assert answered([call], {cell for cell in cells if day(cell[1]) == inside[-1]})
        assert made.work.equals(shuffled.work)
        assert made.unanswerable.equals(shuffled.unanswerable)


@settings(deadline=None)
@given(
    cells=st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1),
    costs=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_a_cover_covers_at_the_least_cost_of_all_choices_of_rows_and_columns(cells, costs):
    row, column = (pl.Series(part, dtype=pl.Int64).to_numpy() for part in zip(*sorted(cells), strict=True))
    row_cost, column_cost = costs

    rows, columns = cheapest_cover(row, column, row_cost, column_cost)

    assert all(rows[r] or columns[c] for r, c in cells)
    # Whatever rows are chosen, the columns of the cells elsewhere must be
    choices = [{r for r in range(8) if bits >> r & 1} for bits in range(256)]
    least = min(
        row_cost * len(chosen) + column_cost * len({c for r, c in cells if r not in chosen}) for chosen in choices
    )
    assert row_cost * rows.sum() + column_cost * columns.sum() == least


@settings(deadline=None)
@given(places=st.sets(st.integers(0, 40), min_size=1), longest=st.integers(1, 12))
def test_no_fewer_windows_could_cover_a_row(places, longest):
    column = pl.Series(sorted(places), dtype=pl.Int64).to_numpy()

    found = windows(column * 0, column, longest)

    # As many holes, each too far from the next for one window: no cover has fewer calls than these
    apart = []
    for place in sorted(places):
        if not apart or place - apart[-1] >= longest:
            apart.append(place)
    assert len(found.first) == len(apart)
    assert all(found.last - found.first < longest)
    assert {at for first, last in zip(found.first, found.last, strict=True) for at in range(first, last + 1)} >= places


def test_minutes_and_days_are_planned_apart():
    frame = pl.concat([holes({"AAA": "xx"}), holes({"AAA": "xx", "BBB": "x."}, MINUTES)])

    made = plan(frame, [grouped(), ticker_range(), minute_window(2)], days(2))

    assert made.calls_by_route == {"minute_window": 2, "ticker_range": 1}
