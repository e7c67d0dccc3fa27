from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest

from orion_assets import schemas
from orion_assets.errors import SettingsError, StoreUnavailable
from orion_assets.schemas import TABLES
from orion_assets.store.duckdb import DuckDBStore
from orion_assets.store.opening import open_store, open_writer
from orion_assets.store.reader import END_OF_TIME, VISIBLE, Selection
from orion_assets.tables import UTC_US

FRI, MON, TUE = date(2014, 6, 6), date(2014, 6, 9), date(2014, 6, 10)


def at(session: date) -> datetime:
    return datetime(session.year, session.month, session.day, 20, 30, tzinfo=UTC)


def frame(table: str, *given: dict) -> pl.DataFrame:
    """Rows of which only the named values matter."""
    fill = {pl.String(): "", pl.Date(): FRI, UTC_US: at(FRI), pl.Boolean(): False, pl.Float64(): 0.0}
    full = [
        {c.name: row.get(c.name, None if c.is_nullable else fill.get(c.dtype)) for c in TABLES[table].columns}
        for row in given
    ]
    return pl.DataFrame(full, schema=dict(TABLES[table].schema), orient="row")


def bar(ticker: str, session: date, close: float, **more) -> dict:
    prices = dict.fromkeys(("open", "high", "low", "close", "vwap"), close)
    return {"ticker": ticker, "session": session, "volume": 100.0, "ts_known": at(session)} | prices | more


def row(ticker: str, session: date, cutoff: str, rsi: float) -> dict:
    known = at(session) if cutoff == "close" else at(session) - timedelta(hours=7)
    return {
        "ticker": ticker,
        "session": session,
        "cutoff": cutoff,
        "rsi_14": rsi,
        "bar_session": session,
        "ts_known": known,
    }


def action(kind: str, ex_date: date, known: date = FRI, **more) -> dict:
    return {
        "security_id": "s:A",
        "ticker": "A",
        "kind": kind,
        "session": ex_date,
        "ex_date": ex_date,
        "ts_known": at(known),
    } | more


CONTENT = {
    "clean_daily_bars": frame(
        "clean_daily_bars",
        *(bar("A", FRI, 140.0), bar("A", MON, 20.0), bar("A", TUE, 21.0)),
        *(bar("B", FRI, 5.0), bar("b", FRI, 6.0)),
    ),
    # One share became seven on Monday
    "corporate_actions": frame("corporate_actions", action("split", MON, shares_after=7, shares_before=1)),
    "feature_matrix": frame(
        "feature_matrix",
        *(row("A", FRI, "open", 1.0), row("A", FRI, "close", 2.0), row("A", MON, "open", 3.0)),
        *(row("A", MON, "close", 4.0), row("A", TUE, "open", 5.0), row("B", FRI, "close", 6.0)),
    ),
    "clean_news": frame(
        "clean_news",
        {"article_id": "n1", "session": FRI, "tickers": ["A", "C"], "ts_known": at(FRI)},
        {"article_id": "n2", "session": MON, "tickers": ["B"], "ts_known": at(MON)},
        {"article_id": "n3", "session": MON, "tickers": [], "ts_known": at(MON)},
    ),
    "clean_vix": frame("clean_vix", {"date": FRI, "session": FRI, "close": 10.7}),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("reader") / "it's a store.duckdb"
    facts = {"asked 2014-06": '{"raw_splits": [["2014-06-06", "2014-06-30"]]}'}
    open_writer(str(path)).publish(CONTENT, start=FRI, end=date(2014, 6, 30), facts=facts)
    return path


@pytest.fixture
def store(path):
    with open_store(str(path)) as store:
        yield store


class TestColumnsAndRanges:
    def test_features_are_key_asked_columns_and_ts_known_sorted_by_key(self, store):
        found = store.features(["B", "A"], columns=["sma_20", "rsi_14", "ticker"])

        assert found.columns == ["ticker", "session", "cutoff", "sma_20", "rsi_14", "ts_known"]
        assert found.select("ticker", "session", "rsi_14").rows() == [("A", FRI, 2.0), ("A", MON, 4.0), ("B", FRI, 6.0)]
        assert found.schema["ts_known"] == UTC_US

    def test_without_columns_all_but_the_hidden_ones_come(self, store):
        assert store.features().columns == [
            name for name in schemas.FEATURE_MATRIX.names if name not in {"known_until", "is_deleted"}
        ]

    def test_a_range_holds_its_start_and_not_its_end(self, store):
        assert store.features("A", start=FRI, end=MON)["session"].to_list() == [FRI]
        assert store.features("A", start="2014-06-07", end="2014-06-10")["session"].to_list() == [MON]
        assert store.features("A", start=MON, end=MON).is_empty()

    def test_both_cutoffs_come_when_asked(self, store):
        assert store.features("A", cutoff="open")["rsi_14"].to_list() == [1.0, 3.0, 5.0]
        assert store.features("A", cutoff="both")["rsi_14"].to_list() == [2.0, 1.0, 4.0, 3.0, 5.0]

    def test_case_matters_in_a_ticker(self, store):
        assert store.bars("b")["close"].to_list() == [6.0]

    def test_no_tickers_are_no_rows_with_all_columns(self, store):
        assert store.features([]).is_empty()
        assert store.news([]).schema == store.news().schema

    def test_a_ticker_without_rows_in_the_range_is_an_answer(self, store):
        assert store.features("b").is_empty()
        assert store.news("b").is_empty()
        assert store.bars("C").is_empty()

    def test_news_of_any_of_the_tickers(self, store):
        assert store.news(["C", "B"])["article_id"].to_list() == ["n1", "n2"]
        assert store.news("A", as_of=at(FRI) - timedelta(seconds=1)).is_empty()
        assert store.news()["article_id"].to_list() == ["n1", "n2", "n3"]

    def test_latest_is_one_row_a_ticker_or_one_a_cutoff(self, store):
        assert store.latest(columns=["rsi_14"]).select("ticker", "rsi_14").rows() == [("A", 4.0), ("B", 6.0)]
        assert store.latest("A", cutoff="open")["rsi_14"].to_list() == [5.0]
        assert store.latest("A", cutoff="both")["rsi_14"].to_list() == [4.0, 5.0]
        assert store.latest("A", cutoff="both", as_of="2014-06-08")["rsi_14"].to_list() == [2.0, 1.0]

    def test_any_stored_table_can_be_read(self, store):
        assert store.table("clean_vix")["close"].to_list() == [10.7]
        assert store.table("corporate_actions", tickers="A").height == 1

    def test_an_instant_means_the_same_in_every_zone(self, store):
        tokyo = timezone(timedelta(hours=9))

        assert store.bars("A", as_of=at(FRI).astimezone(tokyo)).height == 1
        assert store.bars("A", as_of=(at(FRI) - timedelta(microseconds=1)).astimezone(tokyo)).is_empty()


class TestAdjustedBars:
    def test_split_adjusted_bars_are_in_the_units_of_the_last_visible_session(self, store):
        found = store.bars("A", adjusted="split")

        assert found["close"].to_list() == pytest.approx([20.0, 20.0, 21.0])
        assert found["volume"].to_list() == pytest.approx([700.0, 100.0, 100.0])
        assert found.columns == store.bars("A").columns

    def test_a_split_that_has_not_come_changes_nothing(self, store):
        assert store.bars("A", adjusted="split", as_of=FRI)["close"].to_list() == [140.0]

    def test_the_range_never_changes_a_value(self, store):
        found = store.bars("A", start=FRI, end=MON, adjusted="split")

        assert found["session"].to_list() == [FRI]
        assert found["close"].to_list() == pytest.approx([20.0])

    def test_total_return_without_dividends_is_refused_with_the_remedy(self, store):
        told = (
            r"no source supplied raw_dividends to this store for 3 of the 3 sessions, 2014-06-06 to 2014-06-10"
            r'.*orion backfill --from 2014-06-06 --to 2014-06-11`.*adjusted="split"'
        )
        with pytest.raises(ValueError, match=told):
            store.bars("A", adjusted="total_return")

    def test_total_return_reinvests_the_dividends(self, paid):
        # 11 before a dividend of 1 on a close of 10: 11 / 1.1
        with paid(FRI, MON) as store:
            assert store.bars("A", adjusted="total_return")["close"].to_list() == pytest.approx([10.0, 10.0])

    def test_total_return_asks_for_the_dividends_of_its_own_sessions_and_of_no_others(self, paid):
        with paid(MON) as store:
            assert store.bars("A", start=MON, adjusted="total_return")["close"].to_list() == [10.0]
            with pytest.raises(ValueError, match="1 of the 2 sessions, 2014-06-06 to 2014-06-06"):
                store.bars("A", adjusted="total_return")

    def test_sessions_without_dividends_refuse_themselves_alone(self, paid):
        with paid(FRI) as store:
            assert store.bars("A", end=MON, adjusted="total_return")["close"].to_list() == pytest.approx([10.0])
            with pytest.raises(ValueError, match="1 of the 1 sessions, 2014-06-09 to 2014-06-09"):
                store.bars("A", start=MON, adjusted="total_return")

    @pytest.fixture
    def paid(self, tmp_path):
        """A store with a dividend of MON, whose source was asked for dividends in some sessions."""

        def published(*asked: date) -> DuckDBStore:
            paid = frame("corporate_actions", action("dividend", MON, cash_amount=1.0))
            bars = frame("clean_daily_bars", bar("A", FRI, 11.0), bar("A", MON, 10.0))
            store = DuckDBStore(tmp_path / "store.duckdb")
            for session in asked:
                # Each told in a fact of its own, as publications of several months are
                facts = {f"asked {session}": f'{{"raw_dividends": [["{session}", "{session}"]]}}'}
                store.publish({}, start=FRI, end=TUE, facts=facts)
            store.publish({"clean_daily_bars": bars, "corporate_actions": paid}, start=FRI, end=TUE, facts={})
            return store

        return published


class TestRefusals:
    @pytest.mark.parametrize(
        ("ask", "text"),
        [
            (
                lambda s: s.bars("a"),
                "ticker a is not in the store; near: A. Remedy: write it so, case matters",
            ),
            (lambda s: s.features(["A", "ZZZZ"]), r"ticker ZZZZ is not in the store; there are 4: A, B, C, b"),
            (lambda s: s.news("ZZZZ"), "ticker ZZZZ is not in the store"),
            (lambda s: s.latest("ZZZZ"), "ticker ZZZZ is not in the store; there are 4"),
            (
                lambda s: s.features(columns=["rsi14"]),
                "column rsi14 is not in the store; near: rsi_14. Remedy: docs/reference/tables.md",
            ),
            (lambda s: s.features(columns=["is_deleted"]), "column is_deleted is not in the store"),
            (
                lambda s: s.features(columns=["rsi_14; DROP TABLE x"]),
                "column rsi_14; DROP TABLE x is not in the store; there are 46",
            ),
            (lambda s: s.table("feature_matrx"), "table feature_matrx is not in the store; near: feature_matrix"),
            (lambda s: s.content_hash("raw_vix"), "table raw_vix is not in the store; near: clean_vix"),
            (lambda s: s.table("clean_vix", tickers="A"), "its rows belong to no ticker"),
            (lambda s: s.features(cutoff="noon"), "cutoff 'noon' is not one of open, close, both"),
            (lambda s: s.bars(timeframe="5m"), "timeframe '5m' is not one of 1d"),
            (lambda s: s.bars(adjusted="all"), "adjusted 'all' is not one of none, split, total_return"),
            (lambda s: s.features(start="6.6.2014"), "start: '6.6.2014' is not a session; write it as 2014-06-06"),
            (lambda s: s.features(end=at(FRI)), "end: .* is an instant, sessions are dates"),
            (lambda s: s.features(start=MON, end=FRI), "start 2014-06-09 is after end 2014-06-06"),
            (lambda s: s.features(as_of="2014-06-06T12:00"), "has no time zone"),
        ],
    )
    def test_a_wrong_call_names_the_mistake_and_the_remedy(self, store, ask, text):
        with pytest.raises(ValueError, match=text):
            ask(store)


class TestQueries:
    def test_values_are_bound_and_never_in_the_text(self):
        injected = "A' OR 1=1 --"
        selection = Selection(schemas.FEATURE_MATRIX, ("ticker",), tickers=(injected,), start=FRI, cutoff="close")

        for query in (selection.query(), selection.latest_query()):
            assert injected not in query.text
            assert "2014" not in query.text
            assert query.parameters == {"as_of": END_OF_TIME, "start": FRI, "cutoff": "close", "ticker_0": injected}

    def test_every_read_uses_the_one_text(self):
        selection = Selection(schemas.FEATURE_MATRIX, ("ticker",))

        assert VISIBLE == "ts_known <= :as_of AND (known_until IS NULL OR known_until > :as_of) AND NOT is_deleted"
        assert selection.query().text == f'SELECT "ticker" FROM feature_matrix WHERE {VISIBLE}'
        assert selection.latest_query().text.count(VISIBLE) == 2


class TestOpening:
    def test_a_store_that_is_not_there_says_how_to_make_one(self, tmp_path):
        with pytest.raises(StoreUnavailable, match=r"nowhere\.duckdb does not exist.*`orion backfill`"):
            open_store(f"duckdb:///{tmp_path}/nowhere.duckdb")

    def test_three_slashes_are_relative_and_four_absolute(self, path, monkeypatch):
        monkeypatch.chdir(path.parent)

        for url in (f"duckdb:///{path.name}", f"duckdb:///{path}", path.name, str(path)):
            with open_store(url) as store:
                assert store.table("clean_vix").height == 1

    @pytest.mark.parametrize("url", ["postgresql://orion:secret@db/orion", "duckdb:///"])
    def test_an_unknown_scheme_is_refused_without_its_password(self, url):
        with pytest.raises(SettingsError, match=r"duckdb:///data/store\.duckdb") as refusal:
            open_store(url)

        assert "secret" not in str(refusal.value)

    def test_an_opened_store_is_pinned_to_the_publication_of_that_moment(self, tmp_path):
        url = str(tmp_path / "store.duckdb")
        vix = CONTENT["clean_vix"]
        open_writer(url).publish({"clean_vix": vix}, start=FRI, end=MON, facts={})

        with open_store(url) as store:
            open_writer(url).publish({"clean_vix": vix.clear()}, start=FRI, end=MON, facts={})

            assert store.table("clean_vix").height == 1
            store.refresh()
            assert store.table("clean_vix").is_empty()
