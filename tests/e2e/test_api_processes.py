"""API processes that are replaced, with small programs in their place, and what a lost terminal means."""

import asyncio
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.embedded.supervisor import ChildSpec, Supervisor
from entrypoints import api_processes
from entrypoints.api_processes import ApiProcesses
from tests.e2e.program import ROOT, until

pytestmark = pytest.mark.e2e
SLEEP = "import time; time.sleep(600)"
HANGING_UP = f"""
import asyncio, sys
from {api_processes.__name__} import on_hangup
async def main():
    over = asyncio.Event()
    def say(word):
        with open(sys.argv[1], "a") as file: file.write(word + " ")
        if word == "stop": over.set()
    on_hangup(renew=lambda: say("renew"), stop=lambda: say("stop"))
    say("up")
    await over.wait()
asyncio.run(main())
"""


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    async with Supervisor() as running:
        yield running


async def test_each_process_is_replaced(supervisor: Supervisor) -> None:
    """One after the other, under as many names as there are processes and one."""
    alive: list[int] = []

    def make(name: str) -> ChildSpec:
        async def ready() -> bool:
            alive.append(sum(child.pid is not None for child in processes.running))
            return True

        return ChildSpec(name=name, argv=(sys.executable, "-c", SLEEP), ready=ready)

    processes = ApiProcesses(supervisor, make)
    await processes.start(2)
    await processes.wait_ready()
    names, pids = [[child.spec.name for child in processes.running]], {child.pid for child in processes.running}
    alive.clear()
    for _ in range(2):
        await processes.replace()
        names.append([child.spec.name for child in processes.running])

    assert [["api-1", "api-2"], ["api-3", "api-1"], ["api-2", "api-3"]] == names
    assert not pids & {child.pid for child in processes.running}
    assert {2} == set(alive)


async def test_one_that_cannot_start_replaces_nothing(supervisor: Supervisor) -> None:
    """Those that run go on, all of them."""
    code = SLEEP

    async def ready() -> bool:
        return code == SLEEP

    processes = ApiProcesses(
        supervisor, lambda name: ChildSpec(name=name, argv=(sys.executable, "-c", code), ready=ready)
    )
    await processes.start(2)
    await processes.wait_ready()
    before = [child.pid for child in processes.running]
    code = "raise SystemExit(1)"
    await processes.replace()

    assert before == [child.pid for child in processes.running]
    assert None not in before


def test_a_closed_terminal_is_no_wish_to_renew(tmp_path: Path) -> None:
    """SIGHUP renews while there is a terminal, and stops when it comes because that was closed."""
    said = tmp_path / "said"
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover the child
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-c", HANGING_UP, str(said)])  # noqa: S606 in the new terminal
    until(lambda: said.exists() and said.read_text() == "up ")
    os.kill(pid, signal.SIGHUP)
    until(lambda: said.read_text() == "up renew ")
    os.close(terminal)
    until(lambda: said.read_text() == "up renew stop ")

    assert (pid, 0) == os.waitpid(pid, 0)


async def test_without_a_terminal_every_hangup_renews(tmp_path: Path) -> None:
    """As a service is told by its manager."""
    said = tmp_path / "said"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HANGING_UP, str(said), cwd=ROOT, start_new_session=True
    )
    await asyncio.to_thread(until, lambda: said.exists() and said.read_text() == "up ")
    process.send_signal(signal.SIGHUP)
    await asyncio.to_thread(until, lambda: said.read_text() == "up renew ")
    process.kill()

    assert -signal.SIGKILL == await process.wait()
