"""The supervisor, with small programs as its children."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from adapters.embedded.errors import EngineFailed
from adapters.embedded.logs import LogFile
from adapters.embedded.pidfiles import PidFile
from adapters.embedded.supervisor import ChildSpec, Supervisor

_SLEEP = "import time; time.sleep(600)"
_STUBBORN = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


def spec(code: str, *, name: str = "child", **options: object) -> ChildSpec:
    return ChildSpec(name=name, argv=(sys.executable, "-c", code), **options)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        await asyncio.sleep(0.02)


@pytest.fixture
async def own_supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    async with Supervisor(run_dir=tmp_path) as running:
        yield running


async def test_output_is_kept_and_the_environment_is_ours_with_additions(
    own_supervisor: Supervisor, tmp_path: Path
) -> None:
    """A child inherits our environment, gets its own additions, and prints into its log."""
    log = tmp_path / "logs" / "child.log"
    code = f"import os; print(os.environ['ADDED'], 'PATH' in os.environ, flush=True); {_SLEEP}"
    await own_supervisor.start(spec(code, env={"ADDED": "yes"}, log=log))
    await until(lambda: log.exists() and log.read_text() == "yes True\n")

    assert log.stat().st_mode & 0o777 == 0o600


async def test_a_child_that_dies_is_started_again(own_supervisor: Supervisor) -> None:
    """Another process takes its place."""
    child = await own_supervisor.start(spec(_SLEEP))
    first = child.pid
    assert first is not None

    os.kill(first, signal.SIGKILL)
    await until(lambda: child.pid not in {first, None})

    assert child.restarts == 1


async def test_a_child_that_keeps_dying_is_given_up_with_its_last_words(
    own_supervisor: Supervisor, tmp_path: Path
) -> None:
    """After so many restarts within a minute its failure is told, with what it said."""
    code = "import sys; sys.exit('Error: the wheels came off')"
    child = await own_supervisor.start(spec(code, log=tmp_path / "log", max_restarts=2))

    async with asyncio.timeout(20):
        failure = await own_supervisor.wait_failed()

    assert (failure.engine, failure.message) == ("child", "Error: the wheels came off")
    assert child.restarts == 2


async def test_a_child_that_ends_before_it_is_ready_fails_the_start(own_supervisor: Supervisor, tmp_path: Path) -> None:
    """Its last words are the message; a full disk brings its hint."""

    async def never() -> bool:
        return False

    code = "import sys; print('FATAL: No space left on device'); print('bye'); sys.exit(3)"
    with pytest.raises(EngineFailed, match="No space left") as caught:
        await own_supervisor.start(spec(code, ready=never, log=tmp_path / "log"))

    assert caught.value.hint == "the disk is full"


async def test_a_child_that_never_gets_ready_is_stopped(own_supervisor: Supervisor) -> None:
    """The start fails at its deadline and leaves nothing running."""

    async def never() -> bool:
        return False

    with pytest.raises(EngineFailed, match=r"not ready after 0\.3 seconds"):
        await own_supervisor.start(spec(_SLEEP, ready=never, start_timeout=0.3))

    assert own_supervisor.children[0].pid is None


async def test_a_probe_that_raises_fails_the_start(own_supervisor: Supervisor) -> None:
    """A mistake in a probe is told, not waited for."""

    async def broken() -> bool:
        raise ZeroDivisionError("probe")

    with pytest.raises(EngineFailed, match="ZeroDivisionError: probe"):
        await own_supervisor.start(spec(_SLEEP, ready=broken))


async def test_a_program_that_is_not_there_fails_the_start(own_supervisor: Supervisor, tmp_path: Path) -> None:
    """The message names it."""

    async def never() -> bool:
        return False

    with pytest.raises(EngineFailed, match="/no/such/program"):
        await own_supervisor.start(
            ChildSpec(name="absent", argv=("/no/such/program",), ready=never, log=tmp_path / "log")
        )


async def test_children_stop_in_reverse_order(tmp_path: Path) -> None:
    """What was started last may need what was started first."""
    record = tmp_path / "record"
    code = (
        "import signal, sys, time, pathlib\n"
        "def stop(*_):\n"
        f"    with open({str(record)!r}, 'a') as file: file.write(sys.argv[1])\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        f"pathlib.Path({str(tmp_path)!r}, sys.argv[1]).touch()\n"
        "time.sleep(600)\n"
    )
    async with Supervisor() as running:
        for name in "abc":
            await running.start(ChildSpec(name=name, argv=(sys.executable, "-c", code, name)))
        await until(lambda: all((tmp_path / name).exists() for name in "abc"))

    assert record.read_text() == "cba"


async def test_a_child_that_ignores_its_signal_is_killed(tmp_path: Path) -> None:
    """Stopping ends, whatever the child does; the children of the child go with it."""
    log = tmp_path / "log"
    async with Supervisor() as running:
        child = await running.start(spec(_STUBBORN, stop_timeout=0.2, log=log))
        await until(lambda: log.exists() and log.read_text() == "up\n")
        pid = child.pid
        assert pid is not None

    assert not psutil.pid_exists(pid)


async def test_a_cancelled_stop_kills(tmp_path: Path) -> None:
    """A second Ctrl-C is not ignored, and leaves nothing either."""
    log = tmp_path / "log"
    running = await Supervisor().__aenter__()
    child = await running.start(spec(_STUBBORN, stop_timeout=60, log=log))
    await until(lambda: log.exists() and log.read_text() == "up\n")
    pid = child.pid
    assert pid is not None

    stopping = asyncio.create_task(running.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping

    await until(lambda: not psutil.pid_exists(pid))


async def test_children_have_a_session_of_their_own(own_supervisor: Supervisor) -> None:
    """A terminal's Ctrl-C does not reach them."""
    child = await own_supervisor.start(spec(_SLEEP))
    assert child.pid is not None

    assert os.getsid(child.pid) == child.pid != os.getsid(0)


def test_a_long_log_is_put_aside(tmp_path: Path) -> None:
    """Between two runs by renaming, under a running child by copying: it goes on in the same file."""
    path = tmp_path / "log"
    log = LogFile(path, limit=10)
    with log.open() as file:
        file.write(b"a long first line\n")
        file.flush()
        log.cut()
        file.write(b"next\n")

    assert path.read_bytes() == b"next\n"
    assert (tmp_path / "log.1").read_bytes() == b"first line\n"[-10:]

    path.write_bytes(b"another long line\n")
    log.rotate()

    assert not path.exists()
    assert (tmp_path / "log.1").read_bytes() == b"another long line\n"


def test_a_reused_process_id_is_not_taken_for_the_process(tmp_path: Path) -> None:
    """A note counts only with the time at which its process began."""
    note = PidFile(tmp_path / "pid")
    note.write(os.getpid())
    assert note.leftover() == psutil.Process()

    (tmp_path / "pid").write_text(f"{os.getpid()} {psutil.Process().create_time() - 60}\n")

    assert note.leftover() is None


async def test_a_child_is_replaced_by_one_that_is_ready(own_supervisor: Supervisor) -> None:
    """The first one goes when the other is ready, and not before."""
    may_be_ready = asyncio.Event()

    async def ready() -> bool:
        return may_be_ready.is_set()

    old = await own_supervisor.start(spec(_SLEEP))
    replacing = asyncio.create_task(own_supervisor.replace(old, spec(_SLEEP, name="another", ready=ready)))
    await until(lambda: len(own_supervisor.children) == 2 and own_supervisor.children[0].pid is not None)
    before = old.pid
    may_be_ready.set()
    new = await replacing

    assert before is not None
    assert (None, (new,)) == (old.pid, own_supervisor.children)
    assert new.pid is not None


async def test_a_successor_that_does_not_get_ready_changes_nothing(own_supervisor: Supervisor) -> None:
    """The first one stays, and its supervisor has not failed."""
    old = await own_supervisor.start(spec(_SLEEP))
    before = old.pid
    with pytest.raises(EngineFailed, match="another"):
        await own_supervisor.replace(old, spec("raise SystemExit(3)", name="another", ready=_never))
    failed = asyncio.ensure_future(own_supervisor.wait_failed())
    await asyncio.sleep(0)

    assert (before, (old,), False) == (old.pid, own_supervisor.children, failed.done())
    failed.cancel()


async def _never() -> bool:
    return False
