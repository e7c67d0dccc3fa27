"""The hash of an answer is that of its body, whether it was begun ahead or not, and whoever asks for it."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from orion_assets.sources import responses
from orion_assets.sources.responses import Response


def answer(size):
    return Response("https://vendor.example/v2", 200, {}, b"ab" * (size // 2))


@pytest.mark.parametrize("size", [0, 2, 1 << 20, 5 << 20])
def test_the_hash_is_that_of_the_body_for_all_who_ask_at_once(size):
    got = answer(size).hashed_ahead()

    with ThreadPoolExecutor(4) as threads:
        told = set(threads.map(lambda _: got.sha256, range(8)))

    assert told == {hashlib.sha256(got.body).hexdigest()}


def test_a_long_body_is_hashed_ahead_and_a_short_one_when_it_is_asked_for(monkeypatch):
    begun = []
    monkeypatch.setattr(responses._AHEAD, "submit", lambda run, body: begun.append(len(body)))

    for size in (2, (1 << 20) - 2, 1 << 20):
        answer(size).hashed_ahead()

    assert begun == [1 << 20]


def test_another_body_in_its_place_has_a_hash_of_its_own():
    other = replace(answer(2 << 20).hashed_ahead(), body=b"another")

    assert other.sha256 == hashlib.sha256(b"another").hexdigest()


def test_where_nothing_can_be_begun_any_more_it_is_hashed_when_it_is_asked_for(monkeypatch):
    ended = ThreadPoolExecutor(1)
    ended.shutdown()
    monkeypatch.setattr(responses, "_AHEAD", ended)
    got = answer(2 << 20)

    assert got.hashed_ahead().sha256 == hashlib.sha256(got.body).hexdigest()
