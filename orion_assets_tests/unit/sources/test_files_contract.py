from datetime import UTC, date, datetime

import pytest

from orion_assets_tests.contracts.source_contract import SourceContract
from orion_assets_tests.files_worlds import NEXT, ROW, bars, source, table

MAPPING = (
    bars(options='splits = { column = "split" }\ndividends = { column = "cash" }')
    + """
[[minute_bars]]
files = ["minutes.csv"]
price_basis = "as_traded"
bar_label = "start"
columns = { ticker = "t", stamp = "at", open = "o", high = "h", low = "l", close = "c", volume = "v" }
[[vix]]
files = ["vix.csv"]
columns = { date = "d", open = "o", high = "h", low = "l", close = "c" }
[[news]]
files = ["news.csv"]
columns = { article_id = "id", published = "at", tickers = "of", title = "text" }
"""
)
BARS = table(
    f"{ROW},1,0",
    f"{NEXT},,",
    "AAPL,2014-06-09,92.7,93.88,91.75,93.7,75415000,7,0",
    "MSFT,2014-06-06,41.48,41.66,41.24,41.48,24060500,0,0",
    "MSFT,2014-06-09,41.39,41.48,41.02,41.27,15019200,1.0,0.28",
    header="ticker,date,open,high,low,close,volume,split,cash",
)
VIX = "d,o,h,l,c\n2014-06-05,12,12,11,11.68\n2014-06-09,11,12,11,11.15\n"
MINUTES = "t,at,o,h,l,c,v\n" + "".join(
    f"{ticker},2014-06-0{day}T14:3{minute}:00Z,10,11,9,10,100\n"
    for ticker in ("MSFT", "AAPL")
    for day, minute in ((5, 0), (5, 1), (6, 0), (9, 5))
)
NEWS = (
    "id,at,of,text\n1,2014-06-05T12:00:00Z,AAPL,one\n2,2014-06-09T12:57:56Z,AAPL|MSFT,two\n"
    "3,2014-06-09T12:58:56Z,AAPL,three\n"
)


class TestFilesSource(SourceContract):
    START, END = date(2014, 6, 5), date(2014, 6, 10)
    EARLIER = datetime(2014, 6, 6, 20, 15, tzinfo=UTC)

    @pytest.fixture
    def source(self, tmp_path):
        mapping = MAPPING + 'tickers_separator = "|"\n'
        return source(tmp_path, mapping, bars__csv=BARS, vix__csv=VIX, news__csv=NEWS, minutes__csv=MINUTES)

    def test_all_seven_datasets_are_filled(self, source):
        heights = {name: answer.rows.height for name, answer in self.answers(source).items()}

        assert heights == {
            "raw_daily_bars": 5,
            "raw_dividends": 1,
            "raw_minute_bars": 8,
            "raw_news": 3,
            "raw_splits": 1,
            "raw_tickers": 2,
            "raw_vix": 2,
        }
