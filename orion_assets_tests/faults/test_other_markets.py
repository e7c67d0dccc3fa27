"""Other markets from the fake vendor to raw tables and ledger: fewest calls, silence, refusals, rows that cannot be."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from orion_assets.calendars import NEW_YORK
from orion_assets.errors import AnswerDistrusted
from orion_assets.ingest.freshness import stale_span
from orion_assets.ingest.ledger import planned_cells
from orion_assets.ingest.missing import coverage_of, lost, never_asked
from orion_assets.ingest.rebuilding import rebuild
from orion_assets.ingest.restatements import late
from orion_assets.ingest.runner import Landed
from orion_assets.market_hours import sessions_of, traded_in
from orion_assets.markets import FX, INDICES, MARKETS
from orion_assets.schemas import CLEAN_DAILY_BARS, RAW_DAILY_BARS, RAW_MINUTE_BARS, table_of
from orion_assets.sources.polygon.markets import folded, question
from orion_assets.sources.protocols import Ask
from orion_assets.sources.synthetic.vendor.terms import ManualClock, Plan, Terms
from orion_assets.transforms.bars import clean_daily_bars
from orion_assets.transforms.minutes import clean_minute_bars
from orion_assets_tests.faults.world import RATE, World

COIN, OTHER_COIN, PAIR, INDEX = "X:SYNUSD", "X:FAKUSD", "C:SYNUSD", "I:SYN"
OPTION, NEVER_TRADED, OTC = "O:SAAA270115C00050000", "O:SAAA270115C00990000", "SOTCF"
# Friday to Tuesday
FRIDAY, TUESDAY = date(2026, 11, 13), date(2026, 11, 17)
WEEKEND = (FRIDAY, TUESDAY)
NOW = datetime(2026, 11, 21, 18, tzinfo=UTC)


def market_world(worlds, name: str, *tickers: str, table=RAW_DAILY_BARS, span=WEEKEND, **more) -> World:
    made = worlds(table_of(table, MARKETS[name]), tickers=tickers, markets=[name], **more)
    made.span = span
    made.desk.state.add_tickers(tickers, ts_added=made.clock.now())
    return made


def asked(made: World) -> list[str]:
    return [entry.route for entry in made.vendor.journal]


def days(*numbers: int) -> list[date]:
    return [date(2026, 11, number) for number in numbers]


def test_one_session_of_crypto_comes_in_one_call_and_many_sessions_in_one_a_ticker(worlds):
    one = market_world(worlds, "crypto", COIN, OTHER_COIN, span=(FRIDAY, FRIDAY + timedelta(days=1)))
    many = market_world(worlds, "crypto", COIN, OTHER_COIN)

    one.run()
    many.run()

    assert (asked(one), asked(many)) == (["grouped"], ["range", "range"])
    truth = many.vendor.truth.other_bars.filter(pl.col("session").is_between(FRIDAY, TUESDAY, closed="left"))
    coins = truth.filter(pl.col("ticker").is_in([COIN, OTHER_COIN])).sort("ticker", "session")
    values = ["ticker", "session", "open", "high", "low", "close", "volume", "ts_event"]
    assert many.rows().select(values).rows() == coins.select(values).rows()
    assert one.rows().select(values).rows() == coins.filter(session=FRIDAY).select(values).rows()
    assert many.cells()["session"].unique().sort().to_list() == days(13, 14, 15, 16)
    assert many.states() == {"data": 8}


def test_a_coin_followed_later_costs_no_call_where_the_market_was_answered(worlds):
    made = market_world(worlds, "crypto", COIN, span=(FRIDAY, FRIDAY + timedelta(days=1)))
    made.run()
    made.desk.state.add_tickers([OTHER_COIN], ts_added=made.clock.now())
    made.tickers = (COIN, OTHER_COIN)

    made.run()

    assert asked(made) == ["grouped"]
    assert made.states() == {"data": 2}


def test_what_lands_of_another_market_makes_no_feature_stale_and_no_gap_in_the_exchange_s_sessions(worlds):
    made = market_world(worlds, "crypto", COIN)

    made.run()

    state = made.desk.state
    assert (state.landings().height, state.touches().height) == (0, 0)
    assert stale_span(state) is None
    assert never_asked(state) == []
    assert lost(state, NOW + timedelta(days=30)) == []
    filled = coverage_of(state, (FRIDAY, TUESDAY), NOW)
    assert filled.datasets == ("feature_store",)
    assert (filled.states.height, filled.worst.height) == (0, 0)
    # Equities alone are followed as such
    assert state.universe() == ()


def test_the_ledger_of_another_market_is_made_anew_from_the_lake(worlds):
    made = market_world(worlds, "fx", PAIR)
    made.run()
    before = made.cells().drop("attempts", "ts_updated")

    made.desk.state.clear()
    rebuild(made.desk.lake, made.desk.state, NOW)

    assert made.desk.state.universe(MARKETS["fx"]) == (PAIR,)
    assert made.desk.state.universe() == ()
    assert made.cells().drop("attempts", "ts_updated").equals(before)
    assert made.states() == {"data": 2}


def test_a_session_of_another_market_is_asked_for_again_on_the_market_s_own_next_day(worlds):
    evening = ManualClock(datetime(2026, 11, 14, 0, 35, tzinfo=UTC))
    made = market_world(worlds, "crypto", COIN, span=(FRIDAY, FRIDAY + timedelta(days=1)), clock=evening)
    made.run()
    state = made.desk.state
    # Saturday, a session of crypto and none of the exchange
    eleven = datetime(2026, 11, 14, 11, tzinfo=NEW_YORK)

    due = [late(state, at, MARKETS["crypto"]) for at in (eleven - timedelta(seconds=1), eleven)]
    of_equities = late(state, eleven)
    evening.advance((eleven - evening.now()).total_seconds())
    made.run()
    made.run()

    assert due == [[], [FRIDAY]]
    assert of_equities == []
    assert len(asked(made)) == 2
    assert late(state, eleven, MARKETS["crypto"]) == []
    assert made.rows().filter(ticker=COIN).height == 1


def test_a_day_without_quotes_is_an_empty_answer_after_a_second_question(worlds):
    made = market_world(worlds, "fx", PAIR, span=(date(2026, 11, 9), FRIDAY))
    made.run()
    made.vendor.faults.add("empty", "range")
    made.span = (FRIDAY, FRIDAY + timedelta(days=1))

    made.run()

    assert asked(made) == ["range"] * 3
    assert made.states() == {"data": 4, "empty_confirmed": 1}


def test_an_option_that_never_traded_is_empty_and_is_not_asked_for_again(worlds):
    made = market_world(worlds, "options", OPTION, NEVER_TRADED)

    made.run()
    calls = made.calls()
    made.clock.advance(25 * 3600.0)
    made.run()

    assert made.cells().filter(ticker=NEVER_TRADED)["state"].unique().to_list() == ["empty_confirmed"]
    assert made.cells().filter(ticker=OPTION)["state"].unique().to_list() == ["data"]
    # One for the option that trades, two for the other one
    assert (calls, made.calls()) == (3, 3)


def test_a_market_outside_of_the_subscription_says_so_after_one_call(worlds):
    terms = Terms(Plan(calls=RATE.calls, excluded=frozenset({"indices"})))
    made = market_world(worlds, "indices", INDEX, terms=terms)

    outcome = made.run()

    assert isinstance(outcome, Landed)
    assert made.calls() == 1
    assert made.states() == {"not_entitled": 2}
    assert all("not entitled" in told for told in made.details())


def test_an_answer_landed_without_shares_over_the_counter_says_nothing_of_them(worlds):
    span = (date(2026, 11, 19), date(2026, 11, 21))
    made = worlds(RAW_DAILY_BARS, tickers=("SAAA", "SAAB", "SAAC"))
    made.span = span
    made.desk.state.add_tickers(made.tickers, ts_added=made.clock.now())
    made.run()
    assert asked(made) == ["grouped", "grouped"]

    made.markets = ["otc"]
    made.tickers = ("SAAA", "SAAB", "SAAC", OTC)
    made.desk.state.add_tickers([OTC], ts_added=made.clock.now())
    made.run()

    cells = made.cells().filter(ticker=OTC)
    truth = made.vendor.truth.other_bars.filter(pl.col("session").is_between(*span, closed="left"), ticker=OTC)
    assert cells["state"].to_list() == ["data"] * truth.height == ["data", "data"]
    assert made.rows().filter(ticker=OTC)["close"].to_list() == truth["close"].to_list()
    # Nobody had told of it before: a first answer, not a late one
    held = made.desk.lake.read(RAW_DAILY_BARS, tickers=[OTC]).filter(session=span[0])
    assert (held["ts_known"] - held["ts_event"]).to_list() == [timedelta(minutes=15)]


def test_an_answer_landed_with_shares_over_the_counter_tells_of_one_followed_later(worlds):
    made = worlds(RAW_DAILY_BARS, tickers=("SAAA", "SAAB", "SAAC"), markets=["otc"])
    made.span = (date(2026, 11, 19), date(2026, 11, 21))
    made.desk.state.add_tickers(made.tickers, ts_added=made.clock.now())
    made.run()
    before = made.calls()
    made.tickers = ("SAAA", "SAAB", "SAAC", OTC)
    made.desk.state.add_tickers([OTC], ts_added=made.clock.now())

    made.run()

    assert made.calls() == before
    assert made.cells().filter(ticker=OTC)["state"].to_list() == ["data", "data"]


def fields(**columns) -> pl.DataFrame:
    height = len(columns["t"])
    prices = {name: [10.0] * height for name in ("o", "h", "l", "c")}
    given = {**prices, "v": [5.0] * height, "vw": [10.0] * height, "n": [1.0] * height, **columns}
    frame = pl.DataFrame(given, schema_overrides={"t": pl.Int64})
    return frame.with_columns(T=pl.lit(None, pl.String), problem=pl.lit(None, pl.String))


def ms(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)


def ask_of(name: str, ticker: str, table=RAW_DAILY_BARS, route: str = "") -> Ask:
    return Ask(table_of(table, MARKETS[name]).name, *WEEKEND, (ticker,), NOW, is_partial=True, route=route)


@pytest.mark.parametrize(
    ("ask", "stamp", "told"),
    [
        # Friday 17:00 New York is 22:00 of UTC; the ask begins on Thursday then, and ends on Monday
        (ask_of("fx", PAIR), ms(2026, 11, 12, 21), "outside"),
        (ask_of("fx", PAIR), ms(2026, 11, 16, 22), "outside"),
        (ask_of("fx", PAIR), ms(2026, 11, 13, 10, 30), "no full hour"),
        (ask_of("crypto", COIN, RAW_MINUTE_BARS), ms(2026, 11, 12, 23, 59), "outside"),
        (ask_of("crypto", COIN, RAW_MINUTE_BARS), ms(2026, 11, 17), "outside"),
        (ask_of("crypto", COIN), ms(2026, 11, 13, 5), "not midnight in UTC"),
        (ask_of("indices", INDEX), ms(2026, 11, 13, 5), "not midnight in America/Chicago"),
    ],
)
def test_a_stamp_that_no_bar_of_the_ask_can_have_makes_the_page_distrusted(ask, stamp, told):
    with pytest.raises(AnswerDistrusted, match=told):
        question(ask).place(fields(t=[stamp]), {"ticker": ask.tickers[0]})


def test_a_page_about_another_ticker_is_distrusted():
    with pytest.raises(AnswerDistrusted, match="it is about 'C:OTHER'"):
        question(ask_of("fx", PAIR)).place(fields(t=[ms(2026, 11, 13)]), {"ticker": "C:OTHER"})


def test_hours_of_a_weekend_make_a_day_that_is_held_back_and_change_no_other(worlds):
    asking = question(ask_of("fx", PAIR))
    # Friday 21:00 of UTC is Friday's last hour, Saturday's hour nobody's, Sunday 22:00 Monday's first
    hours = fields(
        t=[ms(2026, 11, 13, 21), ms(2026, 11, 14, 12), ms(2026, 11, 15, 22), ms(2026, 11, 15, 23)],
        o=[1.0, 9.0, 2.0, 3.0], h=[1.0, 9.0, 4.0, 3.5], l=[1.0, 9.0, 1.5, 2.5], c=[1.0, 9.0, 3.0, 2.75],
        v=[10.0, 1.0, 30.0, 10.0], vw=[1.0, 9.0, 2.0, 3.0], n=[1.0, 1.0, 2.0, 3.0],
    )  # fmt: skip

    rows = asking.meaning(asking.place(hours, {"ticker": PAIR}))

    values = ("session", "open", "high", "low", "close", "volume", "vwap", "trade_count")
    assert rows.select(values).rows() == [
        (date(2026, 11, 13), 1.0, 1.0, 1.0, 1.0, 10.0, 1.0, 1.0),
        (date(2026, 11, 14), 9.0, 9.0, 9.0, 9.0, 1.0, 9.0, 1.0),
        (date(2026, 11, 16), 2.0, 4.0, 1.5, 2.75, 40.0, 2.25, 5.0),
    ]
    assert rows["problem"].to_list() == [None, "session: 2026-11-14 is not a trading session", None]
    assert rows["ts_event"].to_list()[::2] == [
        datetime(2026, 11, 13, 22, tzinfo=UTC),
        datetime(2026, 11, 16, 22, tzinfo=UTC),
    ]


def test_a_problem_of_one_hour_is_the_day_s():
    at = [datetime(2026, 11, 13, hour, tzinfo=UTC) for hour in (9, 10)]
    hours = fields(t=[0, 0]).with_columns(
        ticker=pl.lit(PAIR), _row=pl.int_range(1, 3), ts_open=pl.Series(at), problem=pl.Series([None, "c: is missing"])
    )

    (day,) = folded(hours, FX).rows(named=True)

    assert (day["problem"], day["_row"]) == ("c: is missing", 1)


def test_what_a_vendor_says_of_the_volume_of_an_index_is_not_believed():
    asking = question(ask_of("indices", INDEX))
    midnight = ms(2026, 11, 13, 6)

    rows = asking.meaning(asking.place(fields(t=[midnight], v=[0.0]), {"ticker": INDEX}))

    assert rows.select("close", "volume", "vwap", "trade_count").rows() == [(10.0, None, None, None)]


def landed(name: str, ticker: str, *closes: float | None, first: date = FRIDAY, volume: float | None = None):
    """Give raw daily rows of one market, one a date."""
    table = table_of(RAW_DAILY_BARS, MARKETS[name])
    known = datetime(2026, 11, 20, tzinfo=UTC)
    rows = [
        {
            **dict.fromkeys(("open", "high", "low", "close"), close),
            "volume": volume, "vwap": None, "trade_count": None, "ticker": ticker,
            "session": first + timedelta(days=number), "ts_event": known, "ts_known": known, "ts_ingested": known,
            "is_deleted": False, "availability": "observed", "problem": None, "source": "polygon",
            "source_file": "/v2", "source_row": 1, "source_hash": "0",
        }
        for number, close in enumerate(closes)
    ]  # fmt: skip
    return table.conform(pl.DataFrame(rows, schema=dict(table.schema)))


def test_an_index_without_volume_passes_and_one_without_a_price_does_not():
    raw = landed("indices", INDEX, 100.0, first=FRIDAY)
    bad = landed("indices", INDEX, -1.0, first=date(2026, 11, 16))

    cleaned = clean_daily_bars(pl.concat([raw, bad]), sessions_of(INDICES), INDICES)

    table = table_of(CLEAN_DAILY_BARS, INDICES)
    assert cleaned.rows.schema == table.schema
    assert cleaned.rows["session"].to_list() == [FRIDAY]
    assert cleaned.quarantine.select("origin", "rule").rows() == [("raw_daily_bars_indices", "prices_positive")]


def test_a_coin_without_volume_is_held_back():
    cleaned = clean_daily_bars(landed("crypto", COIN, 100.0), sessions_of(MARKETS["crypto"]), MARKETS["crypto"])

    assert cleaned.quarantine["rule"].to_list() == ["volume_present"]


@pytest.mark.parametrize(("name", "kept"), [("crypto", [13, 14, 15]), ("fx", [13]), ("options", [13])])
def test_a_weekend_is_on_the_calendar_of_those_who_trade_then(name, kept):
    market = MARKETS[name]
    raw = landed(name, market.example, 1.0, 2.0, 3.0, volume=1.0)

    cleaned = clean_daily_bars(raw, sessions_of(market), market)

    assert cleaned.rows["session"].to_list() == days(*kept)
    told = "an XNYS session" if name == "options" else f"a session of {name}"
    held = [f"2026-11-{number} is not {told}" for number in (14, 15) if number not in kept]
    assert cleaned.quarantine["found"].to_list() == held


def test_minutes_are_held_against_the_hours_of_their_own_market(worlds):
    made = market_world(worlds, "fx", PAIR, table=RAW_MINUTE_BARS, span=(date(2026, 11, 16), TUESDAY))
    made.run()
    raw = made.desk.lake.read(made.table)
    early = raw.head(1).with_columns(
        pl.col("ts_open", "ts_event") - timedelta(minutes=1), ts_known=pl.col("ts_known") - timedelta(minutes=1)
    )

    cleaned = clean_minute_bars(pl.concat([raw, early]), traded_in(FX, date(2026, 11, 16), TUESDAY), FX)

    assert cleaned.rows.height == 1_440
    assert cleaned.rows["phase"].unique().to_list() == ["regular"]
    # Sunday 16:59 New York
    assert cleaned.quarantine.select("rule", "row_key").rows() == [
        ("within_hours", f"{PAIR} 2026-11-15 21:59:00.000000+00:00")
    ]


def test_a_contract_has_no_cell_after_its_last_date_and_only_the_others_have():
    early, late = "O:SAAA261113C00050000", "O:SAAA261120C00050000"
    dataset = table_of(RAW_DAILY_BARS, MARKETS["options"]).name

    cells = planned_cells(dataset, [early, late], date(2026, 11, 12), date(2026, 11, 25))

    # A weekend lies between the two expiries, both of them Fridays
    assert cells.filter(ticker=early)["session"].to_list() == days(12, 13)
    assert cells.filter(ticker=late)["session"].to_list() == days(12, 13, 16, 17, 18, 19, 20)


def test_a_contract_that_expired_before_the_range_asks_for_nothing(worlds):
    made = market_world(worlds, "options", "O:SAAA261113C00050000", span=(date(2026, 11, 16), date(2026, 11, 20)))

    outcome = made.run()

    assert isinstance(outcome, Landed)
    assert made.calls() == 0
    assert made.cells().is_empty()
