"""API keys: made, seen and revoked by a workspace's admins."""

from collections.abc import Set as AbstractSet
from datetime import datetime

from attrs import field, frozen

from application.auditing import note
from application.authentication import KEY_PREFIX
from application.documents import readable_collection
from application.ports.access import AccessChanges
from application.ports.security import Tokens
from application.ports.system import Clock, Ids
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from domain.access import Action, Actor, Scope
from domain.api_keys import SHOWN_LENGTH, ApiKey, check_grant
from domain.audit import Deed
from domain.errors import Forbidden, NotFound
from domain.ids import ApiKeyId, CollectionId
from domain.workspaces import check_name


@frozen(kw_only=True)
class MadeKey:
    """A new key and its secret, which is shown this once."""

    key: ApiKey
    secret: str = field(repr=False)


@frozen(kw_only=True)
class CreateApiKey:
    """A key for a program. Its secret is shown once and stored hashed.

    - It acts as the member who makes it, in this workspace alone, and never with more than they may do at that
      moment; when they leave, it is gone.
    - It has the scopes that are asked for, of those that the asker has: `read`, `write`, `chat`, `admin`. Answers from
      documents need `chat` and `read`.
    - Bound to collections, it sees nothing of the others; such a key may have the scopes `read` and `write`.
    """

    begin: UnitOfWorkFactory
    tokens: Tokens
    clock: Clock
    ids: Ids

    async def __call__(
        self,
        actor: Actor,
        *,
        name: str,
        scopes: AbstractSet[Scope],
        expires_at: datetime | None = None,
        collection_ids: AbstractSet[CollectionId] | None = None,
    ) -> MadeKey:
        """`Forbidden`, `InvalidInput`, or `NotFound` for a collection that does not exist for this actor."""
        actor.require(Action.API_KEY_MANAGE)
        now = self.clock.now()
        check_grant(scopes=scopes, collection_ids=collection_ids, expires_at=expires_at, now=now)
        if not scopes <= actor.scopes:
            raise Forbidden("A key cannot give scopes that the key which makes it has not.")
        opaque = self.tokens.new_opaque(KEY_PREFIX)
        key = ApiKey(
            id=ApiKeyId(self.ids.new()),
            workspace_id=actor.workspace_id,
            user_id=actor.user_id,
            name=check_name(name),
            scopes=frozenset(scopes),
            collection_ids=None if collection_ids is None else frozenset(collection_ids),
            prefix=opaque.secret[:SHOWN_LENGTH],
            token_hash=opaque.digest,
            created_at=now,
            expires_at=expires_at,
        )
        async with self.begin(actor.workspace_id) as work:
            for collection_id in key.collection_ids or ():
                await readable_collection(work, actor, collection_id)
            await work.api_keys.add(key)
            await note(work, Deed.API_KEY_CREATED, key.id, by=actor)
            made = MadeKey(key=key, secret=opaque.secret)
            await work.commit(made)
        return made


@frozen(kw_only=True)
class ListApiKeys:
    """The workspace's keys, oldest first, without their secrets.

    - The last use is noted once a minute at most.
    """

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, limit: int, after: ApiKeyId | None = None) -> list[ApiKey]:
        """At most `limit`, after the one named."""
        actor.require(Action.API_KEY_MANAGE)
        async with self.begin(actor.workspace_id) as work:
            return await work.api_keys.page(actor.workspace_id, limit=limit, after=after)


@frozen(kw_only=True)
class ShowApiKey:
    """One key, without its secret."""

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, key_id: ApiKeyId) -> ApiKey:
        """`NotFound` when the workspace has no such key."""
        actor.require(Action.API_KEY_MANAGE)
        async with self.begin(actor.workspace_id) as work:
            return await _present(work, actor, key_id)


@frozen(kw_only=True)
class RevokeApiKey:
    """Take a key away; it stops working at once on every process."""

    begin: UnitOfWorkFactory
    changes: AccessChanges

    async def __call__(self, actor: Actor, *, key_id: ApiKeyId) -> None:
        """`NotFound` when the workspace has no such key."""
        actor.require(Action.API_KEY_MANAGE)
        async with self.begin(actor.workspace_id) as work:
            key = await _present(work, actor, key_id)
            await work.api_keys.remove(key.id)
            await note(work, Deed.API_KEY_REVOKED, key.id, by=actor)
            await work.commit()
        await self.changes.announce(key.id)


async def _present(work: UnitOfWork, actor: Actor, key_id: ApiKeyId) -> ApiKey:
    key = await work.api_keys.get(key_id)
    if key is None or key.workspace_id != actor.workspace_id:
        raise NotFound("There is no such API key.")
    return key
