"""The API processes behind one socket: started together, and replaced one after the other while others serve."""

import asyncio
import os
import signal
from collections.abc import Callable
from itertools import count
from typing import Final

import structlog
from attrs import define, field

from adapters.embedded.errors import EngineFailed
from adapters.embedded.supervisor import Child, ChildSpec, Supervisor

_log = structlog.get_logger(__name__)
_TERMINAL: Final = "/dev/tty"  # of whoever started us, wherever it is


@define
class ApiProcesses:
    """Running API processes. `make` tells how to run one of a name."""

    supervisor: Supervisor
    make: Callable[[str], ChildSpec]
    running: list[Child] = field(factory=list)

    async def start(self, number: int) -> None:
        """Start so many; they may not be ready yet."""
        for _ in range(number):
            self.running.append(await self.supervisor.start(self.make(self._free_name()), wait=False))

    async def wait_ready(self) -> None:
        """Until all are; `EngineFailed` when one will not be."""
        await asyncio.gather(*(child.wait_ready() for child in self.running))

    async def replace(self) -> None:
        """Put a new process in the place of each, one after the other: the old one goes when the new one is ready.

        Where a new one does not get ready, it is said why, and the old ones stay.
        """
        for place, old in enumerate(self.running):
            name = self._free_name()
            try:
                self.running[place] = await self.supervisor.replace(old, self.make(name))
            except EngineFailed as failure:
                _log.error("api_not_replaced", child=old.spec.name, by=name, reason=failure.message)
                return
            _log.info("api_replaced", child=old.spec.name, by=name)

    def _free_name(self) -> str:
        """Names are few, since numbers are told under them: one more than there are processes."""
        taken = {child.spec.name for child in self.running}
        return next(name for name in (f"api-{number}" for number in count(1)) if name not in taken)


def on_hangup(*, renew: Callable[[], None], stop: Callable[[], None]) -> None:
    """Let SIGHUP renew. When it comes because the terminal was closed it stops, or is ignored if it was (`nohup`)."""
    had_terminal, was_ignored = _has_terminal(), signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    def hung_up() -> None:
        if not had_terminal or _has_terminal():
            renew()
        elif not was_ignored:
            stop()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up)


def _has_terminal() -> bool:
    try:
        os.close(os.open(_TERMINAL, os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
