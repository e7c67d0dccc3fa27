"""A transport to a scripted server, and what stands in for its budget and its clock."""

import json
from datetime import UTC, datetime

import pytest

from orion_assets.clock import FixedClock
from orion_assets.sources.limiter import Limiter, Rate
from orion_assets.sources.responses import Passing
from orion_assets.sources.transport import Policy, Transport, Vendor
from orion_assets_tests.scripted_server import scripted

KEY = "sk-very-secret-42"
GOOD = json.dumps({"status": "OK", "results": [1, 2, 3]}).encode()
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Open:
    """A bucket without a limit that remembers closures."""

    def __init__(self):
        self.closed = []
        self.taken = self.ended = 0

    def take(self, key, rate, lease_s):
        self.taken += 1
        return self.taken

    def end(self, key, slot):
        self.ended += 1

    def close(self, key, seconds):
        self.closed.append(seconds)


class Ticking:
    """Uptime that a test sets."""

    now = 0.0

    def __call__(self):
        return self.now


def is_json(response):
    if response.status == 200 and not response.body.startswith(b"{"):
        raise Passing("the body is not JSON")


def whole(response):
    return response


def body_of(response):
    return response.body


@pytest.fixture
def server():
    with scripted() as running:
        yield running


@pytest.fixture
def bucket():
    return Open()


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def transport(server, bucket, pauses):
    def made(**more):
        policy = Policy(**{"deadline_s": 5.0, "attempts": 3, "refusals": 3} | more)
        vendor = Vendor("acme", server.url, is_json, frozenset({"api.acme.test"}), {"Authorization": f"Bearer {KEY}"})
        limiter = Limiter(bucket, "acme:1", Rate(5), lease_s=60, pause=pauses.append)
        opened.append(Transport(vendor, limiter, policy, FixedClock(NOW), pauses.append))
        return opened[-1]

    opened = []
    yield made
    for each in opened:
        each.close()
