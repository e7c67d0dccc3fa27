"""A vendor that says back the key it was sent: it is told in no error or log, archived and landed nowhere."""

import json
import logging

import pytest

from orion_assets.errors import OrionError
from orion_assets.sources.polygon.words import judge, refuse_status
from orion_assets_tests.far_sides import KEY, transport_to
from orion_assets_tests.scripted_server import answer, scripted

HEADERS = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture
def server():
    with scripted() as running:
        yield running


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found",
                                    "302 Found", "429 Too Many Requests", "503 Service Unavailable"])  # fmt: skip
@pytest.mark.parametrize(
    "said",
    [
        f"Unknown API Key {KEY}",
        f"Your plan doesn't include this data timeframe, {KEY}",
        f"before end of day {KEY}",
    ],
)
def test_no_error_and_no_log_tells_it(server, caplog, status, said):
    body = json.dumps({"status": "ERROR", "error": said}).encode()
    server.say(answer(body, status, headers=f"Location: https://elsewhere.test/?apiKey={KEY}\r\n"))

    with (
        # What the HTTP library itself would log of headers, the command line does not show
        caplog.at_level(logging.DEBUG, "orion_assets"),
        transport_to(server.url, "polygon", judge, HEADERS) as transport,
        pytest.raises(OrionError) as caught,
    ):
        transport.get("/v2", {}, lambda response: refuse_status(json.loads(response.body)))

    told, error = [caplog.text], caught.value
    while error is not None:
        told.append(str(error))
        error = error.__cause__ or error.__context__
    assert server.requests
    assert not [text for text in told if KEY in text]


def test_what_is_kept_of_an_answer_does_not_hold_it(server):
    server.say(answer(json.dumps({"status": "OK", "you": KEY, "results": []}).encode()))

    with transport_to(server.url, "polygon", judge, HEADERS) as transport:
        body, sha256 = transport.get("/v2", {}, lambda response: (response.body, response.sha256))

    assert json.loads(body) == {"status": "OK", "you": "***", "results": []}
    assert len(sha256) == 64
