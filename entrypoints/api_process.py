"""One API process: takes requests on a socket that its parent opened, on the engines that its parent runs."""

import argparse
import socket
from contextlib import AsyncExitStack
from pathlib import Path


async def run(descriptor: int, *, name: str, folder: Path | None, tells_all: bool) -> None:
    """Serve until SIGTERM or SIGINT; then answers under way get a moment to end before they are interrupted."""
    import uvicorn

    from adapters.garbage import settle
    from entrypoints.api_server import ApiServer
    from entrypoints.engines import Stance
    from entrypoints.host import open_host
    from entrypoints.http.app import create_app
    from entrypoints.http.rates import Rates
    from entrypoints.keeping import ending_lost_answers
    from entrypoints.logging import configure_logging
    from entrypoints.peers import Peers
    from entrypoints.settings import load_settings
    from entrypoints.websocket.frames import MAX_FRAME_BYTES
    from entrypoints.websocket.protocol import RoomsProtocol

    settings = load_settings()
    configure_logging(log_format=settings.log_format, level=settings.log_level)
    async with open_host(settings, role="api", stance=Stance.CHILD) as host:
        runs = host.use_cases.answer_runs

        rates = Rates()
        if settings.rate_limits:
            rates = Rates(host.container.limiter(), host.container.process_limiter(), settings.rate_limits)
        metrics = host.container.metrics()
        peers = None if folder is None else Peers(folder, name, metrics)
        app = create_app(host.container, metrics=metrics, rates=rates, peers=peers if tells_all else None)
        config = uvicorn.Config(
            app,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=15,
            timeout_keep_alive=75,
            loop="uvloop",
            http="httptools",
            ws=RoomsProtocol,
            ws_max_size=MAX_FRAME_BYTES,
            ws_per_message_deflate=False,
            ws_ping_interval=None,  # the protocol has pings of its own
        )
        settle()
        async with ending_lost_answers(host.use_cases.end_lost_answers), AsyncExitStack() as stack:

            async def started_up() -> None:
                if peers is not None:
                    await stack.enter_async_context(peers.answering())

            async def let_go() -> None:
                """Open streams end with their answers, so those end first."""
                runs.end_soon()
                await app.state.live.drain()

            server = ApiServer(config, started_up=started_up, let_go=let_go)
            await server.serve(sockets=[socket.socket(fileno=descriptor)])


def main() -> None:
    """The process's entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="a listening socket")
    parser.add_argument("--name", default="api", help="what its numbers are told under")
    parser.add_argument("--peers", type=Path, help="a folder in which it answers once it serves")
    parser.add_argument("--tells-all", action="store_true", help="tell the numbers of all processes in the folder")
    arguments = parser.parse_args()
    import uvloop

    uvloop.run(run(arguments.fd, name=arguments.name, folder=arguments.peers, tells_all=arguments.tells_all))


if __name__ == "__main__":
    main()
