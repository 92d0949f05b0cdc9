"""An API process with the real database and the real bus, and fakes for what rooms do not touch.

With `--die-before-telling` it kills itself between the commit of an event and its telling. Otherwise it serves as
production does; the benchmarks measure it.
"""

import argparse
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from adapters.postgres.engine import EngineOptions, make_engine
from adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from adapters.redis.client import connect
from adapters.redis.live import RedisBus
from adapters.redis.presence import RedisPresence
from adapters.redis.runs import RedisRuns
from application.ports.live import LiveEvent
from application.use_cases import Policy
from domain.ids import RoomId
from entrypoints.api_server import ApiServer
from entrypoints.http.app import create_app
from entrypoints.logging import configure_logging
from entrypoints.websocket import hub
from entrypoints.websocket.frames import MAX_FRAME_BYTES
from entrypoints.websocket.protocol import RoomsProtocol
from tests.fakes.assembly import Assembly
from tests.fakes.generations import FIRST
from tests.websocket.conftest import StandInContainer


class DyingBus(RedisBus):
    """Ends its process in the worst moment."""

    async def publish(self, events: Mapping[RoomId, Sequence[LiveEvent]]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


async def run(options: argparse.Namespace) -> None:
    configure_logging(log_format="json", level=options.log_level)
    engine = make_engine(options.database, EngineOptions(pool_size=10))
    client = connect(options.redis)
    bus = DyingBus(client) if options.die_before_telling else RedisBus(client)
    begin: Any = PostgresUnitOfWorkFactory(engine)
    presence: Any = RedisPresence(client)
    live: Any = bus
    log: Any = RedisRuns(client)
    assembly = Assembly(
        root=Path(options.files),
        policy=Policy(access_ttl=timedelta(hours=1)),
        begin=begin,
        live=live,
        presence=presence,
        run_log=log,
    )
    await assembly.use_cases.want_index(FIRST.recipe, only_first=True)
    app = create_app(StandInContainer(assembly))
    if options.most_per_user:
        hub.MAX_PER_USER = options.most_per_user

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        loop="uvloop",
        http="httptools",
        ws=RoomsProtocol,
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        timeout_graceful_shutdown=5,
    )
    await ApiServer(config, let_go=app.state.live.drain).serve(sockets=[socket.socket(fileno=options.fd)])
    await assembly.use_cases.answer_runs.close()
    await log.aclose()
    await bus.aclose()
    await client.aclose()
    await engine.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--database", "--redis", "--files"):
        parser.add_argument(name, required=True)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--die-before-telling", action="store_true")
    parser.add_argument("--log-level", default="warning")
    parser.add_argument("--most-per-user", type=int, default=0, help="connections; as in production when 0")
    uvloop.run(run(parser.parse_args()))
