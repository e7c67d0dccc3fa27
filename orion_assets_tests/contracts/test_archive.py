import gzip
from hashlib import sha256

import pytest

from orion_assets.errors import StoreUnavailable
from orion_assets.store.archive import FolderArchive, S3Archive
from orion_assets_tests.servers import s3_server  # noqa: F401

CONTENT = b'{"ticker": "KIMpL", "close": 25.1}' * 100
NAME = sha256(CONTENT).hexdigest()
KEY = f"{NAME[:2]}/{NAME[2:]}.gz"


class OnFolder:
    def __init__(self, folder):
        self._folder = folder / "archive"
        self.archive = FolderArchive(self._folder)

    def keys(self):
        return [str(path.relative_to(self._folder)) for path in self._folder.rglob("*") if path.is_file()]

    def load(self):
        return (self._folder / KEY).read_bytes()

    def store(self, content):
        (self._folder / KEY).write_bytes(content)


class OnS3:
    def __init__(self, server):
        self._client, self._bucket = server.client(), server.new_bucket()
        self.archive = S3Archive(self._client, self._bucket, "raw/")

    def keys(self):
        found = self._client.list_objects_v2(Bucket=self._bucket).get("Contents", [])
        return [entry["Key"].removeprefix("raw/") for entry in found]

    def load(self):
        return self._client.get_object(Bucket=self._bucket, Key=f"raw/{KEY}")["Body"].read()

    def store(self, content):
        self._client.put_object(Bucket=self._bucket, Key=f"raw/{KEY}", Body=content)


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    return OnFolder(tmp_path) if request.param == "folder" else OnS3(request.getfixturevalue("s3_server"))


@pytest.mark.parametrize("content", [CONTENT, b"", bytes(range(256)) * 4000], ids=["json", "empty", "binary"])
def test_bytes_come_back_under_their_sha256(place, content):
    name = place.archive.put(content)

    assert name == sha256(content).hexdigest()
    assert place.archive.has(name)
    assert place.archive.get(name) == content


def test_the_same_bytes_are_kept_once_compressed_and_left_alone(place):
    place.archive.put(CONTENT)
    before = place.load()

    place.archive.put(CONTENT)

    assert place.keys() == [KEY]
    assert place.load() == before
    assert len(before) < len(CONTENT) // 10


def test_what_was_never_put_is_not_there(place):
    assert not place.archive.has(NAME)
    with pytest.raises(StoreUnavailable, match=NAME):
        place.archive.get(NAME)


@pytest.mark.parametrize(
    "damage",
    [b"", b"not gzip", gzip.compress(b"other bytes"), gzip.compress(CONTENT)[:-9]],
    ids=["emptied", "garbage", "other bytes", "cut short"],
)
def test_damage_is_noticed_on_reading_and_mended_by_putting_again(place, damage):
    place.archive.put(CONTENT)
    place.store(damage)

    with pytest.raises(StoreUnavailable, match="is damaged"):
        place.archive.get(NAME)
    place.archive.put(CONTENT)

    assert place.archive.get(NAME) == CONTENT


@pytest.mark.parametrize("name", ["", "../../etc/passwd", NAME.upper(), NAME[:-1], NAME + "\n"])
def test_a_name_that_is_no_sha256_is_refused(place, name):
    with pytest.raises(ValueError, match="is not a SHA-256"):
        place.archive.get(name)


def test_a_bucket_that_is_not_there_says_so(s3_server):  # noqa: F811
    archive = S3Archive(s3_server.client(), "no-such-bucket")

    with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
        archive.put(CONTENT)
