"""Child processes that start together, are restarted when they die, and never outlive us."""

import asyncio
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import structlog
from attrs import field, frozen

from adapters.embedded.errors import EngineFailed, hint_for
from adapters.embedded.logs import LogFile
from adapters.embedded.pidfiles import PidFile

_log = structlog.get_logger(__name__)
_LAUNCHER = Path(__file__).with_name("launch.py")
_POLL = 0.02  # seconds between two looks at a child that starts
_CRASH_WINDOW = 60.0  # seconds in which crashes count
_LONGEST_PAUSE = 5.0  # seconds before a restart, at most


@frozen(kw_only=True)
class Identity:
    """Whom a child runs as, when not as us."""

    uid: int
    gid: int


@frozen(kw_only=True)
class ChildSpec:
    """How to run one child. Times are seconds."""

    name: str
    argv: tuple[str, ...]  # the program as an absolute path, then its arguments
    env: Mapping[str, str] = field(factory=dict, repr=False)  # added to ours
    cwd: Path | None = None
    log: Path | None = None  # gets stdout and stderr; None: they go where ours go
    ready: Callable[[], Awaitable[bool]] | None = None  # asked until it says True; None: ready once started
    start_timeout: float = 60.0
    start_attempts: int = 1  # how often it may fail before it was ready once
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 10.0
    orphan_signal: signal.Signals = signal.SIGKILL  # when we die without stopping it
    restart: bool = True
    max_restarts: int = 5  # within a minute; one more and it has failed
    run_as: Identity | None = None
    pass_fds: tuple[int, ...] = ()  # open files, such as listening sockets, that it inherits under the same numbers


def launch_argv(argv: tuple[str, ...], *, orphan_signal: signal.Signals, run_as: Identity | None) -> list[str]:
    """The command line that runs `argv` bound to this process's life, under another identity if asked."""
    uid, gid = (run_as.uid, run_as.gid) if run_as else (-1, -1)
    words = (os.getpid(), int(orphan_signal), uid, gid)
    return [sys.executable, "-I", "-S", str(_LAUNCHER), *map(str, words), *argv]


class Child:
    """One running child; made by `Supervisor.start`."""

    def __init__(self, spec: ChildSpec, *, run_dir: Path | None, on_failure: Callable[[EngineFailed], None]) -> None:
        self.spec = spec
        self.restarts = 0
        self.on_failure = on_failure
        self._pid_file = PidFile(run_dir / f"{spec.name}.pid") if run_dir else None
        self._log_file = LogFile(spec.log) if spec.log else None
        self._process: asyncio.subprocess.Process | None = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of the present process; None between two of them."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def begin(self) -> None:
        """Start and from then on keep running."""
        self._task = asyncio.create_task(self._keep_running(), name=f"child {self.spec.name}")
        self._task.add_done_callback(self._note_end)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        """A probe that raised is a failure too."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(f"{type(error).__name__}: {error}")

    async def wait_ready(self) -> None:
        """Until it was ready once; `EngineFailed` when it will not be."""
        await asyncio.shield(self._ready)

    async def stop(self) -> None:
        """Ask, wait, kill."""
        self._stopping = True
        await self._end_process()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            await self._end_process()  # one that was just being started
        if self._pid_file is not None:
            self._pid_file.remove()

    async def _end_process(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._signal(self.spec.stop_signal)
        try:
            async with asyncio.timeout(self.spec.stop_timeout):
                await process.wait()
        except TimeoutError:
            _log.warning("child_killed", child=self.spec.name, after_seconds=self.spec.stop_timeout)
            self._signal_group(signal.SIGKILL)
            await process.wait()

    def kill(self) -> None:
        """End it and its process group now."""
        self._stopping = True
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: signal.Signals) -> None:
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def _keep_running(self) -> None:
        crashes: deque[float] = deque()
        if self._pid_file is not None:
            await self._pid_file.end_leftover(self.spec.stop_signal, self.spec.stop_timeout)
        while True:
            try:
                reason = await self._run_once()
            except OSError as error:
                reason = str(error)
            if self._stopping:
                return
            now = time.monotonic()
            crashes.append(now)
            while crashes[0] < now - _CRASH_WINDOW:
                crashes.popleft()
            allowed = self.spec.max_restarts if self._ready.done() else self.spec.start_attempts - 1
            if not self.spec.restart or len(crashes) > allowed:
                self._fail(reason)
                return
            pause = min(_LONGEST_PAUSE, 0.1 * 2.0 ** (len(crashes) - 1))
            _log.warning("child_restarts", child=self.spec.name, reason=reason, pause_seconds=pause)
            await asyncio.sleep(pause)
            self.restarts += 1

    def _fail(self, reason: str) -> None:
        last_words = self._log_file.last_words() if self._log_file else ""
        message = last_words or reason
        hint = hint_for(message) or (f"see {self.spec.log}" if self.spec.log else "")
        failure = EngineFailed(self.spec.name, message, hint)
        _log.error("child_failed", child=self.spec.name, reason=reason)
        if not self._ready.done():
            self._ready.set_exception(failure)
            self._ready.exception()  # whoever waits gets it; nobody waiting is no error
        self.on_failure(failure)

    async def _run_once(self) -> str:
        """Run one process to its end; how it ended."""
        if self._log_file is not None:
            self._log_file.rotate()
        output = self._log_file.open() if self._log_file else None
        try:
            process = await self._spawn(output)
        finally:
            if output is not None:
                output.close()
        self._process = process
        if self._pid_file is not None:
            self._pid_file.write(process.pid)
        exited = asyncio.create_task(process.wait())
        try:
            if not await self._becomes_ready(exited):
                await self._end_process()
                return f"not ready after {self.spec.start_timeout:g} seconds"
            while not (await asyncio.wait({exited}, timeout=LogFile.CHECK_EVERY))[0]:
                if self._log_file is not None:
                    self._log_file.cut()
        except BaseException:
            self._signal_group(signal.SIGKILL)
            raise
        finally:
            exited.cancel()
        if self._pid_file is not None:
            self._pid_file.remove()
        return _describe(process.returncode or 0)

    async def _spawn(self, output: IO[bytes] | None) -> asyncio.subprocess.Process:
        spec = self.spec
        return await asyncio.create_subprocess_exec(
            *launch_argv(spec.argv, orphan_signal=spec.orphan_signal, run_as=spec.run_as),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **spec.env},
            cwd=spec.cwd,
            pass_fds=spec.pass_fds,
            start_new_session=True,  # a terminal's Ctrl-C is ours to pass on, in order
        )

    async def _becomes_ready(self, exited: asyncio.Task[int]) -> bool:
        """False when it took too long; a process that ended counts as seen, its end is told by the caller."""
        deadline = time.monotonic() + self.spec.start_timeout
        while not exited.done():
            if self.spec.ready is None or await self.spec.ready():
                if not self._ready.done():
                    self._ready.set_result(None)
                elif not self._stopping:
                    _log.info("child_restarted", child=self.spec.name, pid=self.pid)
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.wait({exited}, timeout=_POLL)
        return True


def _describe(code: int) -> str:
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"


class Supervisor:
    """Starts children, restarts those that die, and stops all in reverse order when its context ends.

    `run_dir`, where given, gets one pid file a child: what a killed predecessor left running there is ended
    before the child of the same name starts. Its owner must be the only one to use it.

    Children are bound to the thread in which the event loop runs: use one that lives as long as the process.
    """

    def __init__(self, *, run_dir: Path | None = None) -> None:
        self._run_dir = run_dir
        self._children: list[Child] = []
        self._failed: asyncio.Future[EngineFailed] | None = None

    async def __aenter__(self) -> Self:
        self._failed = asyncio.get_running_loop().create_future()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def children(self) -> tuple[Child, ...]:
        """In the order in which they were started."""
        return tuple(self._children)

    async def start(self, spec: ChildSpec, *, wait: bool = True) -> Child:
        """Run a child; with `wait` until it is ready, raising `EngineFailed` when it does not get there."""
        child = Child(spec, run_dir=self._run_dir, on_failure=self._note_failure)
        self._children.append(child)
        child.begin()
        if wait:
            await child.wait_ready()
        return child

    async def replace(self, child: Child, spec: ChildSpec) -> Child:
        """Run another child, and stop the first one when the other is ready.

        `EngineFailed` when it does not get there. Then the first one stays, and for the rest nothing has failed.
        """
        successor = Child(spec, run_dir=self._run_dir, on_failure=lambda _: None)
        self._children.insert(self._children.index(child), successor)
        successor.begin()
        try:
            await successor.wait_ready()
        except EngineFailed:
            self._children.remove(successor)
            await successor.stop()
            raise
        successor.on_failure = self._note_failure
        await child.stop()
        self._children.remove(child)
        return successor

    async def wait_failed(self) -> EngineFailed:
        """Returns when a child could not be started, or has died too often to be started again."""
        if self._failed is None:
            raise RuntimeError("the supervisor is not open")
        return await asyncio.shield(self._failed)

    async def stop(self) -> None:
        """Stop all, the last one started first. Cancelled half way, the rest is killed."""
        children, self._children = self._children, []
        try:
            async with AsyncExitStack() as stack:
                for child in children:
                    stack.push_async_callback(child.stop)
        finally:
            for child in children:
                child.kill()

    def _note_failure(self, failure: EngineFailed) -> None:
        if self._failed is not None and not self._failed.done():
            self._failed.set_result(failure)
