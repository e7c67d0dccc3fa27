"""What Polygon says of a day on which the exchange rests is filed under the next session, and in one range only."""

import json
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest

from orion_assets.sources.polygon.routes import RIGHTS
from orion_assets.sources.polygon.source import PolygonSource
from orion_assets.sources.polygon.words import judge
from orion_assets.sources.protocols import Ask
from orion_assets_tests.far_sides import transport_to
from orion_assets_tests.scripted_server import answer, scripted

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WEDNESDAY, THANKSGIVING, FRIDAY, SATURDAY = (date(2025, 11, day) for day in (26, 27, 28, 29))
CHICAGO = ZoneInfo("America/Chicago")


@pytest.fixture
def source():
    with scripted() as server:

        def step(connection):
            parts = urlsplit(server.heads[-1].split(" ")[1])
            is_vix = parts.path.startswith("/v2/aggs/")
            told = {"ticker": "I:VIX", "results": _vix(parts)} if is_vix else {"results": _splits(parts)}
            answer(json.dumps({"status": "OK", **told}).encode())(connection)

        server.say(step)
        with transport_to(server.url, "polygon", judge, {}) as transport:
            yield PolygonSource(transport, RIGHTS["advanced"])


def _vix(parts):
    first, last = (date.fromisoformat(day) for day in parts.path.split("/")[-2:])
    days = [first + timedelta(days=each) for each in range((last - first).days + 1)]
    stamps = [datetime(day.year, day.month, day.day, tzinfo=CHICAGO).timestamp() for day in days if day.weekday() < 5]
    return [{"t": int(at * 1000), "o": 18, "h": 19, "l": 17, "c": 18.5} for at in stamps]


def _splits(parts):
    asked = parse_qs(parts.query)
    split = {"id": "s", "ticker": "AAA", "execution_date": str(THANKSGIVING), "split_from": 1, "split_to": 2}
    is_inside = asked["execution_date.gte"][0] <= str(THANKSGIVING) <= asked["execution_date.lte"][0]
    return [split] if is_inside else []


@pytest.mark.parametrize(("dataset", "day"), [("raw_vix", "date"), ("raw_splits", "ex_date")])
def test_thanksgiving_is_told_once_and_with_the_friday_after_it(source, dataset, day):
    spans = [(WEDNESDAY, FRIDAY), (FRIDAY, SATURDAY)]

    first, second = (source.read(Ask(dataset, *span, (), NOW)).rows for span in spans)

    assert THANKSGIVING not in first[day].to_list()
    assert second.filter(second[day] == THANKSGIVING)["session"].to_list() == [FRIDAY]
    assert first["session"].is_in([WEDNESDAY]).all()
