"""Who is in a room, in Redis."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from adapters.redis.client import RedisClient, redis_errors
from application.ports.presence import Entry, Presence, PresenceState
from domain.ids import RoomId, UserId
from domain.rooms import Sender

_SCRIPT: Final = Path(__file__).with_name("presence.lua").read_text(encoding="utf-8")


class RedisPresence(Presence):
    """Keeps the promises of `Presence`; tells changes in the channel in which the live bus of this namespace tells."""

    def __init__(self, client: RedisClient, *, namespace: str = "live:") -> None:
        self._namespace = namespace
        self._script = client.register_script(_SCRIPT)

    async def enter(self, room_id: RoomId, entries: Sequence[Entry], *, lives: timedelta) -> PresenceState:
        """Let connections in, or go on."""
        return await self._run(room_id, "enter", entries, lives)

    async def keep(self, room_id: RoomId, entries: Sequence[Entry], *, lives: timedelta) -> PresenceState:
        """Let those that are there go on for so long."""
        return await self._run(room_id, "keep", entries, lives)

    async def look(self, room_id: RoomId) -> PresenceState:
        """Who is there."""
        return await self._run(room_id, "keep", (), timedelta())

    async def _run(self, room_id: RoomId, way: str, entries: Sequence[Entry], lives: timedelta) -> PresenceState:
        channel = f"{self._namespace}{{{room_id}}}"
        arguments: list[Any] = [channel, str(room_id), int(lives / timedelta(milliseconds=1)), way]
        for entry in entries:
            arguments += [entry.connection_id, str(entry.member.id), json.dumps(entry.view, separators=(",", ":"))]
        with redis_errors():
            version, members = await self._script(
                keys=[f"{channel}:seen", f"{channel}:who", f"{channel}:version"], args=arguments
            )
        return PresenceState(
            version=int(version),
            members=tuple(
                Sender(id=UserId(UUID(view["id"])), name=view["name"])
                for view in sorted(json.loads(members), key=lambda view: str(view["id"]))
            ),
        )
