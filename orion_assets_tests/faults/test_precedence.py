"""Two who ask about one bar at a time: the later question has the last word, whoever lands last."""

from datetime import timedelta

import polars as pl

from orion_assets.ingest.moment import Moment
from orion_assets.ingest.runner import dated, land
from orion_assets.schemas import RAW_DAILY_BARS
from orion_assets.sources.protocols import Ask
from orion_assets_tests.faults.test_worked_example import steady
from orion_assets_tests.faults.world import DAY_S, LAST


def test_an_answer_that_waited_does_not_undo_a_correction_that_was_landed_meanwhile(worlds, truth):
    made = worlds(RAW_DAILY_BARS, tickers=steady(truth)[:1], sessions=1)
    made.run()
    (ticker,) = made.tickers
    source, clock = made.source(), made.clock
    span = (LAST, LAST + timedelta(days=1))
    ask = Ask(RAW_DAILY_BARS.name, *span, (ticker,), clock.now(), is_partial=True, route="ticker_range")
    clock.advance(DAY_S)
    first = Moment(clock.now(), clock=clock)
    early = dated(source.read, first)(ask)
    clock.advance(60)
    made.vendor.faults.add("restated", ticker=ticker, session=str(LAST))

    land(made.desk, source, ask, RAW_DAILY_BARS, Moment(clock.now(), clock=clock))
    corrected = made.rows()
    clock.advance(60)
    late = land(made.desk, source, ask, RAW_DAILY_BARS, first, read=lambda _: early)

    closes = made.desk.lake.read(RAW_DAILY_BARS).filter(pl.col("ticker") == ticker)["close"]
    assert closes.n_unique() == 2
    assert late.rows == 0
    assert made.rows().equals(corrected)
