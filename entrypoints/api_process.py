"""One API process: takes requests on a socket that its parent opened.

Its settings come by the environment, addresses of embedded engines included, so it does not know whether they are.
"""

import argparse
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

GRACE = 10  # seconds that open requests have to end


async def run(descriptor: int) -> None:
    """Serve until SIGTERM or SIGINT; answers under way are saved as interrupted."""
    import uvicorn

    from entrypoints.container import close, make_container
    from entrypoints.host import embedding_model
    from entrypoints.http.app import create_app
    from entrypoints.logging import configure_logging
    from entrypoints.settings import load_settings

    settings = load_settings()
    configure_logging(log_format=settings.log_format, level=settings.log_level)
    container = make_container(settings, await embedding_model(settings))

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        yield
        await close(container)

    config = uvicorn.Config(
        create_app(container, lifespan=lifespan, metrics=container.metrics()),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=75,
        loop="uvloop",
        http="httptools",
    )
    await uvicorn.Server(config).serve(sockets=[socket.socket(fileno=descriptor)])


def main() -> None:
    """The process's entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="a listening socket")
    arguments = parser.parse_args()
    import uvloop

    uvloop.run(run(arguments.fd))


if __name__ == "__main__":
    main()
