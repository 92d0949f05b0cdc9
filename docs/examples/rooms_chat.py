"""A room in a terminal: what is typed is said, what others say is shown, and nothing is missed.

    READINGROOM_API_KEY=rrk_… python rooms_chat.py ws://localhost:8000/v1/ws ROOM_ID

Stands beside `rooms_client.py`, which does the work. To write, the key needs the scope `chat`. Ctrl-D ends it.
"""

# ruff: noqa: INP001, T201 a program to copy, which prints

import asyncio
import os
import sys
from typing import Any

from rooms_client import RoomsClient, RoomsError


async def show(client: RoomsClient) -> None:
    """Print what happens in the room."""
    async for frame in client.events():
        match frame["type"]:
            case "publication":
                print(f"{frame['seq']:5}  {frame['sender']['name']}: {said(frame)}")
            case "presence_diff":
                for sign, people in (("+", frame["joins"]), ("-", frame["leaves"])):
                    for person in people:
                        print(f"    {sign}  {person['name']}")
            case "answer_delta":
                print(frame["text"], end="", flush=True)
            case "answer_end" | "room_left":
                print(f"\n       {frame['type']}")


def said(event: dict[str, Any]) -> str:
    """A message's words; of other events their kind and data."""
    if event["kind"] == "message" and isinstance(event["data"], dict):
        return str(event["data"].get("content"))
    return f"{event['kind']} {event['data']}"


async def main(url: str, room_id: str) -> None:
    """Read lines until there are no more."""

    async def token() -> str:
        return os.environ["READINGROOM_API_KEY"]

    async with RoomsClient(url, token=token) as client:
        await client.join(room_id)
        showing = asyncio.create_task(show(client))
        while line := await asyncio.to_thread(sys.stdin.readline):
            if not line.strip():
                continue
            try:
                await client.publish(room_id, "message", {"content": line.strip()})
            except RoomsError as error:
                print(f"       {error}")
        showing.cancel()


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004 URL and room
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
