"""The bucket of Flat Files against a real S3 server: whole objects, versions that a listing tells alike, limits."""

import pytest

from orion_assets.errors import (
    AnswerDistrusted,
    KeyRefused,
    NotEntitled,
    NotFound,
    SettingsError,
    SourceUnavailable,
)
from orion_assets.sources.limiter import Limiter, Rate
from orion_assets.sources.polygon.bucket import Bucket, Patience, open_client
from orion_assets_tests.s3_gate import gate_before
from orion_assets_tests.servers import free_port, s3_server  # noqa: F401
from orion_assets_tests.unit.sources.wired import Ticking

KEYS = ("an-id", "a-secret-4711")
KEY = "us_stocks_sip/day_aggs_v1/2026/11/2026-11-18.csv.gz"


class Slots:
    """A log of calls that counts them."""

    def __init__(self):
        self.taken = 0

    def take(self, key, rate, lease_s):
        self.taken += 1
        return self.taken

    def end(self, key, slot):
        pass

    def close(self, key, seconds):
        pass


class Steps:
    """A clock of which each look takes a minute."""

    def __init__(self):
        self.at = 0.0

    def __call__(self):
        self.at += 60.0
        return self.at


@pytest.fixture
def gate(s3_server):  # noqa: F811
    with gate_before(s3_server.port) as running:
        yield running


@pytest.fixture
def made(s3_server, gate):  # noqa: F811
    """Give what opens the bucket, its log of calls, and a client to fill it with."""
    slots, client, name = Slots(), s3_server.client(), s3_server.new_bucket()

    def opened(endpoint="", patience=None, pause=lambda _: None, **more):
        patience = patience or Patience(attempts=3, silence_s=5.0)
        reader = open_client(KEYS, endpoint or gate.endpoint, patience)
        limiter = Limiter(slots, "files", Rate(100, 1.0), lease_s=60, pause=lambda _: None)
        return Bucket(reader, limiter, patience, pause, name=name, **more)

    return opened, slots, lambda key, body: client.put_object(Bucket=name, Key=key, Body=body)


def test_a_listing_and_a_download_tell_one_version_alike_and_another_content_another(made):
    opened, slots, put = made
    put(KEY, b"one")
    bucket = opened()

    listed, got = bucket.listed("us_stocks_sip/day_aggs_v1"), bucket.get(KEY)

    assert listed == {KEY: got.version}
    assert (got.content, len(got.sha256)) == (b"one", 64)
    put(KEY, b"two!")
    assert bucket.get(KEY).version != got.version
    assert bucket.listed("us_stocks_sip/day_aggs_v1") == {KEY: bucket.get(KEY).version}
    assert slots.taken == 5, "every request takes a slot"


def test_what_sorts_before_is_not_listed_and_other_folders_are_not(made):
    opened, _, put = made
    for day in ("2026/10/2026-10-30", "2026/11/2026-11-17", "2026/11/2026-11-18"):
        put(f"a/minute_aggs_v1/{day}.csv.gz", b"-")
    put("a/minute_aggs_v10/2026/11/2026-11-18.csv.gz", b"-")

    found = opened().listed("a/minute_aggs_v1", "a/minute_aggs_v1/2026/11/2026-11-17")

    assert [key[-17:-7] for key in found] == ["2026-11-17", "2026-11-18"]


def test_a_listing_of_several_pages_is_read_to_its_end(made):
    opened, slots, put = made
    for number in range(1_003):
        put(f"many/{number:04d}", b"")

    found = opened().listed("many")

    assert (len(found), slots.taken) == (1_003, 2)


def test_each_refusal_is_what_it_is(made, gate):
    opened, _, put = made
    put(KEY, b"one")
    bucket = opened()

    with pytest.raises(NotFound, match=r"flat files: absent: HTTP 404, NoSuchKey\. There is no such object now"):
        bucket.get("absent")
    gate.denied, gate.denies_lists = (KEY,), True
    with pytest.raises(NotEntitled, match="HTTP 403, AccessDenied") as refused:
        bucket.get(KEY)
    assert refused.value.is_by_date
    # A list that is refused sends the run itself to calls, an object the next one
    with pytest.raises(NotEntitled, match=r"may not read it: orion plan shows the calls that take its place$"):
        bucket.listed("us_stocks_sip")
    for code in ("InvalidAccessKeyId", "SignatureDoesNotMatch"):
        gate.code = code
        with pytest.raises(KeyRefused, match="POLYGON_S3_SECRET_KEY"):
            bucket.get(KEY)
    assert gate.gets == ["absent", KEY, KEY, KEY], "what is refused is not asked for again"
    assert not [head for head in gate.heads if KEYS[1] in head]


def test_a_server_that_fails_is_asked_a_few_times(made, gate):
    opened, _, put = made
    put(KEY, b"one")
    gate.fails = 2

    assert opened().get(KEY).content == b"one"

    gate.fails = 9
    with pytest.raises(SourceUnavailable, match="HTTP 503, SlowDown"):
        opened().get(KEY)
    assert len(gate.gets) == 3 + 3


def test_a_bucket_that_is_down_is_left_alone_and_one_request_asks_whether_it_is_back(made, gate):
    opened, slots, put = made
    put(KEY, b"one")
    clock = Ticking()
    bucket = opened(patience=Patience(attempts=1, failures=3, longest_wait_s=5.0, silence_s=5.0), uptime=clock)
    gate.fails = 4

    for _ in range(3):
        with pytest.raises(SourceUnavailable, match="HTTP 503"):
            bucket.get(KEY)
    with pytest.raises(SourceUnavailable, match=r"next try is due in 30 s\. The next run asks again") as alone:
        bucket.get(KEY)
    assert (len(gate.gets), slots.taken, alone.value.retry_after_s) == (3, 3, 30)
    clock.now += 30
    with pytest.raises(SourceUnavailable, match="HTTP 503"):
        bucket.get(KEY)
    with pytest.raises(SourceUnavailable, match="due in 60 s"):
        bucket.listed("us_stocks_sip")
    clock.now += 60

    assert bucket.get(KEY).content == b"one"
    assert (len(gate.gets), gate.lists) == (5, [])


def test_an_outage_of_a_moment_is_waited_for(made, gate):
    opened, _, put = made
    put(KEY, b"one")
    clock = Ticking()

    def pause(seconds):
        clock.now += seconds

    bucket = opened(patience=Patience(attempts=4, failures=2, silence_s=5.0), pause=pause, uptime=clock)
    gate.fails = 2

    assert bucket.get(KEY).content == b"one"
    assert clock.now >= 30
    assert len(gate.gets) == 3


def test_a_refusal_is_an_answer_and_keeps_the_bucket_from_being_left_alone(made, gate):
    opened, _, put = made
    put(KEY, b"one")
    bucket = opened(patience=Patience(attempts=1, failures=2, silence_s=5.0), uptime=Ticking())

    for _ in range(3):
        gate.fails = 1
        with pytest.raises(SourceUnavailable, match="HTTP 503"):
            bucket.get(KEY)
        with pytest.raises(NotFound):
            bucket.get("absent")

    assert bucket.get(KEY).content == b"one"


def test_a_body_that_ends_early_is_none(made, gate):
    opened, _, put = made
    put(KEY, b"x" * 1_000_000)
    gate.cuts = 2

    assert len(opened().get(KEY).content) == 1_000_000

    gate.cuts = 9
    with pytest.raises(SourceUnavailable, match="flat files: us_stocks_sip"):
        opened().get(KEY)


def test_an_object_has_a_deadline_and_a_size(made):
    opened, _, put = made
    put(KEY, b"x" * 4_000_000)

    with pytest.raises(SourceUnavailable, match="not whole in 90 s"):
        opened(patience=Patience(deadline_s=90.0, attempts=1), uptime=Steps()).get(KEY)
    with pytest.raises(AnswerDistrusted, match="4000000 bytes"):
        opened(patience=Patience(most_bytes=3_999_999)).get(KEY)


def test_nobody_there_and_no_bucket_say_so(made, s3_server):  # noqa: F811
    opened, _, _ = made
    reader = open_client(KEYS, s3_server.endpoint, Patience())
    limiter = Limiter(Slots(), "files", Rate(100, 1.0), lease_s=60, pause=lambda _: None)

    with pytest.raises(SourceUnavailable, match="asks again"):
        opened(endpoint=f"http://127.0.0.1:{free_port()}").get(KEY)
    with pytest.raises(SettingsError, match="ORION_POLYGON_S3_ENDPOINT_URL"):
        Bucket(reader, limiter, name="there-is-no-such-bucket").get(KEY)


@pytest.mark.parametrize("endpoint", ["http://files.massive.com", "files.massive.com", ""])
def test_requests_never_travel_in_the_clear(endpoint):
    with pytest.raises(SettingsError, match="in the clear"):
        open_client(KEYS, endpoint, Patience())
