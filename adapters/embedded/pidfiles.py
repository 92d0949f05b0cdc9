"""Notes of which processes run, for a successor to find those that a crash left."""

import asyncio
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import structlog

_log = structlog.get_logger(__name__)
_SAME_START = 2.0  # seconds by which two readings of a process's start may differ
_POLL = 0.05  # seconds


class PidFile:
    """A process id with its start time, so that a reused id is never taken for the process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, pid: int) -> None:
        """Note a process that was just started. Without room for the note it runs all the same."""
        with suppress(psutil.NoSuchProcess, OSError):
            self._path.write_text(f"{pid} {psutil.Process(pid).create_time()}\n", encoding="ascii")

    def remove(self) -> None:
        """Forget it. A note that cannot be removed does no harm: its process is gone."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def leftover(self) -> psutil.Process | None:
        """The process that was noted, if it still runs."""
        try:
            pid, started = self._path.read_text(encoding="ascii").split()
            process = psutil.Process(int(pid))
            same = abs(process.create_time() - float(started)) < _SAME_START
        except (OSError, ValueError, psutil.NoSuchProcess):
            return None
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None

    async def end_leftover(self, stop_signal: signal.Signals, timeout: float) -> None:  # noqa: ASYNC109
        """Ask it to stop, wait `timeout` seconds, kill it, and forget it."""
        process = self.leftover()
        if process is not None:
            _log.warning("leftover_process_ends", file=self._path.name, pid=process.pid)
            await end_process(process, stop_signal, timeout)
        self.remove()


async def end_process(process: psutil.Process, stop_signal: signal.Signals, timeout: float) -> None:  # noqa: ASYNC109
    """Ask a process that is not our child to stop, wait `timeout` seconds, then kill it; returns when it is gone."""
    loop = asyncio.get_running_loop()
    with suppress(psutil.NoSuchProcess):
        process.send_signal(stop_signal)
        deadline = loop.time() + timeout
        killed = False
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if not killed and loop.time() > deadline:
                process.kill()
                killed = True
            await asyncio.sleep(_POLL)
