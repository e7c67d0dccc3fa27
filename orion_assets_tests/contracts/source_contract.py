"""What every source owes, whatever the provider: inherit, give the fixture `source`, state a range that has rows."""

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import ClassVar

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets.schemas import TABLES
from orion_assets.sources.protocols import TS_ASSUMED, TS_STATED, Answer, Ask, said_schema


class SourceContract:
    """Inherit in a class named Test..., define the fixture `source`, and set the attributes below."""

    START: ClassVar[date]
    END: ClassVar[date]
    NOW: ClassVar[datetime] = datetime(2036, 1, 1, tzinfo=UTC)
    EARLIER: ClassVar[datetime]  # an instant inside the range: some rows are known by then and some are not
    TICKERS: ClassVar[tuple[str, ...]] = ()

    @pytest.fixture
    def source(self):
        raise NotImplementedError("give the source under test")

    def ask(self, dataset, *, now=None, start=None, end=None, tickers=None) -> Ask:
        asked = self.TICKERS if tickers is None else tickers
        return Ask(dataset, start or self.START, end or self.END, asked, now or self.NOW)

    def answers(self, source, **changes) -> dict[str, Answer]:
        return {dataset: source.read(self.ask(dataset, **changes)) for dataset in sorted(source.datasets)}

    def test_it_fills_raw_tables_and_the_range_has_rows(self, source):
        assert source.datasets
        assert all(name in TABLES and name.startswith("raw_") for name in source.datasets)
        assert any(answer.rows.height for answer in self.answers(source).values())

    def test_rows_have_exactly_the_said_schema(self, source):
        for dataset, answer in self.answers(source).items():
            assert list(answer.rows.schema.items()) == list(said_schema(TABLES[dataset]).items()), dataset

    def test_what_may_not_be_null_is_not_null(self, source):
        for dataset, answer in self.answers(source).items():
            required = [c.name for c in TABLES[dataset].columns if not c.is_nullable and c.name in answer.rows.columns]
            nulls = answer.rows.select(pl.col(*required, TS_ASSUMED).null_count()).row(0, named=True)
            assert not any(nulls.values()), (dataset, nulls)

    def test_a_key_and_stated_instant_name_one_row(self, source):
        for dataset, answer in self.answers(source).items():
            version = answer.rows.select(*TABLES[dataset].key, TS_STATED)
            assert not version.is_duplicated().any(), dataset

    def test_rows_lie_within_the_range(self, source):
        for answer in self.answers(source).values():
            if "session" in answer.rows.columns:
                assert answer.rows["session"].is_between(self.START, self.END, closed="left").all()

    def test_ranges_put_together_are_the_whole(self, source):
        middle = self.START + (self.END - self.START) / 2
        for dataset, whole in self.answers(source).items():
            if "session" in whole.rows.columns:
                parts = [source.read(self.ask(dataset, end=middle)), source.read(self.ask(dataset, start=middle))]
                assert_frame_equal(pl.concat([part.rows for part in parts]), whole.rows, check_row_order=False)

    def test_every_row_names_a_document_that_is_given(self, source):
        for dataset, answer in self.answers(source).items():
            known = {document.sha256 for document in answer.documents}
            assert set(answer.rows["source_hash"]) <= known, dataset
            assert (answer.rows["source_row"] >= 1).all()

    def test_documents_are_the_bytes_that_their_hashes_say(self, source):
        for answer in self.answers(source).values():
            assert all(sha256(document.content).hexdigest() == document.sha256 for document in answer.documents)
            assert not any(document.name.startswith("/") for document in answer.documents)
            assert answer.evidence

    def test_rows_name_the_source(self, source):
        for answer in self.answers(source).values():
            assert set(answer.rows["source"]) <= {source.name}

    def test_the_same_ask_gets_the_same_answer(self, source):
        first, second = self.answers(source), self.answers(source)

        for dataset, answer in first.items():
            assert_frame_equal(answer.rows, second[dataset].rows, check_exact=True)
            assert (answer.evidence, answer.tickers) == (second[dataset].evidence, second[dataset].tickers)

    def test_nothing_is_known_after_now(self, source):
        known = pl.coalesce(TS_STATED, TS_ASSUMED)
        hidden = 0
        for dataset, later in self.answers(source).items():
            then = source.read(self.ask(dataset, now=self.EARLIER)).rows
            assert then.filter(known > self.EARLIER).is_empty(), dataset
            assert_frame_equal(then, later.rows.filter(known <= self.EARLIER), check_row_order=False)
            hidden += later.rows.height - then.height
        assert hidden, "EARLIER hides nothing, so this test could not fail"

    def test_an_empty_range_is_an_answer(self, source):
        for answer in self.answers(source, start=self.START, end=self.START).values():
            if "session" in answer.rows.columns:
                assert answer.rows.is_empty()

    def test_only_asked_tickers_are_given(self, source):
        one = source.listed_tickers()[0]
        for answer in self.answers(source, tickers=(one,)).values():
            if "ticker" in answer.rows.columns:
                assert set(answer.rows["ticker"]) <= {one}
            elif "tickers" in answer.rows.columns:
                assert answer.rows["tickers"].list.contains(one).all()

    def test_listed_tickers_are_sorted_and_have_bars(self, source):
        listed = source.listed_tickers()

        assert list(listed) == sorted(set(listed))
        bars = source.read(self.ask("raw_daily_bars", start=date(1990, 1, 1), end=self.END + timedelta(1), tickers=()))
        assert set(bars.rows["ticker"]) <= set(listed)
