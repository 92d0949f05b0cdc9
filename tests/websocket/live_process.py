"""An API process with the real database and the real bus, and fakes for what rooms do not touch.

With `--die-before-telling` it kills itself between the commit of an event and its telling.
"""

import argparse
import asyncio
import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn

from adapters.postgres.engine import EngineOptions, make_engine
from adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from adapters.redis.client import connect
from adapters.redis.live import RedisBus
from adapters.redis.presence import RedisPresence
from application.ports.live import LiveEvent
from domain.ids import RoomId
from entrypoints.http.app import create_app
from entrypoints.websocket.frames import MAX_FRAME_BYTES
from entrypoints.websocket.protocol import RoomsProtocol
from tests.fakes.assembly import Assembly
from tests.websocket.conftest import StandInContainer


class DyingBus(RedisBus):
    """Ends its process in the worst moment."""

    async def publish(self, room_id: RoomId, events: Sequence[LiveEvent]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


async def run(options: argparse.Namespace) -> None:
    engine = make_engine(options.database, EngineOptions(pool_size=10))
    client = connect(options.redis)
    bus = DyingBus(client) if options.die_before_telling else RedisBus(client)
    begin: Any = PostgresUnitOfWorkFactory(engine)
    presence: Any = RedisPresence(client)
    live: Any = bus
    app = create_app(StandInContainer(Assembly(root=Path(options.files), begin=begin, live=live, presence=presence)))

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await app.state.live.drain()
            await super().shutdown(sockets)

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        ws=RoomsProtocol,
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        timeout_graceful_shutdown=5,
    )
    await Server(config).serve(sockets=[socket.socket(fileno=options.fd)])
    await bus.aclose()
    await client.aclose()
    await engine.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--database", "--redis", "--files"):
        parser.add_argument(name, required=True)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--die-before-telling", action="store_true")
    asyncio.run(run(parser.parse_args()))
