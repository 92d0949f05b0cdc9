"""Embedded Postgres and Valkey, and the directory that they live in."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import redis.asyncio
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.embedded import postgres, valkey
from adapters.embedded.addresses import Engine, EngineAddresses, find, publish
from adapters.embedded.engines import EmbeddedEngines
from adapters.embedded.errors import DataDirectoryInUse, EngineFailed
from adapters.embedded.locks import Ownership
from adapters.embedded.starting import EngineOptions
from adapters.embedded.supervisor import Supervisor


async def _ask(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def _with_wrong_password(url: str) -> str:
    return re.sub(r":[^:@/]+@", ":wrong@", url, count=1)


@pytest.fixture(scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that was started and stopped once, for tests to copy."""
    data_dir = tmp_path_factory.mktemp("made") / "data"
    async with EmbeddedEngines.open(data_dir, need=frozenset({Engine.POSTGRES, Engine.VALKEY}), role="test"):
        pass
    return data_dir


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "data"))


async def test_databases_speak_unicode_and_check_their_pages(postgres_server: str) -> None:
    """Encoding, sort order and checksums do not depend on the machine's settings."""
    assert await _ask(postgres_server, "SHOW server_encoding") == "UTF8"
    assert await _ask(postgres_server, "SHOW data_checksums") == "on"
    assert await _ask(postgres_server, "SELECT datlocale FROM pg_database WHERE datname = 'readingroom'") == "C.UTF-8"
    assert (
        await _ask(postgres_server, "SELECT upper('straße é ß')") == "STRASSE É SS"
        or await _ask(postgres_server, "SELECT upper('é')") == "É"
    )


async def test_the_application_is_no_superuser(postgres_server: str) -> None:
    """It owns its database and may make others, but not read the machine's files."""
    assert await _ask(postgres_server, "SELECT current_setting('is_superuser')") == "off"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _ask(postgres_server, "SELECT pg_read_file('/etc/passwd')")


async def test_sqlalchemy_takes_the_url_with_its_driver(fresh_database: str) -> None:
    """Only the scheme is exchanged."""
    engine = create_async_engine(make_url(fresh_database).set(drivername="postgresql+asyncpg"))
    try:
        async with engine.connect() as connection:
            name = (await connection.execute(text("SELECT current_database()"))).scalar_one()
    finally:
        await engine.dispose()

    assert name in fresh_database


async def test_fresh_databases_are_empty_and_apart(fresh_database: str) -> None:
    """What a test leaves in its database is not seen by the next."""
    assert await _ask(fresh_database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


@pytest.mark.parametrize("value", ["a", "b"])
async def test_the_cache_engine_is_emptied_for_each_test(clean_redis_url: str, value: str) -> None:
    """What a test leaves in it is not seen by the next."""
    async with redis.asyncio.Redis.from_url(clean_redis_url) as client:
        assert await client.dbsize() == 0
        await client.set("key", value)


async def test_a_wrong_password_is_refused(postgres_server: str, redis_url: str) -> None:
    """Reaching the socket is not enough."""
    with pytest.raises(asyncpg.InvalidPasswordError):
        await _ask(_with_wrong_password(postgres_server), "SELECT 1")
    async with redis.asyncio.Redis.from_url(_with_wrong_password(redis_url)) as client:
        with pytest.raises(redis.exceptions.ConnectionError, match="invalid username-password"):
            await client.get("key")


@pytest.fixture(params=["a" * 100, "with space, comma & 'quote' \"é"], ids=["long", "odd"])
def unfit_for_sockets(data: Path, request: pytest.FixtureRequest) -> Path:
    return data.rename(data.with_name(request.param))


async def test_directories_that_sockets_cannot_lie_in(unfit_for_sockets: Path) -> None:
    """Where a socket's path would be too long, or need escaping somewhere, engines listen on the loopback."""
    need = frozenset({Engine.POSTGRES, Engine.VALKEY})
    async with EmbeddedEngines.open(unfit_for_sockets, need=need, role="test") as engines:
        assert "@127.0.0.1:" in engines.database_url
        assert engines.redis_url.startswith("redis://")
        assert await _ask(engines.database_url, "SELECT 1") == 1
        async with redis.asyncio.Redis.from_url(engines.redis_url) as client:
            assert await client.execute_command("PING") is True  # type: ignore[no-untyped-call]


async def test_an_engine_that_was_not_asked_for_is_not_there(tmp_path: Path) -> None:
    """It is not started, and asking for its address is a mistake in the program."""
    async with EmbeddedEngines.open(tmp_path / "data", need=frozenset({Engine.VALKEY}), role="test") as engines:
        assert engines.addresses.engines() == {Engine.VALKEY}
        with pytest.raises(LookupError):
            _ = engines.database_url

        with pytest.raises(EngineFailed, match="does not run it"):
            async with EmbeddedEngines.open(
                tmp_path / "data", need=frozenset({Engine.POSTGRES}), role="guest", attach=True
            ):
                pass


async def test_one_process_cannot_own_a_directory_twice(tmp_path: Path) -> None:
    """Neither can it by mistake."""
    async with EmbeddedEngines.open(tmp_path / "data", need=frozenset(), role="first"):
        with pytest.raises(DataDirectoryInUse) as caught:
            async with EmbeddedEngines.open(tmp_path / "data", need=frozenset(), role="second"):
                pass

    assert (caught.value.pid, caught.value.role) == (os.getpid(), "first")


async def test_attaching_waits_only_so_long(tmp_path: Path) -> None:
    """An owner that does not get ready is told of, with its process id."""
    owner = Ownership.acquire(tmp_path, role="slow")
    owner.announce()
    options = EngineOptions(attach_timeout=0.2)
    try:
        with pytest.raises(EngineFailed, match=rf"process {os.getpid()} \(slow\)"):
            async with EmbeddedEngines.open(tmp_path, need=frozenset(), role="guest", attach=True, options=options):
                pass
    finally:
        owner.release()


async def test_addresses_of_a_dead_owner_are_not_believed(tmp_path: Path) -> None:
    """They count only while the process that wrote them has the directory."""
    publish(tmp_path, EngineAddresses(redis_url="redis://gone"))
    assert find(tmp_path) is None

    owner = Ownership.acquire(tmp_path, role="test")
    owner.announce()
    assert find(tmp_path) == EngineAddresses(redis_url="redis://gone")
    owner.release()

    async with EmbeddedEngines.open(tmp_path, need=frozenset(), role="next", attach=True) as engines:
        assert not engines.attached
        assert find(tmp_path) == EngineAddresses()


async def test_a_cluster_of_another_version_is_refused_in_one_line(tmp_path: Path) -> None:
    """With both versions and what to do."""
    cluster = tmp_path / "data" / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("16\n")

    with pytest.raises(EngineFailed, match=r"made by PostgreSQL 16, this is 18") as caught:
        async with EmbeddedEngines.open(tmp_path / "data", need=frozenset({Engine.POSTGRES}), role="test"):
            pass

    assert "\n" not in str(caught.value)
    assert caught.value.hint


async def test_a_cluster_from_elsewhere_gets_the_password_of_its_new_place(data: Path) -> None:
    """A data directory restored without its secret still opens."""
    need = frozenset({Engine.POSTGRES})
    async with EmbeddedEngines.open(data, need=need, role="test") as engines:
        await _ask(engines.database_url, "CREATE TABLE kept ()")
    (data / "engines.key").unlink()

    async with EmbeddedEngines.open(data, need=need, role="test") as engines:
        assert await _ask(engines.database_url, "SELECT count(*) FROM kept") == 0


async def test_a_note_with_a_foreign_process_id_is_no_obstacle(data: Path) -> None:
    """After a reboot another program may have the id that Postgres wrote down, here this very test."""
    need = frozenset({Engine.POSTGRES})
    (data / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n1\n5432\n\n\n\n\n")

    async with EmbeddedEngines.open(data, need=need, role="test") as engines:
        assert await _ask(engines.database_url, "SELECT 1") == 1


async def test_a_path_that_is_no_directory_is_refused_in_one_line(tmp_path: Path) -> None:
    """The system's reason is passed on."""
    (tmp_path / "data").write_text("a file")

    with pytest.raises(EngineFailed, match="data directory"):
        async with EmbeddedEngines.open(tmp_path / "data", need=frozenset(), role="test"):
            pass


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or mount is None or umount is None:
        pytest.skip("only root can mount a small file system")
    made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], check=False)
    if made.returncode != 0:
        pytest.skip("this system lets no file system be mounted")
    yield place
    subprocess.run([umount, str(place)], check=True)


async def test_a_full_disk_is_told_in_one_line(small_disk: Path) -> None:
    """Making the cluster fails with the reason, and leaves no process behind."""
    with pytest.raises(EngineFailed) as caught:
        async with EmbeddedEngines.open(small_disk / "data", need=frozenset({Engine.POSTGRES}), role="test"):
            pass

    assert (caught.value.engine, caught.value.hint) == ("postgres", "the disk is full")
    assert "\n" not in str(caught.value)


async def test_both_start_with_settings_for_data_that_may_be_lost(tmp_path: Path) -> None:
    """Tests trade durability for speed; nothing else can ask for it."""
    places = postgres.PostgresFiles(cluster=tmp_path / "c", sockets=tmp_path / "s", log=tmp_path / "log")
    for durable, expected in ((False, "off"), (True, "on")):
        prepared = await postgres.prepare(places, password=uuid4().hex, durable=durable)
        async with Supervisor() as running:
            await running.start(prepared.spec)
            assert await _ask(prepared.url, "SHOW fsync") == expected


async def test_valkey_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    """An orderly stop loses nothing."""
    for expected in (None, b"1"):
        prepared = valkey.prepare(
            tmp_path / "v", socket_directory=tmp_path / "s", log=tmp_path / "log", password=uuid4().hex
        )
        async with Supervisor() as running:
            await running.start(prepared.spec)
            async with redis.asyncio.Redis.from_url(prepared.url) as client:
                assert await client.get("key") == expected
                await client.set("key", "1")


async def test_engines_start_within_two_seconds_once_made(data: Path) -> None:
    """The second start is quick enough for a command; the limit here allows for a busy machine."""
    need = frozenset({Engine.POSTGRES, Engine.VALKEY})
    loop = asyncio.get_running_loop()
    begin = loop.time()
    async with EmbeddedEngines.open(data, need=need, role="test"):
        taken = loop.time() - begin

    assert taken < 10
