"""Embedded engines in real processes that are killed, interrupted, and refused."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import pytest
import redis.asyncio
from attrs import field, frozen

from adapters.embedded.supervisor import Identity, launch_argv

pytestmark = [pytest.mark.e2e, pytest.mark.faults]

_HOST = Path(__file__).with_name("engine_host.py")
_ENGINES = ("postgres", "valkey", "qdrant", "embedding")
_NOBODY = 65534


@frozen(kw_only=True, eq=False)
class Host:
    """A process that holds engines, what it said, and a note of all that it started."""

    process: subprocess.Popen[str]
    said: dict[str, Any] = field(factory=dict)
    family: list[psutil.Process] = field(factory=list)

    def child(self, word: str) -> psutil.Process:
        """The direct child whose command line has the word."""
        for child in psutil.Process(self.process.pid).children():
            if any(word in argument for argument in child.cmdline()):
                return child
        raise LookupError(word)


Start = Callable[..., Host]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts hosts and leaves none behind."""
    hosts: list[Host] = []

    def run(data_dir: Path, *engines: str, mode: str = "own", user: int | None = None, wait: bool = True) -> Host:
        argv = [sys.executable, str(_HOST), str(data_dir), mode, *(engines or _ENGINES)]
        if user is not None and not _reachable(user):
            argv = launch_argv(tuple(argv), orphan_signal=signal.SIGKILL, run_as=Identity(uid=user, gid=user))
            user = None
        host = Host(
            process=subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        )
        hosts.append(host)
        if wait:
            listen(host)
        return host

    yield run
    for host in hosts:
        family = [*host.family, *_family(host)]
        host.process.kill()
        host.process.communicate()
        for process in family:
            if process.is_running():
                process.kill()


def listen(host: Host) -> None:
    """Until the host said what came of it."""
    assert host.process.stdout is not None
    host.said.update(json.loads(host.process.stdout.readline()))
    host.family.extend(_family(host))


def _reachable(user: int) -> bool:
    """Whether a user without rights may use this interpreter, wherever it is installed."""
    argv = [sys.executable, "-c", "import attrs"]
    try:
        return subprocess.run(argv, user=user, group=user, extra_groups=[], check=False).returncode == 0
    except PermissionError:  # it lies in a home that is closed to others
        return False


def _family(host: Host) -> list[psutil.Process]:
    try:
        return psutil.Process(host.process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def until(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.02)


def listens(url: str) -> bool:
    try:
        httpx.get(url)
    except httpx.TransportError:
        return False
    return True


def gone(host: Host) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in host.family)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that was started and stopped once, for tests to copy."""
    data_dir = tmp_path_factory.mktemp("made") / "data"
    with subprocess.Popen(
        [sys.executable, str(_HOST), str(data_dir), "own", *_ENGINES],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        output, _ = process.communicate("\n", timeout=60)
    assert process.returncode == 0, output
    return data_dir


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "data"))


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A directory of a user without rights, in a place where everybody may go."""
    with tempfile.TemporaryDirectory(prefix="rr-") as path:
        os.chown(path, _NOBODY, _NOBODY)
        yield Path(path)


async def note(host: Host, text: str) -> None:
    """Store something in both databases, and wait until it would survive."""
    connection = await asyncpg.connect(host.said["database_url"])
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (text text)")
        await connection.execute("INSERT INTO kept VALUES ($1)", text)
    finally:
        await connection.close()
    async with redis.asyncio.Redis.from_url(host.said["redis_url"]) as client:
        await client.set("kept", text)
        await client.execute_command("WAITAOF", 1, 0, 5000)  # type: ignore[no-untyped-call]


async def noted(host: Host) -> tuple[list[str], str]:
    connection = await asyncpg.connect(host.said["database_url"])
    try:
        rows = await connection.fetch("SELECT text FROM kept ORDER BY text")
    finally:
        await connection.close()
    async with redis.asyncio.Redis.from_url(host.said["redis_url"], decode_responses=True) as client:
        return [row["text"] for row in rows], str(await client.get("kept"))


async def test_second_owner_is_refused_with_the_pid_of_the_first(data: Path, start: Start) -> None:
    """One data directory has one owner, and the other is told who it is."""
    first = start(data)
    second = start(data)

    assert str(first.process.pid) in second.said["error"]
    assert str(data) in second.said["error"]
    assert second.process.wait(10) == 1


async def test_a_command_attaches_to_a_running_owner(data: Path, start: Start) -> None:
    """It gets the owner's addresses and starts nothing."""
    owner = start(data)
    await note(owner, "from the owner")
    guest = start(data, mode="attach")

    assert guest.said == {**owner.said, "attached": True}
    assert guest.family == []
    assert await noted(guest) == (["from the owner"], "from the owner")


async def test_a_command_waits_for_an_owner_that_is_starting(tmp_path: Path, start: Start) -> None:
    """Attaching while the very first start is under way ends in the owner's engines."""
    owner = start(tmp_path / "data", wait=False)
    until(lambda: (tmp_path / "data" / "lock").exists() and (tmp_path / "data" / "lock").stat().st_size > 0)
    guest = start(tmp_path / "data", mode="attach")
    listen(owner)

    assert guest.said == {**owner.said, "attached": True}


async def test_a_command_alone_starts_the_engines_and_waits_for_guests(data: Path, start: Start) -> None:
    """Engines that one command started do not vanish under another."""
    first = start(data, mode="attach")
    second = start(data, mode="attach")
    assert (first.said["attached"], second.said["attached"]) == (False, True)

    assert first.process.stdin is not None
    first.process.stdin.write("\n")
    first.process.stdin.flush()
    with pytest.raises(subprocess.TimeoutExpired):
        first.process.wait(1)
    await note(second, "still here")
    second.process.communicate("\n", timeout=20)

    assert first.process.wait(20) == 0
    until(lambda: gone(first))


async def test_killing_the_owner_leaves_nothing_running(data: Path, start: Start) -> None:
    """Children do not outlive the process that started them, however it ends."""
    host = start(data)
    assert len(host.family) > 4

    host.process.kill()
    host.process.wait()

    until(lambda: gone(host), seconds=10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupt_stops_everything(data: Path, start: Start, number: signal.Signals) -> None:
    """A terminal sends Ctrl-C to the whole process group: the owner stops its engines in order."""
    host = start(data)

    os.killpg(host.process.pid, number)
    host.process.wait(20)

    until(lambda: gone(host), seconds=10)
    log = (data / "logs" / "postgres.log").read_text(encoding="utf-8")
    assert "database system is shut down" in log.splitlines()[-1]


async def test_data_survives_the_death_of_every_process(data: Path, start: Start) -> None:
    """What was committed is there after all processes were killed at once, several times over."""
    for count in range(1, 4):
        host = start(data)
        await note(host, f"round {count}")
        for process in [psutil.Process(host.process.pid), *_family(host)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        host.process.wait()
        until(lambda host=host: gone(host))  # type: ignore[misc]

    host = start(data)

    assert await noted(host) == (["round 1", "round 2", "round 3"], "round 3")


async def test_engines_that_a_killed_owner_left_are_ended_first(data: Path, start: Start) -> None:
    """The next owner waits for engines that are slow to end with theirs, here because they were suspended."""
    first = start(data, "postgres", "valkey")
    await note(first, "before")
    left = [first.child("bin/postgres"), first.child("valkey-server")]
    for process in left:
        process.suspend()
    first.process.kill()
    first.process.wait()
    second = start(data, "postgres", "valkey", wait=False)
    assert second.process.stdout is not None
    readable, _, _ = select.select([second.process.stdout], [], [], 3)
    assert readable == []
    for process in left:
        assert process.is_running()
        process.resume()
    listen(second)

    assert await noted(second) == (["before"], "before")
    until(lambda: not any(process.is_running() for process in left))


async def test_a_half_written_tail_of_the_append_only_file_is_cut_off(data: Path, start: Start) -> None:
    """A crash in the middle of a write does not keep Valkey from starting."""
    host = start(data, "postgres", "valkey")
    await note(host, "whole")
    host.process.kill()
    host.process.wait()
    until(lambda: gone(host))
    tail = max((data / "valkey" / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_size)
    with tail.open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$4\r\nke")

    assert await noted(start(data, "postgres", "valkey")) == (["whole"], "whole")


async def test_a_crashed_engine_comes_back_at_the_same_address(data: Path, start: Start) -> None:
    """Each engine, killed alone, answers again where it did, with its data."""
    host = start(data)
    await note(host, "kept")
    words = ("bin/postgres", "valkey-server", "--path", "--model")

    def there() -> bool:
        try:
            return all(psutil.pid_exists(host.child(word).pid) for word in words)
        except (LookupError, psutil.NoSuchProcess, psutil.ZombieProcess):
            return False

    until(there)  # the model is the last to be started, and nobody waits for it
    before = [host.child(word) for word in words]
    for process in before:
        process.kill()
    until(lambda: not any(process.is_running() for process in before))

    until(there)
    deadline = time.monotonic() + 20
    while True:
        try:
            assert await noted(host) == (["kept"], "kept")
            async with httpx.AsyncClient(headers={"api-key": host.said["qdrant_api_key"]}) as client:
                assert (await client.get(host.said["qdrant_url"])).status_code == 200
            break
        except (OSError, asyncpg.PostgresError, redis.exceptions.RedisError, httpx.HTTPError):
            assert time.monotonic() < deadline


async def test_an_interrupted_first_start_leaves_nothing_half_made(tmp_path: Path, start: Start) -> None:
    """A kill while the cluster is being made is made good by the next start."""
    data = tmp_path / "data"
    host = start(data, "postgres", "valkey", wait=False)
    until((data / "postgres.partial" / "base").exists)
    host.family.extend(_family(host))
    host.process.kill()
    host.process.wait()
    until(lambda: gone(host))
    assert not (data / "postgres").exists()

    second = start(data, "postgres", "valkey")
    await note(second, "works")

    assert await noted(second) == (["works"], "works")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_a_normal_user_runs_all_engines(open_path: Path, start: Start) -> None:
    """Nothing needs root; and root, taking over that directory, keeps Postgres running as its owner."""
    data = open_path / "data"
    host = start(data, user=_NOBODY)
    await note(host, "mine")
    until(lambda: listens(host.said["embedding_url"]))
    engines = psutil.Process(host.process.pid).children()
    assert len(engines) == len(_ENGINES)
    assert {process.uids().effective for process in engines} == {_NOBODY}
    host.process.communicate("\n", timeout=20)

    as_root = start(data)

    assert await noted(as_root) == (["mine"], "mine")
    assert as_root.child("bin/postgres").uids().effective == _NOBODY


@pytest.mark.skipif(os.geteuid() != 0, reason="Postgres runs as us when we are not root")
async def test_root_gives_postgres_another_identity_behind_closed_doors(data: Path, start: Start) -> None:
    """Postgres is not root, yet works below directories that only root may enter."""
    data.parent.chmod(0o700)
    host = start(data, "postgres", "valkey")
    await note(host, "closed")
    postgres = host.child("bin/postgres")

    assert postgres.uids().effective != 0
    assert postgres.gids().effective != 0
    assert data.parent.stat().st_mode & 0o777 == 0o700
    assert await noted(host) == (["closed"], "closed")


async def test_nobody_else_can_read_what_lets_one_in(data: Path, start: Start) -> None:
    """Addresses and secret are for the owner alone, and everything listens on this machine only."""
    host = start(data)

    assert {(data / name).stat().st_mode & 0o777 for name in ("engines.json", "engines.key", "lock")} == {0o600}
    assert {(data / "run" / name).stat().st_mode & 0o777 for name in ("po", "va")} == {0o700}
    listening = {
        connection.laddr.ip
        for process in host.family
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening <= {"127.0.0.1"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_tests_leave_nothing_running(number: signal.Signals) -> None:
    """The fixtures' engines end with the run that started them, and after Ctrl-C their directory is gone too."""
    argv = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", str(_HOST.with_name("hold_fixtures.py"))]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("READINGROOM_TEST_")}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ours) as process:
        host = Host(process=process)
        assert process.stdout is not None
        next(line for line in process.stdout if "postgresql://" in line)
        host.family.extend(_family(host))
        cluster = Path(host.child("bin/postgres").cmdline()[2])
        assert len(host.family) > 2

        process.send_signal(number)
        process.stdout.read()
        process.wait(30)
        until(lambda: gone(host), seconds=10)

    assert cluster.exists() == (number == signal.SIGKILL)
    shutil.rmtree(cluster.parent, ignore_errors=True)
