import polars as pl
import pytest

from orion_assets.ingest.plan import HOLES
from orion_assets.ingest.planner import plan
from orion_assets_tests.unit.ingest.plan_cases import (
    BARS,
    MINUTES,
    a_file,
    by_time,
    day,
    days,
    grouped,
    holes,
    minute_window,
    several,
    ticker_range,
    told,
)

DAILY = [grouped(), ticker_range()]


def test_one_hole_is_a_day_of_the_market_which_serves_others_too():
    assert told(plan(holes({"AAA": "..x."}), DAILY, days(4))) == [("grouped", "", 2, 2)]


def test_a_few_tickers_over_a_long_history_are_a_range_each():
    made = plan(holes({"AAA": "x" * 300, "BBB": "x" * 300}), DAILY, days(300))

    assert told(made) == [("ticker_range", "AAA", 0, 299), ("ticker_range", "BBB", 0, 299)]


def test_many_tickers_over_a_few_sessions_are_days_of_the_market():
    made = plan(holes({f"T{number}": "xx" for number in range(9)}), DAILY, days(2))

    assert told(made) == [("grouped", "", 1, 1), ("grouped", "", 0, 0)]


def test_half_of_the_tickers_missing_on_a_day_are_one_call():
    made = plan(holes(dict.fromkeys("ABCDE", ".x.")), DAILY, days(3))

    assert told(made) == [("grouped", "", 1, 1)]


def test_a_ticker_without_any_bars_and_a_day_without_any_tickers_are_two_calls():
    # By days alone 6 calls, by tickers alone 5
    marks = {"AAA": "xxxxxx", "BBB": "..x...", "CCC": "..x...", "DDD": "..x...", "EEE": "..x..."}

    made = plan(holes(marks), DAILY, days(6))

    assert told(made) == [("ticker_range", "AAA", 0, 5), ("grouped", "", 2, 2)]
    assert [call.cells for call in made] == [5, 5]


def test_a_ticker_listed_in_mid_range_is_not_asked_for_before():
    made = plan(holes({"AAA": "xxxxxx", "IPO": "...xxx"}), DAILY, days(6))

    assert told(made) == [("ticker_range", "AAA", 0, 5), ("ticker_range", "IPO", 3, 5)]


def test_days_are_taken_over_ranges_as_long_as_they_cost_less():
    # 100 days weigh 9,900; 99 ranges too, and days serve whoever is followed later; 98 ranges weigh 9,800
    def made(tickers):
        return plan(holes({f"T{number:02}": "x" * 100 for number in range(tickers)}), DAILY, days(100))

    assert made(99).calls_by_route == {"grouped": 100}
    assert made(98).calls_by_route == {"ticker_range": 98}


def test_a_gap_that_fits_a_window_is_asked_for_again_rather_than_called_around():
    made = plan(holes({"AAA": "x.x"}, MINUTES), [minute_window(3)], days(3))

    assert told(made) == [("minute_window", "AAA", 0, 2)]
    assert [(call.cells, call.rows) for call in made] == [(2, 3 * 960)]


def test_a_gap_that_does_not_fit_parts_two_windows():
    made = plan(holes({"AAA": "xx....x"}, MINUTES), [minute_window(3)], days(7))

    assert told(made) == [("minute_window", "AAA", 6, 6), ("minute_window", "AAA", 0, 1)]


def test_windows_begin_at_holes_not_on_a_fixed_grid():
    # Fixed windows 0-2, 3-5 and 6-8 would take three calls
    made = plan(holes({"AAA": "..xx.xxx."}, MINUTES), [minute_window(3)], days(9))

    assert told(made) == [("minute_window", "AAA", 5, 7), ("minute_window", "AAA", 2, 3)]


def test_what_expires_comes_first_and_then_the_newest():
    floor = {"floor": day(1), "is_rolling": True}
    marks = {"AAA": ".x..x..xx", "BBB": ".x..x..xx"}

    made = plan(holes(marks), [grouped(**floor)], days(9))

    # Sessions 1 to 5 are the first five that may be asked for
    assert [call[2] for call in told(made)] == [1, 4, 8, 7]


def test_a_floor_that_stays_hurries_nobody():
    made = plan(holes({"AAA": "xxxxxxx"}), [grouped(floor=day(0))], days(7))

    assert [call[2] for call in told(made)] == [6, 5, 4, 3, 2, 1, 0]


def test_a_floor_before_the_calendar_that_was_given_hurries_nobody_either():
    made = plan(holes({"AAA": "xxx"}), [grouped(floor=day(-20), is_rolling=True)], days(3))

    assert [call[2] for call in told(made)] == [2, 1, 0]


def test_what_the_subscription_does_not_reach_is_listed_and_not_asked_for():
    reach = {"floor": day(2), "is_rolling": True, "not_yet_from": day(4)}

    made = plan(holes({"AAA": "xxxxx"}), [grouped(**reach), ticker_range(**reach)], days(5))

    assert told(made) == [("ticker_range", "AAA", 2, 3)]
    assert made.unanswerable.select("session", "reason").rows() == [
        (day(0), "not_entitled"),
        (day(1), "not_entitled"),
        (day(4), "not_yet"),
    ]


def test_before_the_first_session_there_ever_was_no_subscription_helps():
    made = plan(holes({"AAA": "xx"}), [grouped(floor=day(1))], days(2))

    assert made.refusals == {"no_route": 1}


def test_a_dataset_without_a_route_is_listed_too():
    made = plan(holes({"AAA": "x"}, "raw_vix"), DAILY, days(1))

    assert (made.calls, made.refusals) == (0, {"no_route": 1})


def test_the_market_s_own_cell_is_answered_by_the_market_alone():
    marks = {"*": "x.", "AAA": "xx"}

    assert told(plan(holes(marks), DAILY, days(2))) == [("grouped", "", 1, 1), ("grouped", "", 0, 0)]
    assert told(plan(holes({"*": "xx", "AAA": ".x"}), [ticker_range()], days(2))) == [("ticker_range", "AAA", 1, 1)]


def test_where_only_one_route_reaches_it_is_taken_and_the_other_spared():
    # Session 0 by the range alone, session 3 by the market alone; the range takes 1 and 2 along
    routes = [grouped(floor=day(1)), ticker_range(not_yet_from=day(3))]

    made = plan(holes({"AAA": "xxxx"}), routes, days(4))

    assert told(made) == [("grouped", "", 3, 3), ("ticker_range", "AAA", 0, 2)]


def test_a_file_is_opened_for_enough_tickers_and_windows_serve_the_few():
    marks = {"AAA": "xxx", "BBB": ".x.", "CCC": ".x."}

    made = plan(holes(marks, MINUTES), [a_file(), minute_window(3)], days(3))

    assert told(made) == [("minute_window", "AAA", 0, 2), ("file", "", 1, 1)]


def test_a_file_is_opened_for_one_ticker_where_nothing_else_has_it():
    assert told(plan(holes({"AAA": "x"}, MINUTES), [a_file()], days(1))) == [("file", "", 0, 0)]


def test_a_file_that_is_not_listed_is_not_asked_for():
    marks = dict.fromkeys("ABC", "xxx")
    listed = frozenset([day(0), day(1)])

    assert told(plan(holes(marks, MINUTES), [a_file(listed=listed), minute_window(9)], days(3))) == [
        ("minute_window", "A", 2, 2),
        ("minute_window", "B", 2, 2),
        ("minute_window", "C", 2, 2),
        ("file", "", 1, 1),
        ("file", "", 0, 0),
    ]
    assert plan(holes(marks, MINUTES), [a_file(listed=listed)], days(3)).refusals == {"not_yet": 3}


def test_news_is_cut_by_time_into_windows_of_about_a_page():
    made = plan(holes({"*": "xxxxx"}, "raw_news"), [by_time(500)], days(5))

    assert told(made) == [("news", "", 4, 4), ("news", "", 2, 3), ("news", "", 0, 1)]
    assert [call.rows for call in made] == [500, 1_000, 1_000]


def test_a_session_with_more_news_than_a_page_takes_several_requests():
    made = plan(holes({"*": "xx"}, "raw_news"), [by_time(2_500)], days(2))

    assert [(call.rows, call.requests) for call in made] == [(2_500, 3), (2_500, 3)]
    assert made.calls == 6


def test_a_second_source_is_asked_for_what_the_first_may_not_answer():
    routes = [minute_window(9, floor=day(2), is_rolling=True), several()]

    made = plan(holes({"AAA": "xxxx", "BBB": "xxxx"}, MINUTES), routes, days(4))

    assert told(made) == [
        ("minute_window", "AAA", 2, 3),
        ("minute_window", "BBB", 2, 3),
        ("several", "AAA,BBB", 0, 1),
    ]


def test_pages_of_several_tickers_are_filled():
    # 3 tickers x 960 = 2,880 a session: 24 sessions are 69,120 rows in 7 pages, while 3 sessions a call would take 8
    made = plan(holes(dict.fromkeys(("AAA", "BBB", "CCC"), "x" * 24), MINUTES), [several()], days(24))

    assert made.calls == 7


def test_tickers_that_lack_different_sessions_are_not_asked_for_together():
    made = plan(holes({"AAA": "x..", "BBB": "..x", "CCC": "x.."}, MINUTES), [several()], days(3))

    assert told(made) == [("several", "BBB", 2, 2), ("several", "AAA,CCC", 0, 0)]


def test_no_call_names_more_tickers_than_a_url_holds():
    made = plan(holes(dict.fromkeys("ABCDE", "x"), MINUTES), [several(tickers_per_call=2)], days(1))

    assert [call.tickers for call in made] == [("A", "B"), ("C", "D"), ("E",)]


def test_the_order_of_holes_and_their_repetition_change_nothing():
    frame = holes({"BBB": "x.xx", "AAA": "xx.x", "CCC": ".x.x"})

    made = plan(frame, DAILY, days(4))
    again = plan(pl.concat([frame.reverse(), frame]), DAILY, days(4))

    assert made.work.equals(again.work)
    assert made.as_json() == again.as_json()


def test_names_differ_by_case():
    made = plan(holes({"KIMpL": "x", "KIMPL": "x"}, MINUTES), [minute_window(1)], days(1))

    assert [call.tickers for call in made] == [("KIMPL",), ("KIMpL",)]


def test_a_hole_on_no_session_is_refused_by_its_date():
    with pytest.raises(ValueError, match="2026-03-05 and 0 other dates are no sessions"):
        plan(holes({"AAA": "...x"}), DAILY, days(3))


@pytest.mark.parametrize(
    "malformed",
    [holes({"AAA": "x"}).drop("ticker"), pl.DataFrame([(BARS, None, day(0))], schema=HOLES, orient="row")],
)
def test_a_hole_without_a_ticker_is_refused(malformed):
    with pytest.raises(ValueError, match="holes: ticker missing or null"):
        plan(malformed, DAILY, days(1))


def test_two_routes_for_the_same_cells_need_ranks():
    with pytest.raises(ValueError, match="grouped and other answer for the same cells of raw_daily_bars"):
        plan(holes({"AAA": "x"}), [grouped(), grouped(name="other")], days(1))


def test_what_cannot_be_shared_exactly_is_refused_and_not_guessed():
    with pytest.raises(ValueError, match="give each its own rank"):
        plan(holes({"AAA": "xxx"}), [grouped(), ticker_range(page=2)], days(3))
