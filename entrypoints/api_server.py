"""uvicorn's server with an end in order."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn

_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)


class ApiServer(uvicorn.Server):
    """Takes no new connection once it is told to stop, lets those go that it has, and returns to its host.

    `started_up` is awaited when connections are taken, `let_go` when they are not any more. uvicorn's own server takes
    connections until everybody is gone, and then ends the process before the host could close anything.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        let_go: Callable[[], Awaitable[None]],
        started_up: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(config)
        self._let_go = let_go
        self._started_up = started_up

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Be told to stop by a signal, as long as it serves."""
        loop = asyncio.get_running_loop()
        for number in _STOPPING:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in _STOPPING:
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take connections, then say so."""
        await super().startup(sockets)
        if self._started_up is not None:
            await self._started_up()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Whoever comes from here on waits for another process on the same address."""
        for server in self.servers:
            server.close()
        await self._let_go()
        await super().shutdown(sockets)
