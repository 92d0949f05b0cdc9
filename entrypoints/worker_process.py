"""One worker process on the engines that its parent runs."""

import asyncio
import signal


async def run() -> None:
    """Do jobs until SIGTERM or SIGINT."""
    from entrypoints.engines import Stance
    from entrypoints.host import open_host
    from entrypoints.logging import configure_logging
    from entrypoints.settings import load_settings
    from entrypoints.worker import working

    settings = load_settings()
    configure_logging(log_format=settings.log_format, level=settings.log_level)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with open_host(settings, role="worker", stance=Stance.CHILD) as host, working(host):
        await stop.wait()


def main() -> None:
    """The process's entry."""
    import uvloop

    uvloop.run(run())


if __name__ == "__main__":
    main()
