"""What Polygon's bytes become: values as said, problems where they cannot be read, refusals where they lie."""

import json
from datetime import UTC, date, datetime

import polars as pl
import pytest

from orion_assets.errors import AnswerDistrusted, NotEntitled, NotYet
from orion_assets.sources.polygon import reference, rows
from orion_assets.sources.polygon.pages import flat_page, listed
from orion_assets.sources.polygon.words import judge
from orion_assets.sources.responses import Passing, Response
from orion_assets_tests.accept_runs import DATA

NEW_YORK, CHICAGO = "America/New_York", "America/Chicago"
REQUIRED = ("o", "h", "l", "c", "v", "t")
# Midnight in New York on both sides of the spring change of 2026
FRIDAY, MONDAY = 1772773200000, 1773028800000
SPAN = (date(2026, 3, 6), date(2026, 3, 10))


def bar(t=FRIDAY, **more):
    return {"v": 9099.618093, "vw": 10.1, "o": 10.0, "c": 10.2, "h": 10.3, "l": 9.9, "t": t, "n": 166} | more


def body(*results, **more):
    told = {"ticker": "AAA", "status": "OK", "adjusted": False, "results": list(results)}
    return json.dumps({**told, **more}).encode()


def days(*results, zone=NEW_YORK):
    page = flat_page(body(*results), rows.FIELDS, REQUIRED)
    return rows.ticker_days(page.rows, "AAA", SPAN, zone)


def market(*results, session=date(2026, 3, 6)):
    page = flat_page(body(*results), rows.FIELDS, ("T", *REQUIRED))
    return rows.bars(rows.market_days(page.rows, session))


class TestDays:
    def test_a_day_of_a_range_is_the_one_whose_midnight_it_is_stamped_on_both_sides_of_dst(self):
        told = days(bar(FRIDAY), bar(MONDAY))

        assert told["session"].to_list() == [date(2026, 3, 6), date(2026, 3, 9)]
        assert told["v"].to_list() == [9099.618093] * 2

    def test_a_day_of_an_index_begins_at_midnight_in_chicago(self):
        assert days(bar(FRIDAY + 3_600_000), zone=CHICAGO)["session"].to_list() == [date(2026, 3, 6)]
        with pytest.raises(AnswerDistrusted, match="not midnight in America/New_York"):
            days(bar(FRIDAY + 3_600_000))

    @pytest.mark.parametrize("t", [FRIDAY // 1000, FRIDAY * 1000, FRIDAY * 1_000_000])
    def test_a_stamp_in_another_unit_is_distrusted(self, t):
        with pytest.raises(AnswerDistrusted, match="not milliseconds"):
            days(bar(t))

    def test_a_day_outside_of_what_was_asked_for_is_distrusted(self):
        with pytest.raises(AnswerDistrusted, match=r"outside \[2026-03-06, 2026-03-10\)"):
            days(bar(FRIDAY), bar(FRIDAY - 7 * 86_400_000))

    def test_a_day_told_twice_alike_is_one_and_told_twice_differently_is_distrusted(self):
        assert days(bar(), bar()).height == 1
        with pytest.raises(AnswerDistrusted, match="told twice, differently"):
            days(bar(), bar(c=10.25))

    def test_an_exponent_is_a_number(self):
        (told,) = days(bar()).to_dicts()
        raw = body(bar()).replace(b"9099.618093", b"1.029145e+06")

        assert flat_page(raw, rows.FIELDS, REQUIRED).rows["v"].to_list() == [1_029_145.0]
        assert told["problem"] is None

    @pytest.mark.parametrize(
        ("found", "problem"),
        [
            ({"o": "12.5"}, "o: '12.5' is not a number"),
            ({"o": None}, "o: is missing"),
            ({"o": 10**400}, "o: '1000000000000000000000000000000000000000' is not a number"),
            ({"v": True}, "v: 'True' is not a number"),
            ({"c": float("nan")}, "c: 'NaN' is not a number"),
            ({"c": float("inf")}, "c: 'Infinity' is not a number"),
        ],
    )
    def test_a_value_that_is_no_number_is_a_problem_of_its_row_alone(self, found, problem):
        told = days(bar(FRIDAY, **found), bar(MONDAY))

        assert told["problem"].to_list() == [problem, None]
        assert told[next(iter(found))].to_list()[0] is None

    def test_a_number_beyond_all_numbers_is_a_problem(self):
        raw = body(bar()).replace(b"10.3", b"1e400")

        assert flat_page(raw, rows.FIELDS, REQUIRED).rows["problem"].to_list() == ["h: 'inf' is not a number"]


class TestMarket:
    def test_every_ticker_is_of_the_day_that_was_asked_for(self):
        at = int(datetime(2026, 3, 6, 21, tzinfo=UTC).timestamp() * 1000)

        told = market(bar(at, T="AAA"), bar(at, T="KIMpL"), bar(at, T="KIMPL", c=11.0))

        assert told["ticker"].to_list() == ["AAA", "KIMpL", "KIMPL"]
        assert told["ts_event"].unique().to_list() == [datetime(2026, 3, 6, 21, tzinfo=UTC)]
        with pytest.raises(AnswerDistrusted, match="not of 2026-03-09"):
            market(bar(at, T="AAA"), session=date(2026, 3, 9))

    def test_a_ticker_told_twice_differently_keeps_no_value_and_the_others_theirs(self):
        at = int(datetime(2026, 3, 6, 21, tzinfo=UTC).timestamp() * 1000)

        told = market(bar(at, T="AAA"), bar(at, T="BBB"), bar(at, T="AAA", c=99.0))

        assert told.select("ticker", "close").rows() == [("AAA", None), ("BBB", 10.2)]
        assert "told twice" in told["problem"][0]

    def test_garbage_and_impossible_sizes_are_problems(self):
        at = int(datetime(2026, 3, 6, 21, tzinfo=UTC).timestamp() * 1000)

        told = market(bar(at, T="\x00\x9f?"), bar(at, T="AAA", h=1e13), bar(at, T="BBB", v=1e15))

        assert "T: is not a ticker" in told["problem"][0]
        assert "is beyond any price" in told["problem"][1]
        assert "is beyond any volume" in told["problem"][2]


class TestPages:
    @pytest.mark.parametrize(
        ("raw", "says"),
        [
            (b"<html></html>", "not JSON"),
            (b"null", "not an object"),
            (b"[]", "not an object"),
            (b'"x"', "not an object"),
            (b"{}", "status None"),
            (b'{"status":"ERROR","error":"oops"}', "status 'ERROR': oops"),
            (b'{"status":"OK","results":null}', "null, not a list"),
            (b'{"status":"OK","resultsCount":2,"results":[{"t":1}]}', "holds 2 results, and holds 1"),
            (b'{"status":"OK","results":[{"t":1}', "not JSON"),
            (b'{"status":"OK","x":' + b"[" * 100_000 + b"]" * 100_000 + b',"results":[]}', "nested deeper"),
            (b'{"status":"OK","results":' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}", "an object, not a list"),
        ],
    )
    def test_what_is_no_answer_is_asked_for_again(self, raw, says):
        with pytest.raises(Passing, match=says):
            flat_page(raw, rows.FIELDS, REQUIRED)

    @pytest.mark.parametrize("name", ["count", "resultsCount"])
    def test_a_list_of_any_shape_is_as_long_as_it_says(self, name):
        told = {"status": "OK", "results": [{"id": "a"}, {"id": "b"}]}

        assert len(listed(json.dumps({**told, name: 2}).encode())[1]) == 2
        with pytest.raises(Passing, match="holds 1000 results, and holds 2"):
            listed(json.dumps({**told, name: 1000}).encode())

    @pytest.mark.parametrize("raw", [b'{"status":"OK","resultsCount":0}', b'{"status":"DELAYED","results":[]}'])
    def test_nothing_is_an_answer(self, raw):
        assert flat_page(raw, rows.FIELDS, REQUIRED).rows.height == 0

    def test_rows_that_are_written_with_blanks_and_new_lines_are_the_same(self):
        plain, pretty = body(bar(), bar(MONDAY)), json.dumps(json.loads(body(bar(), bar(MONDAY))), indent=2).encode()

        frames = [flat_page(raw, rows.FIELDS, REQUIRED).rows for raw in (plain, pretty)]

        assert frames[0].equals(frames[1])


class TestWords:
    @pytest.mark.parametrize(
        ("message", "error"),
        [
            ("Attempted to request today's data before end of day", NotYet),
            ("Your plan doesn't include this data timeframe", NotEntitled),
        ],
    )
    def test_403_is_several_things(self, message, error):
        told = json.dumps({"status": "NOT_AUTHORIZED", "message": message}).encode()

        with pytest.raises(error):
            judge(Response("https://api.massive.com/v2", 403, {}, told))

    @pytest.mark.parametrize("status", [403, 404])
    @pytest.mark.parametrize("raw", [b"", b"<html>Request blocked</html>", b"404 page not found", b'{"cut": '])
    def test_a_refusal_that_is_not_in_the_vendors_words_is_no_answer(self, status, raw):
        with pytest.raises(Passing, match=f"HTTP {status}, not in the vendor's words"):
            judge(Response("https://api.massive.com/v2", status, {}, raw))

    @pytest.mark.parametrize("raw", [b"", b"<html>", b'{"cut": '])
    def test_a_200_that_is_not_json_is_no_answer(self, raw):
        with pytest.raises(Passing):
            judge(Response("https://api.massive.com/v2", 200, {}, raw))


class TestReference:
    SPAN = (date(2026, 10, 1), date(2026, 11, 1))

    def test_a_ratio_is_whole_numbers_of_shares(self):
        found = [
            {"id": "E1", "ticker": "AAA", "execution_date": "2026-10-06", "split_from": 3, "split_to": 1},
            {"id": "E2", "ticker": "BBB", "execution_date": "2026-10-07", "split_from": 1, "split_to": 1.5},
            {"id": "E3", "ticker": "CCC", "execution_date": "2026-10-08", "split_from": 0, "split_to": 2},
        ]

        told = reference.splits(found, self.SPAN)

        assert told.select("shares_after", "shares_before").rows() == [(1, 3), (3, 2), (None, None)]
        assert told["problem"].is_null().to_list() == [True, True, False]

    def test_an_action_outside_of_what_was_asked_for_is_distrusted(self):
        with pytest.raises(AnswerDistrusted, match="no execution_date in"):
            reference.splits([{"id": "E1", "ticker": "AAA", "execution_date": "2025-10-06"}], self.SPAN)

    def test_an_article_is_filed_under_the_session_that_can_first_read_it(self):
        friday_evening = {"id": "a", "published_utc": "2026-10-09T21:00:00Z", "title": "T", "tickers": ["B", "A", "B"]}
        window = datetime(2026, 10, 9, 20, 30, tzinfo=UTC), datetime(2026, 10, 12, 20, 30, tzinfo=UTC)

        (told,) = reference.news([friday_evening], window).to_dicts()

        assert (told["session"], told["tickers"]) == (date(2026, 10, 12), ["A", "B"])
        with pytest.raises(AnswerDistrusted, match="not published in"):
            reference.news([{**friday_evening, "published_utc": "2026-10-09T20:30:00Z"}], window)


SAMPLES = DATA / "polygon"


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no samples of the vendor at {SAMPLES}; set EXAMPLE_DATA")
class TestTheVendorsOwnSamples:
    MOCKS = SAMPLES / "client_python_mocks"

    def test_a_range_of_days(self):
        raw = (self.MOCKS / "v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04.json").read_bytes()

        page = flat_page(raw, rows.FIELDS, REQUIRED)
        told = rows.ticker_days(page.rows, "AAPL", (date(2005, 4, 1), date(2005, 4, 5)), NEW_YORK)

        assert told.select("session", "c").rows() == [(date(2005, 4, 1), 1.4604), (date(2005, 4, 4), 1.4675)]

    def test_a_market_day_whose_stamp_is_of_another_year_is_refused(self):
        name = "v2/aggs/grouped/locale/us/market/stocks/2005-04-04&adjusted=true.json"
        page = flat_page((self.MOCKS / name).read_bytes(), rows.FIELDS, ("T", *REQUIRED))

        with pytest.raises(AnswerDistrusted, match="not of 2005-04-04"):
            rows.market_days(page.rows, date(2005, 4, 4))
        assert rows.market_days(page.rows, date(2020, 10, 14))["ticker"].to_list() == ["GIK"]

    def test_news_listings_splits_and_dividends(self):
        always = datetime(1990, 1, 2, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
        ever = date(1990, 1, 2), date(2036, 1, 1)

        def found(name):
            return listed((SAMPLES / name).read_bytes())[1]

        news = reference.news(found("openapi_examples/v2_reference_news.200.json"), always)
        listing = reference.listings(found("client_python_mocks/v3/reference/tickers.json"), date(2022, 4, 27))
        splits = reference.splits(found("client_python_mocks/v3/reference/splits.json"), ever)
        dividends = reference.dividends(found("client_python_mocks/v3/reference/dividends.json"), ever)
        newer = reference.splits(found("openapi_examples/stocks_v1_splits.200.json"), ever)

        assert (news.height, listing["ticker"].to_list()) == (1, ["A", "AA"])
        # One split of SHOP stands twice, on two dates: the vendor's error, told as two events
        assert (splits.height, splits.filter(ticker="SHOP").height, dividends.height) == (10, 2, 10)
        assert newer.select("ticker", "ex_date", "shares_after").rows() == [("AAPL", date(2005, 2, 28), 2)]
        assert all(frame["problem"].null_count() == frame.height for frame in (news, listing, splits, dividends, newer))

    def test_a_dividend_says_its_type_and_is_paid_in_dollars(self):
        [told] = listed((SAMPLES / "openapi_examples/stocks_v1_dividends.200.json").read_bytes())[1]
        others = {"distribution_type": "special"}, {"distribution_type": "unknown"}, {"currency": "JPY"}
        nameless = [{**told, "id": None, "distribution_type": each} for each in ("recurring", "special")]
        span = date(2025, 8, 1), date(2025, 9, 1)

        found = reference.dividends([told, *({**told, **other, "id": str(other)} for other in others)], span)

        assert found["dividend_type"].to_list() == [None, "special", None, None]
        assert found["currency"].to_list() == [None, None, None, "JPY"]
        assert found["problem"].null_count() == 4
        ids = reference.dividends(nameless, span)["event_id"].to_list()
        assert ids == ["AAPL:2025-08-11:ex", "AAPL:2025-08-11:ex:special"]

    @pytest.mark.parametrize("case", [0, 1, 2, 3, 4, 5, 6])
    def test_error_bodies_are_told_apart(self, case):
        told = json.loads((SAMPLES / "error_bodies.json").read_text())[case]
        response = Response("https://api.massive.com/v2", told["http"], {}, json.dumps(told["body"]).encode())

        if "data timeframe" in json.dumps(told["body"]):
            with pytest.raises(NotEntitled):
                judge(response)
        else:
            # What the status says is enough, and the transport's to say
            judge(response)


def test_a_frame_of_no_rows_is_placed_without_a_complaint():
    page = flat_page(b'{"status":"OK"}', rows.FIELDS, REQUIRED)

    assert rows.bars(rows.ticker_days(page.rows, "AAA", SPAN, NEW_YORK)).height == 0
    assert rows.ticker_minutes(page.rows, "AAA", SPAN).height == 0
    assert isinstance(page.rows, pl.DataFrame)
