"""What fan-out is compared with: a bare uvicorn loop, and python-socketio. `python plain.py (bare|socketio) FD`.

It imports nothing of ours, so that it runs in whatever environment has python-socketio.
"""

import socket
import sys
from typing import Any

import uvicorn

senders: set[Any] = set()


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """Whatever one says everybody is sent."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    senders.add(send)
    while (message := await receive())["type"] == "websocket.receive":
        for one in tuple(senders):
            await one({"type": "websocket.send", "text": message["text"]})
    senders.discard(send)


def of_socketio() -> Any:
    """The same with python-socketio."""
    import socketio

    server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")

    @server.on("m")
    async def say(_sid: str, data: str) -> None:
        await server.emit("m", data)

    return socketio.ASGIApp(server)


if __name__ == "__main__":
    config = uvicorn.Config(
        bare if sys.argv[1] == "bare" else of_socketio(),
        log_level="warning",
        access_log=False,
        loop="uvloop",
        lifespan="off",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[2]))])
