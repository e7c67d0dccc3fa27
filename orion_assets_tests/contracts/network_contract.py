"""What every source behind a network owes, whatever the vendor does: inherit, and give the other side as `far`.

To add a provider: write a far side (orion_assets_tests/far_sides.py shows several), name it in a class that inherits
here, and say in NOT_OWED, with the reason, what the vendor cannot do wrong.
"""

import logging
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import ClassVar

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orion_assets.errors import AnswerDistrusted, KeyRefused, OrionError, SettingsError, SourceUnavailable
from orion_assets.schemas import TABLES
from orion_assets.sources.protocols import (
    TS_ASSUMED,
    TS_STATED,
    Answer,
    Ask,
    last_session_of,
    listed_by,
    said_schema,
)
from orion_assets_tests.far_sides import KEY, FarSide, says_what_next

# What the other side does, and what a caller must learn of it
FAULTS: Mapping[str, type[OrionError]] = {
    "a page of HTML": SourceUnavailable,
    "an empty body": SourceUnavailable,
    "a cut gzip stream": SourceUnavailable,
    "a body shorter than told": SourceUnavailable,
    "a body cut in its middle": SourceUnavailable,
    "a gateway's 503": SourceUnavailable,
    "an unknown key": KeyRefused,
    "another ticker": AnswerDistrusted,
    "days nobody asked for": AnswerDistrusted,
    "pages that go round": AnswerDistrusted,
}
_KNOWN = pl.coalesce(TS_STATED, TS_ASSUMED)


def told(answer: Answer) -> pl.DataFrame:
    """Give the rows without the place in which they stood."""
    return answer.rows.select(pl.exclude("source_file", "source_row", "source_hash"))


class NetworkSourceContract:
    """Inherit in a class named Test..., define the fixture `far`, and set the attributes below."""

    START: ClassVar[date]
    END: ClassVar[date]
    NOW: ClassVar[datetime]
    EARLIER: ClassVar[datetime]  # some rows are known by then, and some are not
    TICKERS: ClassVar[tuple[str, ...]] = ()
    NOT_OWED: ClassVar[Mapping[str, str]] = {}  # "fault" or "fault: dataset" -> why it cannot happen

    @pytest.fixture
    def far(self) -> FarSide:
        raise NotImplementedError("give the other side")

    def ask(self, far, dataset, **changes) -> Ask:
        by_ticker = TABLES[dataset].key in (("ticker", "session"), ("ticker", "ts_open"))
        told = {"start": self.START, "end": self.END, "tickers": self.TICKERS if by_ticker else (), "now": self.NOW}
        return Ask(dataset=dataset, route=far.route(dataset), **(told | changes))

    def answers(self, far, **changes) -> dict[str, Answer]:
        return {dataset: far.source.read(self.ask(far, dataset, **changes)) for dataset in far.datasets}

    def owed(self, far, fault) -> list[str]:
        found = [d for d in far.datasets if fault not in self.NOT_OWED and f"{fault}: {d}" not in self.NOT_OWED]
        if not found:
            pytest.skip(self.NOT_OWED.get(fault, "no dataset of this source can have it"))
        return found

    def test_healthy_rows_are_the_truth(self, far):
        for dataset, answer in self.answers(far).items():
            truth = far.truth(dataset)
            key = list(TABLES[dataset].key)

            assert truth.height, f"{dataset}: the range holds nothing, so this test could not fail"
            assert_frame_equal(answer.rows.select(truth.columns).sort(key), truth.sort(key), check_dtypes=False)
            assert answer.rows["problem"].is_null().all()

    def test_rows_are_complete_and_say_where_they_come_from(self, far):
        for dataset, answer in self.answers(far).items():
            table, known = TABLES[dataset], {document.sha256 for document in answer.documents}
            required = [c.name for c in table.columns if not c.is_nullable and c.name in answer.rows.columns]

            assert list(answer.rows.schema.items()) == list(said_schema(table).items()), dataset
            assert not any(answer.rows.select(pl.col(*required, TS_ASSUMED).null_count()).row(0)), dataset
            assert not answer.rows.select(*table.key, TS_STATED).is_duplicated().any(), dataset
            assert set(answer.rows["source_hash"]) <= known
            assert set(answer.rows["source"]) == {far.source.name}
            assert (answer.rows["source_row"] >= 1).all()
            assert answer.rows["session"].is_between(self.START, self.END, closed="left").all(), dataset
            assert all(sha256(document.content).hexdigest() == document.sha256 for document in answer.documents)
            assert answer.evidence in known

    def test_the_same_ask_gets_the_same_answer(self, far):
        first, second = self.answers(far), self.answers(far)

        for dataset, answer in first.items():
            # Each answer may bear an id of its own, so that its bytes differ
            assert_frame_equal(told(answer), told(second[dataset]), check_exact=True)

    def test_ranges_put_together_are_the_whole_wherever_they_are_cut(self, far):
        for dataset, whole in self.answers(far).items():
            for days in range(1, (self.END - self.START).days):
                cut = self.START + timedelta(days=days)
                asks = [self.ask(far, dataset, end=cut), self.ask(far, dataset, start=cut)]

                parts = pl.concat([told(far.source.read(part)) for part in asks])

                assert_frame_equal(parts, told(whole), check_row_order=False)

    def test_nothing_is_known_after_now(self, far):
        hidden = 0
        for dataset, later in self.answers(far).items():
            then = told(far.source.read(self.ask(far, dataset, now=self.EARLIER)))

            assert then.filter(_KNOWN > self.EARLIER).is_empty(), dataset
            assert_frame_equal(then, told(later).filter(_KNOWN <= self.EARLIER), check_row_order=False)
            hidden += later.rows.height - then.height
        assert hidden, "EARLIER hides nothing, so this test could not fail"

    def test_it_says_what_it_is_not_for(self, far):
        with pytest.raises(ValueError, match=rf"{far.source.name}: raw_universe"):
            far.source.read(Ask("raw_universe", self.START, self.END, self.TICKERS, self.NOW))
        with pytest.raises(SettingsError, match=rf"{far.source.name}: .*ORION_TICKERS"):
            listed_by(far.source)
        assert not far.targets, "a wrong call is not sent"
        assert far.source.is_local is False
        assert {last_session_of(far.source, dataset) for dataset in far.datasets} == {None}

    def test_a_closed_source_opens_again(self, far):
        self.owed(far, "closing")
        dataset = far.datasets[0]

        before = told(far.source.read(self.ask(far, dataset)))
        far.source.close()
        after = told(far.source.read(self.ask(far, dataset)))

        assert_frame_equal(before, after)

    def test_an_empty_range_has_no_rows(self, far):
        self.owed(far, "an empty range")

        for answer in self.answers(far, end=self.START).values():
            assert answer.rows.is_empty()

    def test_it_declares_a_route_to_all_that_it_is_asked_for(self, far):
        routes = {(route.dataset, route.name) for route in far.source.routes(self.NOW.date())}

        assert {(dataset, far.route(dataset)) for dataset in far.datasets} <= routes
        assert {dataset for dataset, _ in routes} <= far.source.datasets

    def test_no_rows_are_an_answer_where_the_vendor_says_so(self, far):
        for dataset in self.owed(far, "no rows"):
            far.fault = "no rows"

            answer = far.source.read(self.ask(far, dataset))

            assert answer.rows.is_empty()
            assert answer.documents
            assert answer.evidence == answer.documents[0].sha256

    @pytest.mark.parametrize("fault", FAULTS)
    def test_what_is_not_a_true_and_whole_answer_is_none(self, far, fault, caplog):
        caplog.set_level(logging.DEBUG)
        for dataset in self.owed(far, fault):
            far.fault = fault
            before = len(far.targets)

            with pytest.raises(FAULTS[fault], match=far.source.name) as caught:
                far.source.read(self.ask(far, dataset))

            assert says_what_next(str(caught.value)), str(caught.value)
            assert 1 <= len(far.targets) - before <= far.most_requests, dataset
            assert not far.has_key or KEY not in str(caught.value) + caplog.text
            far.fault = ""
            if fault == "an unknown key":
                with pytest.raises(KeyRefused):
                    far.source.read(self.ask(far, dataset))
                assert len(far.targets) == before + 1, "a refused key is sent no more"
                return
            assert told(far.source.read(self.ask(far, dataset))).height, "it is not believed again once it is well"

    def test_the_key_is_in_a_header_and_nowhere_else(self, far, caplog):
        if not far.has_key:
            pytest.skip("it takes no key")
        caplog.set_level(logging.DEBUG)

        answers = self.answers(far)

        assert far.targets
        assert all(KEY not in target and "REDACTED" not in target for target in far.targets)
        assert far.keys_in_headers == len(far.targets)
        for answer in answers.values():
            assert KEY not in answer.rows.write_json() + repr(answer)
            assert not any(KEY in document.name or KEY.encode() in document.content for document in answer.documents)
        assert KEY not in caplog.text + repr(far.source)
