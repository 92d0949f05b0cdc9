"""A Qdrant server of one process on a folder: the part of Qdrant's REST API that Reading Room uses.

Run as a module with ``--path DIR --port N`` and the API key in READINGROOM_ENGINE_KEY.
The usual client (``qdrant_client.AsyncQdrantClient(url=…, api_key=…)``) works on it unchanged. Requests are read
by the client's own models, which know every field; what is unknown or not served is refused and named.

An acknowledged write survives the death of the process (Edge's write-ahead log); segments are flushed to disk
shortly after the last write, and when the server stops. Edge holds the interpreter while it works, so its calls
run on the event loop: a thread would only add waiting. Large collections get a graph by a process beside this one.
"""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

import uvicorn
import uvloop

from adapters.embedded.qdrant_api import FLUSH_SECONDS, application
from adapters.embedded.qdrant_rebuild import GRAPH_FROM, Rebuilds
from adapters.embedded.qdrant_shards import FolderUnusable, Shards
from adapters.garbage import settle

KEY_VARIABLE = "READINGROOM_ENGINE_KEY"


async def _serve(shards: Shards, options: argparse.Namespace, key: str) -> None:
    config = uvicorn.Config(
        application(shards, key),
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_keep_alive=60,
        timeout_graceful_shutdown=5,
    )

    async def flush_regularly() -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            shards.flush()

    beside = [
        asyncio.create_task(flush_regularly()),
        asyncio.create_task(Rebuilds(shards, options.graph_from).run()),
    ]
    try:
        await uvicorn.Server(config).serve()
    finally:
        for task in beside:
            task.cancel()
        await asyncio.wait(beside)


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. 1: the folder cannot be used; 2: wrong call."""
    parser = argparse.ArgumentParser(description="Reading Room's embedded Qdrant server.")
    parser.add_argument("--path", type=Path, required=True, help="the folder that holds the collections")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--graph-from",
        type=int,
        default=GRAPH_FROM,
        metavar="POINTS",
        help="collections of so many points get a graph; 0: none does",
    )
    options = parser.parse_args(arguments)
    key = os.environ.get(KEY_VARIABLE, "")
    if not key:
        parser.error(f"the environment variable {KEY_VARIABLE} must hold the API key")
    try:
        shards = Shards.open(options.path)
    except FolderUnusable as error:
        sys.stderr.write(f"qdrant: {error}\n")
        return 1
    # uvicorn stops by itself and then raises the signal again: it must find somebody who lets it pass
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    settle()
    try:
        uvloop.run(_serve(shards, options, key))
    finally:
        shards.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
