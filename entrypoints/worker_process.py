"""One worker process: its settings come by the environment, addresses of embedded engines included."""

import asyncio
import signal


async def run() -> None:
    """Do jobs until SIGTERM or SIGINT."""
    from entrypoints.container import close, make_container
    from entrypoints.host import embedding_model
    from entrypoints.logging import configure_logging
    from entrypoints.settings import load_settings
    from entrypoints.worker import working

    settings = load_settings()
    configure_logging(log_format=settings.log_format, level=settings.log_level)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    container = make_container(settings, await embedding_model(settings))
    try:
        async with working(container):
            await stop.wait()
    finally:
        await close(container)


def main() -> None:
    """The process's entry."""
    import uvloop

    uvloop.run(run())


if __name__ == "__main__":
    main()
