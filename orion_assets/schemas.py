"""Every stored table once: columns, dtypes, units, keys. DDL, checks, the Columns tab and the docs derive from here.

No I/O and no transforms; a frame is held against its table with `Table.conform` at the edge.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from orion_assets.market_tables import tables_of_markets
from orion_assets.markets import EQUITIES, Market
from orion_assets.tables import UTC_US, Column, Table


def _float(name: str, description: str, unit: str = "", *, is_nullable: bool = True) -> Column:
    return Column(name, pl.Float64(), description, unit, is_nullable)


_TICKER = Column("ticker", pl.String(), "As the source lists it; case matters (KIMpL)")
_SESSION = Column("session", pl.Date(), "Trading date in the exchange's own time zone")
_CUTOFF = Column("cutoff", pl.String(), "Decision instant: open (09:25 New York) or close (close + 30 min)")
_TS_EVENT = Column("ts_event", UTC_US, "When it became true", "UTC")
_TS_KNOWN = Column("ts_known", UTC_US, "First instant the row could have been used", "UTC")
_IS_DELETED = Column("is_deleted", pl.Boolean(), "From ts_known on, the key has no row")
_AVAILABILITY = Column("availability", pl.String(), "observed: ts_known was seen; assumed: event plus the stated delay")
_KNOWN_UNTIL = Column(
    "known_until", UTC_US, "ts_known of the key's next version; null for the last", "UTC", is_nullable=True
)

_DERIVED_CLOCKS = (_TS_EVENT, _TS_KNOWN, _KNOWN_UNTIL, _IS_DELETED)
_RAW_CLOCKS = (
    _TS_EVENT,
    _TS_KNOWN,
    Column("ts_ingested", UTC_US, "When the row was landed; audit only", "UTC"),
    _IS_DELETED,
    _AVAILABILITY,
)
_PROVENANCE = (
    Column("problem", pl.String(), "What could not be read of the row; null when all of it could", is_nullable=True),
    Column("source", pl.String(), "Who said it: files, polygon, ..."),
    Column("source_file", pl.String(), "File or request that held the row"),
    Column("source_row", pl.Int64(), "1-based row in it, header excluded"),
    Column("source_hash", pl.String(), "SHA-256 of the archived bytes"),
)
_RAW = (*_RAW_CLOCKS, *_PROVENANCE)

_PRICES = (
    _float("open", "First price of the session, as traded", "USD"),
    _float("high", "Highest price, as traded", "USD"),
    _float("low", "Lowest price, as traded", "USD"),
    _float("close", "Official close, else last trade, as traded", "USD"),
)
_BAR = (
    *_PRICES,
    _float("volume", "Shares traded; fractional since 2026", "shares"),
    _float("vwap", "Volume-weighted average price as the source states it", "USD"),
    _float("trade_count", "Number of trades as the source states it"),
)
_OF_MINUTE: Final[Mapping[str, str]] = {
    "open": "First price of the minute, as traded",
    "close": "Last price of the minute, as traded",
}
_TS_OPEN = Column("ts_open", UTC_US, "Begin of the minute, which is [ts_open, ts_event)", "UTC")
_MINUTE = tuple(Column(c.name, c.dtype, _OF_MINUTE.get(c.name, c.description), c.unit, c.is_nullable) for c in _BAR)
_INDEX_BAR = tuple(
    Column(c.name, c.dtype, c.description.replace(", as traded", ""), "", is_nullable=True) for c in _PRICES
)
_VIX_DATE = Column("date", pl.Date(), "VIX's own date; its calendar is not the exchange's")
_ARTICLE = (
    Column("article_id", pl.String(), "The source's id of the article"),
    _SESSION,
    Column("tickers", pl.List(pl.String()), "Tickers the source tags, sorted"),
    Column("title", pl.String(), "Headline, or the text where there is only one"),
    Column("description", pl.String(), "Teaser or summary", is_nullable=True),
    Column("publisher", pl.String(), "Who published it", is_nullable=True),
    Column("url", pl.String(), "Where it stands", is_nullable=True),
)
_EX_DATE = Column("ex_date", pl.Date(), "First date that trades without the entitlement")
_SPLIT = (
    Column("shares_after", pl.Int64(), "Shares held after, per shares_before", "shares", is_nullable=True),
    Column("shares_before", pl.Int64(), "Shares held before", "shares", is_nullable=True),
)
_CASH = _float("cash_amount", "Cash per share as traded on the ex-date", "USD")
_PAID = (
    _CASH,
    Column("dividend_type", pl.String(), "special, supplemental, ...; null of a regular one", is_nullable=True),
    Column("currency", pl.String(), "What it is paid in where that is not USD", is_nullable=True),
)
_EVENT_ID = Column("event_id", pl.String(), "The source's id of the event")

RAW_DAILY_BARS: Final = Table(
    "raw_daily_bars", "One daily bar as the source said it.", ("ticker", "session"), (_TICKER, _SESSION, *_BAR, *_RAW)
)
RAW_MINUTE_BARS: Final = Table(
    "raw_minute_bars",
    "One minute bar as the source said it; no row for a minute without trades.",
    ("ticker", "ts_open"),
    (_TICKER, _TS_OPEN, _SESSION, *_MINUTE, *_RAW),
)
RAW_VIX: Final = Table(
    "raw_vix", "One VIX day as the source said it.", ("date",), (_VIX_DATE, _SESSION, *_INDEX_BAR, *_RAW)
)
RAW_NEWS: Final = Table("raw_news", "One article as the source said it.", ("article_id",), (*_ARTICLE, *_RAW))
RAW_SPLITS: Final = Table(
    "raw_splits",
    "One split as the source said it.",
    ("event_id",),
    (_EVENT_ID, _TICKER, _SESSION, _EX_DATE, *_SPLIT, *_RAW),
)
RAW_DIVIDENDS: Final = Table(
    "raw_dividends",
    "One cash dividend as the source said it.",
    ("event_id",),
    (_EVENT_ID, _TICKER, _SESSION, _EX_DATE, *_PAID, *_RAW),
)
RAW_TICKERS: Final = Table(
    "raw_tickers",
    "One ticker of a dated reference snapshot.",
    ("ticker", "snapshot"),
    (
        _TICKER,
        Column("snapshot", pl.Date(), "Date the reference speaks of"),
        Column("figi", pl.String(), "Composite FIGI", is_nullable=True),
        Column("name", pl.String(), "Name of the company or fund", is_nullable=True),
        Column("type", pl.String(), "CS, ETF, ADRC, ...", is_nullable=True),
        Column("exchange", pl.String(), "Primary venue (MIC)", is_nullable=True),
        Column("list_date", pl.Date(), "First date of the listing", is_nullable=True),
        Column("delist_date", pl.Date(), "First date after it", is_nullable=True),
        *_RAW,
    ),
)
RAW_UNIVERSE: Final = Table(
    "raw_universe", "One ticker and from when on it was followed or no longer.", ("ticker",), (_TICKER, *_RAW_CLOCKS)
)
RAW_COVERAGE: Final = Table(
    "raw_coverage",
    "One answer of a source about a cell: what was asked, what came, when that was known.",
    ("dataset", "ticker", "session", "cutoff"),
    (
        Column("dataset", pl.String(), "Raw table the answer fills"),
        Column("ticker", pl.String(), "Ticker asked for, or * for the whole market"),
        _SESSION,
        _CUTOFF,
        Column("state", pl.String(), "data, empty_confirmed, not_yet, quarantined or failed"),
        Column("rows", pl.Int64(), "Rows in the answer"),
        Column("evidence", pl.String(), "Hash or request id that proves the answer"),
        *_RAW_CLOCKS,
        Column("source", pl.String(), "Who answered"),
        Column("is_market", pl.Boolean(), "The answer told of every ticker of the market", is_nullable=True),
    ),
)
RAW_OBJECTS: Final = Table(
    "raw_objects",
    "One object of a store of files, as it was read for a session: what replaces it is read again.",
    ("dataset", "session"),
    (
        Column("dataset", pl.String(), "Raw table that it fills"),
        _SESSION,
        Column("version", pl.String(), "What tells it from what replaces it; empty: its landing had only begun"),
        Column("tickers", pl.Int64(), "How many it holds, followed or not"),
        *_RAW_CLOCKS,
    ),
)
# In place of a ticker: the answer is about all of them
WHOLE_MARKET: Final = "*"
# Coverage states in which a source has spoken of a cell
ANSWERED: Final = ("data", "empty_confirmed")
QUARANTINE: Final = Table(
    "quarantine",
    "One row that was landed and not let through, with the reason.",
    ("origin", "session", "row_key", "rule"),
    (
        Column("origin", pl.String(), "Table the row stands in"),
        _SESSION,
        Column("ticker", pl.String(), "Ticker, or * where the row has none"),
        Column("row_key", pl.String(), "The row's key as text"),
        Column("rule", pl.String(), "Name of the broken rule"),
        Column("found", pl.String(), "What was found"),
        Column("remedy", pl.String(), "What to do about it"),
        Column("source_file", pl.String(), "File or request that held it"),
        Column("source_row", pl.Int64(), "1-based row in it, header excluded"),
        _TS_KNOWN,
    ),
)
SECURITIES: Final = Table(
    "securities",
    "One security and the interval in which it bore a ticker.",
    ("security_id", "valid_from"),
    (
        Column("security_id", pl.String(), "Permanent id: the FIGI, else source:ticker"),
        _TICKER,
        Column("valid_from", pl.Date(), "First date of the ticker"),
        Column("valid_to", pl.Date(), "First date after it; null while it holds", is_nullable=True),
        Column(
            "is_start_known",
            pl.Boolean(),
            "Listing or rename; else the first snapshot, and earlier rows are its own too",
        ),
        Column("name", pl.String(), "Name of the company or fund", is_nullable=True),
        Column("type", pl.String(), "CS, ETF, ADRC, ...", is_nullable=True),
        Column("exchange", pl.String(), "Primary venue (MIC)", is_nullable=True),
        *_DERIVED_CLOCKS,
    ),
)
CORPORATE_ACTIONS: Final = Table(
    "corporate_actions",
    "One split or dividend of a security, de-duplicated.",
    ("security_id", "ex_date", "kind"),
    (
        Column("security_id", pl.String(), "Permanent id from securities"),
        _EX_DATE,
        Column("kind", pl.String(), "split or dividend"),
        _TICKER,
        _SESSION,
        *_SPLIT,
        _CASH,
        *_DERIVED_CLOCKS,
        _AVAILABILITY,
    ),
)
CLEAN_DAILY_BARS: Final = Table(
    "clean_daily_bars",
    "One trusted daily bar, as traded, on the exchange calendar.",
    ("ticker", "session"),
    (_TICKER, _SESSION, *_BAR, *_DERIVED_CLOCKS, _AVAILABILITY),
)
CLEAN_MINUTE_BARS: Final = Table(
    "clean_minute_bars",
    "One trusted minute bar, as traded, within the hours of its session; minutes without trades are not filled.",
    ("ticker", "ts_open"),
    (
        _TICKER,
        _TS_OPEN,
        _SESSION,
        Column("phase", pl.String(), "pre, regular or post: by the session's own open and close, half-days too"),
        *_MINUTE,
        *_DERIVED_CLOCKS,
        _AVAILABILITY,
    ),
)
CLEAN_VIX: Final = Table(
    "clean_vix",
    "One VIX day, filed under the session whose partition holds it.",
    ("date",),
    (_VIX_DATE, _SESSION, *_INDEX_BAR, *_DERIVED_CLOCKS, _AVAILABILITY),
)
CLEAN_NEWS: Final = Table(
    "clean_news",
    "One article with its story, its mood and the sessions it enters.",
    ("article_id",),
    (
        *_ARTICLE,
        Column("story_id", pl.String(), "First article of the 48 h up to its publication that tells the same story"),
        _float("sentiment", "VADER compound of title plus description", "-1 to 1", is_nullable=False),
        Column("open_session", pl.Date(), "Session of the first open cut-off at or after the first ts_known"),
        Column("close_session", pl.Date(), "Session of the first close cut-off at or after the first ts_known"),
        *_DERIVED_CLOCKS,
        _AVAILABILITY,
    ),
)

_OWN_UNITS = "USD of the session"
_INDICATORS = (
    *(_float(f"sma_{n}", f"Mean close of {n} sessions", _OWN_UNITS) for n in (5, 10, 20, 50, 200)),
    *(_float(f"ema_{n}", f"Exponential mean close, span {n}, seeded with its SMA", _OWN_UNITS) for n in (12, 26)),
    _float("rsi_14", "Wilder's relative strength index", "0 to 100"),
    _float("macd_12_26", "Fast less slow exponential mean", _OWN_UNITS),
    _float("macd_signal_12_26_9", "Exponential mean of the MACD", _OWN_UNITS),
    _float("macd_hist_12_26_9", "MACD less its signal", _OWN_UNITS),
    _float("bb_upper_20_2", "Bollinger band, mean plus two deviations", _OWN_UNITS),
    _float("bb_middle_20_2", "Bollinger band, mean", _OWN_UNITS),
    _float("bb_lower_20_2", "Bollinger band, mean less two deviations", _OWN_UNITS),
    _float("bb_percent_b_20_2", "Where the close stands between the bands", "0 at the lower, 1 at the upper"),
    _float("bb_width_20_2", "Distance of the bands over the mean", "ratio"),
    _float("atr_14", "Wilder's average true range", _OWN_UNITS),
    _float("obv", "On-balance volume; only differences mean anything", "forward shares"),
    _float("vwap_20", "Volume-weighted typical price of 20 sessions", _OWN_UNITS),
    _float("stoch_k_14", "Fast stochastic", "0 to 100"),
    _float("stoch_d_14_3", "Mean of three fast stochastics", "0 to 100"),
    *(_float(f"roc_{n}", f"Change over {n} sessions", "percent") for n in (1, 5, 20)),
    _float("ret_simple", "Close over the previous close, less one, splits taken out", "ratio"),
    _float("ret_log", "Log of close over the previous close, splits taken out", "log ratio"),
    _float("realized_vol_20", "Sample deviation of 20 log returns, a session", "log ratio"),
)
_DAY = (
    _float("close", "Close as traded; not adjusted", "USD"),
    _float("split_factor", "Product of the split ratios up to the session: as traded times this is forward units"),
    *_INDICATORS,
)
FEATURE_INDICATORS: Final = Table(
    "feature_indicators",
    "Daily indicators of one ticker and session, in the session's own units.",
    ("ticker", "session"),
    (_TICKER, _SESSION, *_DAY, *_DERIVED_CLOCKS),
)
_MOOD = (
    _float("news_count", "Articles since the cut-off before; null where news was not asked"),
    _float("story_count", "Stories among them; copies within 48 h of the first count once"),
    _float("sentiment", "Mean VADER compound of the articles; null without any", "-1 to 1"),
    _float("sentiment_positive_ratio", "Share of articles at or above 0.05", "0 to 1"),
    _float("sentiment_negative_ratio", "Share of articles at or below -0.05", "0 to 1"),
    _float("sentiment_decayed", "Mean over all sessions, half-life 3 sessions; null before any article", "-1 to 1"),
)
FEATURE_SENTIMENT: Final = Table(
    "feature_sentiment",
    "Mood of one ticker's news between two cut-offs of a kind.",
    ("ticker", "session", "cutoff"),
    (_TICKER, _SESSION, _CUTOFF, *_MOOD, *_DERIVED_CLOCKS),
)
_MARKET = (
    Column("vix_date", pl.Date(), "VIX day the values are of", is_nullable=True),
    Column("vix_age_sessions", pl.Int32(), "Sessions from that day to the one the row may look at", is_nullable=True),
    _float("vix_close", "VIX close", "points"),
    _float("vix_change", "Change from the VIX day before", "points"),
    _float("vix_percentile_252", "Share of 252 VIX days, this one included, at or below its close", "0 to 1"),
)
FEATURE_MARKET: Final = Table(
    "feature_market",
    "State of the market at one cut-off of a session.",
    ("session", "cutoff"),
    (_SESSION, _CUTOFF, *_MARKET, *_DERIVED_CLOCKS),
)
FEATURE_MATRIX: Final = Table(
    "feature_matrix",
    "What a model may read of one ticker at one cut-off of a session.",
    ("ticker", "session", "cutoff"),
    (
        _TICKER,
        _SESSION,
        _CUTOFF,
        Column("bar_session", pl.Date(), "Session of the bar and indicators: this one (close), the one before (open)"),
        *_DAY,
        *_MOOD,
        *_MARKET,
        *_DERIVED_CLOCKS,
    ),
)

_BASES = tuple(
    _float(f"{column.name}_{basis}", f"{column.name}, {'split-adjusted' if basis == 'split' else told}", column.unit)
    for basis, told in (("split", ""), ("total_return", "dividends reinvested; null where none were asked for"))
    for column in _BAR
    if column.name != "trade_count" and not (column.name == "volume" and basis == "total_return")
)
TICKER_BARS: Final = Table(
    "ticker_bars",
    "One daily bar of a ticker as it stands now, in every price basis; adjusted ones in units of the last session.",
    ("ticker", "session"),
    (
        _TICKER,
        _SESSION,
        Column("security_id", pl.String(), "Who bore the ticker then: a reused ticker has several"),
        *_BAR,
        *_BASES,
        _TS_EVENT,
        _TS_KNOWN,
        _AVAILABILITY,
    ),
)
TICKER_FEATURES: Final = Table(
    "ticker_features",
    "Feature matrix of one ticker, every version: recomputed from raw in one pass, equal to what the sessions wrote.",
    FEATURE_MATRIX.key,
    FEATURE_MATRIX.columns,
)

_ALL = (
    *(RAW_DAILY_BARS, RAW_MINUTE_BARS, RAW_VIX, RAW_NEWS, RAW_SPLITS, RAW_DIVIDENDS, RAW_TICKERS, RAW_UNIVERSE),
    *(RAW_COVERAGE, RAW_OBJECTS, QUARANTINE),
    *(SECURITIES, CORPORATE_ACTIONS, CLEAN_DAILY_BARS, CLEAN_MINUTE_BARS, CLEAN_VIX, CLEAN_NEWS),
    *(FEATURE_INDICATORS, FEATURE_SENTIMENT, FEATURE_MARKET, FEATURE_MATRIX),
)
# What every other market has of its own; no feature reads it, and it stays in the lake
_OF_MARKETS: Final = tables_of_markets((RAW_DAILY_BARS, CLEAN_DAILY_BARS, RAW_MINUTE_BARS, CLEAN_MINUTE_BARS))
IN_OTHER_MARKETS: Final = frozenset(_OF_MARKETS)
TABLES: Final[Mapping[str, Table]] = {**{table.name: table for table in _ALL}, **_OF_MARKETS}


def table_of(table: Table, market: Market) -> Table:
    """Give a market's own table in place of one of bars; that of equities is the table itself."""
    return table if market is EQUITIES else _OF_MARKETS[f"{table.name}_{market.name}"]


# Published as a file a ticker, beside the lake
HISTORY: Final = (TICKER_BARS, TICKER_FEATURES)
_DERIVED = tuple(table for table in _ALL if table.has_intervals)
# Read where they lie: a store of all minutes would be copied whole to publish a session (ADR 8)
IN_THE_LAKE: Final = (CLEAN_MINUTE_BARS,)
# What feature_store publishes: enough to answer every other read of the Python API without the lake
STORED: Final = tuple(table for table in _DERIVED if table not in IN_THE_LAKE)
# What a run over sessions derives
BY_SESSION: Final = tuple(table for table in _DERIVED if "session" in table.names)
# Assets of a run that asks nobody anything
DERIVED: Final = (*(table.name for table in BY_SESSION), "feature_store", "quality_report")
