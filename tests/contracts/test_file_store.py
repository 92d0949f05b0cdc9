"""What every file store promises."""

import errno
import hashlib
import resource
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from moto.server import ThreadedMotoServer

from adapters.files import local
from adapters.files.local import LocalFiles
from adapters.files.s3 import S3Files
from application.errors import FilesUnavailable
from application.ports.files import FileStore
from domain.errors import NotFound, TooLarge
from tests.fakes.files import FakeFiles

MIB = 1024 * 1024


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def broken_stream() -> AsyncIterator[bytes]:
    yield b"begun"
    raise ConnectionResetError


async def read(store: FileStore, key: str, *, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in store.get(key, start=start, end=end)])


async def keys(store: FileStore, prefix: str = "") -> set[str]:
    return {key async for key in store.keys(prefix)}


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def fake_files() -> FakeFiles:
    return FakeFiles()


@pytest.fixture
def local_files(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path / "blobs")


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    """A server that speaks S3, with one bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.put(f"http://{host}:{port}/bucket", trust_env=False).raise_for_status()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_files(s3_endpoint: str) -> S3Files:
    """A prefix of its own for each test."""
    return S3Files.connect(
        f"s3://bucket/{uuid4().hex}/files",
        endpoint=s3_endpoint,
        region="us-east-1",
        access_key_id="id",
        secret_access_key="secret",
    )


@pytest.fixture(params=["fake_files", "local_files", "s3_files"])
def store(request: pytest.FixtureRequest) -> FileStore:
    made: FileStore = request.getfixturevalue(request.param)
    return made


@pytest.mark.parametrize("pieces", [(), (b"",), (b"a", b"", b"bc"), (b"x" * (3 * MIB + 5),), (b"y" * 1000,) * 3000])
async def test_stored_bytes_come_back(store: FileStore, pieces: tuple[bytes, ...]) -> None:
    """Whatever the stream's pieces, the bytes, their size, hash and beginning are right."""
    whole = b"".join(pieces)
    stored = await store.put("w/d/1", stream(*pieces), max_bytes=10 * MIB)

    assert (stored.key, stored.size) == ("w/d/1", len(whole))
    assert stored.sha256 == hashlib.sha256(whole).hexdigest()
    assert stored.head == whole[:8192]
    assert await read(store, "w/d/1") == whole
    assert await store.size("w/d/1") == len(whole)


async def test_exactly_the_limit_is_taken_and_one_more_is_not(store: FileStore) -> None:
    """The limit counts bytes, and nothing is left of what was over it."""
    await store.put("w/d/1", stream(b"1234", b"5"), max_bytes=5)
    with pytest.raises(TooLarge):
        await store.put("w/d/2", stream(b"1234", b"56"), max_bytes=5)

    assert await keys(store) == {"w/d/1"}


async def test_broken_stream_leaves_nothing_and_keeps_what_was(store: FileStore) -> None:
    """The stream's own error goes through; an earlier file under the key stays whole."""
    await store.put("w/d/1", stream(b"before"), max_bytes=100)
    for key in ("w/d/1", "w/d/2"):
        with pytest.raises(ConnectionResetError):
            await store.put(key, broken_stream(), max_bytes=100)

    assert await read(store, "w/d/1") == b"before"
    assert await keys(store) == {"w/d/1"}


async def test_put_again_replaces(store: FileStore) -> None:
    """The later bytes win."""
    await store.put("w/d/1", stream(b"old and long"), max_bytes=100)
    await store.put("w/d/1", stream(b"new"), max_bytes=100)

    assert await read(store, "w/d/1") == b"new"


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, None, b"0123456789"), (3, None, b"3456789"), (3, 5, b"34"), (3, 3, b""), (8, 99, b"89"), (99, None, b"")],
)
async def test_ranges(store: FileStore, start: int, end: int | None, expected: bytes) -> None:
    """A range is half-open and ends with the file at the latest."""
    await store.put("w/d/1", stream(b"0123456789"), max_bytes=100)

    assert await read(store, "w/d/1", start=start, end=end) == expected


async def test_missing_keys(store: FileStore) -> None:
    """Reading, copying and opening a missing key say so; asking for its size and deleting it do not."""
    with pytest.raises(NotFound):
        await read(store, "w/d/1")
    with pytest.raises(NotFound):
        await store.copy("w/d/1", "w/d/2")
    with pytest.raises(NotFound):
        async with store.local("w/d/1"):
            pass

    assert await store.size("w/d/1") is None
    assert await store.delete("w/d/1") == 0
    assert await keys(store) == set()


async def test_entries_tell_when_files_came(store: FileStore) -> None:
    """Each key under a prefix with the time of its bytes, to the second."""
    before = datetime.now(UTC) - timedelta(seconds=2)
    for key in ("w/d/1", "w/e/1", "x/d/1"):
        await store.put(key, stream(b"x"), max_bytes=100)

    entries = [entry async for entry in store.entries("w")]

    assert {"w/d/1", "w/e/1"} == {entry.key for entry in entries}
    assert all(before <= entry.modified <= datetime.now(UTC) + timedelta(seconds=2) for entry in entries)
    assert ["w/d/1"] == [entry.key async for entry in store.entries("w/d/1")]


async def test_local_path_holds_the_bytes(store: FileStore) -> None:
    """A reader that wants a path gets one with the stored bytes."""
    await store.put("w/d/1", stream(b"content"), max_bytes=100)
    async with store.local("w/d/1") as path:
        assert path.read_bytes() == b"content"


async def test_copy_is_independent(store: FileStore) -> None:
    """A copy outlives its source."""
    await store.put("w/d/1", stream(b"content"), max_bytes=100)
    await store.copy("w/d/1", "w/e/1")
    await store.delete("w/d")

    assert await read(store, "w/e/1") == b"content"


async def test_delete_takes_the_prefix_by_whole_segments(store: FileStore) -> None:
    """Everything under the prefix goes, what merely begins alike stays, and the count is told."""
    for key in ("w/d/1", "w/d/2", "w/dd/1", "v/d/1"):
        await store.put(key, stream(b"x"), max_bytes=100)

    assert await keys(store, "w/d") == {"w/d/1", "w/d/2"}
    assert await store.delete("w/d/2") == 1
    assert await store.delete("w") == 2
    assert await keys(store) == {"v/d/1"}


async def test_ping_passes_while_the_store_can_be_written(store: FileStore) -> None:
    """A usable store raises nothing, and the ping leaves nothing."""
    await store.ping()

    assert await keys(store) == set()


@pytest.mark.parametrize(
    "key", ["../x", "/etc/passwd", "w//1", "w/../../x", "", ".incoming/x", "w/d\n/1", "w/\0", "w/."]
)
async def test_strange_keys_are_refused(local_files: LocalFiles, key: str) -> None:
    """A key that could leave the folder is a defect of ours, and touches nothing."""
    with pytest.raises(ValueError, match="not a key"):
        await local_files.put(key, stream(b"x"), max_bytes=100)


async def test_full_disk_is_said_and_leaves_nothing(
    local_files: LocalFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator reads that the disk is full; no half file stays."""

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(local.os, "fsync", full)
    with pytest.raises(FilesUnavailable, match="full"):
        await local_files.put("w/d/1", stream(b"x" * MIB), max_bytes=2 * MIB)

    assert files_under(tmp_path) == []


async def test_real_refusal_of_the_system_is_translated(
    local_files: LocalFiles, tmp_path: Path, limited_file_size: Callable[[int], None]
) -> None:
    """A write that the system refuses midway ends as unavailable, and no half file stays."""
    limited_file_size(MIB)
    with pytest.raises(FilesUnavailable):
        await local_files.put("w/d/1", stream(*(b"x" * MIB,) * 3), max_bytes=9 * MIB)

    assert files_under(tmp_path) == []


async def test_crashed_uploads_are_swept(local_files: LocalFiles, tmp_path: Path) -> None:
    """What a killed process left is removed at the next start, and stored files stay."""
    await local_files.put("w/d/1", stream(b"x"), max_bytes=100)
    (tmp_path / "blobs" / ".incoming" / "tmp123").write_bytes(b"half")

    assert await keys(local_files) == {"w/d/1"}
    assert await local_files.sweep() == 1
    assert await local_files.sweep() == 0
    assert await keys(local_files) == {"w/d/1"}


async def test_deleting_leaves_no_empty_folders(local_files: LocalFiles, tmp_path: Path) -> None:
    """A workspace that is gone leaves no trace of its id."""
    await local_files.put("w/d/1", stream(b"x"), max_bytes=100)
    await local_files.delete("w/d/1")

    assert not (tmp_path / "blobs" / "w").exists()


async def test_unwritable_root_fails_the_ping(tmp_path: Path) -> None:
    """A file where the folder should be cannot be written into."""
    (tmp_path / "blobs").write_bytes(b"")
    with pytest.raises(FilesUnavailable):
        await LocalFiles(tmp_path / "blobs").ping()


@pytest.fixture
def limited_file_size() -> Iterator[Callable[[int], None]]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


async def test_a_bucket_that_is_away_is_said(s3_endpoint: str) -> None:
    """No bucket, or no server: the store is unavailable, and no address is told."""
    for url, endpoint in (("s3://nobody/x", s3_endpoint), ("s3://bucket/x", "http://127.0.0.1:9")):
        store = S3Files.connect(
            url,
            endpoint=endpoint,
            region="us-east-1",
            access_key_id="id",
            secret_access_key="secret",
            retries=0,
        )
        with pytest.raises(FilesUnavailable) as refused:
            await store.ping()
        assert "127.0.0.1" not in refused.value.message


async def test_a_large_object_goes_in_parts(s3_files: S3Files) -> None:
    """More than one part, and any range of it, come back as they were."""
    pieces = [bytes([number]) * MIB for number in range(20)]
    stored = await s3_files.put("w/d/1", stream(*pieces), max_bytes=20 * MIB)

    assert stored.size == 20 * MIB
    assert await read(s3_files, "w/d/1", start=9 * MIB - 1, end=9 * MIB + 1) == b"\x08\x09"
    async with s3_files.local("w/d/1") as path:
        assert path.stat().st_size == 20 * MIB
