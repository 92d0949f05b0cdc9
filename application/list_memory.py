"""Lists as they were answered, remembered in the cache until something in them changes."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

from attrs import define, field

from application.ports.cache import Cache
from application.ports.system import Ids
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.access import Action, Actor
from domain.ids import WorkspaceId

KEPT: Final = timedelta(seconds=2)  # for word of a change may be lost, with the process or with the cache
STAMPED: Final = timedelta(hours=1)
PATIENCE: Final = 0.2  # seconds for a cache that hangs
REST: Final = 1.0  # seconds without it after that
MOST_BYTES: Final = 512 * 1024
STAMP_BYTES: Final = 16


@define(eq=False)
class ListMemory:
    """What a list answered, for whoever may read the same and asks the same.

    - Each list carries the stamp that its workspace had when the database was asked. Whoever changes documents or
      collections takes the stamp away after the commit and before their own answer: nobody who can know of a change
      is shown a list from before it.
    - Word of a change that is lost makes a list old for two seconds at most.
    - Rights are asked as always; which collections may be read is part of what a list is remembered by.
    - Without the cache every list comes from the database.
    """

    cache: Cache
    begin: UnitOfWorkFactory
    ids: Ids
    _rests_until: float = field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self.begin.listen(self.changed)

    async def recall(
        self, actor: Actor, action: Action, about: Sequence[object], make: Callable[[], Awaitable[bytes]]
    ) -> bytes:
        """The list that `about` describes, else what `make` makes of it now. What `make` raises is raised.

        Whoever may not do what `action` names is refused, as by the use case that nobody asks when it is remembered.
        """
        actor.require(action)
        if self._is_resting:
            return await make()
        stamp_key, key = _stamp_key(actor.workspace_id), _list_key(actor, about)
        stamp, kept = await self._look(stamp_key, key)
        if stamp is not None and kept is not None and kept[:STAMP_BYTES] == stamp:
            return kept[STAMP_BYTES:]
        if stamp is None and not self._is_resting:
            stamp = self.ids.new().bytes
            await self._keep(stamp_key, stamp, STAMPED)  # before the database is asked
        made = await make()
        if stamp is not None and len(made) <= MOST_BYTES and not self._is_resting:
            await self._keep(key, stamp + made, KEPT)
        return made

    async def changed(self, workspace_id: WorkspaceId) -> None:
        """What is remembered of the workspace is old."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self.cache.delete(_stamp_key(workspace_id))

    @property
    def _is_resting(self) -> bool:
        return asyncio.get_running_loop().time() < self._rests_until

    async def _look(self, *keys: str) -> list[bytes | None]:
        found: list[bytes | None] = [None] * len(keys)
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self.cache.get_many(keys)
        except TimeoutError:
            self._rest()
        if self.cache.is_down:
            self._rest()
        return found

    async def _keep(self, key: str, value: bytes, ttl: timedelta) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self.cache.set(key, value, ttl=ttl)
        except TimeoutError:
            self._rest()

    def _rest(self) -> None:
        self._rests_until = asyncio.get_running_loop().time() + REST


def _stamp_key(workspace_id: WorkspaceId) -> str:
    return f"lists/{workspace_id}"


def _list_key(actor: Actor, about: Sequence[object]) -> str:
    digest = hashlib.blake2b(repr(tuple(about)).encode(), digest_size=20)
    for collection_id in sorted(actor.readable_collections):
        digest.update(collection_id.bytes)
    return f"lists/{actor.workspace_id}/{digest.hexdigest()}"
